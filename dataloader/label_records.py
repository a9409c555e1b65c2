"""What a label file holds: records, or faults."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dataloader.sources import Source

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake; line and column count characters from 1, line 0 means the file as a whole."""

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else str(self.file)
        return f"{place}: {self.message}"


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


@dataclass(frozen=True, slots=True)
class PairLabel:
    better: Source
    worse: Source
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
