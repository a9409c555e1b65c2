"""A table of somebody's own through the command line: what is read, divided, kept and judged."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from applications.inputs.tables.held import held_of, is_held, seen, trained_before
from dataloader.labels.labels import Labels
from tests.cli import TINY, call, refused, run_folders
from tests.outcomes import killed_in
from tests.tiny_data import picture

SHORT = f"{TINY} --epochs 1 --bootstrap 0 --no_report"
WEIGHTS = "--resume checkpoints/model_best_test_resnet.pth -j 0 -g 0 --threads 1 --bootstrap 0"
COUNT = 30


def write_photos(folder: Path) -> list[str]:
    """COUNT photographs in two folders, of which two are nearly the same; their names."""
    names = []
    for number in range(COUNT):
        name = (
            f"{'even' if number % 2 == 0 else 'odd'}/p{number:02}.{'JPG' if number % 3 else 'png'}"
        )
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        seed = 5 if number == 6 else number  # 5 and 6 are one scene
        size = (64, 80) if number in (5, 6) else (40, 56)
        picture(np.random.default_rng(seed), 60 if number not in (5, 6) else number, size).save(
            folder / name
        )
        names.append(name)
    return names


def write_table(file: Path, rows: list[list[object]], separator: str = ",") -> Path:
    with open(file, "w", newline="", encoding="utf-8") as text:
        csv.writer(text, delimiter=separator).writerows(rows)
    return file


def read_rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def score_of(name: str) -> float:
    return 20 + 2.5 * int(Path(name).stem[1:])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str]:
    """(folder, what was said) of a training on a German spreadsheet's table of bare names."""
    folder = tmp_path_factory.mktemp("table")
    names = write_photos(folder / "photos")
    rows = [[Path(n).stem, str(score_of(n)).replace(".", ","), "1,5", 9] for n in names]
    write_table(folder / "noten.csv", [["Bild", "MOS", "SD", "n"], *rows], ";")
    done = call(folder, f"--train --criterion regress {SHORT} --labels noten.csv --images photos")
    return folder, done.err


def test_what_was_read_is_said(trained):
    _, said = trained
    assert (
        "noten.csv: 30 rows, cells apart by ';'; image: column Bild; score: column MOS, 20 to"
        in said
    )
    assert "(decimal commas); std: column SD; count: column n" in said
    assert "30 of 30 rows have an image in " in said and "without a label" not in said
    assert "divided into train 21, val 3, test 6 images (--split_by auto, seed 0)" in said
    assert "near duplicates: 2 images in 1 sets kept together, stratified by score" in said


def test_the_split_is_kept_and_read_again(trained):
    folder, _ = trained
    (run,) = run_folders(folder)
    rows = read_rows(run / "split.csv")
    assert list(rows[0]) == ["image", "score", "std", "count", "split"] and len(rows) == COUNT
    assert all(float(row["score"]) == score_of(row["image"]) for row in rows)
    assert Counter(row["split"] for row in rows) == {"train": 21, "val": 3, "test": 6}
    split = {Path(row["image"]).stem: row["split"] for row in rows}
    assert split["p05"] == split["p06"]
    tested = {Path(row["path"]).stem for row in read_rows(run / "predictions_test.csv")}
    assert tested == {name for name, where in split.items() if where == "test"}
    shutil.copy(run / "split.csv", folder / "split.csv")
    for labels in ("noten.csv", "split.csv"):
        call(folder, f"-e {WEIGHTS} --labels {labels} --images photos -o e.csv --no_report")
        again = {Path(row["path"]).stem for row in read_rows(folder / "e.csv")}
        assert again == tested, labels
    call(
        folder, f"-e {WEIGHTS} --labels split.csv --images photos --split val -o v.csv --no_report"
    )
    assert len(read_rows(folder / "v.csv")) == 3


def test_a_table_is_asked_for_and_whose_weights_lie_where_is_said(trained, tmp_path):
    folder, said = trained
    assert "checkpoints/model_best_test_resnet.pth: from now on the weights of this run" in said
    done = call(tmp_path, f"-e --resume {run_folders(folder)[0].resolve()} -j 0 -g 0", 1)
    assert "data/test/label.txt: no label file here" in done.err
    assert "pass its --labels TABLE --images DIR" in done.err


