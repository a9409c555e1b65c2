"""AGIQA-3K: 2982 images of 6 generators, from 300 prompts.

data.csv    name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align
sd1.5_lowstep_012.jpg ...     <generator>_<setting>_<number>.jpg
"""

from __future__ import annotations

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import csv_rows, number


def read(tree: SourceTree) -> Reading:
    """The prompt is the `reference_id`, the generator the distortion; there are no levels."""
    images = tree.images()
    found = Reading((images,))
    for place, row in csv_rows(tree.file("data.csv"), "name", "prompt", "mos_quality"):
        path = images.find(row["name"])
        if path is None:
            continue
        record = Record(
            path=path,
            mos=number(place, row["mos_quality"]),
            std=number(place, row["std_quality"]) if row.get("std_quality") else None,
            reference_id=" ".join(row["prompt"].split()),
            distortion=row["name"].split("_")[0],
        )
        found.add(record)
    return found


AGIQA3K = DataSet(
    "AGIQA-3K",
    "Li et al., IEEE Transactions on Circuits and Systems for Video Technology 2023",
    read,
    scores="mos_quality as published, 0 to 5, higher is better; mos_align (how well the prompt is "
    "met) is left out",
    scale=(0, 5),
    rated=2982,
    split="by prompt, drawn: 20 % test, 10 % val",
    std="std_quality, as published",
)
