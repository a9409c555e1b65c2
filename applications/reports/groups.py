"""Sections of a report on parts of a split: each distortion and each reference by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from applications.evaluation.groups import GroupRow, group_rows
from applications.reports.parts import Beside, Report, Section, Table, number
from utils.drawing.chart import Chart, Ranges
from utils.runtime.seed import numpy_generator

_TITLES = {"distortion": "By distortion", "reference": "By reference"}
_MOST_DRAWN = 40  # rows of a chart; the table has all


def group_sections(r: Report) -> list[Section]:
    """Nothing where levels.csv does not say what the images are versions of."""
    rng = numpy_generator(r.about.seed, "groups")
    rows = group_rows(r.evaluation, r.about.samples, rng)
    parts: list[Beside | Chart] = []
    for kind, title in _TITLES.items():
        own = [row for row in rows if row.metric.group.kind == kind]
        if any(row.metric.value == row.metric.value for row in own):
            notes = {row.metric.note for row in own}
            same = [f"{note}." for note in notes if note and len(notes) == 1]
            parts += [_chart(title, own), Beside([*same, _table(kind, own, not same)])]
        elif own:
            said = f"{title}: {len(own)}, none with a metric of its own: {own[0].metric.note}."
            parts.append(Beside([said]))
    if not parts:
        return []
    why = "The metric within each part, with its 95% interval. The ends of a scale are easier to "
    why += "tell apart than its middle, so a narrow part has a lower correlation."
    return [Section("groups", "Parts of the split", why, tuple(parts))]


def _chart(title: str, rows: Sequence[GroupRow]) -> Chart:
    known = [row.metric for row in rows if row.metric.value == row.metric.value]
    known.sort(key=lambda metric: -metric.value)
    if len(known) > _MOST_DRAWN:
        half = _MOST_DRAWN // 2
        known = [*known[:half], *known[-half:]]
        title = f"{title}: the {half} highest and the {half} lowest of {len(rows)}"
    ends = np.array([(m.value, m.low, m.high) for m in known], float).T
    marks = (Ranges([metric.group.name for metric in known], *ends),)
    return Chart(title, known[0].name, "", marks)


def _table(kind: str, rows: Sequence[GroupRow], with_notes: bool) -> Table:
    remarks = with_notes and any(row.metric.note for row in rows)
    lines = [
        [
            row.metric.group.name,
            *([row.metric.note] if remarks else []),
            str(row.images),
            *map(number, (row.metric.value, row.metric.low, row.metric.high)),
        ]
        for row in rows
    ]
    header = [kind, *(["remark"] if remarks else []), "images", rows[0].metric.name, "low", "high"]
    return Table(header, lines, numeric=1 + remarks, sortable=True)
