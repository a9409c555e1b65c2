"""FLIVE (PaQ-2-PiQ): 39.8 thousand pictures and 119.4 thousand patches of them.

    database/{voc_emotic_ava,blur_dataset,EE371R,patches}/...
    labels_image.csv            name (with its folder), mos
    labels_patch.csv            name, mos; patches/rq59.jpg_patch_1.jpg of the picture rq59.jpg
    labels<=640_padded.csv      name_image, is_valid, mos_image, ...: training and validation
    labels>640.csv              the same: test

Copies on file systems without < and > have labels=640_padded.csv and labels640.csv. A patch carries
its picture's extension inside its name, or not.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import csv_rows, number
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.text import quoted

PADDED = ("labels<=640_padded.csv", "labels=640_padded.csv", "labels640_padded.csv")
LARGE = ("labels>640.csv", "labels640.csv")
PATCH = re.compile(r"(.+)_patch_\d+", re.IGNORECASE)


def read(tree: SourceTree) -> Reading:
    """The records of pictures and, as a part of their own, of patches."""
    images = tree.images()
    found = Reading((images,))
    split = _official(tree)
    if not split:
        found.notes.append("no labels<=640_padded.csv and labels>640.csv: the split is drawn")
    pictures = set(split)
    for place, row in csv_rows(tree.file("labels_image.csv"), "name", "mos"):
        picture = PurePosixPath(row["name"]).stem.casefold()
        pictures.add(picture)
        if split and picture not in split:
            found.dropped["picture in no part of the official division"] += 1
            images.pass_over(PurePosixPath(row["name"]).name)
        elif path := images.find(row["name"]):
            mos = number(place, row["mos"])
            found.add(path, mos=mos, reference_id=picture, split=split.get(picture, ""))
    patches = tree.find("labels_patch.csv")
    for place, row in csv_rows(patches, "name", "mos") if patches else ():
        match = PATCH.fullmatch(PurePosixPath(row["name"]).stem)
        if match is None:
            raise ValueError(
                f"{place}: {quoted(row['name'])} is no name such as <picture>_patch_1.jpg"
            )
        picture = _picture_of(match[1].casefold(), pictures)
        if split and picture not in split:
            found.dropped["patch of a picture in no part of the official division"] += 1
            images.pass_over(PurePosixPath(row["name"]).name)
        elif path := images.find(row["name"]):
            found.add(
                path,
                mos=number(place, row["mos"]),
                reference_id=picture,
                split=split.get(picture, ""),
                part="patches",
            )
    found.notes.append("label.txt lists pictures; label_patches.txt lists patches")
    return found


def _picture_of(name: str, pictures: set[str]) -> str:
    """The picture that a patch is of, as `pictures` has it: `name` itself, or without the
    extension that it ends in.
    """
    stem, dot, extension = name.rpartition(".")
    cut = dot and f".{extension}" in READABLE_EXTENSIONS
    return stem if cut and (stem in pictures or name not in pictures) else name


def _official(tree: SourceTree) -> dict[str, str]:
    """Name of a picture, without folder and extension -> its split."""
    split = {}
    if file := tree.find(*PADDED):
        for place, row in csv_rows(file, "name_image", "is_valid"):
            valid = row["is_valid"].casefold()
            if valid not in ("true", "false"):
                raise ValueError(
                    f"{place}: is_valid {quoted(row['is_valid'])} is not True or False"
                )
            name = PurePosixPath(row["name_image"]).stem.casefold()
            split[name] = "val" if valid == "true" else "train"
    if file := tree.find(*LARGE):
        for _, row in csv_rows(file, "name_image"):
            split[PurePosixPath(row["name_image"]).stem.casefold()] = "test"
    return split


FLIVE = DataSet(
    "FLIVE (PaQ-2-PiQ)", "Ying et al., CVPR 2020", read,
    scores="MOS as published, 0 to 100, higher is better",
    scale=(0, 100), rated=None,
    split="official: labels<=640_padded.csv (is_valid: val), labels>640.csv (test); patches go "
    "with their picture",
)  # fmt: skip
