"""What counts as odd, at its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.duplicates.image_facts import FileFacts, ImageFacts
from utils.duplicates.odd_images import KINDS, odd_images

ONE = FileFacts("JPEG", 1, 8)


def fact(name: str, size=(500, 400), file=ONE) -> ImageFacts:
    return ImageFacts(Path(name), size, file, pixels=name.encode(), thumbnail=b"")


def kinds(*facts: ImageFacts) -> list[tuple[str, str]]:
    return [(odd.path.name, odd.kind) for odd in odd_images(facts)]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (FileFacts("GIF", 2, 8), "animated"),
        (FileFacts("PNG", 3, 8), "animated"),
        (FileFacts("WEBP", 3, 8), "animated"),
        (FileFacts("TIFF", 2, 8), "several_pictures"),
        (FileFacts("MPO", 2, 8), "several_pictures"),
        (FileFacts("PNG", 1, 16), "deep"),
        (FileFacts("TIFF", 1, 12), "deep"),
    ],
)
def test_kinds_of_files(file, kind):
    assert kinds(fact("a", file=file)) == [("a", kind)]


def test_a_usual_file_is_not_odd():
    assert kinds(fact("a"), fact("b", file=FileFacts("GIF", 1, 8))) == []
    assert kinds(fact("a", file=FileFacts("TIFF", 1, 1))) == []


def test_sides():
    assert kinds(fact("a", (32, 96)), fact("b", (96, 32))) == []
    assert kinds(fact("a", (31, 93))) == [("a", "small")]
    assert kinds(fact("a", (100, 301))) == [("a", "long")]
    found = odd_images([fact("a", (301, 100))])
    assert found[0].detail == "301x100, 3.0:1" and set(KINDS) >= {"small", "long"}


def test_the_usual_size_turned_is_usual():
    most = [fact(f"{n}", (500, 400) if n % 2 else (400, 500)) for n in range(9)]
    assert kinds(*most, fact("x", (500, 399))) == [("x", "other_size")]
    assert kinds(*most[:-1], fact("x", (500, 399))) == []  # nine images have no usual size
    assert kinds(*most, fact("x", (500, 399)), fact("y", (500, 401))) == []  # 9 of 11 are too few


def test_without_a_usual_size_the_median_decides():
    mixed = [fact(f"{n}", (100 + n, 100)) for n in range(11)]  # the median is 105 x 100
    area = 105 * 100
    assert ("low", "other_size") in kinds(*mixed, fact("low", (32, 20)))
    fine = [fact("high", (400, area * 16 // 400)), fact("low", (40, 17))]
    assert [k for k in kinds(*mixed, *fine) if k[1] == "other_size"] == []
    high = fact("high", (500, 400))
    assert kinds(*mixed, high) == [("high", "other_size")]
    assert "the median image has" in odd_images([*mixed, high])[0].detail


def test_an_unreadable_image_has_no_size():
    bad = ImageFacts(Path("bad"), reason="broken")
    assert kinds(bad) == [] and kinds(*[fact(f"{n}") for n in range(12)], bad) == []
