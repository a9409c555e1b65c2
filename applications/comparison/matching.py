"""The test images of several runs, matched: evaluations in one order, with one set of labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from applications.comparison.runs import Run
from applications.evaluation.evaluation import Evaluation
from dataloader.labels.labels import Version, Versions
from dataloader.labels.paths import Resolver, images_root
from dataloader.sources import Source
from utils.statistics.bootstrap import cluster_numbers
from utils.statistics.predictions import Opinions, Predictions

_SAME = 1e-5  # of a label's size: what two spellings of one float32 may differ by
_ROOTS = ("data", "images", "photos")  # flags that name where images lie
# Labels of a predictions file, those that say most first: all of them in words, and that of one
# image.
_KINDS = {
    "probs": ("histograms of {} bins", "mean vote"),
    "mos": ("mean opinion scores", "MOS"),
    "bucket": ("buckets", "bucket"),
}

Keys = list[Hashable]


@dataclass(frozen=True, eq=False)
class Matched:
    """N images in the order of the first run. runs: each `test` in this order, with the versions
    that any of the files knows; names: short, for a person.
    """

    runs: tuple[Run, ...]
    how: str
    names: tuple[str, ...]

    def files(self, place: int) -> tuple[Path, ...]:
        """Where an image may lie, by all runs; they move: relative paths count from here, too."""
        images = [run.test.images[place] for run in self.runs]
        places = [run.folder / image for run, image in zip(self.runs, images, strict=True)]
        return tuple(dict.fromkeys([*places, *images]))

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Of each run (N,)."""
        return {run.name: run.test.scores for run in self.runs}

    @property
    def labels(self) -> Mapping[str, np.ndarray]:
        """What people said: the first run's, which are those of all."""
        return self.runs[0].test.labels

    @property
    def kind(self) -> str:
        """What the labels are, in words."""
        return _kind(self.labels)[0]

    @property
    def word(self) -> str:
        """What people's opinion of an image is called."""
        return _kind(self.labels)[1]

    @property
    def versions(self) -> Versions | None:
        """Of the images, where any of the files knows them."""
        return self.runs[0].test.versions

    @property
    def opinion(self) -> np.ndarray | None:
        """What people said of each image (N,), higher is better: a mean or a bucket; None where the
        files do not know.
        """
        known = self.runs[0].test.opinions
        return self.labels.get("bucket") if known is None else known.mos


def _kind(labels: Mapping[str, np.ndarray]) -> tuple[str, str]:
    name = next((name for name in _KINDS if name in labels), None)
    if name is None:
        return "none in the file", ""
    said, word = _KINDS[name]
    return said.format(labels[name].shape[-1]), word


def match(runs: Sequence[Run]) -> Matched:
    """ValueError, one line, where the runs were tested on other images or other labels."""
    _same_kind(runs)
    how, keys = _matching(runs)
    tests = []
    for run, own in zip(runs, keys, strict=True):
        place = {key: i for i, key in enumerate(own)}
        tests.append(_taken(run.test, np.array([place[key] for key in keys[0]], dtype=np.int64)))
    names = _below_common(tests[0].images)
    _same_labels(runs, tests, names)
    if how != _PLACE:
        _same_digest(runs)
    first = tests[0]
    known = next((test for test in tests if test.versions is not None), first)
    # One set of labels: two spellings of one number would rank images in two ways.
    same = {"labels": first.labels, "opinions": first.opinions, "lines": first.lines}
    same |= {"versions": known.versions, "clusters": known.clusters}
    return Matched(
        tuple(
            replace(run, test=replace(test, **same)) for run, test in zip(runs, tests, strict=True)
        ),
        how,
        tuple(map(str, names)),
    )


def _taken(given: Evaluation, order: np.ndarray) -> Evaluation:
    """With its images in another order."""
    said = given.predictions
    return replace(
        given,
        images=tuple(given.images[i] for i in order),
        versions=None if given.versions is None else given.versions[order],
        labels={name: values[order] for name, values in given.labels.items()},
        predictions=Predictions(
            said.scores[order], None if said.probs is None else said.probs[order]
        ),
        opinions=None if given.opinions is None else Opinions(given.opinions.mos[order]),
        clusters=cluster_numbers(given.clusters[order].tolist()),
    )


# ---- which image of one run is which of another

_PLACE = "by their place on the disk"


