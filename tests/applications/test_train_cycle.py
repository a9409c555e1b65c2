"""One run per task through the command line: train, list files, evaluate, predict, repeat, go on.

Traps that earlier toolkits fell into (DESIGN.md, section 5), and what would have caught them:

- (N,1) against (N,): test_scores_have_one_dimension; test_regress_loss.py
- "best" kept the largest figure: test_best_follows_the_direction
- a sigmoid before the margin, margin 0: test_ranking_loss.py; test_config.py (--margin 0)
- the short last batch, arange on the CPU: test_a_short_last_batch_trains_every_line;
  test_emd_loss.py
- NaN gradients at an exact match: test_emd_loss.py
- distributed evaluation: test_processes.py
- -e without weights: test_config.py; the last weights were tested: test_the_best_weights_are_tested
- resume of the weights only: test_interrupt.py, which compares whole states
- another resize in evaluation, prediction or demo: test_one_resize_everywhere, test_export.py
- the schedule in iterations: test_the_rate_follows_the_epochs
- a configuration key nobody reads: test_config.py
- an unreadable image replaced or dropped: test_unreadable_images_*
- JPEG over every distortion, noise backwards, 16-bit grey: tests/utils
- correlations on shards: test_processes.py
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cli import BEST, LAST, TINY, WITH_REPORT, call, records, run_folders, tables
from tests.outcomes import tensors
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.imaging.images import ViewRule, read_image, view

FIGURES = {
    "rank": {"pair_accuracy", "n_pairs"},
    "emd": {
        "emd_r1", "emd_r2", "two_class_accuracy", "cut", "srcc", "plcc", "krcc", "rmse", "mae", "n",
        "std_srcc", "std_plcc",
    },
    "regress": {"srcc", "plcc", "krcc", "rmse", "mae", "n"},
}  # fmt: skip
# Of the test alone, and what it leaves beside its predictions.
BASELINE = {"emd": {f"baseline_{name}" for name in ("emd_r1", "emd_r2", "two_class_accuracy")}}
PICTURES = {"emd": {"histograms.png", "histograms.csv"}}


@dataclass(frozen=True)
class Trained:
    criterion: str
    folder: Path
    run: Path
    err: str

    @property
    def weights(self) -> str:
        return f"--resume checkpoints/{BEST} -j 0 -g 0"


@pytest.fixture(scope="module", params=["rank", "emd", "regress"])
def trained(request, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    write_data(folder / "data", request.param)
    done = call(folder, f"--train --criterion {request.param} {WITH_REPORT}")
    return Trained(request.param, folder, run_folders(folder)[-1], done.err)


@pytest.fixture
def regress(tmp_path) -> Path:
    write_data(tmp_path / "data", "regress")
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def scores(text: str) -> dict[str, float]:
    return {Path(row["path"]).name: float(row["score"]) for row in rows(text)}


# ---- one run per task


def test_files_of_a_run(trained):
    names = {p.name for p in trained.run.iterdir() if not p.name.startswith("events.out.tfevents")}
    assert names == {
        "config.json", "environment.json", "left_out.json", "log.txt", "metrics.jsonl",
        "results.json", "run.lock", LAST, f"previous_{LAST}", BEST,
        "first_batch.png", "predictions_test.csv", "report.html",
        *PICTURES.get(trained.criterion, ()),
    }  # fmt: skip
    latest = {p.name for p in (trained.folder / "checkpoints").iterdir()}
    assert latest == {BEST, LAST}
    for name in (BEST, LAST):
        data = (trained.run / name).read_bytes()
        assert data == (trained.folder / "checkpoints" / name).read_bytes()
    log = (trained.run / "log.txt").read_text(encoding="utf-8")
    assert "\r" not in log and "\x1b" not in log and "ETA" in log
    facts = json.loads((trained.run / "environment.json").read_text())
    assert facts["seed"] == 0 and facts["packages"]["torch"] and facts["labels_sha256"]["train"]


def test_metrics_of_a_run(trained):
    found = records(trained.run)
    assert [(r["epoch"], r["split"]) for r in found[:-1]] == [
        (1, "train"), (1, "val"), (2, "train"), (2, "val"),
    ]  # fmt: skip
    train, val, test = found[0], found[1], found[-1]
    assert {"step", "epoch", "split", "loss", "lr", "data_wait"} <= train.keys()
    assert FIGURES[trained.criterion] | {"loss"} <= val.keys()
    assert test["split"] == "test" and FIGURES[trained.criterion] <= test.keys()


def test_evaluation_repeats_the_runs_own_test(trained):
    done = call(trained.folder, f"-e {trained.weights} -o again.csv --fit val --no_report")
    results = json.loads((trained.run / "results.json").read_text())["test"]
    figures = {k: v for k, v in results.items() if not isinstance(v, (dict, str))}
    shown = tables(done.out).splitlines()[1:]
    lines = [line.split() for line in shown if not line.startswith("[")]
    printed = {line[0]: line[1] for line in lines}
    wanted = FIGURES[trained.criterion] | BASELINE.get(trained.criterion, set())
    assert wanted <= printed.keys() == figures.keys()
    for name, expected in figures.items():
        wanted = float("nan") if expected is None else expected
        assert float(printed[name]) == pytest.approx(wanted, abs=1e-4, nan_ok=True), name
    again = scores((trained.folder / "again.csv").read_text())
    before = scores((trained.run / "predictions_test.csv").read_text())
    assert again.keys() == before.keys()
    assert again == pytest.approx(before, abs=1e-6)


def test_prediction_of_files_folders_globs_and_lists(trained):
    folder = trained.folder
    expected = scores((trained.run / "predictions_test.csv").read_text())
    names = sorted(expected)
    images = folder / "data" / "test" / "images"
    (folder / "list.txt").write_text("# three\n" + "\n".join(str(images / n) for n in names[:3]))
    asked = {
        "data/test": names,
        "'data/test/images/photo0_*.png'": [n for n in names if n.startswith("photo0")],
        "list.txt": names[:3],
        f"data/test/images/{names[1]} data/test/images/{names[0]}": [names[1], names[0]],
        f"data/test/images/{names[0]} data/test": names,  # each once
    }
    for words, wanted in asked.items():
        call(folder, f"--predict {words} {trained.weights} -b 4 -o out.csv")
        found = scores((folder / "out.csv").read_text())
        assert list(found) == wanted
        assert found == pytest.approx({n: expected[n] for n in wanted}, abs=1e-5)
    call(folder, f"--predict data/test {trained.weights} -o out.json")
    loaded = json.loads((folder / "out.json").read_text())
    assert {Path(r["path"]).name: r["score"] for r in loaded} == pytest.approx(expected, abs=1e-5)
    done = call(folder, f"--predict data/test {trained.weights}")
    table = [line.split() for line in done.out.splitlines()]
    assert table[0][0] == "rank" and table[0][-1] == "path" and len(table) == 1 + len(names)
    assert "scoring" in done.err and "scoring" not in done.out
    if trained.criterion == "emd":
        probs = np.array([[row[f"p{k}"] for k in range(1, 6)] for row in loaded])
        assert probs.sum(1) == pytest.approx(1, abs=1e-6)
        assert [r["score"] for r in loaded] == pytest.approx(list(probs @ np.arange(1, 6)))


def test_prediction_sorted_best_first(trained):
    """The ranking of NIMA's script: rank, mean +- (std), file; a csv keeps its columns."""
    call(trained.folder, f"--predict data/test {trained.weights} -o plain.csv")
    call(trained.folder, f"--predict data/test {trained.weights} --sort -o sorted.csv")
    plain, ranked = (rows((trained.folder / f"{n}.csv").read_text()) for n in ("plain", "sorted"))
    values = [float(row["score"]) for row in ranked]
    assert values == sorted(values, reverse=True) != [float(row["score"]) for row in plain]
    assert list(ranked[0]) == list(plain[0])
    assert sorted(map(str, ranked)) == sorted(map(str, plain))

    done = call(trained.folder, f"--predict data/test {trained.weights} --sort")
    shown = [line.split() for line in done.out.splitlines()]
    histograms = trained.criterion == "emd"
    assert shown[0] == ["rank", *(["mean", "+-", "(std)"] if histograms else ["score"]), "path"]
    for place, (words, row) in enumerate(zip(shown[1:], ranked, strict=True), 1):
        score = [f"{float(row['score']):.4f}"]
        if histograms:
            score += ["+-", f"({float(row['std']):.4f})"]
        assert words == [str(place), *score, row["path"]]
    unsorted = call(trained.folder, f"--predict data/test {trained.weights}").out.splitlines()
    assert sorted(unsorted) == sorted(done.out.splitlines()) and unsorted != done.out.splitlines()


