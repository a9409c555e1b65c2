"""Values that are not finite: weights are refused by the name of the tensor, scores by the name of
the image, and nan never counts as equal.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from applications.evaluation.quality_maps import quality_map
from applications.evaluation.scoring import Scorer
from dataloader.sources import GivenImage
from models.pretrained import load_imagenet
from models.quality_net import build_model
from models.registry import adapter
from tests.applications.test_export import demo
from tests.cli import call
from tests.known_networks import detail_network
from tests.tiny_data import write_data
from utils.imaging.images import ImageError, ViewRule

FLAGS = "--arch test_vit --image_size 32 -g 0 --threads 1"
RULE = ViewRule((32, 32))
CPU = torch.device("cpu")


def scorer() -> Scorer:
    return Scorer(overflowing(), CPU, RULE, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One data set, and weights w_NAME.pth with one bad value each."""
    folder = tmp_path_factory.mktemp("not_finite")
    write_data(folder / "data", "regress", 2, 1)
    state = build_model("test_vit", 1, (32, 32)).state_dict()
    for name, bad in (("nan", math.nan), ("inf", -math.inf), ("large", 1e300)):
        weight = state["backbone.norm.weight"].double()
        weight[3] = bad
        torch.save({**state, "backbone.norm.weight": weight}, folder / f"w_{name}.pth")
    return folder


@pytest.mark.parametrize(
    ("mode", "value"),
    [
        ("--predict data/test -o scores.json", "nan"),
        ("--predict data/test -o scores.json", "inf"),
        ("--predict data/test -o scores.json", "large"),
        ("--predict data/test", "nan"),
        ("-e --criterion regress --data data", "nan"),
        ("--jit -o g.pt --data data", "nan"),
        ("--train --criterion regress --data data --epochs 1 --warmup 0", "nan"),
    ],
)
def test_weights_are_refused_by_the_name_of_their_tensor(folder, mode, value):
    done = call(folder, f"{mode} {FLAGS} --resume w_{value}.pth", 1)
    lines = [line for line in done.err.splitlines() if line.startswith("error: ")]
    wanted = f"error: w_{value}.pth: 1 tensors hold nan or inf, first backbone.norm.weight: "
    assert lines[0].startswith(wanted) and len(lines) == 1
    assert "Traceback" not in done.err and not done.out
    assert not [p for p in ("scores.json", "g.pt", "runs") if (folder / p).exists()]


def test_imagenet_weights_are_refused_as_well():
    backbone = adapter("timm").build("test_vit", (32, 32))
    state = {name: tensor.clone() for name, tensor in backbone.module.state_dict().items()}
    state["norm.bias"][0] = math.nan
    with pytest.raises(ValueError, match="file.pth: 1 tensors hold nan or inf, first norm.bias"):
        load_imagenet(backbone, state, "file.pth")


def overflowing():
    """A network of finite weights whose score of anything but a flat image is infinite."""
    model = detail_network()
    model.heads["quality"].set_scale(0.0, 3e38)
    return model.eval()


def images():
    rng = np.random.default_rng(0)
    flat = np.full((32, 32, 3), 128, np.uint8)
    noisy = rng.integers(0, 256, (32, 32, 3), np.uint8)
    return [GivenImage(x, n) for n, x in (("a", flat), ("b", flat), ("c\n", noisy), ("d", noisy))]


def test_a_score_names_its_image():
    assert np.isfinite(scorer().predict_readable(images()[:2], False)[0].scores).all()
    with pytest.raises(ImageError, match=r"^c\\n: its score is inf, not a finite number: use "):
        scorer().predict_readable(images(), skip=False)


def test_a_map_names_its_image():
    with pytest.raises(ImageError, match=r"^c\\n: the scores of its parts are not finite"):
        quality_map(scorer(), images()[2])


def test_the_demo_names_the_image(tmp_path):
    """What stands in for an export that has lost its way on one image."""
    write_data(tmp_path, "regress", 1, 1)
    image = next((tmp_path / "test").rglob("*.png"))
    about = {"max_pixels": 10**8, "num_classes": 1, "columns": ["path", "score", "error"]}
    row = demo().row_of(image, about, lambda pixels: [np.full(1, math.nan)])
    assert row == {"path": image.as_posix(), "error": "unreadable: its score is nan"}
