"""Labels as one tuple a line, to be compared with what a test wrote."""

from __future__ import annotations

from typing import Any

from dataloader.labels.labels import Labels


def rows_of(labels: Labels) -> list[tuple[Any, ...]]:
    """(image, or better and worse, the value unless it is a pair, line); a histogram is a tuple."""
    rows = []
    for number, line in enumerate(labels.lines.tolist()):
        images = labels.images[number].reshape(-1).tolist()
        said = [] if labels.values is None else [labels.values[number].tolist()]
        said = [tuple(value) if isinstance(value, list) else value for value in said]
        rows.append((*(labels.sources[image] for image in images), *said, line))
    return rows
