"""Outputs are tried before any work, and are never an input of the call."""

from __future__ import annotations

import base64
import os
import re
import shlex
from pathlib import Path

import pytest

from applications.combinations import check
from applications.inputs.outputs import cell_of
from config import Config, parse
from tests.cli import WITH_REPORT, call, inside, refused, run_folders
from tests.tiny_data import write_data
from utils.files.writing import check_apart, check_output, write_text

# Weights that are not there: the answer comes before they are looked for.
WEIGHTS = "--resume none.pth -j 0 -g 0"
FROZEN = "--train --freeze backbone"
RANKED = "--train --criterion rank --distort live"
VOTED = "--train --criterion emd --labels more/AVA.txt"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every path below the folder and, of a file, its bytes."""
    found = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


@pytest.fixture
def folder(tmp_path) -> Path:
    write_data(tmp_path / "data", "regress", 1, 1)
    (tmp_path / "levels.txt").write_text("data/test/images/photo0_0.png\n")
    (tmp_path / "out.csv").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "g.pt").write_text("weights")
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "odd.csv").write_text("an image by its name")
    os.mkfifo(tmp_path / "pipe.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # tried first
        (f"--predict data/test {WEIGHTS} -o out.csv", "--output out.csv: is a folder: name a file"),
        (f"-e {WEIGHTS} -o out.html", "--output out.csv: is a folder: name a file"),
        (f"-e {WEIGHTS} -o pipe.html", "--output pipe.csv: is a pipe (FIFO): name a file"),
        (f"--predict data/test {WEIGHTS} -o file/x.csv", "file is no folder: name another place"),
        (f"--predict data/test {WEIGHTS} -o {'n' * 252}.csv", "File name too long"),
        ("--compare a b -o file/deep/er/x.html", "file is no folder"),
        ("--import_keras x.h5 -o file/x.pth", "file is no folder"),
        ("--make_buckets data/train/label.txt -o file/x.txt", "file is no folder"),
        ("--train --checkpoints file", "--checkpoints file: is a file: name a folder"),
        ("--train --logdir file", "--logdir file: is a file: name a folder"),
        ("--train --logdir file/runs", "--logdir file/runs: file is no folder"),
        ("--train --freeze backbone --cache_features file", "--cache_features file: is a file"),
        (f"--predict data/test {WEIGHTS} --maps file", "--maps file: is a file: name a folder"),
        (f"--jit {WEIGHTS} --checkpoints file", "--checkpoints file: is a file: name a folder"),
        ("--continue runs/x --checkpoints file", "--checkpoints file: is a file: name a folder"),
        ("--train --stages rank,regress --checkpoints file", "file: is a file: name a folder"),
        # never an input
        (f"-e {WEIGHTS} -o data/test/levels.csv", "lies in data, which is only read"),
        (f"-e --data link {WEIGHTS} -o data/x.csv", "lies in link, which is only read"),
        (f"-e {WEIGHTS} -o link/test/x.html", "lies in data, which is only read"),
        (f"--test data {WEIGHTS} -o data/x.json", "lies in data, which is only read"),
        (f"-e --labels odd.csv --images data {WEIGHTS} -o odd.csv", "odd.csv: is an input, which"),
        (f"-e --labels odd.csv --images data {WEIGHTS} -o odd.html", "odd.csv: is an input"),
        (f"-e --labels none --images data {WEIGHTS} -o data/x.csv", "lies in data"),
        ("--jit --resume g.pt -o g.pt", "--output g.pt: is an input, which is only read"),
        ("--jit --resume none.pth -o data/g.pt", "lies in data, which is only read"),
        (f"--predict odd.csv {WEIGHTS} -o ./odd.csv", "odd.csv: is an input, which is only read"),
        (f"--predict data/test {WEIGHTS} -o data/test/s.csv", "lies in data/test, which"),
        ("--check data -o data/found.json", "lies in data, which is only read"),
        ("--check --photos data -o data/found.json", "lies in data, which is only read"),
        ("--compare odd.csv data -o data/x.html", "lies in data, which is only read"),
        # nor among them
        ("--train --logdir data/runs", "--logdir data/runs lies in --data data, which is never"),
        ("--train --logdir data", "--logdir data lies in --data data, which is never written to"),
        ("--train --data link --logdir data/train", "--logdir data/train lies in --data link"),
        ("--train --checkpoints link/x", "--checkpoints link/x lies in --data data, which is"),
        ("--train --data .", "--logdir runs lies in --data ., which is never written to: name a"),
        (f"{FROZEN} --cache_features data/f", "--cache_features data/f lies in --data data"),
        (f"{RANKED} --photos data --logdir data/x", "--logdir data/x lies in --photos data"),
        (f"{RANKED} --photos data --checkpoints data/x", "--checkpoints data/x lies in --photos"),
        (f"{VOTED} --images data --logdir data/x", "--logdir data/x lies in --images data"),
        (f"{VOTED} --images link --checkpoints more/x", "lies in the folder of --labels, more"),
        ("--train --stages rank,regress --stage_data a,data --logdir data/x", "stage 2"),
        (f"--jit {WEIGHTS} --checkpoints data/x", "--checkpoints data/x lies in --data data"),
        ("--continue runs/x --checkpoints data/x", "--checkpoints data/x lies in --data data"),
    ],
)
def test_an_output_is_refused_before_anything_is_read(folder, words, said):
    before = contents(folder)
    refused(folder, words, said)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("'odd.*' -o odd.csv", "odd.csv: is an input, which is only read: name another file"),
        ("list.txt -o odd.csv", "odd.csv: is an input, which is only read"),
        ("'dat*' -o data/x.csv", "data/x.csv: lies in data, which is only read"),
    ],
)
def test_images_of_lists_and_patterns_are_inputs(folder, words, said):
    (folder / "list.txt").write_text("odd.csv\n")
    before = contents(folder)
    err = call(folder, f"--predict {words} {WEIGHTS}", code=1).err
    assert said in err and err.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize(
    "words",
    [
        f"--predict data/test/images/photo0_0.png {WEIGHTS} -o data/scores.csv",
        f"--predict 'data/test/images/*.png' {WEIGHTS} -o data/test/images/scores.csv",
        f"-e {WEIGHTS} -o new/folder/x.csv",
        f"-e --photos data --distort live --criterion rank {WEIGHTS} -o x.html",
        "--make_buckets data/train/label.txt -o data/train/buckets.txt",
        "--compare a.csv b.csv -o c.html",
        "--train",
        "--train --data data --logdir database --checkpoints data.runs",
        "--train --criterion emd --labels AVA.txt --images data",
        "--train --criterion emd --labels data/AVA.txt --images data/test --logdir runs",
        "--train --criterion rank --distort live --photos data/test --logdir data/runs",
    ],
)
def test_what_is_asked_for_beside_inputs_is_allowed(folder, words):
    """No folder of images or labels is named by these, or the result belongs beside the labels."""
    before = contents(folder)
    with inside(folder):
        check(parse(shlex.split(words)))
    assert contents(folder) == before


def test_buckets_beside_their_labels_are_written_once(folder):
    words = "--make_buckets data/train/label.txt -o data/train/buckets.txt"
    call(folder, words)
    before = contents(folder)
    assert "exists already" in call(folder, words, code=1).err
    words = "--make_buckets data/train/label.txt -o data/train/label.txt"
    refused(folder, words, "label.txt: is an input, which is only read")
    assert contents(folder) == before


def test_where_nothing_may_be_written(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(ValueError, match=r"x.csv: cannot be written into .*: Permission denied"):
        check_output(tmp_path / "new" / "x.csv")
    assert not list(tmp_path.iterdir())


def test_a_link_is_the_file_that_it_leads_to(tmp_path):
    (tmp_path / "in.csv").write_text("mine")
    (tmp_path / "out.csv").symlink_to("in.csv")
    (tmp_path / "gone.csv").symlink_to("nowhere")
    with pytest.raises(ValueError, match="is .*in.csv, which is only read"):
        check_apart(tmp_path / "out.csv", [tmp_path / "in.csv"])
    check_apart(tmp_path / "gone.csv", [tmp_path / "in.csv"])
    check_output(tmp_path / "gone.csv")


def test_a_name_of_255_bytes_is_written(tmp_path):
    for name in ("n" * 251 + ".csv", "é" * 125 + "n.csv"):
        check_output(tmp_path / name)
        write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"


# ---- what is written for others


def test_paths_stand_in_a_csv_as_the_call_names_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "..")
    here = tmp_path.resolve().parent
    image = here / "data/test/a.png"
    for data, wanted in (
        ("data", "data/test/a.png"),
        ("./data/", "data/test/a.png"),
        ("elsewhere", "data/test/a.png"),  # below the working directory
        (str(here / "data"), image.as_posix()),
        (f"../{here.name}/data", f"../{here.name}/data/test/a.png"),
    ):
        assert cell_of(Config(data=data))(image) == wanted
    assert cell_of(Config(data="data"))(Path("/else/a.png")) == "/else/a.png"
    assert cell_of(Config(data="data"))(Path("=a.png")) == "./=a.png"


def test_what_is_made_for_others_says_nothing_of_this_machine(tmp_path):
    """Predictions and, in the page, the csv of errors: of data that a relative path names."""
    write_data(tmp_path / "data", "regress", 1, 1)
    call(tmp_path, f"--train --criterion regress {WITH_REPORT} --epochs 1 --no_check --bootstrap 0")
    (run,) = run_folders(tmp_path)
    page = (run / "report.html").read_text(encoding="utf-8")
    tables = re.findall(r"data:text/csv;base64,([\w+/=]+)", page)
    tables = [base64.b64decode(table) for table in tables]
    assert any(b"data/test/images/" in table for table in tables)
    for written in (page.encode(), *tables, (run / "predictions_test.csv").read_bytes()):
        assert str(tmp_path).encode() not in written
    call(tmp_path, f"--compare {run.relative_to(tmp_path)} {run}/predictions_test.csv", code=0)


def test_the_folder_of_images_root_txt_is_an_input(folder):
    """But not where the program is started in it: it is more than data then."""
    (folder / "far").mkdir()
    root = folder / "data" / "images_root.txt"
    root.write_text("../far\n")
    said = "lies in the folder of images_root.txt,"
    refused(folder, "--train --cache far/kept", f"--cache far/kept {said} {folder / 'far'}")
    refused(folder, "--train --logdir far", f"--logdir far {said}")
    root.write_text("..\n")
    with inside(folder):
        check(parse(["--train", "--logdir", "far"]))
