"""Figures of labels, recomputed by hand from the lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataloader.labels.labels import Labels
from dataloader.labels.ranges import image_scores, label_figures
from dataloader.labels.text import read_labels


def scores(*values: float) -> Labels:
    return Labels.of("scores", [Path(f"{n}") for n in range(len(values))], values)


def test_scores_share_their_bins():
    files = {"train": scores(0, 1, 1, 10), "test": scores(5, 5)}
    found = label_figures(files)
    train, test = found["train"]["scores"], found["test"]["scores"]
    assert train["histogram"]["edges"] == test["histogram"]["edges"]
    assert train["histogram"]["edges"] == pytest.approx([0.5 * n for n in range(21)])
    assert train["histogram"]["counts"] == [1, 0, 2, *[0] * 16, 1]
    assert test["histogram"]["counts"] == [*[0] * 10, 2, *[0] * 9]
    assert (train["min"], train["median"], train["max"], train["mean"]) == (0, 1, 10, 3)
    assert train["std"] == pytest.approx((66 / 4) ** 0.5)
    assert image_scores(files)[Path("3")] == 10


def test_one_score_is_one_bin():
    found = label_figures({"train": scores(2, 2)})["train"]["scores"]
    assert found["histogram"] == {"edges": [1.5, 2.5], "counts": [2]}
    assert label_figures({}) == {}


def test_votes(tmp_path):
    lines = ["a.png,0,3,1", "b.png,2,2,6", "c.png,0.5,0.25,0.25"]
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    (tmp_path / "label.txt").write_text("\n".join(lines))
    file = read_labels("distributions", tmp_path / "label.txt", tmp_path)
    found = label_figures({"train": file})["train"]
    assert found["votes"] == {
        "lines": 2, "per_image": {"min": 4, "median": 7, "max": 10}, "by_bin": [2, 5, 7],
    }  # fmt: skip
    assert found["scores"]["mean"] == pytest.approx((2.25 + 2.4 + 1.75) / 3)
    assert found["scores"]["histogram"]["edges"][::20] == [1, 3]
    assert sum(found["scores"]["histogram"]["counts"]) == 3


def test_shares_alone_have_no_votes(tmp_path):
    (tmp_path / "a,b.png").write_bytes(b"x")
    (tmp_path / "label.txt").write_bytes(b"\xef\xbb\xbf# shares\r\n\r\na,b.png,0.5,0.5\r\n")
    file = read_labels("distributions", tmp_path / "label.txt", tmp_path)
    found = label_figures({"val": file})["val"]
    assert "votes" not in found and found["scores"]["mean"] == 1.5


def test_pairs():
    pairs = [tuple(map(Path, pair)) for pair in ("ab", "ac", "bc", "ab")]
    found = label_figures({"train": Labels.of("pairs", pairs)})["train"]
    assert found == {"pairs": {"lines": 4, "per_image": {"min": 2, "median": 3, "max": 3}}}
