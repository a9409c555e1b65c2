"""KonIQ-10k: 10073 photographs from the web with authentic distortions.

    1024x768/<id>.jpg, or 512x384/<id>.jpg
    koniq10k_distributions_sets.csv             image_name,c1..c5,c_total,MOS,SD,set
    koniq10k_scores_and_distributions.csv       image_name,c1..c5,c_total,MOS,SD,MOS_zscore

MOS is 0 to 100 in the first (z-scored, then mapped) and 1 to 5 in the second; SD is on 1 to 5 in
both. The first counts where both are there, because it has the official division.
"""

from __future__ import annotations

from dataclasses import replace

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import csv_rows, number
from utils.text import quoted

SETS = {"training": "train", "validation": "val", "test": "test"}
COUNTS = ("c1", "c2", "c3", "c4", "c5")
HIGHEST_VOTE = 5


def read(tree: SourceTree) -> Reading:
    sizes = [size for size in ("1024x768", "512x384") if _has_folder(tree, size)]
    images = tree.images(*sizes[:1])
    found = Reading((images,))
    file = tree.file("koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv")
    for place, row in csv_rows(file, "image_name", *COUNTS, "c_total", "mos", "sd"):
        path = images.find(row["image_name"])
        if path is None:
            continue
        name = row.get("set", "")
        if name and name not in SETS:
            raise ValueError(f"{place}: set {quoted(name)} is none of {', '.join(SETS)}")
        record = Record(
            path=path,
            mos=number(place, row["mos"]),
            std=number(place, row["sd"]),
            votes=int(number(place, row["c_total"])),
            counts=tuple(number(place, row[c]) for c in COUNTS),
            split=SETS[name] if name else "",
        )
        found.add(record)
    found.notes.append(
        f"labels from {file.name}, images from {sizes[0] if sizes else 'any folder'}"
    )
    if any((record.mos or 0) > HIGHEST_VOTE for record in found.records):
        found.records = [replace(record, std=None) for record in found.records]
        found.notes.append("MOS is on 0 to 100 and SD on 1 to 5: no std.csv")
    return found


def _has_folder(tree: SourceTree, name: str) -> bool:
    return any(name in path.casefold().split("/")[:-1] for path in tree.paths)


KONIQ10K = DataSet(
    "KonIQ-10k",
    "Hosu et al., IEEE Transactions on Image Processing 2020",
    read,
    scores="MOS as published, higher is better: 0 to 100, or 1 to 5, as the label file has it",
    scale=None,
    rated=10073,
    split="official (column set: 7058/1000/2015) where the label file has it; else drawn: 20 % "
    "test, 10 % val",
    std="SD of the votes, where MOS is on the scale of the votes, 1 to 5",
)
