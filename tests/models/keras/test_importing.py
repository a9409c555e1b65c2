"""Networks of Keras itself, with random weights, against what is imported from their files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("h5py", reason="h5py is not installed (requirements-keras.txt)")

from models.keras.importing import Imported, read_keras  # noqa: E402
from models.quality_net import build_model  # noqa: E402
from tests import keras_networks as networks  # noqa: E402
from tests.keras_files import as_keras_2, write_keras_2  # noqa: E402

TOLERANCE = 1e-4
# NumPy's remark about how Keras turns a tensor into an array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return networks.import_keras(tmp_path_factory.mktemp("keras"))
        except ImportError:
            pytest.skip("Keras is not installed (requirements-test.txt)")


def pixels(size: tuple[int, int]) -> np.ndarray:
    """Three images of waves with grain: uint8 (3, H, W, 3)."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: size[0], : size[1]]
    fy, fx, phase = rng.uniform(0.02, 0.4, (3, 3, 1, 1, 3))
    waves = np.sin(fy * y[None, ..., None] + fx * x[None, ..., None] + 20 * phase)
    grain = rng.normal(0, 0.05, waves.shape)
    return (255 * np.clip(0.5 + 0.4 * waves + grain, 0, 1)).round().astype(np.uint8)


def two_images(size: tuple[int, int]) -> np.ndarray:
    return pixels(size)[:2]


def as_input(images: np.ndarray) -> np.ndarray:
    """Keras's own preprocessing of these networks: [-1, 1]."""
    return images.astype(np.float32) / 127.5 - 1


def trained(keras: Any, base: Any, *sizes: tuple[int, int]) -> Any:
    model = networks.with_head(keras, base)
    networks.randomise(keras, model, [as_input(pixels(size)) for size in sizes], seed=2)
    return model


def histograms(imported: Imported, images: np.ndarray, arch: str = "") -> np.ndarray:
    """(N, K) of our network with the file's weights, or of another one with the same tensors."""
    net = build_model(arch or imported.arch, imported.num_classes, images.shape[1:3]).eval()
    net.load_state_dict({**net.state_dict(), **imported.state})
    with torch.inference_mode():
        logits = net(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).logits
    return torch.softmax(logits, dim=1).numpy()


def check_same_output(model: Any, imported: Imported, size: tuple[int, int]) -> np.ndarray:
    """Returns Keras's histograms of two images."""
    images = two_images(size)
    theirs = model.predict(as_input(images), verbose=0)
    # Outputs that all look alike would prove nothing.
    assert np.abs(theirs[0] - theirs[1]).max() > 100 * TOLERANCE and theirs.max() < 0.99
    assert np.abs(histograms(imported, images) - theirs).max() < TOLERANCE
    return theirs


def check_same_tensors(first: Imported, file: Path, size: tuple[int, int]) -> None:
    again = read_keras(file, None, size)
    file.unlink()
    assert again.arch == first.arch and again.state.keys() == first.state.keys()
    assert all(torch.equal(again.state[name], tensor) for name, tensor in first.state.items())


def keras_2(model: Any, path: Path, **options: Any) -> Path:
    write_keras_2(path, as_keras_2(networks.layers_of(model), 7), **options)
    return path


def test_mobilenet(keras, tmp_path):
    sizes = [(224, 224), (193, 225)]
    model = trained(keras, networks.mobilenet(keras), *sizes)
    imported = read_keras(keras_2(model, tmp_path / "a.hdf5"), "mobilenetv1_100", sizes[0])
    assert imported.arch == "keras:mobilenetv1_100" and imported.num_classes == networks.BINS
    assert len(imported.sources) == 137 and not imported.ones
    for size in sizes:
        theirs = check_same_output(model, imported, size)
        # The same tensors in timm's own network run, and are wrong.
        other = histograms(imported, two_images(size), "timm:mobilenetv1_100")
        assert np.abs(other - theirs).max() > 100 * TOLERANCE
    for name in ("b.h5", "c.weights.h5"):
        file = networks.save_with_keras(model, tmp_path / name)
        check_same_tensors(imported, file, sizes[0])


ONE, END = ((1, 1), (1, 1)), ((0, 1), (0, 1))


@pytest.mark.parametrize(
    ("variant", "first", "others", "has_layer"),
    [
        ("mobilenetv1_100_same", "same", "same", lambda block, strided: False),
        ("mobilenetv1_100_both", ONE, ONE, lambda block, strided: True),
        ("mobilenetv1_100_end", END, END, lambda block, strided: strided),
        ("mobilenetv1_100", "same", END, lambda block, strided: strided and block is not None),
    ],
)
def test_mobilenet_is_padded_as_the_keras_that_wrote_the_file(
    keras, tmp_path, variant, first, others, has_layer
):
    """At odd sizes no two of them compute the same."""
    size = (97, 131)
    model = trained(keras, networks.padded_mobilenet(keras, first, others, has_layer), size)
    imported = read_keras(keras_2(model, tmp_path / "a.h5"), None, size)
    assert imported.arch == f"keras:{variant}"
    theirs = check_same_output(model, imported, size)
    variants = ["", "_same", "_both", "_end"]
    for other in {f"keras:mobilenetv1_100{v}" for v in variants} - {imported.arch}:
        found = histograms(imported, two_images(size), other)
        assert np.abs(found - theirs).max() > 10 * TOLERANCE, other


def test_inception_resnet(keras, tmp_path):
    sizes = [(96, 128), (139, 107)]
    model = trained(keras, networks.inception_resnet(keras), *sizes)
    file = keras_2(model, tmp_path / "a.h5", chunk=300)
    imported = read_keras(file, "inception_resnet_v2", sizes[0])
    file.unlink()  # 220 MB
    assert imported.arch == "inception_resnet_v2" and len(imported.sources) == 898
    assert len(imported.ones) == 204
    for size in sizes:
        check_same_output(model, imported, size)
    file = networks.save_with_keras(model, tmp_path / "c.weights.h5")
    check_same_tensors(imported, file, sizes[0])


def test_nasnet_mobile(keras, tmp_path):
    size = (128, 97)  # maps of odd and even sizes before the reductions
    model = trained(keras, networks.nasnet(keras, size), size)
    file = keras_2(model, tmp_path / "a.h5", scope="reduction_A_block_stem_1/")
    imported = read_keras(file, "nasnet_mobile", size)
    assert imported.arch == "keras:nasnet_mobile" and len(imported.sources) == 1126
    theirs = check_same_output(model, imported, size)
    other = histograms(imported, two_images(size), "keras:nasnet_mobile_same")
    assert np.abs(other - theirs).max() > 10 * TOLERANCE
    file = networks.save_with_keras(model, tmp_path / "c.weights.h5")
    check_same_tensors(imported, file, size)


def test_nasnet_mobile_of_titu1994(keras, tmp_path):
    """Other names, and TensorFlow's `same` pooling. Where a map has an even size Keras on torch
    pools otherwise than on TensorFlow; here all are odd, and test_nasnet_mobile.py has both.
    """
    size = (99, 131)
    model = trained(keras, networks.nasnet_same(keras, size), size)
    layers = as_keras_2(networks.layers_of(model))
    renamed = [(name.replace("reduction_right1_", "reduction_1_"), a) for name, a in layers]
    assert renamed != layers
    write_keras_2(tmp_path / "a.h5", renamed)
    imported = read_keras(tmp_path / "a.h5", None, size)
    assert imported.arch == "keras:nasnet_mobile_same"
    check_same_output(model, imported, size)
