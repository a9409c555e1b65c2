"""The first section of a report: what the verdict rests on, beside a picture that shows it."""

from __future__ import annotations

import numpy as np

from applications.evaluation.evaluation import Evaluation, shown
from applications.reports.parts import (
    Beside,
    Cell,
    Details,
    Report,
    Section,
    Table,
    drawn_images,
    number,
)
from utils.drawing.chart import Bars, Chart, Points, Upright
from utils.statistics.metric import Metric

_ANSWERS = {"good": "yes", "warn": "partly", "bad": "no", "": "note"}
_NUMBERS = ("srcc", "plcc", "rmse")  # in the picture
_BINS = 30


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
    why = "How the verdict comes about; every number has its 95% interval in brackets or below."
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
        points = Points(e.scores[drawn].astype(np.float64), e.opinions.mos[drawn], "images", titles)
        return [Chart(
            "What the model says, and what people said", "prediction", "MOS (people's mean score)",
            (points,), diagonal=True, inset=(*numbers, f"n {len(e.scores):,}"),
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
