"""What a page is made of: sections of texts, tables, charts and pictures. These are plain values
that know no markup; templates/parts.html writes each of them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from applications.evaluation.evaluation import Evaluation, shown
from applications.evaluation.verdict import Verdict
from applications.inputs.provenance import Provenance
from utils.drawing.chart import Chart
from utils.drawing.panels import spread
from utils.drawing.render import svg

MOST_DRAWN = 20_000  # images: a page of some megabytes


@dataclass(frozen=True)
class Report:
    """An evaluation, the verdict on it, where it comes from, and quality maps of some of its images
    (`MapPicture` of applications/evaluation/quality_maps.py).
    """

    title: str
    evaluation: Evaluation
    verdict: Verdict
    about: Provenance
    maps: Sequence[Any] = ()
    learning_curve: Section | None = None


def drawn_images(e: Evaluation) -> np.ndarray:
    """Images that stand in charts, and so in their csv: all, or every n-th of very many."""
    return np.array(spread(len(e.scores), MOST_DRAWN), dtype=np.int64)


@dataclass(frozen=True)
class Text:
    """A paragraph, or what `tag` says: pre, h3. kind: its class in report.css. A string by itself
    is a soft paragraph.
    """

    text: str
    kind: str = ""
    tag: str = "p"


@dataclass(frozen=True)
class Items:
    """A list of lines."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """A table's cell. value: what it is sorted by where its text will not do, as in "0.91 [0.88,
    0.94]", or is rounded; nan comes last in either direction. kind: a class in report.css.
    """

    text: str
    value: float | None = None
    kind: str = ""


def number(value: float) -> Cell:
    """A cell that shows a few digits and is sorted by all of them."""
    return Cell(shown(value), value)


@dataclass(frozen=True)
class Table:
    """Columns from `numeric` on are numbers. sortable: a click on a header sorts, a second one
    turns the order round.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    numeric: int = 1
    sortable: bool = False

    def used(self, always: int) -> Table:
        """Without the columns that have no text in any row; the first `always` stay."""
        kept = [n for n in range(len(self.header)) if n < always or any(r[n] for r in self.rows)]
        rows = [[row[n] for n in kept] for row in self.rows]
        return Table([self.header[n] for n in kept], rows, self.numeric, self.sortable)


@dataclass(frozen=True)
class Details:
    """What opens with a click, and stands open on paper."""

    title: str
    body: Sequence[Part]


@dataclass(frozen=True)
class Beside:
    """What stands in a column of its own beside a chart."""

    body: Sequence[Part]


@dataclass(frozen=True)
class Download:
    """A csv inside the page."""

    name: str
    text: str

    def uri(self) -> str:
        """The text as an address; what UTF-8 cannot hold of it is written as an escape."""
        data = base64.b64encode(self.text.encode("utf-8", "backslashreplace")).decode("ascii")
        return f"data:text/csv;base64,{data}"


@dataclass(frozen=True)
class Plot:
    """A chart, with its numbers as name.csv and a note below. name: no other chart of the page has
    it.
    """

    chart: Chart
    name: str
    note: str = ""

    def svg(self) -> str:
        return svg(self.chart, self.name)

    def numbers(self) -> Download:
        return Download(f"{self.name}.csv", self.chart.csv())


@dataclass(frozen=True)
class Picture:
    """An image with lines of text below it. source: a data URI; "" leaves a grey field. zooms:
    whether a click shows it large. file: what one can save of it.
    """

    name: str
    source: str
    lines: Sequence[str]
    zooms: bool = True
    file: Download | None = None


@dataclass(frozen=True)
class Gallery:
    """Pictures in rows. kind: pictures, pictures large, or pair for two that are compared."""

    pictures: Sequence[Picture]
    kind: str = "pictures"


@dataclass(frozen=True)
class Group:
    """A framed gallery; in its heading a tag (text, kind), a name of somebody's, and words; below
    it how much is left out.
    """

    words: str
    gallery: Gallery
    tag: tuple[str, str] = ("", "")
    name: str = ""
    more: str = ""


@dataclass(frozen=True)
class Groups:
    groups: Sequence[Group]


Part = str | Text | Items | Table | Details | Beside | Plot | Download | Gallery | Groups


@dataclass(frozen=True)
class Section:
    """title; why: a sentence or two for a person; body: in reading order, neighbouring charts side
    by side. key: its anchor, "" for none, and the first part of the names of charts without one.
    """

    key: str
    title: str
    why: str
    body: Sequence[Part | Chart]

    def parts(self) -> Iterator[Part]:
        """The body, its charts named KEY_1, KEY_2, ..."""
        count = 0
        for part in self.body:
            if isinstance(part, Chart):
                count += 1
                yield Plot(part, f"{self.key}_{count}")
            else:
                yield part

    def plots(self) -> list[Plot]:
        return [part for part in self.parts() if isinstance(part, Plot)]

    def rows(self) -> Iterator[tuple[bool, list[Part]]]:
        """Neighbouring parts of one kind, and whether they stand side by side."""
        for beside, parts in groupby(self.parts(), lambda part: isinstance(part, Plot | Beside)):
            yield beside, list(parts)
