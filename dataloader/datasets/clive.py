"""LIVE In the Wild Challenge: 1162 authentic photographs, and 7 that observers were trained with.

Images/3.bmp, 4.JPG, ...  Images/trainingImages/t1.bmp ... t7.bmp
Data/AllImages_release.mat  AllMOS_release.mat  AllStdDev_release.mat     1169 entries each
"""

from __future__ import annotations

import re

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import mat_numbers, mat_texts, same_length

TRAINING = re.compile(r"t\d+\.\w+", re.IGNORECASE)


def read(tree: SourceTree) -> Reading:
    images = tree.images("Images")
    found = Reading((images,))
    names = mat_texts(tree.file("AllImages_release.mat"), "AllImages_release")
    columns = []
    for name in ("AllMOS_release", "AllStdDev_release"):
        values = mat_numbers(file := tree.file(f"{name}.mat"), name).tolist()
        same_length(file, len(values), len(names), "one for each of AllImages_release.mat")
        columns.append(values)
    for name, mos, std in zip(names, *columns, strict=True):
        if TRAINING.fullmatch(name):
            found.dropped["shown to train the observers (t1 to t7)"] += 1
            images.pass_over(name)
        elif path := images.find(name):
            found.add(Record(path=path, mos=mos, std=std))
    return found


CLIVE = DataSet(
    "LIVE In the Wild Challenge",
    "Ghadiyaram and Bovik, IEEE Transactions on Image Processing 2016",
    read,
    scores="MOS as published, 0 to 100, higher is better",
    scale=(0, 100),
    rated=1162,
    split="drawn: 20 % test, 10 % val (the field: 80/20, 10 times)",
    std="AllStdDev_release, as published",
)
