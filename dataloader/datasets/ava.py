"""AVA: aesthetics of 255,530 photographs, 1 to 10.

AVA.txt                                     see dataloader/labels/ava.py
aesthetics_image_lists/generic_test.jpgl    image ids of the official test part, one per line
images/<image id>.jpg                       in any folder
"""

from __future__ import annotations

from collections.abc import Sequence

from dataloader.datasets.records import DataSet, Reading, Record, counts_std
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.tables import lines
from dataloader.labels.ava import read_ava


def read(tree: SourceTree) -> Reading:
    images = tree.images()
    found = Reading((images,))
    table = read_ava(tree.file("AVA.txt"))
    if table.repeated:
        found.dropped["row that repeats an earlier one"] += table.repeated
    listed = tree.find("generic_test.jpgl")
    held_out = {text for _, text in lines(listed)} if listed else set()
    if not held_out:
        found.notes.append("no generic_test.jpgl: the split is drawn, not the official one")
    for image, votes in zip(table.ids.tolist(), table.votes.tolist(), strict=True):
        path = images.find_stem(str(image))
        if path is not None:
            split = ("test" if str(image) in held_out else "train") if held_out else ""
            found.add(_record(path, votes, split))
    return found


def _record(path: str, votes: Sequence[int], split: str) -> Record:
    count = sum(votes)
    mean = sum(score * n for score, n in enumerate(votes, start=1)) / count
    return Record(
        path=path, mos=mean, std=counts_std(votes), votes=count, counts=tuple(votes), split=split
    )


AVA = DataSet(
    "AVA",
    "Murray et al., CVPR 2012",
    read,
    scores="mean of the votes, 1 to 10, higher is better",
    scale=(1, 10),
    rated=255530,
    split="official where generic_test.jpgl is there (test), 5 % of the rest val; else drawn: 20 % "
    "test, 5 % val",
    std="of the votes, from their counts",
    val=0.05,
)
