"""Waterloo Exploration: 4744 pristine images and four distortions at five levels, none rated.

    pristine_images/00001.bmp
    GB/GB1..5/00001.bmp  GN/GN1..5/*.bmp  JPEG/JPEG1..5/*.jpg  JP2K/JP2K1..5/*.jp2

The download holds the pristine images and MATLAB code that makes the others.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree

FOLDER = re.compile(r"(gb|gn|jpeg|jp2k)([1-5])", re.IGNORECASE)
TYPES = {"gb": "Gaussian blur", "gn": "white noise", "jpeg": "JPEG", "jp2k": "JPEG2000"}
TRAIN = 0.8  # the first names, as the data set's own evaluation divides them


def read(tree: SourceTree) -> Reading:
    pristine = tree.images("pristine_images")
    levels = sorted({match[0] for path in tree.paths if (match := _level_folder(path))})
    if not levels:
        raise ValueError(
            f"{tree.root}: no distorted images (GB/GB1, GN/GN1, JPEG/JPEG1, JP2K/JP2K1 ...): the "
            "download makes them with its MATLAB code; or use --generate live --photos "
            "SOURCE/pristine_images"
        )
    folders = [tree.images(name) for name in levels]
    found = Reading((pristine, *folders))
    names = sorted(PurePosixPath(path).stem for path in pristine.paths)
    for place, name in enumerate(names):
        split = "train" if place < TRAIN * len(names) else "test"
        found.add_reference(pristine.find_stem(name), name, split)
        for folder, images in zip(levels, folders, strict=True):
            path, match = images.find_stem(name), FOLDER.fullmatch(folder)
            if path is not None and match is not None:
                distortion, level = TYPES[match[1].casefold()], int(match[2])
                record = Record(
                    path=path, reference_id=name, distortion=distortion, level=level, split=split
                )
                found.add(record)
    return found


def _level_folder(path: str) -> re.Match[str] | None:
    return FOLDER.fullmatch(PurePosixPath(path).parent.name)


WATERLOO = DataSet(
    "Waterloo Exploration",
    "Ma et al., IEEE Transactions on Image Processing 2017",
    read,
    scores="none: label.txt holds pairs (--criterion rank)",
    scale=None,
    rated=None,
    split="the first 80 % of the names for training (10 % of them val, drawn), the rest test",
)
