"""Photographs by their score, from a csv of --predict to a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos import photo_sheet


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Three plain images of one colour each; the csv has a column of --predict's more."""
    lines = ["path,score,std"]
    for name, colour, score in (("a", 40, 0.2), ("b", 120, 0.9), ("c", 220, 0.5)):
        file = tmp_path / f"{name}.png"
        Image.fromarray(np.full((60, 80, 3), colour, np.uint8)).save(file)
        lines.append(f"{file},{score},0.1")
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "scores.csv"


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_the_best_comes_first(scores: Path, kind: str) -> None:
    out = scores.parent / f"sheet.{kind}"
    assert photo_sheet.main(["--scores", str(scores), "-o", str(out)]) == 0
    pixels = np.asarray(Image.open(out).convert("L"))
    places = [np.argwhere(abs(pixels.astype(int) - colour) < 3) for colour in (120, 220, 40)]
    assert [len(place) > 2000 for place in places] == [True] * 3
    columns = [np.median(place[:, 1]) for place in places]  # of one row
    assert columns == sorted(columns)


@pytest.mark.parametrize(
    ("table", "words", "said"),
    [
        ("path,mos\nx.png,1\n", "-o o.png", "scores.csv:2: expected the columns path and score"),
        ("path,score\nx.png,good\n", "-o o.png", "scores.csv:2: expected the columns"),
        ("path,score\nno.png,1\nno2.png,2\n", "-o o.png", "no"),
        ("path,score\n", "-o o.gif", "o.gif: the name must end in .jpg or .png"),
        ("path,score\n", "-o o.png --limit 1", "--limit 1: the best and the worst need 2"),
    ],
)
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, table, words, said) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scores.csv").write_text(table)
    assert photo_sheet.main(["--scores", "scores.csv", *words.split()]) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert not list(Path().glob("o.*"))
