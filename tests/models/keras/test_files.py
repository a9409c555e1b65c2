"""Files of every layout, damaged files, and files of something else. Without Keras."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

h5py = pytest.importorskip("h5py", reason="h5py is not installed (requirements-keras.txt)")

from models.keras.importing import Imported, read_keras  # noqa: E402
from tests.keras_files import Layers, mobilenet_layers, write_keras_2  # noqa: E402

SIZE = (64, 64)
MOBILENET = mobilenet_layers()


def read(path: Path, arch: str | None = "mobilenetv1_100") -> Imported:
    return read_keras(path, arch, SIZE)


def refusal(path: Path, arch: str | None = "mobilenetv1_100") -> str:
    with pytest.raises(ValueError) as caught:
        read(path, arch)
    text = str(caught.value)
    assert "\n" not in text and text.startswith(str(path)), text
    return text


def changed(name: str, arrays: dict[str, np.ndarray] | None) -> Layers:
    """The network with other arrays in one layer, or without it."""
    layers = [(n, a if n != name else arrays) for n, a in MOBILENET]
    return [(n, a) for n, a in layers if a is not None]


def written(tmp_path: Path, layers: Layers, **options) -> Path:
    write_keras_2(tmp_path / "weights.h5", layers, **options)
    return tmp_path / "weights.h5"


@pytest.mark.parametrize(
    "options",
    [{}, {"group": "model_weights"}, {"chunk": 7}, {"scope": "tower_1/"}],
    ids=["weights", "model", "names in parts", "scopes"],
)
def test_layouts(tmp_path, options):
    found = read(written(tmp_path, MOBILENET, **options))
    arrays = dict(MOBILENET)
    assert found.arch == "keras:mobilenetv1_100_end" and found.num_classes == 10
    assert len(found.sources) == sum(len(a) for a in arrays.values()) == 137
    turned = {
        "backbone.conv_stem.weight": arrays["conv1"]["kernel"].transpose(3, 2, 0, 1),
        "backbone.bn1.running_var": arrays["conv1_bn"]["moving_variance"],
        "backbone.blocks.3.5.conv_dw.weight":  # one kernel per channel
            arrays["conv_dw_11"]["depthwise_kernel"][:, :, :, 0].transpose(2, 0, 1)[:, None],
        "heads.quality.fc.weight": arrays["dense_1"]["kernel"].T,
    }  # fmt: skip
    for name, array in turned.items():
        np.testing.assert_array_equal(found.state[name].numpy(), array)
    assert found.sources["heads.quality.fc.bias"] == "dense_1/bias"


def nested(path: Path, layers: Layers) -> Path:
    """A model with MobileNet as one of its layers."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"mobilenet_1.00_224", b"dense_1"]
        inner = file.create_group("mobilenet_1.00_224")
        paths = [(f"{n}/{kind}:0", a) for n, arrays in layers[:-1] for kind, a in arrays.items()]
        inner.attrs["weight_names"] = [name.encode() for name, _ in paths]
        for name, array in paths:
            inner[name] = array
        dense = file.create_group("dense_1")
        dense.attrs["weight_names"] = [b"dense_1/kernel:0", b"dense_1/bias:0"]
        for kind, array in layers[-1][1].items():
            dense[f"dense_1/{kind}:0"] = array
    return path


def test_a_model_in_a_model_does_not_say_how_it_pads(tmp_path):
    path = nested(tmp_path / "a.h5", MOBILENET)
    found = read(path)
    assert found.arch == "keras:mobilenetv1_100" and "does not say" in found.lines()[0]
    again = read(path, "keras:mobilenetv1_100_both")
    assert again.arch == "keras:mobilenetv1_100_both" and again.note.startswith("as --arch says,")
    assert all(torch.equal(again.state[name], tensor) for name, tensor in found.state.items())


def test_any_number_of_bins(tmp_path):
    assert read(written(tmp_path, mobilenet_layers(bins=5))).num_classes == 5
    path = written(tmp_path, mobilenet_layers(bins=101))
    assert "dense_1/kernel (1024, 101): must be (1024, K) for K bins, 2 to 100" in refusal(path)


