"""AVA as it unpacks, through the command line: which rows train, validate and test, what is left
out, and that a run's split stays what it was.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from applications.inputs.runtime import Runtime
from models.quality_net import build_model
from tests.ava_tree import IDS, TEST_IDS, votes_of, write_ava, write_samples
from tests.cli import BEST, LAST, TINY, call, run_folders
from tests.outcomes import tensors

MISSING, TRUNCATED = 953349, 953980
EMD = f"--train --criterion emd {TINY} --data AVA --bad_images skip --val_size 3"
WEIGHTS = f"--resume checkpoints/{BEST} -j 0 -g 0 --threads 1"
REST = [i for i in IDS if i not in (MISSING, TRUNCATED, *TEST_IDS)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, np.ndarray, str]:
    """(folder, votes, what the run said) of a training with the official test list."""
    folder = tmp_path_factory.mktemp("ava")
    votes = write_ava(folder / "AVA", (MISSING,), (TRUNCATED,))
    done = call(folder, f"{EMD} --test_list generic_test.jpgl")
    return folder, votes, done.err


@pytest.fixture
def ava(tmp_path) -> Path:
    write_ava(tmp_path / "AVA", table="ava.TXT", images="Image")
    return tmp_path


def predictions(file: Path) -> dict[int, list[float]]:
    """Target histogram by image id."""
    with open(file, newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {int(Path(r["path"]).stem): [float(r[f"t{k}"]) for k in range(1, 11)] for r in rows}


def shares(votes: np.ndarray, ids: tuple[int, ...] | list[int]) -> dict[int, list[float]]:
    rows = {image: votes[IDS.index(image)].tolist() for image in ids}
    return {image: [count / sum(row) for count in row] for image, row in rows.items()}


def assert_histograms(found: dict[int, list[float]], wanted: dict[int, list[float]]) -> None:
    assert list(found) == list(wanted)
    for image, row in wanted.items():
        assert found[image] == pytest.approx(row, abs=1e-6)


def digests(run: Path) -> dict[str, str]:
    return json.loads((run / "environment.json").read_text())["labels_sha256"]


# ---- one run


def test_what_went_where_is_said(trained):
    folder, _, said = trained
    assert "AVA.txt: 12 rows: 5 train, 3 val, 2 test, 2 left out" in said
    assert "generic_test.jpgl: 2 of 2 ids have votes and an image" in said
    assert "1 missing image(s)" in said and "1 unreadable image(s)" in said
    assert "data: train 5 lines, 5 images, val 3 lines, 3 images, test 2 lines, 2 images" in said
    skipped = (run_folders(folder)[0] / "skipped_images.txt").read_text().splitlines()
    assert [Path(line.split(": ")[0]).name for line in skipped] == [
        f"{MISSING}.jpg", f"{TRUNCATED}.jpg",
    ]  # fmt: skip


def test_the_listed_images_test(trained):
    folder, votes, _ = trained
    found = predictions(run_folders(folder)[0] / "predictions_test.csv")
    assert_histograms(found, shares(votes, TEST_IDS))


@pytest.mark.parametrize(("split", "ids"), [("val", REST[-3:]), ("train", REST[:-3])])
def test_evaluation_takes_the_split_from_the_weights(trained, split, ids):
    folder, votes, _ = trained
    words = f"-e --data AVA {WEIGHTS} --bad_images skip --split {split} -o {split}.csv --no_report"
    done = call(folder, words)
    assert f"12 rows: {len(ids)} {split}" in done.err and f"AVA.txt ({split})" in done.out
    assert_histograms(predictions(folder / f"{split}.csv"), shares(votes, ids))


def test_evaluation_stops_at_a_missing_image(trained):
    done = call(trained[0], f"-e --data AVA {WEIGHTS}", 1)
    assert f"{MISSING}.jpg" in done.err and "--bad_images skip" in done.err


def test_config_json_repeats_the_run(trained):
    folder = trained[0]
    first = run_folders(folder)[0]
    call(folder, f"--config {first}/config.json --no_report --logdir again --checkpoints again")
    (again,) = (folder / "again").glob("2*")
    assert digests(again) == digests(first) and digests(first).keys() == {"train", "val", "test"}
    ours, theirs = tensors(again / LAST), tensors(first / LAST)
    assert all(torch.equal(value, ours[name]) for name, value in theirs.items())


def test_an_interrupted_run_goes_on_with_its_split(trained, tmp_path, monkeypatch):
    folder = trained[0]
    shutil.copytree(folder / "AVA", tmp_path / "AVA")
    with monkeypatch.context() as patch:
        patch.setattr(Runtime, "stop_requested", lambda self: True)
        call(tmp_path, f"{EMD} --test_list generic_test.jpgl", 143)
    (run,) = run_folders(tmp_path)
    assert not (run / "results.json").exists()
    moved = tmp_path / "AVA" / "images" / "images" / f"{REST[0]}.jpg"
    moved.rename(tmp_path / "aside.jpg")  # one row less: the split would be another
    done = call(tmp_path, f"--continue {run}", 1)
    assert f"{REST[0]}.jpg: no such image\nthe run began with them: put them back" in done.err
    (tmp_path / "aside.jpg").rename(moved)
    call(tmp_path, f"--continue {run}")
    whole = tensors(run_folders(folder)[0] / LAST)
    assert all(torch.equal(value, whole[name]) for name, value in tensors(run / LAST).items())


# ---- other ways to name the same


def test_samples_and_the_table_are_the_same_data(trained, tmp_path):
    folder, votes, _ = trained
    shutil.copytree(folder / "AVA" / "images" / "images", tmp_path / "photos")
    write_samples(tmp_path / "all.json", votes)
    (tmp_path / "test.txt").write_text("\n".join(f"{i}.jpg" for i in TEST_IDS))
    words = EMD.replace("--data AVA", "--labels all.json --images photos --test_list test.txt")
    call(tmp_path, f"{words} --epochs 1")
    (run,) = run_folders(tmp_path)
    assert digests(run) == digests(run_folders(folder)[0])


def test_mean_scores_are_regressed(ava):
    """Spelled otherwise, without a test list, and no image decoded beforehand."""
    words = f"--train --criterion regress {TINY} --epochs 1 --data AVA --no_check"
    done = call(ava, f"{words} --val_size 4 --train_size 6")
    assert "ava.TXT: 12 rows: 6 train, 4 val, 2 not used" in done.err
    assert "generic_test.jpgl was not used: --test_list generic_test.jpgl" in done.err
    assert "no test/ split" in done.err and "checking images" not in done.err
    done = call(ava, f"-e --data AVA {WEIGHTS} --split val -o val.csv --no_report")
    with open(ava / "val.csv", newline="") as lines:
        found = {int(Path(r["path"]).stem): float(r["mos"]) for r in csv.DictReader(lines)}
    votes = np.loadtxt(ava / "AVA" / "ava.TXT", dtype=int)[:, 1:12]
    wanted = {r[0]: np.average(np.arange(1, 11), weights=r[1:]) for r in votes[-4:]}
    assert found == pytest.approx(wanted, rel=1e-6)
    done = call(ava, f"-e --data AVA {WEIGHTS}", 1)
    assert "no rows are held out for test: pass --test_list FILE" in done.err


def test_more_asked_for_than_there_is(ava):
    words = f"--train --criterion emd {TINY} --epochs 1 --data AVA --no_check --val_size 0"
    done = call(ava, f"{words} --train_size 250502")
    assert "--train_size 250502: only 12 rows are left to train" in done.err
    assert "no val/ split: the last weights count as the best" in done.err


@pytest.mark.parametrize("votes", ["AVA/ava.TXT", "all.json"])
def test_a_vote_file_all_of_whose_rows_test(trained, ava, votes):
    """Somebody else's data set: nothing of it trains, so nothing has to be left to train."""
    write_samples(ava / "all.json", votes_of())
    (ava / "everything.txt").write_text("\n".join(map(str, IDS)))
    shutil.copytree(trained[0] / "checkpoints", ava / "checkpoints")
    words = f"{WEIGHTS} --test_list everything.txt"
    done = call(ava, f"-e --labels {votes} --images AVA/Image {words} -o all.csv --no_report")
    assert f"{Path(votes).name}: 12 rows: 12 test" in done.err
    assert_histograms(predictions(ava / "all.csv"), shares(votes_of(), IDS))
    if votes == "all.json":
        return
    done = call(ava, f"--test AVA {words}")
    assert "12 rows: 12 test" in done.err and "AVA" in done.out
    done = call(ava, "--check AVA --test_list everything.txt -j 0")
    assert "12 rows: 12 test" in done.out and done.out.endswith("no faults found\n")


