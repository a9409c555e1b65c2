"""The charts of --compare: training curves, metrics with their intervals, scores against scores."""

from __future__ import annotations

import numpy as np

from applications.comparison.judging import Disagreement
from applications.comparison.result import Found
from applications.reports.parts import Plot
from utils.drawing.chart import Chart, Line, Mark, Points, Ranges, Upright

_FEW = 40  # epochs up to which every one has a dot
_COLOURS = 8


def curve_charts(found: Found) -> list[Plot]:
    """A chart for every curve that some run has: the metric that decided, and losses."""
    names = dict.fromkeys(name for run in found.runs for name in run.curves)
    return [_curve(found, name) for name in sorted(names, key=lambda name: name.endswith("loss"))]


def _curve(found: Found, name: str) -> Plot:
    split, metric = name.split(" ", 1)
    marks: list[Mark] = []
    for number, run in enumerate(found.runs):
        if name not in run.curves:
            continue
        letter, colour = found.letters[run.name], number % _COLOURS
        epochs, values = run.curves[name]
        marks.append(Line(epochs, values, letter, colour, dots=len(epochs) <= _FEW))
        best = run.results.get("best_epoch")
        if split == "val" and metric == run.monitor and best is not None:
            marks.append(Upright(float(best), f"{letter}: best epoch {best}", colour))
    title = f"{'training' if split == 'train' else 'validation'}: {metric}"
    tasks = {run.config["criterion"] for run in found.runs if run.config and name in run.curves}
    apart = metric == "loss" and len(tasks) > 1
    note = "Losses of different tasks have no common scale." if apart else ""
    chart = Chart(title, "epoch", metric, tuple(marks))
    return Plot(chart, f"curve_{name.replace(' ', '_')}", note)


def metric_charts(found: Found) -> list[Plot]:
    """Metrics that share a scale: correlations and shares, and their differences."""
    names = [key for key, metric in found.metrics.items() if metric.higher_is_better]
    if not names:
        return []
    own: list[Mark] = []
    for number, (run, letter) in enumerate(zip(found.runs, found.letters.values(), strict=True)):
        metrics = [run.test.by_key[name] for name in names]
        rows = np.array([[m.value, m.low, m.high] for m in metrics])
        own.append(Ranges(names, *rows.T, name=letter, colour=number % _COLOURS))
    note = "Two of these may overlap although the runs differ: see the differences."
    plots = [Plot(Chart("Metrics, 95% intervals", "", "", tuple(own)), "metrics", note)]
    pairs = dict.fromkeys((row.first, row.second) for row in found.rows)
    differences: list[Mark] = [Upright(0.0)]
    for number, (first, second) in enumerate(pairs):
        rows = [r for r in found.rows if (r.first, r.second) == (first, second)]
        rows = [r for r in rows if r.metric in names]
        values = np.array([[r.difference, r.low, r.high] for r in rows])
        label = f"{found.letters[first]} - {found.letters[second]}"
        labels = [r.metric for r in rows]
        differences.append(Ranges(labels, *values.T, name=label, colour=number % _COLOURS))
    if len(pairs) <= _COLOURS:
        chart = Chart("Differences, 95% intervals", "", "", tuple(differences))
        plots.append(Plot(chart, "differences"))
    return plots


def score_chart(found: Found, one: Disagreement) -> Plot:
    """Standardised scores of one run against those of another."""
    first, second = found.letters[one.first], found.letters[one.second]
    x, y = one.z[one.first], one.z[one.second]
    names = np.array(found.matched.names, dtype=object)
    listed = np.zeros(len(x), dtype=bool)
    listed[[place for pair, _ in one.pairs for place in (pair.a, pair.b)]] = True
    marks = tuple(
        Points(x[kept], y[kept], name, names[kept].tolist(), colour)
        for name, kept, colour in (("other images", ~listed, 0), ("in the pairs below", listed, 1))
        if kept.any()
    )
    title = f"Scores of {first} and {second}"
    chart = Chart(title, f"{first}, deviations", f"{second}, deviations", marks, diagonal=True)
    return Plot(chart, f"scores_{first}_{second}")


def figures_of(found: Found) -> list[tuple[str, Chart]]:
    """Every chart of the page with the name that its files have."""
    apart = (score_chart(found, one) for one in found.most_apart())
    plots = [*metric_charts(found), *curve_charts(found), *apart]
    return [(plot.name, plot.chart) for plot in plots]
