"""Published data sets: what each reader makes of a small tree with the download's layout."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path

import pytest

from dataloader.datasets.dividing import divide
from dataloader.datasets.records import Reading, Record
from dataloader.datasets.source_tree import SourceTree
from dataloader.datasets.table import DATA_SETS, data_set_name
from tests import data_set_trees as trees


def read(name: str, root: Path) -> Reading:
    return DATA_SETS[name].read(SourceTree(root))


def named(found: Reading) -> dict[str, Record]:
    return {record.path: record for record in found.records}


def clean(found: Reading) -> bool:
    return not found.missing and not found.surplus and not found.dropped


def test_tid2013_finds_files_in_another_case_and_orders_only_severities(tmp_path: Path) -> None:
    found = read("tid2013", trees.tid(tmp_path))
    records = named(found)
    assert clean(found) and len(records) == 5 * 5 * 3 + 5
    one = records["distorted_images/i02_11_3.bmp"]  # I02_11_3.BMP in the list
    assert one == Record(
        path="distorted_images/i02_11_3.bmp", mos=1.88, std=0.13, reference_id="I02",
        distortion="11 JPEG2000", level=3,
    )  # fmt: skip
    by_type = {r.distortion[:2]: {x.level for x in records.values() if x.distortion == r.distortion}
               for r in records.values()}  # fmt: skip
    assert by_type == {"no": {0}, "01": {1, 2, 3}, "11": {1, 2, 3}, "14": {None}, "17": {None},
                       "24": {1, 2, 3}}  # fmt: skip
    assert records["reference_images/i25.bmp"].reference_id == "I25"
    assert records["reference_images/I01.BMP"].mos is None


def test_without_references_each_is_missing_and_the_scores_stay(tmp_path: Path) -> None:
    shutil.rmtree(trees.tid(tmp_path) / "reference_images")
    found = read("tid2013", tmp_path)
    assert found.missing == [f"reference_images/I{n}.bmp" for n in ("01", "02", "03", "04", "25")]
    assert len(found.records) == 5 * 5 * 3


def test_tid2008_has_17_types(tmp_path: Path) -> None:
    found = read("tid2008", trees.tid(tmp_path / "a", (1, 17), levels=4))
    assert clean(found) and len(found.records) == 5 * 2 * 4 + 5
    with pytest.raises(ValueError, match=r"mos_with_names.txt:10: 'i01_24_1.bmp' is no name"):
        read("tid2008", trees.tid(tmp_path / "b", (1, 11, 14, 24)))


def test_tid2008_orders_types_14_and_16_which_fall_there(tmp_path: Path) -> None:
    found = read("tid2008", trees.tid(tmp_path, (14, 15, 16, 17), levels=4))
    ordered = {r.distortion[:2] for r in found.records if r.level}
    assert ordered == {"14", "16"} and "levels of types 15, 17 are no" in found.notes[-1]
    found = read("tid2013", trees.tid(tmp_path / "a", (14, 15, 16, 17), levels=4))
    assert not {r.distortion[:2] for r in found.records if r.level}


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
    (trees.live(tmp_path, realigned=False) / "wn" / "info.txt").unlink()
    found = read("live", tmp_path)
    one = named(found)["jp2k/img13.bmp"]
    assert one.mos == pytest.approx(100 - 10.1) and one.std is None
    white = [record for record in found.records if record.distortion == "wn"]
    assert len(white) == 145 and all(record.level is None for record in white)
    assert any(note.startswith("wn: no level for 145 images") for note in found.notes)


def test_live_gives_no_level_where_two_files_disagree_about_the_reference(tmp_path: Path) -> None:
    file = trees.live(tmp_path) / "gblur" / "info.txt"
    text = file.read_text()
    file.write_text(text.replace("woman.bmp", "womanhat.bmp"))
    levels = {r.reference_id: r.level for r in read("live", tmp_path).records
              if r.path in ("gblur/img28.bmp", "gblur/img29.bmp")}  # fmt: skip
    assert levels == {"woman": None, "womanhat": 1}


def test_mlive_keeps_the_two_parts_apart(tmp_path: Path) -> None:
    found = read("mlive", trees.mlive(tmp_path))
    records = named(found)
    assert clean(found) and len(records) == 3 * 30 + 3
    first = records["To_Release/Part 1/blurjpeg/cows_blur2.bmp"]
    second = records["To_Release/Part_2/blurnoise/cows_blur2.bmp"]
    assert (first.mos, second.mos) == (60, 59) and first.reference_id == "cows"
    assert (first.distortion, second.distortion) == ("part 1 blur", "part 2 blur")
    both = records["To_Release/Part_2/blurnoise/cows_blur2_noise3.bmp"]
    assert (both.distortion, both.level, both.mos) == ("part 2 blur2+noise", 3, 38)
    assert sum(record.level == 0 for record in found.records) == 3  # though each part has a copy


def test_mlive_references_in_a_folder_of_their_own(tmp_path: Path) -> None:
    trees.mlive(tmp_path)
    for part in ("Part 1/blurjpeg", "Part_2/blurnoise"):
        for name in ("babygirl", "cows", "palace2"):
            (tmp_path / "To_Release" / part / f"{name}.bmp").unlink()
            trees.touch(tmp_path, f"To_Release/Ref_Images/{name}.bmp")
    found = read("mlive", tmp_path)
    assert clean(found)
    heads = {record.path for record in found.records if record.level == 0}
    assert heads == {f"To_Release/Ref_Images/{n}.bmp" for n in ("babygirl", "cows", "palace2")}


def test_mlive_without_the_scores_of_a_part(tmp_path: Path) -> None:
    (trees.mlive(tmp_path) / "To_Release/Part_2/Scores.mat").unlink()
    with pytest.raises(ValueError, match=r"Part_2: no Scores.mat there, beside Imagelists.mat"):
        read("mlive", tmp_path)


def test_waterloo_has_ladders_and_no_scores(tmp_path: Path) -> None:
    found = read("waterloo", trees.waterloo(tmp_path))
    top = "exploration_database_and_code"
    records = named(found)
    assert clean(found) and len(records) == 10 * 21
    one = records[f"{top}/JP2K/JP2K4/00003.jp2"]
    assert one == Record(path=one.path, reference_id="00003", distortion="JPEG2000", level=4,
                         split="train")  # fmt: skip
    assert [records[f"{top}/pristine_images/{n:05d}.bmp"].split for n in (8, 9)] == [
        "train",
        "test",
    ]
    (tmp_path / top / "GB/GB5/00007.bmp").unlink()
    assert read("waterloo", tmp_path).missing == ["GB5/00007"]


def test_waterloo_without_distorted_images_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no distorted images .* --generate live --photos"):
        read("waterloo", trees.waterloo(tmp_path, generated=False))


@pytest.mark.parametrize(("layout", "end"), [("typed", "_1_4"), ("plain", "_4")])
def test_waterloo_in_other_layouts(tmp_path: Path, layout: str, end: str) -> None:
    found = read("waterloo", trees.waterloo(tmp_path, layout=layout))
    records = named(found)
    top = "exploration_database_and_code"
    assert clean(found) and len(records) == 10 + 10 * 4 * 5
    one = records[f"{top}/distorted_images/GBLUR/00003{end}.png"]
    assert (one.reference_id, one.distortion, one.level) == ("00003", "Gaussian blur", 4)
    kinds = {r.distortion for r in found.records if r.level}
    assert kinds == {"Gaussian blur", "white noise", "JPEG", "JPEG2000"}
    (tmp_path / one.path).unlink()
    trees.touch(tmp_path / top, "distorted_images/jpeg/00001_strong.png")
    found = read("waterloo", tmp_path)
    assert found.missing == [f"GBLUR/00003{end}"]
    assert found.surplus == [f"{top}/distorted_images/jpeg/00001_strong.png"]


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


def test_photonet_says_how_many_histograms_contradict_the_mean(tmp_path: Path) -> None:
    # All seven have the mean 4.1.
    file = trees.photonet(tmp_path) / "photonet_dataset.txt"
    file.write_text(file.read_text().replace("4.40 ", "4.10 ").replace("4.50 ", "4.11 "))
    notes = read("photonet", tmp_path).notes
    assert notes[-1].startswith("5 of 7 histograms contradict column 4")


@pytest.mark.parametrize("first", ["d1 10007 4", "1 10007 4"])
def test_dpchallenge_keeps_a_first_row_that_is_no_header(tmp_path: Path, first: str) -> None:
    file = trees.dpchallenge(tmp_path) / "dpchallenge_dataset.txt"
    rows = file.read_text().splitlines()
    file.write_text("\n".join([f"{first} 5.5 0 0 0 1 1 1 1 0 0 0", *rows[1:]]) + "\n")
    trees.touch(tmp_path, "10007.jpg")
    assert len(read("dpchallenge", tmp_path).records) == 10


def test_dpchallenge_drops_photographs_without_ratings(tmp_path: Path) -> None:
    found = read("dpchallenge", trees.dpchallenge(tmp_path))
    assert not found.missing and not found.surplus and found.dropped == {"no ratings": 1}
    one = named(found)["101.jpg"]
    assert (len(found.records), one.mos, one.votes, sum(one.counts or ())) == (9, 5.5, 4, 4)
    assert one.std == pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 0.5**2 + 1.5**2) / 4))


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
    with pytest.raises(ValueError, match=r"needs openpyxl: pip install -r requirements-prepare"):
        read("spaq", tmp_path)


def test_kadid_takes_dmos_as_quality(tmp_path: Path) -> None:
    found = read("kadid10k", trees.kadid(tmp_path))
    records = named(found)
    assert clean(found) and len(records) == 4 * 12 + 4
    mild, strong = (records[f"images/I02_01_0{level}.png"] for level in (1, 3))
    assert (mild.mos, strong.mos, mild.std, mild.distortion) == (
        4.5,
        2.5,
        0.496,
        "01 Gaussian blur",
    )
    assert (strong.reference_id, strong.level) == ("I02", 3)
    assert {r.level for r in found.records if r.distortion[:2] in ("05", "18", "25")} == {None}


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
    one = named(found)["1024x768/10007.jpg"]
    assert clean(found)  # the smaller images are the same ones
    assert (one.mos, one.std, one.votes, one.split) == (77.5, None, 105, "val")
    assert one.counts == (0.0, 0.0, 0.25, 0.65, 0.1)
    assert "MOS is on 0 to 100 and SD on 1 to 5: no std.csv" in found.notes
    shutil.rmtree(trees.koniq(tmp_path / "b", sets=False) / "1024x768")
    other = named(read("koniq10k", tmp_path / "b"))["512x384/10007.jpg"]
    assert (other.mos, other.std, other.split) == (3.86, 0.577, "")
    assert other.counts == (0, 0, 25, 70, 10)


def test_spaq_below_another_folder(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    found = read("spaq", trees.spaq(tmp_path))
    assert clean(found)
    assert named(found)["Dataset/TestImage/00010 (2).jpg"].mos == 85.25


def test_clive_leaves_the_training_images_out(tmp_path: Path) -> None:
    found = read("clive", trees.clive(tmp_path))
    records = named(found)
    assert not found.missing and not found.surplus and found.dropped.total() == 7
    assert [(r.mos, r.std) for r in (records["Images/3.bmp"], records["Images/4.JPG"])] == [
        (35.0, 22.0), (40.0, 23.0),
    ]  # fmt: skip
    assert len(records) == 5


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


def test_biq_names_with_blanks_and_brackets(tmp_path: Path) -> None:
    found = read("biq2021", trees.biq(tmp_path))
    records = named(found)
    assert clean(found) and len(records) == 12
    one, last = records["Images/ss02 (1).jpg"], records["Images/ss03 (11).jpg"]
    assert (one.mos, one.split, last.mos, last.split) == (0.11, "train", 0.21, "test")


def test_agiqa_groups_by_prompt(tmp_path: Path) -> None:
    found = read("agiqa3k", trees.agiqa(tmp_path))
    one = named(found)["sd1.5_lowstep_002.jpg"]
    assert clean(found) and one == Record(
        path="sd1.5_lowstep_002.jpg", mos=2.0, std=0.25, distortion="sd1.5",
        reference_id="a cat, number 2, on a mat",
    )  # fmt: skip
    assert len({record.content for record in found.records}) == 5


def test_cid_takes_the_realigned_scores(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    found = read("cid2013", trees.cid(tmp_path))
    one = named(found)["IS4/co2/IS_IV_C02_D01.jpg"]
    assert clean(found) and (one.mos, one.reference_id, one.content) == (42, "IS_IV C02", "IS_IV")


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


@pytest.mark.parametrize(
    ("text", "name"),
    [("TID2013", "tid2013"), ("KADID-10k", "kadid10k"), ("photo.net", "photonet"),
     ("LIVE Challenge", "clive"), ("Waterloo Exploration", "waterloo"), ("PaQ-2-PiQ", "flive")],
)  # fmt: skip
def test_names_in_any_spelling(text: str, name: str) -> None:
    assert data_set_name(text) == name


def test_an_unknown_name_is_answered_with_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"tid2012: unknown data set: did you mean tid2013 or tid"):
        data_set_name("tid2012")
