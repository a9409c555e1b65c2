"""A row of --predict for each image, which of them are wanted, and how they are written."""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dataloader.sources import Source
from utils.check_images import BadImage
from utils.files.writing import write_atomic
from utils.statistics.predictions import Predictions, distribution_std
from utils.text import csv_of, csv_path, csv_text, path_of_csv

# path; score, None of an image that cannot be read; of a histogram std, p1, ..., pK; error, why an
# image cannot be read, which others do not have.
Row = dict[str, Any]
_PARQUET_ROWS = 10_000  # that are kept before they are written together


def result_rows(paths: Sequence[Source], found: Predictions) -> list[Row]:
    """path and score of each image; with a histogram also its std and its probabilities."""
    rows = []
    spread = () if found.probs is None else distribution_std(found.probs)
    for i, path in enumerate(paths):
        row: Row = {"path": path.as_posix(), "score": float(found.scores[i])}
        if found.probs is not None:
            row["std"] = float(spread[i])
            row |= {f"p{k}": float(p) for k, p in enumerate(found.probs[i], 1)}
        rows.append(row)
    return rows


def group_rows(
    images: Sequence[Source],
    found: Predictions | None,
    places: Sequence[int],
    bad: Sequence[BadImage],
    bins: int,
) -> list[Row]:
    """The rows of a group in its order: those of `places` were scored, the others are `bad`."""
    scored = iter(result_rows([images[i] for i in places], found) if found is not None else ())
    reasons = iter(bad)
    good = set(places)
    numbers = dict.fromkeys(number_columns(bins))
    return [
        next(scored)
        if i in good
        else {"path": image.as_posix(), **numbers, "error": next(reasons).reason}
        for i, image in enumerate(images)
    ]


def number_columns(bins: int) -> list[str]:
    """The names of a row's numbers; bins: of the histograms, 1 where there are none."""
    return ["score", *(["std", *(f"p{k + 1}" for k in range(bins))] if bins > 1 else [])]


