"""Sections of a report on parts of a split: each distortion and each reference by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from applications.evaluation.final_figures import image_clusters
from applications.evaluation.group_figures import GroupRow, group_figures
from applications.reports.parts import Beside, Evaluation, Section, shown
from utils.drawing.chart import Chart, Ranges
from utils.html_page import Html, cell, element, table
from utils.runtime.seed import numpy_generator

_TITLES = {"distortion": "By distortion", "reference": "By reference"}
_MOST_DRAWN = 40  # rows of a chart; the table has all


def group_sections(e: Evaluation) -> list[Section]:
    """Nothing where levels.csv does not say what the images are versions of."""
    clusters, _ = image_clusters(e.targets)
    rng = numpy_generator(e.config.seed, "groups")
    rows = group_figures(e.targets, e.judged.found, e.task, clusters, e.config.bootstrap, rng)
    parts: list[Html | Chart] = []
    for kind, title in _TITLES.items():
        own = [row for row in rows if row.kind == kind]
        if any(row.value == row.value for row in own):
            parts += [_chart(title, own), Beside(_table(kind, own))]
        elif own:
            said = f"{title}: {len(own)}, none with a figure of its own: {own[0].reason}."
            parts.append(Beside(element("p", said, class_="soft")))
    if not parts:
        return []
    why = "The figure within each part, with its 95% interval. The ends of a scale are easier to "
    why += "tell apart than its middle, so a narrow part has a lower correlation."
    return [Section("groups", "Parts of the split", why, tuple(parts))]


def _chart(title: str, rows: Sequence[GroupRow]) -> Chart:
    known = sorted((r for r in rows if r.value == r.value), key=lambda row: -row.value)
    if len(known) > _MOST_DRAWN:
        half = _MOST_DRAWN // 2
        known = [*known[:half], *known[-half:]]
        title = f"{title}: the {half} highest and the {half} lowest of {len(rows)}"
    figures = (np.array([getattr(r, n) for r in known], float) for n in ("value", "low", "high"))
    return Chart(title, rows[0].figure, "", (Ranges([r.name for r in known], *figures),))


def _table(kind: str, rows: Sequence[GroupRow]) -> Html:
    figure = rows[0].figure
    lines = [
        [
            row.name,
            row.reason,
            str(row.images),
            *(cell(shown(value), value) for value in (row.value, row.low, row.high)),
        ]
        for row in rows
    ]
    header = [kind, "remark", "images", figure, "low", "high"]
    if any(row.reason for row in rows):
        return table(header, lines, numeric=2, sortable=True)
    return table([kind, *header[2:]], [[line[0], *line[2:]] for line in lines], sortable=True)
