"""What a head was trained for is recorded in the weights, and decides how a criterion begins."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from applications.inputs.payload import UNRECORDED, check_payload, trained_for
from applications.tasks import TASKS
from models.quality_net import build_model
from tests.cli import TINY, call, run_folders
from tests.tiny_data import write_data
from utils.files import checkpoint

BEST, LAST = "model_best_test_resnet.pth", "checkpoint_test_resnet.pth"
ONE = TINY.replace("-b 4", "-b 32").replace("--epochs 2", "--epochs 1")
MOS = np.linspace(20.0, 80.0, 40, dtype=np.float32)
ORDER = (MOS - 50) / 30  # scores with an order, in units of their own


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A ranking, whose loss of pairs leaves the bias of the head at exactly 0."""
    folder = tmp_path_factory.mktemp("trained")
    for criterion in ("rank", "regress"):
        write_data(folder / criterion, criterion)
    call(folder, f"--train --data rank --criterion rank {ONE} --epochs 8 --no_report")
    shutil.copy(folder / "checkpoints" / BEST, folder / "rank.pth")
    return folder


def fitted(task: str, bins: int, before: tuple[str, ...], scores=ORDER, scale=(0.0, 1.0)):
    """(offset, scale or bias, remark) of a head with this past after `fit_head` on MOS."""
    model = build_model("test_resnet", bins, (40, 56))
    head = model.heads["quality"]
    head.trained_for = before
    targets = {"mos": MOS, "probs": np.tile(np.float32([0.1, 0.2, 0.7]), (4, 1))}
    if bins == 1:
        head.set_scale(*scale)
    remark = TASKS[task].fit_head(model, targets, lambda: (np.arange(len(MOS)), scores))
    units = head.fc.bias if bins > 1 else torch.stack([head.offset, head.scale])
    return units.detach().numpy(), remark


def test_a_ranking_whose_bias_never_moved_is_given_its_straight_line(trained, tmp_path):
    payload = checkpoint.load(trained / "rank.pth")
    assert not payload["model"]["heads.quality.fc.bias"].any()
    assert payload["trained_for"] == ["rank"]
    call(trained, f"--train --data regress --criterion regress {ONE} --no_report --resume rank.pth")
    run = run_folders(trained)[-1]
    state = checkpoint.load(run / LAST)
    assert state["trained_for"] == ["rank", "regress"]
    # The oracle: scores of --predict on the images, a least-squares line through them.
    lines = (trained / "regress/train/label.txt").read_text().split()
    names, mos = zip(*(line.split(",") for line in lines), strict=True)
    listed = trained / "listed.txt"
    listed.write_text("\n".join(f"regress/train/{name}" for name in names) + "\n")
    call(trained, "--predict listed.txt --resume rank.pth -o scores.csv -g 0 -j 0")
    scores = np.loadtxt(trained / "scores.csv", delimiter=",", skiprows=1, usecols=1)
    slope, offset = np.polyfit(scores, np.array(mos, float), 1)
    assert slope > 0
    assert state["model"]["heads.quality.scale"].item() == pytest.approx(slope, rel=1e-3)
    assert state["model"]["heads.quality.offset"].item() == pytest.approx(offset, rel=1e-3)


def test_regression_goes_on_as_it_is_on_the_scale_it_has_learned():
    near = MOS + np.float32(3)
    units, _ = fitted("regress", 1, ("rank", "regress"), near, (47.0, 12.0))
    assert units.tolist() == [47.0, 12.0]
    # The same scores of a ranking have no units, whatever they look like.
    for before in (("rank",), ("regress", "rank"), (UNRECORDED,)):
        units, _ = fitted("regress", 1, before, near, (47.0, 12.0))
        assert units == pytest.approx([44.0, 12.0], abs=1e-4)


def test_regression_on_another_scale_is_given_a_line():
    units, _ = fitted("regress", 1, ("regress",), ORDER + 3, (3.0, 0.5))
    # MOS = 50 + 30 * (score - 3), score = 3 + 0.5 * logit
    assert units == pytest.approx([50.0, 15.0], abs=1e-4)


def test_a_fresh_head_starts_at_the_labels_mean_and_spread():
    units, _ = fitted("regress", 1, ())
    assert units == pytest.approx([MOS.mean(), MOS.std()], rel=1e-6)


def test_a_histogram_starts_from_the_mean_one_only_where_the_head_is_fresh():
    logs = np.log([0.1, 0.2, 0.7])
    units, _ = fitted("emd", 3, ())
    assert units == pytest.approx(logs - logs.mean(), abs=1e-6)
    for before in (("emd",), ("rank",), (UNRECORDED,)):  # a trained bias may still be 0
        assert not fitted("emd", 3, before)[0].any()


@pytest.mark.parametrize(
    ("before", "knows"),
    [((), False), (("siamese",), False), (("emd", "siamese"), True), ((UNRECORDED,), True)],
)
def test_contrast_remarks_a_head_that_never_learned_scores(before, knows):
    assert (fitted("siamese", 3, before)[1] is None) == knows


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"trained_for": ["rank", "regress"], "config": {"criterion": "emd"}}, ("rank", "regress")),
        ({"trained_for": []}, ()),
        ({"config": {"criterion": "rank"}, "epoch": 3}, ("rank",)),  # an older run's best weights
        ({"config": {"criterion": "rank"}, "position": {"updates": 0}}, ()),
        ({"config": {"criterion": "rank"}, "position": {"updates": 4}}, ("rank",)),
        # It began with somebody's head, of which nothing is known but that it was fitted.
        ({"config": {"criterion": "rank", "resume": "a"}, "position": {"updates": 0}}, ("rank",)),
        ({}, (UNRECORDED,)),  # tensors alone
    ],
)
def test_what_weights_without_the_record_say(payload, expected):
    assert trained_for(payload) == expected


@pytest.mark.parametrize("odd", ["rank", [1], ["a\nb"], {"rank": 1}])
def test_a_record_of_another_kind_is_damage(odd):
    with pytest.raises(ValueError, match="trained_for"):
        check_payload({"model": {"a": torch.zeros(1)}, "trained_for": odd}, ())


def test_the_record_survives_stops_and_is_empty_before_the_first_step(trained, monkeypatch):
    from applications.training.trainer import Trainer

    def stop(*given):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "fit", stop)
        call(trained, f"--train --data rank --criterion rank {ONE} --no_report", 1)
    run = run_folders(trained)[-1]
    assert checkpoint.load(run / LAST)["trained_for"] == []
    call(trained, f"--continue {run}")
    assert checkpoint.load(run / LAST)["trained_for"] == ["rank"]
    assert checkpoint.load(run / BEST)["trained_for"] == ["rank"]
