"""--predict: scores of files, folders, globs and lists, without labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from applications.evaluation.map_files import (
    made_before,
    named_folders,
    plan_maps,
    write_maps,
)
from applications.evaluation.scoring import one_place
from applications.inputs.data import stop_or_skip
from applications.inputs.named_images import find_images
from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.inputs.weights import load_model
from applications.scorer import result_rows, scorer_of
from config import Config
from models.grad_cam import last_feature_map
from utils.files.writing import check_apart, write_json, write_text
from utils.text import csv_of, csv_path, printable


def run(config: Config, runtime: Runtime) -> int:
    """A table on stdout, with --sort best first; -o FILE.csv or FILE.json in place of it. With
    --maps also a quality map of each image.
    """
    paths = find_images(config.predict, runtime.info)
    if config.output:
        check_apart(Path(config.output), paths, named_folders(config.predict))
    maps = plan_maps(config.maps, config.predict, paths)
    loaded = load_model(config, runtime)
    config = loaded.config
    if about := loaded.payload.get("about"):
        runtime.info(f"scores: {about}")
    if config.maps is not None and config.map_way == "gradcam":
        last_feature_map(loaded.model, network_size(config))  # ValueError where it has none
    scorer = scorer_of(config, loaded, runtime.device)
    skip = config.bad_images == "skip"
    made = made_before(scorer, config.map_way, paths, maps)
    found, kept, bad = scorer.predict_readable(paths, skip, "scoring")
    stop_or_skip(config, bad, runtime)
    if once := one_place(found, loaded.view):
        runtime.info(once)
    paths, maps = [paths[i] for i in kept], [maps[i] for i in kept if maps]
    rows = result_rows(paths, found)
    if config.sort:
        rows = [rows[i] for i in best_first(found.scores)]
    if config.output is None:
        print(as_table(rows))
    else:
        output = Path(config.output)
        if output.suffix == ".json":
            write_json(output, rows)
        else:
            write_text(output, as_csv(rows), "surrogateescape")
        runtime.info(f"{len(rows)} scores written to {config.output}")
    write_maps(scorer, config.map_way, paths, maps, runtime, made)
    return 0


def best_first(scores: np.ndarray) -> np.ndarray:
    """Positions of scores (N,) from the highest to the lowest; of equal ones the first is first."""
    return np.argsort(-scores, kind="stable")


def as_table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns: the rank (1 is best), the score, as mean +- (std) where there is a
    histogram, and the path, last because it may hold spaces.
    """
    order = best_first(np.array([row["score"] for row in rows]))
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(1, len(rows) + 1)
    scores = [f"{row['score']:.4f}" for row in rows]
    heading = "score"
    if "std" in rows[0]:
        heading = "mean +- (std)"
        scores = [f"{s} +- ({row['std']:.4f})" for s, row in zip(scores, rows, strict=True)]
    width = max(map(len, [heading, *scores]))
    lines = [f"{'rank':>5}  {heading:>{width}}  path"]
    for rank, score, row in zip(ranks, scores, rows, strict=True):
        lines.append(f"{rank:5}  {score:>{width}}  {printable(row['path'])}")
    return "\n".join(lines)


def as_csv(rows: list[dict[str, Any]]) -> str:
    table: list[Iterable[str]] = [rows[0]]
    for row in rows:
        path, *numbers = row.values()
        table.append([csv_path(path), *(f"{number:.9g}" for number in numbers)])
    return csv_of(table)
