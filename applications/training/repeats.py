"""--train --repeats N or --folds K: as many trainings on other splits of the same labels, each an
ordinary run in one folder, and what their test metrics are together.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from applications.inputs.data import read_data
from applications.inputs.run_record import alike_record, left_out, stored_results
from applications.inputs.runtime import Runtime, Stopped
from applications.inputs.splits import part_of
from applications.tasks import TASKS
from applications.training import run_folder
from applications.training.one_run import train
from applications.training.parts import check_names
from applications.training.probe import with_precision
from applications.training.run_folder import RunFolder, hold, newest
from config import Config
from utils.files.reading import read_object
from utils.files.writing import write_csv, write_json
from utils.runtime import distributed
from utils.runtime.logger import Logger
from utils.text import aligned

SUMMARY = "summary.json"  # beside summary.csv, in the folder of all runs
STATISTICS = ("median", "lower quartile", "upper quartile", "mean", "std", "min", "max")


def wanted(config: Config) -> bool:
    """Whether this is the command of all runs, rather than one of them."""
    return (config.repeats or config.folds) is not None and config.repeat is None


def train_all(config: Config, runtime: Runtime) -> None:
    """Trains what is not finished yet, then writes the summary; --continue FOLDER goes on."""
    parent, config, runtime = _parent(config, runtime)
    count, go_on = config.folds or config.repeats or 0, f"go on with --continue {parent.path}"
    runs: list[tuple[Config, RunFolder]] = []
    for number in range(1, count + 1):
        own = replace(
            config, repeat=number, logdir=parent.path.as_posix(), continue_run=None, train=True,
            # The images have been decoded once; what is skipped must be looked for each time.
            no_check=config.no_check or config.bad_images == "stop",
        )  # fmt: skip
        runtime.info(f"== {part_of(own)}")
        # The main process looks: it may begin a run before another one has looked.
        begun = distributed.broadcast_object(_begun(parent.path, number))
        if begun is not None and run_folder.opened(begun, own).finished(own):
            runs.append((own, run_folder.opened(begun, own)))
            continue
        if begun is not None:
            given = config.given | {"continue_run"}
            own = run_folder.continued(replace(config, continue_run=begun.as_posix(), given=given))
        try:
            runs.append((own, train(own, runtime)))
        except Stopped as stop:
            raise Stopped(stop.code - 128, f"{stop}; all of them {go_on}") from None
        if number < count and runtime.stop_requested():
            raise runtime.stopped(f" after {part_of(own)}: {go_on}")
    if runtime.main:
        _summarise(parent.path, runs)


def _parent(config: Config, runtime: Runtime) -> tuple[RunFolder, Config, Runtime]:
    """The folder of all runs: that of --continue, or a new one, after a look at the labels; and
    what all of them are called with.
    """
    first, task = replace(config, repeat=1), TASKS[config.criterion]
    if config.continue_run:
        folder = run_folder.opened(config.continue_run, config)
        hold(folder.path, runtime)
        run_folder.check_processes(folder, runtime)
        unchecked = replace(first, no_check=True, bad_images="stop")
        data = read_data(unchecked, task, runtime)
        run_folder.check_labels(folder, data.digests())
        config, runtime = with_precision(config, runtime, data)
        return folder, config, runtime
    check_names(config)
    data = read_data(first, task, runtime)
    beside = {**left_out([(first, data.skipped)]), **alike_record(first, data.alike)}
    config, runtime = with_precision(config, runtime, data)
    return run_folder.create(config, data.digests(), runtime, beside), config, runtime


def _begun(parent: Path, number: int) -> Path | None:
    """The newest run of a number below `parent`."""
    return newest(parent, "config.json", lambda file: read_object(file).get("repeat") == number)


def _summarise(parent: Path, runs: list[tuple[Config, RunFolder]]) -> None:
    results = [stored_results(folder.path) for _, folder in runs]
    metrics = metrics_of([result.get("test", {}) for result in results])
    summary = {name: statistics_of(values) for name, values in metrics.items()}
    rows = [
        {"run": folder.path.name, "part": part_of(config), "best_epoch": result.get("best_epoch")}
        | {name: values[i] for name, values in metrics.items()}
        for i, ((config, folder), result) in enumerate(zip(runs, results, strict=True))
    ]
    write_json(parent / SUMMARY, {"figures": summary, "runs": rows})
    of_all = ([s, "", "", *(found[s] for found in summary.values())] for s in STATISTICS)
    write_csv(parent / "summary.csv", [list(rows[0]), *(row.values() for row in rows), *of_all])
    with closing(Logger(parent, tensorboard=False)) as logger:
        logger.info(summary_table(summary, len(runs)))


def metrics_of(tests: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """The values of every metric that a run has, None of runs without it."""
    numbers = (k for test in tests for k, v in test.items() if isinstance(v, float) or v is None)
    return {name: [test.get(name) for test in tests] for name in dict.fromkeys(numbers)}


def statistics_of(values: list[float | None]) -> dict[str, Any]:
    """STATISTICS of the values that exist, and how many they are (`n`); None without any."""
    known = np.array([v for v in values if v is not None and v == v], dtype=np.float64)
    if not len(known):
        return {**dict.fromkeys(STATISTICS), "n": 0}
    lower, median, upper = np.quantile(known, [0.25, 0.5, 0.75])
    spread = known.std(ddof=1) if len(known) > 1 else 0.0
    found = (median, lower, upper, known.mean(), spread, known.min(), known.max())
    return {**dict(zip(STATISTICS, map(float, found), strict=True)), "n": len(known)}


def summary_table(summary: dict[str, dict[str, Any]], runs: int) -> str:
    """Aligned columns: a metric, and its statistics over the runs."""
    rows = [("test metric", *STATISTICS, "runs")]
    for name, found in summary.items():
        cells = ["nan" if found[s] is None else f"{found[s]:.4f}" for s in STATISTICS]
        rows.append((name, *cells, f"{found['n']}/{runs}"))
    return "\n".join(aligned(rows))
