"""--resize native: networks of one size are refused before an image is looked at, and an image that
is too small for one of the others is named.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from models.quality_net import build_model
from tests.cli import call
from tests.tiny_data import write_split


def weights(folder: Path, arch: str, size: tuple[int, int]) -> str:
    torch.save(build_model(arch, image_size=size).state_dict(), folder / "w.pth")
    return f"--resume w.pth --arch {arch} --image_size {size[0]} {size[1]} --resize native -g 0"


@pytest.mark.parametrize("mode", ["--predict nowhere.png", "--jit -o x.pt"])
def test_a_network_of_one_size_is_refused(tmp_path, mode):
    flags = weights(tmp_path, "vit_tiny_patch16_224", (32, 32))
    (tmp_path / "nowhere.png").write_bytes(b"no image: nothing is decoded")
    err = call(tmp_path, f"{mode} {flags}", 1).err
    assert (
        "--resize native: vit_tiny_patch16_224 takes images of 32x32 pixels only: pass --resize"
        in err
    )
    assert err.count("\n") == 1 and not (tmp_path / "x.pt").exists()


def test_an_image_too_small_is_named(tmp_path):
    flags = weights(tmp_path, "squeezenet1_1", (64, 64))
    image = write_split(tmp_path / "images", "regress", 1, 0)[0]
    with_small = tmp_path / "images/images/small.png"
    Image.open(image).resize((9, 8)).save(with_small)
    err = call(tmp_path, f"--predict images {flags} -j 0", 1).err
    assert "small.png: 9x8 pixels: squeezenet1_1 cannot take this size: take the image out" in err
    with_small.unlink()
    assert "photo0_0.png" in call(tmp_path, f"--predict images {flags} -j 0").out
