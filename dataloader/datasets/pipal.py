"""PIPAL: 200 references with 116 versions each, and a validation part.

As released for NTIRE:
    Train_Ref/A0001.bmp  Train_Dist/ (or Distortion_1..4/) A0001_00_00.bmp
    Train_Label/A0001.txt       "A0001_00_00.bmp,1520.0648"
    Val_Ref/  Val_Dist/  Val_Label/A0000.txt (or val_label.txt)
As the authors release it:
    training/Reference_train/  training/Distortion/Distortion_1..4/  training/MOS_Scores_train/
    validation/Reference_valid/  validation/Distortion_valid/, mostly without scores

Names are REFERENCE_GROUP_INDEX; the index within a group is no severity.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from dataloader.datasets.records import DataSet, Reading
from dataloader.datasets.source_tree import Images, SourceTree
from dataloader.datasets.tables import lines, number
from utils.text import quoted

NAME = re.compile(r"(.+)_(\d\d)_(\d\d)\.\w+")
TRAIN = ("Train_Dist", *(f"Distortion_{part}" for part in range(1, 5)))
VALIDATION = ("Val_Dist", "Distortion_valid")


def read(tree: SourceTree) -> Reading:
    """The records of the training part, and of the validation part where it has scores."""
    images = tree.images(*TRAIN)
    files = _lists(tree, "train_label", "mos_scores_train")
    if not files:
        raise ValueError(f"{tree.root}: no Train_Label/A0001.txt, nor MOS_Scores_train/, there")
    references = tree.images("Train_Ref", "Reference_train", optional=True)
    found = Reading((images, references))
    validation = _lists(tree, "val_label") or tree.every("val_label.txt")[:1]
    for path in files:
        _read_list(tree.root / path, images, references, found, "train" if validation else "")
    held_out = tree.images(*VALIDATION, optional=not validation)
    if validation:
        heads = tree.images("Val_Ref", "Reference_valid", optional=True)
        found.images = (images, references, held_out, heads)
        for path in validation:
            _read_list(tree.root / path, held_out, heads, found, "test")
        found.notes.append("PIPAL's own validation part is test here; val is drawn from training")
    elif held_out.paths:
        found.notes.append(
            f"{len(held_out.paths)} validation images without scores (no Val_Label/): left out"
        )
    found.notes.append("the index in a name is no severity: no order is taken from it")
    return found


def _lists(tree: SourceTree, *folders: str) -> list[str]:
    """The text files in the folders of these names, wherever those are."""
    texts = [path for path in tree.paths if path.casefold().endswith(".txt")]
    return [path for path in texts if set(folders) & set(path.casefold().split("/")[:-1])]


def _read_list(file: Path, images: Images, references: Images, found: Reading, split: str) -> None:
    for line, text in lines(file):
        name, comma, score = (part.strip() for part in text.rpartition(","))
        match = NAME.fullmatch(name)
        if not comma or match is None:
            raise ValueError(
                f"{file}:{line}: {quoted(text)} is no line such as A0001_00_00.bmp,1520.0648"
            )
        if path := images.find(name):
            head = f"{match[1]}{PurePosixPath(path).suffix}"
            found.add_reference(references.find(head), match[1], split)
            found.add(
                path,
                mos=number(f"{file}:{line}", score),
                reference_id=match[1],
                distortion=f"group {match[2]}",
                split=split,
            )


PIPAL = DataSet(
    "PIPAL", "Gu et al., ECCV 2020", read,
    scores="Elo score as published, higher is better",
    scale=(500, 2500), rated=None,
    split="official where Val_Label/ is there (test), 10 % of the training references val; else "
    "by reference, drawn: 20 % test, 10 % val",
)  # fmt: skip
