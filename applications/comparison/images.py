"""The test images of several runs, matched: one order, one set of labels, scores of each run."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from applications.comparison.runs import ComparedRun, Predictions
from dataloader.labels.labels import Version
from dataloader.labels.paths import Resolver, images_root
from utils.statistics.bootstrap import cluster_numbers
from utils.statistics.metrics import moments_of_votes

_SAME = 1e-5  # of a label's size: what two spellings of one float32 may differ by
_ROOTS = ("data", "images", "photos")  # flags that name where images lie

Keys = list[Hashable]


@dataclass(frozen=True)
class Matched:
    """N images in the order of the first run. names: short, for a person; files: where each may
    lie; scores, probs: by run, (N,) and (N, K); opinion (N,): what people said, higher is better,
    None where the files do not know; labels: one predictions file's, in this order; order: by run,
    the row (N,) of its file that each image is.
    """

    runs: tuple[ComparedRun, ...]
    how: str
    names: tuple[str, ...]
    files: tuple[tuple[Path, ...], ...]
    scores: dict[str, np.ndarray]
    probs: dict[str, np.ndarray]
    labels: Predictions
    opinion: np.ndarray | None
    versions: tuple[Version, ...] | None
    order: dict[str, np.ndarray]

    def references(self) -> np.ndarray | None:
        """Numbers (N,) of the images' references; None where no file knows them."""
        if self.versions is None:
            return None
        known = zip(self.versions, self.names, strict=True)
        return cluster_numbers([level.reference_id or name for level, name in known])


def match(runs: Sequence[ComparedRun]) -> Matched:
    """ValueError, one line, where the runs were tested on other images or other labels."""
    _same_kind(runs)
    how, keys = _matching(runs)
    order = []
    for own in keys:
        place = {key: i for i, key in enumerate(own)}
        order.append(np.array([place[key] for key in keys[0]], dtype=np.int64))
    tested = [_taken(run.predictions, o) for run, o in zip(runs, order, strict=True)]
    names = _below_common(tested[0].images)
    _same_labels(runs, tested, names)
    if how != _PLACE:
        _same_digest(runs, tested)
    first = tested[0]
    versions = next((one.versions for one in tested if one.versions is not None), None)
    return Matched(
        runs=tuple(runs),
        how=how,
        names=tuple(map(str, names)),
        files=tuple(
            _files(runs, images) for images in zip(*(one.images for one in tested), strict=True)
        ),
        scores={run.name: one.scores for run, one in zip(runs, tested, strict=True)},
        probs={
            run.name: one.probs
            for run, one in zip(runs, tested, strict=True)
            if one.probs is not None
        },
        labels=first,
        opinion=opinion_of(first),
        versions=versions,
        order={run.name: o for run, o in zip(runs, order, strict=True)},
    )


def _files(runs: Sequence[ComparedRun], images: Sequence[str]) -> tuple[Path, ...]:
    """Where one image may lie, by all runs; runs move, so relative paths count from here, too."""
    places = [run.folder / image for run, image in zip(runs, images, strict=True)]
    return tuple(dict.fromkeys([*places, *map(Path, images)]))


def opinion_of(labels: Predictions) -> np.ndarray | None:
    """What people said of each image (N,), higher is better; None where the file does not know."""
    if labels.votes is not None:
        return moments_of_votes(labels.votes)[0]  # as an evaluation has it, ties included
    return labels.mos if labels.mos is not None else labels.bucket


