"""What files say where the command line is silent: the criterion of labels, weights in a folder."""

import json
import shlex

import pytest

from applications.combinations import check
from applications.left_open import completed
from config import parse
from tests.cli import TINY, call, inside, run_folders
from tests.tiny_data import write_data


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data/train"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png", "5"):
        (folder / name).touch()
    return tmp_path


def asked(folder, words):
    with inside(folder):
        return completed(parse(shlex.split(words)))


@pytest.mark.parametrize(
    ("text", "criterion", "words"),
    [
        ("a.png,b.png\nb.png,a.png\n", "rank", "pairs of images"),
        ("a.png,5\nb.png,3.5\n", "regress", "scores"),
        ("# MOS\n\na.png;5,5\nb.png;3,5\n", "regress", "scores"),  # its reader says the cure
        ("a.png,0.5,0.5\n", "emd", "histograms of votes"),
        ("a.png,1,2,3\nb.png,3,2,1\n", "emd", "histograms of votes"),
        ("file_name label\na.png 5\n", "siamese", "buckets"),
        ("absent.png,1,2,3\n", "emd", "histograms of votes"),
        ("filename,mos\na.png,5\nb.png,4\n", "regress", "scores"),
    ],
)
def test_the_criterion_is_read_off_the_labels(data, text, criterion, words):
    (data / "data/train/label.txt").write_text(text)
    config, lines = asked(data, "--train --lr 1e-4")
    assert config.criterion == criterion and config.lr == 1e-4 and "lr" in config.passed
    (line,) = lines
    assert line.startswith(f"--criterion {criterion}, as data/train/label.txt has {words}")
    # What belongs to another criterion is refused by the one that was read off.
    assert check(config) == []


@pytest.mark.parametrize(
    "text",
    [
        "a.png,3,5\nb.png,4,2\n",  # votes for two bins, or decimal commas
        "file_name,label\na.png,5\n",  # buckets, or scores with a header
        "a.png\nb.png\n",
        "a.png,b.png\nb.png,3\n",
        "",
        None,
    ],
)
def test_where_it_cannot_be_told_nothing_is_said(data, text):
    if text is not None:
        (data / "data/train/label.txt").write_text(text)
    config, lines = asked(data, "--train")
    assert config.criterion == "rank" and "criterion" not in config.given and lines == []


@pytest.mark.parametrize(
    ("words", "criterion", "said"),
    [
        ("--train --criterion emd", "emd", []),
        ("--train --distort basic --photos p", "rank", ["--distort basic makes an order"]),
        ("--train --labels votes.json --images i", "emd", ["votes.json has votes"]),
        ("--train --stages head,all", "regress", ["data/train/label.txt has scores"]),
        ("--train --stages head --stage_data other", "rank", []),
        ("--train --stages rank,emd", "rank", []),
        ("-e --resume w", "rank", []),
        ("--check data", "regress", ["data/train/label.txt has scores"]),
        ("--check --data data", "regress", ["data/train/label.txt has scores"]),
        ("--check data --criterion rank", "rank", []),
        ("--check --photos data", "rank", []),
        ("--check other", "rank", []),
        ("", "rank", []),
    ],
)
def test_who_else_says_it(data, words, criterion, said):
    (data / "data/train/label.txt").write_text("a.png,5\n")
    config, lines = asked(data, words)
    assert config.criterion == criterion
    assert len(lines) == len(said) and all(
        why in line for why, line in zip(said, lines, strict=True)
    )


@pytest.mark.parametrize(
    ("rows", "criterion"),
    [
        ("file;mos\na.png;5,5\nb.png;3\n", "regress"),
        ("file,c1,c2,c3\na.png,1,2,3\nb.png,3,2,1\n", "emd"),
        ("what,ever\nx,y\n", "regress"),  # its reader says what is wrong
    ],
)
def test_a_table_has_scores_or_votes(data, rows, criterion):
    (data / "t.csv").write_text(rows)
    config, lines = asked(data, "--train --labels t.csv --images data/train")
    assert config.criterion == criterion and lines[0].startswith(f"--criterion {criterion}, as t.c")


def test_ava_in_the_data_folder_has_votes(data):
    (data / "data/AVA.txt").write_text("")
    config, lines = asked(data, "--train")
    assert config.criterion == "emd" and "data/AVA.txt has votes" in lines[0]


def test_one_line_trains_scores_and_judges(tmp_path):
    """Without --criterion; a run folder then stands for its best weights."""
    write_data(tmp_path / "data", "regress", train=2, held_out=2)
    err = call(tmp_path, f"--train {TINY} --epochs 1 --no_report --bootstrap 0").err
    assert err.count("--criterion regress, as data/train/label.txt has scores") == 1
    (run,) = run_folders(tmp_path)
    assert json.loads((run / "config.json").read_text())["criterion"] == "regress"
    name = f"runs/{run.name}"
    words = "-j 0 -g 0 --bootstrap 0 --no_report"
    out = call(tmp_path, f"-e --resume {name} {words}").out
    assert f"{name}/model_best_test_resnet.pth on data/test/label.txt" in out
    scored = call(tmp_path, f"--predict data/test --resume {name}/ -j 0 -g 0").out
    assert scored.count(".png") == 6
    # A folder without weights, or with several, is answered as before.
    assert (
        "runs: is a folder: name the .pth file"
        in call(tmp_path, "--predict data/test --resume runs -g 0", code=1).err
    )
