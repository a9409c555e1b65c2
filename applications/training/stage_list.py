"""--stages: one command line as several, each the flags of an ordinary training.

Needs no torch, for applications/combinations.py checks every stage before anything is loaded.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any

from config import CRITERIONS, MODES, Config, UsageError, make_config, parse
from utils.flag_types import did_you_mean

# Flags with one value per stage, and the flag that each stands for.
LISTS = {
    "stage_epochs": "epochs",
    "stage_lr": "lr",
    "stage_data": "data",
    "stage_label_name": "label_name",
    "stage_freeze": "freeze",
}
STAGE_FIELDS = ("stages", *LISTS, "stage_flags", "stage_of")
# A stage that is a part of the network trains --criterion, and says itself what is frozen.
PARTS = {"head": "backbone", "all": "none"}
# Of the first stage only: later ones start from the best weights of the one before.
WEIGHTS = ("resume", "pretrained", "pretrained_sha256", "offline")
# For the stages whose backbone is frozen.
CACHE = {"cache_features", "cache_views", "learning_curve"}
# One network, one set of processes and one place for all stages.
SHARED = {
    *MODES, *STAGE_FIELDS, *WEIGHTS, "config", "criterion", "arch", "advprop", "device", "gpus",
    "nodes", "rank", "init_method", "amp", "threads", "logdir", "output",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """name: as --stages has it; config: of an ordinary --train; `resume` of a later stage is for
    the one who runs it to fill in.
    """

    name: str
    config: Config


def split_stages(config: Config) -> list[Stage]:
    """The stages of a command line, in their order.

    A value per stage (`--stage_lr`) wins over the common flag (`--lr`), and --stage_flags wins over
    both. Raises UsageError.
    """
    names = _names(config)
    own: list[dict[str, Any]] = [{} for _ in names]
    passed: list[frozenset[str]] = [frozenset() for _ in names]
    for field, target in LISTS.items():
        if (text := getattr(config, field)) is not None:
            for fields, value in zip(own, _values(field, text, names), strict=True):
                fields |= _parsed([f"--{target}={value}"], f"--{field} {text}")
    for text in config.stage_flags:
        number, words = _addressed(text, names)
        fields = _of_stage(words, text)
        own[number] |= fields
        passed[number] |= fields.keys()
    common = {name: getattr(config, name) for name in config.given - {*STAGE_FIELDS, "criterion"}}
    stages = []
    for number, (name, fields) in enumerate(zip(names, own, strict=True)):
        if name in PARTS:
            if "freeze" in common or "freeze" in fields:
                raise UsageError(f"stage {name} says itself what is frozen: leave --freeze out")
            fields = {"freeze": PARTS[name], **fields}
        criterion = config.criterion if name in PARTS else CRITERIONS[name]
        start = {k: v for k, v in common.items() if number == 0 or k not in WEIGHTS}
        if {**start, **fields}.get("freeze") != "backbone":
            start = {k: v for k, v in start.items() if k not in CACHE}
        place = f"{number + 1}/{len(names)} of {','.join(names)}"
        made = make_config({**start, **fields, "criterion": criterion, "stage_of": place})
        stages.append(Stage(name, replace(made, passed=passed[number])))
    if CACHE & common.keys() and all(stage.config.freeze != "backbone" for stage in stages):
        raise UsageError(
            "--cache_features: no stage has a frozen backbone: name a stage head, or pass "
            "--stage_freeze"
        )
    return stages


def _names(config: Config) -> list[str]:
    names = [name.strip() for name in (config.stages or "").split(",")]
    known = [*CRITERIONS, *PARTS]
    for name in names:
        if name not in known:
            listed = ", ".join((*dict.fromkeys(CRITERIONS.values()), *PARTS))
            hint = did_you_mean(name, known)
            raise UsageError(f"--stages {config.stages}: no stage {name!r}{hint} (any of {listed})")
    if "criterion" in config.given and not PARTS.keys() & set(names):
        raise UsageError(
            f"--stages {config.stages} names the criteria itself: leave --criterion out, or name "
            "a stage head or all that trains it"
        )
    return names


def _values(field: str, text: str, names: list[str]) -> list[str]:
    values = [value.strip() for value in text.split(",")]
    if len(values) != len(names) or not all(values):
        raise UsageError(
            f"--{field} {text}: needs one value for each of the {len(names)} stages "
            f"{','.join(names)}, got {len(list(filter(None, values)))}"
        )
    return values


def _addressed(text: str, names: list[str]) -> tuple[int, list[str]]:
    """(position of the stage, its words) of a text like `regress: -b 16`."""
    name, colon, flags = text.partition(":")
    name = name.strip()
    numbers = [str(number + 1) for number in range(len(names))]
    if not colon or name not in (*names, *numbers):
        raise UsageError(
            f"--stage_flags {text!r}: must begin with a stage and a colon: one of "
            f"{', '.join((*dict.fromkeys(names), *numbers))}"
        )
    if names.count(name) > 1:
        raise UsageError(f"--stage_flags {text!r}: there are several stages {name}: use a number")
    try:
        words = shlex.split(flags)
    except ValueError as error:
        raise UsageError(f"--stage_flags {text!r}: {error}") from None
    return (names.index(name) if name in names else int(name) - 1), words


def _of_stage(words: list[str], text: str) -> dict[str, Any]:
    fields = _parsed(words, f"--stage_flags {text!r}")
    if shared := sorted(fields.keys() & SHARED):
        raise UsageError(
            f"--stage_flags {text!r}: {', '.join(shared)} cannot differ between stages"
        )
    return fields


def _parsed(words: list[str], where: str) -> dict[str, Any]:
    try:
        config = parse(words)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return {name: getattr(config, name) for name in config.given}
