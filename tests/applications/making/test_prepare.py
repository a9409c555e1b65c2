"""--prepare: from a download to label files that --check, --train and -e take as they are."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from applications.making import prepare
from dataloader.datasets.table import DATA_SETS
from dataloader.labels.paths import images_root
from dataloader.labels.side_tables import read_versions
from dataloader.labels.text import check_splits, read_labels
from tests import data_set_trees as trees
from tests.cli import TINY, call, run_folders

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "tid2013": trees.tid,
    "tid2008": lambda root: trees.tid(root, (1, 14, 17), 4),
    "live": trees.live,
    "mlive": trees.mlive,
    "waterloo": trees.waterloo,
    "csiq": trees.csiq,
    "kadid10k": trees.kadid,
    "pipal": trees.pipal,
    "photonet": trees.photonet,
    "dpchallenge": trees.dpchallenge,
    "ava": trees.ava,
    "koniq10k": trees.koniq,
    "spaq": trees.spaq,
    "clive": trees.clive,
    "flive": trees.flive,
    "biq2021": trees.biq,
    "agiqa3k": trees.agiqa,
    "cid2013": trees.cid,
}
SPREADSHEETS = ("csiq", "spaq", "cid2013")
KINDS = ("scores", "pairs", "distributions")


def make(folder: Path, name: str, flags: str = "", code: int = 0):
    """`--prepare NAME` of the small tree, once built, into OUT."""
    if not (folder / "source").exists():
        BUILDERS[name](folder / "source")
    return call(folder, f"--prepare {name} --source source --data OUT {flags}", code)


def listing(folder: Path) -> dict[str, str]:
    """Every file below the folder, and its contents."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def card_of(folder: Path) -> dict:
    return json.loads((folder / "OUT" / "card.json").read_text(encoding="utf-8"))


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_set_has_a_tree_here() -> None:
    assert set(BUILDERS) == set(DATA_SETS)


@pytest.mark.parametrize("name", DATA_SETS)
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    if name in SPREADSHEETS:
        pytest.importorskip("openpyxl")
    BUILDERS[name](tmp_path / "source")
    before = listing(tmp_path / "source")
    said = make(tmp_path, name)
    assert listing(tmp_path / "source") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    out, card = tmp_path / "OUT", card_of(tmp_path)
    labelled: dict[str, dict] = {}
    for file, facts in card["files"].items():
        assert hashlib.sha256((out / file).read_bytes()).hexdigest() == facts["sha256"]
        split, short = file.split("/")
        if facts["kind"] in KINDS:
            found = read_labels(facts["kind"], out / file, out, cwd=tmp_path)
            assert len(found) == facts["lines"] > 0
            labelled.setdefault(short, {})[split] = found
            versions = read_versions(out / split / "levels.csv", found.sources, images_root(out))
            assert (versions is not None) == (f"{split}/levels.csv" in card["files"])
        else:
            assert len(rows(out / file)) == facts["lines"] > 0
    for splits in labelled.values():
        check_splits(splits)
    assert set(labelled["label.txt"]) == {"train", "val", "test"}
    references = [
        {row["reference_id"] for row in rows(out / split / "levels.csv")}
        for split in ("train", "val", "test")
        if (out / split / "levels.csv").exists()
    ]
    assert sum(map(len, references)) == len(set().union(*references))
    assert DATA_SETS[name].title in said.out and "see the data set's own terms" in card["licence"]
    assert all(fact in (out / "card.md").read_text() for fact in (card["scores"], card["split"]))


def noise_of(name: str) -> tuple[int, float]:
    """(content, noise) of a file of the small TID2013: more for a higher level."""
    parts = name.split(".")[0].upper().split("_")
    return int(parts[0][1:]), 25.0 * int(parts[2]) if len(parts) > 1 else 0.0


