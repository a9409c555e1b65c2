"""Label files, vote files, side tables and lists that nobody would write: read, or every fault in a
line with its place; no other exception, and no message that repeats a whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from applications.inputs.named_images import find_images
from dataloader.labels.faults import EXAMPLES
from dataloader.labels.side_tables import read_spread, read_versions
from dataloader.labels.text import read_labels
from dataloader.labels.votes import read_votes
from dataloader.tables.columns import find_columns
from dataloader.tables.labels import read_rows
from dataloader.tables.reading import read_table
from tests.faults.trial import Trial
from tests.tiny_data import picture

NAMES = ("a.png", "b.png", "#c.png", "with space.png", "comma,1.png", "ü.png", "sub/d.png")
WORDS = (*NAMES, "label", "nan", "inf", "-1", "1e400", "1e18", "0.5", "7", "1_000", '"', ";", "\t",
         "\\", "..", "../", "/etc", "", " ", "#", "\ufeff", "\u2028", "\0", "\x1b[31m", "9" * 400,
         "path,reference_id,distortion,level", "path,std,votes", "file_name label", "{", "[", "]",
         "null", '{"image_id": null, "label": [1]}', "3,5")  # fmt: skip
LINES = st.lists(
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=8).map(",".join)
    | st.lists(st.sampled_from(WORDS), max_size=16).map(" ".join),
    max_size=12,
)
TEXTS = st.one_of(
    LINES.map("\n".join).map(lambda text: text.encode("utf-8", "replace")),
    LINES.map("\r\n".join).map(lambda text: text.encode("utf-16")),
    LINES.map("\n".join).map(lambda text: text.encode("latin-1", "replace")),
    st.binary(max_size=300),
    st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3)
                 | st.dictionaries(st.sampled_from(["image_id", "label", "x"]), inner, max_size=3),
                 max_leaves=10).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip


def trials(root: Path, short: bool) -> Iterator[Trial]:
    folder = root / "label_fuzz"
    (folder / "data/train/sub").mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        image = folder / "data/train" / name
        if not image.exists():
            picture(np.random.default_rng(1), 3, (8, 8)).save(image)
    examples = 40 if short else 1500
    for what, read in readers(folder / "data").items():
        file = folder / f"data/train/fuzzed.{'json' if 'JSON' in what else 'txt'}"
        yield f"{examples} times {what}", partial(_fuzz, file, read, examples)


def readers(root: Path) -> dict[str, Callable[[Path], object]]:
    """What is read -> how, of a file in train/."""
    images = [root / "train" / name for name in NAMES]
    return {
        **{f"label.txt ({kind})": partial(_labels, kind, root) for kind in EXAMPLES},
        "levels.csv": lambda file: read_versions(file, images[:1], None),
        "std.csv": lambda file: read_spread([file], images[:1], None),
        "votes (text)": read_votes,
        "votes (JSON)": read_votes,
        "a table (text)": _table,
        "a table (JSON)": _table,
        "a list": lambda file: find_images((str(file),)),
    }


def _table(file: Path) -> object:
    table = read_table(file)
    columns = find_columns(table, {}, lambda cells: sum(".png" in cell for cell in cells), None)
    return read_rows(table, columns, table.column(columns.image), False)


def _labels(kind: str, root: Path, file: Path) -> object:
    return read_labels(kind, file, root)


def _fuzz(file: Path, read: Callable[[Path], object], examples: int) -> str | None:
    wrong: list[str] = []

    @settings(
        max_examples=examples, database=None, deadline=None, derandomize=True,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(TEXTS)
    def once(content: bytes) -> None:
        file.write_bytes(content)
        try:
            read(file)
        except (ValueError, FileNotFoundError) as error:
            lines = str(error).splitlines()
            if max(map(len, lines), default=0) > 1500 + len(str(file)):
                wrong.append(f"a line of {max(map(len, lines))} characters for {content!r}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error} for {content!r}")

    once()
    return None if not wrong else f"{len(wrong)} times, such as {wrong[0][:600]}"
