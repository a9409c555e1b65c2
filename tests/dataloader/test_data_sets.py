"""Published data sets: what each reader makes of a small tree with the download's layout."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataloader.datasets.dividing import divide
from dataloader.datasets.records import Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.table import DATA_SETS, data_set_name
from tests import data_set_trees as trees

WATERLOO = "exploration_database_and_code"


def read(name: str, root: Path) -> Reading:
    return DATA_SETS[name].read(SourceTree(root))


def named(found: Reading) -> dict[str, Record]:
    return {record.path: record for record in found.records}


def clean(found: Reading) -> bool:
    return not found.missing and not found.surplus and not found.dropped


def of(**known: Any) -> dict[str, Any]:
    return known


# name: (tree, number of records, what some of them hold); nothing is missing, surplus or dropped.
WHOLE: dict[str, tuple[Callable[[Path], Path], int, dict[str, dict[str, Any]]]] = {
    "tid2013": (trees.tid, 5 * 5 * 3 + 5, {
        "distorted_images/i02_11_3.bmp":  # I02_11_3.BMP in the list
            of(mos=1.88, std=0.13, reference_id="I02", distortion="11 JPEG2000", level=3),
        "reference_images/i25.bmp": of(reference_id="I25", distortion="none", level=0),
        "reference_images/I01.BMP": of(reference_id="I01", distortion="none", level=0),
    }),
    "tid2008": (lambda root: trees.tid(root, (1, 17), levels=4), 5 * 2 * 4 + 5, {}),
    "mlive": (trees.mlive, 3 * 30 + 3, {  # though each part has a copy of the three
        "To_Release/Part 1/blurjpeg/cows_blur2.bmp":
            of(mos=60, reference_id="cows", distortion="part 1 blur", level=2),
        "To_Release/Part_2/blurnoise/cows_blur2.bmp":
            of(mos=59, reference_id="cows", distortion="part 2 blur", level=2),
        "To_Release/Part_2/blurnoise/cows_blur2_noise3.bmp":
            of(mos=38, reference_id="cows", distortion="part 2 blur2+noise", level=3),
    }),
    "waterloo": (trees.waterloo, 10 * 21, {
        f"{WATERLOO}/JP2K/JP2K4/00003.jp2":
            of(reference_id="00003", distortion="JPEG2000", level=4, split="train"),
        f"{WATERLOO}/pristine_images/00008.bmp":
            of(reference_id="00008", distortion="none", level=0, split="train"),
        f"{WATERLOO}/pristine_images/00009.bmp":
            of(reference_id="00009", distortion="none", level=0, split="test"),
    }),
    "kadid10k": (trees.kadid, 4 * 12 + 4, {
        "images/I02_01_01.png": of(
            mos=4.5, std=0.496, reference_id="I02", distortion="01 Gaussian blur", level=1),
        "images/I02_01_03.png": of(
            mos=2.5, std=0.496, reference_id="I02", distortion="01 Gaussian blur", level=3),
    }),
    "koniq10k": (trees.koniq, 10, {  # the smaller images are the same ones
        "1024x768/10007.jpg": of(
            mos=77.5, votes=105, counts=(0.0, 0.0, 0.25, 0.65, 0.1), split="val"),
    }),
    "spaq": (trees.spaq, 10, {"Dataset/TestImage/00010 (2).jpg": of(mos=85.25)}),
    "biq2021": (trees.biq, 12, {
        "Images/ss02 (1).jpg": of(mos=0.11, split="train"),
        "Images/ss03 (11).jpg": of(mos=0.21, split="test"),
    }),
    "agiqa3k": (trees.agiqa, 15, {
        "sd1.5_lowstep_002.jpg": of(
            mos=2.0, std=0.25, distortion="sd1.5", reference_id="a cat, number 2, on a mat"),
    }),
    "cid2013": (trees.cid, 12, {
        "IS4/co2/IS_IV_C02_D01.jpg": of(mos=42, reference_id="IS_IV C02", group="IS_IV"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_tree_and_what_some_of_its_images_hold(tmp_path: Path, name: str) -> None:
    make, count, expected = WHOLE[name]
    if name in ("spaq", "cid2013"):
        pytest.importorskip("openpyxl")
    found = read(name, make(tmp_path))
    records = named(found)
    assert clean(found) and len(records) == count
    for path, known in expected.items():
        assert records[path] == Record(path=path, **known)


@pytest.mark.parametrize(
    ("name", "types", "ordered"),
    [("tid2013", (1, 11, 14, 17, 24), {"01", "11", "24"}), ("tid2013", (14, 15, 16, 17), set()),
     ("tid2008", (14, 15, 16, 17), {"14", "16"}), ("kadid10k", (), {"01"})],
)  # fmt: skip
def test_only_severities_are_levels(
    tmp_path: Path, name: str, types: tuple[int, ...], ordered: set[str]
) -> None:
    found = read(name, trees.tid(tmp_path, types) if types else trees.kadid(tmp_path))
    levels: dict[str, set[int | None]] = {}
    for record in found.records:
        levels.setdefault(record.distortion[:2], set()).add(record.level)
    assert levels.pop("no") == {0}
    assert {kind for kind in levels if levels[kind] == {1, 2, 3}} == ordered
    assert all(levels[kind] == {None} for kind in levels.keys() - ordered)
    if name == "tid2008":
        assert "levels of types 15, 17 are no" in found.notes[-1]


def test_tid_without_references_or_of_the_wrong_year(tmp_path: Path) -> None:
    shutil.rmtree(trees.tid(tmp_path) / "reference_images")
    found = read("tid2013", tmp_path)
    assert found.missing == [f"reference_images/I{n}.bmp" for n in ("01", "02", "03", "04", "25")]
    assert len(found.records) == 5 * 5 * 3  # the scores stay
    with pytest.raises(ValueError, match=r"mos_with_names.txt:13: 'i01_24_1.bmp' is no name"):
        read("tid2008", tmp_path)


def test_tid_std_must_be_as_long_as_the_list(tmp_path: Path) -> None:
    file = trees.tid(tmp_path) / "mos_std.txt"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"mos_std.txt: 74 entries where 75 are expected"):
        read("tid2013", tmp_path)
    file.unlink()
    assert all(record.std is None for record in read("tid2013", tmp_path).records)


def test_live_drops_copies_and_takes_levels_from_the_parameters(tmp_path: Path) -> None:
    found = read("live", trees.live(tmp_path))
    records = named(found)
    assert not found.missing and not found.surplus and found.dropped.total() == 203
    assert sum(record.mos is not None for record in records.values()) == 779
    assert len(records) == 779 + 29
    # Number 13 of a folder is of the 13th reference, whose name begins with that of the 12th.
    first = records["jp2k/img13.bmp"]
    assert (first.reference_id, first.level, first.std) == ("lighthouse2", 1, 5.0)
    assert first.mos == pytest.approx(100 - (10 + 0.1 - 2.5))
    for kind in ("jp2k", "fastfading", "gblur"):  # smaller rates, smaller ratios, wider blurs
        ladder = [records[f"{kind}/img{1 + 29 * step}.bmp"] for step in range(5)]
        assert [record.level for record in ladder] == [1, 2, 3, 4, 5]
        assert {record.reference_id for record in ladder} == {"bikes"}
    assert records["refimgs/bikes.bmp"].level == 0
    assert any("dmos_new of dmos_realigned.mat" in note for note in found.notes)


def test_live_without_the_realigned_file_and_without_info(tmp_path: Path) -> None:
    """And no level where two files disagree about the reference."""
    file = trees.live(tmp_path, realigned=False) / "gblur" / "info.txt"
    file.write_text(file.read_text().replace("woman.bmp", "womanhat.bmp"))
    (tmp_path / "wn" / "info.txt").unlink()
    found = read("live", tmp_path)
    records = named(found)
    one = records["jp2k/img13.bmp"]
    assert one.mos == pytest.approx(100 - 10.1) and one.std is None
    white = [record for record in found.records if record.distortion == "wn"]
    assert len(white) == 145 and all(record.level is None for record in white)
    assert any(note.startswith("wn: no level for 145 images") for note in found.notes)
    levels = {r.reference_id: r.level for r in (records[f"gblur/img{n}.bmp"] for n in (28, 29))}
    assert levels == {"woman": None, "womanhat": 1}


def test_mlive_references_in_a_folder_of_their_own_and_scores_that_are_missing(
    tmp_path: Path,
) -> None:
    trees.mlive(tmp_path)
    names = ("babygirl", "cows", "palace2")
    for part in ("Part 1/blurjpeg", "Part_2/blurnoise"):
        for name in names:
            (tmp_path / "To_Release" / part / f"{name}.bmp").unlink()
            trees.touch(tmp_path, f"To_Release/Ref_Images/{name}.bmp")
    found = read("mlive", tmp_path)
    heads = {record.path for record in found.records if record.level == 0}
    assert clean(found) and heads == {f"To_Release/Ref_Images/{name}.bmp" for name in names}
    (tmp_path / "To_Release/Part_2/Scores.mat").unlink()
    with pytest.raises(ValueError, match=r"Part_2: no Scores.mat there, beside Imagelists.mat"):
        read("mlive", tmp_path)


def test_waterloo_without_distorted_images_says_how_to_make_them(tmp_path: Path) -> None:
    (trees.waterloo(tmp_path / "a") / WATERLOO / "GB/GB5/00007.bmp").unlink()
    assert read("waterloo", tmp_path / "a").missing == ["GB5/00007"]
    with pytest.raises(ValueError, match="no distorted images .* --generate live --photos"):
        read("waterloo", trees.waterloo(tmp_path / "b", generated=False))


@pytest.mark.parametrize(("layout", "end"), [("typed", "_1_4"), ("plain", "_4")])
def test_waterloo_in_other_layouts(tmp_path: Path, layout: str, end: str) -> None:
    found = read("waterloo", trees.waterloo(tmp_path, layout=layout))
    records = named(found)
    assert clean(found) and len(records) == 10 + 10 * 4 * 5
    one = records[f"{WATERLOO}/distorted_images/GBLUR/00003{end}.png"]
    assert (one.reference_id, one.distortion, one.level) == ("00003", "Gaussian blur", 4)
    kinds = {r.distortion for r in found.records if r.level}
    assert kinds == {"Gaussian blur", "white noise", "JPEG", "JPEG2000"}
    (tmp_path / one.path).unlink()
    trees.touch(tmp_path / WATERLOO, "distorted_images/jpeg/00001_strong.png")
    found = read("waterloo", tmp_path)
    assert found.missing == [f"GBLUR/00003{end}"]
    assert found.surplus == [f"{WATERLOO}/distorted_images/jpeg/00001_strong.png"]


def test_photonet_takes_the_mean_and_only_counts_that_add_up(tmp_path: Path) -> None:
    found = read("photonet", trees.photonet(tmp_path))
    records = named(found)
    assert found.missing == ["2985309"] and not found.surplus
    assert found.dropped == {"listed twice: the first row counts": 1}
    assert records["images/2985300.jpg"] == Record(
        path="images/2985300.jpg", mos=4.0, std=1.1, votes=10, counts=(0, 1, 2, 3, 3, 1, 0)
    )
    unknown, odd = records["images/2985301.jpg"], records["images/2985302.jpg"]
    assert (unknown.mos, unknown.std, unknown.counts) == (4.1, None, None)
    assert (odd.mos, odd.std, odd.counts) == (4.2, 1.1, None)
    assert records["images/2985303.jpg"].mos == 4.3  # the second row says 6.60
    assert records["images/2985305.JPG"].mos == 4.5
    # All seven histograms have the mean 4.1.
    file = tmp_path / "photonet_dataset.txt"
    file.write_text(file.read_text().replace("4.40 ", "4.10 ").replace("4.50 ", "4.11 "))
    notes = read("photonet", tmp_path).notes
    assert notes[-1].startswith("5 of 7 histograms contradict column 4")


@pytest.mark.parametrize("first", ["d1 10007 4", "1 10007 4"])
def test_dpchallenge_keeps_a_first_row_that_is_no_header(tmp_path: Path, first: str) -> None:
    file = trees.dpchallenge(tmp_path) / "dpchallenge_dataset.txt"
    found = read("dpchallenge", tmp_path)
    assert not found.missing and not found.surplus and found.dropped == {"no ratings": 1}
    one = named(found)["101.jpg"]
    assert (len(found.records), one.mos, one.votes, sum(one.counts or ())) == (9, 5.5, 4, 4)
    assert one.std == pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / 4))
    rows = file.read_text().splitlines()
    file.write_text("\n".join([f"{first} 5.5 0 0 0 1 1 1 1 0 0 0", *rows[1:]]) + "\n")
    trees.touch(tmp_path, "10007.jpg")
    assert len(read("dpchallenge", tmp_path).records) == 10


def test_ava_has_the_official_test_part(tmp_path: Path) -> None:
    found = read("ava", trees.ava(tmp_path))
    records = named(found)
    assert found.missing == ["953639"] and not found.surplus
    assert [records[f"images/images/{n}.jpg"].split for n in (953620, 953621)] == ["train", "test"]
    one = records["images/images/953620.jpg"]
    assert one.counts == (0, 1, 5, 17, 38, 36, 15, 6, 5, 1) and one.votes == 124
    assert one.mos == pytest.approx(699 / 124)
    drawn = read("ava", trees.ava(tmp_path / "again", lists=False))
    assert {record.split for record in drawn.records} == {""}
    assert any("drawn, not the official one" in note for note in drawn.notes)


@pytest.mark.parametrize("labels", ["xlsx", "beta", "label"])
def test_csiq_reads_any_of_its_label_files(tmp_path: Path, labels: str) -> None:
    if labels == "xlsx":
        pytest.importorskip("openpyxl")
    found = read("csiq", trees.csiq(tmp_path, labels))
    records = named(found)
    assert clean(found) and len(records) == 4 * 11 + 4
    folder = "dst_imgs_all" if labels == "label" else "dst_imgs/awgn"
    one = records[f"{folder}/1600.AWGN.2.png"]
    assert one.mos == pytest.approx(1 - 0.61) and one.std == (None if labels == "label" else 0.05)
    assert (one.reference_id, one.distortion, one.level) == ("1600", "white noise", 2)
    kinds = {record.distortion for record in found.records if record.level}
    assert kinds == {"white noise", "JPEG", "JPEG2000", "pink noise", "Gaussian blur",
                     "contrast decrements"}  # fmt: skip
    assert records["src_imgs/1600.png"].level == 0


def test_a_spreadsheet_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees.touch(tmp_path, "SPAQ/TestImage/1.jpg", "SPAQ/MOS and Image attribute scores.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ValueError, match=r"needs openpyxl: pip install -r requirements.txt"):
        read("spaq", tmp_path)


@pytest.mark.parametrize("validation", [True, False])
def test_pipal_orders_nothing_by_index(tmp_path: Path, validation: bool) -> None:
    found = read("pipal", trees.pipal(tmp_path, validation))
    records = named(found)
    assert clean(found) and {record.level for record in found.records} == {0, None}
    one = records["Distortion_2/A0002_06_01.bmp"]
    assert (one.mos, one.reference_id, one.distortion) == (1530.0648, "A0002", "group 06")
    assert one.split == ("train" if validation else "")
    if validation:  # there, a blank follows the comma
        other = records["Val_Dist/B0001_00_01.bmp"]
        assert (other.mos, other.split) == (1510.0648, "test")
        assert records["Val_Ref/B0001.bmp"].split == "test"


@pytest.mark.parametrize("labels", ["Val_Label", "validation/val_label", ""])
def test_pipal_in_the_layout_of_its_authors(tmp_path: Path, labels: str) -> None:
    found = read("pipal", trees.pipal_of_the_authors(tmp_path, labels))
    records = named(found)
    assert clean(found) and len(records) == (16 if labels else 12)
    one = records["training/Distortion/Distortion_1/A0002_00_01.bmp"]
    assert (one.mos, one.reference_id, one.split) == (1501, "A0002", "train" if labels else "")
    if labels:
        other = records["validation/Distortion_valid/B0001_00_02.bmp"]
        assert (other.mos, other.split) == (1502, "test")
    else:
        assert "3 validation images without scores (no Val_Label/): left out" in found.notes


def test_koniq_has_two_scales(tmp_path: Path) -> None:
    found = read("koniq10k", trees.koniq(tmp_path / "a"))
    assert "MOS is on 0 to 100 and SD on 1 to 5: no std.csv" in found.notes
    shutil.rmtree(trees.koniq(tmp_path / "b", sets=False) / "1024x768")
    other = named(read("koniq10k", tmp_path / "b"))["512x384/10007.jpg"]
    assert (other.mos, other.std, other.split) == (3.86, 0.577, "")
    assert other.counts == (0, 0, 25, 70, 10)


def test_clive_leaves_the_training_images_out(tmp_path: Path) -> None:
    found = read("clive", trees.clive(tmp_path))
    assert not found.missing and not found.surplus and found.dropped.total() == 7
    values = {record.path: (record.mos, record.std) for record in found.records}
    assert len(values) == 5
    assert (values["Images/3.bmp"], values["Images/4.JPG"]) == ((35.0, 22.0), (40.0, 23.0))


@pytest.mark.parametrize(("plain", "inside"), [(True, ""), (False, ".jpg"), (False, ".JPG")])
def test_flive_patches_go_with_their_picture(tmp_path: Path, plain: bool, inside: str) -> None:
    found = read("flive", trees.flive(tmp_path, plain, inside))
    records = named(found)
    assert not found.missing and not found.surplus
    assert found.dropped == {
        "picture in no part of the official division": 1,
        "patch of a picture in no part of the official division": 2,
    }
    picture = records["database/voc_emotic_ava/EMOTIC__a+b__2.jpg"]
    patch = records[f"database/patches/EMOTIC__a+b__2{inside}_patch_2.jpg"]
    assert (picture.mos, picture.split, picture.part) == (61, "train", "")
    assert (patch.mos, patch.split, patch.part) == (43, "train", "patches")
    assert patch.content == picture.content
    assert records["database/EE371R/x.jpg"].split == "val"
    assert records["database/voc_emotic_ava/v2.jpg"].split == "test"


def test_flive_without_its_division_keeps_patches_beside_their_picture(tmp_path: Path) -> None:
    root = trees.flive(tmp_path, inside=".jpg")
    for file in root.glob("labels[<>]*.csv"):
        file.unlink()
    found = read("flive", root)
    assert clean(found) and len(found.records) == 27
    splits = divide(found.records, seed=3, val=0.1)
    contents = {split: {r.content for r in members} for split, members in splits.items()}
    assert [len(members) for members in splits.values()] == [3 * len(c) for c in contents.values()]


def test_missing_and_surplus_files_are_named(tmp_path: Path) -> None:
    trees.kadid(tmp_path)
    (tmp_path / "images/I02_01_03.png").unlink()
    (tmp_path / "images/I03.png").unlink()
    trees.touch(tmp_path, "images/I99.png", "images/._I01.png", "images/notes.txt")
    found = read("kadid10k", tmp_path)
    assert found.missing == ["images/I02_01_03.png", "images/I03.png"]  # the latter once
    assert found.surplus == ["images/I99.png"]


@pytest.mark.parametrize("name", DATA_SETS)
def test_another_folder_is_one_line(tmp_path: Path, name: str) -> None:
    trees.touch(tmp_path, "holiday/1.jpg", "distorted_images/2.bmp")
    with pytest.raises(ValueError) as caught:
        read(name, tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_names_in_any_spelling() -> None:
    for text, name in (
        ("TID2013", "tid2013"), ("KADID-10k", "kadid10k"), ("photo.net", "photonet"),
        ("LIVE Challenge", "clive"), ("Waterloo Exploration", "waterloo"), ("PaQ-2-PiQ", "flive"),
    ):  # fmt: skip
        assert data_set_name(text) == name
    with pytest.raises(ValueError, match=r"tid2012: unknown data set: did you mean tid2013 or tid"):
        data_set_name("tid2012")
