"""Tar shards through the command line: what is learned, judged and scored is what the same files in
folders give, to the bit.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.cli import BEST, ROOT, TINY, call, inside, refused, run_folders, start_group, tables
from tests.outcomes import killed_in
from tests.tar_shards import sample, write_shards, write_tar
from tests.tiny_data import write_data
from utils.files import checkpoint
from utils.files.reading import read_json

SPLITS = ("train", "val", "test")
PATTERN = "'shards/{train,val,test}-{000..001}.tar'"
TRAIN = f"--train --criterion regress {TINY} --bootstrap 0"
WEIGHTS = f"--resume checkpoints/{BEST} -j 0 -g 0 --threads 1"


def outcome(folder: Path) -> tuple[list[dict], str, dict]:
    """(metrics of every epoch, digest of the weights, results) of the latest run."""
    run = run_folders(folder)[-1]
    lines = (run / "metrics.jsonl").read_text().splitlines()
    rows = [{k: v for k, v in json.loads(li).items() if k != "data_wait"} for li in lines]
    results = json.loads((run / "results.json").read_text())
    return rows, checkpoint.digest(checkpoint.load(next(run.glob("model_best*")))["model"]), results


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with the same images as data/, a table of them and an unpacked/ folder, and as
    shards/; a training from unpacked/, whose weights lie in checkpoints/.
    """
    folder = tmp_path_factory.mktemp("shards")
    write_data(folder / "data", "regress", train=3)
    samples: dict[str, list[tuple[Path, object]]] = {}
    rows = [["name", "mos", "split"]]
    for split in SPLITS:
        for line in (folder / "data" / split / "label.txt").read_text().splitlines():
            name, score = line.split(",")
            found = samples.setdefault(split, [])
            found.append((folder / "data" / split / name, {"mos": float(score), "source": "x"}))
    for shard in write_shards(folder / "shards", samples):
        shutil.unpack_archive(shard, folder / "unpacked" / shard.stem)
    for split in SPLITS:
        for label in sorted((folder / "unpacked").glob(f"{split}-*/*.json")):
            score = read_json(label)["mos"]
            rows.append([f"{label.parent.name}/{label.stem}", score, split])
    with open(folder / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    call(folder, f"{TRAIN} --labels table.csv --images unpacked")
    return folder


def test_the_training_is_that_of_folders(made):
    plain = outcome(made)
    said = call(made, f"{TRAIN} --labels {PATTERN} -j 2").err
    assert "tar: 21 rows, 6 tar files; image: column image; score: column mos, 1.5 to 4.5;" in said
    assert "split: column split, 9 train, 6 val, 6 test; not read: source" in said
    assert "21 of 21 rows have an image in " in said
    assert outcome(made) == plain
    names = (made / "table.csv").read_text()
    (made / "bare.csv").write_text("".join(  # keys alone, found in whichever tar file
        line.partition("/")[2] or line for line in names.splitlines(keepends=True)
    ))  # fmt: skip
    call(made, f"{TRAIN} --labels bare.csv --images shards")
    assert outcome(made) == plain


def test_label_files_name_members(made, tmp_path):
    for split in SPLITS:
        lines = []
        for shard in sorted((made / "shards").glob(f"{split}-*.tar")):
            (tmp_path / "data" / split).mkdir(parents=True, exist_ok=True)
            shutil.copy(shard, tmp_path / "data" / split)
            for label in sorted((made / "unpacked" / shard.stem).glob("*.json")):
                lines.append(f"{shard.name}/{label.stem}.png,{read_json(label)['mos']}\n")
        (tmp_path / "data" / split / "label.txt").write_text("".join(lines))
    said = call(tmp_path, f"{TRAIN} --cache kept").err
    assert "21 images to keep" in said and "without a label" not in said
    rows, weights, _ = outcome(tmp_path)
    assert (rows, weights) == outcome(made)[:2]
    with open(tmp_path / "data/train/label.txt", "a") as file:
        file.write("train-000.tar/9999.png,2\n")
    said = call(tmp_path, TRAIN, code=1).err
    assert "image not found (looked for " in said and "train-000.tar/9999.png" in said


def test_a_killed_run_goes_on_to_the_bit(made):
    plain = outcome(made)
    with killed_in(4):
        call(made, f"{TRAIN} --labels {PATTERN} --save_every 1", code=130)
    run = run_folders(made)[-1]
    call(made, f"--continue {run}")
    assert outcome(made)[1:] == plain[1:]


def test_two_processes_judge_each_image_once(made, tmp_path):
    words = f"-e --labels {PATTERN} --split train --no_report --bootstrap 0 {WEIGHTS}"
    call(made, f"{words} -o {tmp_path}/one.csv")
    group = start_group(made, f"{words} -o {tmp_path}/two.csv".replace("-g 0 ", ""), 2)
    for process in group:
        process.join()
    assert [process.exitcode for process in group] == [0, 0]
    one, two = rows_of(tmp_path / "one.csv"), rows_of(tmp_path / "two.csv")
    assert len(one) == 9 and len({row["path"] for row in one}) == 9
    assert [row["path"] for row in one] == [row["path"] for row in two]
    scores = [[float(row["score"]) for row in rows] for rows in (one, two)]
    assert scores[0] == pytest.approx(scores[1])


def test_urls_are_fetched_once(made, tmp_path, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    memory, wanted = MemoryFileSystem(), made / "shards"
    for shard in wanted.glob("*.tar"):
        memory.pipe(f"/sets/{shard.name}", shard.read_bytes())
    url = "memory://sets/test-{000..001}.tar"
    refused(tmp_path, f"--predict '{url}' --resume x.pth", "pass --cache DIR, the folder that")
    call(
        made, f"--predict {wanted}/test-000.tar {wanted}/test-001.tar {WEIGHTS} -o {tmp_path}/a.csv"
    )
    call(made, f"--predict '{url}' {WEIGHTS} --cache {tmp_path}/kept -o {tmp_path}/b.csv")
    call(made, f"--predict 'file://{wanted}/test-*.tar' {WEIGHTS} -o {tmp_path}/c.csv")
    found = [
        [(Path(row["path"]).name, row["score"]) for row in rows_of(file)]
        for file in sorted(tmp_path.glob("?.csv"))
    ]
    assert found[0] == found[1] == found[2] and len(found[0]) == 6
    monkeypatch.setattr(MemoryFileSystem, "get_file", None)  # nothing is fetched again
    words = f"-e {WEIGHTS} --bootstrap 0 --labels"
    found = call(made, f"{words} '{url}' --cache {tmp_path}/kept").out
    assert tables(found).replace("memory://sets", "shards") == tables(
        call(made, f"{words} 'shards/test-{{000..001}}.tar'").out
    )
    said = call(made, f"{words} memory://sets/test-002.tar --cache {tmp_path}/kept", code=1).err
    assert "memory://sets/test-002.tar: no such file: check the URL" in said
    said = call(made, f"--predict nosuch://a/b.tar {WEIGHTS} --cache {tmp_path}/kept", code=1).err
    assert "nosuch://a/b.tar: cannot be fetched (" in said
    assert not list(tmp_path.rglob("*.part"))


def test_keys_without_an_image_or_a_label(made, tmp_path):
    images = sorted((made / "data/train/images").iterdir())
    members = [part for i, image in enumerate(images[:6]) for part in sample(image, str(i), f"{i}")]
    members += [("6.png", images[6].read_bytes()), ("7.json", b'{"txt": 3}'), ("x.npy", b"1")]
    write_tar(tmp_path / "a.tar", members)
    words = f"{TRAIN} --labels a.tar --split_shares 50/25/25 --no_check"
    said = call(tmp_path, words, code=1).err
    assert "2 incomplete image(s):" in said
    assert "a.tar/7: no image of this key beside its label" in said
    assert "a.tar/6.png: no label of this key beside its image: add its .json" in said
    said = call(tmp_path, f"{words} --bad_images skip").err
    assert "; not read: 1 other file(s), .npy" in said
    assert "6 of 7 rows have an image" in said and "divided into train 3, val 2, test 1" in said


TEN = [
    (f"{i}.{end}", text)
    for i in range(10)
    for end, text in (("png", b"x"), ("json", b'{"mos": 1}'))
]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([*TEN, ("a.png", b"x"), ("a.json", b'{"mos": "good"}')], "a.tar/a.png: mos: not a number"),
        ([("a.png", b"x"), ("a.json", b"{1")], "a.tar/a.json:1"),
        ([("a.png", b"x"), ("a.json", b'"3"')], "a.tar/a.json: neither an object"),
        ([("a.png", b"x"), ("a.b.png", b"y"), ("a.txt", b"1")], "one key has a.png and a.b.png"),
        ([("a.png", b"x")], "no label in these tar files"),
    ],
)
def test_labels_that_are_none(tmp_path, members, said):
    write_tar(tmp_path / "a.tar", members)
    found = call(tmp_path, f"{TRAIN} --labels a.tar", code=1).err
    assert said in found


