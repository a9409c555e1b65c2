"""The images that a run left out when it began: it goes on without them, and without no others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from config import Config
from utils.check_images import BadImage
from utils.files.reading import UnreadableFile, read_json
from utils.html_page import printable

FILE = "left_out.json"  # in the run's folder: images by stage


def record(runs: Iterable[tuple[Config, Iterable[BadImage]]]) -> dict[str, Any]:
    """Content of FILE for a run, and for the stages that are to follow it."""
    return {config.stage_of or "": _below(config, skipped) for config, skipped in runs}


def _root(config: Config) -> Path:
    """Paths are kept from here on, so that data may move together with their runs."""
    return Path(os.path.abspath(config.photos or config.images or config.data))


def _below(config: Config, skipped: Iterable[BadImage]) -> list[str]:
    root, paths = _root(config), [bad.path for bad in skipped]
    return [
        path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        for path in paths
    ]


def began_with(config: Config) -> frozenset[str] | None:
    """Paths that the run, or the runs that it is one of, left out when they began; None where
    nothing has begun, and for runs of versions that kept no record.
    """
    # One of --repeats begins with what was left out before the first of them.
    folder = config.continue_run or (config.logdir if config.repeat else None)
    if folder is None or not (file := Path(folder) / FILE).is_file():
        return None
    found = read_json(file)
    listed = found.get(config.stage_of or "", []) if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        raise UnreadableFile(f"{printable(file)}: no lists of images: start a new run")
    return frozenset(str(_root(config) / path) for path in listed)
