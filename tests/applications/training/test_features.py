"""--cache_features: the same training as through the frozen backbone, from features that are
computed once, and never from stale ones.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import main
from applications.combinations import check
from applications.evaluation.scoring import Scorer
from applications.training import features
from applications.training.stage_list import split_stages
from config import UsageError, parse
from tests.cli import call, fork, inside, records, refused, run_folders, start_group
from tests.outcomes import outcome, stopped_after
from tests.tiny_data import write_data
from utils.files import checkpoint, disk_full, row_store
from utils.files.row_store import RowStore

LAST, BEST = "checkpoint_test_efficientnet.pth", "model_best_test_efficientnet.pth"
COMMON = (
    "--train --arch test_efficientnet --image_size 32 --warmup 0 -b 4 -j 0 -g 0 --threads 1 "
    "--no_report "
    "--amp off --epochs 3 --dropout 0.5 --lr 1e-2 --no_check --schedule constant"
)
FROZEN = f"{COMMON} --freeze backbone"
CACHED = f"{FROZEN} --cache_features"
REGRESS = f"{CACHED} --criterion regress"


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for criterion in ("rank", "emd", "regress"):
        write_data(folder / criterion, criterion)
    return folder


@pytest.fixture
def folder(datasets, tmp_path) -> Path:
    """With data of opinions; --data of the other tasks: `../DATA`."""
    shutil.copytree(datasets / "regress", tmp_path / "data")
    return tmp_path


def heads(file: Path) -> dict[str, torch.Tensor]:
    payload = checkpoint.load(file)
    weights = payload["ema"]["module"] if payload.get("ema") else payload["model"]
    return {name: tensor for name, tensor in weights.items() if name.startswith("heads.")}


def assert_close(one: Path, other: Path, most: float = 1e-5) -> None:
    """Two runs: their heads, every figure of every epoch, and every prediction."""
    for name in (LAST, BEST):
        ours, theirs = heads(one / name), heads(other / name)
        for key, tensor in theirs.items():
            assert torch.allclose(ours[key], tensor, rtol=0, atol=most), (name, key)
    for left, right in zip(records(one), records(other), strict=True):
        assert left.keys() == right.keys() and left["split"] == right["split"]
        for key in left.keys() - {"data_wait", "split", "intervals", "fits"}:
            assert left[key] == pytest.approx(right[key], abs=10 * most, nan_ok=True), key
    assert_same_start(*(checkpoint.load(run / LAST).get("untrained", {}) for run in (one, other)))
    table, expected = (
        np.loadtxt(r / "predictions_test.csv", str, delimiter=",") for r in (one, other)
    )
    assert np.array_equal(table[:, 0], expected[:, 0])
    assert np.allclose(table[1:, 1].astype(float), expected[1:, 1].astype(float), rtol=0, atol=most)


def assert_same_start(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> None:
    """How good both were before the first step."""
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        assert row == pytest.approx(theirs[name], abs=1e-4)


def told(err: str) -> dict[str, str]:
    """What was said of each split's features."""
    lines = [line for line in err.splitlines() if line.startswith("features of ")]
    named = (line.removeprefix("features of ").partition(": ") for line in lines)
    return {split: line for split, _, line in named if "images" in line}


def computed(err: str) -> dict[str, int]:
    """How many images of each split went through the backbone."""
    return {
        split: 0 if "found in" in line else int(line.rpartition(": ")[2].split()[0])
        for split, line in told(err).items()
    }


# ---- the same training


@pytest.mark.parametrize(
    ("criterion", "flags"),
    [
        ("rank", ""),
        ("rank", "--ema 0.8 --opt sgd --lr 1e-1 --no_flip"),
        ("emd", ""),
        ("emd", "--crop random --crop_size 24 --cache_views 3 --accumulate 2 --crop_pool median"),
        ("regress", ""),
        ("regress", "--crop random --crop_from 40 --jitter 0.3 --ema 0.8 --clip_grad 0.5"),
    ],
)
def test_the_head_is_that_of_training_through_the_backbone(datasets, tmp_path, criterion, flags):
    words = f"--data {datasets / criterion} --criterion {criterion} {flags}"
    call(tmp_path, f"{FROZEN} {words.replace('--cache_views 3', '')}")
    done = call(tmp_path, f"{CACHED} {words}")
    through, cached = run_folders(tmp_path)
    assert_close(cached, through)
    assert computed(done.err) == {"train": 18, "val": 6, "test": 6}
    # A picture of the images all the same, and a whole network.
    assert {p.name for p in cached.iterdir() if "events" not in p.name} == {
        p.name for p in through.iterdir() if "events" not in p.name
    }
    ours, theirs = (checkpoint.load(run / BEST)["model"] for run in (cached, through))
    assert all(torch.equal(ours[n], theirs[n]) for n in theirs if n.startswith("backbone."))
    assert (cached / "first_batch.png").read_bytes() == (through / "first_batch.png").read_bytes()


