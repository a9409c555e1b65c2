"""Training on the fly: a folder of photographs, no distorted files, no labels."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

from applications.combinations import check
from config import UsageError, parse
from tests.cli import call, run_folders, start_quickly
from tests.outcomes import KILLED, end_at, outcome
from tests.small_photos import NAMES, write_photos
from utils.data_generate.distortions import distortions_of

ARCH = "test_efficientnet"
ON_THE_FLY = "--photos photos --distort basic --val_photos 1 --test_photos 1"
VIEW = "--crop random --crop_size 32 --test_crops 1 -g 0 --threads 1 --no_report --amp off"
WORDS = (
    f"--train {ON_THE_FLY} --arch {ARCH} {VIEW} --ladders 1 --epochs 2 --warmup 0 -b 20 "
    "--seed 3 --save_every 1 --dropout 0.3"
)
BEST = f"checkpoints/model_best_{ARCH}.pth"


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def state(folder: Path) -> dict[str, object]:
    """What must be equal after an interruption."""
    (run,) = run_folders(folder)
    return {**outcome(run), "photographs": (run / "photographs.json").read_text()}


def table(file: Path) -> dict[str, float]:
    with open(file, encoding="utf-8") as text:
        return {row["path"]: float(row["score"]) for row in csv.DictReader(text)}


def splits(run: Path) -> dict[str, dict]:
    return json.loads((run / "photographs.json").read_text())["splits"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """(folder after a whole run without workers, what it said)."""
    folder = tmp_path_factory.mktemp("on the fly")
    write_photos(folder / "photos")
    before = contents(folder / "photos")
    said = call(folder, f"{WORDS} -j 0").err
    assert contents(folder / "photos") == before  # the user's folder is only read
    return folder, said


@pytest.fixture
def folder(trained, tmp_path) -> Path:
    shutil.copytree(trained[0] / "photos", tmp_path / "photos")
    return tmp_path


def test_every_photograph_is_in_one_split_and_the_run_says_which(trained):
    folder, said = trained
    (run,) = run_folders(folder)
    found = splits(run)
    names = [name for split in ("train", "val", "test") for name in found[split]]
    assert sorted(names) == sorted(NAMES) and [len(found[s]) for s in found] == [4, 1, 1]
    for split, members in found.items():
        assert f"photographs of {split} ({len(members)}): {', '.join(members)}" in said
        for name, facts in members.items():
            assert facts["file"] == f"{name}.png" and len(facts["sha256"]) == 64
    assert "1 of them per training photograph and epoch" in said
    assert "train 60 lines, 24 images, val 60 lines, 21 images" in said


def test_the_best_weights_are_tested_on_unseen_photographs(trained):
    folder, _ = trained
    (run,) = run_folders(folder)
    (name,) = splits(run)["test"]
    found = table(run / "predictions_test.csv")
    versions = [f"@{kind}:{level}" for kind in distortions_of("basic") for level in range(1, 6)]
    assert list(found) == [f"photos/{name}.png{v}" for v in ("", *versions)]
    scores = list(found.values())
    ladders = [[scores[0], *scores[1 + 5 * k : 6 + 5 * k]] for k in range(4)]
    pairs = [(a, b) for scale in ladders for i, a in enumerate(scale) for b in scale[i + 1 :]]
    share = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    results = json.loads((run / "results.json").read_text())
    assert results["test"]["pair_accuracy"] == pytest.approx(share)


def test_evaluation_holds_out_what_training_did(trained, tmp_path):
    """Without --seed: the draw of the weights' own run is used, so no photograph leaks."""
    folder, _ = trained
    (run,) = run_folders(folder)
    words = f"-e --resume {BEST} --photos photos --distort basic -b 20 -g 0 --threads 1 -j 0"
    words += " --no_report --bootstrap 0"
    done = call(folder, f"{words} -o {tmp_path}/e.csv")
    asked, wanted = table(tmp_path / "e.csv"), table(run / "predictions_test.csv")
    assert list(asked) == list(wanted) and asked == pytest.approx(wanted, abs=1e-6)
    assert f"photographs of test (1): {next(iter(splits(run)['test']))}\n" in done.err
    figure = json.loads((run / "results.json").read_text())["test"]["pair_accuracy"]
    assert re.search(rf"pair_accuracy +{figure:.4f}[ \n]", done.out)
    call(folder, f"{words} --split all -o {tmp_path}/all.csv")
    assert (tmp_path / "all.csv").read_text().count("\n") == 1 + len(NAMES) * 21
    assert "--val_photos 0" in call(folder, f"{words} --split val --val_photos 0", 1).err


def test_the_export_is_compared_on_the_photographs(trained, tmp_path):
    done = call(trained[0], f"--jit --resume {BEST} --photos photos -g 0 -o {tmp_path}/a.pt")
    assert "6 images of photos" in done.err