def test_a_table_that_changed_and_another_one(trained, tmp_path):
    folder, _ = trained
    shutil.copytree(folder / "photos", tmp_path / "photos")
    names = sorted(p.relative_to(tmp_path / "photos").as_posix() for p in tmp_path.rglob("p*.*"))
    picture(np.random.default_rng(99), 9).save(tmp_path / "photos/new.png")
    rows = [[name, score_of(name)] for name in names[:-2]] + [["new.png", 3]]
    write_table(tmp_path / "t.csv", [["image", "score"], *rows])
    weights = WEIGHTS.replace("checkpoints", str(folder / "checkpoints"))
    done = call(tmp_path, f"-e {weights} --labels t.csv --images photos -o e.csv --no_report")
    assert "has changed since the weights were trained: 1 images are new" in done.err
    assert "2 are gone" in done.err and len(read_rows(tmp_path / "e.csv")) <= 6
    other = [["new.png", 3], *([name, 1] for name in ())]
    write_table(tmp_path / "o.csv", [["image", "score"], *other])
    done = call(
        tmp_path, f"-e {weights} --labels o.csv --images photos -o o.out.csv --no_report", None
    )
    assert "were not trained on any of these 1 images: all of them test" in done.err


def test_images_are_known_by_their_content(trained, tmp_path):
    folder, _ = trained
    (run,) = run_folders(folder)
    rows = read_rows(run / "split.csv")
    # One name and one size in two folders, as LIVE has them: the bytes alone tell them apart.
    tested = next(row["image"] for row in rows if row["split"] == "test")
    learned = next(row["image"] for row in rows if row["split"] == "train")
    for place, of in (("a", tested), ("b", learned)):
        (tmp_path / place).mkdir()
        shutil.copy(folder / "photos" / of, tmp_path / place / Path(tested).name)
    sources = [tmp_path / place / Path(tested).name for place in "ab"]
    sizes = [file.stat().st_size for file in sources]
    for file, size in zip(sources, sizes, strict=True):
        with open(file, "ab") as end:
            end.write(b"\0" * (max(sizes) - size))
    splits = {
        name: SimpleNamespace(labels=SimpleNamespace(sources=[file]))
        for name, file in zip(("test", "train"), sources, strict=True)
    }
    held = held_of(splits)
    assert is_held(held) and len(set(held["images"].tolist())) == 2
    assert len(set(held["names"].tolist())) == 1
    shutil.copy(sources[0], sources[1])  # one file in two splits
    split = SimpleNamespace(labels=SimpleNamespace(sources=sources), file="t.csv")
    assert "trained on 2 of the 2 images of t.csv" in trained_before(held_of(splits), split)
    shutil.copytree(folder / "photos", tmp_path / "photos")
    for file in (tmp_path / "photos").rglob("p*.*"):
        with open(file, "ab") as end:
            end.write(b"\0")  # saved again under the same names
    weights = WEIGHTS.replace("checkpoints", str(folder / "checkpoints"))
    words = f"-e {weights} --labels {folder / 'noten.csv'} --images photos"
    done = call(tmp_path, words, 1)
    assert "images of the same names (30 of 30), but other files" in done.err
    assert "pass the split.csv of their run as --labels" in done.err


def test_one_file_in_two_splits_is_refused(tmp_path):
    sources = [tmp_path / place / "p.png" for place in "ab"]
    for file in sources:
        file.parent.mkdir()
        file.write_bytes(b"the same")
    labels = [Labels("scores", [f], np.zeros(1, np.int64), np.ones(1), np.ones(1)) for f in sources]
    splits = {
        name: SimpleNamespace(labels=one)
        for name, one in zip(("train", "test"), labels, strict=True)
    }
    config = SimpleNamespace(labels="t.csv", data="data/")
    with pytest.raises(ValueError, match="t.csv: .*p.png: the training had this very file in two"):
        seen(config, None, splits, held_of(splits), None)


def test_another_split_of_what_was_trained_on_is_said(trained):
    folder, _ = trained
    rows = [{**row, "split": "test"} for row in read_rows(run_folders(folder)[0] / "split.csv")]
    write_table(folder / "all.csv", [list(rows[0]), *(list(row.values()) for row in rows)])
    done = call(folder, f"-e {WEIGHTS} --labels all.csv --images photos")
    assert "warning: the weights have trained on 21 of the 30 images of all.csv (test)" in done.err
    again = f"--labels noten.csv --images photos --resume {WEIGHTS.split()[1]} --split_seed 1"
    done = call(
        folder, f"--train --criterion regress {SHORT} --logdir again --checkpoints c {again}"
    )
    assert "of the 6 images of noten.csv, test: what they say" in done.err


