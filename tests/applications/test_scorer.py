"""Scores from Python: the numbers of --predict for files, folders, arrays and Pillow images."""

from __future__ import annotations

import builtins
import json
import random
import re
import shutil
import sys
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from applications.scorer import COLUMNS, Scorer, from_pretrained, load_scorer, save_pretrained
from tests.cli import ROOT, TINY, call, inside, run_folders
from tests.small_photos import NAMES, small_photo
from tests.tiny_data import write_data
from utils.files.checkpoint import load
from utils.files.weight_names import PUBLISHED
from utils.imaging.images import read_image
from utils.runtime import distributed

BEST = "model_best_test_resnet.pth"


class Trained(NamedTuple):
    folder: Path
    weights: Path
    expected: list[dict]  # what --predict -o x.json says of data/test


def train(folder: Path, criterion: str, flags: str = "") -> Trained:
    write_data(folder / "data", criterion, train=2, held_out=1)
    # Three images of one odd size each, so that a view rule matters.
    for number, file in enumerate(sorted((folder / "data/test/images").iterdir())):
        Image.open(file).resize((50 + 30 * number, 47)).save(file)
    call(folder, f"--train --criterion {criterion} {TINY} --epochs 1 --no_check {flags}")
    weights = folder / "checkpoints" / BEST
    call(folder, f"--predict data/test --resume {weights} -j 0 -g 0 -o p.json")
    return Trained(folder, weights, json.loads((folder / "p.json").read_text()))


@pytest.fixture(scope="module")
def emd(tmp_path_factory) -> Trained:
    return train(tmp_path_factory.mktemp("emd"), "emd")


@pytest.fixture(scope="module")
def crops(tmp_path_factory) -> Trained:
    """One branch, unscaled crops, their median."""
    flags = "--crop random --crop_size 32 --test_crops 3 --crop_pool median"
    return train(tmp_path_factory.mktemp("regress"), "regress", flags)


@pytest.fixture
def scorer(emd) -> Scorer:
    return load_scorer(emd.weights, device="cpu")


def means(rows: list[dict]) -> list[float]:
    return [row["mean"] for row in rows]


def test_a_folder_is_scored_as_by_predict(emd, scorer):
    with inside(emd.folder):
        rows = scorer.score(["data/test"], table="rows")
    assert [tuple(row) for row in rows] == [COLUMNS] * 3
    assert [row["source"] for row in rows] == [row["path"] for row in emd.expected]
    assert means(rows) == pytest.approx([row["score"] for row in emd.expected], abs=1e-6)
    for row, wanted in zip(rows, emd.expected, strict=True):
        shares = [wanted[f"p{k}"] for k in range(1, 6)]
        assert row["scores"] == pytest.approx(shares, abs=1e-6) and type(row["scores"]) is list
        spread = np.std(np.repeat(np.arange(1, 6), np.round(np.array(shares) * 1e6).astype(int)))
        assert row["std"] == pytest.approx(wanted["std"], abs=1e-6)
        assert row["std"] == pytest.approx(spread, abs=1e-4)
    assert len({round(mean, 4) for mean in means(rows)}) == 3


def test_one_branch_has_neither_std_nor_scores(crops):
    scorer = load_scorer(crops.weights, device="cpu")
    assert scorer.network.view.crops == 3 and scorer.network.view.crop_pool == "median"
    rows = scorer.score([crops.folder / "data/test"], table="rows")
    assert means(rows) == pytest.approx([row["score"] for row in crops.expected], abs=1e-6)
    assert all(row["std"] is None and row["scores"] is None for row in rows)


def test_images_in_memory_are_scored_as_their_files(emd, scorer):
    files = sorted((emd.folder / "data/test/images").iterdir())
    arrays = [np.asarray(read_image(file)) for file in files]
    upside = np.asfortranarray(arrays[1])
    with Image.open(files[2]) as pillow:
        rows = scorer.score([arrays[0], files[0], upside, pillow, arrays[0]], table="rows")
    places = ["#0", files[0].as_posix(), "#2", "#3", "#4"]
    assert [row["source"] for row in rows] == places
    wanted = [emd.expected[i]["score"] for i in (0, 0, 1, 2, 0)]
    assert means(rows) == pytest.approx(wanted, abs=1e-6)
    assert means(scorer.score(arrays[2], table="rows")) == pytest.approx(wanted[3:4], abs=1e-6)
    assert means(scorer.score(str(files[0]), table="rows")) == pytest.approx(wanted[:1], abs=1e-6)
    assert scorer.score([], table="rows") == []