@pytest.mark.parametrize("workers", [1, 2])
def test_stopped_and_continued_with_other_workers(folder, trained, workers):
    """One is asked to stop, the other killed in the middle of an epoch."""
    number, code = ((signal.SIGTERM, 143), (signal.SIGKILL, KILLED))[workers - 1]
    process = start_quickly(folder, f"{WORDS} -j {workers}", partial(end_at, 2, number))
    process.join()
    assert process.exitcode == code, (folder / "child.txt").read_text()
    done = call(folder, f"--continue {run_folders(folder)[0]} -j {2 - workers}")
    assert "continuing" in done.err
    assert state(folder) == state(trained[0])


def test_going_on_needs_the_same_photographs(folder):
    call(folder, f"{WORDS} -j 0 --epochs 1")
    (run,) = run_folders(folder)
    (run / "results.json").unlink()
    shutil.copy(folder / "photos/china.png", folder / "kept.png")
    write_photos(folder / "photos", ("china",), 90)
    done = call(folder, f"--continue {run}", 1)
    (split,) = [name for name, members in splits(run).items() if "china" in members]
    assert f"the photographs of {split}/ have changed" in done.err
    shutil.move(folder / "kept.png", folder / "photos/china.png")
    call(folder, f"--continue {run}")
    assert (run / "results.json").exists()


def test_a_bad_photograph_is_named_and_can_be_left_out(folder):
    bad, low = folder / "photos/bad.png", folder / "photos/low.png"
    bad.write_bytes((folder / "photos/china.png").read_bytes()[:300])
    write_photos(folder / "photos", ("rocket",), 22)
    (folder / "photos/rocket.png").rename(low)
    before = contents(folder / "photos")
    done = call(folder, f"{WORDS} -j 0", 1)
    assert "2 unreadable image(s)" in done.err and "low.png: 22x15 pixels, at least" in done.err
    assert not run_folders(folder)
    done = call(folder, "--check --photos photos -j 0", 1)
    assert "photos/bad.png: " in done.out and "2 unusable photograph(s)" in done.out
    done = call(folder, f"{WORDS} -j 0 --epochs 1 --bad_images skip --split_seed 1")
    assert "left out" in done.err and contents(folder / "photos") == before
    (run,) = run_folders(folder)
    assert (run / "skipped_images.txt").read_text().count("\n") == 2
    done = call(folder, f"{WORDS} -j 0 --no_check", 1)
    assert ".png: " in done.err and "Traceback" not in done.err


def test_what_cannot_be_trained_on(folder):
    for words, said in {
        "--distort basics": "did you mean basic",
        "--photos nowhere": "not a folder",
        "--ladders 5": "--ladders 5: the set has 4 distortions",
        "--val_photos 3 --test_photos 3": "leave one to train on",
    }.items():
        assert said in call(folder, f"{WORDS} -j 0 {words}", 1).err
    shutil.copytree(folder / "photos", folder / "photos/again")
    assert "a copy of" in call(folder, f"{WORDS} -j 0", 1).err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--train --distort basic", "--photos DIR"),
        ("--train --photos x", "pass --distort SET"),
        ("-e --resume w --photos x", "pass --distort SET"),
        ("-e --resume w --distort basic", "--photos DIR"),
        ("--train --photos x --distort basic --data d", "--data d and --distort"),
        ("--train --photos x --distort basic --criterion regress", "--criterion rank"),
        ("--train --photos x --distort basic --criterion emd", "--criterion rank"),
        ("--train --photos x --distort basic --tile 64", "--tile"),
        ("--train --photos x --distort basic --split all", "--split all"),
        ("-e --resume w --split all", "--split all"),
        ("--train --ladders 2", "--ladders needs"),
        ("--train --split_seed 2", "--split_seed needs"),
        ("--generate basic --photos x --distort basic", "choose one"),
    ],
)
def test_combinations_that_cannot_be_meant(words, said):
    with pytest.raises(UsageError, match=said) as caught:
        check(parse(words.split()))
    assert "\n" not in str(caught.value)


def test_a_regression_model_cannot_be_asked_for_an_order(trained, tmp_path):
    words = f"-e --resume {BEST} {ON_THE_FLY} --criterion regress -g 0 --threads 1"
    assert "use --criterion rank" in call(trained[0], words, 1).err


def test_a_runs_configuration_repeats_it(trained, tmp_path):
    """config.json of a run on the fly is accepted by other modes too."""
    (run,) = run_folders(trained[0])
    for words in ("--train", "--predict a.png --resume w", "--jit --resume w", ""):
        check(parse(["--config", str(run / "config.json"), *words.split()]))