# ---- --check


def test_check_finds_all_of_it(trained):
    folder = trained[0]
    done = call(folder, "--check AVA --val_size 3 -j 0 -o found.json", 1)
    assert "12 rows: 7 train, 3 val, 2 left out" in done.out
    assert "2 unreadable image(s)" in done.out and "label fault" not in done.out
    assert f"{MISSING}.jpg: no such image" in done.out
    found = json.loads((folder / "found.json").read_text())
    assert {name: split["lines"] for name, split in found["splits"].items()} == {
        "train": 7, "val": 3,
    }  # fmt: skip
    bad = [Path(image["path"]).stem for image in found["unreadable_images"]]
    assert bad == [str(MISSING), str(TRUNCATED)]


def test_check_of_a_good_one_and_of_faults(ava):
    done = call(ava, "--check AVA --val_size 3 -j 0")
    assert done.out.splitlines()[-1] == "no faults found"
    done = call(ava, "--check AVA -j 0")  # the default leaves nothing to train
    assert "--val_size 5000: of 12 usable rows nothing is left to train" in done.out
    with open(ava / "AVA" / "ava.TXT", "a") as table:
        table.write("13 1 2\n14 99 0 0 0 0 0 0 0 0 0 0 1 2 3\n")
    done = call(ava, "--check AVA -j 0 -o found.json", 1)
    assert "ava.TXT:13:7: 15 columns expected" in done.out and "ava.TXT:14:7: no votes" in done.out
    assert len(json.loads((ava / "found.json").read_text())["label_faults"]) == 2


