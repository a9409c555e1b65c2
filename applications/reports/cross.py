"""The page of --test: one model on several data sets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from applications.evaluation.evaluation import Evaluation
from applications.inputs.provenance import Provenance
from applications.reports.parts import Cell, Section, Table, number
from applications.reports.run import command_section
from applications.reports.scores import against_mos
from utils.drawing.chart import Chart, Ranges

# Drawn with their intervals, where the data sets have them.
_DRAWN = ("srcc", "plcc_4p", "krcc", "pair_accuracy", "emd_r1")


def cross_sections(found: Mapping[str, Evaluation], about: Provenance) -> list[Section]:
    """found: evaluations by the name of their data set, at least one; about: of the first."""
    last = command_section(about, next(iter(found.values())).origin)
    return [_metrics(found), *_intervals(found), *_against(found), last]


def _metrics(found: Mapping[str, Evaluation]) -> Section:
    names = list(dict.fromkeys(name for e in found.values() for name in e.by_key))
    fitted = any(e.fit_on for e in found.values())
    rows = []
    for data, e in found.items():
        known = (e.by_key.get(name) for name in names)
        cells: list[str | Cell] = ["" if m is None else number(m.value) for m in known]
        rows.append([data, str(len(e.scores)), *cells, *([e.fit_on or ""] if fitted else [])])
    names += ["fit"] if fitted else []
    body = (Table(["data set", "images", *names], rows, sortable=True),)
    return Section("metrics", "Metrics", "Every data set with a fit of its own.", body)


def _intervals(found: Mapping[str, Evaluation]) -> list[Section]:
    charts = []
    for name in _DRAWN:
        known = {data: e.by_key[name] for data, e in found.items() if name in e.by_key}
        if not known:
            continue
        ends = np.array([(m.value, m.low, m.high) for m in known.values()], dtype=np.float64).T
        charts.append(Chart(name, name, "", (Ranges(list(known), *ends),)))
    why = "A dot is the metric of a data set, the line its 95% interval."
    return [Section("intervals", "By data set", why, tuple(charts))] if charts else []


def _against(found: Mapping[str, Evaluation]) -> list[Section]:
    charts = []
    for data, e in found.items():
        if e.opinions is not None:
            charts.append(against_mos(e, e.opinions.mos.astype(np.float64), data))
    why = "Each point is an image; the fits map predictions to the MOS scale of the data set."
    return [Section("fit", "Prediction against MOS", why, tuple(charts))] if charts else []
