"""Several gloo processes on the CPU: losses and gradients are those of one, and an evaluation sees
every image once.
"""

from __future__ import annotations

import csv
import os
import shlex
from functools import partial
from pathlib import Path

import pytest
import torch

import main
from applications.evaluation import scoring
from applications.training import one_run, trainer
from applications.training.trainer import Trainer
from models.heads import ScoreHead
from tests.cli import call, fork, inside, places, run_folders, tables
from tests.faults.trial import Command, attempt
from tests.tiny_data import write_data

WORDS = (
    "--train --arch test_vit --image_size 32 --epochs 1 --warmup 0 -j 0 --lr 1e-2 "
    "--opt sgd --momentum 0 --dropout 0 --threads 1 --no_report --amp off --no_check --device cpu"
)


def in_double_precision() -> None:
    """Rounding is left out of the comparison: float32's alone comes to 5e-6 here."""
    made = one_run._model

    def head(self, features):  # which casts to float32 otherwise
        logits = self.fc(self.dropout(features))
        return self.scores(logits), logits

    one_run._model = lambda *arguments: made(*arguments).double()
    ScoreHead.forward = head
    trainer.to_input = scoring.to_input = lambda images, *_: images.double() / 255


def record(folder: Path, words: str, place: dict[str, str], file: str) -> None:
    """Trains and keeps the loss and images of every step, and the gradients of every update."""
    os.environ.update(place)
    in_double_precision()
    losses, images, gradients = [], [], []
    step, update = Trainer._step, Trainer._update

    def recorded_step(self, batch):
        images.append(batch.indices)
        found = step(self, batch)
        losses.append(self.unread.steps[-1].loss.item())
        return found

    def recorded_update(self):
        gradients.append({n: p.grad.clone() for n, p in self.model.named_parameters()})
        update(self)

    Trainer._step, Trainer._update = recorded_step, recorded_update
    with inside(folder):
        assert main.main(shlex.split(words)) == 0
    torch.save({"losses": losses, "images": images, "gradients": gradients}, folder / file)


def runs(folder: Path, words: str, processes: int) -> list[dict]:
    environment = places(processes) if processes > 1 else [{}]
    files = [f"{processes}_{rank}.pt" for rank in range(processes)]
    started = [
        fork(record, folder, f"{WORDS} {words}", place, file)
        for place, file in zip(environment, files, strict=True)
    ]
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * processes
    return [torch.load(folder / file, weights_only=True) for file in files]


def write_levels(data: Path) -> None:
    for split in data.iterdir():
        rows = ["path,reference_id,distortion,level"]
        for image in sorted((split / "images").iterdir()):
            photo, level = image.stem.split("_")
            rows.append(f"images/{image.name},{photo},{'noise' if level > '0' else 'none'},{level}")
        (split / "levels.csv").write_text("\n".join(rows))


def leave_two_images(data: Path) -> None:
    labels = data / "train/label.txt"
    labels.write_text(labels.read_text().splitlines(keepends=True)[0] * 3)


def write_buckets(data: Path) -> None:
    """Of the images of votes, whose names end with what they are worth."""
    for labels in data.glob("*/label.txt"):
        names = [line.split(",")[0] for line in labels.read_text().splitlines()]
        lines = [f"{name} {9 - int(Path(name).stem[-1])}" for name in names]
        labels.write_text("\n".join(["file_name label", *lines]))


def put(place: dict[str, str]) -> None:
    os.environ.update(place)


def table(file: Path) -> dict[str, float]:
    with open(file, encoding="utf-8", newline="") as text:
        return {Path(row["path"]).name: float(row["score"]) for row in csv.DictReader(text)}


def test_two_processes_train_and_evaluate(tmp_path):
    """5 test images do not divide by 2: none is dropped, none counts twice."""
    write_data(tmp_path / "data", "regress")
    labels = tmp_path / "data/test/label.txt"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:5]))
    done = attempt(tmp_path, f"{WORDS} --criterion regress -b 3 -g 2".split())
    assert done.wrong(0) is None
    assert "2 process(es)" in done.err and done.err.count("run folder:") == 1
    (run,) = run_folders(tmp_path)
    best = run / "model_best_test_vit.pth"
    call(tmp_path, f"-e --resume {best} -j 0 -g 0 -o one.csv --no_report")
    mine, theirs = table(tmp_path / "one.csv"), table(run / "predictions_test.csv")
    assert len(theirs) == 5 and theirs == pytest.approx(mine, abs=1e-6)
    # Without another launcher, whose two processes would import torch once more.
    words = f"-e --resume {best} --data {tmp_path}/data -j 0 --device cpu -o s.csv --no_report"
    both = []
    for rank, place in enumerate(places(2)):
        (tmp_path / f"{rank}").mkdir()
        both.append(Command(tmp_path / f"{rank}", words.split(), partial(put, place)))
    done, other = [command.finish() for command in both]
    assert done.wrong(0) is None and other.wrong(0) is None and other.out == ""
    assert table(tmp_path / "0/s.csv") == pytest.approx(mine, abs=1e-6)
    assert dict(line.split()[:2] for line in tables(done.out).splitlines()[1:])["n"] == "5"


@pytest.mark.parametrize(
    ("criterion", "size", "one", "each", "flags", "prepare"),
    [
        ("regress", 2, "-b 6", "-b 3", "", None),
        ("rank", 2, "-b 4", "-b 2", "", None),
        ("rank", 2, "-b 6", "-b 3", "--margin_by_level --hard_pairs 0.7 --accumulate 2",
         write_levels),
        ("rank", 3, "-b 3", "-b 1", "", leave_two_images),
        ("siamese", 2, "-b 6", "-b 3", "--num_classes 5", write_buckets),
        ("emd+rank", 2, "-b 6", "-b 3", "--accumulate 2", None),
        ("emd+siamese", 3, "-b 6", "-b 2", "--loss_weights 1,3", None),
    ],
    ids=[
        "lines by themselves",
        "shares of two sizes",
        "levels, steps that make one update",
        "fewer images than processes",
        "pairs of buckets",
        "histograms and their order, steps that make one update",
        "histograms and their buckets",
    ],
)  # fmt: skip
def test_several_processes_learn_like_one(tmp_path, criterion, size, one, each, flags, prepare):
    kind = criterion if criterion in ("rank", "regress") else "emd"
    write_data(tmp_path / "data", kind, train=4)
    flags = f"--criterion {criterion} {flags}"
    if prepare:
        prepare(tmp_path / "data")
    (alone,) = runs(tmp_path, f"{flags} {one} -g 0", 1)
    shares = runs(tmp_path, f"{flags} {each}", size)
    losses = [share["losses"] for share in shares]
    if criterion == "regress":  # each process has the loss of its own lines
        losses = [torch.tensor(losses).mean(0).tolist()]
    assert all(found == pytest.approx(alone["losses"], abs=1e-6) for found in losses)
    for share in shares:
        assert len(share["gradients"]) == len(alone["gradients"]) > 0
        for ours, theirs in zip(share["gradients"], alone["gradients"], strict=True):
            for name, gradient in theirs.items():
                assert torch.allclose(ours[name], gradient, rtol=0, atol=1e-6), name
    assert any(float(g.abs().max()) > 1e-3 for g in alone["gradients"][0].values())
    for step, images in enumerate(alone["images"]):  # each forwarded once, over all processes
        parts = torch.cat([share["images"][step] for share in shares])
        assert torch.equal(parts[: len(images)], images)
        assert len(parts) == max(len(images), size)
