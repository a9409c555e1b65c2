"""Tar files with images and their labels, as WebDataset's shards are, in place of a table and a
folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from applications.inputs.tables.tabled import TabledImages, asked_columns, divides
from dataloader.labels.faults import Fault, LabelError
from dataloader.sources import PathTable
from dataloader.tables.columns import Columns, find_columns
from dataloader.tables.matching import first_of
from dataloader.tables.shards import IMAGE, ShardTable, read_shards
from utils.check_images import BadImage
from utils.duplicates.copies import copied
from utils.files.remote import local_tars
from utils.text import printable, to_stderr

NO_IMAGE = "no image of this key beside its label"
NO_LABEL = "no label of this key beside its image: add its .json, .cls or .txt"


class ShardedImages(TabledImages):
    """Images of tar files that --labels names by a pattern, with their labels beside them."""

    lack, remedy = "incomplete", "make these tar files anew"

    def _read(self, file: Path, wants_votes: bool | None) -> tuple[ShardTable, Columns]:
        c = self.config
        for name in ("images", "image_column", "sheet"):
            if getattr(c, name) is not None:
                raise ValueError(f"--{name}: the images are in the tar files: leave it out")
        self.title = str(c.labels)
        shards = local_tars(self.title, c.cache, to_stderr)
        table = self._table = _read_once(
            self.title, tuple((s, s.stat().st_mtime_ns) for s in shards)
        )
        self.folder = table.folder
        asked = {**asked_columns(c), "image": IMAGE}
        return table, find_columns(table, asked, lambda names: 0, wants_votes, divides(c))

    def _find(self, table: ShardTable, name: str) -> tuple[list[str], dict[str, str]]:
        return table.column(name), dict.fromkeys(table.without_image, "")

    def _alone(self, keys: Sequence[str]) -> str:
        left = self._table.left
        kinds = first_of(sorted(left), 6)
        return f"not read: {sum(left.values()):,} other file(s), {kinds}" if left else ""

    def missing(self) -> tuple[BadImage, ...]:
        """Keys without an image, and images without a label."""
        odd = [(name, NO_IMAGE) for name in sorted(self._table.without_image)]
        odd += [(name, NO_LABEL) for name in self._table.without_label]
        return tuple(BadImage(self.folder / name, why) for name, why in odd)

    def refuse_copies(self, splits: dict[str, np.ndarray]) -> None:
        """LabelError for the same bytes in the tar files of two splits."""
        names, found = list(splits), {name: self.paths(rows) for name, rows in splits.items()}
        files = PathTable.joined(list(found.values()))
        owners = np.repeat(np.arange(len(names)), [len(rows) for rows in splits.values()])
        faults = [
            Fault(
                files[row], 0, 0,
                f"image of {names[owners[row]]} with the same bytes as one of "
                f"{names[owners[other]]} ({printable(files[other])}): take one of them out, or "
                "pass --split_by auto, which keeps them together",
            )
            for row, other in copied(files, owners)
        ]  # fmt: skip
        if faults:
            raise LabelError(faults)


@lru_cache(maxsize=1)
def _read_once(title: str, shards: tuple[tuple[Path, int], ...]) -> ShardTable:
    """shards: with the times of their last change. They are read once for what is asked of them
    before a training, and for the training.
    """
    return read_shards(Path(title), [shard for shard, _ in shards])
