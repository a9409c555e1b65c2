"""In what the configurations and the environments of several runs differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from applications.comparison.runs import ComparedRun
from config import CONTINUE_FLAGS, MODES, Config

# Beside what may change when a run goes on: flags about files, which no figure depends on.
_NO_EFFECT = CONTINUE_FLAGS | {"logdir", "output", "save_every", "no_check", "stage_of", "figures"}
_NOT_SHOWN = {*MODES, "config"}
UNKNOWN = (
    "?"  # of a run without a configuration, or one that was written before there was such a flag
)


@dataclass(frozen=True)
class Difference:
    """A flag, or a fact of the environment, and its value in each run; matters: whether a result
    can depend on it.
    """

    name: str
    values: tuple[str, ...]
    matters: bool = True


def differences(runs: Sequence[ComparedRun]) -> list[Difference]:
    """Flags first, then environments, last what no result depends on."""
    found = [*_flags(runs), *_environments(runs)]
    return sorted(found, key=lambda one: not one.matters)


def _flags(runs: Sequence[ComparedRun]) -> list[Difference]:
    known = [run.config for run in runs if run.config is not None]
    # A flag that was not there yet when a run was written had what is now its default.
    defaults = {f.name: f.default for f in dataclasses.fields(Config) if f.metadata}
    names = list(dict.fromkeys([*defaults, *(name for own in known for name in own)]))
    found = []
    for name in names:
        values = [_plain(own.get(name, defaults.get(name))) for own in known]
        if name in _NOT_SHOWN or all(value == values[0] for value in values):
            continue
        shown = iter(values)
        texts = [UNKNOWN if run.config is None else _text(next(shown)) for run in runs]
        found.append(Difference(f"--{name}", tuple(texts), name not in _NO_EFFECT))
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _environments(runs: Sequence[ComparedRun]) -> list[Difference]:
    facts = [_facts(run) for run in runs]
    names = list(dict.fromkeys(name for own in facts for name in own))
    found = []
    for name in names:
        values = {own[name] for own in facts if name in own}
        if len(values) > 1:
            found.append(Difference(name, tuple(own.get(name, UNKNOWN) for own in facts)))
    return found


def _facts(run: ComparedRun) -> dict[str, str]:
    """What environment.json says, in words; nothing of a run without one."""
    kept = run.environment
    plain = {
        "git revision": kept.get("git_revision"), "device": kept.get("device"),
        "processes": kept.get("processes"), "mixed precision": kept.get("amp"),
        "platform": kept.get("platform"), "python": kept.get("python"), **kept.get("packages", {}),
    }  # fmt: skip
    labels = {
        f"labels of {split} (SHA-256)": str(digest)[:12]
        for split, digest in kept.get("labels_sha256", {}).items()
    }
    return {**{k: str(v) for k, v in plain.items() if v is not None}, **labels}
