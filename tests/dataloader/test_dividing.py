"""Records divided by content, their ladders, and the text of their label files."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from dataloader.datasets.dividing import divide
from dataloader.datasets.label_text import files_of, fits
from dataloader.datasets.ladders import agreement, ladders, pairs, without_levels
from dataloader.datasets.records import Record


def rated(reference: int, level: int, mos: float | None = None, kind: str = "blur") -> Record:
    name = f"r{reference:02d}"
    return Record(
        path=f"{name}/{kind}{level}.png", mos=mos, reference_id=name, distortion=kind, level=level
    )


def contents(splits: dict[str, list[Record]]) -> dict[str, set[str]]:
    return {split: {record.content for record in members} for split, members in splits.items()}


@pytest.mark.parametrize(
    ("count", "test", "val"), [(25, 5, 2), (29, 6, 3), (30, 6, 3), (81, 16, 8), (3, 1, 1)]
)
def test_references_are_drawn_as_the_field_does(count: int, test: int, val: int) -> None:
    records = [rated(n, level) for level in (0, 1, 2) for n in range(count)]
    splits = divide(records, 0, 0.1)
    found = contents(splits)
    assert [len(found[s]) for s in ("train", "val", "test")] == [count - test - val, val, test]
    for a, b in itertools.combinations(found.values(), 2):
        assert not a & b
    assert sum(map(len, splits.values())) == len(records)
    assert splits == divide(records, 0, 0.1)


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    records = [rated(n, 1) for n in range(40)]
    assert contents(divide(records, 1, 0.1)) == contents(divide(records[::-1], 1, 0.1))
    assert contents(divide(records, 1, 0.1)) != contents(divide(records, 2, 0.1))


def test_an_official_division_keeps_test_and_draws_val_from_train() -> None:
    records = [
        Record(path=f"{n}.jpg", mos=n, split="test" if n % 4 == 0 else "train") for n in range(40)
    ]
    found = contents(divide(records, 0, 0.1))
    assert found["test"] == {f"{n}.jpg" for n in range(0, 40, 4)}
    assert len(found["val"]) == 3 and len(found["train"]) == 27
    drawn = contents(divide(records, 0, 0.1, official=False))
    assert drawn["test"] != found["test"] and len(drawn["test"]) == 8


def test_an_official_val_stays() -> None:
    records = [Record(path=f"{n}.jpg", mos=n, split=("train", "val", "test")[n % 3])
               for n in range(12)]  # fmt: skip
    assert {s: len(m) for s, m in divide(records, 0, 0.5).items()} == {
        "train": 4,
        "val": 4,
        "test": 4,
    }


def test_what_has_no_split_of_its_own_follows_its_group() -> None:
    records = [Record(path=f"{n}.jpg", group=f"g{n // 2}", split="test" if n == 7 else "train" if
                      n % 2 else "") for n in range(12)]  # fmt: skip
    assert [r.path for r in divide(records, 0, 0.1)["test"]] == ["6.jpg", "7.jpg"]


def test_divisions_that_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="2 distinct contents cannot be divided"):
        divide([rated(1, 1), rated(2, 1), rated(2, 2)], 0, 0.1)
    torn = [replace(rated(1, 1), split="train"), replace(rated(1, 2), split="test")]
    with pytest.raises(ValueError, match="r01: the official division has it in train and test"):
        divide(torn, 0, 0.1)


def test_ladders_begin_with_the_reference_and_leave_unknown_levels_out() -> None:
    records = [rated(1, 2), rated(1, 1), rated(2, 1), replace(rated(1, 0), distortion="none"),
               replace(rated(1, 3), level=None), rated(1, 2, kind="jpeg"),
               replace(rated(1, 2), path="again.png")]  # fmt: skip
    found = [
        [(r.reference_id, r.distortion, r.level) for r in ladder] for ladder in ladders(records)
    ]
    assert found == [
        [("r01", "none", 0), ("r01", "blur", 1), ("r01", "blur", 2), ("r01", "blur", 2)],
        [("r02", "blur", 1)],
        [("r01", "none", 0), ("r01", "jpeg", 2)],
    ]
    levels = [(a.level, b.level) for a, b in pairs(records)]
    assert sorted(levels) == [(0, 1), (0, 2), (0, 2), (0, 2), (1, 2), (1, 2)]  # no tie


def test_agreement_counts_ties_half_and_unrated_images_not() -> None:
    records = [rated(1, 0), rated(1, 1, 5.0), rated(1, 2, 3.0), rated(1, 3, 3.0),
               rated(2, 1, 1.0, "jpeg"), rated(2, 2, 2.0, "jpeg")]  # fmt: skip
    assert agreement(records) == {"blur": pytest.approx((2.5 / 3, 0)), "jpeg": (0.0, 1.0)}
    left = without_levels(records, ["jpeg"])
    assert list(agreement(left)) == ["blur"] and len(left) == len(records)


def test_label_files_of_a_synthetic_set() -> None:
    head = replace(rated(1, 0), distortion="none")
    members = [
        head,
        replace(rated(1, 1, 4.25), std=0.5, votes=7),
        replace(rated(1, 2, 3.0), level=None),
    ]
    names = {record.path: f"x/{record.path}" for record in members}
    assert files_of(members, names) == {
        "label.txt": ("scores", "x/r01/blur1.png,4.25\nx/r01/blur2.png,3\n"),
        "label_rank.txt": ("pairs", "x/r01/blur0.png,x/r01/blur1.png\n"),
        "std.csv": ("standard deviations", "path,std,votes\nx/r01/blur1.png,0.5,7\n"),
        "levels.csv": (
            "levels",
            "path,reference_id,distortion,level\nx/r01/blur0.png,r01,none,0\n"
            "x/r01/blur1.png,r01,blur,1\nx/r01/blur2.png,r01,blur,\n",
        ),
    }
    errors = files_of(members, names, std_of_mean=True)["std.csv"]
    assert errors == ("standard errors", "path,standard_error\nx/r01/blur1.png,0.5\n")


def test_label_files_of_photographs_and_their_patches() -> None:
    members = [
        Record(path="a, b.jpg", mos=5.5, std=1.0, counts=(1, 0, 2)),
        Record(path="p.jpg", mos=0.1, part="patches"),
    ]
    found = files_of(members, {record.path: record.path for record in members})
    assert found == {
        "label.txt": ("scores", "a, b.jpg,5.5\n"),
        "label_patches.txt": ("scores", "p.jpg,0.1\n"),
        "label_emd.txt": ("distributions", "a, b.jpg,1,0,2\n"),
        "std.csv": ("standard deviations", 'path,std,votes\n"a, b.jpg",1,\n'),
    }


def test_pairs_are_the_labels_where_nothing_is_rated() -> None:
    members = [rated(1, 0), rated(1, 1)]
    found = files_of(members, {record.path: record.path for record in members})
    assert found["label.txt"] == ("pairs", "r01/blur0.png,r01/blur1.png\n")
    assert set(found) == {"label.txt", "levels.csv"}


@pytest.mark.parametrize(
    ("path", "good"),
    [("a b (1).jpg", True), ("a,b/c#.jpg", True), ("图.png", True), ("#a.png", True),
     (" a.png", False), ("a\nb.png", False), ("a\x85b.png", False), ("\udcff.png", False)],
)  # fmt: skip
def test_paths_that_a_label_file_can_hold(path: str, good: bool) -> None:
    assert fits(path) is good
