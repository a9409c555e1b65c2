"""Pristine photographs: those that ship inside installed packages, or a folder of one's own."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from utils.imaging.image_folders import READABLE_EXTENSIONS, Say, left_out, list_images
from utils.runtime.seed import permutation
from utils.text import to_stderr

# Real colour photographs inside the packages' own folders: no drawings, no second view of a scene.
_PACKAGE_PHOTOS = {
    "skimage": (
        "data/astronaut.png", "data/chelsea.png", "data/coffee.png", "data/hubble_deep_field.jpg",
        "data/ihc.png", "data/motorcycle_left.png", "data/retina.jpg", "data/rocket.jpg",
    ),
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
}  # fmt: skip
# A microscope's, a telescope's and a fundus camera's: good for training, but nobody would judge a
# photo-quality model by them.
SCIENTIFIC = frozenset(("hubble_deep_field", "ihc", "retina"))
_REMEDY = "pip install -r requirements-quickstart.txt, or pass --photos DIR"


def package_photos() -> list[Path]:
    """The photographs inside scikit-image, scikit-learn and matplotlib.

    Nothing is imported or downloaded. A photograph that the installed release no longer ships is
    left out; a package that is not installed is a ValueError.
    """
    photos: list[Path] = []
    for package, names in _PACKAGE_PHOTOS.items():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"{package} (it brings photographs) is not installed: {_REMEDY}")
        folder = Path(spec.submodule_search_locations[0])
        photos += [folder / name for name in names if (folder / name).is_file()]
    if not photos:
        raise ValueError(f"the installed packages ship none of the known photographs: {_REMEDY}")
    return photos


def find_photos(folder: Path, say: Say = to_stderr) -> list[Path]:
    """All image files below `folder`, sorted; ValueError when there are none. say: see
    `list_images`.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: not a folder: --photos takes a folder of photographs")
    found = list_images(folder, say)
    if not found:
        kinds = ", ".join(sorted(READABLE_EXTENSIONS))
        what = f"no photographs in it: {left_out(folder)}".rstrip(": ")
        raise ValueError(f"{folder}: {what}: expected files that end in {kinds}")
    return found


def keep_apart(photos: Path, out: Path) -> None:
    """ValueError when `out` is the folder of photographs or lies in it: that is only read."""
    folder, target = photos.resolve(), out.resolve()
    if target == folder or folder in target.parents:
        raise ValueError(f"{out}: lies among the photographs of {photos}: write to another folder")


def name_photos(photos: Sequence[Path]) -> dict[str, Path]:
    """A name for each photograph, safe in label files and on every file system, in the order given.

    It is the file's stem, with `_` for all but letters, digits, `_`, `-` and `.`; where stems are
    equal but for case, the folder's name comes in front. ValueError when two names still clash.
    """
    stems = Counter(_safe(path.stem).casefold() for path in photos)
    named: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path in photos:
        name = _safe(path.stem)
        if stems[name.casefold()] > 1:
            name = f"{_safe(path.resolve().parent.name)}_{name}"
        if name.casefold() in taken:
            other = taken[name.casefold()]
            raise ValueError(f"{path}: would be called {name} as {other} is: rename one of them")
        taken[name.casefold()] = named[name] = path
    return named


def split_photos(
    photos: Sequence[Path],
    val: int,
    test: int,
    seed: int,
    train_only: frozenset[str] = frozenset(),
) -> dict[str, list[Path]]:
    """Whole photographs for "train", "val" and "test", drawn with `seed`.

    train_only: stems of photographs that are never held out. A split of none is left out. The
    draw depends on the photographs' names, not on where they lie. ValueError when nothing is left
    to train on.
    """
    if len(photos) <= val + test:
        raise ValueError(
            f"{len(photos)} photographs cannot give {val} to val and {test} to test and leave one "
            "to train on: pass more photographs, or smaller --val_photos and --test_photos"
        )
    named = name_photos(photos)
    names = sorted(named)
    drawn = [named[names[i]] for i in permutation(len(names), seed, "split_photos")]
    drawn.sort(key=lambda path: path.stem in train_only)  # stable: the rest keep their order
    splits = {"train": drawn[val + test :], "val": drawn[:val], "test": drawn[val : val + test]}
    return {split: members for split, members in splits.items() if members}


def _safe(stem: str) -> str:
    return re.sub(r"[^\w.-]", "_", stem).lstrip(".-") or "photo"
