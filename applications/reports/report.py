"""report.html: everything about one evaluation in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from applications.reports.groups import group_sections
from applications.reports.images import map_section, worst_sections
from applications.reports.order import histogram_section, ladder_section, split_section
from applications.reports.page import write_page
from applications.reports.parts import Cell, Plot, Report, Section, Table, number
from applications.reports.run import curve_section, facts_sections
from applications.reports.scores import score_sections
from applications.reports.verdict import verdict_section
from utils.drawing.chart import Chart


def sections_of(report: Report) -> list[Section]:
    """All sections that the evaluation has something for, in the order of the page."""
    parts = (
        verdict_section, metric_section, score_sections, worst_sections, group_sections,
        ladder_section, histogram_section, curve_section, split_section, map_section,
        facts_sections,
    )  # fmt: skip
    return [section for part in parts for section in part(report)]


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