def test_the_best_weights_are_tested(trained):
    """The test figures of results.json are those of model_best, and the checkpoint is the last."""
    best, last = trained.run / BEST, trained.run / LAST
    results = json.loads((trained.run / "results.json").read_text())
    assert checkpoint.load(best)["epoch"] == results["best_epoch"]
    assert checkpoint.load(last)["position"]["epoch"] == 2
    shutil.copy(best, trained.folder / "only.pth")
    call(trained.folder, "-e --resume only.pth -j 0 -g 0 -o only.csv --no_report")
    found = scores((trained.folder / "only.csv").read_text())
    assert found == pytest.approx(scores((trained.run / "predictions_test.csv").read_text()))


def test_a_configuration_repeats_its_run(trained, tmp_path):
    shutil.copytree(trained.folder / "data", tmp_path / "data")
    call(tmp_path, f"--config {trained.run}/config.json --no_report")
    again = run_folders(tmp_path)[-1]
    for name in (BEST, LAST):
        a, b = (tensors(run / name) for run in (trained.run, again))
        assert all(torch.equal(a[key], b[key]) for key in a)
    call(tmp_path, f"--config {trained.run}/config.json --epochs 1 --seed 5 --no_report")
    other = run_folders(tmp_path)[-1]
    stored = json.loads((other / "config.json").read_text())
    assert stored["epochs"] == 1 and stored["seed"] == 5 and other != again
    assert max(r["epoch"] for r in records(other)) == 1


