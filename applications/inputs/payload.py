"""What every weights file says of its network, beside the tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from applications.inputs.tables.held import Held, is_held
from applications.inputs.views import view_rule
from config import checked_config
from utils.imaging.images import ViewRule
from utils.text import cut, printable

MOST_BINS = 100_000  # branches of a head; classifiers have 21,000
MOST_LETTERS = 10_000
LEARNED = ("mean_histogram", "mean_score", "untrained")
UNRECORDED = "unrecorded"  # what a head was trained for, where no record says it


def network_payload(
    config: dict[str, Any],
    model: nn.Module,
    rule: ViewRule,
    learned: Mapping[str, Any] | None = None,
    held: Held | None = None,
) -> dict[str, Any]:
    """config: the run's stored configuration; num_classes; view: the evaluation's rule;
    trained_for: the criteria that the head was trained with; of LEARNED, what is known:
    mean_histogram or mean_score of the training labels, and untrained, metrics of the network
    before the first step, [value, low, high] by name; held: which images it held out, where that
    was drawn.
    """
    facts = {
        "config": config,
        "num_classes": model.num_classes,
        "view": rule.to_dict(),
        "trained_for": list(model.heads["quality"].trained_for),
    }
    facts |= learned or {}
    return facts if held is None else {**facts, "held": dict(held)}


def trained_for(payload: dict[str, Any]) -> tuple[str, ...]:
    """The criteria that the head of a weights file was trained with, the latest one last.

    Older checkpoints do not record it. One of a run was trained with the run's criterion, unless it
    was saved before the first step of a run that began with a fresh head. Of tensors without any
    record all that is known is that somebody kept them: they count as trained, for nothing known.
    """
    if payload.get("trained_for") is not None:
        return tuple(payload["trained_for"])
    stored, position = payload.get("config") or {}, _mapping(payload.get("position"))
    if not stored.get("criterion"):
        return (UNRECORDED,)
    fresh = position.get("updates") == 0 and not stored.get("resume")
    return () if fresh else (stored["criterion"],)


def check_payload(payload: dict[str, Any], settings: Sequence[str]) -> None:
    """ValueError for a weights file whose parts are not of the kinds that are written, or whose
    `settings`, those that a network is used with, could not be flags.
    """
    _check("model", payload.get("model"), _is_state)
    for name, is_right in {
        "ema": lambda v: _is_state(_mapping(v).get("module")),
        "num_classes": _is_count,
        "metrics": _is_numbers,
        "trained_for": _is_words,
        "mean_histogram": _is_shares,
        "mean_score": lambda v: _is_number(v) and math.isfinite(v),
        "untrained": _are_intervals,
        "held": is_held,
        "about": lambda v: isinstance(v, str) and _is_setting(v),
        "config": lambda v: isinstance(v, dict),
    }.items():
        _check(name, payload.get(name), lambda v, ok=is_right: v is None or ok(v))
    stored = payload.get("config") or {}
    values = {name: stored[name] for name in settings if stored.get(name) is not None}
    for name, value in values.items():
        _check(f"config {name}", value, _is_setting)
    try:
        config = checked_config(values)
        view_rule(config)
        for name, value in values.items():  # "5" is a flag's text, not a number
            meant = getattr(config, name)
            _check(f"config {name}", value, lambda v, meant=meant: _plain(v) == _plain(meant))
        if payload.get("view") is not None:
            ViewRule.from_dict(_mapping(payload["view"]))
    except ValueError as error:
        raise ValueError(f"damaged: {cut(printable(error), 300)}: use another copy") from None


def _check(name: str, value: Any, is_right: Callable[[Any], bool]) -> None:
    if not is_right(value):
        kind = "missing" if value is None else f"a {type(value).__name__} that means nothing here"
        raise ValueError(f"damaged: its {name} is {kind}: use another copy")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) and all(isinstance(k, str) for k in value) else {}


def _is_state(value: Any) -> bool:
    return bool(_mapping(value)) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and 0 < value <= MOST_BINS


def _is_numbers(value: Any) -> bool:
    return value == _mapping(value) and all(map(_is_number, value.values()))


def _is_shares(value: Any) -> bool:
    numbers = isinstance(value, list) and all(map(_is_number, value))
    return numbers and 0 < len(value) <= MOST_BINS and all(map(math.isfinite, value))


def _are_intervals(value: Any) -> bool:
    rows = _mapping(value)
    return value == rows and all(_is_shares(row) and len(row) == 3 for row in rows.values())


def _is_words(value: Any) -> bool:
    few = isinstance(value, list) and len(value) < MOST_LETTERS
    return few and all(isinstance(word, str) and _is_setting(word) for word in value)


def _is_setting(value: Any) -> bool:
    """A word, a number, or a few: an object would reach a flag as its text."""
    if isinstance(value, list):
        return len(value) <= 2 and all(map(_is_number, value))
    if isinstance(value, str):
        return value.isprintable() and len(value) < MOST_LETTERS
    return isinstance(value, (int, float))
