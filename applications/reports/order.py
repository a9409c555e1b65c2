"""Sections of a report for what is known of the images: distortions, references, levels, votes."""

from __future__ import annotations

import numpy as np

from applications.evaluation.ladders import known_columns
from applications.reports.parts import Evaluation, Section, shown
from utils.drawing.chart import Bars, Chart, Line
from utils.histogram_picture import evenly_spread
from utils.html_page import Html, table
from utils.statistics import metrics
from utils.statistics.ladders import Ladders, build_ladders

_MOST_LINES = 40  # photographs in a panel
_FIGURES = ("ladder_accuracy", "monotone_ladders", "l_test_srcc", "d_test_auc", "p_test")


def ladder_section(e: Evaluation) -> list[Section]:
    by_distortion = e.values.get("by_distortion")
    if not by_distortion or e.targets.levels is None:
        return []
    ladders = build_ladders(*known_columns(e.targets, e.scores))
    # One scale for all panels: a steep line is steeper than another.
    known = ladders.scores[np.isfinite(ladders.scores)]
    ends = (float(known.min()), float(known.max())) if len(known) else None
    charts = [
        _panel(ladders, kind, by_distortion, ends) for kind in range(len(ladders.distortions))
    ]
    everything = {**by_distortion, "all": e.values}
    rows = [
        [str(name), str(figures["n_ladders"]), *(shown(figures[f]) for f in _FIGURES)]
        for name, figures in everything.items()
    ]
    header = ["distortion", "ladders", "pair accuracy", "monotone", "L srcc", "D auc", "P"]
    why = (
        "Level 0 is the photograph, a higher level a stronger distortion: every line should fall. "
    )
    why += "A line is a photograph, the strong one their mean."
    body = (table(header, rows, sortable=True), *charts)
    return [Section("ladders", "Score against level", why, body)]


def _panel(
    found: Ladders, kind: int, by_distortion: dict, ends: tuple[float, float] | None
) -> Chart:
    name = str(found.distortions[kind])
    own = np.flatnonzero(found.distortion == kind)
    places = np.unique(np.linspace(0, len(own) - 1, min(len(own), _MOST_LINES)).round().astype(int))
    pieces = [found.by_level(found.image[found.ladder == ladder]) for ladder in own[places]]
    # One series, broken between photographs: forty names would hide the lines.
    x, y = (np.concatenate([np.append(piece[part], np.nan) for piece in pieces]) for part in (0, 1))
    mean = found.by_level(found.image[found.distortion[found.ladder] == kind])
    title = f"{name}: {shown(by_distortion[name]['ladder_accuracy'])} of pairs in order"
    marks = (Line(x, y, "photographs", 5, thin=True), Line(*mean, "mean", 1, dots=True))
    return Chart(title, "level", "score", marks, y_range=ends)


def histogram_section(e: Evaluation) -> list[Section]:
    votes, probs = e.targets.all().get("probs"), e.judged.found.probs
    if votes is None or probs is None:
        return []
    distances = metrics.emd_of_each(probs, votes, 1)
    chosen, places = evenly_spread(distances)
    charts = [_two(f"Mean of {len(votes)} images", probs.mean(axis=0), votes.mean(axis=0))]
    for i, place in zip(chosen, places, strict=True):
        title = f"{place + 1}. {e.names[i]}: EMD {distances[i]:.4f}"
        charts.append(_two(title, probs[i], votes[i]))
    why = f"{len(chosen)} of {len(distances)} images, from the smallest EMD (r = 1) to the largest."
    return [Section("histograms", "Predicted and voted histograms", why, tuple(charts))]


def _two(title: str, probs: np.ndarray, votes: np.ndarray) -> Chart:
    edges = np.arange(len(votes) + 1) + 0.5
    marks = (
        Bars(edges, votes.astype(np.float64), "voted", 5),
        Bars(edges, probs.astype(np.float64), "predicted", 1, outline=True),
    )
    return Chart(title, "bin", "share", marks)


def split_section(e: Evaluation) -> list[Section]:
    """Scores of every split's labels, and what was predicted."""
    rows, known = [], {}
    for name, labels in e.labels.items():
        if isinstance(labels, str):
            rows.append([name, *[""] * 6, labels])
            continue
        opinions = e.task.opinions(labels)
        figures = [""] * 4
        if opinions is not None and len(opinions.mos):
            mos = known[name] = opinions.mos.astype(np.float64)
            figures = [f"{x:.4g}" for x in (mos.min(), mos.mean(), mos.max(), mos.std())]
        rows.append([name, str(len(labels)), str(len(labels.paths)), *figures, ""])
    header = ["split", "lines", "images", "lowest MOS", "mean", "highest", "deviation", "remark"]
    used = [n for n in range(len(header)) if n < 3 or any(row[n] for row in rows)]
    body: list[Html | Chart] = [
        table([header[n] for n in used], [[row[n] for n in used] for row in rows])
    ]
    if known:
        predicted = {f"predicted, {e.judged.split.name}": e.in_mos_units()[0]}
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
