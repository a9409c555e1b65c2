"""What reading the names and the labels of tar shards costs.

Shards of 10,000 keys, each an image (of a few bytes: pixels are not read here) and a .json, as
WebDataset's writer makes them, are read in a process of their own for each way: the index of names
alone, the whole table that --labels makes of them, and Python's tarfile for comparison. Told are
seconds of the CPU and the memory that stays, for a million members:
`python -m tests.benchmarks.bench_shards`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.tar_shards import write_tar

KEYS = 10_000  # of a shard
WAYS = ("index of names", "table of labels", "tarfile")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.child:
        print(json.dumps(_read(flags.child[0], Path(flags.child[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        keys = (f"{key:09d}" for key in range(KEYS))
        parts = (((f"{k}.jpg", b"pixels"), (f"{k}.json", b'{"mos": 3.1}')) for k in keys)
        first = write_tar(Path(folder) / "train-000.tar", (one for two in parts for one in two))
        for shard in range(1, flags.members // (2 * KEYS)):
            shutil.copy(first, first.with_name(f"train-{shard:03d}.tar"))
        for way in WAYS:
            command = [sys.executable, "-m", "tests.benchmarks.bench_shards"]
            done = subprocess.run(
                [*command, "--child", way, folder], stdout=subprocess.PIPE, text=True, check=True
            )
            found = json.loads(done.stdout)
            scale = 1e6 / flags.members
            print(f"{way}: {found['cpu'] * scale:.1f} s, {found['mb'] * scale:.0f} MB", flush=True)


def _read(way: str, folder: Path) -> dict[str, float]:
    from dataloader.tables.shards import read_shards
    from utils.files.tar_files import index_of

    shards, kept = sorted(folder.glob("*.tar")), []
    before, busy = _resident(), time.process_time()
    for shard in shards if way != WAYS[1] else ():
        if way == WAYS[0]:
            kept.append(index_of(shard))
        else:
            with tarfile.open(shard) as tar:
                kept.append([(member.name, member.offset_data, member.size) for member in tar])
    if way == WAYS[1]:
        kept.append(read_shards(Path("shards"), shards))
    return {"cpu": time.process_time() - busy, "mb": (_resident() - before) / 1e6}


def _resident() -> int:
    """Bytes of this process in memory now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
