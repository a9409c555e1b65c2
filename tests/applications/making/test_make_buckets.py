"""--make_buckets: what it writes, where, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dataloader.labels.text import read_labels
from tests.cli import call
from tests.faults.trial import fingerprint
from tests.label_rows import rows_of
from tests.tiny_data import write_data

VOTES = {953619: (0, 1, 5, 20, 40, 30, 10, 3, 2, 1), 7: (9, 1, 0, 0, 0, 0, 0, 0, 0, 0),
         12: (0, 0, 0, 0, 0, 0, 0, 1, 1, 8)}  # fmt: skip


def ava(folder: Path, missing: tuple[int, ...] = ()) -> Path:
    (folder / "ava/images").mkdir(parents=True)
    lines = []
    for row, (number, votes) in enumerate(VOTES.items(), start=1):
        lines.append(f"{row} {number} {' '.join(map(str, votes))} 1 22 1396\n")
        if number not in missing:
            (folder / f"ava/images/{number}.jpg").touch()
    (folder / "ava/AVA.txt").write_text("".join(lines))
    return folder / "ava"


def mean(votes) -> float:
    return sum(k * n for k, n in enumerate(votes, start=1)) / sum(votes)


def test_ava_by_mean_score(tmp_path):
    source = ava(tmp_path)
    before = fingerprint(source)
    done = call(tmp_path, "--make_buckets ava/AVA.txt -o ava/buckets.txt")
    wanted = [f"images/{n}.jpg {int(np.floor(mean(v) + 0.5))}" for n, v in VOTES.items()]
    assert [mean(v) for v in VOTES.values()] == pytest.approx([5.3482, 1.1, 9.7], abs=1e-4)
    text = (source / "buckets.txt").read_text()
    assert text.splitlines() == ["file_name label", *wanted] and wanted[0].endswith(" 5")
    assert "3 images written to ava/buckets.txt; images by bucket: 1: 1, 5: 1, 10: 1" in done.err
    assert {k: v for k, v in fingerprint(source).items() if k in before} == before
    assert len(fingerprint(source)) == len(before) + 1
    labels = read_labels("buckets", source / "buckets.txt", source)
    assert labels.values.tolist() == [5, 1, 10]


def test_images_that_are_not_there_are_counted(tmp_path):
    ava(tmp_path, missing=(7,))
    done = call(tmp_path, "--make_buckets ava/AVA.txt --bucket_width 0.5")
    assert "1 of 3 images are not in" in done.err and "ava/images" in done.err
    assert done.out.splitlines() == [
        "file_name label", "ava/images/953619.jpg 11", "ava/images/12.jpg 19",
    ]  # fmt: skip
    for image in (tmp_path / "ava/images").iterdir():
        image.unlink()
    done = call(tmp_path, "--make_buckets ava/AVA.txt", code=1)
    assert "none of the images" in done.err and "953619" in done.err


@pytest.mark.parametrize(
    ("criterion", "width", "buckets"),
    [("regress", "1", [5, 3, 2]), ("regress", "0.5", [9, 6, 3]), ("emd", "1", [4, 3, 2])],
)
def test_scores_and_histograms(tmp_path, criterion, width, buckets):
    """MOS of 4.5, 3 and 1.5; votes about bins 5, 3 and 1."""
    write_data(tmp_path / "data", criterion, train=2)
    source = "data/train/label.txt"
    call(tmp_path, f"--make_buckets {source} --bucket_width {width} -o data/train/buckets.csv")
    file = tmp_path / "data/train/buckets.csv"
    assert file.read_text().startswith("file_name,label\nimages/photo0_0.png,")
    labels = read_labels("buckets", file, tmp_path / "data")
    assert labels.values.tolist() == buckets * 2
    call(tmp_path, "--make_buckets data/train/label.txt -o elsewhere/train/label.txt")
    name = (tmp_path / "elsewhere/train/label.txt").read_text().splitlines()[1].rsplit(" ", 1)[0]
    assert (tmp_path / "elsewhere/train" / name).resolve().name == "photo0_0.png"


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_odd_names_come_back(tmp_path, suffix):
    names = ["a b.png", "x,y.png", 'say "hi".png', "#1.png", " 5.png"]
    folder = tmp_path / "data/train"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    kept = names[:4]  # blanks at its ends are no part of a name in a label file
    (folder / "label.txt").write_text("".join(f"./{name},{i}.2\n" for i, name in enumerate(kept)))
    call(tmp_path, f"--make_buckets data/train/label.txt -o data/train/out{suffix}")
    labels = read_labels("buckets", folder / f"out{suffix}", tmp_path / "data")
    assert [(path.name, bucket) for path, bucket, _ in rows_of(labels)] == list(
        zip(kept, range(4), strict=True)
    )


def test_nothing_is_overwritten_and_faults_have_their_place(tmp_path):
    ava(tmp_path)
    done = call(tmp_path, "--make_buckets ava/AVA.txt -o ava/AVA.txt", code=2)
    assert "ava/AVA.txt: is an input, which is only read" in done.err
    done = call(tmp_path, "--make_buckets gone.txt", code=1)
    assert "gone.txt" in done.err and "Traceback" not in done.err
    (tmp_path / "mos.txt").write_text("ava/images/7.jpg,seven\n")
    done = call(tmp_path, "--make_buckets mos.txt -o out.txt", code=1)
    assert "mos.txt:1:18" in done.err and not (tmp_path / "out.txt").exists()
    done = call(tmp_path, "--make_buckets ava/AVA.txt -o out.json", code=2)
    assert "must end in .txt or .csv" in done.err
