"""Charts as files for a paper."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from utils.drawing.chart import Chart
from utils.drawing.render import pdf, svg_file
from utils.files.writing import write_bytes, write_text

_LONGEST = 90  # letters of a file's name


def write_figures(folder: Path, charts: Iterable[tuple[str, Chart]]) -> str:
    """NAME.pdf, NAME.svg and NAME.csv of each chart, each whole or not at all; says what it made.

    The names are given in words; letters of other scripts and signs are left out of a file's name,
    so the first word of each has to be its own.
    """
    count = 0
    for words, chart in charts:
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", words)[:_LONGEST].strip("_.")
        for suffix, content in ((".pdf", pdf(chart)), (".svg", svg_file(chart))):
            write_bytes(folder / f"{name}{suffix}", content)
        write_text(folder / f"{name}.csv", chart.csv())
        count += 1
    return f"figures: {count} charts in {folder}, each as .pdf, .svg and .csv"
