"""Each flag belongs to the modes and criteria that read it, and is not ignored anywhere else."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

import main
from applications.combinations import check
from config import CONTINUE_FLAGS, Config, UsageError, parse
from models.quality_net import build_model
from tests.cli import ROOT, call, refused
from tests.data_set_trees import tid
from tests.small_photos import write_photos
from tests.tiny_data import write_data
from utils.flag_places import modes_of
from utils.flag_words import WORDING

FLAGS = {field.name: field for field in dataclasses.fields(Config) if field.metadata}
W = "--resume w"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"--predict a {W} --cache_features", "--cache_features: only with --train: leave it out"),
        ("--train --criterion regress --hard_pairs 0.5", "--hard_pairs 0.5: only with --criterion "
         "rank: leave it out of --criterion regress"),
        (f"-e {W} --lr 3", "--lr 3: only with --train: leave it out of -e"),
        (f"-e {W} --lr 0.001", "--lr 0.001: only with --train"),  # its default all the same
        ("--lr 3", "--lr 3: only with --train: pass that as well, or leave it out"),
        ("--train --loss l1", "--loss l1: only with --criterion regress: leave it out of "),
        ("--train --criterion emd --loss_weights 1,2", "only with --criterion emd+rank or emd+sia"),
        (f"-e {W} --criterion emd --bucket_width 2", "only with --criterion emd+siamese"),
        ("--train --stages rank,regress --loss_weights 1,2", "it out of --criterion rank or regr"),
        (
            "--train --stages rank,regress --stage_flags 'regress: --across 1'",
            "stage 2/2 of rank,regress: --across 1: only with --criterion rank",
        ),
        (f"--jit {W} -b 4", "--batch_size 4: only with --train, -e, --test, --predict or "
         "--export"),
        (f"--test a {W} --report_maps 0", "--report_maps 0: only with --train or -e"),
        ("--generate basic --data G --split val", "--split val: only with -e, --test or --ex"),
        ("--continue run --config c.json", "configuration: leave out --config"),
        ("--continue run --amp off", "configuration: leave out --amp"),
    ],
)  # fmt: skip
def test_a_flag_outside_its_place_is_refused(tmp_path, words, said):
    (tmp_path / "c.json").write_text("{}")
    refused(tmp_path, words, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--train --criterion regress --margin 0.1",
            ["--margin 0.1 has no effect here: it belongs to --criterion rank or emd+rank"],
        ),
        (f"-e {W} --margin 10 --use_margin", ["--margin 10 has", "--use_margin has no effect"]),
        (f"--jit {W} -j 1 --seed 0 --no_check --logdir r", ["--no_check", "--seed 0", "--workers",
                                                           "--logdir r has no effect here"]),
        ("--train --margin 0.1 --use_margin", []),
        (f"-e {W} --bucket_width 2", []),  # the weights will say of which criterion they are
        ("--train --stages rank,regress --margin 1 --loss l2", []),  # each is for one of them
        ("--make_buckets a.txt --bucket_width 2", []),
        ("--continue run -j 0 -g 0 --threads 1 --no_report", []),
    ],
)  # fmt: skip
def test_what_recipes_pass_outside_its_place_has_no_effect_and_is_said(words, said):
    lines = check(parse(shlex.split(words)))
    assert len(lines) == len(said) and all(map(str.startswith, lines, said)), lines


def test_what_has_no_effect_is_said_once(tmp_path):
    err = call(tmp_path, f"-e {W} --margin 10 -g 0", code=1).err
    assert err.count("--margin 10 has no effect here") == 1


def test_what_a_configuration_brings_along_was_not_passed(tmp_path):
    file = tmp_path / "config.json"
    stored = parse("--train --criterion rank --hard_pairs 0.5 --lr 3 --save_every 2".split())
    file.write_text(json.dumps(stored.to_dict()), encoding="utf-8")
    for words in ("-e --resume w", "--predict a --resume w", ""):
        assert check(parse(["--config", str(file), *words.split()])) == []
    again = ["--config", str(file), "--criterion", "regress"]
    assert check(parse(again)) == []
    with pytest.raises(UsageError, match="--lr 3: only with --train"):
        check(parse(["--config", str(file), "-e", "--resume", "w", "--lr", "3"]))


# ---- what the code of a mode really reads

# Read by code that modes share, where it changes nothing that the mode answers.
SHARED = {
    "dropout": "a network is built with it, and scoring switches it off",
    "amp": "open_runtime looks whether the device has it",
    "repeat": "of the configuration of a run: how its labels were split",
    "data": "--test sets it to each of its data sets in turn",
    "labels": "--test looks for label files, and for AVA.txt, only",
    "distort": "--test never has it",
    "precision": "--jit shares the way of --export, and has one",
    "whole": "--jit shares the way of --export, and takes pixels",
    "fit": "--export reads a split as -e does, and fits nothing",
    "no_check": "--export reads a split as -e does, and scores every image of it",
}  # fmt: skip
COLUMNS = [name for name in FLAGS if name.endswith("_column")]
# Read where something else asks for it.
ASKED = {
    "images": "votes", "train_size": "votes", "test_list": "votes", "val_size": "votes",
    **dict.fromkeys((*COLUMNS, "sheet"), "a table"),
    "photos": "--distort", "split_seed": "--distort", "val_photos": "--distort",
    "test_photos": "--distort", "num_classes": "histograms", "rank": "--nodes 2",
    "data": "AVA.txt",
    "bucket_width": "emd+siamese", "cache": "tar files of URLs",
    "init_method": "--nodes 2", "random_split": "no official split",
}  # fmt: skip
# What --compare reads where it needs torch: for labels that predictions do not hold.
OF_TORCH = {"device", "gpus", "threads"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modes")
    write_data(folder / "data", "regress", train=2, held_out=2)
    write_photos(folder / "photos")
    tid(folder / "tid")
    model = build_model("test_resnet", 1, (40, 40))
    torch.save(model.state_dict(), folder / "w.pth")
    images = sorted((folder / "data/test/images").glob("*.png"))
    for name, sign in (("a.csv", 1), ("b.csv", -1)):
        rows = [f"{image},{sign * i},{i}" for i, image in enumerate(images)]
        (folder / name).write_text("\n".join(["path,score,mos", *rows]) + "\n")
    return folder


# Crops, so that what places them is read as well.
VIEW = "--image_size 64 --crop random --crop_from 48 --crop_size 40 --test_crops 2"
WEIGHTS = f"--resume w.pth -a test_resnet {VIEW} -j 0 -g 0"


@pytest.mark.parametrize(
    "words",
    [
        f"-e {WEIGHTS} --criterion regress -o e.csv --bootstrap 100 --report_maps 1",
        f"--test data {WEIGHTS} --criterion regress -o t.html --bootstrap 100",
        f"--predict data/test {WEIGHTS} -o p.csv --maps m --map_way gradcam",
        f"--jit {WEIGHTS}",
        f"--export torchscript {WEIGHTS} --criterion regress -o table.json",
        "--check --data data --criterion regress -j 0 -o found.json",
        "--compare a.csv b.csv --bootstrap 100 -j 0 -o c.html",
        "--generate basic --photos photos --data G -j 0 --tile 64",
        "--prepare tid2013 --source tid --data P",
        "--make_buckets data/train/label.txt -o b.txt",
        "--arch test_resnet --crop random --crop_size 40; --arch test_resnet --image_size 64",
    ],
)
def test_a_mode_reads_what_belongs_to_it(place, words, monkeypatch):
    read: set[str] = set()

    def noted(self, name):
        # A name that the reader's own code holds: loops over all fields (getattr) do not count.
        code = sys._getframe(1).f_code
        ours = "applications" in Path(code.co_filename).parts
        if ours and name in FLAGS and name in code.co_names:
            read.add(name)
        return object.__getattribute__(self, name)

    run, before = main._run, set()

    def started(*arguments):
        read.intersection_update(before)  # without those of the checks beforehand
        code = run(*arguments)
        before.update(read)
        return code

    monkeypatch.setattr(main, "_run", started)
    calls = words.split("; ")
    mode = parse(shlex.split(calls[0])).mode()
    monkeypatch.setattr(Config, "__getattribute__", noted)
    for one in calls:
        call(place, one, code=None if mode == "check" else 0)
    read -= WORDING.modes.keys()  # one mode may ask which other one this is not
    belong = {name for name, field in FLAGS.items() if mode in modes_of(field, WORDING)}
    belong -= {*WORDING.modes, "config"}
    assert read - belong <= SHARED.keys()
    assert belong - read <= ASKED.keys() | (OF_TORCH if mode == "compare" else set())


def test_all_flags_of_a_training_are_read_somewhere():
    source = "\n".join(
        file.read_text(encoding="utf-8")
        for room in ("applications",) for file in (ROOT / room).rglob("*.py")
        if file.name != "combinations.py"
    )  # fmt: skip
    named = {"use_margin", "stage_of"}  # accepted; written by --stages
    for name, field in FLAGS.items():
        if "train" in modes_of(field, WORDING) and name not in named:
            assert re.search(rf"\.{name}\b|\"{name}\"", source), name


def test_declarations_name_what_exists():
    from applications.tasks import TASKS

    for name, field in FLAGS.items():
        idle, criteria = field.metadata["idle"], field.metadata["criteria"]
        assert {*modes_of(field, WORDING), *idle} <= WORDING.modes.keys(), name
        assert set(criteria) <= TASKS.keys(), name
    assert {"workers", "gpus", "continue_run"} <= CONTINUE_FLAGS and "lr" not in CONTINUE_FLAGS
