"""Label files: text -> records, or every fault of the file at once.

One line per label, fields apart by commas, UTF-8; blank lines and lines that start with `#` are
skipped. The images of a line are looked for beside the label file, then from the working directory,
and must lie inside the data root.

    pairs           better.png,worse.png
    scores          photo.png,7.6                      a higher score is a better image
    distributions   photo.png,0.1,0.2,0.4,0.2,0.1      over the bins 1..K: probabilities or votes

Lines are cut from the right, so a file name may hold commas and spaces.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from dataloader.label_faults import Fault, LabelError
from dataloader.label_paths import Found, Missing, PathFinder, Resolver

__all__ = [
    "DistributionLabel",
    "Fault",
    "Label",
    "LabelError",
    "LabelFile",
    "PairLabel",
    "ScoreLabel",
    "check_splits",
    "label_paths",
    "read_labels",
]

EXAMPLES = {
    "pairs": "better.png,worse.png",
    "scores": "photo.png,7.6",
    "distributions": "photo.png,0.1,0.2,0.4,0.2,0.1",
}
SUM_TOLERANCE = 0.01  # probabilities are often written with two decimals


@dataclass(frozen=True, slots=True)
class PairLabel:
    better: Path
    worse: Path
    line: int


@dataclass(frozen=True, slots=True)
class ScoreLabel:
    path: Path
    mos: float
    line: int


@dataclass(frozen=True, slots=True)
class DistributionLabel:
    """probs: over the bins 1..K, sums to 1."""

    path: Path
    probs: tuple[float, ...]
    line: int


Label = PairLabel | ScoreLabel | DistributionLabel


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labels of one file in its order. num_classes: bins of a distribution, else None.

    notes: one-line remarks for the user, such as that votes were normalised.
    """

    file: Path
    kind: str
    labels: list[Label]
    num_classes: int | None
    notes: tuple[str, ...]


def read_labels(
    kind: str, file: Path, root: Path, num_classes: int | None = None, cwd: Path | None = None
) -> LabelFile:
    """Read a whole label file of a kind in EXAMPLES; paths in it become absolute.

    num_classes is the number of bins; None takes it from the first line of a distribution file.
    cwd is the second place where images are looked for, the current one by default.
    LabelError names every fault of the file. Labels that an earlier line gives too are kept.
    """
    if kind not in EXAMPLES:
        raise ValueError(f"label kind {kind!r}: give one of {', '.join(EXAMPLES)}")
    if num_classes is not None and num_classes < 2 and kind == "distributions":
        raise ValueError(f"num_classes {num_classes}: a histogram has at least 2 bins")
    reader = _Reader(kind, file, PathFinder(file, root, cwd or Path.cwd()), num_classes)
    for line, text in reader.data_lines():
        reader.read(line, text)
    if not reader.lines_read and not reader.faults:
        reader.fault(1, 1, f"no labels in this file: give lines such as {EXAMPLES[kind]!r}")
    if reader.faults:
        raise LabelError(sorted(reader.faults, key=lambda fault: (fault.line, fault.column)))
    return LabelFile(file, kind, reader.labels, reader.num_classes, reader.notes())


def _raw_lines(kind: str, file: Path) -> list[bytes]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        what = "no label file here"
    except OSError as error:
        what = f"label file cannot be read ({error.strerror})"
    else:
        return content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    lines = f"give a text file with lines such as {EXAMPLES[kind]!r}"
    raise LabelError([Fault(file, 0, 0, f"{what}: {lines}")])


