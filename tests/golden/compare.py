"""Differences of two folders of golden results, one line each."""

from __future__ import annotations

import csv
import difflib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 1e-9  # of numbers in json, jsonl, csv and tables, relative or absolute
# Keys of json, and first cells of tables, that say when, where and how fast, and not what: passed
# over wherever they stand.
IGNORED = {
    "started", "made", "date", "data_wait", "seconds", "duration", "platform", "machine", "host",
    "python", "Python", "packages", "git_revision", "git revision", "torch", "torchvision",
    "file_sha256",  # of an export, which holds the names of our modules
    "timm", "efficientnet-pytorch", "numpy", "scipy", "pillow", "matplotlib",
}  # fmt: skip


def differences(a: Path, b: Path) -> Iterator[str]:
    """One line for each difference of two folders that `run` wrote; none where they are equal."""
    names = [{str(p.relative_to(r)) for p in r.rglob("*") if p.is_file()} for r in (a, b)]
    for name in sorted(names[0] | names[1]):
        if name not in names[0] or name not in names[1]:
            yield f"{name}: only in {a if name in names[0] else b}"
        else:
            yield from (f"{name}: {said}" for said in _differ(_read(a / name), _read(b / name)))


def _read(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text)
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    if file.suffix == ".csv":
        return list(csv.reader(text.splitlines()))
    return text.splitlines()


def _number(value: Any) -> float | None:
    """A number, or a text that is one with a fraction or an exponent, or nan."""
    if isinstance(value, str) and not any(mark in value.lower() for mark in (".", "e", "nan")):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _equal(a: Any, b: Any) -> bool:
    if a == b and isinstance(a, bool) == isinstance(b, bool):
        return True
    if isinstance(a, int) and isinstance(b, int):
        return False
    x, y = _number(a), _number(b)
    if x is None or y is None:
        return False
    return (x != x and y != y) or math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _passed_over(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and str(value[0]) in IGNORED


def _differ(a: Any, b: Any, place: str = "") -> Iterator[str]:
    where = f"{place}: " if place else ""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            if key in IGNORED:
                continue
            if key in a and key in b:
                yield from _differ(a[key], b[key], f"{place}/{key}")
            else:
                yield f"{where}{key}: only in {'A' if key in a else 'B'}"
    elif isinstance(a, list) and isinstance(b, list):
        a, b = ([v for v in values if not _passed_over(v)] for values in (a, b))
        if len(a) == len(b):
            for i, (x, y) in enumerate(zip(a, b, strict=True)):
                yield from _differ(x, y, f"{place}[{i + 1}]")
            return
        texts = [[json.dumps(v) for v in values] for values in (a, b)]
        for line in list(difflib.unified_diff(*texts, n=0, lineterm=""))[2:]:
            if line[0] in "-+":
                yield f"{where}only in {'A' if line[0] == '-' else 'B'}: {line[1:301]}"
    elif not _equal(a, b):
        yield f"{where}{json.dumps(a)[:300]} against {json.dumps(b)[:300]}"
