"""One line of a label file -> what it says, or the faults of the line."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, islice
from math import isfinite
from pathlib import Path

from dataloader.labels.faults import (
    SHOWN,
    Fault,
    are_probabilities,
    histogram_fault,
    is_number,
)
from dataloader.labels.labels import Labels
from dataloader.labels.paths import Found, Missing, PathFinder
from dataloader.sources import PathTable
from utils.text import quoted


class LineReader:
    """Reads the data lines of one file; collects its columns and `faults` in their order.

    num_classes: bins of a histogram; None takes them from the first line that has at least two.
    """

    def __init__(self, kind: str, file: Path, finder: PathFinder, num_classes: int | None):
        self.kind = kind
        self.file = file
        self.finder = finder
        self.num_classes = num_classes if kind == "distributions" else None
        self.faults: list[Fault] = []
        self._repeated = 0
        self._named: list[str | tuple[str, str]] = []  # the image of each line, or its two images
        self._reals: dict[str, str] = {}  # by image
        self._lines: list[int] = []
        self._values: list[float | tuple[float, ...]] = []
        self._votes: list[int] = []
        self._bins_from = "num_classes"
        self._pairs: dict[tuple[str, str], int] = {}  # real paths of (better, worse): line
        self._targets: dict[str, tuple[float | tuple[float, ...], int]] = {}  # real path: and line

    def is_comment(self, text: str) -> bool:
        return self.finder.is_comment(text)

    def read(self, line: int, text: str) -> None:
        if self.kind == "pairs":
            self._read_pair(line, text)
        elif self.kind == "scores":
            self._read_score(line, text)
        else:
            self._read_distribution(line, text)

    def fault(self, line: int, column: int, message: str) -> None:
        self.faults.append(Fault(self.file, line, column, message))

    def labels(self) -> Labels:
        """Those of all lines without a fault."""
        votes = self._votes if self.kind == "distributions" else None
        found = Labels.of(self.kind, self._named, self._values or None, self._lines, votes)
        return replace(
            found,
            sources=PathTable(found.sources),
            reals=PathTable(self._reals[place] for place in found.sources),
            repeated=self._repeated,
        )

    def _keep(
        self, line: int, image: Found, value: float | tuple[float, ...], votes: int = 0
    ) -> None:
        self._lines.append(line)
        self._named.append(image.place)
        self._reals[image.place] = image.real
        self._values.append(value)
        self._votes.append(votes)

    def _read_pair(self, line: int, text: str) -> None:
        parts = self._cut_pair(line, text)
        if parts is None:
            return
        better, worse = self._image(line, parts, 0), self._image(line, parts, 1)
        if better is None or worse is None:
            return
        key = (better.real, worse.real)
        if better.real == worse.real:
            self.fault(line, _column(parts, 1), f"an image paired with itself: {quoted(parts[1])}")
        elif key[::-1] in self._pairs:
            first = self._pairs[key[::-1]]
            message = f"the reverse of the pair in line {first}: {quoted(text)}"
            self.fault(line, _column(parts, 0), message)
        else:
            self._repeated += key in self._pairs
            self._pairs.setdefault(key, line)
            self._lines.append(line)
            self._named.append((better.place, worse.place))
            self._reals |= {better.place: better.real, worse.place: worse.real}

    def _cut_pair(self, line: int, text: str) -> list[str] | None:
        fields = text.split(",")
        if len(fields) == 2:
            return fields
        cuts = (
            [",".join(fields[:end]), ",".join(fields[end:])] for end in self.finder.ends(fields)
        )
        whole = [cut for cut in cuts if self.finder.exists(cut[1].strip())]
        if len(whole) == 1:
            return whole[0]
        expected = "2 columns expected (better,worse)"
        if whole:
            message = f"{expected}, but the commas can be read in {len(whole)} ways: {quoted(text)}"
            self.fault(line, _column(fields, 0), message)
        else:
            self.fault(line, _column(fields, 2), f"{expected}, found {len(fields)}: {quoted(text)}")
        return None

    def _read_score(self, line: int, text: str) -> None:
        parts = self._cut_numbers(line, text, 1, "1 number expected after the path (the score)")
        if parts is None:
            return
        image, values = self._image(line, parts, 0), self._numbers(line, parts)
        if image is not None and values is not None and self._is_new(line, parts, image, values[0]):
            self._keep(line, image, values[0])

    def _read_distribution(self, line: int, text: str) -> None:
        if self.num_classes is None:
            self._infer_bins(line, text)
        if self.num_classes is None:
            return
        expected = f"{self.num_classes} numbers expected after the path ({self._bins_from})"
        parts = self._cut_numbers(line, text, self.num_classes, expected)
        if parts is None:
            return
        image, values = self._image(line, parts, 0), self._numbers(line, parts)
        probs = None if values is None else self._probs(line, parts, values)
        if image is not None and probs is not None and self._is_new(line, parts, image, probs):
            total = sum(values or ())
            self._keep(line, image, probs, 0 if are_probabilities(total) else int(total))

    def _infer_bins(self, line: int, text: str) -> None:
        fields = text.split(",")
        path_fields = max(self.finder.ends(fields), default=0)
        if not path_fields:
            path_fields = len(fields)
            while path_fields > 1 and is_number(fields[path_fields - 1]):
                path_fields -= 1
        bins = len(fields) - path_fields
        if bins < 2:
            message = f"at least 2 numbers expected after the path, found {bins}: {quoted(text)}"
            self.fault(line, _column(fields, len(fields)), message)
            return
        self.num_classes, self._bins_from = bins, f"as in line {line}"

    def _cut_numbers(self, line: int, text: str, count: int, expected: str) -> list[str] | None:
        """The path and `count` numbers; None, with a fault, for another number of columns."""
        parts = text.rsplit(",", count)
        complete = len(parts) == count + 1
        if complete and self.finder.exists(parts[0].strip()):
            return parts
        fields = text.split(",")
        path_fields = max(self.finder.ends(fields), default=0)
        if not path_fields and complete:
            return parts
        path_fields = path_fields or 1
        column = _column(fields, min(path_fields + count, len(fields)))
        found = len(fields) - path_fields
        self.fault(line, column, f"{expected}, found {found}: {quoted(text)}")
        return None

    def _image(self, line: int, parts: list[str], index: int) -> Found | None:
        text = parts[index].strip()
        found = self.finder.find(text) if text else Missing(f"empty path: {quoted(text)}")
        if isinstance(found, Found):
            return found
        self.fault(line, _column(parts, index), found.message)
        return None

    def _numbers(self, line: int, parts: list[str]) -> list[float] | None:
        try:
            values = [float(part) for part in parts[1:]]
        except ValueError:
            values = []
        if values and isfinite(sum(values)) and "_" not in "".join(parts[1:]):
            return values
        wrong = ((index, _why_no_number(part)) for index, part in enumerate(parts) if index)
        return None if self._fields(line, parts, wrong) else values

    def _fields(self, line: int, parts: list[str], wrong: Iterable[tuple[int, str]]) -> bool:
        """A fault for each field that has a reason, "" for none; the first SHOWN, then a count."""
        found = [(index, why) for index, why in wrong if why]
        starts = list(accumulate((len(part) + 1 for part in parts), initial=1))
        for index, why in islice(found, SHOWN):
            part = parts[index]
            blanks = len(part) - len(part.lstrip()) if part.strip() else 0
            self.fault(line, starts[index] + blanks, f"{why}: {quoted(part)}")
        if len(found) > SHOWN:
            column = starts[found[SHOWN][0]]
            self.fault(line, column, f"... and {len(found) - SHOWN} more fields of this line")
        return bool(found)

    def _probs(self, line: int, parts: list[str], values: list[float]) -> tuple[float, ...] | None:
        """The histogram as probabilities: within SUM_TOLERANCE of 1 already, or whole votes."""
        negative = "negative share or count"
        wrong = ((i, negative if value < 0 else "") for i, value in enumerate(values, start=1))
        if min(values) < 0 and self._fields(line, parts, wrong):
            return None
        if message := histogram_fault(values):
            self.fault(line, _column(parts, 1), f"{message}: {quoted(','.join(parts[1:]))}")
            return None
        total = sum(values)
        return tuple(value / total for value in values)

    def _is_new(
        self, line: int, parts: list[str], image: Found, target: float | tuple[float, ...]
    ) -> bool:
        """False, with a fault, when an earlier line gives the image another target."""
        earlier, first = self._targets.setdefault(image.real, (target, line))
        if earlier != target:
            message = f"line {first} gives this image another target: {quoted(','.join(parts))}"
            self.fault(line, _column(parts, 0), message)
            return False
        self._repeated += first != line
        return True


def _column(parts: list[str], index: int) -> int:
    """Where field `index` begins, from 1, blanks in front skipped; one past the end if missing."""
    start = sum(len(part) + 1 for part in parts[:index])
    if index >= len(parts):
        return start
    part = parts[index]
    return start + 1 + (len(part) - len(part.lstrip()) if part.strip() else 0)


def _why_no_number(text: str) -> str:
    """What keeps a field from being a finite number; "" for one."""
    if not is_number(text):
        return "not a number" if text.strip() else "empty field"
    return "" if isfinite(float(text)) else "not finite"
