"""A run goes on with the images it began with: one that cannot be read any more is named, one that
can be read since is left out again and said.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from applications.inputs.data import Data, read_data
from applications.inputs.run_record import LEFT_OUT
from applications.inputs.runtime import open_runtime
from applications.tasks import TASKS
from config import Config, parse
from tests.ava_tree import IDS, write_ava
from tests.cli import call, inside, run_folders
from tests.outcomes import killed_in, outcome, tensors
from tests.tiny_data import write_data
from utils.files import checkpoint

QUICK = (
    "--train --criterion regress --arch test_efficientnet --image_size 32 --warmup 0 -b 6 -j 0 "
    "-g 0 --threads 1 --amp off --no_report --bad_images skip"
)
LAST = "checkpoint_test_efficientnet.pth"
LOST, USED = "train/images/photo1_0.png", "train/images/photo2_1.png"  # below data/


def spoil(image: Path) -> bytes:
    """Truncates an image and returns what it was."""
    whole = image.read_bytes()
    image.write_bytes(whole[:200])
    return whole


def begin(folder: Path, words: str) -> bytes:
    """Data of which one image is unreadable, and a run on them that is killed in its second epoch.
    Returns what the image was.
    """
    write_data(folder / "data", "regress", train=3, held_out=1)
    whole = spoil(folder / "data" / LOST)
    with killed_in(4):
        call(folder, words, 130)
    return whole


def test_a_run_goes_on_with_the_images_it_began_with(tmp_path):
    whole = begin(tmp_path, f"{QUICK} --epochs 2")
    (run,) = run_folders(tmp_path)
    assert json.loads((run / LEFT_OUT).read_text()) == {"": [LOST]}
    call(tmp_path, f"{QUICK} --epochs 2")  # what it would have been
    other = run_folders(tmp_path)[1]

    (tmp_path / "data" / LOST).write_bytes(whole)
    before = (run / LAST).read_bytes()
    readable = spoil(tmp_path / "data" / USED)
    done = call(tmp_path, f"--continue {run} -g 0", 1)
    assert f"1 unreadable image(s):\n  {tmp_path / 'data' / USED}: " in done.err
    assert "the run began with them: put them back, or start a new run" in done.err
    assert "--bad_images skip" not in done.err and (run / LAST).read_bytes() == before

    (tmp_path / "data" / USED).write_bytes(readable)
    done = call(tmp_path, f"--continue {run} -g 0")
    said = "1 image(s) are left out, as when the run began; 1 can be read now, first "
    assert (
        f"{said}{tmp_path / 'data' / LOST}: a new run would use them" in done.err
        and "1 of 9 lines left out" in done.err
    )
    assert outcome(run, "[cm]*.pth") == outcome(other, "[cm]*.pth")


def test_a_stage_begins_with_the_images_of_the_first_one(tmp_path):
    write_data(tmp_path / "data", "regress", train=3, held_out=1)
    whole = spoil(tmp_path / "data" / LOST)
    call(tmp_path, f"{QUICK} --stages head,all --epochs 1")
    first, second = run_folders(tmp_path)
    state = checkpoint.digest(tensors(second / LAST))
    shutil.rmtree(second)  # killed before it began
    (tmp_path / "data" / LOST).write_bytes(whole)
    done = call(tmp_path, f"--continue {first} -g 0")
    assert "1 can be read now" in done.err
    again = run_folders(tmp_path)[1]
    assert checkpoint.digest(tensors(again / LAST)) == state


def read(folder: Path, words: str, **changes: object) -> Data:
    """The data of a call of main.py, as a run that goes on reads them."""
    with inside(folder):
        config: Config = dataclasses.replace(parse(words.split()), **changes)
        with open_runtime(config) as runtime:
            return read_data(config, TASKS[config.criterion], runtime)


def note(folder: Path, *images: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / LEFT_OUT).write_text(json.dumps({"": list(images)}))


def test_every_one_of_several_runs_has_the_same_images(tmp_path):
    """Else the random splits of --repeats would not be those of one set of images."""
    write_data(tmp_path / "data", "regress", train=3, held_out=1)
    words = f"{QUICK} --repeats 2 --split_by image"
    note(tmp_path / "all", LOST)
    found = read(tmp_path, words, repeat=2, logdir="all")
    images = {str(path) for split in found.splits.values() for path in split.targets.paths}
    assert len(images) == 14 and str(tmp_path / "data" / LOST) not in images
    spoil(tmp_path / "data" / USED)
    with pytest.raises(ValueError, match=r"photo2_1.png: .*\nthe run began with them"):
        read(tmp_path, words, repeat=2, logdir="all")
    call(tmp_path, f"{words} --epochs 1")
    (parent,) = run_folders(tmp_path)
    assert json.loads((parent / LEFT_OUT).read_text()) == {"": [USED]}


def test_rows_of_a_vote_file(tmp_path):
    """One that was missing and one that could not be read are there now: no split moves."""
    write_ava(tmp_path / "AVA", images="images")
    words = "--train --criterion emd --data AVA --val_size 3 --bad_images skip -j 0 -g 0"
    gone = [tmp_path / "AVA" / "images" / f"{n}.jpg" for n in IDS[2:4]]
    kept = [image.read_bytes() for image in gone]
    gone[0].unlink()
    spoil(gone[1])
    begun = read(tmp_path, words)
    note(tmp_path / "run", *(f"images/{n}.jpg" for n in IDS[2:4]))
    assert [bad.path for bad in begun.skipped] == gone
    for image, content in zip(gone, kept, strict=True):
        image.write_bytes(content)
    gone[0].rename(gone[0].with_suffix(".png"))  # found by its name, whatever the suffix
    again = read(tmp_path, words, continue_run="run")
    assert again.digests() == begun.digests() != read(tmp_path, words).digests()
    (tmp_path / "AVA" / "images" / f"{IDS[0]}.jpg").unlink()
    with pytest.raises(ValueError, match=rf"1 missing .*\n.*{IDS[0]}.jpg.*\nthe run began with"):
        read(tmp_path, words, continue_run="run")


def test_a_record_that_is_none_is_named(tmp_path):
    write_data(tmp_path / "data", "regress", train=1, held_out=1)
    for content in ("{", "[]", '{"": [1]}'):
        (tmp_path / LEFT_OUT).write_text(content)
        with pytest.raises(ValueError, match=LEFT_OUT):
            read(tmp_path, QUICK, continue_run=".")
