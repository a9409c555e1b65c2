"""Files as Keras 2 writes them, and a MobileNet to put into one, without Keras."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np

# (layer's name, {name of an array: the array}) of every layer, also of those without weights.
Layers = list[tuple[str, dict[str, np.ndarray]]]


def mobilenet_layers(bins: int = 10, seed: int = 0) -> Layers:
    """NIMA's MobileNet as Keras 2.2 names its layers: 137 arrays."""
    rng = np.random.default_rng(seed)

    def kernel(*shape: int, inputs: int) -> np.ndarray:
        return rng.normal(0, inputs**-0.5, shape).astype(np.float32)

    def norm(maps: int) -> dict[str, np.ndarray]:
        low = {"gamma": 0.5, "beta": -0.5, "moving_mean": -0.5, "moving_variance": 0.5}
        drawn = {kind: rng.uniform(least, least + 1, maps) for kind, least in low.items()}
        return {kind: values.astype(np.float32) for kind, values in drawn.items()}

    layers: Layers = [("input_1", {}), ("conv1_pad", {})]
    layers += [("conv1", {"kernel": kernel(3, 3, 3, 32, inputs=27)}), ("conv1_bn", norm(32))]
    maps = 32
    for i, width in enumerate([64, 128, 128, 256, 256, *[512] * 6, 1024, 1024], start=1):
        layers += [(f"conv_pad_{i}", {})] if i in (2, 4, 6, 12) else []
        depthwise = {"depthwise_kernel": kernel(3, 3, maps, 1, inputs=9)}
        layers += [(f"conv_dw_{i}", depthwise), (f"conv_dw_{i}_bn", norm(maps))]
        pointwise = {"kernel": kernel(1, 1, maps, width, inputs=maps)}
        layers += [(f"conv_pw_{i}", pointwise), (f"conv_pw_{i}_bn", norm(width))]
        maps = width
    head = {"kernel": kernel(maps, bins, inputs=10), "bias": kernel(bins, inputs=1)}
    return [*layers, ("dropout_1", {}), ("dense_1", head)]


def as_keras_2(layers: Layers, first_number: int = 1) -> Layers:
    """The same layers under the names of Keras 2: numbers from `first_number`, and a depthwise
    convolution's own name for its kernel.
    """
    renamed = []
    for name, arrays in layers:
        automatic = re.fullmatch(r"(conv2d|batch_normalization|dense)(?:_(\d+))?", name)
        if automatic:
            name = f"{automatic[1]}_{int(automatic[2] or 0) + first_number}"
        if re.fullmatch(r"conv_dw_\d+", name):
            arrays = {"depthwise_kernel": arrays["kernel"]}
        renamed.append((name, arrays))
    return renamed


def write_keras_2(
    path: Path, layers: Layers, scope: str = "", group: str = "", chunk: int | None = None
) -> None:
    """save_weights of Keras 2 (`group` "model_weights": its model.save). scope: what TensorFlow
    puts before names; chunk: names per attribute, where they are too long for one.
    """
    with h5py.File(path, "w") as file:
        top = file.create_group(group) if group else file
        top.attrs["backend"], top.attrs["keras_version"] = b"tensorflow", b"2.1.6"
        names = [name.encode() for name, _ in layers]
        if chunk is None:
            top.attrs["layer_names"] = names
        else:
            for i in range(0, len(names), chunk):
                top.attrs[f"layer_names{i // chunk}"] = names[i : i + chunk]
        for name, arrays in layers:
            layer = top.create_group(name)
            paths = [f"{scope}{name}/{kind}:0" for kind in arrays]
            layer.attrs["weight_names"] = [p.encode() for p in paths]
            for p, array in zip(paths, arrays.values(), strict=True):
                layer[p] = array
