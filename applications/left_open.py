"""What a command line leaves open and files say: the weights in a run folder, and the criterion of
labels. Needs no torch, for it is asked before anything is loaded.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from applications.inputs.vote_files import SPLITS, is_table, vote_file
from applications.training.stage_list import PARTS, split_stages
from config import Config, make_config
from dataloader.labels.advice import TASKS
from dataloader.labels.text import likely_kind
from utils.files.weight_names import SHIPPED, find_weights


def completed(config: Config) -> tuple[Config, list[str]]:
    """(the configuration with what files say, lines about it for the user). Where they do not say
    it, the configuration stays as it is, and whoever reads them says why.
    """
    remarks = []
    if config.predict and not config.resume:
        config = replace(config, resume=SHIPPED)
        remarks = [f"--resume {SHIPPED}: the quality model that comes with this toolkit"]
    if config.resume:
        config = replace(config, resume=_found(config.resume))
    if not (config.train or config.check is not None) or "criterion" in config.given:
        return config, remarks
    criterion, why = _criterion(config)
    if not criterion:
        return config, remarks
    given = {name: getattr(config, name) for name in config.given}
    found = replace(make_config({**given, "criterion": criterion}), passed=config.passed)
    return found, [
        *remarks,
        f"--criterion {criterion}, as {why}; pass another one where that is not meant",
    ]


def _found(weights: str) -> str:
    """The path of --resume; a name that stands for none is left to those who open it."""
    try:
        file = find_weights(weights)
    except ValueError:
        return weights
    inside = file.is_relative_to(Path.cwd())
    return Path(os.path.relpath(file) if inside else file).as_posix()


def _criterion(config: Config) -> tuple[str, str]:
    """(the criterion that learns from the labels, why it is that); ("", "") where it is not known,
    or where --stages names the criteria.
    """
    if config.stages is not None:
        parts = [stage.config for stage in split_stages(config) if stage.name in PARTS]
        if not parts:
            return "", ""
        config = parts[0]
    if config.distort:
        return "rank", f"--distort {config.distort} makes an order"
    if config.check is not None and (
        config.photos or vote_file(replace(config, data=config.check or config.data))
    ):
        return "", ""  # no task is needed
    if votes := vote_file(config):
        scores = is_table(votes) and not _has_votes(config, votes)
        return ("regress", f"{votes} has scores") if scores else ("emd", f"{votes} has votes")
    root = Path(config.check or config.data)
    files = [root / split / config.label_name for split in SPLITS]
    file = next((file for file in files if file.exists()), files[0])
    words, criterion = TASKS.get(likely_kind(file, root), ("", ""))
    return criterion, f"{file} has {words}"


def _has_votes(config: Config, table: Path) -> bool:
    """Whether a table has a histogram for each image. What is wrong with it is said by those who
    read it for the training.
    """
    from applications.inputs.data import images_of  # here: it loads torch

    try:
        return images_of(config, table).rows.bins is not None
    except (OSError, ValueError):
        return False