# ---- refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data AVA", "--val_size 5000: of 12 usable rows nothing is left to train"),
        ("--data AVA --val_size 12", "--val_size 12: of 12 usable rows"),
        ("--data AVA --val_size 3 --criterion rank", "has votes and no pairs: use emd or regress"),
        ("--data AVA --val_size 3 --num_classes 5", "--num_classes 5: "),
        ("--data AVA --val_size 3 --test_list none.jpgl", "none.jpgl: no such file"),
        ("--data AVA --val_size 3 --test_list other.jpgl", "none of its 1 ids is in"),
        ("--data AVA --images AVA", "12 missing image(s)"),
        ("--data AVA --images AVA --bad_images skip", "no row has an image that can be used"),
        ("--data AVA --images nowhere", "nowhere: No such file or directory"),
        ("--labels AVA/ava.TXT --data other", "name the images' folder with --images"),
        ("--labels nowhere.txt --images AVA/Image", "nowhere.txt: no such file"),
        ("--data other --val_size 3", "--val_size: only with votes in one file"),
        ("--data other --test_list x", "--test_list: only with votes in one file"),
        ("--data other", "no label file here"),
    ],
)
def test_refusals(ava, words, said):
    (ava / "other.jpgl").write_text("1\n")
    (ava / "other").mkdir()
    done = call(ava, f"--train --criterion emd {TINY} {words}", 1)
    assert said in done.err and not (ava / "runs").exists()


def test_many_missing_images_are_counted(tmp_path):
    votes = write_ava(tmp_path / "AVA")
    ids = (*IDS, *range(100, 136))
    write_samples(tmp_path / "s.json", np.concatenate([votes] * 4), ids)
    words = f"--train --criterion emd {TINY} --labels s.json --data AVA --no_check"
    done = call(tmp_path, words, 1)
    assert "36 missing image(s)" in done.err and "... and 16 more" in done.err
    assert done.err.count("no such image") == 20 and "--bad_images skip" in done.err


def test_one_image_by_two_names(ava):
    votes = np.ones((3, 10), dtype=int)
    write_samples(ava / "s.json", votes, (IDS[0], IDS[1], f"{IDS[0]}.jpg"))
    done = call(ava, f"--train --criterion emd {TINY} --labels s.json --data AVA --val_size 1", 1)
    assert f"image '{IDS[0]}.jpg' is image '{IDS[0]}'" in done.err


def test_samples_are_checked_below_a_folder(ava):
    write_samples(ava / "s.json", np.ones((2, 10), dtype=int), IDS[:2])
    done = call(ava, "--check AVA --labels s.json --val_size 1 -j 0")
    assert "s.json: 2 rows: 1 train, 1 val" in done.out and "no faults found" in done.out


def test_no_split_without_its_flag(trained):
    words = f"-e --data AVA {WEIGHTS} --bad_images skip --no_check"
    plain = call(trained[0], words)
    assert "2 test" in plain.err  # the list came with the weights
    done = call(trained[0], f"{words} --split val --val_size 0", 1)
    assert "no rows are held out for val: pass --val_size N" in done.err


def test_the_recipes_network_takes_pixels_from_minus_one_to_one():
    model = build_model("mobilenetv1_100", 10, (224, 224))
    for pixel, wanted in ((0.0, -1.0), (1.0, 1.0)):
        assert ((pixel - model.mean) / model.std).flatten().tolist() == [wanted] * 3


def test_label_files_come_first(ava):
    """A folder that was prepared for training stays what it was."""
    (ava / "AVA" / "train").mkdir()
    (ava / "AVA" / "train" / "label.txt").write_text("none.png,1,2\n")
    done = call(ava, f"--train --criterion emd {TINY} --data AVA", 1)
    assert "label.txt:1:1: image not found" in done.err
    done = call(ava, f"--train --criterion emd {TINY} --data AVA --no_check --bad_images skip", 2)
    assert "leave out --no_check" in done.err
