"""BIQ2021: 12000 photographs.

Images/ss01 (1).jpg
Train (Images and MOS).csv  Test (Images and MOS).csv      Image Name,MOS
"""

from __future__ import annotations

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import csv_rows, number


def read(tree: SourceTree) -> Reading:
    images = tree.images("Images")
    found = Reading((images,))
    for split in ("train", "test"):
        file = tree.file(f"{split.capitalize()} (Images and MOS).csv")
        for place, row in csv_rows(file, "image name", "mos"):
            path = images.find(row["image name"])
            if path is not None:
                found.add(Record(path=path, mos=number(place, row["mos"]), split=split))
    return found


BIQ2021 = DataSet(
    "BIQ2021",
    "Ahmed and Asif, Journal of Electronic Imaging 2022",
    read,
    scores="MOS as published, 0 to 1, higher is better",
    scale=(0, 1),
    rated=12000,
    split="official (10000/2000); 10 % of the training images val, drawn",
)
