"""Labels that are no fault and hardly ever meant are said with their place, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.doubts import label_doubts
from dataloader.labels.labels import Labels
from dataloader.labels.text import read_labels
from tests.cli import call
from tests.tiny_data import write_data

Scores = list[float]


def splits(root: Path, kind: str = "scores", **scores: Scores) -> dict[str, Labels]:
    """A label file of each split; scores as they are given, over empty images."""
    found = {}
    for name, values in scores.items():
        folder = root / name
        folder.mkdir()
        for number in range(len(values)):
            (folder / f"{number}.png").touch()
        lines = [f"{number}.png,{value:g}" for number, value in enumerate(values)]
        (folder / "label.txt").write_text("# scores\n" + "\n".join(lines) + "\n")
        found[name] = read_labels(kind, folder / "label.txt", root)
    return found


def said(root: Path, **scores: Scores) -> list[str]:
    return [
        line.replace(f"{root}/", "")
        for line in label_doubts(root, "label.txt", splits(root, **scores))
    ]


def even(low: float, high: float, count: int = 12) -> Scores:
    return np.linspace(low, high, count).tolist()


@pytest.mark.parametrize("few", [1, 4, 12])
@pytest.mark.parametrize(
    ("train", "val"), [((0, 1), (5, 100)), ((1, 5), (20, 80)), ((-2, 2), (40, 60))]
)
def test_splits_on_two_scales(tmp_path, train, val, few):
    values = even(*val, few) if few > 1 else [np.mean(val)]
    (line,) = said(tmp_path, train=even(*train), val=values)
    low, high = min(values), max(values)
    assert line == (
        f"val/label.txt: scores from {low:g} to {high:g}, and those of train from "
        f"{train[0]:g} to {train[1]:g}: put both on one scale"
    )


def test_the_wider_scale_may_be_that_of_training(tmp_path):
    (line,) = said(tmp_path, train=even(0, 100), val=even(3, 70), test=even(0, 1))
    assert line.startswith("test/label.txt: scores from 0 to 1, and those of train from 0 to 100")


@pytest.mark.parametrize("odd", [5197, -999])
def test_a_number_that_lost_its_decimal_point(tmp_path, odd):
    values = even(0.1, 0.9)
    lines = said(tmp_path, train=[*values[:4], odd, *values[4:]], val=even(0, 1))
    assert lines == [
        f"train/label.txt:6: the score {odd:g} is far from all others of train (0.1 to 0.9): has "
        "it lost its decimal point?"
    ]


def test_many_of_them_are_counted(tmp_path):
    lines = said(tmp_path, train=[*even(1, 5, 700), *even(300, 400, 8)])
    assert (
        len(lines) == 6 and lines[5] == "train/label.txt: 3 more scores are as far from the others"
    )


def test_scores_without_a_difference(tmp_path):
    (line,) = said(tmp_path, train=[3.0] * 4, val=even(1, 5))
    assert line == "train/label.txt: all 4 scores are 3: there is no order to learn"


def test_equal_histograms(tmp_path):
    (tmp_path / "train").mkdir()
    for number in range(3):
        (tmp_path / "train" / f"{number}.png").touch()
    label = tmp_path / "train" / "label.txt"
    label.write_text("".join(f"{number}.png,0.2,0.3,0.5\n" for number in range(3)))
    files = {"train": read_labels("distributions", label, tmp_path)}
    assert label_doubts(tmp_path, "label.txt", files) == [
        f"{label}: all 3 scores are 2.3: there is no order to learn"
    ]


def test_what_is_only_unusual_is_left_alone(tmp_path):
    """Small and skewed splits of one scale; one image; scores far out but on the scale."""
    rng = np.random.default_rng(0)
    for number in range(200):
        root = tmp_path / str(number)
        root.mkdir()
        draw = (
            lambda n: rng.uniform(1, 5, n),
            lambda n: rng.normal(3, 0.5, n).clip(1, 5),
            lambda n: 100 * rng.beta(0.5, 0.5, n),
            lambda n: 100 * rng.beta(9, 1, n),
        )[number % 4]
        val = draw(int(rng.integers(1, 20))).round(3).tolist()
        if len(set(val)) > 1 or len(val) == 1:
            assert said(root, train=draw(50).round(3).tolist(), val=val) == []
    root = tmp_path / "clumped"
    root.mkdir()
    assert said(root, train=[1.1, *even(3, 3.2, 10), 4.9], val=[2.0]) == []


def test_folders_that_nobody_reads(tmp_path):
    splits(tmp_path, train=even(1, 5), valid=even(1, 5), Testing=even(1, 5), extra=even(1, 5))
    (tmp_path / "test" / "deep").mkdir(parents=True)
    (tmp_path / "test" / "deep" / "a.JPG").touch()
    (tmp_path / "validation").mkdir()  # nothing in it
    lines = [line.replace(f"{tmp_path}/", "") for line in label_doubts(tmp_path, "label.txt", {})]
    assert lines == [
        "valid/: has a label.txt and is not read: the split is called val/",
        "Testing/: has a label.txt and is not read: the split is called test/",
        "test/: has images and no label.txt: it is no split, and not read",
    ]
    splits(tmp_path, val=even(1, 5))
    assert len(label_doubts(tmp_path, "label.txt", {})) == 2
    assert list(label_doubts(tmp_path / "nowhere", "label.txt", {})) == []


def test_check_and_training_say_them(tmp_path):
    """As warnings: nothing ends because of them."""
    write_data(tmp_path / "data", "regress", train=4, held_out=1)
    labels = tmp_path / "data" / "train" / "label.txt"
    labels.write_text(labels.read_text().replace("photo2_1.png,3.0", "photo2_1.png,3000"))
    (tmp_path / "data" / "val").rename(tmp_path / "data" / "valid")
    far = "label.txt:8: the score 3000 is far from all others of train (1.5 to 4.5)"
    unread = "data/valid/: has a label.txt and is not read: the split is called val/"
    done = call(tmp_path, "--check data --criterion regress -j 0 -o found.json", code=None)
    assert f"warning: data/train/{far}" in done.out and f"warning: {unread}" in done.out
    assert "warning: 2 doubt(s) about labels" in done.out
    faults = json.loads((tmp_path / "found.json").read_text())
    assert len(faults["label_doubts"]) == 2 and "doubt" not in " ".join(faults["faults"])
    assert "Doubts about labels: 2" in (tmp_path / "found.html").read_text()
    words = "--arch test_efficientnet --image_size 32 --epochs 1 --warmup 0 -b 6 -j 0 -g 0"
    done = call(tmp_path, f"--train --criterion regress {words} --no_report --threads 1")
    assert f"{far}: has it lost its decimal point?" in done.err and f"warning: {unread}" in done.err