def test_bytes_and_tensors_are_scored_as_their_files(emd, scorer):
    files = sorted((emd.folder / "data/test/images").iterdir())
    arrays = [np.asarray(read_image(file)) for file in files]
    whole = torch.from_numpy(arrays[1].copy()).permute(2, 0, 1)
    given = [files[0].read_bytes(), whole, whole.float() / 255, whole.double() / 255]
    wanted = [emd.expected[i]["score"] for i in (0, 1, 1, 1)]
    assert means(scorer.score(given, table="rows")) == pytest.approx(wanted, abs=1e-6)
    assert means(scorer.score(given[0], table="rows")) == pytest.approx(wanted[:1], abs=1e-6)
    batch = torch.stack([whole, whole.flip(2)])
    rows = scorer.score(batch, table="rows")
    assert [row["source"] for row in rows] == ["#0", "#1"]
    assert means(rows)[0] == pytest.approx(wanted[1], abs=1e-6)
    grey = np.ascontiguousarray(arrays[1][:, :, 0])
    one, two, three = scorer.score(
        [grey, torch.from_numpy(grey), torch.from_numpy(grey)[None]], table="rows"
    )
    assert one["mean"] == two["mean"] == three["mean"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "#0: is empty"),
        (b"hello", "#0: not an image of a known format"),
        (torch.zeros(4, 8, 8), r"#0: a tensor of torch.float32 \(4, 8, 8\): expected uint8"),
        (torch.full((3, 8, 8), 1.5), "#0: a tensor .* numbers from 0 to 1 are wanted"),
        (torch.full((3, 8, 8), float("nan")), "#0: a tensor .* numbers from 0 to 1 are wanted"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "#0: a tensor of torch.int64"),
        (torch.zeros(3, 0, 8), "has no pixel"),
    ],
)
def test_bytes_and_tensors_that_are_no_images(scorer, given, said):
    with pytest.raises(ValueError, match=said):
        scorer.score(given, table="rows")


def test_grey_transparent_and_turned_images_follow_the_files_rules(tmp_path, scorer):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (44, 61), dtype=np.uint8)
    colour = rng.integers(0, 256, (44, 61, 4), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(colour).save(tmp_path / "clear.png")
    turned = Image.fromarray(colour[:, :, :3].copy())
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    names = ("grey", "clear", "turned")
    opened = [Image.open(tmp_path / f"{name}.png") for name in names]
    given = [grey, *opened, *(tmp_path / f"{name}.png" for name in names)]
    found = means(scorer.score(given, table="rows"))
    assert found[0] == pytest.approx(found[4], abs=1e-6)
    assert found[1:4] == pytest.approx(found[4:], abs=1e-6)
    assert abs(found[3] - means(scorer.score(colour[:, :, :3].copy(), table="rows"))[0]) > 1e-4
    assert opened[2].getexif()[0x0112] == 6 and opened[2].size == (61, 44)  # as they were given
    for image in opened:
        image.close()


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_batches_change_nothing(emd, batch_size):
    scorer = load_scorer(emd.weights, "cpu", batch_size=batch_size)
    rows = scorer.score([emd.folder / "data/test"], table="rows")
    assert means(rows) == pytest.approx([row["score"] for row in emd.expected], abs=1e-6)


def test_a_run_folder_means_its_best_weights(emd):
    run = run_folders(emd.folder)[-1]
    image = emd.folder / "data/test/images/photo0_0.png"
    best = load_scorer(run / BEST, "cpu").score(image, table="rows")
    assert load_scorer(str(run), "cpu").score(image, table="rows") == best


def test_training_from_weights_takes_their_backbone(emd, tmp_path):
    (tmp_path / "data").symlink_to(emd.folder / "data")
    flags = TINY.split("--image_size")[1]
    call(tmp_path, f"--train --resume {emd.weights} --image_size{flags} --epochs 1 --no_check")
    (run,) = run_folders(tmp_path)
    assert (run / BEST).is_file()
    assert json.loads((run / "config.json").read_text())["arch"] == "test_resnet"


def test_a_model_is_given_away_as_a_folder(emd, tmp_path):
    run, image = run_folders(emd.folder)[-1], emd.folder / "data/test/images/photo0_0.png"
    best = load_scorer(run, "cpu").score(image, table="rows")
    save_pretrained(run, tmp_path / "full")
    assert from_pretrained(tmp_path / "full", "cpu").score(image, table="rows") == best
    save_pretrained(run, tmp_path / "half", half=True, about="from 1 (bad) to 5 (good)")
    (row,) = load_scorer(tmp_path / "half", "cpu").score(image, table="rows")
    assert 0 < abs(row["mean"] - best[0]["mean"]) < 5e-3
    done = call(tmp_path, f"--predict {image} --resume half -j 0 -g 0")
    assert "scores: from 1 (bad) to 5 (good)" in done.out + done.err
    card = (tmp_path / "full/README.md").read_text()
    assert "test_resnet, emd" in card and "| srcc | " in card
    stored = (tmp_path / "full/config.json").read_text()
    assert str(emd.folder) not in stored + card
    with pytest.raises(ValueError, match="holds a model already"):
        save_pretrained(run, tmp_path / "full")
    text = (ROOT / "docs/score.md").read_text()
    (lines,) = [b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "save_pretrained" in b]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/RUN").symlink_to(run)
    known: dict = {}
    with inside(tmp_path):
        exec(compile(lines, "docs/score.md", "exec"), known)
    assert means(known["scorer"].score(image, table="rows")) == means([row])


def test_flags_are_those_of_predict(emd, tmp_path):
    image = emd.folder / "data/test/images/photo0_1.png"
    done = call(tmp_path, f"--predict {image} --resume {emd.weights} --resize pad -j 0 -o a.json")
    (wanted,) = json.loads((tmp_path / "a.json").read_text())
    assert done.code == 0
    padded = load_scorer(emd.weights, "cpu", resize="pad").score(image, table="rows")
    assert means(padded) == pytest.approx([wanted["score"]], abs=1e-6)
    assert abs(padded[0]["mean"] - emd.expected[1]["score"]) > 1e-4
    plain = tmp_path / "plain.pth"
    torch.save(load(emd.weights)["model"], plain)
    says = {"arch": "test_resnet", "num_classes": 5, "image_size": (40, 56)}
    rows = load_scorer(plain, "cpu", **says).score(image, table="rows")
    assert means(rows) == pytest.approx([emd.expected[1]["score"]], abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"resize": "stretch"}, "invalid choice: 'stretch'"),
        ({"batch_size": 0}, "0 is not above 0"),
        ({"batchsize": 3}, "batchsize: not one of .* did you mean batch_size"),
        ({"threads": 3}, "threads: not one of"),  # it would be ignored, as would the next
        ({"seed": 3}, "seed: not one of"),
        ({"device": "tpu"}, "invalid choice: 'tpu'"),
    ],
)
def test_a_wrong_flag_is_one_line(emd, flags, said):
    with pytest.raises(ValueError, match=said) as caught:
        load_scorer(emd.weights, **flags)
    assert "\n" not in str(caught.value)


