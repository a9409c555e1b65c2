"""Keras's own networks with random weights, and the files that Keras 3 writes of them."""

from __future__ import annotations

import os
import re
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.keras_files import Layers

BINS = 10


def import_keras(home: Path) -> Any:
    """Keras on torch; its settings go into `home`. Raises ImportError where it is not installed."""
    os.environ.update(KERAS_BACKEND="torch", KERAS_HOME=str(home), KERAS_TORCH_DEVICE="cpu")
    import keras

    return keras


def mobilenet(keras: Any) -> Any:
    return keras.applications.MobileNet(
        input_shape=(None, None, 3), include_top=False, pooling="avg", weights=None
    )


def inception_resnet(keras: Any) -> Any:
    return keras.applications.InceptionResNetV2(
        input_shape=(None, None, 3), include_top=False, pooling="avg", weights=None
    )


def nasnet(keras: Any, size: tuple[int, int]) -> Any:
    """NASNetMobile; the public function of that name refuses torch, the one below it does not."""
    from keras.src.applications import nasnet

    return nasnet.NASNet(
        (*size, 3), penultimate_filters=1056, num_blocks=4, stem_block_filters=32,
        skip_reduction=False, include_top=False, weights=None, pooling="avg", default_size=224,
    )  # fmt: skip


def nasnet_same(keras: Any, size: tuple[int, int]) -> Any:
    """As titu1994 and the first versions of Keras had it: `same` in place of explicit padding."""
    from keras.src.applications import nasnet as module

    layers = keras.layers

    def pooling(kind: Callable) -> Callable:
        def make(*given: Any, name: str, padding: str, **options: Any) -> Any:
            same = name.startswith("reduction_")
            return kind(*given, name=name, padding="same" if same else padding, **options)

        return make

    def padding(*given: Any, name: str | None = None, **options: Any) -> Any:
        explicit = re.match(r"(reduction|separable_conv_1)_pad_", name or "")
        return (lambda x: x) if explicit else layers.ZeroPadding2D(*given, name=name, **options)

    def separable(*given: Any, padding: str, **options: Any) -> Any:
        return layers.SeparableConv2D(*given, padding="same", **options)

    changed = types.SimpleNamespace(**vars(layers))
    changed.MaxPooling2D = pooling(layers.MaxPooling2D)
    changed.AveragePooling2D = pooling(layers.AveragePooling2D)
    changed.ZeroPadding2D, changed.SeparableConv2D = padding, separable
    module.layers = changed
    try:
        return nasnet(keras, size)
    finally:
        module.layers = layers


def padded_mobilenet(keras: Any, first: Any, others: Any, names: Callable) -> Any:
    """MobileNet with other paddings: "same", or what ZeroPadding2D takes; names(number of the block
    or None, whether it is strided) says whether there is a padding layer.
    """
    layers = keras.layers
    x = images = layers.Input((None, None, 3))
    widths = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    strided = (2, 4, 6, 12)

    def pad(x: Any, amount: Any, name: str, wanted: bool) -> tuple[Any, str]:
        if not wanted:
            return x, "same"
        return layers.ZeroPadding2D(amount, name=name)(x), "valid"

    def norm(x: Any, name: str) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization(name=f"{name}_bn")(x))

    x, how = pad(x, first, "conv1_pad", names(None, True))
    options = {"use_bias": False, "padding": how}
    x = norm(layers.Conv2D(32, 3, strides=2, name="conv1", **options)(x), "conv1")
    for i, width in enumerate(widths, start=1):
        stride = 2 if i in strided else 1
        amount = others if stride == 2 else (1, 1)
        x, how = pad(x, amount, f"conv_pad_{i}", names(i, stride == 2))
        options = {"use_bias": False, "padding": how}
        x = layers.DepthwiseConv2D(3, strides=stride, name=f"conv_dw_{i}", **options)(x)
        x = norm(x, f"conv_dw_{i}")
        x = norm(layers.Conv2D(width, 1, use_bias=False, name=f"conv_pw_{i}")(x), f"conv_pw_{i}")
    return keras.Model(images, layers.GlobalAveragePooling2D()(x))


def with_head(keras: Any, base: Any, bins: int = BINS) -> Any:
    """As the NIMA projects put it on top."""
    x = keras.layers.Dropout(0.75)(base.output)
    return keras.Model(base.input, keras.layers.Dense(bins, activation="softmax")(x))


def randomise(keras: Any, model: Any, sizes: list[np.ndarray], seed: int) -> None:
    """Random weights of which none is neutral, with lively outputs: statistics near those of the
    first images (N, H, W, 3), and a head that turns the differences of all into logits of about 1.
    """
    rng = np.random.default_rng(seed)
    for weight in (w for layer in model.layers for w in layer.weights if len(w.shape) == 4):
        height, width, maps, outputs = weight.shape
        inputs = height * width * (1 if outputs == 1 else maps)
        drawn = rng.standard_normal(weight.shape, dtype=np.float32)
        weight.assign(drawn * np.float32((2 / inputs) ** 0.5))
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0  # one pass sets the statistics
        layer.beta.assign(rng.normal(0, 0.3, layer.beta.shape))
        if layer.scale:
            layer.gamma.assign(rng.uniform(0.6, 1.4, layer.gamma.shape))
    model(sizes[0], training=True)
    for layer in norms:
        mean, variance = (np.array(w.numpy()) for w in (layer.moving_mean, layer.moving_variance))
        shift = 0.2 * np.sqrt(variance) * rng.normal(size=mean.shape)
        layer.moving_mean.assign(mean + shift)
        layer.moving_variance.assign(variance * rng.uniform(0.7, 1.4, variance.shape) + 1e-3)
    body = keras.Model(model.input, model.layers[-2].input)
    features = np.concatenate([body.predict(images, verbose=0) for images in sizes])
    kernel = rng.normal(size=(features.shape[1], model.output.shape[1]))
    spread = ((features - features.mean(0)) @ kernel).std()
    bias = rng.normal(0, 0.5, kernel.shape[1]) - features.mean(0) @ kernel / spread
    model.layers[-1].set_weights([kernel / spread, bias])


def layers_of(model: Any) -> Layers:
    """Names and arrays as Keras 3 has them."""
    found = []
    for layer in model.layers:
        weights = [*layer.trainable_weights, *layer.non_trainable_weights]
        found.append((layer.name, {w.name: np.array(w.numpy()) for w in weights}))
    return found


def save_with_keras(model: Any, path: Path) -> Path:
    """model.save to .h5, or save_weights to .weights.h5, without Keras's remarks."""
    import absl.logging

    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy's, about Keras's use of it
            save = model.save_weights if path.name.endswith(".weights.h5") else model.save
            save(path)
    finally:
        absl.logging.set_verbosity(before)
    return path
