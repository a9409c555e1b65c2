"""report.html: everything about one evaluation in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from applications.evaluation.evaluation import Evaluation, shown
from applications.reports.groups import group_sections
from applications.reports.images import map_section, worst_sections
from applications.reports.order import histogram_section, ladder_section, split_section
from applications.reports.parts import Beside, Report, Section
from applications.reports.run import curve_section, facts_sections
from applications.reports.scores import score_sections
from utils.drawing.chart import Chart
from utils.drawing.render import svg
from utils.files.writing import write_text
from utils.html_page import Html, cell, chart_figure, element, page, table, together

# In the order of the page.
PARTS = (
    score_sections, worst_sections, group_sections, ladder_section, histogram_section,
    curve_section, split_section, map_section, facts_sections,
)  # fmt: skip


def sections_of(report: Report) -> list[Section]:
    return [section for part in PARTS for section in part(report)]


def write_report(file: Path, report: Report, sections: Iterable[Section]) -> None:
    """The page, whole or not at all."""
    write_text(file, report_page(report, list(sections)))


def report_page(r: Report, sections: list[Section]) -> Html:
    e = r.evaluation
    about = f"{len(e.images):,} images of {e.origin}, scored by {r.about.weights}"
    links = [element("a", section.title, href=f"#{section.key}") for section in sections]
    return page(
        r.title,
        element("h1", r.title),
        element("p", about, class_="soft"),
        element("nav", *links, aria_label="sections"),
        _metrics(e),
        *(section_html(section) for section in sections),
        interactive=True,
    )


def _metrics(e: Evaluation) -> Html:
    """Every metric of all images with its interval, and where a fit comes from."""
    rows = []
    for metric in e.metrics:
        ends = ["", ""]
        if metric.low == metric.low:
            ends = [cell(shown(end), end) for end in (metric.low, metric.high)]
        made = (e.fit_on or "") if metric.fit else ""
        rows.append([metric.key, cell(shown(metric.value), metric.value), *ends, made])
    header = ["metric", "value", "low", "high", "fit on"]
    used = [n for n in range(len(header)) if n < 2 or any(row[n] != "" for row in rows)]
    whole = table(
        [header[n] for n in used], [[row[n] for n in used] for row in rows], sortable=True
    )
    how = e.resampling
    note = "No intervals were asked for, or there are too few images."
    if how is not None and any(metric.low == metric.low for metric in e.metrics):
        note = f"low and high: 95% intervals from {how.samples:,} resamples of {how.count:,} "
        note += f"{how.drawn}."
    return together(
        element("h2", "Metrics", id="metrics"), element("p", note, class_="soft"), whole
    )


def section_html(section: Section) -> Html:
    parts = [
        element("div", *(figure for _, figure in group), class_="grid")
        if in_grid
        else together(*(part for part, _ in group))
        for in_grid, group in _drawn(section)
    ]
    heading = element("h2", section.title, id=section.key)
    return together(heading, element("p", section.why, class_="soft"), *parts)


def _drawn(section: Section) -> Iterator[tuple[bool, list[tuple[Html | Chart, Html]]]]:
    """(whether they share a grid, [(part, as markup)]) of neighbouring parts of one kind."""
    number, made = 0, []
    for part in section.body:
        figure = part if isinstance(part, Html) else Html("")
        if isinstance(part, Chart):
            number += 1
            name = f"{section.key}_{number}"
            figure = chart_figure(Html(svg(part, name)), f"{name}.csv", part.csv())
        made.append((part, figure))
    for in_grid, group in groupby(made, key=lambda pair: isinstance(pair[0], Chart | Beside)):
        yield in_grid, list(group)


def figures_of(sections: Iterable[Section]) -> Iterator[tuple[str, Chart]]:
    """Every chart with the words that its file is called by."""
    for charts in charts_of(sections):
        yield from ((f"{name} {chart.title}", chart) for name, chart in charts)


def charts_of(sections: Iterable[Section]) -> Iterator[list[tuple[str, Chart]]]:
    """The charts of each section, and the name of each, that of its csv in the page."""
    for section in sections:
        charts = [part for part in section.body if isinstance(part, Chart)]
        yield [(f"{section.key}_{number}", chart) for number, chart in enumerate(charts, start=1)]