FLOATS = np.zeros((4, 4, 3), np.float32)
ONE = np.zeros((9, 9, 3), np.uint8)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([ONE, FLOATS], r"#1: an array of float32 \(4, 4, 3\): expected uint8 \(H, W, 3\), RGB"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"#0: an array of uint8 \(2, 4, 4, 3\): expected"),
        ([np.zeros((4, 4, 4), np.uint8)], r"#0: an array of uint8 \(4, 4, 4\): expected"),
        ([np.zeros(4, np.uint8)], r"#0: an array of uint8 \(4,\): expected"),
        ([np.zeros((0, 4), np.uint8)], r"#0: an array of shape \(0, 4\) has no pixel"),
        ([ONE, torch.zeros(5, 4, 4)], r"#1: a tensor of torch.float32 \(5, 4, 4\): expected uint8"),
        ([None], "#0: an object of type NoneType: expected"),
        (["nowhere.png"], "nowhere.png: no such file, folder or list"),
        (["-"], "-: no such file, folder or list"),
        ([ONE, Image.new("F", (4, 4))], "#1: floating-point grey does not say what white is"),
    ],
)
def test_what_is_no_image_is_one_line(scorer, given, said):
    with pytest.raises(ValueError, match=said) as caught:
        scorer.score(given)
    assert "\n" not in str(caught.value)


def test_too_many_pixels_and_damaged_files_are_named(emd, tmp_path):
    scorer = load_scorer(emd.weights, "cpu", max_pixels=80)
    for given in (ONE, Image.fromarray(ONE)):
        with pytest.raises(ValueError, match="#0: 9x9 pixels are more than the cap of 80"):
            scorer.score([given])
    damaged = tmp_path / "a.png"
    Image.fromarray(np.tile(ONE, (20, 20, 1))).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:60])
    scorer = load_scorer(emd.weights, "cpu")
    with pytest.raises(ValueError, match="a.png: cannot be decoded"):
        scorer.score(damaged)
    with Image.open(damaged) as opened, pytest.raises(ValueError, match="#0: cannot be decoded"):
        scorer.score(opened)


