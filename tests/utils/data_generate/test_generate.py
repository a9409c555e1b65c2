"""The generator: distortions on real photographs, and what lies on disk afterwards."""

import csv
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.signal import convolve2d
from scipy.stats import norm

from dataloader.labels.text import check_splits, read_labels
from tests.cli import ROOT, fork, until
from tests.label_rows import rows_of
from tests.small_photos import PHOTOS, centre
from utils.data_generate import command
from utils.data_generate import photos as photos_module
from utils.data_generate.distortions import SETS, distort
from utils.data_generate.generate import generate
from utils.data_generate.photos import (
    find_photos,
    keep_apart,
    name_photos,
    package_photos,
    split_photos,
)
from utils.data_generate.ssim import luma_ssim
from utils.imaging.images import read_image


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(float) - b) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def test_ssim_is_the_papers_formula():
    image = centre(PHOTOS["coffee"], 64)
    noisy = distort(image, "white_noise", 2, np.random.default_rng(0))
    weights = norm.pdf(np.arange(-5, 6), scale=1.5)
    window = np.outer(weights, weights) / weights.sum() ** 2

    def blur(values: np.ndarray) -> np.ndarray:
        return convolve2d(values, window, "valid")

    def luma(pixels: np.ndarray) -> np.ndarray:
        values = pixels.astype(float) @ [0.299, 0.587, 0.114]
        return sum(values[i::4, j::4] for i in range(4) for j in range(4)) / 16

    x, y = luma(image), luma(noisy)
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    ssim /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    assert luma_ssim(image, noisy) == pytest.approx(ssim.mean(), abs=1e-9)
    assert luma_ssim(image, image) == 1.0
    with pytest.raises(ValueError, match="11x11"):
        luma_ssim(image[:10], noisy[:10])


def test_package_photographs_are_real_colour_photographs():
    assert len(PHOTOS) >= 10
    for path in PHOTOS.values():
        image = read_image(path)
        assert min(image.size) >= 300
        assert np.ptp(np.asarray(image.resize((64, 64))).astype(int), axis=-1).max() > 30, path


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(photos_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="requirements-quickstart.txt"):
        package_photos()


def test_photographs_are_found_below_a_folder(tmp_path):
    for name in ("b.png", "sub/a.JPG", ".hidden/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photograph")
    assert [p.name for p in find_photos(tmp_path)] == ["b.png", "a.JPG"]
    with pytest.raises(ValueError, match="not a folder"):
        find_photos(tmp_path / "b.png")
    with pytest.raises(ValueError, match="no photographs"):
        (tmp_path / "empty").mkdir()
        find_photos(tmp_path / "empty")


def test_names_are_safe_in_label_files_and_never_clash():
    named = name_photos(
        [Path("x/a,b #1.jpg"), Path("x/c.png"), Path("y/C.png"), Path("x/.hid.png")]
    )
    assert list(named) == ["a_b__1", "x_c", "y_C", "hid"]
    with pytest.raises(ValueError, match="rename one"):
        name_photos([Path("x/a.jpg"), Path("x/a.png")])


def test_splits_are_whole_drawn_by_seed_and_independent_of_the_folder():
    paths = [Path(f"p{i}.png") for i in range(9)]
    splits = split_photos(paths, 2, 3, seed=1)
    assert {k: len(v) for k, v in splits.items()} == {"train": 4, "val": 2, "test": 3}
    assert sorted(p for members in splits.values() for p in members) == paths
    moved = split_photos([Path("elsewhere") / p for p in reversed(paths)], 2, 3, seed=1)
    assert {k: [p.name for p in v] for k, v in moved.items()} == {
        k: [p.name for p in v] for k, v in splits.items()
    }
    assert split_photos(paths, 2, 3, seed=2) != splits
    assert list(split_photos(paths, 0, 3, seed=1)) == ["train", "test"]
    for seed in range(5):
        kept = split_photos(paths, 2, 3, seed, frozenset([paths[0].stem, paths[1].stem]))
        assert {paths[0], paths[1]} <= set(kept["train"])
    with pytest.raises(ValueError, match="leave one to train on"):
        split_photos(paths, 6, 3, seed=1)


