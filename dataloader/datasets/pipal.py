"""PIPAL, as released for NTIRE: 200 references with 116 versions each, and a validation part.

    Train_Ref/A0001.bmp  Train_Dist/ (or Distortion_1..4/) A0001_00_00.bmp
    Train_Label/A0001.txt       "A0001_00_00.bmp,1520.0648"
    Val_Ref/  Val_Dist/  val_label.txt

Names are REFERENCE_GROUP_INDEX; the index within a group is no severity.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import Images, SourceTree
from dataloader.datasets.tables import lines, number

NAME = re.compile(r"(.+)_(\d\d)_(\d\d)\.\w+")
TRAIN_DIST = ("Train_Dist", *(f"Distortion_{part}" for part in range(1, 5)))


def read(tree: SourceTree) -> Reading:
    images = tree.images(*TRAIN_DIST)
    files = [p for p in tree.paths if "train_label" in p.casefold().split("/")[:-1]]
    files = sorted(path for path in files if path.casefold().endswith(".txt"))
    if not files:
        raise ValueError(f"{tree.root}: no Train_Label/A0001.txt there")
    references = tree.images("Train_Ref", optional=True)
    found = Reading((images, references))
    validation = tree.find("val_label.txt")
    for path in files:
        _read_list(tree.root / path, images, references, found, "train" if validation else "")
    if validation:
        held_out = (tree.images("Val_Dist"), tree.images("Val_Ref", optional=True))
        found.images = (images, references, *held_out)
        _read_list(validation, *held_out, found, "test")
        found.notes.append("PIPAL's own validation part is test here; val is drawn from Train_*")
    found.notes.append("the index in a name is no severity: no order is taken from it")
    return found


def _read_list(file: Path, images: Images, references: Images, found: Reading, split: str) -> None:
    for line, text in lines(file):
        name, comma, score = (part.strip() for part in text.rpartition(","))
        match = NAME.fullmatch(name)
        if not comma or match is None:
            raise ValueError(
                f"{file}:{line}: {text!r} is no line such as A0001_00_00.bmp,1520.0648"
            )
        path = images.find(name)
        if path is None:
            continue
        reference = match[1]
        suffix = PurePosixPath(path).suffix
        found.add_reference(references.find(f"{reference}{suffix}"), reference, split)
        record = Record(
            path=path,
            mos=number(f"{file}:{line}", score),
            reference_id=reference,
            distortion=f"group {match[2]}",
            split=split,
        )
        found.add(record)


PIPAL = DataSet(
    "PIPAL",
    "Gu et al., ECCV 2020",
    read,
    scores="Elo score as published, higher is better",
    scale=(500, 2500),
    rated=None,
    split="official where val_label.txt is there (test), 10 % of the training references val; else "
    "by reference, drawn: 20 % test, 10 % val",
)
