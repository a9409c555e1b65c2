"""--make_buckets: images and buckets of their mean scores, as --criterion siamese reads them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from applications.inputs.runtime import Runtime
from applications.inputs.voted import VotedImages
from config import Config
from dataloader.labels.ava import COLUMNS
from dataloader.labels.bucket_lines import HEADER
from dataloader.labels.text import read_labels
from dataloader.targets.buckets import bucket_of
from utils.files.writing import write_text
from utils.flag_types import is_number
from utils.text import csv_of


def run(config: Config, runtime: Runtime) -> int:
    """Writes -o, or prints, `file_name label` for every image of the file; 0. ValueError where -o
    exists already. Paths are relative to the folder of -o, or to the working directory.
    """
    file = Path(config.make_buckets or "")
    output = Path(config.output) if config.output else None
    if output and output.exists():
        raise ValueError(f"{output}: exists already: take it away, or pass another -o")
    images, means = _voted(config, file, runtime) if _is_ava(file) else _labelled(file)
    buckets = bucket_of(means, config.bucket_width)
    folder = output.parent if output else Path()
    text = data_file(
        _names(images, folder), buckets, comma=bool(output) and output.suffix == ".csv"
    )
    if output:
        write_text(output, text)
    else:
        print(text, end="")
    found, counts = np.unique(buckets, return_counts=True)
    listed = ", ".join(f"{b}: {n}" for b, n in zip(found, counts, strict=True))
    where = f" written to {output}" if output else ""
    runtime.info(f"{len(images)} images{where}; images by bucket: {listed}")
    return 0


def data_file(names: Sequence[str], buckets: np.ndarray, comma: bool) -> str:
    """The text of a data file: a header and a line per image, columns apart by a space, or a
    csv.
    """
    rows = zip(names, buckets.tolist(), strict=True)
    if not comma:
        return "".join(f"{name} {label}\n" for name, label in (HEADER, *rows))
    return csv_of((HEADER, *rows))


def _names(images: Sequence[Path], folder: Path) -> list[str]:
    names = [Path(os.path.relpath(image, folder)).as_posix() for image in images]
    return [f"./{name}" if name.startswith("#") else name for name in names]  # no comment


def _first_line(file: Path) -> str:
    """The first line that is neither blank nor looks like a comment, else the last one, of an image
    whose name begins with `#`; "" where there is none to be read, which the reader of the whole
    file explains.
    """
    last = ""
    if not file.is_file():  # a pipe would wait for ever
        return last
    try:
        with open(file, encoding="utf-8-sig", errors="replace") as lines:
            for line in map(str.strip, lines):
                last = line or last
                if line and line[0] != "#":
                    return line
    except OSError:
        return ""
    return last


def _is_ava(file: Path) -> bool:
    fields = _first_line(file).split()
    return len(fields) == COLUMNS and all(field.isdecimal() for field in fields)


def _voted(config: Config, file: Path, runtime: Runtime) -> tuple[list[Path], np.ndarray]:
    """(images (M,), means of the votes (M,)) of AVA.txt; images that are not there are left out and
    counted. They are looked for in --images, else below --data or beside the file.
    """
    root = config.data if "data" in config.given else str(file.parent)
    votes = VotedImages(replace(config, data=root), file)
    rows = np.flatnonzero(votes.usable)
    if not len(rows):
        raise ValueError(
            f"{votes.folder}: none of the images of {file} is there, e.g. {votes.rows.sources[0]}"
        )
    if left := len(votes.usable) - len(rows):
        runtime.info(f"{file}: {left} of {len(votes.usable)} images are not in {votes.folder}")
    labels = votes.labels(rows)
    return list(labels.sources), labels.means()


def _labelled(file: Path) -> tuple[list[Path], np.ndarray]:
    """(images (M,), mean scores (M,)) of a label file of mean opinion scores or of histograms, told
    apart by how many numbers its first line ends with.
    """
    fields = _first_line(file).split(",")
    scores = len(fields) < 3 or not is_number(fields[-2])
    # Images are beside the file or in its data root, DATA of DATA/train/label.txt.
    found = read_labels(
        "scores" if scores else "distributions", file, file.absolute().parent.parent
    )
    return list(found.sources), found.of_sources(found.means())
