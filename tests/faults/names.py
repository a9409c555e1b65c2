"""Names of files that break tables, terminals, pages and spreadsheets, through every command that
writes them down; what is written is read back equal.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from tests.faults.disks import TINY, WEIGHTS, Place
from tests.faults.trial import Trial, attempt, fingerprint

NAMES = {
    "escape": "a\x1b[31mred.png",
    "newline": "two\nlines.png",
    "return": "two\rlines.png",
    "tab": "a\tb.png",
    "equals": "=1+1.png",
    "plus": "+SUM(A1).png",
    "minus": "-e.png",
    "at": "@x.png",
    "comma": 'a,b;"c".png',
    "hash": "#1.png",
    "space": " lead and trail .png",
    "html": "<img src=x onerror=alert(1)>.png",
    "bytes": os.fsdecode(b"caf\xe9.png"),
    "right to left": "a\u202egnp.b.png",
    "long": "x" * 251 + ".png",
    "dash": "--train.png",
    "glob": "[ab]*?.png",
    "percent": "%s{0}.png",
    "unicode": "日本🙂.png",
}


def trials(root: Path, short: bool) -> Iterator[Trial]:
    place = Place(root)
    for output in (["-o", "s.csv"], ["-o", "s.json"], []):
        for ascii_only in (False,) if short else (False, True):
            shown = f"all: --predict {' '.join(output)}{' in ASCII' * ascii_only}"
            yield shown, partial(_predicted, place, output, ascii_only)
    if short:
        return
    for what, name in NAMES.items():
        yield f"{what}: --maps, --check, --jit", partial(_others, place, name)


def _folder(place: Place, names: Iterable[str]) -> Path:
    folder = place.folder()
    image = next((folder / "data/test/images").glob("*.png"))
    (folder / "odd").mkdir()
    for target in names:
        shutil.copy(image, folder / "odd" / target)
    return folder


def _predicted(place: Place, output: list[str], ascii_only: bool) -> str | None:
    folder = _folder(place, NAMES.values())
    before = fingerprint(folder / "odd", folder / "data")
    words = ["--predict", "odd", "--resume", WEIGHTS, *TINY, *output]
    done = attempt(folder, words, _ascii if ascii_only else None)
    if wrong := done.wrong(0):
        return wrong
    text = done.out + done.err
    if any(ord(c) < 32 and c not in "\n\r" or ord(c) == 0x202E for c in text):
        return f"a control character reaches the terminal: {text!r}"
    if not output:
        lines = len(done.out.splitlines())
        if lines != len(NAMES) + 1:
            return f"the table has {lines} lines: {done.out!r}"
        return _clean(folder, before)
    file = folder / output[1]
    text = file.read_bytes().decode("utf-8", "surrogateescape")
    rows = json.loads(text) if file.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
    found = {os.path.basename(row["path"]) for row in rows}
    if found != set(NAMES.values()):
        return f"{file.name} has other names: {found ^ set(NAMES.values())}"
    if file.suffix == ".csv" and any(row["path"][:1] in "=+-@\t" for row in rows):
        return "a formula in the csv"
    return _clean(folder, before)


def _others(place: Place, name: str) -> str | None:
    folder = _folder(place, (name, "plain.png"))
    before = fingerprint(folder / "odd", folder / "data")
    for words in (
        ["--predict", "odd", "--resume", WEIGHTS, *TINY, "--maps", "maps"],
        ["--check", "--photos", "odd", "-j", "0", "-o", "check.html"],
        ["--jit", "--resume", WEIGHTS, *TINY, "--photos", "odd"],
    ):
        done = attempt(folder, words)
        # Two equal photographs are a finding of --check, whatever they are called.
        if wrong := done.wrong(0, *([1] if words[0] == "--check" else [])):
            if "error lines" not in wrong or words[0] != "--check":
                return f"{words[0]}: {wrong}"
    if len(list((folder / "maps").glob("*.png"))) < 2:
        return "not a map of each image"
    return _clean(folder, before)


def _clean(folder: Path, before: dict) -> str | None:
    if fingerprint(folder / "odd", folder / "data") != before:
        return "an input has changed"
    shutil.rmtree(folder)
    return None


def _ascii() -> None:
    """As LC_ALL=C with PYTHONIOENCODING=ascii does at the start of a process."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="ascii", errors="strict")
