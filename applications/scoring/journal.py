"""FILE.part: rows on their way to -o FILE, one file for each process, which outlive a call that is
killed; and FILE.run.json, which says what they are of.

FILE itself is there only when it is whole. A row is written with those of its group, at once; what
a kill leaves half-written is cut off, and its group scored again, so that the result is that of a
call that nothing disturbed.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any

from applications.scoring.rows import (
    Choice,
    JsonLines,
    Lines,
    Row,
    places_in_order,
    write_rows,
)
from dataloader.sources import Source
from utils.files import disk_full
from utils.files.lock import try_lock
from utils.files.reading import check_entries, read_object
from utils.files.writing import check_no_link, write_json
from utils.text import cut, printable

MOST_PROCESSES = 256
_BEGINNINGS = (b"path,score", b'{"path": ')  # of rows of any call
Groups = Iterator[Sequence[Source]]


class Journal:
    """The rows of one process of `size`. lines: how they are written; group_size: rows that belong
    together; of the groups of all images this process has each `size`-th, from number `rank` on.
    """

    def __init__(
        self, output: Path, lines: Lines, group_size: int, rank: int = 0, size: int = 1
    ) -> None:
        if size > MOST_PROCESSES:
            raise ValueError(f"--predict: {size} processes: at most {MOST_PROCESSES}")
        self.output, self.lines, self.group_size = output, lines, group_size
        ends = [".part"] if size == 1 else [f".part{i}" for i in range(size)]
        self.parts = [output.with_name(output.name + end) for end in ends]
        self.part = self.parts[rank]
        self.record = output.with_name(f"{output.name}.run.json")
        self.rows = self.bad = 0
        self.mine = False  # whether this call writes the part
        self._file: disk_full.Lines | None = None

    def _left(self) -> list[Path]:
        """Parts of earlier calls, of however many processes."""
        folder, name = self.output.parent, re.escape(self.output.name)
        names = os.listdir(folder) if folder.is_dir() else ()
        return sorted(folder / n for n in names if re.fullmatch(rf"{name}\.part\d*", n))

    def unfinished(self) -> bool:
        """Whether an earlier call has left rows that are in no file."""
        some = any(part.stat().st_size > len(self.lines.head) for part in self._left())
        return some and self.record.exists() and not self.finished()

    def finished(self) -> bool:
        """Whether an earlier call with --continue has written FILE: then it has begun to remove the
        parts.
        """
        if not (self.record.exists() and self.output.exists()):
            return False
        counted = read_object(self.record).get("finished") is not None
        return counted and not all(map(os.path.exists, self.parts))

    def refuse_unfinished(self) -> None:
        """ValueError where rows of an earlier call would be lost, or a file of somebody else."""
        if self.unfinished():
            raise ValueError(
                f"{printable(self._left()[0])}: rows of a call that did not finish: go on with "
                f"--continue, or remove it and {printable(self.record.name)}"
            )
        for file in self._left():
            check_no_link(file)
            with open(file, "rb") as part:
                begins = part.read(max(map(len, _BEGINNINGS)))
            if begins and not begins.startswith(_BEGINNINGS):
                raise ValueError(f"{printable(file)}: is no file of rows: move it, or name another")

    def check(self, facts: Mapping[str, Any]) -> None:
        """ValueError that names the first of the facts in which the earlier call differs."""
        stored = read_object(self.record).get("of")
        for name, value in facts.items():
            before = stored.get(name) if isinstance(stored, dict) else None
            if before != value:
                shown = (cut(printable(json.dumps(of)), 200) for of in (value, before))
                raise ValueError(
                    "{}: --continue: {} {} in place of {}: pass what that call was given, or leave "
                    "--continue out and remove the file".format(
                        printable(self.record), name.replace("_", " "), *shown
                    )
                )

    def begin(self) -> None:
        """An empty part, before `write_record`."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        for file in self._left() if self.part == self.parts[0] else ():
            if file not in self.parts:
                file.unlink()
        self._open()
        os.truncate(self.part, 0)
        self._write(self.lines.head)

    def write_record(
        self, facts: Mapping[str, Any], finished: Mapping[str, int] | None = None
    ) -> None:
        """What the rows are of, and at the end how many there are; for one process."""
        write_json(self.record, {"of": dict(facts), "finished": finished})

    def counts(self) -> tuple[int, int]:
        """(rows, images that cannot be read) of a finished call."""
        stored = read_object(self.record)
        check_entries(stored, {"finished": dict}, self.record, needed=True)
        check_entries(
            stored["finished"], dict.fromkeys(("rows", "unreadable"), int), self.record, True
        )
        return stored["finished"]["rows"], stored["finished"]["unreadable"]

    def take_up(self, groups: Groups) -> Groups:
        """The groups that an earlier call has not scored; what it half wrote is cut off.
        ValueError where its rows are of other images.
        """
        check_no_link(self.part)
        end, left = len(self.lines.head), iter(())
        with open(self.part, "rb") as file:
            file.seek(end)
            records = self.lines.records(file)
            for group in groups:
                found = list(islice(records, len(group)))
                rows = list(map(self._read, found))
                self._compare(group, rows)
                if len(rows) < len(group):
                    left = chain([group], groups)
                    break
                end += sum(map(len, found))
                self.rows += len(rows)
                self.bad += sum(row["score"] is None for row in rows)
            else:
                if (record := next(records, None)) is not None:
                    self._refuse(self._read(record)["path"], "which is not asked for now")
        self._open()
        os.truncate(self.part, end)
        return left

    def _read(self, record: bytes) -> Row:
        """ValueError for what is no row: after a power cut a disk may have holes."""
        try:
            return self.lines.read(record)
        except (ValueError, IndexError, csv.Error) as error:
            raise ValueError(
                f"{printable(self.part)}: damaged: {cut(repr(record))} is no row: remove the file"
            ) from error

    def _compare(self, group: Sequence[Source], rows: Sequence[Row]) -> None:
        for image, row in zip(group, rows, strict=False):
            if (now := image.as_posix()) != row["path"]:
                self._refuse(row["path"], f"and the images now have {cut(printable(now))} there")

    def _refuse(self, path: str, why: str) -> None:
        raise ValueError(
            f"{printable(self.part)}: --continue: a row is of {cut(printable(path))}, {why}: name "
            "the same images, or leave --continue out and remove the file"
        )

    def add(self, rows: Sequence[Row]) -> None:
        """The rows of a group, in one piece."""
        self._write(b"".join(map(self.lines.line, rows)))
        self.rows += len(rows)
        self.bad += sum(row["score"] is None for row in rows)

    def _open(self) -> None:
        self._file = disk_full.Lines(self.part)
        try:
            alone = try_lock(self._file.handle)
        except OSError:  # no locks on this file system
            alone = True
        if not alone:
            raise ValueError(f"{printable(self.part)}: another call is writing it")
        self.mine = True

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)

    def close(self) -> None:
        if self._file is not None:
            os.fsync(self._file.handle)
            self._file.close()
            self._file = None

    def finish(self, choice: Choice, bins: int, errors: bool) -> int:
        """FILE from all parts, for one process when all are closed; how many rows it has."""
        plain = len(self.parts) == 1 and choice.everything
        if plain and self.output.suffix == f".{self.lines.name}":
            os.replace(self.part, self.output)
            return self.rows
        count = write_rows(self.output, lambda: self._wanted(choice), bins, errors)
        self.remove_parts()
        return count

    def remove_parts(self) -> None:
        """Once FILE is whole; a kill may have left some."""
        for part in self.parts:
            part.unlink(missing_ok=True)

    def _wanted(self, choice: Choice) -> Iterator[Row]:
        if choice.as_they_come:
            yield from (row for _, _, row in self._merged() if choice.takes(row))
            return
        with ExitStack() as stack:
            files = [stack.enter_context(open(part, "rb")) for part in self.parts]
            for part, offset in places_in_order(choice, self._merged()):
                files[part].seek(offset)
                yield JsonLines.read(files[part].readline())

    def _merged(self) -> Iterator[tuple[int, int, Row]]:
        """(part, offset, row) of all parts, group by group, as one process would have them."""
        with ExitStack() as stack:
            files = [stack.enter_context(open(part, "rb")) for part in self.parts]
            ends = [0] * len(files)
            readers = [self.lines.records(file) for file in files]
            some = True
            while some:
                some = False
                for part, reader in enumerate(readers):
                    for record in islice(reader, self.group_size):
                        yield part, ends[part], self.lines.read(record)
                        ends[part] += len(record)
                        some = True

    def remove(self) -> None:
        """This process's part, if it is, and the record: nothing of them is wanted any more."""
        for file in (self.part, self.record) if self.mine else ():
            file.unlink(missing_ok=True)


def own_groups(
    images: Iterable[Source], size: int, rank: int = 0, processes: int = 1
) -> Iterator[list[Source]]:
    """Groups of `size` images, of which this process has each `processes`-th."""
    images = iter(images)
    number = 0
    while group := list(islice(images, size)):
        if number % processes == rank:
            yield group
        number += 1


def stored_way(output: Path) -> tuple[str, str] | None:
    """--runtime and --amp of the rows of an earlier call; None where there are none."""
    record = output.with_name(f"{output.name}.run.json")
    if not record.exists():
        return None
    stored = read_object(record)
    check_entries(stored, {"of": dict}, record, needed=True)
    check_entries(stored["of"], {"runtime": str, "amp": str}, record, needed=True)
    return stored["of"]["runtime"], stored["of"]["amp"]
