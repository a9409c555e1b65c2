"""--predict: scores of files, folders, globs and lists, without labels."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from applications.evaluation.map_files import (
    check_way,
    made_before,
    named_folders,
    plan_maps,
    write_maps,
)
from applications.evaluation.scoring import ScoringOptions, one_place, score_readable
from applications.inputs.data import stop_or_skip
from applications.inputs.runtime import Runtime
from applications.inputs.weights import load_model
from config import Config
from dataloader.sources import Source
from utils.files.reading import check_regular, read_text
from utils.files.writing import check_apart, write_json, write_text
from utils.imaging.image_folders import Say, left_out, list_images
from utils.statistics.metrics import distribution_std
from utils.statistics.predictions import Predictions
from utils.text import csv_path, cut, printable, to_stderr


def run(config: Config, runtime: Runtime) -> int:
    """A table on stdout, with --sort best first; -o FILE.csv or FILE.json in place of it. With
    --maps also a quality map of each image.
    """
    paths = find_images(config.predict, runtime.info)
    if config.output:
        check_apart(Path(config.output), paths, named_folders(config.predict))
    maps = plan_maps(config, paths)
    config, model, view, _ = load_model(config, runtime)
    check_way(config, model)
    options = ScoringOptions(
        view, config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    skip = config.bad_images == "skip"
    made = made_before(config, model, paths, maps, options.rule)
    found, kept, bad = score_readable(model, paths, options, runtime.device, skip, "scoring")
    stop_or_skip(config, bad, runtime)
    if once := one_place(found, options.rule):
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
    write_maps(config, model, paths, maps, options, runtime, made)
    return 0


def find_images(words: tuple[str, ...], say: Say = to_stderr) -> list[Path]:
    """Files in the order they were named, each once; ValueError names the word that leads
    nowhere. say: told of images in a folder that cannot be read.
    """
    found: list[Path] = []
    for word in words:
        found += expand(word, say)
    return list(dict.fromkeys(found))


def expand(word: str, say: Say = to_stderr) -> list[Path]:
    """Images that a word means: a file, a folder's, a .txt list's, or a pattern's."""
    path = Path(word)
    if path.is_dir():
        images = list_images(path, say)
        if not images:
            others = left_out(path)
            raise ValueError(f"{word}: no image in this folder or below it: {others}".rstrip(": "))
        return images
    if path.suffix.lower() == ".txt" and path.is_file():
        return _listed(path)
    if path.is_file():
        return [path]
    if os.path.lexists(path):
        _refuse_no_file(path)
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise ValueError(
            f"{printable(word)}: no such file, folder or list, and no file matches it as a pattern"
        )
    return [image for match in matches for image in expand(match, say)]


def _refuse_no_file(path: Path) -> None:
    """ValueError for a pipe, a socket, a device, or a link that leads nowhere; none is opened."""
    try:
        check_regular(path)
    except FileNotFoundError:
        raise ValueError(
            f"{printable(path)}: a link that leads nowhere: mend or remove it"
        ) from None


def _listed(file: Path) -> list[Path]:
    """Paths of a list file, one a line, looked for beside it first and then from the working
    directory; they may lead anywhere. A line that begins with `#` is a comment, unless it names an
    image.
    """
    paths = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        name = line.strip()
        found = next((p for p in (file.parent / name, Path(name)) if os.path.isfile(p)), None)
        if found is not None:
            paths.append(found)
        elif name and not name.startswith("#"):
            raise ValueError(
                f"{file}:{number}: no such image: {cut(printable(name))} (looked for beside the "
                "list, then from the working directory)"
            )
    if not paths:
        raise ValueError(f"{file}: an empty list: one image path a line")
    return paths


def result_rows(paths: Sequence[Source], found: Predictions) -> list[dict[str, Any]]:
    """path and score of each image; with a histogram also its std and its probabilities."""
    rows = []
    spread = () if found.probs is None else distribution_std(found.probs)
    for i, path in enumerate(paths):
        row: dict[str, Any] = {"path": path.as_posix(), "score": float(found.scores[i])}
        if found.probs is not None:
            row["std"] = float(spread[i])
            row |= {f"p{k}": float(p) for k, p in enumerate(found.probs[i], 1)}
        rows.append(row)
    return rows


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
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {k: f"{v:.9g}" for k, v in row.items() if k != "path"}
        writer.writerow({"path": csv_path(row["path"]), **cells})
    return text.getvalue()