def test_another_view_is_another_head(folder):
    """The comparison above would notice a wrong view."""
    call(folder, f"{REGRESS}")
    call(folder, f"{REGRESS} --no_flip")
    one, other = (heads(run / LAST)["heads.quality.fc.weight"] for run in run_folders(folder))
    assert float((one - other).abs().max()) > 1e-4


def test_features_in_half_precision_are_those_of_half_precision(folder):
    """Validation is computed as the training is, the test in float32; none takes the other's."""
    call(folder, f"{FROZEN} --criterion regress --amp bf16")
    done = call(folder, f"{REGRESS} --amp bf16")
    assert_close(*run_folders(folder))
    folders = {
        split: line.split(" into ")[1].split(",")[0] for split, line in told(done.err).items()
    }
    assert len(set(folders.values())) == 3  # val in float32 is seen as the test is
    amps = {
        s: json.loads((folder / f / "about.json").read_text())["amp"] for s, f in folders.items()
    }
    assert amps == {"train": "bf16", "val": "bf16", "test": "off", "val in float32": "off"}
    assert done.err.count("scoring val: 6") == 1  # from them, not through the backbone
    one, two = (json.loads((r / "results.json").read_text())["test"] for r in run_folders(folder))
    assert one.keys() == two.keys() and two["plcc_4p"] == pytest.approx(one["plcc_4p"], abs=1e-3)


def test_two_processes_learn_like_one(datasets, tmp_path):
    """They share out what is to be computed; rank's pairs are those of both."""
    words = f"--data {datasets / 'rank'} --criterion rank --dropout 0 --accumulate 2"
    one, two = (f"{words} -b 6 -g 0", f"{words} -b 3 --device cpu")
    for process in start_group(tmp_path, f"{CACHED.replace('-g 0', '')} {two}", 2):
        process.join()
        assert process.exitcode == 0, (tmp_path / "child.txt").read_text()
    assert computed((tmp_path / "child.txt").read_text()) == {"train": 18, "val": 6, "test": 6}
    for split in told((tmp_path / "child.txt").read_text()).values():
        store = tmp_path / split.split(" into ")[1].split(",")[0]
        assert sorted(len(np.load(f)) for f in store.glob("*.names.npy")) in ([9, 9], [3, 3, 3, 3])
    call(tmp_path, f"{FROZEN} {one}")
    assert_close(*run_folders(tmp_path))
    done = call(tmp_path, f"{CACHED} {one}")  # one process finds what two have computed
    assert computed(done.err) == {"train": 0, "val": 0, "test": 0}
    assert_close(run_folders(tmp_path)[2], run_folders(tmp_path)[1])


# ---- computed once, and never stale


def test_the_second_run_computes_nothing(folder, monkeypatch):
    first = call(folder, f"{REGRESS} --epochs 1").err
    line = told(first)["train"]
    assert "18 of 18 images to compute, 2 view(s) each" in line and ", about " in line
    store = folder / line.split(" into ")[1].split(",")[0]
    size = sum(file.stat().st_size for file in store.glob("*[!s].npy"))
    assert f"{(size - 160) / 1e6:.2f} MB" in line  # without NumPy's header and the digest
    before = {f: f.stat().st_mtime_ns for f in (folder / "features").rglob("*")}
    with monkeypatch.context() as patch:  # nothing is scored through the backbone
        patch.setattr(Scorer, "_from_files", None)
        second = call(folder, f"{REGRESS} --epochs 1").err
    assert computed(second) == {"train": 0, "val": 0, "test": 0}
    assert {f: f.stat().st_mtime_ns for f in (folder / "features").rglob("*")} == before
    one, two = run_folders(folder)
    assert outcome(one, "") == outcome(two, "")
    # The same images for another task, in a folder that was named.
    write_data(folder / "votes", "emd")
    for split in ("train", "val", "test"):
        shutil.copy(folder / f"votes/{split}/label.txt", folder / f"data/{split}/votes.txt")
    emd = f"{CACHED} features/ --criterion emd --label_name votes.txt --epochs 1"
    assert computed(call(folder, emd).err) == {"train": 0, "val": 0, "test": 0}


