"""--stages: one command is as many commands, to the bit, however it is interrupted; --freeze and
rates of parts through the command line.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from applications.combinations import check
from applications.training import stages
from applications.training.stage_list import split_stages
from config import UsageError, parse
from tests.cli import call, records, refused, run_folders, start_group, start_quickly
from tests.outcomes import KILLED, end_at, outcome, stopped_after, tensors, updates
from tests.tiny_data import write_data

COMMON = (
    "--arch test_efficientnet --dropout 0.5 --warmup 0 --threads 1 --no_report -g 0 --amp off -j 0"
)
FIRST = "--data ranked --criterion rank --epochs 2 --lr 3e-3 --image_size 32 -b 4 --save_every 1"
SECOND = (
    "--data rated --label_name mos.txt --criterion regress --epochs 3 --lr 1e-3 --freeze blocks.1 "
    "--crop random --crop_size 32 --crop_from 40 --image_size 40 -b 5 --ema 0.8 --save_every 1"
)
STAGED = (
    f"--train --stages rank,regress --stage_data ranked,rated --stage_label_name label.txt,mos.txt "
    f"--stage_epochs 2,3 --stage_lr 3e-3,1e-3 --stage_freeze none,blocks.1 --save_every 1 {COMMON} "
    "--stage_flags '1: --image_size 32 -b 4' "
    "'regress: --crop random --crop_size 32 --crop_from 40 --image_size 40 -b 5 --ema 0.8'"
)
BEST = "model_best_test_efficientnet.pth"
LAST = "checkpoint_test_efficientnet.pth"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data(folder / "ranked", "rank", train=4, held_out=1)
    write_data(folder / "rated", "regress", train=4)
    for file in folder.glob("rated/*/label.txt"):
        file.rename(file.parent / "mos.txt")
    return folder


@pytest.fixture
def folder(data, tmp_path) -> Path:
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    return tmp_path


def state(run: Path) -> dict[str, object]:
    """What a run has learned and found, however it was called."""
    return outcome(run, "[cm]*.pth", ("resume", "stage_of"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> tuple[Path, str]:
    """(folder, output) of the two stages in one command."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(data, folder, dirs_exist_ok=True)
    return folder, call(folder, STAGED).err


@pytest.fixture(scope="module")
def expected(whole) -> list[dict[str, object]]:
    return [state(run) for run in run_folders(whole[0])]


# ---- one command


def test_one_command_is_two_commands(folder, whole, expected):
    call(folder, f"--train {FIRST} {COMMON}")
    first = run_folders(folder)[0]
    shutil.copy(folder / "checkpoints" / BEST, folder / "rank.pth")
    call(folder, f"--train {SECOND} {COMMON} --resume rank.pth")
    two = run_folders(folder)
    assert [state(run) for run in two] == expected
    for name in (BEST, LAST):
        ours, theirs = (tensors(f / "checkpoints" / name) for f in (whole[0], folder))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert two[0] == first


def test_every_stage_is_an_ordinary_run(whole):
    folder, said = whole
    first, second = run_folders(folder)
    assert first.name.endswith("_rank") and second.name.endswith("_regress")
    stored = [json.loads((run / "config.json").read_text()) for run in (first, second)]
    assert [c["stage_of"] for c in stored] == ["1/2 of rank,regress", "2/2 of rank,regress"]
    assert [c["criterion"] for c in stored] == ["rank", "regress"]
    assert [c["epochs"] for c in stored] == [2, 3]
    assert [c["lr"] for c in stored] == [3e-3, 1e-3]
    assert [c["freeze"] for c in stored] == ["none", "blocks.1"]
    assert [c["stages"] for c in stored] == [None, None]
    assert stored[0]["resume"] is None
    assert stored[1]["resume"] == f"runs/{first.name}/{BEST}"
    for run, title in ((first, "stage 1/2"), (second, "stage 2/2")):
        assert f"{title} of rank,regress" in (run / "log.txt").read_text()
    assert said.index("== stage 1/2 (rank)") < said.index("== stage 2/2 (regress)")