def _matching(runs: Sequence[Run]) -> tuple[str, list[Keys]]:
    """(how, keys of each run's images): the first way that finds the same images in all runs."""
    ways: dict[str, Callable[[Run], Keys | None]] = {
        _PLACE: _places,
        "by their path below each run's data folder": _below_data,
        "by their path below the folder that all of a run's images share": (
            lambda run: _below_common(run.test.images)
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


def _different(runs: Sequence[Run], keys: list[Keys]) -> str:
    """Which images two of the runs do not share; of the first two that differ."""
    other = next(i for i, own in enumerate(keys) if set(own) != set(keys[0]))
    said = []
    for one, two in ((0, other), (other, 0)):
        there = set(keys[two])
        lacking = [i for i, key in enumerate(keys[one]) if key not in there]
        if lacking:
            example = runs[one].test.images[lacking[0]]
            said.append(
                f"{len(lacking)} of {len(keys[one])} images of {runs[one].name} are not in "
                f"{runs[two].name}, e.g. {example}"
            )
    return (
        f"--compare: different test images: {'; '.join(said)}: evaluate both on one split with "
        "-e -o FILE.csv, and compare those files"
    )


def _places(run: Run) -> Keys:
    resolve, folder = Resolver(), run.folder
    return [resolve(os.path.abspath(os.path.join(folder, image))) for image in run.test.images]


def _below_data(run: Run) -> Keys | None:
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
    for image in run.test.images:
        place = os.path.abspath(os.path.join(run.folder, image))
        inside = [place[len(p) :] for p in prefixes if place.startswith(p)]
        if not inside:
            return None
        keys.append(min(inside, key=len))
    return keys


def _below_common(images: Sequence[Source]) -> Keys:
    """The images' paths below the deepest folder that holds all of them."""
    # Not os.path.commonpath: relative and absolute ones are mixed by --photos and --data.
    parts = [image.as_posix().split("/") for image in images]
    shared = os.path.commonprefix([own[:-1] for own in parts])
    return ["/".join(own[len(shared) :]) for own in parts]


# ---- the same labels


def _same_kind(runs: Sequence[Run]) -> None:
    kinds = {_kind(run.test.labels)[0]: run.name for run in reversed(runs)}
    if len(kinds) > 1:
        said = ", ".join(f"{name}: {kind}" for kind, name in kinds.items())
        raise ValueError(
            f"--compare: different kinds of labels ({said}): evaluate all on the same label file"
        )


def _same_labels(
    runs: Sequence[Run], tests: Sequence[Evaluation], names: Sequence[Hashable]
) -> None:
    first = tests[0]
    for run, one in zip(runs[1:], tests[1:], strict=True):
        for what, a in first.labels.items():
            b = one.labels.get(what, a)
            near = np.isclose(a, b, rtol=_SAME, atol=_SAME * float(np.abs(a).max(initial=0)))
            wrong = np.flatnonzero(~near.reshape(len(a), -1).all(axis=1))
            if len(wrong):
                i, spelled = int(wrong[0]), "votes" if what == "probs" else what
                raise ValueError(
                    f"--compare: {len(wrong)} images have different labels, e.g. {names[i]}: "
                    f"{spelled} {_shown(a[i])} in {runs[0].name} and {_shown(b[i])} in {run.name}"
                )
    known = [
        (run, t.versions) for run, t in zip(runs, tests, strict=True) if t.versions is not None
    ]
    for run, versions in known[1:]:
        teller, told = known[0]
        columns = ("reference_id", "distortion", "level")
        unlike = [getattr(told, name) != getattr(versions, name) for name in columns]
        for i in np.flatnonzero(np.any(unlike, axis=0))[:1].tolist():
            raise ValueError(
                f"--compare: {names[i]} is {_version(told[i])} in {teller.name} and "
                f"{_version(versions[i])} in {run.name}"
            )


def _shown(value: np.ndarray) -> str:
    return " ".join(f"{v:.6g}" for v in np.atleast_1d(value))


def _version(version: Version) -> str:
    return f"({version.reference_id}, {version.distortion}, level {version.level})"


def _same_digest(runs: Sequence[Run]) -> None:
    """Where nothing in the files tells two data sets with the same names apart, the SHA-256 of the
    test labels does.
    """
    if any(run.test.labels for run in runs):
        return
    known = [(run.name, run.test_labels) for run in runs if run.test_labels]
    for name, digest in known[1:]:
        if digest != known[0][1]:
            raise ValueError(
                f"--compare: the images of {known[0][0]} and {name} have the same names, but "
                "their test labels differ (SHA-256 in environment.json)"
            )