def test_a_table_among_several_data_sets(trained):
    folder, _ = trained
    shutil.copy(folder / "noten.csv", folder / "photos/own.csv")
    done = call(folder, f"--test photos/own.csv {WEIGHTS} -o all.json --no_report")
    assert json.loads((folder / "all.json").read_text())["data"]["photos/own.csv"]["images"] == 6
    assert "30 of 30 rows have an image" in done.err


def test_a_run_goes_on_with_its_split(trained, tmp_path):
    folder, _ = trained
    shutil.copytree(folder / "photos", tmp_path / "photos")
    shutil.copy(folder / "noten.csv", tmp_path)
    words = f"--train --criterion regress {SHORT} --epochs 2 --labels noten.csv --images photos"
    with killed_in(4):
        call(tmp_path, words, 130)
    (run,) = run_folders(tmp_path)
    split = (run / "split.csv").read_text()
    call(tmp_path, f"--continue {run}")
    assert (run / "split.csv").read_text() == split
    tested = {Path(row["path"]).stem for row in read_rows(run / "predictions_test.csv")}
    assert tested == {
        Path(r["image"]).stem for r in read_rows(run / "split.csv") if r["split"] == "test"
    }


def test_repeats_keep_near_duplicates_together(trained):
    folder, _ = trained
    words = f"--train --criterion regress {SHORT} --labels noten.csv --images photos"
    call(folder, f"{words} --logdir more --checkpoints c --repeats 2 --split_shares 80/20")
    (parent,) = (folder / "more").glob("[!.]*")
    splits = []
    for file in sorted(parent.glob("*/split.csv")):
        split = {Path(row["image"]).stem: row["split"] for row in read_rows(file)}
        assert Counter(split.values())["test"] in (6, 7) and "val" not in split.values()
        assert split["p05"] == split["p06"]
        splits.append(split)
    assert len(splits) == 2 and splits[0] != splits[1]
    assert len(json.loads((parent / "summary.json").read_text())["runs"]) == 2


def test_ratings_become_histograms_or_means(trained, tmp_path):
    folder, _ = trained
    shutil.copytree(folder / "photos", tmp_path / "photos")
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("p*.*"))
    rows = [
        [name, f"r{rater}", 1 + (number + rater) % 5]
        for number, name in enumerate(names) for rater in range(3)
    ]  # fmt: skip
    write_table(tmp_path / "ratings.csv", [["image", "rater", "score"], *rows])
    done = call(tmp_path, f"--train --criterion emd {SHORT} --labels ratings.csv --split_by image")
    assert "ratings: 90 by 3 people (column rater), 3 to 3 of each image" in done.err
    (run,) = run_folders(tmp_path)
    row = read_rows(run / "split.csv")[0]
    votes = [float(row[f"c{k}"]) for k in range(1, 6)]
    assert sum(votes) == pytest.approx(1) and row["count"] == "3"
    call(tmp_path, "--check --labels ratings.csv -j 0 -o found.json")
    scores = json.loads((tmp_path / "found.json").read_text())["splits"]["train"]
    assert scores["images"] == COUNT and scores["votes"]["per_image"]["min"] == 3


def test_a_folder_of_train_alone(trained, tmp_path):
    folder, _ = trained
    shutil.copytree(folder / "photos", tmp_path / "data/train/photos")
    names = sorted((tmp_path / "data/train").rglob("p*.*"))
    lines = [f"{n.relative_to(tmp_path / 'data/train')},{score_of(n.name)}" for n in names[:-1]]
    (tmp_path / "data/train/label.txt").write_text("\n".join(lines))
    done = call(tmp_path, f"--train --criterion regress {SHORT} --split_by auto")
    assert "data/: 1 image(s) without a label, first three: train/photos/odd/p" in done.err
    assert "divided into train 20, val 3, test 6 images" in done.err
    tested = {row["path"] for row in read_rows(run_folders(tmp_path)[0] / "predictions_test.csv")}
    call(tmp_path, f"-e {WEIGHTS} -o e.csv --no_report")
    assert {row["path"] for row in read_rows(tmp_path / "e.csv")} == tested
    (tmp_path / "data/test").mkdir()
    (tmp_path / "data/test/label.txt").write_text("\n".join(f"../train/{x}" for x in lines[:2]))
    (tmp_path / "data/train/label.txt").write_text("\n".join(lines[2:]))
    done = call(tmp_path, f"--train --criterion regress {SHORT} --split_by auto", 1)
    assert "--split_by auto: data/ has test/ already" in done.err


