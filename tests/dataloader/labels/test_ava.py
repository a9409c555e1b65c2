"""AVA.txt: the quick way and the careful one, and every fault with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataloader.labels import ava
from dataloader.labels.ava import read_ava
from dataloader.labels.faults import LabelError
from tests.label_rows import rows_of

GOOD = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396"


def row(index: int, image: int, votes: str = "0 1 5 17 38 36 15 6 5 1") -> str:
    return f"{index} {image} {votes} 1 22 1396"


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "AVA.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def faults(folder: Path, text: str | bytes) -> list[tuple[int, int, str]]:
    with pytest.raises(LabelError) as caught:
        read_ava(write(folder, text))
    return [(f.line, f.column, f.message) for f in caught.value.faults]


def test_rows_as_a_plain_loop_reads_them(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        row(i + 1, image, " ".join(map(str, rng.integers(0, 300, 10) + (np.arange(10) == 3))))
        for i, image in enumerate(rng.permutation(1_000_000)[:200])
    ]
    table = read_ava(write(tmp_path, "\n".join(lines) + "\n"))
    figures = [list(map(int, line.split(" "))) for line in lines]
    assert list(table.sources) == [str(f[1]) for f in figures]
    assert table.values.tolist() == [[n / sum(f[2:12]) for n in f[2:12]] for f in figures]
    assert table.votes.tolist() == [sum(f[2:12]) for f in figures]
    assert table.lines.tolist() == list(range(1, 201)) and table.repeated == 0


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (GOOD, [1]),
        (f"\ufeff{GOOD}\r\n{row(2, 7)}\r\n", [1, 2]),
        (f"\n{GOOD}\n  \n\n{row(2, 7)}\n\n", [2, 5]),
        (f"{GOOD}\r\r{row(2, 7)}\r", [1, 3]),
        (f"\r{GOOD}\n", [2]),  # as many line feeds as rows
        (f"{GOOD} \n {row(2, 7).replace(' ', '  ')}\n", [1, 2]),
    ],
)
def test_ends_of_lines_and_blank_ones(tmp_path, text, lines):
    table = read_ava(write(tmp_path, text))
    assert list(table.sources) == ["953619", "7"][: len(lines)]
    assert table.lines.tolist() == lines


def test_the_careful_way_agrees_with_the_quick_one(tmp_path, monkeypatch):
    file = write(tmp_path, f"\n{GOOD}\r\n{row(2, 7)}\n{row(3, 953619)}\n")
    quick = read_ava(file)
    monkeypatch.setattr(ava, "_read_quickly", lambda content: None)
    slow = read_ava(file)
    assert rows_of(quick) == rows_of(slow) and quick.votes.tolist() == slow.votes.tolist()
    assert quick.repeated == slow.repeated == 1 and len(quick) == 2


def test_good_files_never_take_the_careful_way(tmp_path, monkeypatch):
    monkeypatch.setattr(ava, "_read_slowly", None)
    assert len(read_ava(write(tmp_path, f"{GOOD}\r\n\n{row(2, 7)}"))) == 2


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("1 2 3", 6, "15 columns expected, found 3"),
        (GOOD + " 9", len(GOOD) + 2, "15 columns expected, found 16"),
        (row(1, 7, "0 1 5 x 38 36 15 6 5 1"), 11, "not a whole number: 'x'"),
        (row(1, 7, "0 1 5 1.0 38 36 15 6 5 1"), 11, "not a whole number: '1.0'"),
        (row(1, 7, "0 1 5 1_0 38 36 15 6 5 1"), 11, "not a whole number: '1_0'"),
        (row(1, 7, f"{'9' * 30} 1 5 1 38 36 15 6 5 1"), 5, "not a whole number"),
        (row(1, 7, "0 1 5 -1 38 36 15 6 5 1"), 11, "negative number of votes -1"),
        (row(1, 7, "0 0 0 0 0 0 0 0 0 0"), 5, "no votes at all: take the row out"),
        (row(1, -7), 3, "negative image id -7"),
        (row(3, 953619, "9 1 5 17 38 36 15 6 5 1"), 3, "line 1 gives image 953619 other votes"),
    ],
)
def test_a_fault_has_its_place(tmp_path, line, column, message):
    found = faults(tmp_path, f"{GOOD}\n\n{line}\n")
    assert [f[:2] for f in found] == [(3, column)]
    assert message in found[0][2]


def test_all_faults_are_told_at_once(tmp_path):
    found = faults(tmp_path, f"1 2\n{GOOD}\n{row(2, 7, '0 ' * 9 + '0')}\nid votes\n".encode())
    assert [line for line, _, _ in found] == [1, 3, 4]
    found = faults(tmp_path, b"1 953619 0 1 \xe9 17 38 36 15 6 5 1 1 22 1396\n")
    assert found == [(1, 14, "not a whole number: '\\\\xe9': AVA.txt has counts and ids only")]


def test_no_rows_and_no_file(tmp_path):
    assert "no rows in this file" in faults(tmp_path, "\n \n")[0][2]
    assert "no rows in this file" in faults(tmp_path, "")[0][2]
    with pytest.raises(LabelError, match="none.txt: no such file"):
        read_ava(tmp_path / "none.txt")
