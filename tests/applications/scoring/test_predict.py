"""--predict of any number of images: what is named, what is written, and what is not read."""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import json
import os
import shlex
import shutil
import sqlite3
import sys
import tarfile
from pathlib import Path

import pytest

import main
from applications.inputs.named_images import find_images
from applications.predict_ray import ScoreImages, item_of
from tests.cli import TINY, call, inside, refused
from tests.tiny_data import write_data
from utils.imaging import image_folders
from utils.imaging.image_folders import list_images

BEST = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A network of histograms; photos/ of five images, of which b/2.png is empty."""
    folder = tmp_path_factory.mktemp("predict")
    write_data(folder / "data", "emd", train=2, held_out=2)
    call(folder, f"--train --criterion emd {TINY} --epochs 1 --no_check")
    names = ("a.png", "b/1.png", "b/2.png", "b/3.png", "b-4.png")
    images = sorted((folder / "data/test/images").iterdir())
    for name, image in zip(names, images, strict=False):
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / "photos" / name)
    (folder / "photos/b/2.png").write_bytes(b"")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for name in names:
            tar.add(folder / "photos" / name, name)
        tar.add(folder / "data/test/label.txt", "label.txt")
    return folder


NAMES = ["photos/a.png", "photos/b/1.png", "photos/b/2.png", "photos/b/3.png", "photos/b-4.png"]


def rows_of(file: Path) -> list[dict]:
    with open(file, newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def wanted(trained) -> list[dict]:
    """Rows of photos/ as csv; equal to those of the Python scorer in test_scorer.py."""
    done = call(trained, f"--predict photos {BEST} -b 2 -o wanted.csv", code=3)
    assert "1 of 5 images could not be read: their rows say why" in done.err
    assert "5 rows written to wanted.csv" in done.err
    assert not list(trained.glob("wanted.csv.*"))
    return rows_of(trained / "wanted.csv")


def test_a_broken_image_is_a_row_with_its_reason(wanted):
    assert [row["path"] for row in wanted] == NAMES
    assert list(wanted[0]) == ["path", "score", "std", *(f"p{k}" for k in range(1, 6)), "error"]
    bad = wanted[2]
    assert bad["error"].startswith("is empty (0 bytes)") and not bad["score"] and not bad["p1"]
    assert all(row["score"] and not row["error"] for row in wanted if row is not bad)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "parquet"])
def test_the_same_rows_in_every_kind_of_file(trained, wanted, suffix):
    file = trained / f"same.{suffix}"
    parquet = pytest.importorskip("pyarrow.parquet") if suffix == "parquet" else None
    call(trained, f"--predict photos {BEST} -b 2 -o {file.name}", code=3)
    if parquet:
        found = parquet.read_table(file).to_pylist()
        assert [row["error"] is None for row in found] == [True, True, False, True, True]
    elif suffix == "json":
        found = json.loads(file.read_text())
        assert file.read_text() == json.dumps(found, indent=2) + "\n"
    else:
        found = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["path"] for row in found] == NAMES
    for row, same in zip(found, wanted, strict=True):
        for name in ("score", "std", "p1", "p5"):
            assert row[name] == (pytest.approx(float(same[name]), rel=1e-8) if same[name] else None)
        assert (row.get("error") or "") == same["error"]
    assert not list(trained.glob(f"{file.name}.*"))


def test_rows_on_stdout(trained, wanted):
    done = call(trained, f"--predict photos {BEST} -b 2 -o -", code=3)
    assert list(csv.DictReader(io.StringIO(done.out))) == wanted


def test_whoever_reads_the_rows_may_end(trained, monkeypatch):
    """As head does: no word, and the exit code that a shell knows."""
    for words in ("-o -", ""):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as stdout, inside(trained):
            monkeypatch.setattr(sys, "stdout", stdout)
            with contextlib.redirect_stderr(io.StringIO()) as err:
                assert main.main(shlex.split(f"--predict photos/a.png {BEST} {words}")) == 141
        assert "rror" not in err.getvalue()
    monkeypatch.setattr(sys, "stdout", None)  # closed: >&-
    with inside(trained), contextlib.redirect_stderr(io.StringIO()) as err:
        assert main.main(shlex.split(f"--predict photos/a.png {BEST} -o -")) == 1
    assert "stdout is closed: pass -o FILE" in err.getvalue()


def test_a_table_says_why_an_image_has_no_score(trained, wanted):
    done = call(trained, f"--predict photos {BEST} -b 2 --sort", code=3)
    *scored, bad = [line.split() for line in done.out.splitlines()[1:]]
    assert [line[0] for line in scored] == ["1", "2", "3", "4"]
    assert bad[:4] == ["-", "-", "photos/b/2.png:", "is"]
    good = sorted((row for row in wanted if row["score"]), key=lambda row: -float(row["score"]))
    assert [line[-1] for line in scored] == [row["path"] for row in good]


def test_the_best_and_those_above_a_score(trained, wanted):
    good = sorted((row for row in wanted if row["score"]), key=lambda row: -float(row["score"]))
    third = float(good[2]["score"])
    for words, kept in {
        "--top 2": good[:2],
        "--sort": [*good, wanted[2]],
        f"--threshold {third - 1e-6}": [row for row in wanted if row in good[:3]],
        f"--threshold {third - 1e-6} --top 9": good[:3],
        "--threshold 99": [],
    }.items():
        said = call(trained, f"--predict photos {BEST} -b 2 -o best.csv {words}", code=3).err
        assert rows_of(trained / "best.csv") == kept
        assert ("1 of 5 images could not be read: their rows say why" in said) == (
            wanted[2] in kept
        )
        assert ("photos/b/2.png: is empty" in said) == (wanted[2] not in kept)
        done = call(trained, f"--predict photos {BEST} -b 2 -o - {words}", code=3)
        assert done.out == (trained / "best.csv").read_text()


def test_without_broken_images_or_not_at_all(trained, wanted):
    words = f"--predict photos {BEST} -b 2 -o some.csv --bad_images"
    call(trained, f"{words} skip")
    found = rows_of(trained / "some.csv")
    assert found == [
        {name: cell for name, cell in row.items() if name != "error"}
        for row in wanted
        if row["score"]
    ]
    (trained / "some.csv").unlink()
    assert "photos/b/2.png: is empty" in call(trained, f"{words} stop", code=1).err
    assert not list(trained.glob("some.csv*"))
    refused(trained, f"-e {BEST} --bad_images row", "--bad_images row: only with --predict")


def test_tar_files_lists_and_stdin(trained, wanted, monkeypatch):
    """Each image once; the members of a tar file in its order, by the scores of their files."""
    by_name = {row["path"].removeprefix("photos/"): row for row in wanted}
    (trained / "list.txt").write_text("shard.tar\nphotos/a.png\nphotos/gone.png\n")
    call(trained, f"--predict list.txt shard.tar {BEST} -b 2 -o tar.csv", code=3)
    *members, file, gone = rows_of(trained / "tar.csv")
    assert [row["path"] for row in members] == [f"shard.tar/{name}" for name in by_name]
    for row, same in zip(members, by_name.values(), strict=True):
        assert {**row, "path": same["path"]} == pytest.approx(same)
    assert file["path"] == "photos/a.png" and file["score"]
    assert gone["path"] == "photos/gone.png" and gone["error"] == "no such file: check the path"

    class Stdin:
        buffer = io.BytesIO(b"photos/a.png\n\nshard.tar\r\nphotos/gone.png\nphotos/a.png\n")

    monkeypatch.setattr(sys, "stdin", Stdin)
    call(trained, f"--predict - {BEST} -b 2 -o stdin.csv", code=3)
    assert [row["path"] for row in rows_of(trained / "stdin.csv")] == [
        "photos/a.png", *(row["path"] for row in members), "photos/gone.png",
    ]  # fmt: skip
    assert "stdin names no image" in call(trained, f"--predict - {BEST}", code=1).err


def test_what_stdin_cannot_name(trained, monkeypatch):
    """Streamed rows come before a wrong line; a name that no file can have is a row."""

    class Stdin:
        buffer = io.BytesIO(b"photos/a.png\n" + b"x" * 5000 + b"\nphotos/b-4.png\0photos/a.png\0")

    monkeypatch.setattr(sys, "stdin", Stdin)
    done = call(trained, f"--predict - {BEST} -b 1 -o -", code=1)
    first, second = csv.DictReader(io.StringIO(done.out))
    assert first["path"] == "photos/a.png" and "File name too long" in second["error"]
    assert "line 3 of stdin holds a null character" in done.err
    assert done.err.splitlines()[-1].startswith("error: -: ")
    monkeypatch.setattr(sys, "stdin", None)  # closed: <&-
    assert "stdin names no image" in call(trained, f"--predict - {BEST}", code=1).err
    said = call(trained, f"--predict {'x' * 5000} {BEST}", code=1).err
    assert "no such file, folder or list" in said and len(said) < 300


def test_members_of_a_tar_file_that_are_no_images(trained, tmp_path):
    """Links, kinds that are not read, and names that are there twice: said, none in silence."""
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for name, kind in (
            ("BZh.png", tarfile.REGTYPE), ("BZh.png", tarfile.REGTYPE),
            ("raw.nef", tarfile.REGTYPE), ("d.png", tarfile.DIRTYPE),
            ("hard.png", tarfile.LNKTYPE), ("soft.png", tarfile.SYMTYPE),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "BZh.png"
            tar.addfile(member)
    said: list[str] = []
    for words in ([tmp_path / "odd.tar"], [tmp_path / "odd.tar", trained / "photos/a.png"]):
        found = find_images(list(map(str, words)), said.append)
        assert [image.name for image in found[:2]] == ["BZh.png"] * 2 and len(found) == 1 + len(
            words
        )
    (line,) = set(said)
    assert "1 file left out: 1 .nef" in line and "2 links left out" in line
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.type = tarfile.LNKTYPE
        tar.addfile(member)
    with pytest.raises(ValueError, match="no image in this tar file: 1 link left out"):
        find_images([str(tmp_path / "links.tar")])


def test_tar_files_that_cannot_be_used(trained, tmp_path):
    whole = (trained / "shard.tar").read_bytes()
    damaged = bytearray(whole)
    with tarfile.open(trained / "shard.tar") as tar:
        at = tar.getmember("b/1.png").offset
    damaged[at : at + 600] = b"x" * 600
    for name, content, said in (
        ("cut.tar", whole[: at + 800], "a damaged tar file"),
        ("header.tar", whole[: at + 100], "a damaged tar file"),
        ("middle.tar", bytes(damaged), f"no header at byte {at}"),
        ("text.tar", b"hello" * 200, "a damaged tar file"),
        ("empty.tar", bytes(10240), "no image in this tar file"),
        ("packed.tar.gz", b"x", "unpack it to .tar"),
        ("packed.tar", gzip.compress(whole), "unpack it to .tar"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=said) as caught:
            find_images([str(tmp_path / name)])
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_read_in_blocks(tmp_path, monkeypatch):
    """In the order of the sorted whole, whatever the size of a block; links are followed once."""
    names = ("b.png", "a/z.jpg", "a.png", "a-1/x.png", "a/b/c.png", "c.txt", ".x.png", "é.PNG")
    for name in names:
        (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / name).write_bytes(b"")
    (tmp_path / "top/link").symlink_to("..", target_is_directory=True)
    (tmp_path / "top/again").symlink_to("a", target_is_directory=True)
    (tmp_path / "else.png").write_bytes(b"")
    wanted = sorted(tmp_path / "top" / n for n in (*names[:5], names[7], "link/else.png"))
    assert list_images(tmp_path / "top") == wanted
    monkeypatch.setattr(image_folders, "BLOCK", 1)
    assert list_images(tmp_path / "top") == wanted


def test_a_pattern_gives_what_glob_gives(tmp_path, monkeypatch):
    """A block of names after the other, where it is of one folder."""
    for name in ("b.png", ".h.png", "a-1.png", "a.png", "d/x.png", "d[1]/z.png", "c.PNG", "B.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(image_folders, "BLOCK", 1)
    names = ("*.png", "[a-c]*", ".*", "?.png", "d/*", "d*", "**", "*/x.png", "d[[]1]/*")
    for word in (*names, *(f"{tmp_path}/{name}" for name in names)):
        with inside(tmp_path):
            matches = sorted(glob.glob(word, recursive=True))
            folders = [match for match in matches if os.path.isdir(match)]
            found = list(map(str, find_images([word])))
        assert [f for f in found if f in matches] == [m for m in matches if m not in folders]
    with pytest.raises(ValueError, match="no file matches it"):
        find_images([f"{tmp_path}/gone/*.png"])


def test_no_room_for_the_names_is_one_line(tmp_path, monkeypatch):
    connect = sqlite3.connect

    def small(place: str) -> sqlite3.Connection:
        connection = connect(place)
        connection.execute("PRAGMA max_page_count = 3")
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    names = [tmp_path / f"{number}{'x' * 200}.png" for number in range(50)]
    for name in names:
        name.write_bytes(b"")
    said = call(tmp_path, f"--predict {shlex.join(map(str, names))} {BEST} -o a.csv", code=1).err
    assert "is full: name a folder with room in SQLITE_TMPDIR" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--predict a.png --continue", "--continue goes on with the rows of -o FILE"),
        ("--predict a.png -o - --continue", "--continue goes on with the rows of -o FILE"),
        ("--predict a.png -o x.csv --continue run", "leave out --output, --predict"),
        ("--predict a.png -o x.csv --continue --maps m", "maps go on by themselves"),
        ("--continue", "--continue: name the folder of the run"),
        ("--predict - --maps m", "--maps: images are named on stdin"),
        ("--predict - --bad_images stop", "--bad_images stop: images are named on stdin"),
        ("--predict a.png --top 0", "--top: 0 is not above 0"),
        ("--predict a.png -o x.xlsx", "must end in .csv or .jsonl or .json or .parquet"),
    ],
)
def test_what_cannot_be_meant(tmp_path, words, said):
    refused(tmp_path, words, said)


def test_a_scorer_of_the_ray_program_gives_the_same_rows(trained, wanted, monkeypatch):
    """tests/applications/test_predict_ray.py runs the whole where ray is installed."""
    pyarrow = pytest.importorskip("pyarrow")
    monkeypatch.chdir(trained)
    odd = Path(os.fsdecode(b"caf\xe9.png"))
    odd.symlink_to("photos/b/2.png")
    items = [item_of(image) for image in (*find_images(["photos", "shard.tar"]), odd)]
    odd.unlink()
    table = pyarrow.Table.from_pylist(items)
    batch = {name: table[name].to_numpy() for name in table.column_names}
    score = ScoreImages("checkpoints/model_best_test_resnet.pth", {"device": "cpu"})
    found = score(batch)
    assert found["path"].tolist()[:5] == NAMES and len(items) == 11
    assert found["path"][10] == r"caf\udce9.png" and "no such file" in found["error"][10]
    for place, row in enumerate(wanted * 2):
        for name in ("score", "std", "p1", "p5"):
            value = found[name][place].as_py()
            assert value == (pytest.approx(float(row[name]), abs=1e-5) if row[name] else None)
        assert (found["error"][place] or "") == row["error"]
