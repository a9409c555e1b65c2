"""What a call ran on, kept beside everything that is measured: versions, machine, git revision."""

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
from utils.runtime.device import describe

PACKAGES = (
    "torch", "torchvision", "timm", "efficientnet-pytorch", "numpy", "scipy", "pillow", "torch-npu",
)  # fmt: skip


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
