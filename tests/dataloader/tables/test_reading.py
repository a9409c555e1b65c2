"""Tables of every format against the rows that were written into them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.faults import LabelError
from dataloader.tables.reading import read_table

ROWS = [["a b.jpg", "1.5", "train"], ["sub/b.jpg", "7", "test"], ["c,d.jpg", "3.25", "val"]]
NAMES = ["image", "mos", "split"]


def write_text(file: Path, separator: str, encoding: str = "utf-8", comma: bool = False) -> Path:
    with open(file, "w", newline="", encoding=encoding) as lines:
        rows = [[r[0], r[1].replace(".", ",") if comma else r[1], r[2]] for r in ROWS]
        csv.writer(lines, delimiter=separator).writerows([NAMES, *rows])
    return file


def as_rows(file: Path) -> list[list[str]]:
    table = read_table(file)
    assert table.names == NAMES
    return [list(row) for row in zip(*table.columns, strict=True)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_text(tmp_path, separator, encoding):
    file = write_text(tmp_path / "t.csv", separator, encoding)
    assert as_rows(file) == ROWS
    table = read_table(file)
    assert list(table.lines) == [2, 3, 4] and table.header
    assert table.numbers("mos")[0].tolist() == [1.5, 7, 3.25]


def test_blanks_and_no_header(tmp_path):
    (tmp_path / "t.txt").write_text("a.jpg  7.5\nb.jpg 3\n\nc.jpg\t4\n")
    table = read_table(tmp_path / "t.txt")
    assert table.names == ["column 1", "column 2"] and not table.header
    assert table.columns == [["a.jpg", "b.jpg", "c.jpg"], ["7.5", "3", "4"]]
    assert list(table.lines) == [1, 2, 4]


def test_a_decimal_comma_is_read_as_one(tmp_path):
    table = read_table(write_text(tmp_path / "t.csv", ";", comma=True))
    values, comma = table.numbers("mos")
    assert values.tolist() == [1.5, 7, 3.25] and comma


def test_a_spreadsheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "scores"
    sheet.append([])
    sheet.append(["image", "mos", "split"])
    for name, mos, split in (("1600", 1.5, "train"), (1601, 7, "test"), (1602.0, None, "val")):
        sheet.append([name, mos, split])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.columns == [["1600", "1601", "1602"], ["1.5", "7", ""], ["train", "test", "val"]]
    with pytest.raises(LabelError, match=r"t.xlsx:5:2: mos: an empty cell"):
        table.numbers("mos")
    book.create_sheet("more").append(["x"])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="several sheets: pass --sheet NAME, one of: scores, more"):
        read_table(tmp_path / "t.xlsx")
    assert len(read_table(tmp_path / "t.xlsx", "scores")) == 3
    (tmp_path / "b.xlsx").write_bytes(b"PK no archive")
    with pytest.raises(LabelError, match="no spreadsheet that can be read"):
        read_table(tmp_path / "b.xlsx")


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
    columns["mos"] = [float(value) for value in columns["mos"]]
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    assert as_rows(tmp_path / "t.parquet") == ROWS
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(LabelError, match="no parquet file"):
        read_table(tmp_path / "b.parquet")


def test_json_of_every_shape(tmp_path):
    objects = [dict(zip(NAMES, [r[0], float(r[1]), r[2]], strict=True)) for r in ROWS]
    shapes = {
        "list.json": json.dumps(objects),
        "lines.jsonl": "\n".join(map(json.dumps, objects)),
        "lines.json": "\n".join(map(json.dumps, objects)),
        "columns.json": json.dumps({n: [o[n] for o in objects] for n in NAMES}),
        "named.json": json.dumps({o["image"]: {n: o[n] for n in NAMES[1:]} for o in objects}),
    }
    for name, text in shapes.items():
        (tmp_path / name).write_text(text)
        assert as_rows(tmp_path / name) == ROWS, name
    (tmp_path / "m.json").write_text('{"a.jpg": 3, "b.jpg": 4.5}')
    assert read_table(tmp_path / "m.json").columns == [["a.jpg", "b.jpg"], ["3", "4.5"]]
    (tmp_path / "v.json").write_text('[{"image": "a.jpg", "votes": [1, 2, 3]}]')
    assert read_table(tmp_path / "v.json").names == ["image", "votes1", "votes2", "votes3"]
    (tmp_path / "b.jsonl").write_text('{"image": "a.jpg"}\n[1]\n')
    with pytest.raises(LabelError, match=r"b.jsonl:2:1: an object is wanted"):
        read_table(tmp_path / "b.jsonl")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.json", '{"a.jpg": 3,\n "b.jpg": 4,\n "a.jpg": 5}', 't.json: "a.jpg" is there twice'),
        ("t.json", '[{"image": "a.jpg", "mos": 1, "mos": 2}]', 't.json: "mos" is there twice'),
        (
            "t.jsonl", '{"image": "a", "mos": 1}\n{"image": "b", "mos": 1, "mos": 2}',
            't.jsonl:2: "mos" is there twice in one object: take one of them out',
        ),
    ],
)  # fmt: skip
def test_a_key_twice(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError) as caught:
        read_table(tmp_path / name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,mos\na.jpg,7,6\n", "t.csv:2: 3 cells where the header has 2: a decimal comma?"),
        ("image;mos\na.jpg\nb.jpg;1\n" + "c.jpg;1\n" * 30, "t.csv:2: 1 cells where the header"),
        (
            "My scores\n\nimage,mos\na.jpg,1\nb.jpg,2\n",
            "t.csv:1: 'My scores' names no 2 columns: take",
        ),
        ("image,image\na.jpg,1\n", "t.csv:1: two columns are called 'image'"),
        ("", "t.csv: no rows in this table"),
        ("image,mos\n", "t.csv: no rows in this table"),
        ("image,mos\n\xe4.jpg,1\n", "t.csv:2: not UTF-8 text"),
        ('image,mos\n"a.jpg,1\n' + "b.jpg,1\n" * 30_000, "a quotation mark that is never closed"),
    ],
)
def test_faults(tmp_path, text, said):
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(LabelError) as caught:
        read_table(tmp_path / "t.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["1", "x"], "t.csv:3:7: mos: not a number: 'x'"),
        (["1", ""], "t.csv:3:7: mos: an empty cell"),
        (["1", "-1e39"], "t.csv:3:7: mos: above 3.4e+38, the largest score: '-1e39'"),
        (["inf", "1"], "t.csv:2:7: mos: not finite: 'inf'"),
        (["1_0", "1"], "t.csv:2:7: mos: not a number: '1_0'"),
        (["1.5", "2,5"], "t.csv:3:7: mos: a decimal comma in a column of decimal points: '2,5'"),
    ],
)
def test_a_cell_at_fault_has_its_place(tmp_path, cells, said):
    rows = [f"{name}.jpg;{cell};x" for name, cell in zip("ab", cells, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["image;mos;more", *rows]))
    with pytest.raises(LabelError) as caught:
        read_table(tmp_path / "t.csv").numbers("mos")
    assert said in str(caught.value)
    found = read_table(tmp_path / "t.csv").column("mos")
    assert found == cells and np.asarray(found).shape == (2,)
