"""What a run folder records of its run: what it ran on, its configuration, its results, and the
images that it left out when it began, because it goes on without them, and without no others.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from applications.inputs.runtime import Runtime
from config import MODES, Config
from utils.check_images import BadImage
from utils.files.reading import UnreadableFile, check_entries, read_json, read_object
from utils.runtime.device import describe
from utils.text import printable

PACKAGES = (
    "torch", "torchvision", "timm", "efficientnet-pytorch", "numpy", "scipy", "pillow", "torch-npu",
)  # fmt: skip
FACTS = {
    "started": str, "command": list, "python": str, "packages": dict, "platform": str,
    "device": str, "processes": int, "labels_sha256": dict,
}  # fmt: skip
LEFT_OUT = "left_out.json"  # images by stage
ALIKE = "near_duplicates.json"  # lists of images that one split has together


def environment(seed: int, labels: dict[str, str], runtime: Runtime) -> dict[str, Any]:
    """Versions, machine, git revision, seed and the labels' SHA-256: what a metric needs beside its
    command.
    """
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "folder": os.getcwd(),
        "git_revision": _git_revision(),
        "python": platform.python_version(),
        "packages": versions(PACKAGES),
        "platform": platform.platform(),
        "device": describe(runtime.device),
        "processes": runtime.world.size,
        "threads": torch.get_num_threads(),
        "amp": runtime.amp,
        "seed": seed,
        "labels_sha256": labels,
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of those that are installed."""
    return {name: version for name in packages if (version := _version(name))}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    root = Path(__file__).resolve().parents[2]
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None  # not a checkout, or no git: the versions still say which release it is
    return found.stdout.strip() or None


def stored_facts(run: Path) -> dict[str, Any]:
    """`environment` of the call that began the run; UnreadableFile for what is none."""
    file = run / "environment.json"
    facts = read_object(file)
    check_entries(facts, FACTS, file, needed=True)
    return facts


def stored_results(run: Path) -> dict[str, Any]:
    """What a finished run found; UnreadableFile for what is none."""
    file = run / "results.json"
    found = read_object(file)
    check_entries(found, {"best_epoch": int | None, "test": dict}, file)
    return found


def set_fields(stored: dict[str, Any]) -> dict[str, Any]:
    """Fields of a stored configuration that have a value, without the mode of its call."""
    return {k: v for k, v in stored.items() if v is not None and v != [] and k not in MODES}


def left_out(runs: Iterable[tuple[Config, Iterable[BadImage]]]) -> dict[str, Any]:
    """LEFT_OUT and its content for a run, and for the stages that are to follow it."""
    return {LEFT_OUT: {c.stage_of or "": _below(c, (b.path for b in bad)) for c, bad in runs}}


def alike_record(config: Config, alike: Iterable[Iterable[Path]]) -> dict[str, Any]:
    """ALIKE and its content."""
    return {ALIKE: [_below(config, group) for group in alike]}


def kept_together(config: Config) -> tuple[tuple[Path, ...], ...] | None:
    """Near duplicates as they were found when the run, or the runs that it is one of, began; None
    where nothing has begun, or nothing was looked for.
    """
    folder = _beginning(config)
    if folder is None or not (file := Path(folder) / ALIKE).is_file():
        return None
    found = read_json(file)
    if not isinstance(found, list) or not all(
        isinstance(group, list) and all(isinstance(path, str) for path in group) for group in found
    ):
        raise UnreadableFile(f"{printable(file)}: no lists of images: start a new run")
    return tuple(tuple(_root(config) / path for path in group) for group in found)


def _beginning(config: Config) -> str | None:
    """The folder of what this run goes on with; one of --repeats begins with what was found before
    the first of them.
    """
    return config.continue_run or (config.logdir if config.repeat else None)


def _root(config: Config) -> Path:
    """Paths are kept from here on, so that data may move together with their runs."""
    return Path(os.path.abspath(config.photos or config.images or config.data))


def _below(config: Config, paths: Iterable[Path]) -> list[str]:
    root = _root(config)
    return [
        path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        for path in paths
    ]


def began_with(config: Config) -> frozenset[str] | None:
    """Paths that the run, or the runs that it is one of, left out when they began; None where
    nothing has begun, and for runs of versions that kept no record.
    """
    folder = _beginning(config)
    if folder is None or not (file := Path(folder) / LEFT_OUT).is_file():
        return None
    found = read_json(file)
    listed = found.get(config.stage_of or "", []) if isinstance(found, dict) else None
    if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
        raise UnreadableFile(f"{printable(file)}: no lists of images: start a new run")
    return frozenset(str(_root(config) / path) for path in listed)
