"""No mode: the network's summary."""

from __future__ import annotations

from applications.inputs.runtime import Runtime
from applications.inputs.views import network_size
from applications.tasks import branches
from config import Config
from models.summary import summarize


def run(config: Config, runtime: Runtime) -> int:
    """Parameters, multiply-adds and output shape per block, to stdout; nothing is trained
    or read.
    """
    print(summarize(config.arch, branches(config, None), network_size(config)))
    return 0