def test_names_that_lead_nowhere(made):
    said = call(made, f"{TRAIN} --labels 'shards/train-{{000..002}}.tar'", code=1).err
    assert "shards/train-002.tar: no such tar file of shards/train-{000..002}.tar" in said
    refused(made, f"{TRAIN} --labels s3://a/b.tar", "s3://a/b.tar: pass --cache DIR")
    said = call(made, f"{TRAIN} --labels {PATTERN} --images shards", code=1).err
    assert "--images: the images are in the tar files: leave it out" in said


def test_what_webdataset_writes(made, tmp_path):
    """By the lines of docs/own-data.md."""
    pytest.importorskip("webdataset")
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/own-data.md").read_text(), re.S)
    labels = sorted((made / "unpacked").glob("test-*/*.json"))
    rows = [(label.with_suffix(".png"), read_json(label)["mos"]) for label in labels]
    (tmp_path / "shards").mkdir()
    with inside(tmp_path):
        exec(compile(lines.replace("train-%", "test-%"), "docs", "exec"), {"rows": rows})
    words = f"-e --bootstrap 0 --resume {made}/checkpoints/{BEST} -j 0 -g 0 --labels"
    found = tables(call(tmp_path, f"{words} shards/test-000.tar").out).partition("\n")[2]
    assert found == tables(call(made, f"{words} {PATTERN}").out).partition("\n")[2]


