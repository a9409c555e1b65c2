"""--predict: scores of files, folders, globs and lists, without labels."""

from __future__ import annotations

import csv
import glob
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from applications.runtime import Runtime
from applications.scoring import ScoringOptions, score_images
from applications.tasks import Scores
from applications.views import view_rule
from applications.weights import load_model
from config import Config
from utils.files import write_text
from utils.images import list_images


def run(config: Config, runtime: Runtime) -> int:
    """A table on stdout, best first as given; -o FILE.csv or FILE.json in place of it."""
    paths = find_images(config.predict)
    config, model, _ = load_model(config, runtime)
    options = ScoringOptions(
        view_rule(config), config.batch_size, config.workers, config.max_pixels, config.amp or "off"
    )
    found = score_images(model, paths, options, runtime, "scoring")
    rows = result_rows(paths, found)
    if config.output is None:
        print(as_table(rows))
    else:
        text = as_json(rows) if Path(config.output).suffix == ".json" else as_csv(rows)
        write_text(Path(config.output), text)
        runtime.info(f"{len(rows)} scores written to {config.output}")
    return 0


def find_images(words: tuple[str, ...]) -> list[Path]:
    """Files in the order they were named, each once; ValueError names the word that leads
    nowhere.
    """
    found: list[Path] = []
    for word in words:
        found += _expand(word)
    return list(dict.fromkeys(found))


def _expand(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        images = list_images(path)
        if not images:
            raise ValueError(f"{word}: no image in this folder or below it")
        return images
    if path.suffix.lower() == ".txt" and path.is_file():
        return _listed(path)
    if path.is_file():
        return [path]
    matches = sorted(glob.glob(word, recursive=True))
    if not matches:
        raise ValueError(
            f"{word}: no such file, folder or list, and no file matches it as a pattern"
        )
    return [image for match in matches for image in _expand(match)]


def _listed(file: Path) -> list[Path]:
    """Paths of a list file, one a line, looked for beside it first and then from the working
    directory.
    """
    paths = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        beside = file.parent / name
        path = beside if beside.is_file() else Path(name)
        if not path.is_file():
            raise ValueError(
                f"{file}:{number}: no such image: {name} (looked for beside the list, then from "
                "the working directory)"
            )
        paths.append(path)
    if not paths:
        raise ValueError(f"{file}: an empty list: one image path a line")
    return paths


def result_rows(paths: list[Path], found: Scores) -> list[dict[str, Any]]:
    """path and score of each image; with a histogram also its std and its probabilities."""
    rows = []
    for i, path in enumerate(paths):
        row: dict[str, Any] = {"path": path.as_posix(), "score": float(found.scores[i])}
        if found.probs is not None:
            probs = found.probs[i].astype(np.float64)
            scale = np.arange(1, len(probs) + 1)
            row["std"] = float(np.sqrt(max(probs @ scale**2 - (probs @ scale) ** 2, 0.0)))
            row |= {f"p{k}": float(p) for k, p in zip(scale, probs, strict=True)}
        rows.append(row)
    return rows


def as_table(rows: list[dict[str, Any]]) -> str:
    """Aligned columns, the path last because it may hold spaces."""
    names = [name for name in rows[0] if name != "path"]
    lines = ["  ".join([*(f"{name:>8}" for name in names), "path"])]
    lines += ["  ".join([*(f"{row[name]:8.4f}" for name in names), row["path"]]) for row in rows]
    return "\n".join(lines)


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        [{k: f"{v:.9g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    )
    return text.getvalue()


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
