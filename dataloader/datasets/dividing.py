"""Records divided into train, val and test, no content in two of them."""

from __future__ import annotations

from collections.abc import Sequence

from dataloader.datasets.records import Record
from utils.runtime.seed import permutation

SPLITS = ("train", "val", "test")
TEST = 0.2


def divide(
    records: Sequence[Record], seed: int, val: float, official: bool = True
) -> dict[str, list[Record]]:
    """{"train": records, "val": ..., "test": ...} in the order given.

    Where records have an official split and `official` is wanted, that is taken, and where it has
    no val, a share `val` of the groups of train is drawn for it. Else a fifth of all groups is
    drawn for test and a share `val` of all for val; each gets one at least. The draw depends on
    `seed` and the groups' names alone. ValueError for fewer than 3 groups, and for a group that the
    official division has in two splits.
    """
    given = {} if not official else _given(records)
    groups = sorted({record.content for record in records})
    if given:
        places = {group: given.get(group, "train") for group in groups}
        if "val" not in given.values():
            drawn = _drawn([g for g in groups if places[g] == "train"], seed)
            places.update(dict.fromkeys(drawn[: _share(val, len(drawn))], "val"))
    else:
        drawn = _drawn(groups, seed)
        test, held = _share(TEST, len(drawn)), _share(val, len(drawn))
        places = dict.fromkeys(drawn, "train")
        places.update(dict.fromkeys(drawn[:test], "test"))
        places.update(dict.fromkeys(drawn[test : test + held], "val"))
    return {split: [r for r in records if places[r.content] == split] for split in SPLITS}


def _given(records: Sequence[Record]) -> dict[str, str]:
    """Group -> official split, of the groups that have one."""
    places: dict[str, str] = {}
    for record in records:
        if record.split and places.setdefault(record.content, record.split) != record.split:
            both = f"{places[record.content]} and {record.split}"
            raise ValueError(
                f"{record.content}: the official division has it in {both}: pass --random_split"
            )
    return places


def _drawn(groups: Sequence[str], seed: int) -> list[str]:
    if len(groups) < 3:
        raise ValueError(
            f"{len(groups)} distinct contents cannot be divided: 3 are needed at least"
        )
    return [groups[i] for i in permutation(len(groups), seed, "prepare")]


def _share(share: float, count: int) -> int:
    return max(1, round(share * count))