def test_a_changed_image_is_computed_again(folder):
    """Even one of the same size whose time of modification was put back."""
    image = folder / "data/train/images/photo1_0.bmp"
    labels = folder / "data/train/label.txt"
    Image.open(image.with_suffix(".png")).save(image)
    labels.write_text(labels.read_text().replace("photo1_0.png", "photo1_0.bmp"))
    call(folder, f"{REGRESS} --epochs 1")
    before = image.stat()
    Image.open(image).transpose(Image.Transpose.ROTATE_180).save(image)
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = image.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    done = call(folder, f"{REGRESS}")
    assert computed(done.err) == {"train": 1, "val": 0, "test": 0}
    call(folder, f"{FROZEN} --criterion regress")
    assert_close(*run_folders(folder)[1:])


def test_a_damaged_part_is_said_and_computed_again(folder):
    """Bits that flipped on the disk are never learned from, nor tested with."""
    call(folder, f"{REGRESS} --epochs 1")
    parts = sorted((folder / "features").rglob("*[!s].npy"))
    for part in parts:
        content = bytearray(part.read_bytes())
        content[-(row_store.DIGEST + 1)] ^= 0x40  # the exponent of the last number
        part.write_bytes(content)
    done = call(folder, f"{REGRESS} --epochs 1")
    said = {line for line in done.err.splitlines() if "damaged" in line}
    remedy = "damaged, and removed: what it held is computed anew"
    assert said == {f"{part.relative_to(folder)}: {remedy}" for part in parts}
    assert computed(done.err) == {"train": 18, "val": 6, "test": 6}
    one, two = run_folders(folder)
    assert outcome(one, "") == outcome(two, "")


def test_other_weights_and_views_have_features_of_their_own(folder, monkeypatch):
    call(folder, f"{REGRESS} --epochs 1")
    start = run_folders(folder)[0] / BEST
    payload = checkpoint.load(start)
    name = next(n for n in payload["model"] if n.endswith("running_var"))
    payload["model"][name][0] *= 1.0001
    checkpoint.save(folder / "nearly.pth", payload)
    whole, train = {"train": 18, "val": 6, "test": 6}, {"train": 18, "val": 0, "test": 0}
    crop = "--crop random --crop_from 40"
    for flags, expected in (
        ("--resume nearly.pth", whole),
        (f"--resume {start}", {"train": 0, "val": 0, "test": 0}),
        ("--resize pad", whole),
        (crop, train),
        (f"{crop} --cache_views 2", train),
        (f"{crop} --crop_from 41", train),
        (f"{crop} --resume {start} --seed 1", train),
        ("--test_crops 2", {"train": 0, "val": 6, "test": 6}),
        ("--amp bf16", {"train": 18, "val": 6, "test": 0, "val in float32": 0}),
        ("--max_pixels 1000000", whole),
    ):
        done = call(folder, f"{REGRESS} --epochs 1 {flags}")
        assert computed(done.err) == expected, flags
    again = call(folder, f"{REGRESS} --epochs 1 {flags}")
    assert set(computed(again.err).values()) == {0}
    monkeypatch.setattr(features, "versions", lambda packages: {"torch": "another"})
    assert computed(call(folder, f"{REGRESS} --epochs 1").err) == whole


def test_an_image_that_is_torn_stops_the_run_and_is_computed_when_it_is_mended(folder):
    image = folder / "data/train/images/photo2_1.png"
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])
    done = call(folder, REGRESS, 1)
    assert str(image) in done.err and done.err.count("error:") == 1
    image.write_bytes(data)
    assert computed(call(folder, f"--continue {run_folders(folder)[0]}").err)["train"] > 0


# ---- interrupted


def killed_at_the_second_part(folder: Path, words: str) -> None:
    """SIGKILL while the second part of the training images is put in its place."""
    features.FEWEST = 8
    replace, parts = os.replace, []

    def maybe(source, target):
        name = Path(target).name
        if name.endswith(".npy") and ".names" not in name:
            parts.append(name)
            if len(parts) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = maybe
    with inside(folder):
        main.main(shlex.split(words))


def test_killed_while_features_are_computed(folder, tmp_path_factory):
    words = f"{REGRESS} --ema 0.8 --crop random --crop_from 40"
    other = tmp_path_factory.mktemp("whole")
    shutil.copytree(folder / "data", other / "data")
    call(other, words)
    process = fork(killed_at_the_second_part, folder, words)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(folder.glob("features/*/.*.tmp"))
    done = call(folder, f"--continue {run_folders(folder)[0]}")
    assert computed(done.err) == {"train": 10, "val": 6, "test": 6}
    assert outcome(run_folders(folder)[0]) == outcome(run_folders(other)[0])


