"""Sections of a report for what is known of the images: distortions, references, levels, votes."""

from __future__ import annotations

import numpy as np

from applications.evaluation.evaluation import ALL, known_columns, shown
from applications.reports.parts import Report, Section, Table
from utils.drawing.chart import Bars, Chart
from utils.drawing.panels import evenly_spread, histogram_chart, ladder_charts
from utils.statistics import metrics
from utils.statistics.ladders import build_ladders

_METRICS = ("ladder_accuracy", "monotone_ladders", "l_test_srcc", "d_test_auc", "p_test")


def ladder_section(r: Report) -> list[Section]:
    e = r.evaluation
    if not e.ladders:
        return []
    rows = {row.distortion: row.values for row in e.ladders if row.level is None}
    ladders = build_ladders(*known_columns(e.versions, e.images, e.scores))
    accuracy = {name: values["ladder_accuracy"] for name, values in rows.items() if name != ALL}
    charts = ladder_charts(ladders, accuracy)
    cells = [
        [str(name), str(values["n_ladders"]), *(shown(values[metric]) for metric in _METRICS)]
        for name, values in rows.items()
    ]
    header = ["distortion", "ladders", "pair accuracy", "monotone", "L srcc", "D auc", "P"]
    why = (
        "Level 0 is the photograph, a higher level a stronger distortion: every line should fall. "
    )
    why += "A line is a photograph, orange where it does not; the strong one is their mean."
    body = (Table(header, cells, sortable=True), *charts)
    return [Section("ladders", "Score against level", why, body)]


def histogram_section(r: Report) -> list[Section]:
    e = r.evaluation
    votes, probs = e.labels.get("probs"), e.predictions.probs
    if votes is None or probs is None:
        return []
    distances = metrics.emd_of_each(probs, votes, 1)
    chosen, places = evenly_spread(distances)
    charts = [
        histogram_chart(f"Mean of {len(votes)} images", probs.mean(axis=0), votes.mean(axis=0))
    ]
    for i, place in zip(chosen, places, strict=True):
        title = f"{place + 1}. {e.names[i]}: EMD {distances[i]:.4f}"
        charts.append(histogram_chart(title, probs[i], votes[i]))
    why = f"{len(chosen)} of {len(distances)} images, from the smallest EMD (r = 1) to the largest."
    return [Section("histograms", "Predicted and voted histograms", why, tuple(charts))]


def split_section(r: Report) -> list[Section]:
    """Scores of every split's labels, and what was predicted."""
    e, rows, known = r.evaluation, [], {}
    for name, labels in r.about.labels.items():
        if isinstance(labels, str):
            rows.append([name, *[""] * 6, labels])
            continue
        cells = [""] * 4
        if labels.mos is not None and len(labels.mos):
            mos = known[name] = labels.mos.astype(np.float64)
            cells = [f"{x:.4g}" for x in (mos.min(), mos.mean(), mos.max(), mos.std())]
        rows.append([name, str(labels.lines), str(labels.images), *cells, ""])
    header = ["split", "lines", "images", "lowest MOS", "mean", "highest", "deviation", "remark"]
    body: list[Table | Chart] = [Table(header, rows).used(3)]
    if known:
        predicted = {f"predicted, {e.split}": e.in_mos_units()[0]}
        body.append(_shares({**known, **predicted}))
    why = "Splits that are drawn alike have like scores; a model sees only those of train/."
    return [Section("splits", "Scores of every split", why, tuple(body))]


def _shares(samples: dict[str, np.ndarray], bins: int = 20) -> Chart:
    everything = np.concatenate([values[np.isfinite(values)] for values in samples.values()])
    edges = np.histogram_bin_edges(everything, bins)
    marks = tuple(
        Bars(edges, np.histogram(values, edges)[0] / max(len(values), 1), name, n, outline=True)
        for n, (name, values) in enumerate(samples.items())
    )
    return Chart("Scores of every split", "MOS", "share of the images", marks)
