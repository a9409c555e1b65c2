"""SPAQ: 11125 photographs of smartphones.

TestImage/00001.jpg
Annotations/MOS and Image attribute scores.xlsx     Image name, MOS, Brightness, ...
"""

from __future__ import annotations

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import number, sheet_rows


def read(tree: SourceTree) -> Reading:
    images = tree.images("TestImage")
    found = Reading((images,))
    file = tree.file("MOS and Image attribute scores.xlsx")
    for place, row in sheet_rows(file, "Sheet1", "image name", "mos"):
        path = images.find(row["image name"])
        if path is not None:
            found.add(Record(path=path, mos=number(place, row.get("mos"))))
    return found


SPAQ = DataSet(
    "SPAQ",
    "Fang et al., CVPR 2020",
    read,
    scores="MOS as published, 0 to 100, higher is better",
    scale=(0, 100),
    rated=11125,
    split="drawn: 20 % test, 10 % val (the field: 80/20, 10 times)",
)