class _Reader:
    """Collects the labels and the faults of one file."""

    def __init__(self, kind: str, file: Path, finder: PathFinder, num_classes: int | None):
        self.kind = kind
        self.file = file
        self.finder = finder
        self.num_classes = num_classes if kind == "distributions" else None
        self.bins_from = "num_classes"
        self.labels: list[Label] = []
        self.faults: list[Fault] = []
        self.lines_read = self.vote_lines = self.repeated_lines = 0
        self.pairs_seen: dict[tuple[str, str], int] = {}
        self.targets_seen: dict[str, tuple[float | tuple[float, ...], int]] = {}

    def fault(self, line: int, column: int, message: str) -> None:
        self.faults.append(Fault(self.file, line, column, message))

    def notes(self) -> tuple[str, ...]:
        notes = []
        if self.vote_lines:
            notes.append(f"vote counts in {self.vote_lines} lines were normalised")
        if self.repeated_lines:
            notes.append(f"{self.repeated_lines} lines repeat an earlier one and were kept")
        return tuple(notes)

    def data_lines(self) -> Iterator[tuple[int, str]]:
        """(line number, text) without line ends, blank lines and comments."""
        for line, raw in enumerate(_raw_lines(self.kind, self.file), start=1):
            try:
                text = raw.decode("utf-8").rstrip()
            except UnicodeDecodeError as error:
                column = len(raw[: error.start].decode("utf-8")) + 1
                byte = f"byte 0x{raw[error.start]:02x}"
                self.fault(line, column, f"not UTF-8 text (save the file as UTF-8): {byte}")
                continue
            if text and not text.lstrip().startswith("#"):
                yield line, text

    def read(self, line: int, text: str) -> None:
        self.lines_read += 1
        if self.kind == "pairs":
            self._read_pair(line, text)
        elif self.kind == "scores":
            self._read_score(line, text)
        else:
            self._read_distribution(line, text)

    def _read_pair(self, line: int, text: str) -> None:
        parts = self._cut_pair(line, text)
        if parts is None:
            return
        better, worse = self._image(line, parts, 0), self._image(line, parts, 1)
        if better is None or worse is None:
            return
        key = (better.real, worse.real)
        if better.real == worse.real:
            self.fault(line, _column(parts, 1), f"an image paired with itself: {_shown(parts[1])}")
        elif key[::-1] in self.pairs_seen:
            first = self.pairs_seen[key[::-1]]
            message = f"the reverse of the pair in line {first}: {_shown(text)}"
            self.fault(line, _column(parts, 0), message)
        else:
            self.repeated_lines += key in self.pairs_seen
            self.pairs_seen.setdefault(key, line)
            self.labels.append(PairLabel(better.path, worse.path, line))

    def _cut_pair(self, line: int, text: str) -> list[str] | None:
        fields = text.split(",")
        if len(fields) == 2:
            return fields
        cuts = [
            [",".join(fields[:end]), ",".join(fields[end:])] for end in range(1, len(fields))
        ]
        whole = [cut for cut in cuts if all(self.finder.exists(part.strip()) for part in cut)]
        if len(whole) == 1:
            return whole[0]
        expected = "2 columns expected (better,worse)"
        if whole:
            message = f"{expected}, but the commas can be read in {len(whole)} ways: {_shown(text)}"
            self.fault(line, _column(fields, 0), message)
        else:
            self.fault(line, _column(fields, 2), f"{expected}, found {len(fields)}: {_shown(text)}")
        return None

    def _read_score(self, line: int, text: str) -> None:
        parts = self._cut_numbers(line, text, 1, "1 expected (the score)")
        if parts is None:
            return
        image, values = self._image(line, parts, 0), self._numbers(line, parts)
        if image is not None and values is not None and self._is_new(line, parts, image, values[0]):
            self.labels.append(ScoreLabel(image.path, values[0], line))

    def _read_distribution(self, line: int, text: str) -> None:
        if self.num_classes is None:
            self._infer_bins(line, text)
        if self.num_classes is None:
            return
        expected = f"{self.num_classes} expected ({self.bins_from})"
        parts = self._cut_numbers(line, text, self.num_classes, expected)
        if parts is None:
            return
        image, values = self._image(line, parts, 0), self._numbers(line, parts)
        probs = None if values is None else self._probs(line, parts, values)
        if image is not None and probs is not None and self._is_new(line, parts, image, probs):
            self.labels.append(DistributionLabel(image.path, probs, line))

    def _infer_bins(self, line: int, text: str) -> None:
        fields = text.split(",")
        path_fields = self._path_fields(fields)
        if path_fields is None:
            path_fields = len(fields)
            while path_fields > 1 and _is_number(fields[path_fields - 1]):
                path_fields -= 1
        bins = len(fields) - path_fields
        if bins < 2:
            message = f"at least 2 numbers expected after the path, found {bins}: {_shown(text)}"
            self.fault(line, _column(fields, len(fields)), message)
            return
        self.num_classes, self.bins_from = bins, f"as in line {line}"

    def _path_fields(self, fields: list[str]) -> int | None:
        """How many of the fields make the longest path that exists."""
        for end in range(len(fields), 0, -1):
            if self.finder.exists(",".join(fields[:end]).strip()):
                return end
        return None

    def _cut_numbers(self, line: int, text: str, count: int, expected: str) -> list[str] | None:
        """The path and `count` numbers; a wrong number of columns is told by where the path ends."""
        parts = text.rsplit(",", count)
        complete = len(parts) == count + 1
        if complete and self.finder.exists(parts[0].strip()):
            return parts
        fields = text.split(",")
        path_fields = self._path_fields(fields)
        if path_fields is None and complete:
            return parts
        path_fields = path_fields or 1
        column = _column(fields, min(path_fields + count, len(fields)))
        found = len(fields) - path_fields
        message = f"wrong number of columns: {found} numbers after the path, {expected}"
        self.fault(line, column, f"{message}: {_shown(text)}")
        return None

    def _image(self, line: int, parts: list[str], index: int) -> Found | None:
        text = parts[index].strip()
        found = self.finder.find(text) if text else Missing(f"empty path: {text!r}")
        if isinstance(found, Found):
            return found
        self.fault(line, _column(parts, index), found.message)
        return None

    def _numbers(self, line: int, parts: list[str]) -> list[float] | None:
        values = []
        for index, part in enumerate(parts[1:], start=1):
            if not _is_number(part):
                what = "not a number" if part.strip() else "empty field"
            elif not isfinite(float(part)):
                what = "not finite"
            else:
                values.append(float(part))
                continue
            self.fault(line, _column(parts, index), f"{what}: {part.strip()!r}")
        return values if len(values) == len(parts) - 1 else None

    def _probs(self, line: int, parts: list[str], values: list[float]) -> tuple[float, ...] | None:
        if min(values) < 0:
            for index, value in enumerate(values, start=1):
                if value < 0:
                    message = f"negative share or count: {parts[index].strip()!r}"
                    self.fault(line, _column(parts, index), message)
            return None
        total = sum(values)
        message = None
        if total == 0:
            message = "the histogram sums to 0"
        elif not isfinite(total):
            message = "the sum of the histogram is not finite"
        elif abs(total - 1) > SUM_TOLERANCE:
            if all(value.is_integer() for value in values):
                self.vote_lines += 1
            else:
                message = f"the histogram sums to {total:.6g}, neither 1 nor whole votes"
        if message:
            shown = _shown(",".join(parts[1:]))
            self.fault(line, _column(parts, 1), f"{message}: {shown}")
            return None
        return tuple(value / total for value in values)

    def _is_new(
        self, line: int, parts: list[str], image: Found, target: float | tuple[float, ...]
    ) -> bool:
        """False, with a fault, when an earlier line gives the image another target."""
        earlier, first = self.targets_seen.setdefault(image.real, (target, line))
        if earlier != target:
            message = f"line {first} gives this image another target: {_shown(','.join(parts))}"
            self.fault(line, _column(parts, 0), message)
            return False
        self.repeated_lines += first != line
        return True