def test_nothing_of_the_callers_is_changed(emd, monkeypatch):
    """Random numbers, threads, gradients, the model's mode, and a process group of the caller's."""

    def collective(*_):
        raise AssertionError("one process waits for others that score nothing")

    for name in ("any_rank", "all_gather_rows", "reduce_sum"):
        monkeypatch.setattr(distributed, name, collective)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")

    def state() -> list:
        drawn = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()
        modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads()
        return [drawn, modes, random.getstate(), Image.MAX_IMAGE_PIXELS, torch.get_default_dtype()]

    before = state()
    scorer = load_scorer(emd.weights, "cpu")
    assert not scorer.model.training
    scorer.model.train()
    found = means(scorer.score([emd.folder / "data/test"], table="rows"))
    assert scorer.model.training and state() == before
    assert found == pytest.approx([row["score"] for row in emd.expected], abs=1e-6)
    assert all(p.requires_grad for p in scorer.model.parameters())


# ---- pandas, where it is installed


class FakeFrame:
    def __init__(self, rows: list[dict], columns: list[str]) -> None:
        self.rows, self.columns = rows, columns


def test_a_data_frame_where_pandas_is(emd, crops, scorer, monkeypatch):
    pandas = types.ModuleType("pandas")
    pandas.DataFrame = FakeFrame
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    images = [emd.folder / "data/test"]
    for table in ("auto", "pandas"):
        frame = scorer.score(images, table=table)
        assert isinstance(frame, FakeFrame) and frame.columns == list(COLUMNS)
        assert frame.rows == scorer.score(images, table="rows")
    frame = load_scorer(crops.weights, "cpu").score([crops.folder / "data/test"])
    assert all(np.isnan(row["std"]) and row["scores"] is None for row in frame.rows)


def test_the_frame_of_the_real_pandas(emd, scorer):
    pandas = pytest.importorskip("pandas")
    frame = scorer.score([emd.folder / "data/test", ONE])
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == list(COLUMNS)
    assert frame["source"].iloc[-1] == "#1" and frame["mean"].dtype == frame["std"].dtype == float
    assert len(scorer.score([])) == 0


def test_without_pandas_rows_or_a_remedy(scorer, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.split(".")[0] == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert scorer.score(ONE)[0].keys() == set(COLUMNS)
    with pytest.raises(ValueError, match='pandas is not installed: pass table="rows"'):
        scorer.score(ONE, table="pandas")
    with pytest.raises(ValueError, match="choose from auto, pandas, rows"):
        scorer.score(ONE, table="polars")


# ---- the model that comes with the toolkit


def test_predict_without_weights_is_of_the_quality_model(tmp_path):
    photo = small_photo(NAMES[0], 400)
    photo.save(tmp_path / "sharp.png")
    photo.filter(ImageFilter.GaussianBlur(5)).save(tmp_path / "blurred.png")
    photo.resize((24, 24)).resize(photo.size, 0).save(tmp_path / "blocks.png")
    names = "sharp.png blurred.png blocks.png"
    done = call(tmp_path, f"--predict {names} -o s.json -j 0 -g 0 --threads 1")
    assert "--resume quality" in done.err and "technical quality" in done.err
    sharp, *worse = (row["score"] for row in json.loads((tmp_path / "s.json").read_text()))
    assert all(score < sharp - 5 for score in worse)
    (row,) = load_scorer("quality", "cpu").score(tmp_path / "sharp.png", table="rows")
    assert row["mean"] == pytest.approx(sharp, abs=1e-4)
    assert sum(file.stat().st_size for file in PUBLISHED["quality"].iterdir()) < 8e6


# ---- what the README shows


@pytest.mark.parametrize("readme", ["README.md", "README_zh.md"])
def test_the_lines_of_the_readme(emd, tmp_path, readme):
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text("utf-8"), re.S)
    assert len([line for line in lines.splitlines() if line]) == 3
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(emd.weights, tmp_path / "checkpoints/model_best_efficientnet_b0.pth")
    shutil.copytree(emd.folder / "data/test/images", tmp_path / "folder")
    read_image(tmp_path / "folder/photo0_1.png").save(tmp_path / "photo.jpg", quality=40)
    known: dict = {}
    with inside(tmp_path):
        exec(compile(lines, readme, "exec"), known)
    call(tmp_path, f"--predict photo.jpg folder --resume {emd.weights} -j 0 -g 0 -o p.json")
    wanted = json.loads((tmp_path / "p.json").read_text())
    table = known["table"]
    found = table if isinstance(table, list) else table.to_dict("records")
    assert [row["source"] for row in found] == [row["path"] for row in wanted]
    assert len(found) == 4 and found[0]["source"] == "photo.jpg"
    assert means(found) == pytest.approx([row["score"] for row in wanted], abs=1e-6)
