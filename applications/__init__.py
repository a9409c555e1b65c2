"""What the command line can do, one module each; modules are imported when they run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Application:
    """module: where `run(config, runtime) -> exit code` stands; distributed: whether -g N starts N
    processes for it.
    """

    module: str
    distributed: bool = False

    def load(self) -> Callable[[Any, Any], int]:
        return importlib.import_module(self.module).run


APPLICATIONS = {
    "info": Application("applications.info"),
    "train": Application("applications.training.stages", distributed=True),
    "continue_run": Application("applications.training.stages", distributed=True),
    "evaluate": Application("applications.evaluate", distributed=True),
    "test": Application("applications.test", distributed=True),
    "predict": Application("applications.predict"),
    "jit": Application("applications.convert"),
    "check": Application("applications.check"),
    "generate": Application("applications.generate"),
    "prepare": Application("applications.prepare"),
    "make_buckets": Application("applications.make_buckets"),
    "import_keras": Application("applications.import_keras"),
    "compare": Application("applications.compare"),
}
