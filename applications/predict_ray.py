"""Scores of any number of images on a Ray cluster, as Parquet: `python applications/predict_ray.py
IMAGES... --resume FILE -o FOLDER`; IMAGES and rows are those of --predict, in no order.

One Ray Data program: names of images, a pool of scorers, files of rows. A scorer that dies is
started anew and its images are scored again; the rows are counted at the end. Checkout, images and
weights must be found under the same paths on every machine of the cluster.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a program: imports start at the repository
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from applications.inputs.named_images import Named, blocks, each_named
from applications.scoring.journal import own_groups
from applications.scoring.rows import as_utf8, group_rows, number_columns
from dataloader.sources import ShardMember, Source
from utils.files.weight_names import SHIPPED, find_weights
from utils.files.writing import check_apart, check_output
from utils.text import printable, to_stderr, visible

ROOT = Path(__file__).resolve().parent.parent
SOME_UNREADABLE = 3  # exit code, as of --predict
GROUPS = 4  # that a scorer is given at once
WHOLE_FILE = -1  # in place of where a member of a tar file starts


def item_of(image: Named) -> dict[str, Any]:
    """An image as a row of Ray's; its file is absolute, for processes that start elsewhere. Names
    that open something are bytes, as those of files need not be UTF-8, which texts of Arrow are.
    """
    shard, start, size, inside = (
        image if isinstance(image, ShardMember) else (image, WHOLE_FILE, 0, "")
    )
    return {
        "path": as_utf8(image.as_posix()),
        "file": os.fsencode(os.path.abspath(shard)),
        "start": start,
        "size": size,
        "inside": os.fsencode(inside),
    }


def source_of(file: bytes, start: int, size: int, inside: bytes) -> Source:
    """What `item_of` described."""
    path = Path(os.fsdecode(file))
    return path if start == WHOLE_FILE else ShardMember(path, start, size, os.fsdecode(inside))


class ScoreImages:
    """A process of the pool: columns of images to columns of rows."""

    def __init__(self, weights: str, flags: dict[str, Any]) -> None:
        from applications.scorer import load_scorer  # here: --help does not wait for torch

        self.network = load_scorer(weights, **flags).network
        self.bins = self.network.model.num_classes

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        from applications.evaluation.scoring import predictions

        columns = [batch[name].tolist() for name in ("file", "start", "size", "inside")]
        sources = [source_of(*row) for row in zip(*columns, strict=True)]
        rows = []
        for images, (table, places, bad) in self.network.stream(
            own_groups(sources, self.network.group_size)
        ):
            found = None if table is None else predictions(table)
            rows += group_rows(images, found, places, bad, self.bins)
        return {
            "path": batch["path"],
            **{name: _numbers(rows, name) for name in number_columns(self.bins)},
            "error": [row.get("error") for row in rows],
        }


def _numbers(rows: list[dict[str, Any]], name: str) -> Any:
    """A column with gaps, as Arrow knows them."""
    import pyarrow

    return pyarrow.array([row[name] for row in rows], pyarrow.float64())


def score(given: argparse.Namespace) -> int:
    """Exit code: 0, or 3 where images could not be read. ValueError: one line."""
    try:
        import ray
        from pyarrow import Table, compute, dataset
    except ImportError as error:
        raise ValueError(f"{error}: pip install -r requirements-ray.txt") from None
    from applications.scorer import load_scorer

    output = Path(given.output)
    check_output(output, folder=True)
    check_apart(output, (), [Path(word) for word in given.images if os.path.isdir(word)])
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"{printable(output)}: is not empty: name a new folder")
    weights = os.path.abspath(find_weights(given.resume))
    flags = {"device": given.device, "batch_size": given.batch_size, "max_pixels": given.max_pixels}
    flags = {name: value for name, value in flags.items() if value is not None}
    network = load_scorer(weights, **flags).network  # what is wrong with it is said here
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    try:
        ray.init(given.address, runtime_env=environment, log_to_driver=False)
    except Exception as error:  # no cluster is there; one that starts too slowly is of no kind
        where = f"--address {given.address}" if given.address else "a cluster on this machine"
        why = str(error).partition("\n")[0]
        raise ValueError(f"{where}: {why}") from error
    try:
        count, names = 0, []
        for block in blocks(each_named(given.images, missing=True)):
            names.append(ray.put(Table.from_pylist(list(map(item_of, block)))))
            count += len(block)
        ray.data.from_arrow_refs(names).map_batches(
            ScoreImages,
            fn_constructor_args=(weights, flags),
            batch_size=GROUPS * network.group_size,
            compute=ray.data.ActorPoolStrategy(size=given.processes),
            num_gpus=None if network.device.type == "cpu" else 1,
        ).write_parquet(
            os.path.abspath(output),
            ray_remote_args={"num_cpus": 0},  # scorers may hold all of them
        )
    finally:
        ray.shutdown()
    found = dataset.dataset(output, format="parquet")
    rows = found.count_rows()
    if rows != count:
        raise ValueError(f"{output}: {rows} rows of {count} images: score them again")
    bad = found.count_rows(filter=compute.field("error").is_valid())
    to_stderr(f"{rows} rows written to {output}")
    if bad:
        to_stderr(f"{bad} of {rows} images could not be read: their rows say why")
    return SOME_UNREADABLE if bad else 0


def main(argv: list[str] | None = None) -> int:
    """Run as a program: 0; 1 for what is wrong with files; 2 with the command line; 3 where images
    could not be read.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].partition(":")[0])
    parser.add_argument(
        "images", nargs="+", help="files, folders, patterns, .txt lists, .tar files"
    )
    parser.add_argument("--resume", default=SHIPPED, help="weights (default: %(default)s)")
    parser.add_argument("-o", "--output", required=True, help="a new folder, for Parquet files")
    parser.add_argument("--processes", type=int, default=2, help="scorers (default: %(default)s)")
    parser.add_argument("--address", help="of a cluster, or auto (default: one on this machine)")
    parser.add_argument("--device", default="auto", help="auto, cpu, ... as of --predict")
    parser.add_argument("-b", "--batch_size", type=int, help="images at once")
    parser.add_argument("--max_pixels", type=int, help="refuse images of more pixels")
    try:
        return score(parser.parse_args(argv))
    except ValueError as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