# ---- from one task to the next


def test_stages_carry_the_backbone_over(tmp_path):
    """rank -> regress -> emd; what was taken, left and new is said tensor by tensor count."""
    for criterion in ("rank", "regress", "emd"):
        write_data(tmp_path / criterion, criterion)
    short = f"{TINY} --epochs 1"
    call(tmp_path, f"--train --data rank --criterion rank {short}")
    best = f"checkpoints/{BEST}"
    shutil.copy(tmp_path / best, tmp_path / "rank.pth")
    start = tensors(tmp_path / "rank.pth")
    total = len(start)
    frozen = "--lr 1e-30 --wd 0"

    done = call(
        tmp_path, f"--train --data regress --criterion regress {short} {frozen} --resume rank.pth"
    )
    assert f"{total} tensors taken, 0 left, 0 new" in done.err
    after = tensors(tmp_path / best)
    names = [n for n in start if n.startswith("backbone") and "running" not in n]
    names = [n for n in names if "num_batches" not in n]
    assert names and all(torch.allclose(start[n], after[n], atol=1e-12) for n in names)

    done = call(tmp_path, f"--train --data emd --criterion emd {short} {frozen} --resume {best}")
    assert "left" in done.err and "heads.quality.fc.weight" in done.err
    emd = tensors(tmp_path / best)
    assert emd["heads.quality.fc.weight"].shape[0] == 5
    assert all(torch.allclose(after[n], emd[n], atol=1e-12) for n in names)

    # Evaluation takes all of a file or nothing: no head is made up.
    words = f"-e --data rank --criterion rank --num_classes 3 -j 0 --resume {best}"
    assert "error:" in call(tmp_path, words, 1).err


# ---- parts of training