def test_not_a_file_of_keras(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("weights")
    assert "not HDF5" in refusal(text)
    assert "is a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "none.h5")
    archive = tmp_path / "model.keras"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", "{}")
    assert "an archive such as .keras: in Keras, load it and write it" in refusal(archive)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["data"] = np.zeros(3)
    assert "not of Keras" in refusal(other)


def test_truncated(tmp_path):
    path = written(tmp_path, MOBILENET)
    path.write_bytes(path.read_bytes()[:200_000])
    assert "damaged: " in refusal(path)


def test_damaged_inside(tmp_path):
    """What is lost are the arrays' places, so that it shows when they are read, not before."""
    path = written(tmp_path, MOBILENET)
    with h5py.File(path) as file:
        packed = file["conv_pw_13/conv_pw_13/kernel:0"][()]
    with h5py.File(path, "r+") as file:
        del file["conv_pw_13/conv_pw_13/kernel:0"]
        data = file.create_dataset(
            "conv_pw_13/conv_pw_13/kernel:0", data=packed, compression="gzip"
        )
        start = data.id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[start : start + 100] = bytes(100)
    path.write_bytes(content)
    assert "damaged: " in refusal(path)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (changed("conv_dw_7", None), "lacks 1 layers of keras:mobilenetv1_100_end: conv_dw_7"),
        (
            changed("conv_dw_7", {"kernel": np.zeros((3, 3, 512, 2))}),
            "1 tensors of another shape: conv_dw_7/kernel (3, 3, 512, 2) instead of (3, 3, 512, 1)",
        ),
        (changed("conv1_bn", {"gamma": np.ones(32)}), "conv1_bn holds gamma, not gamma, beta"),
        (
            changed("conv1", {**dict(MOBILENET)["conv1"], "bias": np.ones(32)}),
            "layer conv1 holds kernel, bias, not kernel",
        ),
        (
            [*MOBILENET, ("extra", {"kernel": np.ones((1, 1, 2, 2), np.float32)})],
            "1 tensors have no place in the network: extra/kernel",
        ),
        ([*MOBILENET, ("dense_2", dict(MOBILENET)["dense_1"])], "4 tensors have no place"),
        (changed("dense_1", None), "no Dense layer on top"),
        (changed("dense_1", {"kernel": np.ones((1024, 10))}), "holds kernel, not kernel, bias"),
        (
            changed("dense_1", {"kernel": np.ones((512, 10)), "bias": np.ones(10)}),
            "dense_1/kernel (512, 10): must be (1024, K)",
        ),
        (
            changed("dense_1", {"kernel": np.ones((1024, 10)), "bias": np.full(10, np.nan)}),
            "dense_1/bias holds values that are not finite",
        ),
        (
            changed("conv1", {"kernel": np.ones((3, 3, 3, 32), np.int64)}),
            "conv1/kernel:0 is not an array of numbers",
        ),
    ],
)  # fmt: skip
def test_every_tensor_is_accounted_for(tmp_path, layers, said):
    assert said in refusal(written(tmp_path, layers))


def test_half_precision_and_double_are_numbers_too(tmp_path):
    kernel = dict(MOBILENET)["conv1"]["kernel"]
    for kind in (np.float16, np.float64):
        found = read(written(tmp_path, changed("conv1", {"kernel": kernel.astype(kind)})))
        stem = found.state["backbone.conv_stem.weight"]
        assert stem.dtype == torch.float32
        np.testing.assert_allclose(stem.numpy(), kernel.transpose(3, 2, 0, 1), atol=1e-3)


