"""What the command line can do, one module each; modules are imported when they run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from utils.runtime.collector import at_rest

# Flag -> where `run(config, runtime) -> exit code` stands.
MODES = {
    "info": "applications.info",
    "list_archs": "applications.info",
    "train": "applications.train",
    "continue_run": "applications.train",
    "evaluate": "applications.evaluate",
    "test": "applications.test",
    "predict": "applications.predict",
    "jit": "applications.convert",
    "export": "applications.convert",
    "check": "applications.check",
    "generate": "applications.making.generate",
    "prepare": "applications.making.prepare",
    "make_buckets": "applications.making.make_buckets",
    "import_keras": "applications.making.import_keras",
    "compare": "applications.compare",
}
# -g N starts N processes for these
DISTRIBUTED = ("train", "continue_run", "evaluate", "test", "predict")
ALONE = ("compare",)  # these need no device, as a rule, and then no torch


def load(mode: str) -> Callable[[Any, Any], int]:
    """The `run` of a mode."""
    with at_rest():
        return importlib.import_module(MODES[mode]).run
