"""Votes of many images in one file: samples, the folder's listing, the split rule, lists of ids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.faults import LabelError
from dataloader.labels.votes import (
    find_files,
    listed_rows,
    read_ids,
    read_samples,
    read_votes,
    split_rows,
)
from tests.ava_tree import IDS, write_ava, write_samples

# ---- samples


def samples_file(folder: Path, content: object) -> Path:
    file = folder / "samples.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def sample(label: object, image: object = "7") -> dict[str, object]:
    return {"image_id": image, "label": label}


def test_samples_say_what_the_table_says(tmp_path):
    votes = write_ava(tmp_path)
    table = read_votes(tmp_path / "AVA_dataset" / "AVA.txt")
    samples = read_votes(write_samples(tmp_path / "s.json", votes))
    assert list(table.sources) == list(samples.sources) == [str(i) for i in IDS]
    wanted = [[count / sum(row) for count in row] for row in votes.tolist()]
    assert np.allclose(table.values, wanted, rtol=1e-15)
    assert np.array_equal(table.values, samples.values)


def test_votes_and_shares_are_histograms(tmp_path):
    content = [sample([1, 1, 2], 5), sample([0.25, 0.25, 0.5], "a.png"), sample([1, 1, 2], 5)]
    found = read_samples(samples_file(tmp_path, content))
    assert list(found.sources) == ["5", "a.png"] and found.repeated == 1
    assert found.values.tolist() == [[0.25, 0.25, 0.5]] * 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1,", "samples.json:1:4: not JSON"),
        ("{}", "a list of samples is wanted"),
        ([], "no samples in this file"),
        ([sample([1, 2]), 7], "sample 2: image_id and label are wanted"),
        ([{"image_id": "7"}], "sample 1: image_id and label are wanted"),
        ([sample([1, 2], True)], "sample 1: image_id True"),
        ([sample([1, 2], "")], "sample 1: image_id ''"),
        ([sample("12")], "label must be a list of numbers"),
        ([sample([1, True])], "label must be a list of numbers"),
        ([sample([1])], "1 bins, at least 2 wanted"),
        (
            [sample([1, 2]), sample([1, 2, 3], "8")],
            "sample 2: image '8': 3 bins, 2 as in the first",
        ),
        ([sample([1, -2])], "a label that is no histogram"),
        ('[{"image_id": "7", "label": [1, NaN]}]', "a label that is no histogram"),
        ('[{"image_id": "7", "label": [1, 1e999]}]', "a label that is no histogram"),
        ([sample([10**400, 1])], "a label that is no histogram"),
        ([sample([0, 0])], "sums to 0"),
        ([sample([0.5, 0.7])], "sums to 1.2, neither 1 nor whole votes"),
        ([sample([1, 2]), sample([2, 1])], "sample 1 gives image '7' another label"),
    ],
)
def test_a_wrong_sample_is_named(tmp_path, content, said):
    with pytest.raises(LabelError) as caught:
        read_samples(samples_file(tmp_path, content))
    assert said in str(caught.value) and len(caught.value.faults) == 1


def test_all_wrong_samples_are_named_and_no_file(tmp_path):
    with pytest.raises(LabelError) as caught:
        read_samples(samples_file(tmp_path, [sample([0, 0]), sample([1, 2], 8), 3]))
    assert [f.message.split(":")[0] for f in caught.value.faults] == ["sample 1", "sample 3"]
    with pytest.raises(LabelError, match="none.json: no such file"):
        read_samples(tmp_path / "none.json")


# ---- images and lists


def test_each_id_finds_its_file(tmp_path):
    for name in ("1.jpg", "1.png", "2.PNG", "3.jpeg", "4", "5.txt", "6.jpg.jpg", "7.png"):
        (tmp_path / name).touch()
    (tmp_path / "8.jpg").mkdir()
    (tmp_path / "9.jpg").symlink_to(tmp_path / "1.jpg")
    names = ["1", "2", "3", "4", "5", "6", "7.png", "8", "9", "../1", "10", "6.jpg"]
    assert list(find_files(tmp_path, names)) == [
        "1.jpg", "2.PNG", "3.jpeg", "4", "", "", "7.png", "", "9.jpg", "", "", "6.jpg.jpg",
    ]  # fmt: skip


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="--images"):
        find_files(tmp_path / "none", ["1"])


def test_ids_of_a_list(tmp_path):
    file = tmp_path / "test.jpgl"
    file.write_text("\ufeff12\r\n\n 7.jpg\na.b\n")
    assert read_ids(file) == {"12", "7", "a.b"}
    names = ["7", "12.jpg", "a", "a.b", "70"]
    assert listed_rows(names, read_ids(file)).tolist() == [True, True, False, True, False]
    file.write_text("1\n2 3\n")
    with pytest.raises(LabelError, match=r"test.jpgl:2:1: '2 3': give one image id a line"):
        read_ids(file)
    file.write_text("\n")
    with pytest.raises(LabelError, match="empty list"):
        read_ids(file)
    with pytest.raises(LabelError, match="none.jpgl: no such file"):
        read_ids(tmp_path / "none.jpgl")


# ---- the rule


@pytest.mark.parametrize("train_size", [None, 3, 100])
@pytest.mark.parametrize("val_size", [0, 4])
@pytest.mark.parametrize("listed", [False, True])
def test_the_last_validate_and_the_first_train(train_size, val_size, listed):
    rng = np.random.default_rng(val_size)
    usable = rng.random(30) < 0.8
    held_out = (rng.random(30) < 0.3) & listed
    rest = [i for i in range(30) if usable[i] and not held_out[i]]
    train, val = rest[: len(rest) - val_size], rest[len(rest) - val_size :]
    test = [i for i in range(30) if usable[i] and held_out[i]]
    wanted = {"train": train[:train_size], "val": val, "test": test}
    found = split_rows(usable, held_out, val_size, train_size)
    assert {k: v.tolist() for k, v in found.items()} == {k: v for k, v in wanted.items() if v}


def test_nothing_left_to_train():
    usable, none = np.ones(5, dtype=bool), np.zeros(5, dtype=bool)
    with pytest.raises(ValueError, match="--val_size 5: of 5 usable rows nothing is left to train"):
        split_rows(usable, none, 5)
    with pytest.raises(ValueError, match="no row has an image"):
        split_rows(none, none, 0)


@pytest.mark.parametrize("val_size", [0, 3, 5, 5000])
def test_where_nobody_trains_no_row_has_to_be_left_for_it(val_size):
    rows = np.arange(5)
    found = split_rows(rows >= 0, rows >= 0, val_size, trains=False)
    assert {k: v.tolist() for k, v in found.items()} == {"test": rows.tolist()}
    found = split_rows(rows >= 0, rows == 4, val_size, trains=False)
    val = min(val_size, 4)
    wanted = {"train": rows[: 4 - val], "val": rows[4 - val : 4], "test": rows[4:]}
    assert {k: v.tolist() for k, v in found.items()} == {
        k: v.tolist() for k, v in wanted.items() if len(v)
    }