@pytest.fixture(scope="module")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four small crops of real photographs; the first has room for two tiles of 64."""
    folder = tmp_path_factory.mktemp("photos")
    for name, width in (("coffee", 140), ("china", 70), ("chelsea", 64), ("rocket", 64)):
        Image.fromarray(centre(PHOTOS[name])[:64, :width]).save(folder / f"{name}.png")
    return find_photos(folder)


@pytest.fixture(scope="module")
def splits(small_photos):
    chelsea, china, coffee, rocket = sorted(small_photos)
    return {"train": [coffee, china], "val": [chelsea], "test": [rocket]}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture(scope="module")
def made(splits, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "data"
    summary = generate(splits, out, "live", seed=3, tile=64)
    assert summary.photos == {"train": 2, "val": 1, "test": 1}
    assert summary.images == {"train": 78, "val": 26, "test": 26}
    assert summary.pairs == {"train": 225, "val": 75, "test": 75}
    assert summary.made == 4
    return out


def test_labels_are_read_by_the_toolkit_and_hold_every_ordered_pair_once(made):
    files = {
        split: read_labels("pairs", made / split / "label.txt", made)
        for split in ("train", "val", "test")
    }
    check_splits(files)

    def level(path: Path) -> int:
        return 0 if path.parent.name == "refimgs" else int(path.parent.name[-1])

    pairs = {row[:2] for row in rows_of(files["train"])}
    assert len(pairs) == 225
    for better, worse in pairs:
        assert level(better) < level(worse) and better.name == worse.name
        assert level(better) == 0 or better.parent.parent == worse.parent.parent
    assert len(files["train"].sources) == 78


def test_targets_are_ssim_and_said_to_be_synthetic(made):
    file = made / "test" / "label_mos.txt"
    assert "SYNTHETIC" in file.read_text().splitlines()[0]
    rows = rows_of(read_labels("scores", file, made))
    assert len(rows) == 26 and rows[0][1] == 1.0
    pristine = np.asarray(read_image(made / "test/refimgs/rocket.png"))
    for path, mos, _ in rows:
        assert mos == pytest.approx(luma_ssim(pristine, np.asarray(read_image(path))), abs=1e-6)


def test_level_0_on_disk_is_the_photograph_and_tiles_stay_together(made, splits):
    coffee = np.asarray(read_image(splits["train"][0]))
    for name, left in (("coffee_r0c0", 0), ("coffee_r0c1", 76)):
        tile = np.asarray(read_image(made / f"train/refimgs/{name}.png"))
        assert np.array_equal(tile, coffee[:64, left : left + 64])
    with open(made / "train" / "levels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 78 and all((made / "train" / row["path"]).is_file() for row in rows)
    assert {row["reference_id"] for row in rows} == {Path(row["path"]).stem for row in rows}
    assert {(row["distortion"], row["level"]) for row in rows} == {("none", "0")} | {
        (name, str(level)) for name in SETS["live"] for level in range(1, 6)
    }


def test_same_seed_same_bytes_whatever_the_number_of_processes(made, splits, tmp_path):
    seen: list[tuple[int, int]] = []
    generate(
        splits,
        tmp_path / "data",
        "live",
        seed=3,
        tile=64,
        workers=2,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert tree(tmp_path / "data") == tree(made)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_second_call_does_nothing_and_damage_is_mended(made, splits, tmp_path):
    out = tmp_path / "data"
    shutil.copytree(made, out)
    assert generate(splits, out, "live", seed=3, tile=64).made == 0
    (out / "val/jpeg/jpeg2/chelsea.png").write_bytes(b"torn")
    (out / "test/refimgs/rocket.png").unlink()
    assert generate(splits, out, "live", seed=3, tile=64).made == 2
    assert tree(out) == tree(made)


def test_a_killed_call_is_taken_up_where_it_stopped(made, splits, tmp_path):
    out = tmp_path / "data"
    process = fork(partial(generate, seed=3, tile=64), splits, out, "live")
    until(lambda: list(out.glob(".records/*.json")))
    process.kill()
    process.join()
    left = len(list(out.glob(".records/*.json")))
    assert generate(splits, out, "live", seed=3, tile=64).made == 4 - left
    mine = {name: data for name, data in tree(out).items() if not name.endswith(".tmp")}
    assert mine == tree(made)


def test_another_plan_or_foreign_data_is_not_overwritten(made, splits, tmp_path):
    before = tree(made)
    with pytest.raises(ValueError, match="another seed, tile: "):
        generate(splits, made, "live", seed=4)
    assert tree(made) == before
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="not written by --generate"):
        generate(splits, tmp_path, "basic")
    assert list(tmp_path.iterdir()) == [tmp_path / "train"]


def test_a_photograph_that_cannot_be_used_is_named(tmp_path):
    Image.new("RGB", (300, 9)).save(tmp_path / "thin.png")
    with pytest.raises(ValueError, match="thin.png: 300x9 pixels, at least 16x16"):
        generate({"train": [tmp_path / "thin.png"]}, tmp_path / "out", "basic")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ValueError, match="text.png"):
        generate({"train": [tmp_path / "text.png"]}, tmp_path / "out2", "basic")


def test_large_photographs_are_shrunk_before_anything_else(tmp_path):
    read_image(PHOTOS["coffee"]).save(tmp_path / "coffee.png")  # 600x400
    generate({"test": [tmp_path / "coffee.png"]}, tmp_path / "out", "basic", tile=64, max_side=96)
    pristine = read_image(tmp_path / "out/test/refimgs/coffee.png")  # whole: not a training one
    assert pristine.size == (96, 64)
    averaged = read_image(PHOTOS["coffee"]).resize((96, 64), Image.Resampling.BOX)
    assert psnr(np.asarray(pristine), np.asarray(averaged)) > 25


def test_a_grey_photograph_has_no_ladder_of_saturation(tmp_path):
    read_image(PHOTOS["coffee"]).convert("L").resize((40, 32)).save(tmp_path / "grey.png")
    generate({"test": [tmp_path / "grey.png"]}, tmp_path / "out", "tid2013")
    levels = list(csv.DictReader((tmp_path / "out/test/levels.csv").read_text().splitlines()))
    assert {row["distortion"] for row in levels} == {
        "none",
        *(name for name in SETS["tid2013"] if name != "saturation_change"),
    }
    pixels = [(tmp_path / "out/test" / row["path"]).read_bytes() for row in levels]
    for file in (tmp_path / "out/test/label.txt").read_text().splitlines()[1:]:
        better, worse = (tmp_path / "out/test" / path for path in file.split(","))
        assert better.read_bytes() != worse.read_bytes()
    assert len(levels) == len(pixels) > 100


def test_nothing_is_written_among_the_photographs(tmp_path):
    keep_apart(tmp_path / "photos", tmp_path / "photos_live")
    for out in ("photos", "photos/out", "photos/a/../out"):
        with pytest.raises(ValueError, match="lies among the photographs"):
            keep_apart(tmp_path / "photos", tmp_path / out)


def test_the_generators_are_programs_that_run_from_anywhere(small_photos, made, tmp_path):
    shutil.copytree(small_photos[0].parent, tmp_path / "photos")
    before = tree(tmp_path / "photos")
    program = ROOT / "utils" / "data_generate" / "live_generator.py"
    words = ["--data", "photos", "--workers", "2", "--val_photos", "1", "--test_photos", "1"]
    done = subprocess.run(
        [sys.executable, program, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "4 photographs" not in done.stdout and "2 photographs, 52 images" in done.stdout
    assert (tmp_path / "photos_live/test/label.txt").is_file()
    assert not (tmp_path / "photos_live/test/label_mos.txt").exists()
    assert tree(tmp_path / "photos") == before


def test_the_generators_say_in_a_line_what_is_wrong(tmp_path, small_photos, capsys):
    folder = str(small_photos[0].parent)
    for words, what in (
        (["--data", str(tmp_path / "none")], "not a folder"),
        (["--data", folder, "--out", folder + "/x"], "lies among the photographs"),
        (["--data", folder, "--val_photos", "4"], "leave one to train on"),
    ):
        assert command.run("tid2013", words) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and what in error and error.count("\n") == 1