def test_the_table_at_the_end(whole):
    folder, said = whole
    runs = run_folders(folder)
    lines = said.splitlines()[-3:]
    assert lines[0].split() == ["stage", "best", "epoch", "best", "test", "run"]
    for line, run, figure in zip(lines[1:], runs, ("pair_accuracy", "srcc"), strict=True):
        results = json.loads((run / "results.json").read_text())
        words = re.split(r"\s{2,}", line)
        assert words[0].endswith(run.name.rpartition("_")[2])
        assert words[1] == str(results["best_epoch"])
        assert words[2] == f"{figure} {results[figure]:.4f}"
        for name, value in results["test"].items():
            if isinstance(value, float):
                assert f"{name} {value:.4f}" in words
        assert words[-1] == f"runs/{run.name}"
    assert lines == (runs[1] / "log.txt").read_text().splitlines()[-3:]


def test_a_stages_configuration_repeats_that_stage_alone(folder, whole, expected):
    second = run_folders(whole[0])[1]
    shutil.copytree(whole[0] / "runs", folder / "before")
    config = json.loads((second / "config.json").read_text())
    config["resume"] = config["resume"].replace("runs/", "before/")
    (folder / "stage.json").write_text(json.dumps(config))
    call(folder, "--config stage.json")
    (run,) = run_folders(folder)
    assert state(run) == expected[1] and not (run / "stages.json").exists()


# ---- interrupted


def test_killed_in_each_stage_and_continued(folder, expected):
    moments, words = random.Random(3), STAGED
    for number in (0, 1):
        kill = partial(end_at, 3, seconds=moments.uniform(0, 0.03), training=1 + number)
        process = start_quickly(folder, words, kill)
        process.join()
        assert process.exitcode == KILLED, (folder / "child.txt").read_text()
        words = f"--continue {run_folders(folder)[number]} -j {number}"
    process = start_quickly(folder, words)
    process.join()
    log = (folder / "child.txt").read_text()
    assert process.exitcode == 0 and log.count("continuing") == 2, log
    assert log.count("== stage 2/2") == 2
    # Which processes loaded the data (-j) is part of the call.
    found = [outcome(run, "") for run in run_folders(folder)]
    assert found == [{k: e[k] for k in found[0]} for e in expected]


def test_killed_between_stages_and_continued(folder, expected, monkeypatch):
    train, calls = stages.train, []

    def killed_at_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(stages, "train", killed_at_the_second)
    call(folder, STAGED, 130)
    monkeypatch.setattr(stages, "train", train)
    (first,) = run_folders(folder)
    # Stopped again, now in the stage that --continue of the finished one has started.
    with stopped_after(2):
        done = call(folder, f"--continue {first}", 143)
    assert "this run is finished" in done.err and "== stage 1/2" not in done.err
    second = run_folders(folder)[1]
    done = call(folder, f"--continue {first}", 1)
    assert f"stage 2/2 (regress) has begun in runs/{second.name}" in done.err
    assert f"go on with --continue runs/{second.name}" in done.err
    call(folder, f"--continue {second}")
    assert [state(run) for run in run_folders(folder)] == expected
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    for run in (first, second):
        assert "all stages of rank,regress are finished" in call(folder, f"--continue {run}").err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("number", "update", "code"),
    # The last update of the first stage: its test is left to --continue, and so is the second.
    [(signal.SIGINT, 2, 130), (signal.SIGTERM, 6, 143)],
)
def test_asked_to_stop(folder, expected, number, update, code):
    with stopped_after(update, number):
        done = call(folder, STAGED, code)
    (first,) = run_folders(folder)
    assert "state saved" in done.err and f"--continue runs/{first.name}" in done.err
    assert updates(folder) == update
    call(folder, f"--continue runs/{first.name}")
    assert [state(run) for run in run_folders(folder)] == expected


