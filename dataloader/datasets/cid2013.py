"""CID2013: 474 photographs of many cameras, in six image sets that were judged apart.

IS1..IS6/co1..co8/IS_I_C01_D01.jpg      image set I, content 1, camera 1
CID2013 data - version 12112014.xlsx    sheet CID2013 MOS: Source_ID, MOS, Realigned MOS, ...
"""

from __future__ import annotations

import re

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import number, sheet_rows
from utils.text import quoted

NAME = re.compile(r"(IS_[IVX]+)_(C\d+)_D\d+", re.IGNORECASE)
BOOK = "CID2013 data - version 12112014.xlsx"


def read(tree: SourceTree) -> Reading:
    images = tree.images()
    found = Reading((images,))
    for place, row in sheet_rows(tree.file(BOOK), "CID2013 MOS", "source_id", "realigned mos"):
        match = NAME.fullmatch(row["source_id"])
        if match is None:
            raise ValueError(f"{place}: {quoted(row['source_id'])} is no name such as IS_I_C01_D01")
        path = images.find_stem(row["source_id"])
        if path is not None:
            image_set = match[1].upper()
            record = Record(
                path=path,
                mos=number(place, row.get("realigned mos")),
                reference_id=f"{image_set} {match[2].upper()}",
                group=image_set,
            )
            found.add(record)
    return found


CID2013 = DataSet(
    "CID2013",
    "Virtanen et al., IEEE Transactions on Image Processing 2015",
    read,
    scores="Realigned MOS as published (one scale for all image sets), higher is better",
    scale=(-20, 100),
    rated=474,
    split="by image set, drawn: 20 % test, 10 % val",
)
