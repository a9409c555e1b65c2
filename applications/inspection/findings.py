"""What --check finds in a data set, and what of it is wrong, a leak or only worth knowing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from applications.inspection.images import Copies, Inspection, SharedReference
from dataloader.labels import doubts as label_doubts
from dataloader.labels.faults import Fault
from utils.duplicates import near_duplicates, odd_images
from utils.text import printable


@dataclass(frozen=True)
class Findings:
    """title: what was checked; splits: a summary of each, built-in types; scores: of each image
    that has one; unread: splits that were not looked at because of their label file; labelled: not
    so for photographs; label_doubts: what is hardly ever meant, one line each; unlabelled: how many
    images no label names, and the first of them.
    """

    title: str
    splits: dict[str, dict[str, Any]]
    seen: Inspection
    label_faults: list[Fault] = field(default_factory=list)
    scores: Mapping[Path, float] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    labelled: bool = True
    label_doubts: Sequence[str] = ()
    unlabelled: str = ""

    @property
    def leaks(self) -> list[Copies]:
        return [copies for copies in (*self.seen.exact, *self.seen.near) if copies.leak]

    @property
    def exit_code(self) -> int:
        """1 for faults and leaks; what is only odd, or twice in one split, is a warning."""
        return 1 if self.label_faults or self.seen.bad or self.leaks or self.seen.references else 0

    def faults(self) -> list[str]:
        """What makes the exit code 1, counted; empty for none."""
        leaks, pixels = len(self.leaks), sum(copies.leak for copies in self.seen.exact)
        found = []
        if self.seen.bad and not self.labelled:
            found = [f"{len(self.seen.bad)} unusable photograph(s)"]
        else:
            found = [f"{len(self.label_faults)} label fault(s)"] if self.label_faults else []
            found += [f"{len(self.seen.bad)} unreadable image(s)"] if self.seen.bad else []
        if leaks:
            near = leaks - pixels
            kinds = f"{pixels} exact, {near} near"
            found.append(f"{leaks} picture(s) in more than one split ({kinds})")
        if self.seen.references:
            found.append(f"{len(self.seen.references)} reference(s) in more than one split")
        return found

    def warnings(self) -> list[str]:
        """What leaves the exit code at 0, counted; empty for none."""
        exact, near = (
            sum(not c.leak for c in found) for found in (self.seen.exact, self.seen.near)
        )
        found = [(exact, "picture(s) twice in one split"), (near, "near duplicate(s) in one split")]
        kinds = [(kind, sum(o.kind == kind for o in self.seen.odd)) for kind in odd_images.KINDS]
        found += [(count, KIND_TITLES[kind]) for kind, count in kinds]
        found.insert(0, (len(self.label_doubts), "doubt(s) about labels"))
        return [f"{count} {what}" for count, what in found if count]

    def to_dict(self) -> dict[str, Any]:
        """Built-in types only, as -o FILE.json holds it."""
        return {
            "checked": printable(self.title),
            "splits": self.splits,
            "splits_not_read": list(self.unread),
            "label_faults": [
                {**dataclasses.asdict(f), "file": printable(f.file)} for f in self.label_faults
            ],
            "label_doubts": list(self.label_doubts),
            "unlabelled_images": self.unlabelled,
            "unreadable_images": [
                {**self._image(b.path), "reason": b.reason, "truncated": b.truncated}
                for b in self.seen.bad
            ],
            "odd_images": [
                {**self._image(o.path), "kind": o.kind, "detail": o.detail} for o in self.seen.odd
            ],
            "exact_duplicates": [self._copies(copies) for copies in self.seen.exact],
            "near_duplicates": [self._copies(copies) for copies in self.seen.near],
            "shared_references": [
                {
                    "reference_id": printable(shared.reference_id),
                    "images": {
                        split: [printable(path) for path in paths]
                        for split, paths in shared.images.items()
                    },
                }
                for shared in self.seen.references
            ],
            "not_compared": {"flat": self.seen.flat, "unreadable": len(self.seen.bad)},
            "rules": RULES,
            "faults": self.faults(),
            "warnings": self.warnings(),
            "exit_code": self.exit_code,
        }

    def _image(self, path: Path) -> dict[str, Any]:
        score = {"score": self.scores[path]} if path in self.scores else {}
        return {"path": printable(path), "splits": list(self.seen.owners[path]), **score}

    def _copies(self, copies: Copies) -> dict[str, Any]:
        links = {"links": list(copies.links)} if copies.links else {}
        return {
            "leak": copies.leak,
            "equal": copies.equal,
            "splits": list(copies.splits),
            "images": [self._image(path) for path in copies.images],
            **links,
        }

    def lines(self, most: int = 20) -> Iterator[str]:
        """Every leak and unreadable image for a terminal, the first ones of each, then a count."""
        kinds: list[Iterable[str]] = [
            (f"{printable(b.path)}: {b.reason}" for b in self.seen.bad),
            (self._leak(copies) for copies in self.leaks),
            (_shared(reference) for reference in self.seen.references),
        ]
        for kind in kinds:
            said = list(kind)
            yield from said[:most]
            if len(said) > most:
                yield f"... and {len(said) - most} more like these"

    def _leak(self, copies: Copies) -> str:
        how = {"bytes": "the same file", "pixels": "the same pixels", "near": "near duplicates"}
        first = copies.images[0]
        home = self.seen.owners[first]
        other = next(
            (p for p in copies.images[1:] if self.seen.owners[p] != home), copies.images[1]
        )
        more = len(copies.images) - 2
        rest = f" and {more} more" if more else ""
        places = f"{printable(first)} and {printable(other)}{rest}"
        return f"leak, {how[copies.equal]} in {joined(copies.splits)}: {places}"


def joined(names: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _shared(reference: SharedReference) -> str:
    counts = ", ".join(f"{split} ({len(p)} images)" for split, p in reference.images.items())
    return f"leak, reference {printable(reference.reference_id)!r} in {counts}"


KIND_TITLES = {
    "animated": "animated",
    "several_pictures": "with several pictures in one file",
    "deep": "of more than 8 bits",
    "small": "very small",
    "long": "very long",
    "other_size": "of another size than the rest",
}
RULES = {
    "near_duplicates": f"64-bit DCT hashes at most {near_duplicates.CANDIDATE_BITS} bits apart, "
    f"and gradients of {near_duplicates.SIDE}x{near_duplicates.SIDE} thumbnails that correlate by "
    f"{near_duplicates.SAME_SCENE} or more once registered (up to "
    f"{max(near_duplicates.CROPS):.0%} cropped on each side). Not compared: versions of one "
    "reference, the two images of a label line, and thumbnails with a standard deviation below "
    f"{near_duplicates.FLAT:g} of 255.",
    **label_doubts.RULES,
    **odd_images.KINDS,
}
