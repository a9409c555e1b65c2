"""The page of --test: one model on several data sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from applications.reports.parts import Evaluation, Section, shown
from applications.reports.report import section_html
from applications.reports.run import command_section
from applications.reports.scores import against_mos
from utils.drawing.chart import Chart, Ranges
from utils.html_page import Html, cell, element, page, table

# Drawn with their intervals, where the data sets have them.
_DRAWN = ("srcc", "plcc_4p", "krcc", "pair_accuracy", "emd_r1")


def cross_sections(found: Mapping[str, Evaluation]) -> list[Section]:
    """found: evaluations by the name of their data set, at least one."""
    last = command_section(next(iter(found.values())))
    return [_figures(found), *_intervals(found), *_against(found), last]


def cross_page(title: str, sections: list[Section]) -> Html:
    links = [element("a", s.title, href=f"#{s.key}") for s in sections]
    return page(
        title,
        element("h1", title),
        element("nav", *links, aria_label="sections"),
        *(section_html(section) for section in sections),
        interactive=True,
    )


def _single(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not isinstance(v, dict)}


def _figures(found: Mapping[str, Evaluation]) -> Section:
    names = list(dict.fromkeys(n for e in found.values() for n in _single(e.values)))
    rows = [
        [
            data,
            str(len(e.scores)),
            *(cell(shown(e.values[n]), e.values[n]) if n in e.values else "" for n in names),
        ]
        for data, e in found.items()
    ]
    body = (table(["data set", "images", *names], rows, sortable=True),)
    return Section("figures", "Figures", "Every data set with a fit of its own.", body)


def _intervals(found: Mapping[str, Evaluation]) -> list[Section]:
    charts = []
    for name in _DRAWN:
        known = {data: e for data, e in found.items() if name in e.values}
        if not known:
            continue
        ends = [e.values.get("intervals", {}).get(name, (np.nan, np.nan)) for e in known.values()]
        low, high = np.array(ends, dtype=np.float64).T
        values = np.array([e.values[name] for e in known.values()], dtype=np.float64)
        charts.append(Chart(name, name, "", (Ranges(list(known), values, low, high),)))
    why = "A dot is the figure of a data set, the line its 95% interval."
    return [Section("intervals", "By data set", why, tuple(charts))] if charts else []


def _against(found: Mapping[str, Evaluation]) -> list[Section]:
    charts = []
    for data, e in found.items():
        opinions = e.opinions()
        if opinions is not None:
            charts.append(against_mos(e, opinions.mos.astype(np.float64), data))
    why = "Each point is an image; the fits map predictions to the MOS scale of the data set."
    return [Section("fit", "Prediction against MOS", why, tuple(charts))] if charts else []
