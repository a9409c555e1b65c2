"""Columns such as vote1..vote5: the counts of a histogram, or what each of five people said? A
score beside them tells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataloader.tables.table import Table, as_numbers

FEWEST = 4  # rows by which a straight line through scores and means says anything
ALIKE = 0.8  # of the scores' variance, which such a line has to explain


def are_single_ratings(table: Table, votes: Sequence[str], score: str) -> bool:
    """Whether the means of the histograms in `votes` have nothing to do with the column `score`:
    most differ by more than rounding, and no straight line leads from the one to the other. Cells
    that are no numbers are not looked at.
    """
    read = [as_numbers(table.column(name))[0] for name in (score, *votes)]
    found = [values for values in read if values is not None]
    if len(found) < len(read):
        return False
    scores, counts = found[0], np.stack(found[1:], axis=1)
    right = np.isfinite(scores) & np.isfinite(counts).all(axis=1) & (counts >= 0).all(axis=1)
    right &= counts.sum(axis=1) > 0
    scores, counts = scores[right], counts[right]
    if not len(scores):
        return False
    means = counts @ np.arange(1, counts.shape[1] + 1) / counts.sum(axis=1)
    near = 0.5 * 10.0 ** -_decimals(table.column(score)) + 1e-9
    if _most(np.abs(means - scores) <= near):
        return False
    if _most(np.abs(counts.mean(axis=1) - scores) <= near):
        return True  # the mean of what each of them said
    if len(scores) < FEWEST or not scores.std() or not means.std():
        return False
    return float(np.corrcoef(scores, means)[0, 1]) ** 2 < ALIKE


def _decimals(cells: Sequence[str]) -> int:
    """How many digits after the point the column has, 9 at most."""
    return min(9, max(len(cell.replace(",", ".").partition(".")[2]) for cell in cells))


def _most(said: np.ndarray) -> bool:
    return bool(2 * np.count_nonzero(said) > len(said))
