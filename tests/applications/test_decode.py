"""--decode fast: the weights say how their images are decoded, and every mode does it so."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from applications.scorer import load_scorer
from tests.cli import TINY, call, refused
from tests.tiny_data import picture
from utils.files import checkpoint
from utils.imaging.images import ViewRule, view

BEST = "checkpoints/model_best_test_resnet.pth"
ONCE = f"{TINY} --epochs 1 --bootstrap 0 --criterion regress"
USE = f"--resume {BEST} -g 0 -j 0"


def write_jpegs(root: Path) -> None:
    """JPEGs of 320x240 pixels, of which an eighth is too little for twice 56x40."""
    rng = np.random.default_rng(5)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        (root / split).mkdir(parents=True)
        lines = []
        for number in range(count):
            picture(rng, 10 * number, (240, 320)).save(root / split / f"{number}.jpg")
            lines.append(f"{number}.jpg,{5 - number / 2}\n")
        (root / split / "label.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fast")
    write_jpegs(folder / "data")
    call(folder, f"--train --decode fast {ONCE}")
    return folder


def scores(folder: Path, words: str) -> np.ndarray:
    call(folder, f"--predict data/test {USE} {words} -o scores.csv")
    with open(folder / "scores.csv", encoding="utf-8", newline="") as text:
        return np.array([float(row["score"]) for row in csv.DictReader(text)])


def test_what_uses_the_weights_decodes_as_they_say(trained):
    payload = checkpoint.load(trained / BEST)
    assert payload["view"]["decode"] == "fast"
    network = load_scorer(trained / BEST, "cpu").network
    files = sorted((trained / "data/test").glob("*.jpg"))
    rule, found = ViewRule((40, 56)), {}
    for decode, scale in (("fast", 2), ("exact", 1)):
        seen = []
        for file in files:
            with Image.open(file) as image:
                image.draft("RGB", (320 // scale, 240 // scale))
                seen.append(view(image.convert("RGB"), rule)[0])
        pixels = torch.from_numpy(np.stack(seen)).float() / 255
        with torch.inference_mode():
            found[decode] = network.model(pixels).scores.numpy()
    assert scores(trained, "") == pytest.approx(found["fast"], abs=1e-5)
    assert scores(trained, "--decode exact") == pytest.approx(found["exact"], abs=1e-5)
    assert np.abs(found["fast"] - found["exact"]).max() > 1e-4
    said = call(trained, f"-e {USE} --no_report --decode exact --bootstrap 0").err
    assert "flags change how the weights see images: decode exact in place of fast" in said
    assert "flags change" not in call(trained, f"-e {USE} --no_report --bootstrap 0").err


def test_an_export_says_by_how_much_full_decoding_differs(trained):
    said = call(trained, f"--jit {USE.replace('-j 0', '')}").err
    assert "the network sees JPEGs decoded fast (--decode fast)" in said


def test_distortions_are_decoded_in_full(trained, tmp_path):
    shutil.copytree(trained / "data", tmp_path / "data")
    for split in ("train", "val", "test"):
        lines = ["path,reference_id,distortion,level\n"]
        lines += [f"{n}.jpg,a{split},{'jpeg' if n else 'none'},{n}\n" for n in range(4)]
        (tmp_path / "data" / split / "levels.csv").write_text("".join(lines))
        (tmp_path / "data" / split / "label.txt").write_text("0.jpg,4\n1.jpg,3\n2.jpg,2\n3.jpg,1\n")
    for words in (f"--train --decode fast {ONCE}", f"-e --resume {trained / BEST} -g 0 -j 0"):
        said = call(tmp_path, words, 1).err.splitlines()[-1]
        assert "levels.csv: the images are distortions of photographs" in said
        assert said.endswith("pass --decode exact")
    photos = f"--photos {trained / 'data/train'} --distort basic"
    said = call(tmp_path, f"--train --criterion rank --decode fast {photos} {TINY}", 1).err
    assert "--distort basic makes distortions" in said


@pytest.mark.parametrize("flag", ["--crop random", "--resize native --crop random"])
def test_pixels_that_are_not_resized_are_not_decoded_fast(tmp_path, flag):
    refused(tmp_path, f"--train --decode fast {flag}", "--decode fast and --")