def test_asked_to_stop_while_features_are_computed(folder, monkeypatch):
    monkeypatch.setattr(features, "FEWEST", 8)
    add, parts = RowStore.add, []

    def stopping(self, names, rows):
        add(self, names, rows)
        parts.append(len(names))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RowStore, "add", stopping)
    done = call(folder, REGRESS, 143)
    monkeypatch.undo()
    (run,) = run_folders(folder)
    assert parts == [8] and f"state saved: go on with --continue runs/{run.name}" in done.err
    assert computed(call(folder, f"--continue {run}").err)["train"] == 10
    assert (run / "results.json").exists()


@pytest.mark.parametrize("emptied", [False, True], ids=["features kept", "features deleted"])
def test_a_continued_run_ends_in_the_same_bits(folder, tmp_path_factory, emptied):
    words = f"{REGRESS} --ema 0.8 --accumulate 2 --save_every 1"
    other = tmp_path_factory.mktemp("whole")
    shutil.copytree(folder / "data", other / "data")
    call(other, words)
    with stopped_after(4):
        call(folder, words, 143)
    if emptied:
        shutil.rmtree(folder / "features")
    done = call(folder, f"--continue {run_folders(folder)[0]}")
    assert computed(done.err)["train"] == (18 if emptied else 0)
    assert outcome(run_folders(folder)[0]) == outcome(run_folders(other)[0])


# ---- stages


def test_head_on_features_then_all(folder):
    """Features are of the head's stage alone, which ends as without them; so does the whole."""
    words = (
        f"{COMMON} --criterion regress --stages head,all --stage_epochs 2,1 --stage_lr 1e-2,1e-4"
    )
    call(folder, words)
    done = call(folder, f"{words} --cache_features")
    assert computed(done.err) == {"train": 18, "val": 6, "test": 6}
    head, whole, cached_head, cached_whole = run_folders(folder)
    assert_close(cached_head, head)
    assert_close(cached_whole, whole)
    stored = [json.loads((run / "config.json").read_text()) for run in run_folders(folder)]
    assert [c["cache_features"] for c in stored] == [None, None, "features", None]
    assert done.err.index("features of test") < done.err.index("== stage 2/2 (all)")


def test_which_stages_have_features():
    words = "--train --stages rank,head,all --criterion emd --crop random --cache_views 3"
    found = split_stages(parse([*words.split(), "--cache_features", "kept"]))
    assert [(s.config.cache_features, s.config.cache_views) for s in found] == [
        (None, None), ("kept", 3), (None, None),
    ]  # fmt: skip
    words = "--train --stages rank,regress --stage_freeze none,backbone --cache_features"
    assert [s.config.cache_features for s in split_stages(parse(words.split()))] == [
        None, "features",
    ]  # fmt: skip


# ---- refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--cache_features", "pass --freeze backbone, or --stages head,all"),
        ("--cache_features --freeze blocks.1", "pass --freeze backbone"),
        ("--freeze backbone --cache_views 3", "--cache_views needs --cache_features"),
        ("--cache_features --freeze backbone --cache_views 3", "only with --crop random or"),
        ("--cache_features data/train --freeze backbone", "lies in --data data,"),
        (
            "--cache_features --freeze backbone --distort live --photos x",
            "--cache_features and --distort live",
        ),
        ("--stages rank,regress --cache_features", "no stage has a frozen backbone"),
        ("--stages rank,regress --cache_views 2", "no stage has a frozen backbone"),
        ("--stages head,all --cache_views 2", "--cache_views needs --cache_features"),
        ("--stages head,all --stage_flags 'all: --cache_features'", "pass --freeze backbone"),
        ("--cache_features --freeze backbone --cache_views 0", "0 is not above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(words, said, tmp_path):
    refused(tmp_path, f"--train {words}", said)


def test_a_training_configuration_still_evaluates(tmp_path):
    """What a configuration file brings along was not passed; a flag was, and is not ignored."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"train": True, "cache_features": "features", "lr": 0.1}))
    check(parse(["--config", str(file), "-e", "--resume", "x"]))
    for words in ("-e --resume x --cache_features", "--train --cache_features"):
        with pytest.raises(UsageError, match="--cache_features"):
            check(parse(words.split()))


def test_a_disk_that_is_too_small_is_said_before_anything_is_computed(folder, monkeypatch):
    monkeypatch.setattr(disk_full, "free_bytes", lambda folder: 10_000)
    done = call(folder, REGRESS, 1)
    line = done.err.splitlines()[-1]
    assert line.startswith("error: --cache_features features: needs 0.") and "larger disk" in line
    assert "0.01 MB are free" in line and not list(folder.glob("features/*/*.npy"))
