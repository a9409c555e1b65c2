"""Label files as tests write them, and what was read of them as one tuple a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dataloader.labels.faults import Fault, LabelError
from dataloader.labels.labels import Labels
from dataloader.labels.text import read_labels


def rows_of(labels: Labels) -> list[tuple[Any, ...]]:
    """(image, or better and worse, the value unless it is a pair, line); a histogram is a tuple."""
    rows = []
    for number, line in enumerate(labels.lines.tolist()):
        images = labels.images[number].reshape(-1).tolist()
        said = [] if labels.values is None else [labels.values[number].tolist()]
        said = [tuple(value) if isinstance(value, list) else value for value in said]
        rows.append((*(labels.sources[image] for image in images), *said, line))
    return rows


def split_of(root: Path, names: Iterable[str]) -> Path:
    """root/data/train with images that nobody decodes."""
    folder = root / "data" / "train"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def read(
    split: Path, kind: str, text: str | bytes, num_classes: int | None = None, cwd: Path = Path()
) -> Labels:
    """The labels of a text; images are looked for in the split, and in cwd below it."""
    file = split / "label.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(kind, file, split.parent, num_classes, cwd=split / cwd)


def refused(*args: Any, **options: Any) -> list[Fault]:
    """Every fault of what `read` must refuse."""
    with pytest.raises(LabelError) as caught:
        read(*args, **options)
    return caught.value.faults
