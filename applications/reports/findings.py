"""The page of --check: every kind of finding with thumbnails, in one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.inspection.findings import KIND_TITLES, RULES, Findings, joined
from applications.inspection.images import Copies, SharedReference
from applications.reports.page import write_page
from applications.reports.parts import (
    Gallery,
    Group,
    Groups,
    Part,
    Picture,
    Plot,
    Section,
    Table,
    Text,
)
from applications.reports.pictures import THUMBNAIL, Shown, shown_sources
from utils.drawing.chart import Bars, Chart
from utils.duplicates import odd_images

MOST_GROUPS, MOST_IMAGES, MOST_SINGLE, MOST_LINES = 40, 6, 60, 200  # shown of a kind
_SCORES = "scores: mean, deviation, range"
_EQUAL = {"bytes": "the same file", "pixels": "the same pixels", "near": "near duplicates"}
_RULE_TITLES = {
    "near_duplicates": "near duplicates",
    "far_score": "a score far from all others",
    "scale": "splits on two scales",
    "equal_scores": "equal scores",
    "unread_split": "folders that are not read",
    **KIND_TITLES,
}


def write_findings(
    file: Path, found: Findings, json_name: str, workers: int | None, max_pixels: int
) -> None:
    """The page, whole or not at all. json_name: the file that holds what is left out here; workers:
    processes that make thumbnails.
    """
    page = _Page(found, json_name)
    list(page.sections())  # once to see which images they show
    page.images = shown_sources(page.images, workers, max_pixels, THUMBNAIL)
    about = f"{len(found.seen.owners):,} images in {len(found.splits)} split(s). Nothing in the "
    about += f"data was changed. Complete lists: {json_name}"
    faults, warnings = found.faults(), found.warnings()
    verdicts = [("No faults and no leaks found", "good")]
    if faults:
        verdicts = [("Wrong: " + ", ".join(faults), "bad")]
    if warnings:
        verdicts.append(("Worth a look: " + ", ".join(warnings), "warn"))
    write_page(file, f"Data check: {found.title}", list(page.sections()), about, verdicts)


class _Page:
    """images: thumbnails; those that are still to be made are asked for."""

    def __init__(self, found: Findings, json_name: str) -> None:
        self.found, self.seen, self.json_name = found, found.seen, json_name
        self.images: dict[Any, Shown] = {}

    def sections(self) -> Iterator[Section]:
        yield self._splits()
        total, leaks = len(self.found.leaks), self.found.leaks[:MOST_GROUPS]
        why = "A model that has seen a test image is not tested by it. Keep each picture in one "
        groups = Groups([self._copies(copies, "bad") for copies in leaks])
        yield from self._some("Pictures in more than one split", total, f"{why}split only.", groups)
        total, shared = len(self.seen.references), self.seen.references[:MOST_GROUPS]
        why = "Versions of one photograph in several splits, by the reference_id of levels.csv."
        groups = Groups([self._reference(one) for one in shared])
        yield from self._some("References in more than one split", total, why, groups)
        rows: list[list[str]] = [
            [f"{f.file}:{f.line}" if f.line else str(f.file), f.message]
            for f in self.found.label_faults
        ]
        yield from self._lines("Label faults", ["place", "fault"], rows)
        rows = [[doubt] for doubt in self.found.label_doubts]
        yield from self._lines("Doubts about labels", ["doubt"], rows)
        rows = [
            [self._short(b.path), self._owners(b.path), "truncated" * b.truncated, b.reason or ""]
            for b in self.seen.bad
        ]
        yield from self._lines("Unreadable images", ["image", "split", "", "reason"], rows)
        why = "They count twice. Where their scores differ, people did not agree, or a label is "
        twice = [copies for copies in (*self.seen.exact, *self.seen.near) if not copies.leak]
        groups = Groups([self._copies(copies, "warn") for copies in twice[:MOST_GROUPS]])
        yield from self._some("Pictures twice in one split", len(twice), f"{why}wrong.", groups)
        for kind in KIND_TITLES:
            odd = [one for one in self.seen.odd if one.kind == kind]
            gallery = Gallery([self._picture(o.path, o.detail) for o in odd[:MOST_SINGLE]])
            title, why = f"Odd images, {KIND_TITLES[kind]}", odd_images.KINDS[kind]
            yield from self._some(title, len(odd), why, gallery, MOST_SINGLE)
        rows = [[_RULE_TITLES.get(name, name), rule] for name, rule in RULES.items()]
        why = f"Not compared: {self.seen.flat} image(s) that show nothing, "
        why += f"{len(self.seen.bad)} unreadable."
        yield Section("", "What counts", why, (Table(["finding", "what counts"], rows, 9),))

    def _splits(self) -> Section:
        splits = self.found.splits
        header = ["split", "lines", "images", _SCORES, "votes per image", "pairs per image"]
        body: list[Part] = [
            Table(header, [[name, *_split_row(own)] for name, own in splits.items()]).used(2)
        ]
        if self.found.unread:
            left = ", ".join(self.found.unread)
            body.append(Text(f"Not looked at before the label file is mended: {left}", "bad"))
        body += (plot for name, own in splits.items() for plot in _charts(name, own))
        return Section("", "Splits", "", body)

    def _lines(
        self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> Iterator[Section]:
        shown = Table(header, rows[:MOST_LINES], numeric=9)
        yield from self._some(title, len(rows), "", shown, MOST_LINES)

    def _some(
        self, title: str, total: int, why: str, shown: Part, most: int | None = None
    ) -> Iterator[Section]:
        """A section of what was found, of which the page shows a part; none where it is nothing."""
        if total:
            left = self._more(total - (most or MOST_GROUPS))
            body = [shown, Text(left, "more")] if left else [shown]
            yield Section("", f"{title}: {total:,}", why, body)

    def _more(self, count: int) -> str:
        return f"{count:,} more, not shown here: {self.json_name} lists all" if count > 0 else ""

    # ---- images

    def _copies(self, copies: Copies, kind: str) -> Group:
        words = f"{len(copies.images)} images in {joined(copies.splits)}"
        shown = self._spread(copies.images)
        if copies.links:
            words += _links(copies)
        return self._group(words, shown, len(copies.images), (_EQUAL[copies.equal], kind))

    def _reference(self, shared: SharedReference) -> Group:
        counts = [f"{len(paths)} in {split}" for split, paths in shared.images.items()]
        total, words = sum(map(len, shared.images.values())), ": " + ", ".join(counts)
        tag = ("reference", "bad")
        share = max(1, MOST_IMAGES // len(shared.images))
        shown = [path for paths in shared.images.values() for path in paths[:share]]
        return self._group(words, shown, total, tag, shared.reference_id)

    def _group(
        self, words: str, shown: Sequence[Path], total: int, tag: tuple[str, str], name: str = ""
    ) -> Group:
        gallery = Gallery([self._picture(path) for path in shown])
        return Group(words, gallery, tag, name, self._more(total - len(shown)))

    def _picture(self, path: Path, detail: str = "") -> Picture:
        score = self.found.scores.get(path)
        said = "" if score is None else f"score {score:.4g}"
        facts = ", ".join(filter(None, (self._owners(path), detail, said)))
        source, _ = self.images.setdefault(path, ("", ""))
        return Picture(path.name, source, [self._short(path), facts], zooms=False)

    def _owners(self, path: Path) -> str:
        return joined(self.seen.owners[path])

    def _short(self, path: Path) -> str:
        root = Path(self.found.title).absolute()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _spread(self, images: Sequence[Path]) -> list[Path]:
        """At most MOST_IMAGES, of every split one at least, in the order given."""
        owners = self.seen.owners
        first = {owners[path]: path for path in reversed(images)}.values()
        chosen = dict.fromkeys([*reversed(first), *images])
        kept = set(list(chosen)[:MOST_IMAGES])
        return [path for path in images if path in kept]


def _links(copies: Copies) -> str:
    alike = [link["similarity"] for link in copies.links]
    low, high = min(alike), max(alike)
    mirrored = ", mirrored" if any(link.get("mirrored") for link in copies.links) else ""
    return f"; similarity {low:.2f}{'' if low == high else f' to {high:.2f}'}{mirrored}"


def _split_row(figures: dict[str, Any]) -> list[str]:
    row = [f"{figures['lines']:,}" if "lines" in figures else "", f"{figures['images']:,}"]
    scores = figures.get("scores")
    said = ""
    if scores:
        spread = f"{scores['min']:.4g} to {scores['max']:.4g}"
        said = f"{scores['mean']:.4g}, {scores['std']:.3g}, {spread}"
    counted = [figures.get(name) for name in ("votes", "pairs")]
    return [*row, said, *(_range(one["per_image"]) if one else "" for one in counted)]


def _range(spread: dict[str, float]) -> str:
    return f"{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}"


def _charts(name: str, figures: dict[str, Any]) -> Iterator[Plot]:
    if scores := figures.get("scores"):
        bars = Bars(scores["histogram"]["edges"], scores["histogram"]["counts"])
        yield Plot(Chart(f"{name}: images by score", "score", "images", (bars,)), f"{name}_scores")
    if by_bin := figures.get("votes", {}).get("by_bin"):
        bars = Bars(0.5 + np.arange(len(by_bin) + 1), by_bin)
        yield Plot(Chart(f"{name}: votes by score", "score", "votes", (bars,)), f"{name}_votes")
