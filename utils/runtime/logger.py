"""What a run leaves to read: log.txt, metrics.jsonl and TensorBoard's events in its folder."""

from __future__ import annotations

import io
import json
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from utils.files.disk_full import Lines, named_place
from utils.files.reading import parse_json
from utils.files.writing import check_no_link, without_nan, write_text
from utils.text import printable, to_stderr, visible

EVENTS = "events.out.tfevents.*"  # what TensorBoard calls its file, with time and host


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """The records of train and val in metrics.jsonl, in order; none where there is no such file.
    The line that a killed run was writing is left out; ValueError names any other that is none.
    """
    if not file.is_file():
        return []
    found = []
    for number, _, record in _records(file):
        if record.get("split") in ("train", "val"):
            numbers = (value for name, value in record.items() if name != "split")
            if "epoch" not in record or not all(map(_is_number, numbers)):
                raise _odd(file, number)
            found.append(record)
    return found


def _records(file: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(number, line, record) of each whole line."""
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines[:-1], 1):  # the last one has no end: it is empty, or torn
        record = parse_json(line, file, number)
        if not isinstance(record, dict) or not isinstance(record.get("step"), int):
            raise _odd(file, number)
        yield number, line, record


def _odd(file: Path, number: int) -> ValueError:
    return ValueError(f"{printable(file)}:{number}: no record of a training: remove the line")


def _is_number(value: Any) -> bool:
    whole = isinstance(value, int) and abs(value) < 2**63
    return value is None or whole or isinstance(value, float)


class Logger:
    """The first process of a run writes; on every other rank all methods do nothing.

    Without a folder (`run_dir` None) messages go to stderr only and records nowhere.
    """

    def __init__(self, run_dir: Path | None, rank: int = 0, tensorboard: bool = True) -> None:
        self._active = rank == 0
        self._folder = Path(run_dir) if run_dir is not None and self._active else None
        self._tensorboard = tensorboard
        self._board: Any = None
        self._said: set[str] = set()
        self._purge_step: int | None = None
        self._log: Lines | None = None
        self._metrics: Lines | None = None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in ("log.txt", "metrics.jsonl"):
                check_no_link(self._folder / name)
            self._log = Lines(self._folder / "log.txt")
            self._metrics = Lines(self._folder / "metrics.jsonl")

    def info(self, text: str) -> None:
        """One message to stderr and to log.txt."""
        if self._active:
            to_stderr(text)
            self.file(text)

    def once(self, text: str) -> None:
        """As `info`, but a text that was said before is not said again."""
        if text not in self._said:
            self._said.add(text)
            self.info(text)

    def file(self, text: str) -> None:
        """One message to log.txt alone, for what the terminal shows in another form."""
        if self._log is not None:
            self._log.add(visible(text))

    def metrics(self, record: dict[str, Any], drawn: bool = True) -> None:
        """Append one line to metrics.jsonl and, if `drawn`, draw its numbers in TensorBoard.

        `record` holds `step` (optimizer steps done). When it holds `split`, the numbers are drawn
        as `split/name`. Counts, which stand still or tell the step once more, are not drawn;
        numbers that are not finite are null in the file and not drawn either.

        Raises:
            ValueError: no whole `step` in the record.
        """
        if self._metrics is None:
            return
        plain = without_nan(record)
        if not isinstance(plain.get("step"), int):
            raise ValueError(f"metrics record without a whole step: {sorted(plain)}")
        self._metrics.add(json.dumps(plain, allow_nan=False))
        if self._tensorboard and drawn:
            self._draw(plain)

    def picture(self, tag: str, picture: bytes, step: int) -> None:
        """A picture in TensorBoard, given as the content of its file."""
        if self._metrics is None or not self._tensorboard:
            return
        with Image.open(io.BytesIO(picture)) as image:
            pixels = np.asarray(image.convert("RGB"))
        with self._drawing() as board:
            board.add_image(tag, pixels, step, dataformats="HWC")

    def table(self, tag: str, text: str, step: int) -> None:
        """A text of aligned columns in TensorBoard."""
        if self._metrics is not None and self._tensorboard:
            with self._drawing() as board:
                board.add_text(tag, textwrap.indent(visible(text), "    "), step)

    @contextmanager
    def _drawing(self) -> Iterator[Any]:
        """TensorBoard's writer, whose events are on the disk afterwards; WriteError where it has
        no room, and then it is left alone: it would try once more when it is closed.
        """
        # Imported here: it takes a second, and only training draws.
        from torch.utils.tensorboard import SummaryWriter

        board, self._board = self._board, None
        with named_place(f"{self._folder}/{EVENTS}"):
            if board is None:
                _leave_errors_to_callers()
                board = SummaryWriter(str(self._folder), purge_step=self._purge_step)
            yield board
            board.flush()
        self._board = board

    def _draw(self, plain: dict[str, Any]) -> None:
        prefix = f"{plain['split']}/" if "split" in plain else ""
        with self._drawing() as board:
            for name, value in plain.items():
                if isinstance(value, float):  # whole numbers are counts, no curves
                    board.add_scalar(prefix + name, value, plain["step"])

    def truncate_after(self, step: int) -> None:
        """Forget the records beyond `step`, the one a continued run was restored to.

        metrics.jsonl is rewritten atomically, without a last line that was cut off by a kill;
        TensorBoard is told to hide what it has beyond the step. Call it before `metrics`.
        """
        if self._metrics is None or self._folder is None:
            return
        self._metrics.close()
        path = self._folder / "metrics.jsonl"
        kept = [line for _, line, record in _records(path) if record["step"] <= step]
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._metrics = Lines(path)
        self._purge_step = step + 1

    def close(self) -> None:
        """Close all files; calling it again is harmless."""
        streams = [one for one in (self._log, self._metrics, self._board) if one is not None]
        self._log = self._metrics = self._board = None
        with named_place(f"{self._folder}/{EVENTS}"):  # the others have nothing left to write
            for stream in streams:
                stream.close()


def _leave_errors_to_callers() -> None:
    """TensorBoard's own thread keeps an error for whoever calls next; Python would print it too."""
    before = threading.excepthook

    def all_but_tensorboards(given: Any) -> None:
        if type(given.thread).__name__ != "_AsyncWriterThread":
            before(given)

    if getattr(before, "__name__", "") != all_but_tensorboards.__name__:
        threading.excepthook = all_but_tensorboards