def test_tid2013_from_download_to_figures(tmp_path: Path) -> None:
    trees.fill(trees.tid(tmp_path / "source", (1, 17), 2), noise_of)
    make(tmp_path, "tid2013")
    short = f"{TINY} --epochs 1"
    checked = call(tmp_path, "--check OUT --criterion regress -j 0")
    assert "no faults found" in checked.out
    assert f"images outside the data root: {tmp_path / 'source'}" in checked.out
    call(tmp_path, f"--train --data OUT --criterion regress {short}")
    (run,) = run_folders(tmp_path)
    with_levels = rows(next(run.glob("*predictions*.csv")))
    assert len(with_levels) == 4
    assert {row["level"] for row in with_levels if row["distortion"].startswith("17")} == {""}
    weights = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"
    assert "ladder_accuracy" in call(tmp_path, f"-e --data OUT {weights}").out
    call(tmp_path, f"--train --data OUT --criterion rank --label_name label_rank.txt {short}")
    ranked = call(tmp_path, f"-e --data OUT --label_name label_rank.txt {weights}").out
    assert "pair_accuracy" in ranked and "17 contrast change" not in ranked


def test_ava_by_links_from_download_to_figures(tmp_path: Path) -> None:
    trees.fill(trees.ava(tmp_path / "source"), lambda name: (int(name[:6]), 20.0))
    make(tmp_path, "ava", "--image_paths links")
    assert not (tmp_path / "OUT/images_root.txt").exists()
    label = (tmp_path / "OUT/test/label_emd.txt").read_text().splitlines()[0]
    assert label == "images/images/images/953621.jpg,0,1,5,17,38,37,15,6,5,1"
    link = tmp_path / "OUT/test" / label.split(",")[0]
    assert link.is_symlink() and link.resolve() == tmp_path / "source/images/images/953621.jpg"
    emd = "--data OUT --criterion emd --label_name label_emd.txt"
    assert "no faults found" in call(tmp_path, f"--check {emd} -j 0").out
    call(tmp_path, f"--train {emd} {TINY} --epochs 1")
    weights = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1"
    assert "emd_r1" in call(tmp_path, f"-e --data OUT --label_name label_emd.txt {weights}").out


def test_absolute_paths(tmp_path: Path) -> None:
    make(tmp_path, "biq2021", "--image_paths absolute")
    found = read_labels("scores", tmp_path / "OUT/test/label.txt", tmp_path / "OUT", cwd=tmp_path)
    first = (tmp_path / "OUT/test/label.txt").read_text().splitlines()[0]
    assert first == f"{tmp_path}/source/Images/ss02 (10).jpg,0.2"
    assert found.values.tolist() == [0.2, 0.21]


def test_the_seed_draws_the_split_and_an_official_one_only_when_asked(tmp_path: Path) -> None:
    made = []
    for name, flags in (("kadid10k", ""), ("kadid10k", "--seed 1"), ("kadid10k", ""),
                        ("biq2021", ""), ("biq2021", "--random_split")):  # fmt: skip
        shutil.rmtree(tmp_path / "source", ignore_errors=True)
        make(tmp_path, name, flags)
        made.append(listing(tmp_path / "OUT"))
        card = card_of(tmp_path)
        assert (card["split"] == "drawn (--random_split)") == ("random" in flags)
        shutil.rmtree(tmp_path / "OUT")
    first, other, again, official, drawn = (files["test/label.txt"] for files in made)
    assert made[0] == made[2] and first != other == made[1]["test/label.txt"] and first == again
    assert official != drawn


def test_missing_and_surplus_files_are_named(tmp_path: Path) -> None:
    """Up to twenty for a person, all of them in card.json."""
    trees.kadid(tmp_path / "source")
    gone = sorted((tmp_path / "source/images").glob("I0[12]_*_0[23].png"))
    gone += sorted((tmp_path / "source/images").glob("I03_*_0[123].png"))[:9]
    for path in gone:
        path.unlink()
    trees.touch(tmp_path / "source", "images/I99.png")
    out = make(tmp_path, "kadid10k").out
    assert "25 image(s) of the list are missing:\n  images/I01_01_02.png\n" in out
    assert "  ... and 5 more, named in card.json\n" in out and out.count("\n  images/I0") == 20
    assert "1 image(s) stand in no list:\n  images/I99.png\n" in out
    card = card_of(tmp_path)
    assert card["missing"] == {"count": 25, "names": [f"images/{path.name}" for path in gone]}
    assert card["surplus"] == {"count": 1, "names": ["images/I99.png"]}
    assert card["rated"] == {"found": 48 - 25, "published": 10125}
    assert "images/I99.png" in (tmp_path / "OUT/card.md").read_text()