def _taken(given: Predictions, order: np.ndarray) -> Predictions:
    def rows(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[order]

    versions = None if given.versions is None else tuple(given.versions[i] for i in order)
    return Predictions(
        given.file, tuple(given.images[i] for i in order), given.scores[order], rows(given.probs),
        rows(given.mos), rows(given.votes), rows(given.bucket), versions,
    )  # fmt: skip


# ---- which image of one run is which of another

_PLACE = "by their place on the disk"


def _matching(runs: Sequence[ComparedRun]) -> tuple[str, list[Keys]]:
    """(how, keys of each run's images): the first way that finds the same images in all runs."""
    ways: dict[str, Callable[[ComparedRun], Keys | None]] = {
        _PLACE: _places,
        "by their path below each run's data folder": _below_data,
        "by their path below the folder that all of a run's images share": (
            lambda run: _below_common(run.predictions.images)
        ),
    }
    nearest: tuple[int, list[Keys]] = (-1, [])
    for how, keys_of in ways.items():
        keys = [keys_of(run) for run in runs]
        known = [own for own in keys if own is not None and len(set(own)) == len(own)]
        if len(known) < len(runs):
            continue
        shared = set(known[0]).intersection(*known[1:])
        if all(len(own) == len(shared) for own in known):
            return how, known
        nearest = max(nearest, (len(shared), known), key=lambda found: found[0])
    raise ValueError(_different(runs, nearest[1]))


def _different(runs: Sequence[ComparedRun], keys: list[Keys]) -> str:
    """Which images two of the runs do not share; of the first two that differ."""
    other = next(i for i, own in enumerate(keys) if set(own) != set(keys[0]))
    said = []
    for one, two in ((0, other), (other, 0)):
        there = set(keys[two])
        lacking = [i for i, key in enumerate(keys[one]) if key not in there]
        if lacking:
            example = runs[one].predictions.images[lacking[0]]
            said.append(
                f"{len(lacking)} of {len(keys[one])} images of {runs[one].name} are not in "
                f"{runs[two].name}, e.g. {example}"
            )
    return (
        f"--compare: different test images: {'; '.join(said)}: evaluate both on one split with "
        "-e -o FILE.csv, and compare those files"
    )


def _places(run: ComparedRun) -> Keys:
    resolve, folder = Resolver(), run.folder
    return [resolve(os.path.abspath(folder / image)) for image in run.predictions.images]


def _below_data(run: ComparedRun) -> Keys | None:
    """None for a predictions file, and where an image lies elsewhere."""
    if run.config is None:
        return None
    roots = [os.path.join(run.folder, run.config[name]) for name in _ROOTS if run.config.get(name)]
    try:
        named = images_root(Path(roots[0])) if roots else None
    except ValueError:  # moved since: the other roots are left
        named = None
    tops = [os.path.abspath(root) for root in (*roots, named) if root is not None]
    prefixes = [os.path.join(top, "") for root in tops for top in (root, os.path.realpath(root))]
    keys: Keys = []
    for image in run.predictions.images:
        place = os.path.abspath(run.folder / image)
        inside = [place[len(p) :] for p in prefixes if place.startswith(p)]
        if not inside:
            return None
        keys.append(min(inside, key=len))
    return keys


def _below_common(images: Sequence[str]) -> Keys:
    """The images' paths below the deepest folder that holds all of them."""
    # Not os.path.commonpath: relative and absolute ones are mixed by --photos and --data.
    folders = [os.path.dirname(image).split("/") for image in images]
    shared = os.path.commonprefix(folders)
    return ["/".join(image.split("/")[len(shared) :]) for image in images]


# ---- the same labels


def _same_kind(runs: Sequence[ComparedRun]) -> None:
    kinds = {run.predictions.kind: run.name for run in reversed(runs)}
    if len(kinds) > 1:
        said = ", ".join(f"{name}: {kind}" for kind, name in kinds.items())
        raise ValueError(
            f"--compare: different kinds of labels ({said}): evaluate all on the same label file"
        )


def _same_labels(
    runs: Sequence[ComparedRun], tested: Sequence[Predictions], names: Sequence[Hashable]
) -> None:
    first = tested[0]
    for run, one in zip(runs[1:], tested[1:], strict=True):
        both = f"in {runs[0].name}", f"in {run.name}"
        for what in ("mos", "votes", "bucket"):
            a, b = getattr(first, what), getattr(one, what)
            if a is None:
                continue
            near = np.isclose(a, b, rtol=_SAME, atol=_SAME * float(np.abs(a).max(initial=0)))
            wrong = np.flatnonzero(~near.reshape(len(a), -1).all(axis=1))
            if len(wrong):
                i = int(wrong[0])
                raise ValueError(
                    f"--compare: {len(wrong)} images have different labels, e.g. {names[i]}: "
                    f"{what} {_shown(a[i])} {both[0]} and {_shown(b[i])} {both[1]}"
                )
    known = [
        (r, one.versions) for r, one in zip(runs, tested, strict=True) if one.versions is not None
    ]
    for run, versions in known[1:]:
        for name, a, b in zip(names, known[0][1], versions, strict=True):
            if a != b:
                raise ValueError(
                    f"--compare: {name} is {_version(a)} in {known[0][0].name} and {_version(b)} "
                    f"in {run.name}"
                )


def _shown(value: np.ndarray) -> str:
    return " ".join(f"{v:.6g}" for v in np.atleast_1d(value))


def _version(version: Version) -> str:
    return f"({version.reference_id}, {version.distortion}, level {version.level})"


def _same_digest(runs: Sequence[ComparedRun], tested: Sequence[Predictions]) -> None:
    """Where nothing in the files tells two data sets with the same names apart, the SHA-256 of the
    test labels does.
    """
    if any(opinion_of(one) is not None for one in tested):
        return
    known = [
        (run.name, digest)
        for run in runs
        if (digest := run.environment.get("labels_sha256", {}).get("test"))
    ]
    for name, digest in known[1:]:
        if digest != known[0][1]:
            raise ValueError(
                f"--compare: the images of {known[0][0]} and {name} have the same names, but "
                "their test labels differ (SHA-256 in environment.json)"
            )
