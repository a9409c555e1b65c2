"""What can be wrong with a file of labels, told by file, line and column."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from utils.files.reading import UnreadableFile
from utils.text import printable

SHOWN = 20
EXAMPLES = {  # of the lines of each kind
    "pairs": "better.png,worse.png",
    "scores": "photo.png,7.6",
    "distributions": "photo.png,0.1,0.2,0.4,0.2,0.1",
    "buckets": "photo.png 5",
}
MOST_VOTES = 10**15  # of one bin: what a float holds exactly, and ten fit into 64 bits
MOST_FAULTS = 10_000  # of one file: what comes after is not read, so that memory stays bounded
SUM_TOLERANCE = 0.01 + 1e-9  # two decimals are common, and 0.33 * 3 counts as within 0.01 of 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake; line and column count from 1, 0 means the file, or the line, as a whole."""

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        places = [str(place) for place in (self.line, self.column) if place]
        return f"{':'.join([printable(self.file), *places])}: {self.message}"


class LabelError(ValueError):
    """The faults of one or several label files; the text shows the first 20, then a count."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = list(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:SHOWN]]
        if len(self.faults) > SHOWN:
            lines.append(f"... and {len(self.faults) - SHOWN} more, {len(self.faults)} in all")
        return "\n".join(lines)


def unreadable(file: Path, error: UnreadableFile, cure: str = "") -> LabelError:
    """What utils.files.reading says of a file, as a fault with its line; `cure`: what to give."""
    said = str(error).removeprefix(printable(file))
    found = re.fullmatch(r"(?::(\d+))?(?::(\d+))?: (.*)", said, re.DOTALL)
    assert found is not None, said  # the form of every UnreadableFile
    line, column, message = found.groups()
    message = f"{message}: {cure}" if cure else message
    return LabelError([Fault(file, int(line or 0), int(column or 0), message)])


def histogram_fault(values: Sequence[float]) -> str:
    """Why figures from 0 up are neither probabilities (within SUM_TOLERANCE of 1) nor whole votes;
    "" when they are.
    """
    total = sum(values)
    if total == 0:
        return "the histogram sums to 0"
    if not isfinite(total):
        return "the sum of the histogram is not finite"
    if not are_probabilities(total) and not all(float(value).is_integer() for value in values):
        return f"the histogram sums to {total:.6g}, neither 1 nor whole votes"
    if not are_probabilities(total) and max(values) >= MOST_VOTES:
        return f"more votes than can be counted, {MOST_VOTES:.0e} or more for one score"
    return ""


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000, other programs do not


def are_probabilities(total: float) -> bool:
    """Whether a histogram of this sum holds shares, rather than votes."""
    return abs(total - 1) <= SUM_TOLERANCE
