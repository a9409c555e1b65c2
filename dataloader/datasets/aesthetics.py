"""Photographs that were rated for their beauty, mostly as histograms of votes: AVA, DPChallenge and
photo.net. The images of the last two are not in the download; here they are called <photo id>.jpg
(or another extension), in any folder.
"""

from __future__ import annotations

import math

import numpy as np

from dataloader.datasets.records import DataSet, Reading, counts_mean, counts_std
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import columns, lines, number
from dataloader.labels.ava import read_ava as read_table

ROUNDING = 0.01  # of photo.net's means, which are printed with two decimals


def read_ava(tree: SourceTree) -> Reading:
    """255,530 photographs, 1 to 10.

    AVA.txt                                     see dataloader/labels/ava.py
    aesthetics_image_lists/generic_test.jpgl    image ids of the official test part, one per line
    images/<image id>.jpg                       in any folder
    """
    images = tree.images()
    found = Reading((images,))
    table = read_table(tree.file("AVA.txt"))
    if table.repeated:
        found.dropped["row that repeats an earlier one"] += table.repeated
    listed = tree.find("generic_test.jpgl")
    held_out = {text for _, text in lines(listed)} if listed else set()
    if not held_out:
        found.notes.append("no generic_test.jpgl: the split is drawn, not the official one")
    counts = np.rint(table.values * table.votes[:, None]).astype(np.int64)
    for image, votes in zip(table.sources, counts.tolist(), strict=True):
        if path := images.find_stem(image):
            found.add(
                path,
                mos=counts_mean(votes),
                std=counts_std(votes),
                votes=sum(votes),
                counts=tuple(votes),
                split=("test" if image in held_out else "train") if held_out else "",
            )
    return found


def read_dpchallenge(tree: SourceTree) -> Reading:
    """16509 photographs, 1 to 10.

    dpchallenge_dataset.txt, 14 columns: index, photo id, number of ratings, mean, counts of 1..10;
    some copies have a header.
    """
    images = tree.images()
    found = Reading((images,))
    for place, fields in columns(tree.file("dpchallenge_dataset.txt"), 14, header=True):
        ratings, mean, *counts = (number(place, text) for text in fields[2:])
        if ratings <= 0 or min(counts) < 0:
            found.dropped["no ratings"] += 1  # -1 in the other columns
            images.pass_over_stem(fields[1])
        elif path := images.find_stem(fields[1]):
            known = tuple(counts) if sum(counts) else None
            found.add(path, mos=mean, std=counts_std(counts), votes=int(ratings), counts=known)
    return found


def read_photonet(tree: SourceTree) -> Reading:
    """20278 photographs, 1 to 7.

    photonet_dataset.txt, 12 columns without a header: index, photo id, number of ratings, mean,
    variance, counts of 1..7.

    1173 rows have -1 for the variance and all counts; in 2780 more the counts do not add up to
    the number of ratings. The mean counts in all of them, the histogram in neither. In 144 of the
    other 16,325 the histogram has another mean than column 4; both are kept, each for its task.
    """
    images = tree.images()
    found = Reading((images,))
    without = 0
    for place, fields in columns(tree.file("photonet_dataset.txt"), 12):
        if path := images.find_stem(fields[1]):
            ratings, mean, variance, *counts = (number(place, text) for text in fields[2:])
            whole = min(counts) >= 0 and sum(counts) == ratings > 0
            without += not whole
            found.add(
                path,
                mos=mean,
                std=math.sqrt(variance) if variance >= 0 else None,
                votes=int(ratings),
                counts=tuple(counts) if whole else None,
            )
    found.notes.append(
        f"{without} images without a histogram: no counts, or counts that do not add up to the "
        "number of ratings"
    )
    rated = [record for record in found.records if record.counts]
    gaps = [round(abs(counts_mean(r.counts or ()) - (r.mos or 0.0)), 9) for r in rated]
    found.notes.append(
        f"{sum(gap > ROUNDING for gap in gaps)} of {len(gaps)} histograms contradict "
        f"column 4: their mean is more than {ROUNDING:g} away from it"
    )
    return found


AVA = DataSet(
    "AVA", "Murray et al., CVPR 2012", read_ava,
    scores="mean of the votes, 1 to 10, higher is better",
    scale=(1, 10), rated=255530,
    split="official where generic_test.jpgl is there (test), 5 % of the rest val; else drawn: 20 % "
    "test, 5 % val",
    std="of the votes, from their counts",
    val=0.05,
)  # fmt: skip
DPCHALLENGE = DataSet(
    "DPChallenge", "Datta et al., ICIP 2008", read_dpchallenge,
    scores="mean rating (column 4), 1 to 10, higher is better",
    scale=(1, 10), rated=16489,
    split="drawn: 20 % test, 10 % val",
    std="of the ratings, from their counts",
)  # fmt: skip
PHOTONET = DataSet(
    "photo.net", "Datta et al., ICIP 2008", read_photonet,
    scores="mean rating (column 4), 1 to 7, higher is better",
    scale=(1, 7), rated=20278,
    split="drawn: 20 % test, 10 % val",
    std="root of the variance of the ratings (column 5)",
)  # fmt: skip
