"""The table that tar files hold, as WebDataset's shards do: a row for each key, which is a name up
to its first dot, with the key's image, and its label in a file beside it: `.json`, `.cls`, `.txt`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dataloader.labels.faults import MOST_FAULTS, Fault, LabelError
from dataloader.tables.columns import SPLITS
from dataloader.tables.reading import is_image_name, of_values
from dataloader.tables.table import Table
from utils.files.reading import parse_json, utf8
from utils.files.tar_files import index_of
from utils.text import quoted

IMAGE = "image"  # columns that are ours
SPLIT = "split"
LABELS = ("json", "cls", "txt")
_VALUES = "votes"  # of a .json that is a list
_SCORE = "score"  # of a .json that is a number
MOST_LABEL = 1 << 20  # bytes


@dataclass(frozen=True)
class ShardTable(Table):
    """The rows of all keys that have a label. Image names are paths from the folder of the tar
    files, `train-000.tar/0001.jpg`; of a key without an image the key, which is in `without_image`.

    without_label: images whose key has no label. left: how many other files there are of each kind.
    """

    folder: Path = Path()
    without_image: frozenset[str] = frozenset()
    without_label: tuple[str, ...] = ()
    left: Counter[str] = field(default_factory=Counter)

    def fault(self, row: int, name: str | None, message: str) -> Fault:
        """A mistake in what is said of an image, with its tar file and its name in there."""
        message = message if name is None else f"{name}: {message}"
        return Fault(self.folder / self.column(IMAGE)[row], 0, 0, message)


def read_shards(title: Path, shards: Sequence[Path]) -> ShardTable:
    """The rows of some tar files, in their order. title: what they are called together. LabelError
    names tar file, key and cure of each label that is none; ValueError what is wrong with a tar
    file.
    """
    folder = Path(os.path.commonpath([os.path.abspath(shard.parent) for shard in shards]))
    columns: dict[str, list[Any]] = {IMAGE: []}
    rows: list[Any] = columns[IMAGE]
    without_image, without_label, left, faults = set(), [], Counter[str](), list[Fault]()
    splits: list[str] = []
    for shard, split in zip(shards, _splits(shards), strict=True):
        top = os.path.relpath(os.path.abspath(shard), folder).replace(os.sep, "/")
        for key, image, label in _samples(shard, folder / top, left, faults):
            name = f"{top}/{image or key}"
            if label is None:
                without_label.append(name)
                continue
            if not image:
                without_image.add(name)
            for column_name, value in label.items():
                if column_name not in columns:
                    columns[column_name] = [None] * len(rows)
                columns[column_name].append(value)
            rows.append(name)
            splits.append(split)
            for column in columns.values() if len(label) + 1 < len(columns) else ():
                if len(column) < len(rows):
                    column.append(None)
    if faults:
        raise LabelError(faults)
    if not rows:
        raise ValueError(
            f"{title}: no label in these tar files: for each image NAME.jpg a NAME.json, NAME.cls "
            "or NAME.txt is wanted"
        )
    if any(splits) and SPLIT not in columns:
        columns[SPLIT] = splits
    how = f"{len(shards)} tar file{'s'[: len(shards) > 1]}"
    table = of_values(title, columns, how, range(1, len(rows) + 1))
    own = {one.name: getattr(table, one.name) for one in fields(Table)}
    return ShardTable(
        **own, folder=folder, without_image=frozenset(without_image),
        without_label=tuple(without_label), left=left,
    )  # fmt: skip


def _splits(shards: Sequence[Path]) -> list[str]:
    """The split of each tar file, by how its name or its folder's begins; "" where none says it."""
    found = [_split_of(shard.name) or _split_of(shard.parent.name, whole=True) for shard in shards]
    if any(found) and not all(found):
        other = next(shard.name for shard, split in zip(shards, found, strict=True) if split)
        raise ValueError(
            f"{shards[found.index('')]}: its name says no split, as that of {other} does: let it "
            "begin with train, val or test"
        )
    return found


def _split_of(name: str, whole: bool = False) -> str:
    word = re.match(r"[A-Za-z]*", name)[0]  # type: ignore[index]
    return SPLITS.get(word.casefold(), "") if not whole or word == name else ""


def _samples(
    shard: Path, named: Path, left: Counter[str], faults: list[Fault]
) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """(key, name of its image or "", what its labels say or None) of a tar file, in its order."""
    index = index_of(shard)
    keys: dict[str, dict[str, int]] = {}
    for place, name in enumerate(index.names()):
        above, slash, last = name.rpartition("/")
        stem, _, end = last.partition(".")
        if not stem:  # a hidden file
            continue
        kind = IMAGE if is_image_name(name) else end.lower()
        if kind != IMAGE and kind not in LABELS:
            left[f".{kind}"] += 1
            continue
        found = keys.setdefault(f"{above}{slash}{stem}", {})
        if kind in found and len(faults) < MOST_FAULTS:
            both = f"{index.name(found[kind])} and {name}"
            said = f"one key has {both}: a key is a name up to its first dot, and has one image"
            faults.append(Fault(named, 0, 0, said))
        found[kind] = place
    with open(shard, "rb") as file:
        for key, found in keys.items():
            said: dict[str, Any] = {}
            for kind in (kind for kind in LABELS if kind in found):
                place = found[kind]
                inside = f"{named}/{index.name(place)}"
                if index.sizes[place] > MOST_LABEL:
                    large = f"a label of {index.sizes[place]:,} bytes: take it out"
                    raise LabelError([Fault(Path(inside), 0, 0, large)])
                file.seek(index.starts[place])
                said |= _said(kind, utf8(file.read(index.sizes[place]), inside), inside)
            image = index.name(found[IMAGE]) if IMAGE in found else ""
            yield key, image, None if found.keys() <= {IMAGE} else said


def _said(kind: str, text: str, file: str) -> dict[str, Any]:
    """Columns of one label; a field of a .json that is called like a column of ours is renamed."""
    if kind != "json":
        return {kind: text.strip()}
    value = parse_json(text, file, once=True)
    if isinstance(value, dict):
        return {f"json {n}" if n == IMAGE else str(n): v for n, v in value.items()}
    if isinstance(value, list):
        return {_VALUES: value}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {_SCORE: value}
    said = f'neither an object, such as {{"mos": 3.1}}, nor votes or a number: {quoted(text)}'
    raise LabelError([Fault(Path(file), 0, 0, said)])