@pytest.mark.parametrize(
    "flags",
    [
        "--opt sgd --schedule cosine --clip_grad 0.1 --lr 1e-2",
        "--opt radam --ema 0.9 --accumulate 2",
        "--opt lamb --schedule constant --loss huber",
        "--opt adam --loss l2 --num_classes 5 --resize pad --crop random --crop_from 48 64",
        "--resize native --crop random --crop_size 32 --test_crops 2 --crop_pool median",
    ],
)
def test_ways_to_train(regress, flags):
    short = f"{TINY} --epochs 1"
    if "num_classes 5" in flags:  # a histogram's mean says 1 to 5
        for split in ("train", "val", "test"):
            file = regress / "data" / split / "label.txt"
            file.write_text(file.read_text().replace(",1.5", ",2"))
    call(regress, f"--train --criterion regress {short} {flags}")
    run = run_folders(regress)[-1]
    state = checkpoint.load(run / LAST)
    assert bool(state["ema"]) == ("--ema" in flags)
    assert state["position"]["updates"] == (3 if "--accumulate 2" in flags else 5)
    call(regress, f"-e --resume checkpoints/{BEST} -j 0 -o a.csv -g 0 --no_report")
    assert scores((regress / "a.csv").read_text()) == pytest.approx(
        scores((run / "predictions_test.csv").read_text()), abs=1e-5
    )


def test_ema_is_what_is_evaluated(regress):
    call(regress, f"--train --criterion regress {TINY} --ema 0.5")
    run = run_folders(regress)[-1]
    state = checkpoint.load(run / LAST)
    best = tensors(run / BEST)
    assert state["position"]["best_epoch"] in (1, 2)
    average = state["ema"]["module"]
    name = "heads.quality.fc.weight"
    assert not torch.equal(average[name], state["model"][name])
    if state["position"]["best_epoch"] == 2:
        assert torch.equal(best[name], average[name])
    # A checkpoint with an average is evaluated by its average.
    call(regress, f"-e --resume {run}/{LAST} -j 0 -g 0 -o mean.csv --no_report")
    torch.save({k: v.clone() for k, v in average.items()}, regress / "plain.pth")
    same = "--arch test_resnet --criterion regress --image_size 40 56"
    call(regress, f"-e --resume plain.pth {same} -j 0 -g 0 -o plain.csv --no_report")
    assert (regress / "mean.csv").read_text() == (regress / "plain.csv").read_text()


def test_two_accumulated_batches_are_one_batch_of_twice_the_size(regress):
    """Without batch norm, dropout and momentum the weights after an epoch agree to rounding."""
    words = (
        "--arch test_vit --image_size 32 --epochs 1 --opt sgd --momentum 0 --lr 0.05 --dropout 0"
    )
    common = f"--train --criterion regress {TINY} {words} --no_check"
    call(regress, f"{common} -b 4")
    call(regress, f"{common} -b 2 --accumulate 2")
    call(regress, f"{common} -b 2")
    whole, parts, small = (tensors(r / "checkpoint_test_vit.pth") for r in run_folders(regress))
    assert all(torch.allclose(whole[n], parts[n], atol=1e-6) for n in whole)
    assert any(not torch.allclose(whole[n], small[n], atol=1e-5) for n in whole)


