"""Images of kinds that are not read are counted and said, wherever a folder is searched."""

import json

import numpy as np
import pytest
from PIL import Image

from applications.scorer import find_sources
from tests.cli import call
from utils import check_images
from utils.data_generate.command import run as distort
from utils.data_generate.photos import find_photos
from utils.imaging.image_folders import (
    READABLE_EXTENSIONS,
    UNREADABLE_EXTENSIONS,
    left_out,
    list_images,
)

SAID = "3 files left out: 2 .jxl, 1 .psd (convert them to JPEG or PNG)"
NO_IMAGES = "label.txt levels.csv x.json README.md IMG.xmp Thumbs.db none .hidden.jxl .git/a.jxl"


@pytest.fixture
def folder(tmp_path):
    photos = tmp_path / "photos"
    for name in ("a.jxl", "sub/B.JXL", "c.psd", *NO_IMAGES.split()):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"no pixels")
    noise = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
    Image.fromarray(noise).save(photos / "d.jpg")
    return photos


def test_what_is_left_out_is_said(folder, capsys):
    said = []
    assert list_images(folder, said.append) == [folder / "d.jpg"]
    assert said == [f"{folder}: {SAID}"]
    assert find_photos(folder) == find_sources(folder) == [folder / "d.jpg"]
    assert capsys.readouterr().err == 2 * f"{folder}: {SAID}\n"
    for name in ("a.jxl", "sub/B.JXL"):
        (folder / name).unlink()
    assert left_out(folder) == "1 file left out: 1 .psd (convert them to JPEG or PNG)"
    (folder / "c.psd").unlink()
    assert list_images(folder) and left_out(folder) == capsys.readouterr().err == ""


def test_a_folder_of_nothing_else(folder):
    (folder / "d.jpg").unlink()
    for search in (find_photos, find_sources):
        with pytest.raises(ValueError, match=r"no (photographs|image) in .*: 3 files left out: 2 "):
            search(folder)
    said = []
    assert list_images(folder, said.append) == said == []  # the error says it


def test_every_command_that_searches_a_folder(folder, capsys):
    root = folder.parent
    found = call(root, "--check --photos photos -o found.json").out
    assert f"photos: 1 photographs\nphotos: {SAID}\n" in found
    figures = json.loads((root / "found.json").read_text(encoding="utf-8"))
    assert SAID in json.dumps(figures)
    for words in ("--train --distort basic -g 0 --no_report", "--generate basic --data d"):
        said = call(root, f"{words} --photos photos", code=1).err
        assert f"photos: {SAID}\nerror: 1 photographs cannot give " in said
    assert distort("live", ["--data", str(folder), "--out", str(root / "out")]) == 1
    assert SAID in capsys.readouterr().err
    assert check_images.main([str(folder)]) == 0
    assert SAID in capsys.readouterr().err
    (folder / "d.jpg").unlink()
    with pytest.raises(SystemExit):
        check_images.main([str(folder)])
    assert f"no images there: {SAID}: name a folder" in capsys.readouterr().err


def test_kinds_are_read_or_not():
    assert not READABLE_EXTENSIONS & UNREADABLE_EXTENSIONS
    texts = {".txt", ".csv", ".json", ".md", ".xml", ".xlsx", ".mat", ".mos", ".npy", ".zip", ""}
    assert not texts & UNREADABLE_EXTENSIONS
