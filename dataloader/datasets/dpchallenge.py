"""DPChallenge: aesthetics of 16509 photographs, 1 to 10.

dpchallenge_dataset.txt, 14 columns: index, photo id, number of ratings, mean, counts of 1..10; some
copies have a header. Images are not in the download; here they are called <photo id>.jpg (or
another extension), in any folder.
"""

from __future__ import annotations

from dataloader.datasets.records import DataSet, Reading, Record, counts_std
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, number

COLUMNS = 14


def read(tree: SourceTree) -> Reading:
    images = tree.images()
    found = Reading((images,))
    for place, fields in columns(tree.file("dpchallenge_dataset.txt"), COLUMNS, header=True):
        ratings, mean, *counts = (number(place, text) for text in fields[2:])
        if ratings <= 0 or min(counts) < 0:
            found.dropped["no ratings"] += 1  # -1 in the other columns
            images.pass_over_stem(fields[1])
        elif path := images.find_stem(fields[1]):
            record = Record(
                path=path,
                mos=mean,
                std=counts_std(counts),
                votes=int(ratings),
                counts=tuple(counts) if sum(counts) else None,
            )
            found.add(record)
    return found


DPCHALLENGE = DataSet(
    "DPChallenge",
    "Datta et al., ICIP 2008",
    read,
    scores="mean rating (column 4), 1 to 10, higher is better",
    scale=(1, 10),
    rated=16489,
    split="drawn: 20 % test, 10 % val",
    std="of the ratings, from their counts",
)
