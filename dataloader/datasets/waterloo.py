"""Waterloo Exploration: 4744 pristine images and four distortions at five levels, none rated.

    pristine_images/00001.bmp
    GB/GB1..5/00001.bmp  GN/GN1..5/*.bmp  JPEG/JPEG1..5/*.jpg  JP2K/JP2K1..5/*.jp2
    distorted_images/GBLUR/00001_1_1.png        name, type, level; or
    distorted_images/jpeg/00001_3.bmp           name, level

The download holds the pristine images and MATLAB code that makes the others; either layout is in
use.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import Images, SourceTree
from utils.imaging.image_folders import READABLE_EXTENSIONS

TYPES = {
    **dict.fromkeys(("gb", "gblur", "blur"), "Gaussian blur"),
    **dict.fromkeys(("gn", "wn", "gnoise", "noise"), "white noise"),
    **dict.fromkeys(("jpeg", "jpg"), "JPEG"),
    **dict.fromkeys(("jp2k", "jpeg2000", "j2k"), "JPEG2000"),
}
_WORDS = "|".join(sorted(TYPES, key=len, reverse=True))
# The folder and the name without extension: of `00001_1_1` the second number is the level.
VERSION = re.compile(
    rf"(?P<folder>{_WORDS})(?:(?P<level>[1-5])/[^/]+|/[^/]+?(?P<end>(?:_\d)?_(?P<last>[1-5])))",
    re.IGNORECASE,
)
TRAIN = 0.8  # the first names, as the data set's own evaluation divides them


def read(tree: SourceTree) -> Reading:
    """The records of the pristine images and their versions, in the folders' order of names."""
    pristine = tree.images("pristine_images")
    groups, others = _versions(tree)
    if not groups:
        raise ValueError(
            f"{tree.root}: no distorted images (GB/GB1, GN/GN1, JPEG/JPEG1, JP2K/JP2K1 ..., or "
            "distorted_images/GBLUR/00001_1_1.png): the download makes them with its MATLAB code; "
            "or use --generate live --photos SOURCE/pristine_images"
        )
    found = Reading((pristine, *groups.values(), others))
    names = sorted(PurePosixPath(path).stem for path in pristine.paths)
    for place, name in enumerate(names):
        split = "train" if place < TRAIN * len(names) else "test"
        found.add_reference(pristine.find_stem(name), name, split)
        for (distortion, level, end), images in groups.items():
            if path := images.find_stem(f"{name}{end}"):
                found.add(path, reference_id=name, distortion=distortion, level=level, split=split)
    return found


def _versions(tree: SourceTree) -> tuple[dict[tuple[str, int, str], Images], Images]:
    """((distortion, level, what follows the name of the pristine image) -> the images; images in
    a distortion's folder whose names give no level).
    """
    paths: dict[tuple[str, int, str], list[str]] = defaultdict(list)
    others = []
    for path in map(PurePosixPath, tree.paths):
        if path.suffix.lower() not in READABLE_EXTENSIONS:
            continue
        if match := VERSION.fullmatch(f"{path.parent.name}/{path.stem}"):
            level = int(match["level"] or match["last"])
            key = (TYPES[match["folder"].casefold()], level, match["end"] or "")
            paths[key].append(path.as_posix())
        elif path.parent.name.casefold() in TYPES:
            others.append(path.as_posix())
    groups = {
        key: Images(found, PurePosixPath(found[0]).parent.name)
        for key, found in sorted(paths.items())
    }
    return groups, Images(others)


WATERLOO = DataSet(
    "Waterloo Exploration", "Ma et al., IEEE Transactions on Image Processing 2017", read,
    scores="none: label.txt holds pairs (--criterion rank)",
    scale=None, rated=None,
    split="the first 80 % of the names for training (10 % of them val, drawn), the rest test",
)  # fmt: skip