@dataclass(frozen=True)
class Choice:
    """Which rows are wanted: all, those that score `threshold` or more, the `top` best of these,
    best first; `sort` alone: all, best first, and images that cannot be read at the end. skip:
    without these.
    """

    sort: bool = False
    top: int | None = None
    threshold: float | None = None
    skip: bool = False

    @property
    def everything(self) -> bool:
        """Whether all rows are wanted as they come."""
        return self == Choice()

    @property
    def all_images(self) -> bool:
        """Whether those that cannot be read have rows, too."""
        return not self.skip and self.threshold is None and self.top is None

    @property
    def as_they_come(self) -> bool:
        """Whether a row can be given before the next one is known."""
        return not self.sort and self.top is None

    def takes(self, row: Row) -> bool:
        """Whether a row is wanted, the number of the best aside."""
        if row["score"] is None:
            return self.all_images
        return self.threshold is None or row["score"] >= self.threshold

    def order(self, scores: np.ndarray) -> np.ndarray:
        """Positions of the wanted rows among all that `takes`, by their scores (N,), nan of images
        that cannot be read; of equal ones the first is first.
        """
        return np.argsort(-scores, kind="stable")[: self.top]

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The wanted ones of rows in memory."""
        taken = filter(self.takes, rows)
        if self.as_they_come:
            yield from taken
            return
        kept = list(taken)
        yield from (kept[i] for i in self.order(np.array([score_of(row) for row in kept])))


def score_of(row: Row) -> float:
    """nan of an image that cannot be read."""
    return float("nan") if row["score"] is None else row["score"]


class CsvLines:
    """Rows as lines of a csv. errors: with a column for why an image cannot be read."""

    name = "csv"

    def __init__(self, bins: int, errors: bool) -> None:
        self.numbers, self.errors = number_columns(bins), errors
        self.head = csv_of([["path", *self.numbers, *(["error"] if errors else [])]]).encode()

    def line(self, row: Row) -> bytes:
        numbers = (row[name] for name in self.numbers)
        cells = [csv_path(row["path"]), *("" if n is None else f"{n:.9g}" for n in numbers)]
        if self.errors:
            cells.append(csv_text(row.get("error", "")))
        return csv_of([cells]).encode("utf-8", "surrogateescape")

    @staticmethod
    def records(file: BinaryIO) -> Iterator[bytes]:
        """What is whole: a name may have line ends in it, in quotation marks."""
        record = b""
        for line in file:
            record += line
            if record.endswith(b"\n") and record.count(b'"') % 2 == 0:
                yield record
                record = b""

    @staticmethod
    def read(record: bytes) -> Row:
        """path and score of a line."""
        text = StringIO(record.decode("utf-8", "surrogateescape"), newline="")
        cells = next(csv.reader(text))
        return {"path": path_of_csv(cells[0]), "score": float(cells[1]) if cells[1] else None}


class JsonLines:
    """Rows as lines of JSON."""

    name, head = "jsonl", b""

    @staticmethod
    def line(row: Row) -> bytes:
        return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    @staticmethod
    def records(file: BinaryIO) -> Iterator[bytes]:
        """What is whole."""
        return (line for line in file if line.endswith(b"\n"))

    @staticmethod
    def read(record: bytes) -> Row:
        return json.loads(record)


Lines = CsvLines | JsonLines


def need_writer(output: Path) -> None:
    """ValueError where the package that such a file needs is not installed."""
    if output.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ValueError(
            f"--output {output}: needs pyarrow: pip install -r requirements-extra.txt, or write "
            ".csv or .jsonl"
        )


def write_rows(output: Path, rows: Callable[[], Iterable[Row]], bins: int, errors: bool) -> int:
    """Writes a csv, JSON lines, a JSON list or Parquet, whole or not at all; how many rows. rows:
    gives them, again if need be, one after the other.
    """
    count = 0

    def counted() -> Iterator[Row]:
        nonlocal count
        count = 0
        for row in rows():
            count += 1
            yield row

    def write(file: BinaryIO) -> None:
        if output.suffix == ".parquet":
            _write_parquet(file, counted(), bins, errors)
        elif output.suffix == ".json":
            file.write(b"[")
            for row in counted():
                text = json.dumps(row, indent=2, ensure_ascii=False).replace("\n", "\n  ")
                before = "," * (count > 1) + "\n  "
                file.write(f"{before}{text}".encode("utf-8", "backslashreplace"))
            file.write(b"\n]\n" if count else b"]\n")
        else:
            lines = CsvLines(bins, errors) if output.suffix == ".csv" else JsonLines()
            file.write(lines.head)
            for row in counted():
                file.write(lines.line(row))

    write_atomic(output, write)
    return count


def as_utf8(name: str) -> str:
    """For texts of Arrow and Parquet: other bytes that a name has are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _write_parquet(file: BinaryIO, rows: Iterable[Row], bins: int, errors: bool) -> None:
    """path, numbers as float64, and error; groups of _PARQUET_ROWS rows."""
    import pyarrow
    from pyarrow import parquet

    fields = [("path", pyarrow.string())]
    fields += [(name, pyarrow.float64()) for name in number_columns(bins)]
    fields += [("error", pyarrow.string())] if errors else []
    schema = pyarrow.schema(fields)
    rows = iter(rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while block := list(islice(rows, _PARQUET_ROWS)):
            for row in block:
                row["path"] = as_utf8(row["path"])
            writer.write_table(pyarrow.Table.from_pylist(block, schema))


def places_in_order(choice: Choice, rows: Iterable[tuple[int, int, Row]]) -> Iterator[tuple]:
    """(file, offset) of the wanted rows, in their order; rows: file, offset and row of each. What
    is held of a row is 17 bytes.
    """
    scores, files, offsets = array("d"), array("B"), array("q")
    for file, offset, row in rows:
        if choice.takes(row):
            scores.append(score_of(row))
            files.append(file)
            offsets.append(offset)
    for i in choice.order(np.frombuffer(scores) if scores else np.empty(0)):
        yield files[i], offsets[i]