def test_stages_go_on_with_the_labels_they_began_with(folder):
    with stopped_after(2):
        call(folder, STAGED, 143)
    (first,) = run_folders(folder)
    with open(folder / "rated/val/mos.txt", "a") as labels:
        labels.write("# one line more\n")
    done = call(folder, f"--continue {first}", 1)
    assert "stage 2/2 (regress): the labels of val/ have changed" in done.err


# ---- refusals


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--stages rank,regres", "no stage 'regres': did you mean regress"),
        ("--stages rank,", "no stage '' (any of rank, emd, regress, siamese, "),
        ("--stages rank,regress --stage_lr 1", "one value for each of the 2 stages rank,regress"),
        ("--stages rank,regress --stage_lr 1,", "got 1"),
        ("--stages rank,regress --stage_lr 1,fast", "--stage_lr 1,fast: argument"),
        ("--stages rank,regress --stage_lr 1,-1", "--stage_lr 1,-1: --lr -1 must be above 0"),
        ("--stages rank,regress --stage_epochs 1,0", "0 is not above 0"),
        ("--stages rank,regress --stage_freeze 2,none", "a share is above 0 and at most 1"),
        ("--stages rank,regress --criterion emd", "leave --criterion out"),
        ("--stages head,all --freeze layer1", "stage head says itself what is frozen"),
        ("--stages head,all --stage_freeze none,none", "stage head says itself what is frozen"),
        ("--stages rank,emd --num_classes 1", "stage 2/2 of rank,emd: --criterion emd needs"),
        ("--stages rank,regress --stage_flags 'emd: -b 2'", "one of rank, regress, 1, 2"),
        ("--stages rank,rank --stage_flags 'rank: -b 2'", "several stages rank: use a number"),
        ("--stages rank,regress --stage_flags '2: --crop_sise 3'", "did you mean --crop_size"),
        ("--stages rank,regress --stage_flags '2: --arch x'", "arch cannot differ between stages"),
        ("--stages rank,regress --stage_flags '2: --resume x'", "resume cannot differ"),
        ("--stages rank,regress --stage_flags '2: \"'", "No closing quotation"),
        (
            "--stages rank,regress --pretrained --resume x",
            "stage 1/2 of rank,regress: --pretrained",
        ),
        ("--stage_lr 1,2", "--stage_lr needs --stages LIST"),
        ("--lr_head 0", "--lr_head 0 must be above 0"),
        ("--freeze 0", "a share is above 0 and at most 1"),
        ("--freeze backbone --lr_backbone 1", "nothing is left to learn"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(words, said, tmp_path):
    refused(tmp_path, f"--train {words}", said)


def test_stages_are_for_training():
    with pytest.raises(UsageError, match="only with --train"):
        check(parse("-e --resume x --stages rank,regress".split()))


def test_what_the_words_of_a_stage_become():
    words = "--train --stages rank,head,all --criterion regress --resume x --pretrained --lr 5 -b 7"
    found = split_stages(
        parse([*words.split(), "--stage_lr", "1,2,3", "--stage_flags", "3: --lr 4"])
    )
    table = [(s.config.criterion, s.config.freeze, s.config.lr, s.config.resume) for s in found]
    assert table == [
        ("rank", "none", 1, "x"), ("regress", "backbone", 2, None), ("regress", "none", 4, None)
    ]  # fmt: skip
    assert [s.config.pretrained for s in found] == [True, None, None]
    assert all(s.config.batch_size == 7 and s.config.mode() == "train" for s in found)


@pytest.mark.parametrize(
    ("spoil", "flags", "said"),
    [
        ("rated/train/mos.txt", "", "mos.txt:13"),
        ("ranked/val/label.txt", "", "label.txt:4"),
        ("", "--stage_flags '2: --freeze block.1'", "stage 2/2 (regress): --freeze block.1"),
        ("", "--stage_flags '2: --monitor emd_r1'", "stage 2/2 (regress): --monitor emd_r1"),
        ("", "--stage_flags '2: --opt adamm'", "stage 2/2 (regress): optimizer 'adamm'"),
        ("", "--stage_flags '2: --num_classes 3'", "stage 2/2 (regress): MOS from 1.5 to 4.5"),
        ("", "--arch resnest14d --stage_flags '2: -b 1'", "stage 2/2 (regress): --batch_size 1"),
    ],
)
def test_a_fault_of_a_later_stage_stops_the_first(folder, spoil, flags, said):
    if spoil:
        with open(folder / spoil, "a") as labels:
            labels.write("nothing.png,x\n")
    words = STAGED.split("--stage_flags")[0].replace("none,blocks.1", "none,none")
    done = call(folder, f"{words} --image_size 32 -b 4 {flags}", 1)
    assert said in done.err and done.err.count("error:") == 1
    assert not (folder / "runs").exists()


# ---- parts


VIT = (
    "--arch test_vit --image_size 32 --criterion regress --warmup 0 -j 0 --lr 1e-2 --opt sgd "
    "--momentum 0 --dropout 0 --threads 1 --no_report --amp off --no_check --data rated "
    "--label_name mos.txt"
)


def test_head_then_all_in_two_processes(folder):
    """Frozen parts keep their bits; two processes of batch 3 are one process of batch 6."""
    call(folder, f"--train {VIT} -g 0 -b 6 --epochs 1")
    start_file = run_folders(folder)[0] / "model_best_test_vit.pth"
    words = f"--train --stages head,all --stage_epochs 1,2 {VIT} --resume {start_file}"
    group = start_group(folder, f"{words} -b 3 --device cpu -g 0 --ema 0.5", 2)
    for process in group:
        process.join()
    said = (folder / "child.txt").read_text()
    assert [process.exitcode for process in group] == [0, 0], said
    assert said.count("run folder:") == 2 and "frozen: 306,240 of 306,305" in said
    call(folder, f"{words} -b 6 -g 0 --ema 0.5")
    runs = run_folders(folder)[1:]
    begun = tensors(start_file)
    for two, one in (runs[:1] + runs[2:3], runs[1:2] + runs[3:]):
        a, b = (tensors(run / "checkpoint_test_vit.pth") for run in (two, one))
        assert all(torch.allclose(a[n], b[n], rtol=0, atol=1e-5) for n in a)
    for file in ("checkpoint_test_vit.pth", "model_best_test_vit.pth"):
        found = tensors(runs[0] / file)
        same = [n for n in begun if n.startswith("backbone.") and torch.equal(begun[n], found[n])]
        assert len(same) == sum(n.startswith("backbone.") for n in begun) > 0
    for run, name in ((runs[0], "heads.quality.fc.weight"), (runs[1], "backbone.norm.weight")):
        assert not torch.equal(begun[name], tensors(run / "checkpoint_test_vit.pth")[name])


def test_the_rates_of_parts_follow_the_epochs(folder):
    """The schedule multiplies both: recipes' table at each epoch's end."""
    words = f"--train {VIT} -b 12 -g 0 --epochs 6 --warmup 2 --lr_backbone 1e-3"
    done = call(folder, words)
    assert "learning rates: --lr_backbone 0.001, --lr_head 0.01" in done.err
    found = [r for r in records(run_folders(folder)[0]) if r["split"] == "train"]
    factors = torch.tensor([0.1, 0.1, 1, 0.1, 0.01, 0.001], dtype=torch.float64)
    assert [r["lr_backbone"] for r in found] == pytest.approx((1e-3 * factors).tolist())
    assert [r["lr_head"] for r in found] == pytest.approx((1e-2 * factors).tolist())
    assert all("lr" not in r for r in found)
    call(folder, f"--train {VIT} -b 12 -g 0 --epochs 1 --lr_backbone 1e-2 --lr_head 1e-2")
    assert records(run_folders(folder)[1])[0]["lr"] == pytest.approx(1e-5)


def test_frozen_random_weights_are_remarked(folder):
    words = f"--train {VIT} -b 12 -g 0 --epochs 1 --freeze blocks.4"
    assert "the frozen part has random weights" in call(folder, words).err
