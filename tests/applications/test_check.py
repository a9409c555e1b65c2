"""--check: planted faults, leaks and oddities are found, told and shown; the data is left alone."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from applications.reports import findings as findings_page
from tests.cli import call
from tests.contents import HOSTILE, blotches, write_rated
from tests.faults.trial import fingerprint
from tests.html_reader import Reader
from tests.small_photos import small_photo, write_photos
from tests.tiny_data import write_data

RATED = "--check data --criterion regress -j 0 -o out/found.json"


def split(root: Path, name: str, images: dict, **scores: float) -> Path:
    """Three pictures of the split's own, and `images`."""
    first = {"train": 0, "val": 100, "test": 200}[name]
    own = {f"{name}{n}.png": blotches(first + n) for n in range(3)}
    return write_rated(root / "data" / name, own | images, **scores)


def checked(root: Path, words: str = RATED, code: int | None = 0) -> dict:
    """The report of a call that must end with `code` and leave the data alone."""
    before = fingerprint(root / "data")
    done = call(root, words, code)
    assert fingerprint(root / "data") == before and "Traceback" not in done.err
    report = json.loads((root / "out/found.json").read_text(encoding="utf-8"))
    assert code is None or report["exit_code"] == code
    return {**report, "said": done.out, "page": (root / "out/found.html").read_text("utf-8")}


def names(finding: dict) -> list[str]:
    return [Path(image["path"]).name for image in finding["images"]]


