"""report.html: everything about one evaluation in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from applications.evaluation.evaluation import Evaluation, shown
from applications.reports.groups import group_sections
from applications.reports.images import map_section, worst_sections
from applications.reports.order import histogram_section, ladder_section, split_section
from applications.reports.page import write_page
from applications.reports.parts import (
    Beside,
    Cell,
    Details,
    Plot,
    Report,
    Section,
    Table,
    drawn_images,
    number,
)
from applications.reports.run import curve_section, facts_sections
from applications.reports.scores import score_sections
from utils.drawing.chart import Bars, Chart, Points, Upright
from utils.statistics.metric import Metric

_ANSWERS = {"good": "yes", "warn": "partly", "bad": "no", "": "note"}
_NUMBERS = ("srcc", "plcc", "rmse")  # in the picture
_BINS = 30


def sections_of(report: Report) -> list[Section]:
    """All sections that the evaluation has something for, in the order of the page."""
    parts = (
        verdict_section, metric_section, score_sections, worst_sections, group_sections,
        ladder_section, histogram_section, curve_section, split_section, map_section,
        facts_sections,
    )  # fmt: skip
    made = [section for part in parts for section in part(report)]
    at = next((n for n, section in enumerate(made) if section.key == "curves"), len(made))
    return [*made[:at], *([report.learning_curve] if report.learning_curve else []), *made[at:]]


def write_report(file: Path, r: Report, sections: Iterable[Section]) -> None:
    """The page, whole or not at all."""
    about = f"{len(r.evaluation.images):,} images of {r.evaluation.origin}, "
    read_first = [(r.verdict.text, r.verdict.kind)]
    write_page(file, r.title, list(sections), f"{about}scored by {r.about.weights}", read_first)


def metric_section(r: Report) -> list[Section]:
    """Every metric of all images with its interval, and where a fit comes from."""
    e, rows = r.evaluation, []
    for metric in e.metrics:
        known = metric.low == metric.low
        ends: list[str | Cell] = [number(metric.low), number(metric.high)] if known else ["", ""]
        fit = (e.fit_on or "") if metric.fit else ""
        rows.append([metric.key, number(metric.value), *ends, fit])
    how = e.resampling
    why = "No intervals were asked for, or there are too few images."
    if how is not None and any(metric.low == metric.low for metric in e.metrics):
        why = f"low and high: 95% intervals from {how.samples:,} resamples of {how.count:,} "
        why += f"{how.drawn}."
    header = ["metric", "value", "low", "high", "fit on"]
    body = (Table(header, rows, sortable=True).used(2),)
    return [Section("metrics", "Metrics", why, body)]


def figures_of(sections: Iterable[Section]) -> Iterator[tuple[str, Chart]]:
    """Every chart with the words that its file is called by."""
    for plots in charts_of(sections):
        yield from ((f"{plot.name} {plot.chart.title}", plot.chart) for plot in plots)


def charts_of(sections: Iterable[Section]) -> list[list[Plot]]:
    """The charts of each section, each with the name of its csv in the page."""
    return [section.plots() for section in sections]


# ---- the verdict


def verdict_section(r: Report) -> list[Section]:
    """Nothing where there was too little to judge, and no picture."""
    rows = [[Cell(_ANSWERS[f.kind], kind=f.kind), f.text] for f in r.verdict.findings]
    body: list[Chart | Beside] = picture(r.evaluation)
    if rows:
        held = [
            Table(["passed", "what it was held against"], rows, 2),
            Details("The numbers", _numbers(r)),
        ]
        body.append(Beside(held))
    why = "What the verdict rests on. In brackets: 95% intervals; all of them are in The numbers."
    return [Section("verdict", "Why", why, tuple(body))] if body else []


def _numbers(r: Report) -> list[Table]:
    rows = []
    for f in r.verdict.findings:
        for whose, metric in (("model", f.metric), ("against", f.against), ("saved", f.gain)):
            if metric is not None:
                ends = map(number, (metric.value, metric.low, metric.high))
                rows.append([f.rule, f"{metric.key}, {whose}", *ends])
    return [Table(["rule", "metric", "value", "low", "high"], rows, 2)]


def picture(e: Evaluation) -> list[Chart]:
    """Predictions against MOS with y = x; for pairs, by how much the better image leads."""
    if e.opinions is not None:
        drawn = drawn_images(e)
        numbers = [f"{m.name.upper()} {shown(m.value)}" for m in map(e.by_key.get, _NUMBERS) if m]
        titles = tuple(e.names[i] for i in drawn)
        x, y = e.scores[drawn].astype(np.float64), e.opinions.mos[drawn].astype(np.float64)
        both = float(min(x.min(), y.min())), float(max(x.max(), y.max()))  # one scale for both
        return [Chart(
            "The model's scores, and people's", "the model's score", "people's score (MOS)",
            (Points(x, y, "images", titles),), both, both, diagonal=True,
            inset=(*numbers, f"n {len(e.scores):,}"),
        )]  # fmt: skip
    if "better" not in e.labels or not len(e.labels["better"]):
        return []
    lead = (e.scores[e.labels["better"]] - e.scores[e.labels["worse"]]).astype(np.float64)
    edges = np.histogram_bin_edges(lead, _BINS)
    bars = Bars(edges, np.histogram(lead, edges)[0].astype(np.float64), "pairs")
    accuracy: Metric | None = e.by_key.get("pair_accuracy")
    said = [f"pair accuracy {shown(accuracy.value)}"] if accuracy else []
    return [Chart(
        "Right of the line: the better image has the higher score",
        "score of the better image less that of the worse", "pairs",
        (bars, Upright(0.0, "equal", 1)),
        inset=(*said, f"n {len(lead):,} pairs"),
    )]  # fmt: skip