def test_a_server_is_asked_once(made, tmp_path):
    pytest.importorskip("aiohttp")
    handler = partial(SimpleHTTPRequestHandler, directory=str(made / "shards"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        words = f"{WEIGHTS} --cache {tmp_path}/kept -o {tmp_path}/found.csv"
        call(made, f"--predict {url}/test-{{000..001}}.tar {words}")
        said = call(made, f"--predict {url}/no.tar {words}", code=1).err
        server.shutdown()
    assert "/no.tar: no such file: check the URL" in said
    (tmp_path / "found.csv").unlink()
    call(made, f"--predict {url}/test-{{000..001}}.tar {words}")
    assert len(rows_of(tmp_path / "found.csv")) == 6


def test_the_same_bytes_in_two_splits_are_refused(made, tmp_path):
    """Under any name; what one split has twice is its own affair."""
    photos = sorted((made / "data").glob("*/images/*.png"))
    train = [sample(image, 3.0 + number % 3, f"a{number}") for number, image in enumerate(photos)]
    again = sample(photos[0], 3.0, "again")
    shards = tmp_path / "shards"
    write_tar(shards / "train-000.tar", [member for two in train[:12] for member in two] + again)
    rest = [member for two in train[12:15] for member in two]
    write_tar(shards / "val-000.tar", rest + sample(photos[4], 3.0, "other"))
    write_tar(shards / "test-000.tar", [member for two in train[15:] for member in two])
    words = f"{TRAIN} --labels 'shards/*.tar' --epochs 1"
    said = call(tmp_path, words, code=1).err
    assert said.count("same bytes") == 1 and not (tmp_path / "runs").exists()
    assert (
        "shards/val-000.tar/other.png: image of val with the same bytes as one of train (" in said
    )
    assert "shards/train-000.tar/a4.png): take one of them out, or pass --split_by auto" in said
    call(tmp_path, f"{words} --split_by auto")
