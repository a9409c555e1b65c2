"""Rows of --predict as a table for people."""

from __future__ import annotations

import numpy as np

from applications.scoring.rows import Choice, Row, score_of
from utils.text import printable


def as_table(rows: list[Row]) -> str:
    """Aligned columns: the rank (1 is best), the score, as mean +- (std) where there is a
    histogram, and the path, last because it may hold spaces; of an image that cannot be read, why.
    """
    order = Choice(sort=True).order(np.array([score_of(row) for row in rows]))
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(1, len(rows) + 1)
    spread = bool(rows) and "std" in rows[0]
    heading = "mean +- (std)" if spread else "score"
    scores = [_shown(row, spread) for row in rows]
    width = max(map(len, [heading, *scores]))
    lines = [f"{'rank':>5}  {heading:>{width}}  path"]
    for rank, score, row in zip(ranks, scores, rows, strict=True):
        bad = "error" in row
        why = f": {row['error']}" if bad else ""
        place = "-" if bad else rank
        lines.append(f"{place:>5}  {score:>{width}}  {printable(row['path'] + why)}")
    return "\n".join(lines)


def _shown(row: Row, spread: bool) -> str:
    if row["score"] is None:
        return "-"
    return f"{row['score']:.4f}" + (f" +- ({row['std']:.4f})" if spread else "")