def packed(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_levels(folder: Path, rows: dict[str, tuple[str, int]]) -> None:
    lines = [f"{name},{reference},jpeg,{level}" for name, (reference, level) in rows.items()]
    text = "\n".join(["path,reference_id,distortion,level", *lines]) + "\n"
    (folder / "levels.csv").write_text(text, encoding="utf-8")


def test_clean_data(tmp_path):
    split(tmp_path, "train", {})
    split(tmp_path, "test", {})
    found = checked(tmp_path)
    assert "no faults found" in found["said"] and "warning" not in found["said"]
    assert not found["exact_duplicates"] and not found["near_duplicates"]
    assert found["splits"]["train"]["lines"] == 3 and found["splits"]["train"]["images"] == 3
    assert sum(found["splits"]["test"]["scores"]["histogram"]["counts"]) == 3
    assert "No faults and no leaks found" in Reader(found["page"]).text


def test_faults_of_labels_and_images(tmp_path):
    whole = packed(blotches(7), "JPEG")
    train = split(tmp_path, "train", {"cut.jpg": whole[: len(whole) // 2], "text.png": b"text"})
    file = train / "label.txt"
    file.write_text(file.read_text() + "gone.png,3\ntrain0.png,much\n")
    split(tmp_path, "val", {"cut.jpg": whole[: len(whole) // 2], "text.png": b"text"})
    found = checked(tmp_path, code=1)
    assert "2 label fault(s), 2 unreadable image(s)" in found["said"]
    assert [fault["line"] for fault in found["label_faults"]] == [6, 7]
    # The faulty file is left out as a whole; the images of the other one are looked at.
    assert found["splits_not_read"] == ["train"] and "mended: train" in found["said"]
    assert "mended: train" in Reader(found["page"]).text and list(found["splits"]) == ["val"]
    bad = {Path(b["path"]).name: b for b in found["unreadable_images"]}
    assert bad["cut.jpg"]["truncated"] and not bad["text.png"]["truncated"]
    assert bad["cut.jpg"]["splits"] == ["val"] and "cut.jpg" in found["said"]


def test_copies_within_a_split_are_warnings(tmp_path):
    photo, other = small_photo("coffee", 200), blotches(50)
    train = split(
        tmp_path,
        "train",
        {
            "a.png": other,
            "b.bmp": other,
            "photo.png": photo,
            "photo.jpg": packed(photo, "JPEG", quality=60),
            "half.png": photo.resize((photo.width // 2, photo.height // 2)),
        },
        **{"a.png": 1, "b.bmp": 4},
    )
    (train / "c.png").write_bytes((train / "train1.png").read_bytes())
    (train / "label.txt").write_text((train / "label.txt").read_text() + "c.png,2\n")
    found = checked(tmp_path)
    assert {f["equal"]: names(f) for f in found["exact_duplicates"]} == {
        "bytes": ["train1.png", "c.png"], "pixels": ["a.png", "b.bmp"],
    }  # fmt: skip
    (near,) = found["near_duplicates"]
    assert names(near) == ["photo.png", "photo.jpg", "half.png"] and len(near["links"]) == 2
    assert not any(f["leak"] for f in [*found["exact_duplicates"], near])
    assert {i["score"] for f in found["exact_duplicates"] for i in f["images"]} == {1, 2, 4}
    assert "2 picture(s) twice in one split, 1 near duplicate(s) in one split" in found["said"]


@pytest.mark.parametrize("kind", ["bytes", "pixels", "near"])
def test_a_copy_in_another_split_is_a_leak(tmp_path, kind):
    photo = small_photo("china", 200)
    brighter = ImageEnhance.Brightness(photo.resize((150, 120))).enhance(1.1)
    copy = {
        "bytes": ("copy.png", packed(photo, "PNG")),
        "pixels": ("copy.bmp", photo),
        "near": ("copy.jpg", packed(brighter, "JPEG", quality=50)),
    }[kind]
    split(tmp_path, "train", {"photo.png": packed(photo, "PNG")})
    split(tmp_path, "val", {})
    split(tmp_path, "test", dict([copy]))
    found = checked(tmp_path, code=1)
    (leak,) = [*found["exact_duplicates"], *found["near_duplicates"]]
    assert leak["equal"] == kind and leak["leak"] and leak["splits"] == ["train", "test"]
    assert names(leak) == ["photo.png", copy[0]]
    assert "1 picture(s) in more than one split" in found["said"]
    assert "photo.png" in found["said"] and copy[0] in found["said"]
    shown = [g["alt"] for n, g in Reader(found["page"]).elements if n == "img" and "src" in g]
    assert shown == ["photo.png", copy[0]]


def test_a_copy_of_a_copy_is_compared(tmp_path):
    """Only the first of equal images is compared; what is found of it holds for its copies."""
    photo = small_photo("astronaut", 200)
    split(tmp_path, "train", {"photo.png": photo, "same.bmp": photo})
    split(tmp_path, "test", {"near.jpg": packed(photo, "JPEG", quality=40)})
    found = checked(tmp_path, code=1)
    assert [f["leak"] for f in found["exact_duplicates"]] == [False]
    assert [names(f) for f in found["near_duplicates"]] == [["photo.png", "same.bmp", "near.jpg"]]


def test_mirror_images_on_request(tmp_path):
    photo = small_photo("rocket", 200)
    split(tmp_path, "train", {"photo.png": photo})
    split(tmp_path, "test", {"turned.png": photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)})
    assert not checked(tmp_path)["near_duplicates"]
    (leak,) = checked(tmp_path, RATED + " --mirrored", 1)["near_duplicates"]
    assert leak["leak"] and leak["links"][0]["mirrored"]


def test_versions_of_a_reference(tmp_path):
    """Within a split they are as they should be; across splits the reference is the leak."""

    def ladder(name: str) -> dict:
        image = small_photo(name, 200)
        return {f"{name}{q}.jpg": packed(image, "JPEG", quality=q) for q in (90, 50, 20)}

    def levels(folder: Path, reference: str) -> None:
        own = sorted(path.name for path in folder.glob("*.*") if path.suffix != ".txt")
        write_levels(
            folder, {n: (n if n.endswith("png") else reference, k) for k, n in enumerate(own)}
        )

    train = split(tmp_path, "train", ladder("flower"))
    test = split(tmp_path, "test", ladder("coffee"))
    levels(train, "flower")
    levels(test, "coffee")
    found = checked(tmp_path)
    assert not found["near_duplicates"] and not found["shared_references"]
    # One more version of the first reference, in the other split.
    more = small_photo("flower", 200)
    test = split(tmp_path, "test", ladder("coffee") | {"x.png": more})
    levels(test, "coffee")
    text = (test / "levels.csv").read_text()
    (test / "levels.csv").write_text(text.replace("x.png,x.png", "x.png,flower"))
    found = checked(tmp_path, code=1)
    assert not found["near_duplicates"]
    (shared,) = found["shared_references"]
    assert shared["reference_id"] == "flower"
    assert {k: len(v) for k, v in shared["images"].items()} == {"train": 3, "test": 1}
    assert "1 reference(s) in more than one split" in found["said"]
    # The same picture under two names.
    levels(test, "coffee")
    found = checked(tmp_path, code=1)
    (leak,) = found["near_duplicates"]
    assert not found["shared_references"] and len(leak["images"]) == 4


def test_images_of_no_reference_are_not_of_one(tmp_path):
    """An empty reference_id in two splits is no shared reference, and hides no copy."""
    train = split(tmp_path, "train", {"photo.png": small_photo("rocket", 200)})
    test = split(tmp_path, "test", {"near.jpg": packed(small_photo("rocket", 200), "JPEG")})
    for folder in (train, test):
        own = [path.name for path in sorted(folder.glob("*.*")) if path.suffix != ".txt"]
        write_levels(folder, dict.fromkeys(own, ("", 1)))
    found = checked(tmp_path, code=1)
    (leak,) = found["near_duplicates"]
    assert leak["leak"] and not found["shared_references"]


def test_deviations_and_their_votes(tmp_path):
    """Rows that cannot be meant are faults; images without a row are a note."""
    train = split(tmp_path, "train", {})
    test = split(tmp_path, "test", {})
    rows = "path,std,votes\ntrain0.png,0.5,12\ntrain1.png,0.4,30\ntrain2.png,0.3,\n"
    (train / "std.csv").write_text(rows, encoding="utf-8")
    found = checked(tmp_path)
    votes = found["splits"]["train"]["votes"]
    assert votes == {"lines": 2, "per_image": {"min": 12, "median": 21, "max": 30}}
    assert "votes" not in found["splits"]["test"] and not found["splits"]["train"]["notes"]
    assert "12 to 30, median 21" in found["page"]
    (test / "std.csv").write_text("path,std,votes\ntest0.png,0.5,\n", encoding="utf-8")
    found = checked(tmp_path)
    (note,) = found["splits"]["test"]["notes"]
    assert note == "std.csv: no row for 2 of 3 images: no outlier ratio" and note in found["said"]
    (test / "std.csv").write_text("path,std,votes\ntest0.png,-1,\n", encoding="utf-8")
    found = checked(tmp_path, code=1)
    (fault,) = found["label_faults"]
    assert fault["line"] == 2 and fault["file"].endswith("std.csv") and "std must be" in str(fault)
    assert found["faults"] == ["1 label fault(s)"]


def test_faults_of_levels_are_told(tmp_path):
    train = split(tmp_path, "train", {})
    write_levels(train, {"train0.png": ("a", 0), "train1.png": ("b", 1)})
    (fault,) = checked(tmp_path, code=1)["label_faults"]
    assert fault["file"].endswith("levels.csv") and fault["line"] == 0
    assert "no row for" in fault["message"] and "train2.png" in fault["message"]
    (train / "levels.csv").write_text("path,reference_id,distortion,level\na,b,c,d\n")
    (fault,) = checked(tmp_path, code=1)["label_faults"]
    assert fault["line"] == 2 and fault["message"].startswith("level 'd'")


def test_the_two_images_of_a_pair_may_be_alike(tmp_path):
    """But not the same, and not in two splits."""
    photo, other = small_photo("coffee", 200), small_photo("chelsea", 200)
    for name, first in (("train", photo), ("test", other)):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        first.save(folder / "good.png")
        (folder / "bad.jpg").write_bytes(packed(first, "JPEG", quality=20))
        (folder / "label.txt").write_text("good.png,bad.jpg\n")
    words = RATED.replace("regress", "rank")
    found = checked(tmp_path, words)
    assert not found["near_duplicates"] and found["splits"]["train"]["pairs"]["lines"] == 1
    photo.save(tmp_path / "data/test/worse.bmp")
    (tmp_path / "data/test/label.txt").write_text("good.png,bad.jpg\ngood.png,worse.bmp\n")
    (leak,) = checked(tmp_path, words, 1)["exact_duplicates"]
    assert leak["leak"] and leak["equal"] == "pixels"


def test_odd_images_are_warnings(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (72, 96)).astype(np.uint16)
    moving = packed(blotches(20), "GIF", save_all=True, append_images=[blotches(21)])
    usual = {f"u{n:02}.png": blotches(300 + n) for n in range(40)}
    odd = {
        "moving.gif": moving,
        "deep.png": Image.fromarray(deep),
        "small.png": blotches(22, 40, 20),
        "long.png": blotches(23, 400, 100),
    }
    split(tmp_path, "train", usual | odd)
    found = checked(tmp_path)
    assert [(Path(o["path"]).name, o["kind"]) for o in found["odd_images"]] == [
        ("moving.gif", "animated"), ("deep.png", "deep"), ("small.png", "small"),
        ("long.png", "long"), ("small.png", "other_size"), ("long.png", "other_size"),
    ]  # fmt: skip
    assert set(found["rules"]) >= {o["kind"] for o in found["odd_images"]}
    assert "1 animated" in found["said"] and "no faults found" in found["said"]


@pytest.mark.skipif(os.name == "nt", reason="the file system has no such names")
def test_hostile_names_stay_text(tmp_path):
    name = HOSTILE.replace('"', "'").replace("/", "")
    photo = small_photo("coffee", 200)
    split(tmp_path, "train", {name: photo})
    split(tmp_path, "test", {"</script>.png".replace("/", ""): photo, "bad&lt;.png": b"bad"})
    read = Reader(checked(tmp_path, code=1)["page"])
    assert name in read.text and "bad&lt;.png" in read.text
    assert [tag for tag, _ in read.elements].count("script") == 1  # the page's own
    assert not any(k[:2] == "on" for _, g in read.elements for k in g)
    assert all(g.get("src", "data:").startswith("data:") for _, g in read.elements)


def test_a_page_of_many_findings_says_what_it_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr(findings_page, "MOST_GROUPS", 2)
    monkeypatch.setattr(findings_page, "MOST_IMAGES", 3)
    monkeypatch.setattr(findings_page, "MOST_SINGLE", 4)
    monkeypatch.setattr(findings_page, "MOST_LINES", 5)
    copies = {f"{k}_{n}.bmp": blotches(40 + k, 40, 30) for k in range(5) for n in range(4)}
    broken = {f"broken{n}.png": b"x" for n in range(8)}
    split(tmp_path, "train", copies)
    split(tmp_path, "test", {"0_9.bmp": copies["0_0.bmp"]} | broken)
    found = checked(tmp_path, code=1)
    read = Reader(found["page"])
    assert len(found["exact_duplicates"]) == 5 and len(found["unreadable_images"]) == 8
    # One group leaks, four do not; of each group three pictures, of its five or four.
    shown = [g["alt"] for tag, g in read.elements if tag == "img" and "src" in g]
    singles = [alt for alt in shown if alt in copies]
    assert shown[:3] == ["0_0.bmp", "0_1.bmp", "0_9.bmp"]
    assert len(shown) == 3 + 2 * 3 + 4 and len(singles) == len(shown) - 1  # small ones: 4 of 21
    # Of images: two of the leak, one of each group below; then groups, files and small images.
    left = re.findall(r">([\d,]+) more, not shown here: found.json lists all<", found["page"])
    assert left == ["2", "3", "1", "1", "2", "17"]


def test_photographs_are_compared(tmp_path):
    photos = write_photos(tmp_path / "data", ("coffee", "china"), 120)
    small_photo("coffee", 120).save(photos / "again.jpg", quality=70)
    found = checked(tmp_path, "--check --photos data -j 0 -o out/found.html")
    (near,) = found["near_duplicates"]
    assert names(near) == ["again.jpg", "coffee.png"] and not near["leak"]
    assert "data: 3 photographs" in found["said"]


def test_nothing_is_written_among_the_data(tmp_path):
    split(tmp_path, "train", {})
    before = fingerprint(tmp_path)
    for words in ("--check data -o data/found.json", "--check . -o found.html"):
        done = call(tmp_path, f"{words} --criterion regress -j 0", 2)
        assert "which is only read" in done.err and done.err.count("\n") == 1
    call(tmp_path, "--check data --criterion regress -j 0")
    assert fingerprint(tmp_path) == before


def test_generated_data(tmp_path):
    """Three photographs in three splits; without levels.csv their versions are copies, no leak."""
    write_photos(tmp_path / "photos", ("coffee", "china", "rocket"), side=64)
    words = "--generate basic --photos photos --data data -j 0 --val_photos 1 --test_photos 1"
    call(tmp_path, words)
    words = RATED.replace("regress", "rank")
    found = checked(tmp_path, words)
    assert not found["near_duplicates"] and not found["shared_references"]
    assert found["splits"]["train"]["pairs"]["lines"] > 40
    for file in (tmp_path / "data").glob("*/levels.csv"):
        file.unlink()
    groups = checked(tmp_path, words)["near_duplicates"]
    assert len(groups) == 3 and all(len(g["images"]) > 10 for g in groups)


def test_histograms_of_votes(tmp_path):
    write_data(tmp_path / "data", "emd", 1, 1)
    found = checked(tmp_path, RATED.replace("regress", "emd"), None)
    votes = found["splits"]["train"]["votes"]
    assert votes["lines"] == 3 and votes["per_image"]["min"] > 1 and len(votes["by_bin"]) == 5
    assert "train: votes by score" in Reader(found["page"]).text
