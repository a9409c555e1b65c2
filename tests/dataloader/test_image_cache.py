"""Images kept at their training size: the pixels of the files while these are what they were."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from dataloader.image_cache import ImageCache
from dataloader.sources import GivenImage
from utils.files import disk_full, row_store
from utils.imaging.images import ViewRule, read_image, resize_image

RULE = ViewRule((20, 28), crops=5, crop_size=(8, 8))
MOST = 10**6


@pytest.fixture
def files(tmp_path) -> list[Path]:
    rng, files = np.random.default_rng(1), []
    (tmp_path / "data").mkdir()
    for number, end in enumerate(("png", "jpg", "webp", "png", "jpg")):
        pixels = rng.integers(0, 256, (90 + number, 120, 3), np.uint8)
        files.append(tmp_path / "data" / f"{number}.{end}")
        Image.fromarray(pixels).save(files[-1])
    return files


def filled(folder: Path, files: list[Path], rule: ViewRule = RULE) -> tuple[ImageCache, list[Path]]:
    """A cache of its own, as another run has it, and what it had to read."""
    cache = ImageCache(folder / "kept", MOST)
    missing = cache.missing(files, rule)
    assert cache.fill(missing, rule, 0) == []
    return cache, list(missing)


@pytest.mark.parametrize(
    "rule", [RULE, ViewRule((20, 28), "pad", "bicubic"), ViewRule((20, 28), "crop", decode="fast")]
)
def test_they_are_what_is_read_without_it(tmp_path, files, rule, monkeypatch):
    monkeypatch.setattr("dataloader.image_cache.PART", 2 * 20 * 28 * 3)  # two images
    cache, read = filled(tmp_path, [*files, files[0]], rule)
    assert read == files and len(list(cache.store(rule).folder.glob("*[!s].npy"))) == 3
    again = pickle.loads(pickle.dumps(cache))  # as a process that is not forked has it
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert filled(tmp_path, files, rule)[1] == []
    found = [np.asarray(c.find(file, rule)) for c in (cache, again) for file in files]
    monkeypatch.undo()
    wanted = [np.asarray(resize_image(read_image(file, rule=rule), rule)) for file in files]
    np.testing.assert_array_equal(found, wanted * 2)


def test_each_rule_and_limit_has_its_own(tmp_path, files):
    cache, _ = filled(tmp_path, files)
    assert cache.find(files[0], ViewRule((20, 28))) is not None  # crops are cut from what is kept
    for other in (ViewRule((20, 27)), ViewRule((20, 28), "pad"), ViewRule((20, 28), decode="fast")):
        assert cache.find(files[0], other) is None
    assert cache.find(files[0], ViewRule((20, 28), "native")) is None
    assert ImageCache(tmp_path / "kept", MOST - 1).find(files[0], RULE) is None
    assert cache.find(GivenImage(np.zeros((9, 9), np.uint8), "a"), RULE) is None


def test_a_file_that_changes_is_read_again(tmp_path, files):
    cache, _ = filled(tmp_path, files)
    before, status = cache.find(files[0], RULE), files[0].stat()
    pixels = np.asarray(Image.open(files[0]))[::-1]
    Image.fromarray(pixels).save(files[0])
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    files[1].unlink()
    assert cache.find(files[0], RULE) is None and cache.find(files[1], RULE) is None
    missing = cache.missing(files, RULE)
    assert list(missing) == files[:2]
    (bad,) = cache.fill(missing, RULE, 0)
    assert bad.path == files[1] and bad.reason == "no such file: check the path"
    assert cache.find(files[0], RULE).tobytes() != before.tobytes()


def test_what_is_left_of_a_part_is_none(tmp_path, files):
    """A kill leaves a part without its data, or a temporary file; a copy that was cut, half."""
    cache, _ = filled(tmp_path, files[:3])
    (data,) = cache.store(RULE).folder.glob("*[!s].npy")
    data.write_bytes(data.read_bytes()[:2000])
    row_store._mapped.cache_clear()
    later, read = filled(tmp_path, files)
    assert read == files
    for file in files:
        wanted = resize_image(read_image(file), RULE)
        assert later.find(file, RULE).tobytes() == wanted.tobytes()


def test_a_folder_that_is_removed_meanwhile_ends_no_run(tmp_path, files, monkeypatch):
    monkeypatch.setattr("dataloader.image_cache.PART", 2 * 20 * 28 * 3)  # two images
    cache, _ = filled(tmp_path, files)
    assert cache.find(files[0], RULE) is not None
    shutil.rmtree(tmp_path / "kept")
    row_store._mapped.cache_clear()
    assert [cache.find(file, RULE) for file in files] == [None] * 5


@pytest.mark.parametrize("before, after", [(b"\x93NUMPY", b"\xff" * 6), (b"(5,", b"(4,")])
def test_a_part_that_does_not_open_as_it_was_is_kept_again(tmp_path, files, before, after):
    filled(tmp_path, files)
    (data,) = (tmp_path / "kept").glob("*/*[!s].npy")
    data.write_bytes(data.read_bytes().replace(before, after, 1))
    row_store._mapped.cache_clear()
    later, read = filled(tmp_path, files)
    row_store._mapped.cache_clear()
    assert read == files and all(later.find(file, RULE) for file in files)


def test_what_cannot_be_read_is_not_kept(tmp_path, files):
    files[2].write_bytes(files[2].read_bytes()[:300])
    cache = ImageCache(tmp_path / "kept", MOST)
    (bad,) = cache.fill(cache.missing(files, RULE), RULE, 0)
    assert bad.path == files[2] and "cannot be decoded" in bad.reason
    assert list(cache.missing(files, RULE)) == [files[2]]


def test_a_disk_that_is_too_small_is_said_before_anything_is_read(tmp_path, files, monkeypatch):
    monkeypatch.setattr(disk_full, "free_bytes", lambda folder: 5 * 20 * 28 * 3 - 1)
    cache, said = ImageCache(tmp_path / "kept", MOST), []
    with pytest.raises(ValueError, match=r"--cache .*kept: needs 0\.01 MB and 0\.01 MB are free"):
        cache.keep(files, RULE, 0, said.append)
    assert said == [] and not (tmp_path / "kept").exists()
    assert cache.keep(files[:4], RULE, 0, said.append) == []
    assert said[0].startswith("4 images to keep, 0.01 MB, in ")


def test_a_flipped_bit_is_decoded_again_and_said_once(tmp_path, files, capsys):
    cache, _ = filled(tmp_path, files)
    (part,) = cache.store(RULE).folder.glob("*[!s].npy")
    whole = bytearray(part.read_bytes())
    size = RULE.image_size[0] * RULE.image_size[1] * 3
    for row in (1, 3):
        whole[-row_store.DIGEST - row * size + 7] ^= 1
    part.write_bytes(whole)
    again = ImageCache(cache.folder, MOST)
    for _ in range(2):
        kept = [again.find(file, RULE) is not None for file in files]
        assert kept == [True, True, False, True, False]
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{part}: a row does not match its checksum: " in said
    part.unlink()
    assert filled(tmp_path, files)[1] == files


def test_a_cache_of_before_there_were_checksums_is_read(tmp_path, files):
    cache, _ = filled(tmp_path, files)
    (names,) = cache.store(RULE).folder.glob("*.names.npy")
    np.save(names, np.load(names))
    assert all(ImageCache(cache.folder, MOST).find(file, RULE) for file in files)
