"""What a training with 1,000,000 label lines takes to start, over one with 10,000 lines: processor
seconds, and the memory of the main process and of a process that reads images.

    python tests/benchmarks/bench_label_start.py [--only WORD] [--against CHECKOUT] [--runs N]

Makes data sets in a temporary folder: every image is there by name (an empty file with many links),
so that each is looked up, and --no_check leaves decoding out. Each way runs in a process of its
own, from the command line to the first step's share of the rows: reading, splits, targets, the
training set, and what a head and a loss are fitted to. Then a process is forked as a loader forks
its own, and draws steps of two epochs. Told are the seconds of the CPU after the imports, which
other work on the machine does not stretch, the peak of resident memory of the main process, and the
peak of what the reading process has for itself; of all three the difference to 10,000 lines.
--against runs another checkout in turn, and tells the ratios of the CPU seconds, run by run. The
last column is a digest of all labels, their order, targets and first steps: it has to be the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

LINKS = 30_000  # of one file: file systems allow few more
FOLDERS = 1000  # that the images of images_root.txt lie in
BASE = 10_000
WAYS = {  # place, criterion, label file
    "regress": ("split", "regress", "mos.txt"),
    "regress, one line twice": ("split", "regress", "twice.txt"),
    "regress, images_root.txt": ("rooted", "regress", "mos.txt"),
    "rank": ("split", "rank", "pairs.txt"),
    "rank, one line twice": ("split", "rank", "pairs_twice.txt"),
    "rank, images_root.txt": ("rooted", "rank", "pairs.txt"),
    "emd, votes in label.txt": ("split", "emd", "votes.txt"),
    "emd, AVA.txt": ("ava", "emd", "label.txt"),
    "regress, AVA.txt": ("ava", "regress", "label.txt"),
    "emd, samples.json": ("json", "emd", "samples.json"),
}
STEPS = 20  # of each of two epochs, that a reading process draws
HERE = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="ways whose name begins like this")
    parser.add_argument("--against", help="another checkout of this code")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--keep", help="folder of the data sets, kept for the next time")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(_start(*flags.child)))
        return
    with tempfile.TemporaryDirectory() as folder:
        top = Path(flags.keep or folder)
        for rows in (BASE, flags.rows):
            if not (top / str(rows)).is_dir():
                _write(top / str(rows), rows)
        codes = {"ours": HERE, **({"other": Path(flags.against)} if flags.against else {})}
        for way in (way for way in WAYS if way.startswith(flags.only)):
            seconds: dict[str, list[float]] = {code: [] for code in codes}
            for _ in range(flags.runs):
                for name, code in codes.items():
                    few, many = (_run(code, top / str(n), way) for n in (BASE, flags.rows))
                    more = {k: many[k] - few[k] for k in ("cpu", "peak", "worker")}
                    seconds[name].append(more["cpu"])
                    print(
                        f"{way}, {name}: {many['lines']} lines: {many['cpu']:.1f} s of CPU, "
                        f"{more['cpu']:.1f} s more than {BASE}; main {more['peak']:+.0f} MB of "
                        f"{many['peak']:.0f}, a reading process {more['worker']:+.0f} MB of "
                        f"{many['worker']:.0f}; {many['digest']}",
                        flush=True,
                    )
            if flags.against:
                pairs = zip(seconds["other"], seconds["ours"], strict=True)
                ratios = [other / own for other, own in pairs]
                print(
                    f"{way}: CPU seconds of the other over ours: median "
                    f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}, "
                    f"{len(ratios)} runs)"
                )


def _run(code: Path, top: Path, way: str) -> dict:
    place, criterion, label_name = WAYS[way]
    child = ["--child", str(code), str(top / place), criterion, label_name]
    done = subprocess.run(
        [sys.executable, __file__, *child], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _start(code: str, data: str, criterion: str, label_name: str) -> dict[str, float | str]:
    sys.path.insert(0, code)
    # All that a training imports, timm with it: what is loaded lazily counts as an import.
    import timm  # noqa: F401

    from applications.inputs.data import read_data
    from applications.inputs.runtime import open_runtime
    from applications.tasks import TASKS
    from applications.training.parts import fewest_images, training_set
    from config import make_config

    busy = time.process_time()
    found = {"data": data, "label_name": label_name}
    if label_name.endswith(".json"):
        found = {"labels": f"{data}/{label_name}", "images": f"{data}/images"}
    flags = {**found, "criterion": criterion, "no_check": True}
    config = make_config({**flags, "train": True, "gpus": 0, "batch_size": 16})
    with open_runtime(config) as runtime:
        found = read_data(config, TASKS[criterion], runtime)
        dataset = training_set(config, found, runtime)
        fewest_images(dataset)
        targets = found.splits["train"].targets.all()
        TASKS[criterion].criterion(config, targets)
        dataset.share(0, 0)
    told = {
        "cpu": time.process_time() - busy,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "lines": len(dataset.targets),
        "worker": _reading_process(dataset),
    }
    return {**told, "digest": _digest(found, dataset)}


def _reading_process(dataset) -> float:
    """MB that a process which reads images has for itself, at most."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        highest, ended = [_own()], threading.Event()

        def watch() -> None:
            while not ended.wait(0.003):
                highest.append(_own())

        watcher = threading.Thread(target=watch)
        watcher.start()
        for epoch in (0, 1):
            for step in range(min(STEPS, dataset.plan.steps())):
                for image in dataset.share(epoch, step).indices:
                    str(dataset.targets.paths[image])
        ended.set()
        watcher.join()
        os.write(writing, str(max(*highest, _own())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return float(os.read(reading, 100)) / 1024


def _own() -> int:
    """KB of this process that no other one has."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_"))


def _digest(found, dataset) -> str:
    digest = hashlib.sha256(json.dumps(found.digests(), sort_keys=True).encode())
    for split in found.splits.values():
        digest.update("\n".join(map(str, split.labels.sources)).encode())
        for column in (split.labels.images, split.labels.values, split.labels.lines):
            digest.update(np.ascontiguousarray([] if column is None else column).tobytes())
        for column in split.targets.all().values():
            digest.update(np.ascontiguousarray(column).tobytes())
    for epoch in (0, 1):
        share = dataset.share(epoch, 1)
        for column in (share.indices, share.keys, *share.targets.values()):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:12]


# ---- data sets


def _write(top: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    ids = rng.permutation(4 * rows)[:rows]
    votes = rng.integers(0, 60, (rows, 10))
    votes[:, 4] += 1
    mos = (votes @ np.arange(1, 11)) / votes.sum(axis=1)
    held = rows // 20
    for split, part in (("train", slice(0, rows - held)), ("val", slice(rows - held, rows))):
        names = [f"{i}.jpg" for i in ids[part].tolist()]
        deep = [f"{split}/{i % FOLDERS:03d}/{i}.jpg" for i in ids[part].tolist()]
        _touch(top / "split" / split, names if split == "val" else [f"{i}.jpg" for i in ids])
        _touch(top / "images", deep)
        (top / "rooted" / split).mkdir(parents=True)
        _label_files(top / "split" / split, names, votes[part], mos[part])
        _label_files(top / "rooted" / split, deep, votes[part], mos[part])
    (top / "rooted" / "images_root.txt").write_text(str((top / "images").resolve()))
    (top / "ava").mkdir(parents=True)
    number = np.arange(1, rows + 1)
    table = np.column_stack([number, ids, votes, rng.integers(0, 67, (rows, 3))])
    np.savetxt(top / "ava" / "AVA.txt", table, fmt="%d")
    os.symlink(top / "split" / "train", top / "ava" / "images")  # which has those of val, too
    (top / "json").mkdir()
    pairs = zip(ids.tolist(), votes.tolist(), strict=True)
    samples = [{"image_id": str(name), "label": label} for name, label in pairs]
    (top / "json" / "samples.json").write_text(json.dumps(samples))
    os.symlink(top / "split" / "train", top / "json" / "images")


def _label_files(folder: Path, names: list[str], votes: np.ndarray, mos: np.ndarray) -> None:
    counted = zip(names, votes.tolist(), strict=True)
    scored = zip(names, mos.tolist(), strict=True)
    lines = [f"{name},{value:.6g}\n" for name, value in scored]
    half = len(names) // 2  # of each image two lines, so that there are as many as in mos.txt
    others = [*names[half + 1 : 2 * half], names[half]]
    pairs = [f"{a},{b}\n" for a, b in zip(names[:half], names[half : 2 * half], strict=True)]
    pairs += [f"{a},{b}\n" for a, b in zip(names[:half], others, strict=True)]
    texts = {
        "votes.txt": [f"{name},{','.join(map(str, row))}\n" for name, row in counted],
        "mos.txt": lines,
        "twice.txt": [*lines, lines[0]],
        "pairs.txt": pairs,
        "pairs_twice.txt": [*pairs, pairs[0]],
    }
    for name, text in texts.items():
        (folder / name).write_text("".join(text))


def _touch(folder: Path, names: list[str]) -> None:
    for below in sorted({os.path.dirname(name) for name in names}):
        (folder / below).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        if i % LINKS == 0:
            first = folder / name
            first.touch()
        else:
            os.link(first, folder / name)


if __name__ == "__main__":
    main()
