"""Scores of a split whose levels are known, judged on its ladders: figures, tables and picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import Split
from dataloader.batch import Targets
from dataloader.labels.side_tables import LEVELS_FILE
from utils.drawing.panels import MOST_LINES, ladder_charts, spread
from utils.drawing.sheet import Panel, sheet
from utils.files.writing import write_bytes, write_text
from utils.statistics.ladder_metrics import LADDER_METRICS, ladder_metrics
from utils.statistics.ladders import Ladders, build_ladders
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Among, Resampled
from utils.text import csv_text

# Columns of the tables: heading, figure.
_BY_DISTORTION = (
    ("ladders", "n_ladders"), ("pair acc", "ladder_accuracy"), ("monotone", "monotone_ladders"),
    ("L srcc", "l_test_srcc"), ("L krcc", "l_test_krcc"), ("D", "d_test"), ("D auc", "d_test_auc"),
    ("P", "p_test"),
)  # fmt: skip
_BY_LEVEL = (
    ("images", "images"), ("mean score", "mean_score"), ("D auc", "d_test_auc"),
    ("steps", "n_steps"), ("step acc", "step_accuracy"),
)  # fmt: skip
_IN_CSV = (
    "images", "mean_score", "n_steps", "step_accuracy",
    "n_ladders", "n_ladder_pairs", "n_p_test_pairs", *LADDER_METRICS,
)  # fmt: skip

_MOST_PANELS = 48  # of the picture


def ladder_figures(targets: Targets, found: Predictions) -> tuple[dict[str, Any], list[str]]:
    """(metrics of utils/statistics/ladder_metrics.py, why some are nan); nothing where no level is
    known. Images of unknown level are left out.
    """
    columns = known_columns(targets, found.scores)
    if not len(columns[0]):
        return {}, []
    found = ladder_metrics(*columns)
    return found.values(), list(found.overall.reasons)


def resampled_figures(targets: Targets, found: Predictions) -> dict[str, Resampled]:
    """Those over all distortions, to be resampled by reference; nothing where no level is known."""
    columns, images = known_columns(targets, found.scores), _known(targets)
    if not images:
        return {}
    found = ladder_metrics(*columns).overall.metrics()
    return {name: Among(metric, images, len(targets.paths)) for name, metric in found.items()}


def check_monitor(figure: str, val: Split | None) -> None:
    """ValueError for a figure of ladders that not even a perfect network has on these labels."""
    if figure not in LADDER_METRICS or val is None:
        return
    versions = val.targets.versions
    if versions is None:
        raise ValueError(
            f"--monitor {figure}: no {LEVELS_FILE} beside {val.file}: write one, or monitor "
            "another figure"
        )
    perfect = Predictions(-np.maximum(versions.level, 0).astype(np.float64), None)
    values, reasons = ladder_figures(val.targets, perfect)
    if not values:
        raise ValueError(
            f"--monitor {figure}: {val.file}: no image of known level in {LEVELS_FILE}"
        )
    if values[figure] != values[figure]:
        raise ValueError(f"--monitor {figure}: {val.file}: {'; '.join(reasons)}")


def _known(targets: Targets) -> list[int]:
    """Positions of the images whose level is known."""
    if targets.versions is None:
        return []
    return np.flatnonzero(targets.versions.level >= 0).tolist()


def known_columns(
    targets: Targets, scores: np.ndarray
) -> tuple[np.ndarray, list[Hashable], list[str], list[int]]:
    """Scores, references, distortions and levels of the images whose level is known; an image of no
    reference is its own.
    """
    versions, known = targets.versions or [], _known(targets)
    return (
        scores[known],
        [versions[i].reference_id or targets.paths[i] for i in known],
        [versions[i].distortion for i in known],
        [versions[i].level or 0 for i in known],
    )


def ladder_tables(values: dict[str, Any]) -> list[str]:
    """A table of all distortions and one of all levels, each a text of several lines; none without
    figures of ladders.
    """
    if not values.get("by_distortion"):
        return []
    everything = {**values["by_distortion"], "all": values}
    return [
        _table("distortion", everything, _BY_DISTORTION),
        _table("level", values["by_level"], _BY_LEVEL),
    ]


def _table(
    first: str, rows: dict[Any, dict[str, Any]], columns: tuple[tuple[str, str], ...]
) -> str:
    cells = [[first, *(heading for heading, _ in columns)]]
    for name, figures in rows.items():
        cells.append([str(name), *(_shown(figures[figure]) for _, figure in columns)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    ]
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def write_ladders(
    stem: Path, title: str, targets: Targets, found: Predictions, values: dict[str, Any]
) -> None:
    """stem.csv and stem.png, where there are ladders.

    csv: a row per distortion and level, and after those of a distortion one whose level is "all",
    with the figures of its ladders; the last rows, of the distortion "all", are over all
    distortions. A cell is empty where a figure does not exist.
    """
    if targets.versions is None or not values.get("by_distortion"):
        return
    by_distortion = values["by_distortion"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["distortion", "level", *_IN_CSV])
    for name, figures in by_distortion.items():
        _write_rows(writer, name, figures["levels"], figures)
    _write_rows(writer, "all", values["by_level"], values)
    write_text(stem.with_name(f"{stem.name}.csv"), text.getvalue(), "surrogateescape")
    accuracy = {name: figures["ladder_accuracy"] for name, figures in by_distortion.items()}
    ladders = build_ladders(*known_columns(targets, found.scores))
    picture = _picture(ladders, accuracy, title)
    write_bytes(stem.with_name(f"{stem.name}.png"), picture)


def _picture(ladders: Ladders, accuracy: dict[str, float], title: str) -> bytes:
    """A panel for each distortion, or 48 of them."""
    charts, names = ladder_charts(ladders, accuracy), list(map(str, ladders.distortions))
    chosen = spread(len(charts), _MOST_PANELS)
    panels = [
        Panel(names[i].replace("_", " "), _short(accuracy[names[i]]), chart=charts[i])
        for i in chosen
    ]
    note = "beside a name: the share of its pairs in the right order"
    if len(chosen) < len(charts):
        note += f"; {len(chosen)} of {len(charts)} distortions shown"
    most = int(np.bincount(ladders.distortion).max())
    if most > MOST_LINES:
        note += f"; {MOST_LINES} of {most} photographs shown"
    return sheet(panels, title, note, width=300, height=200)


def _short(value: float) -> str:
    return "n/a" if value != value else f"{value:.3f}"


def _write_rows(
    writer: Any, name: str, levels: dict[int, dict[str, float]], figures: dict[str, Any]
) -> None:
    for level, row in {**levels, "all": figures}.items():
        writer.writerow(
            [csv_text(name), level, *(_cell(row.get(figure, "")) for figure in _IN_CSV)]
        )


def _cell(value: Any) -> str:
    """Nothing where a figure is nan."""
    if not isinstance(value, float):
        return str(value)
    return "" if value != value else f"{value:.9g}"
