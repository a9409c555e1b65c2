"""Names in a table against files in folders."""

from __future__ import annotations

import pytest

from dataloader.labels.votes import find_files
from dataloader.tables.matching import ImageIndex, at_odds, without_label
from tests.tar_shards import write_tar
from utils.imaging.image_folders import list_images


@pytest.fixture
def index(tmp_path):
    for name in (
        "a/IMG_01.JPG", "b/img_02.jpg", "b/IMG_03.png", "c/IMG_03.PNG", "top.jpeg", "x.jpg",
        "x.png", "c/Gr\u00fcn.jpg", "notes.txt", ".hidden/h.jpg",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return ImageIndex(tmp_path)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a/IMG_01.JPG", ["a/IMG_01.JPG"]),
        ("./a/IMG_01.JPG", ["a/IMG_01.JPG"]),
        ("IMG_01.jpg", ["a/IMG_01.JPG"]),
        ("IMG_01", ["a/IMG_01.JPG"]),
        ("img_01.bmp", ["a/IMG_01.JPG"]),
        ("A\\img_01.jpg", ["a/IMG_01.JPG"]),
        ("D:\\photos\\b\\IMG_02.JPG", ["b/img_02.jpg"]),
        ("photos/top.jpeg", ["top.jpeg"]),
        ("top", ["top.jpeg"]),
        ("b/IMG_03.png", ["b/IMG_03.png"]),
        ("c/img_03", ["c/IMG_03.PNG"]),
        ("IMG_03.png", ["b/IMG_03.png", "c/IMG_03.PNG"]),
        ("x", ["x.jpg", "x.png"]),
        ("x.jpg", ["x.jpg"]),
        ("gru\u0308n.JPG", ["c/Gr\u00fcn.jpg"]),
        ("b/IMG_01.JPG", []),
        ("h.jpg", []),
        ("notes.txt", []),
        ("", []),
        ("/", []),
    ],
)
def test_names(index, name, files):
    assert [index.files[place] for place in index.find(name)] == files


def test_near_names(index):
    assert index.near("a/IMG_0l.JPG") == "a/IMG_01.JPG"
    assert index.near("IMG-01.JPG") == index.near("IMGE_01") == "a/IMG_01.JPG"
    assert index.near("nothing like it at all") == ""


@pytest.mark.parametrize(
    ("one", "other", "odd"),
    [
        ("a/p.png", "b/p.png", True),
        ("p.png", "p.jpg", True),
        ("a\\p.png", "c/b/p.png", True),
        ("p", "p.png", False),
        ("./a/p.png", "x/A/P.PNG", False),
        ("p.png", "a/p", False),
    ],
)
def test_names_that_cannot_be_one_file(one, other, odd):
    assert at_odds(one, other) is odd and at_odds(other, one) is odd


def test_links_to_folders_are_followed_once(tmp_path):
    top, far = tmp_path / "top", tmp_path / "far"
    for file in (top / "real/a.png", far / "b.png", far / ".hidden/c.png"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
    (top / "again").symlink_to(top / "real")  # sorted before the folder itself
    (top / "linked").symlink_to(far)
    (far / "circle").symlink_to(top)
    (top / "runs").symlink_to(tmp_path / "runs")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/plot.png").write_bytes(b"")
    assert ImageIndex(top, tmp_path / "runs").files == ["linked/b.png", "real/a.png"]
    assert [path.name for path in list_images(top)] == ["b.png", "a.png", "plot.png"]


def test_images_without_a_label(index):
    named = [str(index.folder / name) for name in index.files[:4]]
    said = without_label(index.folder, named)
    assert said.startswith(f"{len(index.files) - 4} image(s) without a label, first three: ")
    assert without_label(index.folder, [str(index.folder / name) for name in index.files]) == ""


def test_images_in_tar_files(tmp_path):
    shard = write_tar(tmp_path / "0.tar", [(n, b"x") for n in ("a.png", "b/c.JPG", ".d.png", "e")])
    for folder, names in (
        (tmp_path, ["0.tar/a.png", "0.tar/b/c.JPG"]),
        (shard, ["a.png", "b/c.JPG"]),
    ):
        found = ImageIndex(folder)
        assert found.files == names
        assert [found.find(name) for name in ("a", "c.jpg", "b/c", "x/c")] == [[0], [1], [1], []]
    assert list(find_files(tmp_path, ["a", "c", "e"])) == ["0.tar/a.png", "0.tar/b/c.JPG", ""]
    assert list(find_files(shard, ["a"])) == ["a.png"]
    (tmp_path / "a.png").write_bytes(b"x")  # with images beside it the tar file is an archive
    assert ImageIndex(tmp_path).files == ["a.png"] and list(find_files(tmp_path, ["c"])) == [""]
