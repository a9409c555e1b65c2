"""Every reader of label files and what stands beside them: things that are no files, encodings,
figures and nesting out of all measure, and the one rule for links.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from applications.inputs.named_images import find_images
from dataloader.labels.faults import LabelError
from dataloader.labels.labels import Version
from dataloader.labels.paths import images_root
from dataloader.labels.side_tables import read_spread, read_versions
from dataloader.labels.text import read_labels
from dataloader.labels.votes import find_files, read_ids, read_votes
from dataloader.tables.reading import read_table
from tests.ava_tree import write_ava
from tests.cli import call
from tests.contents import blotches, write_rated

LEVELS_HEADER = "path,reference_id,distortion,level\n"
SPREAD_HEADER = "path,std,votes\n"
ROW = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n"
READERS: dict[str, Callable[[Path], object]] = {
    "label.txt": lambda file: read_labels("scores", file, file.parent),
    "pairs.txt": lambda file: read_labels("pairs", file, file.parent),
    "votes.txt": lambda file: read_labels("distributions", file, file.parent),
    "buckets.txt": lambda file: read_labels("buckets", file, file.parent),
    "levels.csv": lambda file: read_versions(file, [file.parent / "a.png"]),
    "std.csv": lambda file: read_spread([file], [file.parent / "a.png"]),
    "images_root.txt": lambda file: images_root(file.parent),
    "AVA.txt": read_votes,
    "samples.json": read_votes,
    "test.jpgl": read_ids,
}


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """What waits for a pipe for ever fails."""

    def late(*_: object) -> None:
        raise AssertionError("still waiting after 20 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def said(file: Path, read: Callable[[Path], object]) -> str:
    """The one line that refuses the file, which it names."""
    with pytest.raises(ValueError) as caught:
        read(file)
    message = str(caught.value)
    assert message.count("\n") == 0 and message.count(str(file)) == 1 and len(message) < 600
    return message.removeprefix(str(file))


# ---- things that are no files


def make(kind: str, file: Path) -> None:
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(file.parent)  # its path may be too long
        socket.socket(socket.AF_UNIX).bind(file.name)
        os.chdir(here)
    elif kind == "folder":
        file.mkdir()
    else:
        file.symlink_to({"device": "/dev/zero", "loop": file.name, "nothing": "gone"}[kind])


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "loop", "nothing"])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_unopened(tmp_path, name, kind):
    """Before: a pipe hung, /dev/zero ended in MemoryError, a link to nothing counted as no file."""
    make(kind, tmp_path / name)
    found = said(tmp_path / name, READERS[name])
    if kind in ("pipe", "socket", "folder", "device"):
        assert f"is a {kind}" in found
    else:
        assert any(word in found for word in ("no such file", "no label file", "link", "opened"))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "not an image but a pipe, a socket or a device: 'x.png'"),
        ("device", "not an image but a pipe, a socket or a device: 'x.png'"),
        ("loop", "a link to nothing in place of an image: 'x.png'"),
        ("nothing", "a link to nothing in place of an image: 'x.png'"),
        ("folder", "not an image but a folder: 'x.png'"),
    ],
)
def test_an_image_that_is_no_file(tmp_path, kind, reason):
    make(kind, tmp_path / "x.png")
    (tmp_path / "label.txt").write_text("x.png,1\n")
    found = said(tmp_path / "label.txt", READERS["label.txt"])
    assert found == f":1:1: {reason}"
    assert list(find_files(tmp_path, ["x"])) == [""]


def test_the_command_line_refuses_them(tmp_path):
    rated = {f"{n}.png": blotches(n) for n in range(3)}
    train = write_rated(tmp_path / "data/train", rated)
    for name in ("levels.csv", "std.csv"):
        os.mkfifo(train / name)
    (tmp_path / "data/val").mkdir()
    (tmp_path / "data/val/label.txt").symlink_to("gone")
    out = call(tmp_path, "--check data --criterion regress -j 0", 1).out
    assert out.count("is a pipe (FIFO)") == 2 and "data/val/label.txt: no label file here" in out
    os.mkfifo(tmp_path / "votes.json")
    words = "--train --criterion emd --labels votes.json --images data/train"
    assert "error: votes.json: is a pipe (FIFO)" in call(tmp_path, words, 1).err
    os.mkfifo(tmp_path / "scores.csv")
    for suffix in ("csv", "xlsx", "parquet", "json"):
        os.replace(next(tmp_path.glob("scores.*")), tmp_path / f"scores.{suffix}")
        found = call(tmp_path, f"--check --labels scores.{suffix} --images data -j 0", 1)
        assert f"scores.{suffix}: is a pipe (FIFO)" in found.out


# ---- packed files and encodings


@pytest.mark.parametrize("name", [*READERS, "scores.csv"])
@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
def test_a_packed_file_is_named_with_the_cure(tmp_path, name, packer):
    """Before: faults in what the packed bytes happen to say."""
    (tmp_path / name).write_bytes(packer.compress(b"a.png,1\n"))
    kind = {gzip: "gzip", bz2: "bzip2", lzma: "xz"}[packer]
    read = READERS.get(name, read_table)
    assert f"is packed ({kind}): unpack it first" in said(tmp_path / name, read)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1"])
def test_another_encoding_is_named_with_the_cure(tmp_path, name, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    text = f"{mark}caf\u00e9.png,1\n"
    (tmp_path / name).write_bytes(text.encode(encoding))
    found = said(tmp_path / name, READERS[name])
    if name == "AVA.txt" and encoding == "latin-1":
        assert "looks like a label file" in found  # whatever its encoding
    else:
        assert "save the file as UTF-8" in found


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_list_in_another_encoding(tmp_path, encoding):
    file = tmp_path / "list.txt"
    file.write_bytes("a.png\ncaf\u00e9.png\n".encode(encoding))
    assert "save the file as UTF-8" in said(file, lambda file: find_images((str(file),)))


# ---- figures and nesting out of all measure


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("a.png,r,jpeg,1\nb.png,r,jpeg,2\na.png,r,jpeg,3\n", 4),
        ("a.png,r,jpeg,1\n./x/../a.png,s,jpeg,1\n", 3),
        ("a.png,r,jpeg,1\n{here}/a.png,r,blur,1\n", 3),
    ],
)
def test_an_image_with_two_levels_is_a_fault(tmp_path, rows, line):
    """Before: the last row won."""
    file = tmp_path / "levels.csv"
    file.write_text(LEVELS_HEADER + rows.format(here=tmp_path))
    found = said(file, lambda file: read_versions(file, [tmp_path / "a.png"]))
    wanted = f":{line}: line 2 says something else of this image: "
    assert found.startswith(wanted)
    file.write_text(LEVELS_HEADER + "a.png,r,jpeg,1\n./a.png,r,jpeg,1\n")
    assert list(read_versions(file, [tmp_path / "a.png"])) == [Version("r", "jpeg", 1)]


def test_a_deviation_given_twice(tmp_path):
    file = tmp_path / "std.csv"
    file.write_text(SPREAD_HEADER + "a.png,1,\na.png,1,\na.png,2,\n")
    found = said(file, lambda file: read_spread([file], [tmp_path / "a.png"]))
    assert found.startswith(":4: line 2 says something else")


def test_rows_of_two_folders_are_of_two_images(tmp_path):
    """What lies beside the file comes before what lies in the folder of images_root.txt."""
    here, store = tmp_path / "train", tmp_path / "store"
    for folder in (here, store):
        folder.mkdir()
        (folder / "a.png").touch()
    file = here / "levels.csv"
    file.write_text(LEVELS_HEADER + f"a.png,r,jpeg,1\n{store}/a.png,r,jpeg,2\n")
    paths = [here / "a.png", store / "a.png"]
    assert list(read_versions(file, paths, store)) == [
        Version("r", "jpeg", 1),
        Version("r", "jpeg", 2),
    ]
    (here / "a.png").unlink()  # now both rows are of the same one
    with pytest.raises(LabelError, match="levels.csv:3: line 2 says something else"):
        read_versions(file, [store / "a.png"], store)


@pytest.mark.parametrize("level", ["1000000000000000000", "9" * 5_000, "1000001", "-1", "1.5", "x"])
def test_a_level_out_of_measure(tmp_path, level):
    file = tmp_path / "levels.csv"
    file.write_text(LEVELS_HEADER + f"a.png,r,jpeg,{level}\n")
    found = said(file, lambda file: read_versions(file, [tmp_path / "a.png"]))
    assert found.startswith(":2: level '") and "at most 1000000" in found


@pytest.mark.parametrize("quickly", [True, False])
def test_votes_that_cannot_be_summed(tmp_path, quickly):
    """Before: ten times 10^18 overflowed 64 bits, and probabilities were below 0."""
    file = tmp_path / "AVA.txt"
    many = ROW.replace("0 1 5 17 38 36 15 6 5 1", " ".join(["9" * 18] * 10)).replace(
        "1 9", "2 9", 1
    )
    file.write_text("1 7 0 1 5 17 38 36 15 6 5 1 1 22 1396\n" + many if quickly else many + "\n")
    line = 2 if quickly else 1
    assert said(file, read_votes).startswith(f":{line}:10: {'9' * 18} votes for one score")
    label = tmp_path / "label.txt"
    (tmp_path / "a.png").touch()
    label.write_text("a.png,1e19,2,3\n" * (1 if quickly else 2))
    with pytest.raises(LabelError, match="label.txt:1:7: more votes than can be counted"):
        read_labels("distributions", label, tmp_path)
    (tmp_path / "s.json").write_text('[{"image_id": "a", "label": [1e18, 1]}]')
    assert "no histogram" in said(tmp_path / "s.json", read_votes)


@pytest.mark.parametrize("name", ["levels.csv", "std.csv"])
def test_a_quotation_mark_that_is_never_closed(tmp_path, name):
    """Before: csv.Error, 'field larger than field limit (131072)'."""
    file = tmp_path / name
    header = LEVELS_HEADER if name == "levels.csv" else SPREAD_HEADER
    file.write_text(header + '"a.png' + "x,\n" * 70_000)
    found = said(file, READERS[name])
    assert "not a csv row" in found and "a quotation mark that is never closed" in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[" * 100_000, "JSON nested too deep"),
        ('[{"image_id": ' + "[" * 100_000, "JSON nested too deep"),
        ('[{"image_id": null, "label": [1, 2]}]', "sample 1: image_id None: give the file's name"),
        ('[{"image_id": "a\\u0000b", "label": [1, 2]}]', "sample 1: image_id 'a\\x00b': give"),
        ('[{"image_id": [[1]], "label": [1, 2]}]', "sample 1: image_id is no text"),
        ('[{"image_id": "' + "x" * 10**6 + '", "label": []}]', "0 bins, at least 2 wanted"),
        ('[{"image_id": "a", "label": [1, ' + "9" * 5_000 + "]}]", "not JSON"),
    ],
    ids=["deep", "deep id", "null", "null character", "list", "long", "digits"],
)
def test_a_vote_file_is_named(tmp_path, text, wanted):
    (tmp_path / "samples.json").write_text(text)
    assert wanted in said(tmp_path / "samples.json", read_votes)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.png,1,2,3\nb.png,2,3,4\n", "looks like a label file: put it into --data FOLDER"),
        ('[{"image_id": 7, "label": [1, 2]}]', "looks like JSON samples"),
    ],
)
def test_other_files_given_as_votes(tmp_path, text, wanted):
    (tmp_path / "AVA.txt").write_text(text * 1)
    assert wanted in said(tmp_path / "AVA.txt", read_votes)


# ---- links that lead out of the data root


def test_one_rule_for_links(tmp_path):
    """A path's text decides, `..` taken out: a link inside may lead anywhere, a path may not."""
    rated = {f"{n}.png": blotches(n) for n in range(4)}
    train = write_rated(tmp_path / "data/train", {name: rated[name] for name in ("0.png", "1.png")})
    store = write_rated(tmp_path / "store", {name: rated[name] for name in ("2.png", "3.png")})
    (train / "link.png").symlink_to(store / "2.png")
    (train / "folder").symlink_to(store)
    inside = ["0.png", "link.png", "folder/3.png", "folder/../1.png", f"{train}/../train/0.png"]
    places = [train / name for name in ("0.png", "link.png", "folder/3.png", "1.png", "0.png")]
    outside = ["../../store/3.png", f"{store}/3.png", "folder/../../../store/3.png"]
    figures = {"scores": "1", "distributions": "1,2", "buckets": "5"}
    for kind, figure in figures.items():
        head = "file_name,label\n" if kind == "buckets" else ""
        for name, place in zip(inside, places, strict=True):
            (train / "l.txt").write_text(f"{head}{name},{figure}\n")
            found = read_labels(kind, train / "l.txt", tmp_path / "data", cwd=train)
            assert list(found.sources) == [place]
        for name in outside:
            (train / "l.txt").write_text(f"{head}{name},{figure}\n")
            with pytest.raises(LabelError, match="leaves the data root"):
                read_labels(kind, train / "l.txt", tmp_path / "data", cwd=train)
    for name in outside:
        (train / "l.txt").write_text(f"0.png,{name}\n")
        with pytest.raises(LabelError, match="leaves the data root"):
            read_labels("pairs", train / "l.txt", tmp_path / "data", cwd=train)

    # levels.csv and std.csv name the same images by the same text.
    (train / "levels.csv").write_text(
        LEVELS_HEADER + "".join(f"{name},r,jpeg,{n % 4}\n" for n, name in enumerate(inside))
    )
    found = read_versions(train / "levels.csv", places[:4])
    assert found is not None and found.level.tolist() == [0, 1, 2, 3]
    (train / "std.csv").write_text(SPREAD_HEADER + "".join(f"{n},1,9\n" for n in inside[:4]))
    assert read_spread([train / "std.csv"], places[:4]) is not None

    # Vote files name files of one folder, which may be links.
    assert list(find_files(train, ["0", "link", "folder", "../train/0", "folder/3"])) == [
        "0.png", "link.png", "", "", "",
    ]  # fmt: skip

    # A list to predict has no root.
    (tmp_path / "list.txt").write_text("data/train/link.png\nstore/3.png\ndata/../store/2.png\n")
    assert len(find_images((str(tmp_path / "list.txt"),))) == 3

    # --check reads as training does.
    (train / "label.txt").write_text("".join(f"{name},{n}\n" for n, name in enumerate(inside[:4])))
    assert "no faults found" in call(tmp_path, "--check data --criterion regress -j 0").out
    (train / "label.txt").write_text("0.png,1\n../../store/3.png,2\n")
    out = call(tmp_path, "--check data --criterion regress -j 0", 1).out
    assert "data/train/label.txt:2:1: path leaves the data root" in out


def test_a_vote_file_s_images_may_be_links(tmp_path):
    write_ava(tmp_path)
    images = tmp_path / "images/images"
    (images / "7.jpg").rename(tmp_path / "7.jpg")
    (images / "7.jpg").symlink_to(tmp_path / "7.jpg")
    table = read_votes(tmp_path / "AVA_dataset/AVA.txt")
    assert all(find_files(images, table.sources)) and np.allclose(table.values.sum(axis=1), 1)
    samples = [{"image_id": "../7", "label": [1, 2]}]
    (tmp_path / "s.json").write_text(json.dumps(samples))
    assert list(find_files(images, read_votes(tmp_path / "s.json").sources)) == [""]
