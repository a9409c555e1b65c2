"""File names of any bytes: nothing that a terminal obeys is printed, a table keeps its rows, files
keep the true name, a spreadsheet finds no formula, and no folder of maps is too narrow.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from applications.evaluation.map_files import distinct_names
from applications.evaluation.stored import load
from applications.inputs.named_images import find_images
from applications.scoring.rows import CsvLines
from tests.cli import PATIENCE, ROOT, TINY, call
from tests.tiny_data import picture, write_data
from utils.files.writing import write_json
from utils.text import csv_path, csv_text, path_of_csv, text_of_csv, visible

BEST = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"
ESCAPE, LINES, BYTES = "\x1b]0;mine\x07a.png", "one\ntwo.png", os.fsdecode(b"caf\xe9.png")
FORMULA = ("=1+1.png", "+1.png", "-1.png", "@x.png", "\tx.png")
ODD = (ESCAPE, LINES, "c\rd.png", BYTES, *FORMULA, "schöne 花.png", 'a,b "c".png', "'quoted'.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    write_data(folder / "data", "rank", train=1, held_out=1)
    call(folder, f"--train --criterion rank {TINY} --epochs 1 --no_check --no_report")
    (folder / "odd").mkdir()
    image = folder / "one.png"
    picture(np.random.default_rng(0), 20.0).save(image)
    for name in ODD:
        shutil.copy(image, folder / "odd" / name)
        shutil.copy(image, folder / name)  # in the working directory: cells begin with the name
    return folder


def clean(text: str) -> bool:
    """Nothing but visible characters and line ends."""
    return all(line.isprintable() for line in text.split("\n"))


def test_messages_show_no_control_sequence(trained):
    (trained / f"bad{ESCAPE}").write_bytes(b"")
    (trained / f"bad{LINES}").write_bytes(b"")
    for words in ("--bad_images stop --predict", "--bad_images skip --predict one.png"):
        done = call(trained, f"{words} 'bad{ESCAPE}' 'bad{LINES}' {BEST}", code=None)
        assert clean(done.out) and clean(done.err) and r"badone\ntwo.png" in done.err
    for words in (
        "--check",
        "--train --data",
        f"--predict x {BEST} -o",
        "--continue",
        "--make_buckets",
    ):
        done = call(trained, f"{words} 'no{ESCAPE}'", code=None)
        assert done.code and clean(done.err) and "mine" in done.err


def test_files_keep_the_true_names_and_read_back_equal(trained):
    names = [Path(name) for name in ODD]
    words = " ".join(f"'./{name}'" if "'" not in name else f'"./{name}"' for name in ODD)
    call(trained, f"--predict {words} {BEST} -o p.csv")
    raw = (trained / "p.csv").read_bytes()
    assert b"caf\xe9.png" in raw and "schöne 花.png".encode() in raw
    text = raw.decode("utf-8", "surrogateescape")
    cells = [row["path"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)
    assert [Path(cell) for cell in cells] == names
    assert load(trained / "p.csv").images == tuple(names) == tuple(map(Path, ODD))
    call(trained, f"--predict {words} {BEST} -o p.json")
    rows = json.loads((trained / "p.json").read_text(encoding="utf-8"))
    assert [row["path"] for row in rows] == list(ODD)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
)
def test_terminals_of_other_encodings(tmp_path, environment):
    """Of the command itself: it is the streams of the process that count. It needs no torch."""
    name = os.fsdecode("nö花".encode() + b"\xff.csv")
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--predict", "x", "--resume", "y", "-o", "/" + name
         + "/" + name, "--maps", str(ROOT / "main.py")],
        env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"error: --maps") and b"main.py" in done.stderr


def test_pages_and_runs_of_photographs_of_any_name(trained):
    photos = trained / "photos"
    photos.mkdir(exist_ok=True)
    for number, name in enumerate((BYTES, LINES, ESCAPE, "=1+1.png")):
        picture(np.random.default_rng(number), 10.0, (64, 64)).save(photos / name)
    words = f"-e --photos photos --distort live --split all --bootstrap 0 {BEST} -b 8"
    done = call(trained, f"{words} -o e.html --report_maps 1")
    assert clean(done.out) and clean(done.err)
    page = (trained / "e.html").read_bytes().decode("utf-8")  # nothing that UTF-8 cannot hold
    assert "\x1b" not in page and r"caf\udce9" in page
    images = load(trained / "e.csv").images
    assert len(images) == 104 and any(str(name).startswith(f"photos/{BYTES}") for name in images)
    done = call(trained, "--check --photos photos -j 0 -o c.json", code=None)
    assert clean(done.out) and json.loads((trained / "c.json").read_bytes())


def test_cells_are_no_formulas_and_read_back_equal():
    for name in (*ODD, "", "./=x", "./a", "x=1", "\r=1", "\uff1d1"):
        assert csv_path(name)[:1] not in tuple("=+-@\t\r\n\uff1d") or not name
        assert Path(csv_path(name)) == Path(name)
        assert Path(path_of_csv(csv_path(name))) == Path(name)
    for text in (*ODD, "'", "''=", "'=x", "x'", "-5"):
        assert csv_text(text)[:1] not in tuple("=+-@\t\r\n")
        assert text_of_csv(csv_text(text)) == text
    assert text_of_csv("'abc") == "'abc"  # of a file that others wrote
    row = {"path": "-1.png", "score": -0.5}
    assert CsvLines(1, errors=False).line(row) == b"./-1.png,-0.5\n"  # numbers stay numbers


def test_one_way_to_show_a_name():
    assert visible("a\x1b\nb\udce9") == "a\\x1b\nb\\udce9"


def test_json_with_a_name_that_is_no_utf8_is_json(tmp_path):
    write_json(tmp_path / "x.json", {"path": BYTES, "more": "花"})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"path": BYTES, "more": "花"} and "花" in text


# ---- what is no file


def test_what_is_no_file_is_one_line_and_never_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    os.mkfifo("list.txt")
    os.symlink("nowhere", "gone.png")
    os.symlink("self.png", "self.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind("sock.png")
    server.close()
    said = {
        "pipe.png": "is a pipe (FIFO): name a file",
        "list.txt": "is a pipe (FIFO): name a file",
        "sock.png": "is a socket: name a file",
        "/dev/zero": "is a device: name a file",
        "gone.png": "a link that leads nowhere: mend or remove it",
        "self.png": "cannot be opened: Too many levels of symbolic links",
    }
    for word, reason in said.items():
        for pattern in (word, f"{word[:-1]}?"):
            done = call(tmp_path, f"--predict '{pattern}' --resume none.pth", code=1)
            assert done.err == f"error: {word}: {reason}\n"
        with pytest.raises(ValueError, match="^[^\n]*$"):
            find_images((word,))


# ---- names of 255 bytes


def test_maps_of_long_names_are_apart_and_fit():
    names = ["n" * 251, "n" * 250 + "m", "é" * 125, "x"]
    found = distinct_names([Path(f"{name}.png") for name in names])
    assert len(set(found)) == 4 and found[3] == "x"
    assert all(len(os.fsencode(f"{name}_map.png")) <= 255 for name in found)
    assert found == distinct_names([Path(f"{name}.png") for name in names])


def test_maps_of_long_and_odd_names_are_written(trained, tmp_path):
    folder = tmp_path / "long"
    folder.mkdir()
    for name in ("n" * 251 + ".png", "é" * 125 + ".png", BYTES, LINES):
        shutil.copy(trained / "one.png", folder / name)
    done = call(trained, f"--predict {folder} {BEST} --maps {tmp_path}/m --map_way gradcam")
    assert clean(done.err) and len(list((tmp_path / "m").iterdir())) == 8
    call(trained, f"--predict {folder} {BEST} -o {tmp_path}/s.csv")
    assert len(load(tmp_path / "s.csv").images) == 4