def _column(parts: list[str], index: int) -> int:
    """Where field `index` begins, from 1, blanks in front skipped; one past the end if missing."""
    start = sum(len(part) + 1 for part in parts[:index])
    if index >= len(parts):
        return start
    part = parts[index]
    return start + 1 + (len(part) - len(part.lstrip()) if part.strip() else 0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000, other programs do not


def _shown(text: str, most: int = 100) -> str:
    text = text.strip()
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def label_paths(labels: Iterable[Label]) -> list[Path]:
    """Distinct image paths in order of first appearance."""
    return list(_first_lines(labels))


def _first_lines(labels: Iterable[Label]) -> dict[Path, int]:
    lines: dict[Path, int] = {}
    for label in labels:
        if isinstance(label, PairLabel):
            lines.setdefault(label.better, label.line)
            lines.setdefault(label.worse, label.line)
        else:
            lines.setdefault(label.path, label.line)
    return lines


def check_splits(splits: Mapping[str, LabelFile]) -> None:
    """LabelError when an image, links followed, is in two splits; names both files and lines."""
    resolve = Resolver()
    owners: dict[str, tuple[str, Path, int]] = {}
    faults = []
    for split, labels in splits.items():
        for path, line in _first_lines(labels.labels).items():
            owner, file, first = owners.setdefault(resolve(str(path)), (split, labels.file, line))
            if owner != split:
                message = f"image of {split} that is in {owner} too ({file}:{first}): {str(path)!r}"
                faults.append(Fault(labels.file, line, 1, message))
    if faults:
        raise LabelError(faults)
