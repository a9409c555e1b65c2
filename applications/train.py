"""--train and --continue: one training, one in stages, or one repeated on other splits."""

from __future__ import annotations

from applications.inputs.runtime import Runtime
from applications.training import repeats, run_folder, stages
from applications.training.beginning import with_beginning
from applications.training.one_run import train
from config import Config


def run(config: Config, runtime: Runtime) -> int:
    """Trains or continues; 0, or 130/143 when a signal stopped it (its state is saved)."""
    if config.continue_run is None:
        config = with_beginning(config, runtime)
    if repeats.wanted(config):
        repeats.train_all(config, runtime)
        return 0
    plan = stages.planned(config)
    finished = run_folder.is_finished(config)
    if finished:
        runtime.info(
            f"{config.continue_run}: this run is finished; its metrics are in results.json"
        )
    if plan is not None:
        stages.train_rest(plan, config, runtime, finished)
    elif not finished:
        train(config, runtime)
    return 0