def test_another_network_is_named(tmp_path):
    path = written(tmp_path, MOBILENET)
    assert "it is of mobilenetv1_100: pass --arch mobilenetv1_100" in refusal(path, "nasnet_mobile")
    vgg = written(tmp_path, [("block1_conv1", {"kernel": np.ones((3, 3, 3, 64), np.float32)})])
    text = refusal(vgg, None)
    assert "none of mobilenetv1_100, inception_resnet_v2, nasnet_mobile: it has" in text
    assert "the layers block1_conv1" in text
    near = written(tmp_path, [("conv_dw_1_x", {"kernel": np.ones((3, 3), np.float32)})])
    assert "no layer conv_dw_1 in it: it has conv_dw_1_x" in refusal(near)


@pytest.mark.parametrize("arch", ["resnet18", "timm:mobilenetv1_100", "efficientnet_b0"])
def test_an_arch_that_keras_files_are_not_read_for(tmp_path, arch):
    with pytest.raises(ValueError, match=f"--import_keras: --arch {arch} is not among mobilenetv1"):
        read(written(tmp_path, MOBILENET), arch)


def test_other_files_are_not_followed(tmp_path):
    """A weight file must not bring in what lies elsewhere on the machine."""
    secret = tmp_path / "secret"
    kernel = dict(MOBILENET)["conv1"]["kernel"]
    secret.write_bytes(kernel.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["kernel"] = kernel
    links = {
        "a link to elsewhere": lambda group: h5py.ExternalLink(tmp_path / "other.h5", "kernel"),
        "in another file": lambda group: group.create_dataset(
            "raw", kernel.shape, np.float32, external=[(secret, 0, kernel.nbytes)]
        ),
    }
    layout = h5py.VirtualLayout(kernel.shape, np.float32)
    layout[...] = h5py.VirtualSource(tmp_path / "other.h5", "kernel", kernel.shape)
    links["another file"] = lambda group: group.create_virtual_dataset("virtual", layout)
    for said, make in links.items():
        path = written(tmp_path, MOBILENET)
        with h5py.File(path, "r+") as file:
            del file["conv1/conv1/kernel:0"]
            file["conv1/conv1/kernel:0"] = make(file["conv1"])
        assert "conv1/kernel:0" in (text := refusal(path)) and said in text
    path = written(tmp_path, MOBILENET)
    with h5py.File(path, "r+") as file:
        del file["conv1/conv1/kernel:0"]
    assert "conv1/kernel:0 is named, but not in it" in refusal(path)


def test_a_name_that_is_none(tmp_path):
    """An error stays one line, whatever the file calls its layers."""
    path = written(tmp_path, [*MOBILENET, ("a\nb", {"kernel": np.ones(1)})])
    assert r"'a\nb' is no name" in refusal(path)


def keras_3(path: Path, layers: Layers, names: bool) -> Path:
    """save_weights of Keras 3: `names` as its newer versions write them."""
    with h5py.File(path, "w") as file:
        for i, (name, arrays) in enumerate(layers):
            group = file.create_group(f"layers/layer_{len(layers) - i}/vars")
            if names:
                group.attrs["name"] = name
            for j, array in enumerate(arrays.values()):
                group[str(j)] = array
        file["optimizer/vars/0"] = np.ones(3)
    return path


def test_keras_3_says_the_names_of_layers_or_cannot_be_read(tmp_path):
    expected = read(written(tmp_path, MOBILENET))
    found = read(keras_3(tmp_path / "a.weights.h5", MOBILENET, True))
    assert found.arch == expected.arch  # told by the layers without weights
    tensors = expected.state.items()
    assert all(torch.equal(found.state[name], tensor) for name, tensor in tensors)
    # A version that left those out would not tell.
    bare = [(name, arrays) for name, arrays in MOBILENET if arrays]
    found = read(keras_3(tmp_path / "c.weights.h5", bare, True))
    assert found.arch == "keras:mobilenetv1_100" and "does not say" in found.note
    early = keras_3(tmp_path / "b.weights.h5", MOBILENET, False)
    assert "without the names of its layers: in Keras, load it" in refusal(early)


def test_without_h5py_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="pip install -r requirements-keras.txt"):
        read(tmp_path / "a.h5")
