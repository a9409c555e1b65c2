"""Scores of a split whose levels are known, judged on its ladders: metrics, tables and picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.evaluation.evaluation import (
    ALL,
    Evaluation,
    LadderRow,
    known_columns,
    known_levels,
    shown,
)
from applications.inputs.splits import Split
from dataloader.batch import Targets
from dataloader.labels.side_tables import LEVELS_FILE
from utils.drawing.panels import MOST_LINES, ladder_charts, spread
from utils.drawing.sheet import Panel, sheet
from utils.files.writing import write_bytes, write_csv
from utils.statistics.ladder_metrics import LADDER_METRICS, ladder_metrics
from utils.statistics.ladders import Ladders, build_ladders
from utils.statistics.predictions import Predictions
from utils.statistics.resampled import Among, Resampled
from utils.text import aligned, csv_text

_MOST_PANELS = 48  # of the picture
# Columns of the tables: heading, metric.
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


def measured_ladders(
    targets: Targets, found: Predictions
) -> tuple[tuple[LadderRow, ...], list[str], dict[str, Resampled]]:
    """(the rows of ladders.csv, why some metrics are nan, those over all distortions, to be
    resampled by reference); nothing where no level is known. Images of unknown level are left out.
    """
    columns = known_columns(targets.versions, targets.paths, found.scores)
    if not len(columns[0]):
        return (), [], {}
    judged = ladder_metrics(*columns)
    rows = []
    for name, own in judged.by_distortion.items():
        levels = judged.levels[name].items()
        rows += [LadderRow(name, level, of_level.values()) for level, of_level in levels]
        rows.append(LadderRow(name, None, own.values()))
    rows += [LadderRow(ALL, level, own.values()) for level, own in judged.by_level.items()]
    rows.append(LadderRow(ALL, None, judged.overall.values()))
    images, count = known_levels(targets.versions), len(targets.paths)
    own = {name: Among(m, images, count) for name, m in judged.overall.metrics().items()}
    return tuple(rows), list(judged.overall.reasons), own


def overall(rows: Sequence[LadderRow]) -> dict[str, float]:
    """The metrics of all distortions and all levels together, by name."""
    return dict(rows[-1].values) if rows else {}


def check_monitor(metric: str, val: Split | None) -> None:
    """ValueError for a metric of ladders that not even a perfect network has on these labels."""
    if metric not in LADDER_METRICS or val is None:
        return
    versions = val.targets.versions
    if versions is None:
        raise ValueError(
            f"--monitor {metric}: no {LEVELS_FILE} beside {val.file}: write one, or monitor "
            "another metric"
        )
    perfect = Predictions(-np.maximum(versions.level, 0).astype(np.float64))
    rows, reasons, _ = measured_ladders(val.targets, perfect)
    if not rows:
        raise ValueError(
            f"--monitor {metric}: {val.file}: no image of known level in {LEVELS_FILE}"
        )
    value = overall(rows)[metric]
    if value != value:
        raise ValueError(f"--monitor {metric}: {val.file}: {'; '.join(reasons)}")


def ladder_tables(rows: Sequence[LadderRow]) -> list[str]:
    """A table of all distortions and one of all levels, each a text of several lines; none without
    rows.
    """
    if not rows:
        return []
    distortions = {row.distortion: row.values for row in rows if row.level is None}
    levels = {
        row.level: row.values for row in rows if row.distortion == ALL and row.level is not None
    }
    return [
        _table("distortion", distortions, _BY_DISTORTION),
        _table("level", levels, _BY_LEVEL),
    ]


def _table(
    first: str,
    rows: Mapping[Any, Mapping[str, float]],
    columns: tuple[tuple[str, str], ...],
) -> str:
    cells = [[first, *(heading for heading, _ in columns)]]
    for name, metrics in rows.items():
        cells.append([str(name), *(shown(metrics[metric]) for _, metric in columns)])
    return "\n".join(aligned(cells))


def write_ladders(stem: Path, title: str, e: Evaluation) -> None:
    """stem.csv and stem.png, where there are ladders.

    csv: a row per distortion and level, and after those of a distortion one whose level is "all",
    with the metrics of its ladders; the last rows, of the distortion "all", are over all
    distortions. A cell is empty where a metric does not exist.
    """
    if not e.ladders:
        return
    rows = [["distortion", "level", *_IN_CSV]]
    for row in e.ladders:
        level = ALL if row.level is None else row.level
        cells = (_cell(row.values.get(name, "")) for name in _IN_CSV)
        rows.append([csv_text(row.distortion), level, *cells])
    write_csv(stem.with_name(f"{stem.name}.csv"), rows)
    accuracy = {
        row.distortion: row.values["ladder_accuracy"] for row in e.ladders[:-1] if row.level is None
    }
    ladders = build_ladders(*known_columns(e.versions, e.images, e.scores))
    write_bytes(stem.with_name(f"{stem.name}.png"), _picture(ladders, accuracy, title))


def _picture(ladders: Ladders, accuracy: dict[str, float], title: str) -> bytes:
    """A panel for each distortion, or 48 of them."""
    charts, names = ladder_charts(ladders, accuracy), list(map(str, ladders.distortions))
    chosen = spread(len(charts), _MOST_PANELS)
    panels = [
        Panel(f"{names[i].replace('_', ' ')}: {_short(accuracy[names[i]])}", chart=charts[i])
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


def _cell(value: Any) -> str:
    """Nothing where a metric is nan."""
    if not isinstance(value, float):
        return str(value)
    return "" if value != value else f"{value:.9g}"
