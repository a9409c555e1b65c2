"""What a label file that cannot be read looks like, said once in place of a fault for every line:
labels of another task, a table of another program, or another way to write the same lines.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from dataloader.labels.faults import Fault, histogram_fault, is_number
from dataloader.labels.paths import LONGEST, PathFinder
from utils.imaging.image_folders import READABLE_EXTENSIONS
from utils.text import cut, quoted

TASKS = {  # kind of lines: in words, and the --criterion that learns from them
    "pairs": ("pairs of images, the better first", "rank"),
    "scores": ("scores", "regress"),
    "distributions": ("histograms of votes", "emd"),
    "buckets": ("buckets", "siamese"),
}
SAMPLE = 50  # lines, by whose majority the file is judged
VOTE_COLUMNS = 15  # of AVA.txt
_SEPARATORS = {",": "", ";": "fields apart by ';'", "\t": "fields apart by tabs"}
_WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

Line = tuple[int, str]


class Reading(NamedTuple):
    """shape: the kind of label that a line's fields make; "table" for an image and figures of no
    kind, "AVA" for a row of AVA.txt, "" for none of these. cures: what had to be changed to see it.
    """

    shape: str
    fields: list[str]
    cures: list[str]


def advise(
    kind: str, faults: Sequence[Fault], lines: Iterable[Line], finder: PathFinder
) -> list[Fault]:
    """The faults of a file of `kind`, in the order of its lines; those of one cause are one fault
    with the cure, and a file of another kind has one fault.

    lines: the data lines of the file, (number, text).
    """
    lines = iter(lines)
    sample = list(islice(lines, SAMPLE))
    if not faults or not sample or (kind == "buckets" and faults[0].line != sample[0][0]):
        return list(faults)  # buckets: anything but a missing header
    header, rows = None, sample
    if len(sample) > 1 and _names_columns(kind, sample[0][1], finder):
        header, rows = sample[0], sample[1:]
    readings = [_read(kind, text, finder) for _, text in rows]
    shape, count = Counter(reading.shape for reading in readings).most_common(1)[0]
    if not shape or 2 * count <= len(rows):
        header, shape = None, kind
    usual = next((reading for reading in readings if reading.shape == shape), None)
    if usual and (message := _of_another_kind(kind, usual, header)):
        own = f"{faults[0].message}; " if kind == "buckets" else ""
        text = {line for line, _ in (*sample, *lines)}
        found = replace(faults[0], line=sample[0][0], message=own + message)
        return [found, *(fault for fault in faults if fault.line not in text)]  # not UTF-8
    if kind == "buckets":
        return list(faults)
    wrong = {fault.line for fault in faults}
    texts = {line: text for line, text in (*sample, *lines) if line in wrong}
    return list(_by_cause(kind, faults, texts, header, finder))


def usual_kind(texts: Sequence[str], finder: PathFinder) -> str:
    """The kind of labels that most of the lines are; "" where they are none, or may be two: whole
    figures after a comma are votes for two bins, or a decimal comma.
    """
    header = re.split(r'[",\s]+', texts[0]) if texts else []
    if {"file_name", "label"} <= set(header):  # by any other comma a table with a header
        return "" if "," in texts[0] else "buckets"
    readings = [
        {_read(kind, text, finder).shape for kind in ("scores", "distributions")} for text in texts
    ]
    counts = Counter(shapes.pop() for shapes in readings if len(shapes) == 1)
    shape, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return shape if shape in TASKS and 2 * count > len(texts) else ""


def _of_another_kind(kind: str, usual: Reading, header: Line | None) -> str:
    """What the file is in place of labels of `kind`; "" where it may be those."""
    columns = re.split(r'[",;\s]+', header[1]) if header else []
    named = {"file_name", "label"} <= set(columns) and kind != "buckets"
    if named and (kind != "scores" or "," not in header[1]):
        words, criterion = TASKS["buckets"]
        return f"looks like {words}: --criterion {criterion}"
    if usual.shape == "AVA":
        return "looks like AVA.txt: pass the file with --labels"
    if usual.shape == "table" and kind != "buckets" and (header or kind != "distributions"):
        names = f" ({cut(header[1].strip())})" if header else ""
        return (
            f"a table of {len(usual.fields)} columns{names}: pass it with --labels FILE, or see "
            "whether --prepare knows the data set"
        )
    if usual.shape in TASKS and usual.shape != kind:
        words, criterion = TASKS[usual.shape]
        more = _cure(usual)
        if kind == "buckets" and usual.shape != "pairs":
            more.append("--make_buckets makes buckets of them")
        return "; ".join([f"looks like {words}: --criterion {criterion}", *more])
    return ""


def _cure(reading: Reading) -> list[str]:
    wanted = quoted(",".join(reading.fields))
    return [f"{' and '.join(reading.cures)}: write {wanted}"] if reading.cures else []


def _by_cause(
    kind: str,
    faults: Sequence[Fault],
    texts: dict[int, str],
    header: Line | None,
    finder: PathFinder,
) -> Iterator[Fault]:
    """The faults; those of lines that only have to be written in another way as one fault a way."""
    cured = {line: _read(kind, text, finder) for line, text in texts.items()}
    cured = {line: found for line, found in cured.items() if found.shape == kind and found.cures}
    counts = Counter(tuple(found.cures) for found in cured.values())
    said: set[object] = set()
    for fault in faults:
        if header and fault.line == header[0]:
            key: object = "header"
            message = (
                "looks like a header: take it out, or begin it with #, or pass the table with "
                f"--labels FILE: {quoted(header[1])}"
            )
        elif fault.line in cured:
            found = cured[fault.line]
            key = tuple(found.cures)
            more = f" (so in {counts[key]} lines)" if counts[key] > 1 else ""
            message = _cure(found)[0] + more
        else:
            yield fault
            continue
        if key not in said:
            said.add(key)
            yield replace(fault, message=message)


def _names_columns(kind: str, text: str, finder: PathFinder) -> bool:
    fields = [field.strip(' \t"') for field in re.split("[,;\t]", text)]
    if any(is_number(field) or _is_image(field, finder) for field in fields):
        return False
    return not _read(kind, text, finder).shape


def _is_image(text: str, finder: PathFinder) -> bool:
    """Whether it is an image, or would be if it were there."""
    return os.path.splitext(text)[1].lower() in READABLE_EXTENSIONS or finder.exists(text)


def _read(kind: str, text: str, finder: PathFinder) -> Reading:
    """A line in the first way, the plain one before all, in which it makes sense."""
    text = text.strip()
    if len(text) > 2 * LONGEST:
        return Reading("", [], [])
    before = []
    if "\\" in text and not any(finder.ends(text.split(","))):
        text = text.replace("\\", "/")
        before.append("backslashes between folders")
    for fields, cures in _ways(text, finder):
        if "" in fields[-1:]:
            fields = fields[: 1 + max((i for i, field in enumerate(fields) if field), default=0)]
            cures = [*cures, "a separator too many at the end"]
        if kind != "distributions" and len(fields) == 3 and all(map(_WHOLE.fullmatch, fields[1:])):
            fields = [fields[0], ",".join(fields[1:])]
        if any(map(_DECIMAL_COMMA.fullmatch, fields[1:])):
            fields = [fields[0], *(field.replace(",", ".") for field in fields[1:])]
            cures = [*cures, "a decimal comma"]
        if shape := _shape(fields, finder):
            return Reading(shape, fields, before + cures)
    return Reading("", [], before)


def _ways(text: str, finder: PathFinder) -> Iterator[tuple[list[str], list[str]]]:
    """(fields, what is unusual about them)."""
    for separator, unusual in _SEPARATORS.items():
        cures = [unusual] if unusual else []
        fields = [field.strip() for field in text.split(separator)]
        if '"' in text and "\r" not in text:
            fields = next(csv.reader([text], delimiter=separator))
            cures.append("quotation marks")
        elif separator == ",":
            end = max(finder.ends(fields), default=1)
            fields = [",".join(fields[:end]), *fields[end:]]
        yield fields, cures
    words = text.split()
    end = len(words)
    while end > 1 and is_number(words[end - 1].replace(",", ".", 1)):
        end -= 1
    if end == 2 == len(words):
        yield words, ["fields apart by blanks"]
    elif end < len(words):
        yield [" ".join(words[:end]), *words[end:]], ["fields apart by blanks"]


def _shape(fields: list[str], finder: PathFinder) -> str:
    numbers = [is_number(field) for field in fields]
    if len(fields) == VOTE_COLUMNS and all(numbers):
        return "AVA"
    if len(fields) < 2 or not _is_image(fields[0], finder):
        return ""
    if len(fields) == 2:
        return "scores" if numbers[1] else "pairs" if _is_image(fields[1], finder) else ""
    if not all(numbers[1:]):
        return "table" if any(numbers[1:]) else ""
    values = [float(field) for field in fields[1:]]
    return "table" if min(values) < 0 or histogram_fault(values) else "distributions"
