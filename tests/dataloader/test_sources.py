"""Photographs distorted while they are loaded: the generator's images, and crops of them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dataloader import sources
from dataloader.labels.photo_ladders import ladder_labels
from dataloader.sources import DistortedPhoto, PathTable, PhotoCache, open_source, training_view
from dataloader.views.transforms import TrainTransform
from tests.small_photos import small_photo, write_photos
from utils.data_generate.distortions import LEVELS, distort, distortions_of
from utils.data_generate.generate import generate
from utils.imaging.images import DEFAULT_MAX_PIXELS, ImageError, ViewRule
from utils.runtime.seed import numpy_generator

BASIC = distortions_of("basic")
NATIVE = ViewRule((32, 48), "native")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"), ("coffee", "chelsea"), 220)


def version(photo: Path, kind: str, level: int, seed: int = 7) -> DistortedPhoto:
    kinds = (kind,) if level else ()
    return DistortedPhoto(photo, photo.stem, kinds, 0, level, seed)


def seen(
    source, transform: TrainTransform, key: int = 0, seed: int = 1, epoch: int = 0
) -> np.ndarray:
    rng = numpy_generator(key)
    return training_view(source, transform, rng, DEFAULT_MAX_PIXELS, seed, epoch)


def test_evaluation_sees_what_the_generator_writes(folder, tmp_path):
    """Bit for bit, all levels of all distortions, a photograph that is shrunk first included."""
    large = np.random.default_rng(0).integers(0, 256, (24, 1100, 3)).astype(np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    photos = [folder / "coffee.png", tmp_path / "large.png"]
    generate({"test": photos}, tmp_path / "out", "basic", seed=5, targets=None)
    images = ladder_labels({p.stem: p for p in photos}, BASIC, 5).sources
    assert len(images) == 2 * (1 + LEVELS * len(BASIC))
    for source in images:
        kind = source.kinds[0] if source.level else ""
        part = f"{kind}/{kind}{source.level}" if source.level else "refimgs"
        file = tmp_path / "out" / "test" / part / f"{source.name}.png"
        wanted = np.asarray(Image.open(file))
        assert np.array_equal(np.asarray(open_source(source, DEFAULT_MAX_PIXELS)), wanted), file


@pytest.mark.parametrize("key", range(8))
def test_level_0_in_training_is_the_plain_crop(folder, key):
    photo = folder / "coffee.png"
    pixels = np.asarray(Image.open(photo))
    rng = numpy_generator(key)
    top = int(rng.integers(pixels.shape[0] - 32 + 1))
    left = int(rng.integers(pixels.shape[1] - 48 + 1))
    wanted = pixels[top : top + 32, left : left + 48]
    if rng.random() < 0.5:
        wanted = wanted[:, ::-1]
    transform = TrainTransform(NATIVE, (32, 48))
    for source in (version(photo, "", 0), photo):
        assert np.array_equal(seen(source, transform, key), wanted.transpose(2, 0, 1))


@pytest.mark.parametrize("level", range(1, LEVELS + 1))
def test_a_crop_has_the_blocks_of_the_whole_photograph(folder, level):
    """JPEG works block by block: with the photograph's own grid, a crop of the distorted part is a
    crop of the distorted whole. At the edges and in the middle.
    """
    photo = folder / "chelsea.png"
    whole = distort(np.asarray(Image.open(photo)), "jpeg", level, np.random.default_rng(0))
    transform = TrainTransform(NATIVE, (32, 48), flip=False)
    plain = [seen(version(photo, "", 0), transform, key) for key in range(30)]
    corners = set()
    for key, pristine in enumerate(plain):
        rng = numpy_generator(key)
        top = int(rng.integers(whole.shape[0] - 32 + 1))
        left = int(rng.integers(whole.shape[1] - 48 + 1))
        corners.add((top % 16, left % 16))
        wanted = whole[top : top + 32, left : left + 48].transpose(2, 0, 1)
        found = seen(version(photo, "jpeg", level), transform, key)
        assert np.array_equal(found, wanted) and not np.array_equal(found, pristine)
    assert len(corners) > 20


@pytest.mark.parametrize("kind", BASIC)
def test_blur_and_codes_come_from_the_surroundings_of_a_crop(folder, kind):
    """A mild distortion of a part is near that of the whole, up to the crop's own border."""
    photo = folder / "coffee.png"
    rng = np.random.default_rng(0)
    whole = distort(np.asarray(Image.open(photo)), kind, 1, rng).astype(float)
    transform = TrainTransform(NATIVE, (48, 48), flip=False)
    draw = numpy_generator(3)
    top, left = (int(draw.integers(side - 48 + 1)) for side in whole.shape[:2])
    wanted = whole[top : top + 48, left : left + 48].transpose(2, 0, 1)
    found = seen(version(photo, kind, 1), transform, 3).astype(float)
    border = np.ones((48, 48), bool)
    border[3:-3, 3:-3] = False
    off = np.abs(found - wanted)
    if kind == "gaussian_blur":
        assert np.array_equal(found, wanted)
    elif kind != "white_noise":  # whose noise is the epoch's own
        assert off[:, border].mean() < 1.5 * off[:, ~border].mean() + 1