def test_rows_without_an_image_stop(trained, tmp_path):
    folder, _ = trained
    shutil.copytree(folder / "photos", tmp_path / "photos")
    rows = [["even/p00.png", 1], ["p01.jpg", 2], ["p0l", 3], ["even\\p02.JPG", 5], ["p05", 7]]
    write_table(tmp_path / "t.csv", [["image", "score"], *rows])
    words = f"--train --criterion regress {SHORT} --labels t.csv --images photos"
    done = call(tmp_path, words, 1)
    assert "4 of 5 rows have an image" in done.err
    assert "26 image(s) without a label, first three: even/p04.JPG, " in done.err
    assert (
        "1 missing image(s):" in done.err and "photos/p0l: no such image: did you mean " in done.err
    )
    assert "or leave them out with --bad_images skip" in done.err
    assert not (tmp_path / "runs").exists()
    done = call(tmp_path, f"{words} --bad_images skip")
    assert "divided into train 2, val 1, test 1 images" in done.err
    (tmp_path / "photos/odd/p00.png").write_bytes((tmp_path / "photos/even/p00.png").read_bytes())
    write_table(tmp_path / "t.csv", [["image", "score"], ["p00", 1], ["p01", 2]])
    done = call(tmp_path, words, 1)
    assert (
        "t.csv:2:1: image: 'p00' could be even/p00.png and odd/p00.png: write the path" in done.err
    )


def test_two_names_that_lead_to_one_file(tmp_path):
    (tmp_path / "ph").mkdir()
    picture(np.random.default_rng(0), 9).save(tmp_path / "ph/p00.png")
    write_table(tmp_path / "t.csv", [["image", "mos"], ["a/p00.png", 1], ["b/p00.png", 1]])
    done = call(tmp_path, "--check -j 0 --labels t.csv --images ph", 1)
    said = "t.csv:3:1: image: 'b/p00.png' and 'a/p00.png' in line 2 both lead to p00.png"
    assert said in done.out + done.err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["p01", 2], ["p01", 3]], "t.csv:3:5: score: line 2 says something else of this image"),
        ([["p01", -1, 0], ["p02", 2, 1]], "t.csv:2:5: c1: a count below 0"),
        ([["", 2]], "t.csv:2:1: image: no image is named"),
    ],
)
def test_rows_at_fault(trained, rows, said):
    folder, _ = trained
    head = ["image", "score"] if len(rows[0]) == 2 else ["image", "c1", "c2"]
    more = "--votes_column c1..c2 --criterion emd" if len(rows[0]) == 3 else "--criterion regress"
    write_table(folder / "t.csv", [head, *rows])
    for words in (f"--train {SHORT}", "--check -j 0"):
        done = call(folder, f"{words} {more} --labels t.csv --images photos", 1)
        assert said in done.err + done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--train --labels t.csv --val_size 3", "--val_size: only with AVA.txt or JSON samples"),
        ("--train --image_column a", "--image_column needs --labels TABLE"),
        (
            "--train --labels t.csv --folds 3 --split_shares 90/5/5",
            "--split_shares 90/5/5 and --folds 3 cannot go together",
        ),
        ("--train --split_shares 1e308/1e308", "shares such as 70/10/20 or 80/20 are wanted"),
        ("--train --split_by theme", "--split_by theme: only a table (--labels) has columns"),
        (
            "--train --labels AVA.txt --images p --split_by auto",
            "--split_by: only with label files",
        ),
        (
            "--train --distort basic --photos p --split_by auto",
            "--split_by and --distort cannot go",
        ),
    ],
)
def test_flags_that_do_not_go_together(tmp_path, words, said):
    refused(tmp_path, words, said)