def test_the_rate_follows_the_epochs(regress):
    """A schedule in epochs, whatever the number of steps: recipes' table at each epoch's end."""
    words = f"{TINY} --epochs 6 --warmup 2 -b 9 --lr 1e-2 --no_check"
    call(regress, f"--train --criterion regress {words}")
    rates = [r["lr"] for r in records(run_folders(regress)[-1]) if r["split"] == "train"]
    # e = 1: 0.1 until 2; 1 until 2 + int(1.5); 0.1 until 2 + int(2.5); 0.01 until 2 + int(3.5)
    assert rates == pytest.approx([1e-3, 1e-3, 1e-2, 1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize(("monitor", "choose"), [("rmse", min), ("srcc", max), ("loss", min)])
def test_best_follows_the_direction(regress, monitor, choose):
    words = f"{TINY} --epochs 4 -b 6 --lr 3e-2"
    call(regress, f"--train --criterion regress {words} --monitor {monitor}")
    run = run_folders(regress)[-1]
    values = [r[monitor] for r in records(run) if r["split"] == "val"]
    results = json.loads((run / "results.json").read_text())
    assert values[results["best_epoch"] - 1] == choose(values)
    assert results[monitor] == choose(values)


def test_validation_every_second_epoch_and_after_the_last(regress):
    words = f"{TINY} --epochs 3 -b 9 --eval_every 2 --no_check"
    call(regress, f"--train --criterion regress {words}")
    run = run_folders(regress)[-1]
    assert [r["epoch"] for r in records(run) if r["split"] == "val"] == [2, 3]
    assert [r["epoch"] for r in records(run) if r["split"] == "train"] == [1, 2, 3]
    assert json.loads((run / "results.json").read_text())["best_epoch"] in (2, 3)


def test_names_that_lead_nowhere_are_answered_before_data_is_read(tmp_path):
    """There is no data at all: each is told what is wrong with it all the same."""
    asked = {
        "--arch test_resnt": "did you mean test_resnet",
        "--opt adamm": "did you mean",
        "--monitor emd_r1": "rank has pair_accuracy, loss",
        "--resume nothing.pth": "nothing.pth: no such file",
        "--crop_seed 1": "--crop_seed 1 needs --test_crops",
    }
    for flag, said in asked.items():
        done = call(tmp_path, f"--train {TINY} {flag}", 1)
        assert said in done.err and done.err.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_a_short_last_batch_trains_every_line(regress):
    """18 lines in batches of 4: the rest of two is a step of its own; of 17, one joins another."""
    call(regress, f"--train --criterion regress {TINY} --epochs 1")
    assert records(run_folders(regress)[-1])[0]["step"] == 5
    file = regress / "data" / "train" / "label.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:17]))
    call(regress, f"--train --criterion regress {TINY} --epochs 1")
    assert records(run_folders(regress)[-1])[0]["step"] == 4


def test_without_val_and_test_the_last_weights_are_the_best(tmp_path):
    write_data(tmp_path / "data", "rank")
    for split in ("val", "test"):
        shutil.rmtree(tmp_path / "data" / split)
    done = call(tmp_path, f"--train {TINY}")
    assert "no val/ split" in done.err and "no test/ split" in done.err
    run = run_folders(tmp_path)[-1]
    a, b = tensors(run / LAST), tensors(run / BEST)
    assert all(torch.equal(a[n], b[n]) for n in a)


# ---- images


def test_one_resize_everywhere(trained):
    """-e and --predict see exactly `view(read_image(path), rule)`; so does the network by hand."""
    from applications.inputs.runtime import Runtime
    from applications.inputs.weights import load_model
    from config import parse
    from utils.runtime import distributed

    config = parse(f"-e --resume {trained.run}/{BEST}".split())
    runtime = Runtime(torch.device("cpu"), "off", distributed.world())
    _, model, rule, payload = load_model(config, runtime)
    assert rule == ViewRule.from_dict(payload["view"])
    assert rule.image_size == (40, 56)
    expected = scores((trained.run / "predictions_test.csv").read_text())
    for name, score in list(expected.items())[:2]:
        pixels = view(read_image(trained.folder / "data/test/images" / name), rule)
        with torch.inference_mode():
            by_hand = model(torch.from_numpy(pixels).float() / 255).scores
        assert float(by_hand) == pytest.approx(score, abs=1e-5)


def spoil(image: Path) -> Path:
    image.write_bytes(image.read_bytes()[:200])
    return image


def test_unreadable_images_stop_training_before_the_first_epoch(regress):
    bad = spoil(regress / "data" / "train" / "images" / "photo2_1.png")
    before = hashlib.sha256(bad.read_bytes()).hexdigest()
    done = call(regress, f"--train --criterion regress {TINY}", 1)
    assert "photo2_1.png" in done.err and "--bad_images skip" in done.err
    assert not (regress / "runs").exists()  # nothing was begun
    assert hashlib.sha256(bad.read_bytes()).hexdigest() == before


def test_unreadable_images_are_left_out_counted_and_listed(regress):
    for name in ("train/images/photo2_1", "train/images/photo3_0", "val/images/photo0_0"):
        spoil(regress / "data" / f"{name}.png")
    done = call(regress, f"--train --criterion regress {TINY} --bad_images skip")
    assert "3 unreadable image(s)" in done.err and "2 of 18 lines left out" in done.err
    run = run_folders(regress)[-1]
    listed = (run / "skipped_images.txt").read_text()
    assert len(listed.splitlines()) == 3 and "photo2_1.png" in listed
    assert "train 16 lines, 16 images, val 5 lines" in done.err


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_images_stop_evaluation_with_their_name(trained, tmp_path, workers):
    shutil.copytree(trained.folder / "data", tmp_path / "data")
    bad = spoil(tmp_path / "data/test/images/photo1_2.png")
    best = trained.run / BEST
    for words in (f"-e --resume {best}", f"--predict data/test --resume {best}"):
        done = call(tmp_path, f"{words} -j {workers} -g 0 --bad_images stop", 1)
        assert bad.name in done.err and done.err.count("error:") == 1


def test_an_image_that_breaks_after_the_check_stops_training(regress):
    spoil(regress / "data" / "train" / "images" / "photo2_1.png")
    done = call(regress, f"--train --criterion regress {TINY} --no_check", 1)
    assert "photo2_1.png" in done.err


# ---- what earlier toolkits got wrong in the head


def test_scores_have_one_dimension(trained):
    """Scores are (N,), logits (N,K): nothing broadcasts to (N,N)."""
    from models.quality_net import build_model

    classes = 5 if trained.criterion == "emd" else 1
    model = build_model("test_resnet", classes, (40, 56)).eval()
    model.load_state_dict(tensors(trained.run / BEST))
    prediction = model(torch.rand(3, 3, 40, 56))
    assert prediction.scores.shape == (3,) and prediction.logits.shape == (3, classes)


def test_a_constant_prediction_is_nan_and_a_warning(regress):
    """Two equal images: no order to correlate, which is not a correlation of 0."""
    images = regress / "data" / "test" / "images"
    first = images / "photo0_0.png"
    for image in images.iterdir():
        if image != first:
            shutil.copy(first, image)
    done = call(regress, f"--train --criterion regress {TINY} --epochs 1")
    record = records(run_folders(regress)[-1])[-1]
    assert record["srcc"] is None  # JSON has no nan
    assert "constant" in done.err


# ---- the last evaluation says how sure its figures are


def test_intervals_and_fits_of_a_run(trained):
    """After training the logistics are fitted on val; -e fits on what it judges unless told."""
    results = json.loads((trained.run / "results.json").read_text())["test"]
    assert results["bootstrap"]["samples"] == 1000
    log = (trained.run / "log.txt").read_text(encoding="utf-8")
    assert all("intervals" not in r for r in records(trained.run) if r["split"] != "test")
    plain = call(trained.folder, f"-e {trained.weights} --bootstrap 0").out
    assert "[" not in plain
    if trained.criterion == "rank":
        assert "fit" not in results and "fit:" not in log and "fit:" not in plain
        return
    assert results["fit"] == "val" and "fit: val" in log and "fit: test" in plain
    assert "plcc_4p" in results and results["fits"]["4p"]["n"] == 6
    low, high = results["intervals"]["mae"]
    assert low < results["mae"] < high
    assert f"[{low:.4f}, {high:.4f}]" in log


def test_a_fit_on_val_needs_one(regress):
    call(regress, f"--train --criterion regress {TINY} --epochs 1 --bootstrap 0")
    shutil.rmtree(regress / "data" / "val")
    done = call(regress, f"-e --resume checkpoints/{BEST} -j 0 -g 0 --fit val", 1)
    assert "no val/ split" in done.err