def test_levels_that_the_scores_contradict_give_no_order(tmp_path: Path) -> None:
    file = trees.kadid(tmp_path / "source") / "dmos.csv"
    lines = file.read_text().splitlines()
    turned = [f"{n},{ref},{6.5 - float(mos) if '_01_0' in n else mos},{var}"
              for n, ref, mos, var in (line.split(",") for line in lines[1:])]  # fmt: skip
    file.write_text("\n".join([lines[0], *turned]) + "\n")
    out = make(tmp_path, "kadid10k").out
    assert "note: 01 Gaussian blur: most scores rise with its levels: no order is taken" in out
    assert not list((tmp_path / "OUT").rglob("label_rank.txt"))
    assert card_of(tmp_path)["distortions"]["01 Gaussian blur"] == {"images": 12, "levels": []}


def test_scores_of_another_scale_are_remarked(tmp_path: Path) -> None:
    file = trees.tid(tmp_path / "source") / "mos_with_names.txt"
    file.write_text(file.read_text().replace("4.89", "48.9"))
    assert "to 48.9 where 0 to 9 are possible: check the source" in make(tmp_path, "tid2013").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("--prepare tid2013 --data OUT", 2, "--prepare tid2013 needs --source DIR"),
        ("--prepare tid2013 --source source", 2, "--prepare tid2013 needs --data OUT"),
        ("--train --image_paths links", 2, "--image_paths links: only with --prepare"),
        ("--check --random_split", 2, "--random_split: only with --prepare"),
        ("--prepare tid2031 --source source --data OUT", 1, "data set: did you mean tid2013"),
        ("--prepare tid2013 --source nowhere --data OUT", 1, "nowhere: not a folder"),
        ("--prepare spaq --source source --data OUT", 1, "no images in a folder TestImage"),
        ("--prepare tid2013 --source source --data there", 1, "there: is there already"),
        ("--prepare tid2013 --source source --data source/OUT", 1, "lies in the source"),
        ("--prepare tid2013 --source source --data source", 1, "lies in the source"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_and_leave_nothing(
    tmp_path: Path, words: str, code: int, said: str
) -> None:
    trees.tid(tmp_path / "source")
    trees.touch(tmp_path, "there/label.txt")
    before = listing(tmp_path)
    err = call(tmp_path, words, code).err
    assert said in err and err.strip().splitlines()[-1].startswith("error: ")
    assert err.count("error") == 1 and listing(tmp_path) == before


def test_a_fault_in_a_label_file_leaves_nothing(tmp_path: Path) -> None:
    file = trees.tid(tmp_path / "source") / "mos_with_names.txt"
    file.write_text(file.read_text() + "five I01_01_1.bmp\n")
    (tmp_path / "source/mos_std.txt").unlink()
    err = make(tmp_path, "tid2013", code=1).err
    assert err.splitlines()[-1] == f"error: {file}:76: 'five' is not a finite number"
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_nothing_that_is_listed_is_there(tmp_path: Path) -> None:
    trees.photonet(tmp_path / "source")
    shutil.rmtree(tmp_path / "source/images")
    trees.touch(tmp_path, "source/other.jpg")
    err = make(tmp_path, "photonet", code=1).err
    assert "none of the listed images is there (10 missing, the first '2985300')" in err


def test_a_call_that_dies_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: object) -> None:
        assert (path.parent / "train/label.txt").exists()  # much is written already
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepare, "write_json", full)
    assert "No space left" in make(tmp_path, "kadid10k", code=1).err
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "OUT").mkdir()
    make(tmp_path, "kadid10k")
    assert (tmp_path / "OUT/card.json").exists()
    assert (tmp_path / "OUT").stat().st_mode & 0o777 == 0o755
