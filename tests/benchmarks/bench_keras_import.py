"""Keras's NIMA networks against what --import_keras makes of their files: largest difference of the
histograms of four images, at an even and an odd size. Needs Keras (requirements-test.txt).

    python tests/benchmarks/bench_keras_import.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.keras.importing import read_keras
from models.quality_net import build_model
from tests import keras_networks as networks
from tests.keras_files import as_keras_2, write_keras_2

SIZES = [(224, 224), (193, 225)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        keras = networks.import_keras(Path(folder))
        bases = {
            "mobilenetv1_100": lambda size: networks.mobilenet(keras),
            "inception_resnet_v2": lambda size: networks.inception_resnet(keras),
            "nasnet_mobile": lambda size: networks.nasnet(keras, size),
        }
        for arch, base in bases.items():
            for size in SIZES:
                model = networks.with_head(keras, base(size))
                worst = compare(keras, model, arch, size, Path(folder) / "weights.h5")
                print(f"{arch}, {size[0]} x {size[1]}: {worst:.1e}", flush=True)


def compare(keras, model, arch: str, size: tuple[int, int], file: Path) -> float:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    small = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    images = torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 255).round()
    theirs_in = (images.permute(0, 2, 3, 1) / 127.5 - 1).contiguous().numpy()
    networks.randomise(keras, model, [theirs_in], seed=1)
    write_keras_2(file, as_keras_2(networks.layers_of(model)))
    imported = read_keras(file, arch, size)
    net = build_model(imported.arch, imported.num_classes, size).eval()
    net.load_state_dict({**net.state_dict(), **imported.state})
    with torch.inference_mode():
        ours = torch.softmax(net(images / 255).logits, dim=1).numpy()
    return float(np.abs(ours - model.predict(theirs_in, verbose=0)).max())


if __name__ == "__main__":
    main()
