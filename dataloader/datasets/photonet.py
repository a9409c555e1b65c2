"""photo.net: aesthetics of 20278 photographs, 1 to 7.

photonet_dataset.txt, 12 columns without a header: index, photo id, number of ratings, mean,
variance, counts of 1..7. Images are not in the download; here they are called <photo id>.jpg (or
another extension), in any folder.
"""

from __future__ import annotations

import math

from dataloader.datasets.records import DataSet, Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, number

COLUMNS = 12
ROUNDING = 0.01  # of means that are printed with two decimals


def read(tree: SourceTree) -> Reading:
    """1173 rows have -1 for the variance and all counts; in 2780 more the counts do not add up to
    the number of ratings. The mean counts in all of them, the histogram in neither. In 144 of the
    other 16,325 the histogram has another mean than column 4; both are kept, each for its task.
    """
    images = tree.images()
    found = Reading((images,))
    without = 0
    for place, fields in columns(tree.file("photonet_dataset.txt"), COLUMNS):
        path = images.find_stem(fields[1])
        if path is None:
            continue
        ratings, mean, variance, *counts = (number(place, text) for text in fields[2:])
        whole = min(counts) >= 0 and sum(counts) == ratings > 0
        without += not whole
        record = Record(
            path=path,
            mos=mean,
            std=math.sqrt(variance) if variance >= 0 else None,
            votes=int(ratings),
            counts=tuple(counts) if whole else None,
        )
        found.add(record)
    found.notes.append(
        f"{without} images without a histogram: no counts, or counts that do not add up to the "
        "number of ratings"
    )
    gaps = [_gap(record) for record in found.records if record.counts]
    found.notes.append(
        f"{sum(gap > ROUNDING for gap in gaps)} of {len(gaps)} histograms contradict "
        f"column 4: their mean is more than {ROUNDING:g} away from it"
    )
    return found


def _gap(record: Record) -> float:
    """Between the mean of a record's counts and its score."""
    counts = record.counts or ()
    mean = sum(k * n for k, n in enumerate(counts, start=1)) / sum(counts)
    return round(abs(mean - (record.mos or 0.0)), 9)


PHOTONET = DataSet(
    "photo.net",
    "Datta et al., ICIP 2008",
    read,
    scores="mean rating (column 4), 1 to 7, higher is better",
    scale=(1, 7),
    rated=20278,
    split="drawn: 20 % test, 10 % val",
    std="root of the variance of the ratings (column 5)",
)
