"""--predict -o FILE that is killed goes on to the bytes of a call that nothing disturbed; several
processes write the file of one.
"""

from __future__ import annotations

import io
import json
import random
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from applications.scoring.journal import Journal, own_groups
from applications.scoring.rows import Choice, CsvLines, JsonLines, Row
from tests.cli import TINY, call, start_group, start_quickly
from tests.faults.test_names import ODD
from tests.outcomes import KILLED
from tests.tiny_data import write_data
from utils.runtime import distributed

BEST = "--resume checkpoints/model_best_test_resnet.pth -g 0 -b 2 --threads 1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A network, and photos/ of 61 images, one of which is empty."""
    folder = tmp_path_factory.mktemp("going")
    write_data(folder / "data", "regress", train=2, held_out=2)
    call(folder, f"--train --criterion regress {TINY} --epochs 1 --no_check")
    images = sorted((folder / "data/test/images").iterdir())
    (folder / "photos").mkdir()
    for number in range(60):
        (folder / f"photos/{number:02}.png").symlink_to(images[number % len(images)])
    (folder / "photos/31x.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def wanted(trained) -> bytes:
    call(trained, f"--predict photos {BEST} -j 0 -o wanted.csv", code=3)
    return (trained / "wanted.csv").read_bytes()


def killed_at(size: int, seconds: float) -> None:
    """For a process of its own: it is killed so many seconds of its own processor time after its
    rows have come to so many bytes.
    """
    add = Journal.add

    def counted(self: Journal, rows: Iterable[Row]) -> None:
        add(self, rows)
        if self.part.stat().st_size >= size and not any(signal.getitimer(signal.ITIMER_PROF)):
            signal.setitimer(signal.ITIMER_PROF, seconds)

    Journal.add = counted


@pytest.mark.parametrize("workers", [0, 1])
def test_killed_at_random_moments(trained, wanted, workers):
    """Two kills; nothing that is scored is scored again."""
    words = f"--predict photos {BEST} -j {workers} -o killed{workers}.csv --continue"
    part, draw = trained / f"killed{workers}.csv.part", random.Random(workers)
    for size in sorted(draw.sample(range(20, len(wanted) // 2), 2)):
        process = start_quickly(trained, words, partial(killed_at, size, draw.uniform(0.001, 0.01)))
        process.join()
        assert process.exitcode == KILLED
    there = part.read_bytes()
    said = call(trained, words, code=3).err
    rows = there[: there.rfind(b"\n")].count(b"\n")  # without the head
    rows = rows if rows == 61 else rows // 2 * 2  # whole groups
    assert f"{rows} rows are there: going on" in said
    assert f"scoring: {61 - rows} in" in said
    assert (trained / f"killed{workers}.csv").read_bytes() == wanted
    assert not part.exists()
    again = call(trained, words, code=3).err
    assert f"killed{workers}.csv is whole: nothing is left to score" in again
    assert "1 of 61 images could not be read" in again


def test_two_processes_write_the_file_of_one(trained, wanted):
    """Killed together in the middle, too; each image once, and in the order of one process."""
    words = f"--predict photos {BEST} -j 0 -o two.csv --device cpu".replace("-g 0 ", "")
    first, second = start_group(trained, words, 2, None, partial(killed_at, 500, 0.001))
    second.join()
    first.kill()
    first.join()
    assert second.exitcode == KILLED and first.exitcode
    said = call(trained, words, code=1).err  # alone: it would begin anew
    assert "rows of a call that did not finish: go on with --continue" in said
    processes = start_group(trained, f"{words} --continue", 2)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [3, 3]
    assert (trained / "two.csv").read_bytes() == wanted
    assert not list(trained.glob("two.csv.part*"))


def test_processes_that_found_other_images_say_so(trained, tmp_path, monkeypatch):
    """As when files come or go between one process's walk and another's: no image is scored twice,
    or left out, in silence.
    """
    for name in ("photos", "data", "checkpoints"):
        (tmp_path / name).symlink_to(trained / name)

    def of_the_first(value):
        return {**value, "names_of_images": "others"} if isinstance(value, dict) else value

    monkeypatch.setattr(distributed, "broadcast_object", of_the_first)
    said = call(tmp_path, f"--predict photos/00.png {BEST} -j 0 -o a.csv", code=1).err
    assert "a.csv: images came or went while they were scored" in said.splitlines()[-1]
    assert not (tmp_path / "a.csv").exists()


@pytest.fixture
def unfinished(trained, tmp_path, monkeypatch) -> Path:
    """A folder with the first rows of photos/, as a kill leaves them."""
    for name in ("photos", "data", "checkpoints"):
        (tmp_path / name).symlink_to(trained / name)
    add = Journal.add

    def once(self, rows):
        if self.rows >= 6:
            raise KeyboardInterrupt
        add(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", once)
        call(tmp_path, f"--predict photos {BEST} -j 0 -o a.csv", code=130)
    assert (tmp_path / "a.csv.part").read_bytes().count(b"\n") == 7
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("photos --resume other.pth", "weights "),
        ("photos --image_size 32", 'view {"image_size": [32, 32]'),
        ("photos -b 4", "batch size 4 in place of 2"),
        ("photos --bad_images skip", 'bad images "skip" in place of "row"'),
        ("photos --sort", "sort true in place of false"),
        ("photos/00.png photos/02.png", "a row is of photos/01.png, and the images now have"),
        ("photos/00.png photos/01.png photos/02.png", "a row is of photos/03.png, which is not"),
        ("photos data/test", "number of images 67 in place of 61"),
    ],
)
def test_another_call_is_refused_and_loses_nothing(unfinished, words, said):
    stored = unfinished / "checkpoints/model_best_test_resnet.pth"
    import torch

    payload = torch.load(stored, weights_only=True)
    state = {name: tensor * 1.01 for name, tensor in payload["model"].items()}
    torch.save(state, unfinished / "other.pth")
    if "--resume" in words:
        words += " --arch test_resnet --image_size 40 56"
    before = {f.name: f.read_bytes() for f in unfinished.glob("a.csv*")}
    err = call(unfinished, f"{BEST} -j 0 -o a.csv --continue --predict {words}", 1).err
    assert said in err and err.splitlines()[-1].startswith("error: a.csv.")
    assert {f.name: f.read_bytes() for f in unfinished.glob("a.csv*")} == before


def test_an_unfinished_file_is_not_begun_anew_by_mistake(unfinished, wanted):
    words = f"--predict photos {BEST} -j 0 -o a.csv"
    assert "go on with --continue, or remove it" in call(unfinished, words, code=1).err
    call(unfinished, f"{words} --continue", code=3)
    assert (unfinished / "a.csv").read_bytes() == wanted
    (unfinished / "a.csv").write_text("mine")
    call(unfinished, words, code=3)  # nothing is lost by that: the file is whole
    assert (unfinished / "a.csv").read_bytes() == wanted
    assert not (unfinished / "a.csv.run.json").exists()


def test_a_whole_file_of_other_rows_is_no_answer(trained, tmp_path, monkeypatch):
    """Other flags, or other names on stdin, than those that the file was written with."""
    (tmp_path / "checkpoints").symlink_to(trained / "checkpoints")
    (tmp_path / "photos").symlink_to(trained / "photos")
    words = f"--predict photos/00.png photos/01.png {BEST} -j 0 -o top.jsonl --continue --top"
    call(tmp_path, f"{words} 2")
    assert "top 1 in place of 2" in call(tmp_path, f"{words} 1", code=1).err
    words = f"--predict - {BEST} -j 0 -o stdin.csv --continue"

    def named(text: bytes, code: int) -> str:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
        return call(tmp_path, words, code=code).err

    assert "2 rows written" in named(b"photos/00.png\nphotos/01.png\n", 0)
    assert "stdin.csv is whole" in named(b"photos/00.png\nphotos/01.png\n", 0)
    assert "number of images 1 in place of 2" in named(b"photos/00.png\n", 1)
    assert "names of images" in named(b"photos/01.png\nphotos/00.png\n", 1)


def test_files_of_somebody_else_stay(trained, tmp_path):
    (tmp_path / "checkpoints").symlink_to(trained / "checkpoints")
    (tmp_path / "photos").symlink_to(trained / "photos")
    words = f"--predict photos/00.png {BEST} -j 0 -o a.csv"
    for name in ("a.csv.partial", "a.csv.part-1", "a.csv.part"):
        (tmp_path / name).write_text("mine\n")
    said = call(tmp_path, words, code=1).err
    assert said.splitlines()[-1].startswith("error: a.csv.part: is no file of rows")
    (tmp_path / "a.csv.part").unlink()
    call(tmp_path, words)
    for name in ("a.csv.partial", "a.csv.part-1"):
        assert (tmp_path / name).read_text() == "mine\n"


def test_a_part_with_a_hole_is_named(unfinished):
    """As a power cut may leave one; nothing of it is lost."""
    part = unfinished / "a.csv.part"
    lines = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join([*lines[:2], bytes(20), b"\n", *lines[3:]]))
    before = part.read_bytes()
    said = call(unfinished, f"--predict photos {BEST} -j 0 -o a.csv --continue", code=1).err
    assert said.splitlines()[-1].startswith("error: a.csv.part: damaged: ")
    assert part.read_bytes() == before


def a_row(image: Path) -> Row:
    score = None if "9" in image.name else len(image.name) / 7
    row: Row = {"path": image.as_posix(), "score": score}
    return {**row, "error": 'broken,\n"so"'} if score is None else row


@pytest.mark.parametrize("lines", [CsvLines(1, True), JsonLines()])
def test_cut_anywhere(tmp_path, lines):
    """Whatever a kill leaves of a part, names with line ends and quotation marks included."""
    images = [Path(name) for name in ('a"b.png', "19.png", "9\n.png", *ODD, "c,d.png")]
    output = tmp_path / f"x.{lines.name}"

    def groups():
        return own_groups(images, 3)

    def score(journal: Journal, left) -> bytes:
        for group in left:
            journal.add([a_row(image) for image in group])
        journal.close()
        assert journal.finish(Choice(), 1, True) == len(images)
        return output.read_bytes()

    first = Journal(output, lines, 3)
    first.begin()
    wanted = score(first, groups())
    for cut in (*range(len(lines.head), len(wanted), 7), len(wanted) - 1, len(wanted)):
        journal = Journal(output, lines, 3)
        journal.part.write_bytes(wanted[:cut])
        left = journal.take_up(groups())
        assert journal.rows % 3 == 0 or journal.rows == len(images)
        assert journal.bad == sum(a_row(i)["score"] is None for i in images[: journal.rows])
        assert score(journal, left) == wanted


def test_rows_of_one_process_are_unfinished_rows(tmp_path):
    """A stop in the first seconds finds some without one, and what the others have stays."""
    journals = [Journal(tmp_path / "x.csv", JsonLines(), 2, rank, 2) for rank in range(2)]
    for journal in journals:
        journal.begin()
    journals[0].write_record({})
    assert not journals[0].unfinished() and not journals[1].unfinished()
    journals[1].add([a_row(Path("a.png"))])
    assert journals[0].unfinished() and journals[1].unfinished()
    for journal in journals:
        journal.close()
    journals[0].write_record({}, {"rows": 1, "unreadable": 0})  # a kill between two removals
    (tmp_path / "x.csv").touch()
    journals[0].part.unlink()
    assert journals[1].finished()
    journals[1].remove_parts()
    assert not list(tmp_path.glob("x.csv.part*"))


def test_the_record_names_what_it_is_of(unfinished):
    stored = json.loads((unfinished / "a.csv.run.json").read_text())
    assert stored["finished"] is None and stored["of"]["number_of_images"] == 61
    assert len(stored["of"]["weights"]) == 64 and stored["of"]["processes"] == 1
