"""A training asks the device for nothing between two lines that show the loss."""

from __future__ import annotations

from functools import partial

import pytest

from applications.training.trainer import Trainer
from applications.training.training_state import MOST_UNREAD, Unread
from tests.cli import call, records, run_folders
from tests.tiny_data import LEVELS, write_split
from tests.waits import waits

WORDS = (
    "--train --arch test_efficientnet --image_size 32 --warmup 0 -b 2 -j 0 -g 0 --threads 1 "
    "--amp off --epochs 1 --no_report --no_check -p 5"
)
STEPS = 12
# Labels of tiny_data, and the flags that change what a step computes.
CRITERIA = {
    "rank": "rank --margin_by_level --across 1 --hard_pairs 0.5 --accumulate 2",
    "emd": "emd --clip_grad 1 --ema 0.9",
    "regress": "regress --ema 0.9 --save_every 7",
    "siamese": "siamese --num_classes 2 --label_name buckets.txt --accumulate 3 --clip_grad 1",
    "emd+rank": "emd+rank",
    "emd+siamese": "emd+siamese --opt lion",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """STEPS times two lines of each kind."""
    folder = tmp_path_factory.mktemp("data")
    for kind in ("rank", "emd", "regress"):
        split = folder / kind / "train"
        write_split(split, kind, 2 * STEPS // len(LEVELS), 1)
        names = sorted(path.name for path in (split / "images").iterdir())
        levels = (f"images/{n},{n[:6]},noise,{n[7]}" for n in names)
        rows = ["path,reference_id,distortion,level", *levels]
        (split / "levels.csv").write_text("\n".join(rows) + "\n")
    call(folder, "--make_buckets emd/train/label.txt -o emd/train/buckets.txt --bucket_width 2")
    return folder


@pytest.mark.parametrize("criterion", CRITERIA)
def test_nothing_is_waited_for_between_two_lines(data, tmp_path, monkeypatch, criterion):
    kind = "emd" if "siamese" in criterion else criterion.split("+")[0]
    waited, reads, take_in = [], [], Unread.take_in

    def watched(method, *arguments):
        with waits(waited):
            return method(*arguments)

    def counted(self, at):
        reads.append((at.step, len(self.steps)))
        return take_in(self, at)

    for name in ("_step", "_update", "_updates_at"):
        method = getattr(Trainer, name)
        monkeypatch.setattr(Trainer, name, lambda *a, method=method: watched(method, *a))
    monkeypatch.setattr(Unread, "take_in", counted)
    call(tmp_path, f"{WORDS} --data {data / kind} --criterion {CRITERIA[criterion]}")
    assert waited == []
    read = [step for step, count in reads if count]
    assert read == sorted(
        {1, 5, 10, STEPS} | ({7} if "save_every" in CRITERIA[criterion] else set())
    )
    (run,) = run_folders(tmp_path)
    (train,) = records(run)
    assert train["loss"] > 0


def test_a_terminal_shows_a_new_loss_every_second():
    unread = partial(Unread, None, 10, lost=None)
    at = type("At", (), {"step": 3, "lines": 6})
    assert unread(alone=True).due(at, last=False, looked_at=True)
    # Others would not know of it, and processes end together.
    assert not unread(alone=False).due(at, last=False, looked_at=True)
    some = unread(alone=False)
    assert not some.due(at, last=False, looked_at=False)
    some.steps = [None] * MOST_UNREAD  # whatever -p says
    assert some.due(at, last=False, looked_at=False)
