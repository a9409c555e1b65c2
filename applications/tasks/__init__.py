"""The tasks, one a file: the only place that knows what `rank`, `emd`, `regress` and those made of
two of them are made of.
"""

from __future__ import annotations

from applications.tasks.base import Task
from applications.tasks.emd import Emd
from applications.tasks.joint import EmdRank, EmdSiamese
from applications.tasks.rank import Rank
from applications.tasks.regress import Regress
from applications.tasks.siamese import Siamese
from config import Config
from utils.flag_words import MONITORED
from utils.statistics.ladder_metrics import LADDER_METRICS
from utils.statistics.metric import HIGHER_IS_BETTER

TASKS: dict[str, Task] = {
    "rank": Rank(),
    "emd": Emd(),
    "regress": Regress(),
    "siamese": Siamese(),
    "emd+rank": EmdRank(),
    "emd+siamese": EmdSiamese(),
}


def monitored(config: Config) -> tuple[str, bool]:
    """(the metric that decides which weights are best, whether higher is better); ValueError for
    one that the task has not.
    """
    task = TASKS[config.criterion]
    name = config.monitor or MONITORED[task.name]
    if name not in (*task.metrics, *LADDER_METRICS):
        raise ValueError(
            f"--monitor {name}: {task.name} has {', '.join(task.metrics)}, and with levels.csv "
            f"{', '.join(LADDER_METRICS)}"
        )
    return name, HIGHER_IS_BETTER[name]


def is_better(value: float, best: float | None, higher: bool) -> bool:
    """Whether `value` beats `best`; higher: whether a higher one does. nan beats no number;
    anything beats no value at all and nan, another nan included: where there is none, the last
    weights are kept.
    """
    if best is None or best != best:
        return True
    return value > best if higher else value < best


def branches(config: Config, bins: int | None) -> int:
    """K of the head: --num_classes, else the bins of the label file, else the task's own, else
    1.
    """
    return config.num_classes or bins or TASKS[config.criterion].bins or 1