def test_a_ladder_shares_crop_and_noise_and_an_epoch_has_its_own(folder):
    photo = folder / "coffee.png"
    transform = TrainTransform(NATIVE, (64, 64))
    pristine = seen(version(photo, "", 0), transform, 4).astype(float)
    middle = (pristine > 100) & (pristine < 156)
    assert middle.sum() > 200

    def noise(level: int, **where: int) -> np.ndarray:
        view = seen(version(photo, "white_noise", level), transform, 4, **where)
        return (view - pristine)[middle]

    mild = noise(1)
    assert np.array_equal(mild, noise(1))
    assert np.corrcoef(mild, noise(2))[0, 1] > 0.98
    for other in (noise(1, epoch=1), noise(1, seed=2)):
        assert abs(np.corrcoef(mild, other)[0, 1]) < 0.15


@pytest.mark.parametrize(
    "transform",
    [
        TrainTransform(ViewRule((24, 40), "pad")),
        TrainTransform(ViewRule((24, 40)), (16, 24), crop_from=(32, 40)),
        TrainTransform(NATIVE, (300, 260)),  # larger than the photograph
    ],
    ids=["whole", "crop_from", "too small"],
)
def test_what_is_resized_is_distorted_whole_before(folder, transform):
    photo = folder / "coffee.png"
    wanted = distort(np.asarray(Image.open(photo)), "jpeg", 3, np.random.default_rng(0))
    wanted = transform(Image.fromarray(wanted), numpy_generator(2))
    assert np.array_equal(seen(version(photo, "jpeg", 3), transform, 2), wanted)


def test_a_source_travels_and_says_its_name(folder):
    photo = folder / "coffee.png"
    worse, best = version(photo, "jpeg2000", 3), version(photo, "", 0)
    drawn = DistortedPhoto(photo, "coffee", BASIC, 2, 4, 0)
    for source in (worse, best, drawn):
        assert pickle.loads(pickle.dumps(source)) == source
    assert worse.as_posix() == f"{photo.as_posix()}@jpeg2000:3" and best.as_posix() == str(photo)
    assert str(drawn) == f"{photo}@ladder2:4"
    assert len({worse, best, drawn, version(photo, "jpeg2000", 3)}) == 3


def test_a_photograph_is_decoded_once_while_it_is_used(folder, monkeypatch):
    opened = []

    def open_photo(path: Path, max_pixels: int) -> Image.Image:
        opened.append(path.name)
        return Image.new("RGB", (10, 10))

    monkeypatch.setattr(sources, "open_photo", open_photo)
    cache = PhotoCache(700)  # two of 300 bytes
    for name in ("a", "a", "b", "a", "c", "a", "b"):
        assert cache.open(Path(name), 99).size == (10, 10)
        assert cache.bytes <= 700
    assert opened == ["a", "b", "c", "b"]  # b was the one unused for longest when c came
    tiny = PhotoCache(10)
    assert tiny.open(Path("a"), 99).size == (10, 10) and tiny.bytes == 0


def test_what_a_caller_does_to_a_photograph_is_not_done_to_the_kept_one(folder):
    """A page shrinks what it shows; scores, maps and versions afterwards are of the whole one."""
    plain, coded = (version(folder / "coffee.png", kind, n) for kind, n in (("", 0), ("jpeg", 2)))
    before = [np.asarray(open_source(source, DEFAULT_MAX_PIXELS)) for source in (plain, coded)]
    open_source(plain, DEFAULT_MAX_PIXELS).thumbnail((40, 40))
    after = [np.asarray(open_source(source, DEFAULT_MAX_PIXELS)) for source in (plain, coded)]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_a_bad_photograph_is_named(tmp_path):
    small_photo("coffee").crop((0, 0, 40, 15)).save(tmp_path / "low.png")
    (tmp_path / "text.png").write_text("no image")
    for name, words in (("low.png", "at least 16x16"), ("text.png", "not an image")):
        with pytest.raises(ImageError, match=f"{name}: .*{words}"):
            open_source(version(tmp_path / name, "jpeg", 1), DEFAULT_MAX_PIXELS)


def test_a_path_table_is_a_sequence_of_paths():
    names = ["b.jpg", "ä/ü.png", os.fsdecode(b"\xff.bmp"), ""]
    for folder in ("", "/data/images"):
        table = PathTable(iter(names), folder)
        wanted = [Path(folder, name) for name in names]
        assert list(table) == wanted and len(table) == 4
        assert table[-1] == wanted[-1] and table[np.int64(1)] == wanted[1]
        assert table[1:3] == wanted[1:3] and wanted[2] in table
        assert list(pickle.loads(pickle.dumps(table))) == wanted
        for places in ([2, 0], [1, 2], [3], [0, 1, 2, 3], []):
            taken = table.take(np.array(places, dtype=np.int64))
            assert list(taken) == [wanted[place] for place in places]
            assert list(taken.below("/top").texts()) == [f"/top/{names[p]}" for p in places]
        with pytest.raises(IndexError):
            table[4]
    assert len(PathTable([])) == 0
