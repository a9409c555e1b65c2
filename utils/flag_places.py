"""Where a flag belongs: to some modes, and of those that train or judge, to some criteria.

A flag that was passed anywhere else would be ignored, so it is refused, or, where recipes pass it,
said to have no effect. The standard library only: `--help` must not wait for more.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.flag_types import UsageError
from utils.text import cut, printable

Flags = Sequence[dataclasses.Field]
EVERY = "every_mode"  # in place of names of modes
# What the help leaves out: modes beside those that a flag is meant for, and lists of nearly all.
UNSAID, MOST_SAID = ("info", "continue_run", EVERY), 8


@dataclass(frozen=True)
class Group:
    """A group of the help: its title, and the modes that its flags belong to unless they say
    otherwise.
    """

    title: str
    modes: str

    def heading(self, wording: Wording) -> str:
        """The title, with the modes in brackets where they are not all."""
        if self.modes == EVERY:
            return self.title
        return f"{self.title} ({', '.join(wording.modes[mode] for mode in self.modes.split())})"


@dataclass(frozen=True)
class Wording:
    """What the help and the refusals say around the flags.

    groups: in the order of the help. modes: how each mode is written on the command line, "" where
    none is named. refusals: for some modes, the fields that need more words than where they
    belong, and those words, with {} for the flags. often: the fields that the short help shows.
    examples: of each mode, command lines without the program.
    """

    groups: Mapping[str, Group]
    modes: Mapping[str, str]
    refusals: Mapping[str, tuple[str, str]]
    usage: str
    description: str
    epilog: str
    often: Collection[str] = ()
    examples: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


def spell(flags: Flags, field_name: str) -> str:
    """The long flag that sets a field, as the help shows it."""
    return _long(next(f for f in flags if f.name == field_name))


def _long(field: dataclasses.Field) -> str:
    return next(name for name in field.metadata["names"] if name.startswith("--"))


def modes_of(field: dataclasses.Field, wording: Wording) -> list[str]:
    """The modes that a flag belongs to; one that names a mode belongs to that."""
    if field.name in wording.modes:
        return [field.name]
    modes = field.metadata["modes"] or wording.groups[field.metadata["group"]].modes
    return list(wording.modes) if modes == EVERY else modes.split()


def place_of(field: dataclasses.Field, wording: Wording) -> str:
    """What the help puts before a flag's text: its modes, where its group's heading has others, and
    its criteria.
    """
    own, group = (
        [wording.modes[mode] for mode in modes.split() if mode not in UNSAID]
        for modes in (field.metadata["modes"] or "", wording.groups[field.metadata["group"]].modes)
    )
    if set(own) == set(group) or len(own) > MOST_SAID:
        own = []
    named = [*own, *field.metadata["criteria"]]
    return f"[{', '.join(named)}] " if named else ""


def check_places(
    flags: Flags,
    wording: Wording,
    passed: Mapping[str, Any],
    mode: str,
    criteria: Collection[str],
) -> list[str]:
    """Lines about flags that have no effect where they were passed; UsageError for the first one
    that would be ignored although something was asked for.

    passed: values of the fields whose flags stand on the command line. criteria: that are to be
    trained or judged, none where they are not known yet.
    """
    fields, said = wording.refusals.get(mode, ("", ""))
    outside = [f for f in flags if f.name in passed and mode not in modes_of(f, wording)]
    named = [_long(f) for f in outside if fields == EVERY or f.name in fields.split()]
    if named:
        raise UsageError(said.format(", ".join(sorted(named))))
    lines = []
    for field in flags:
        if field.name not in passed:
            continue
        own = field.metadata["criteria"]
        away = field in outside
        if not away and not (own and criteria and set(criteria).isdisjoint(own)):
            continue
        where = _or([wording.modes[m] for m in modes_of(field, wording)] if away else [])
        where += " with " if where and own else ""
        where += f"--criterion {_or(own)}" if own else ""
        shown = _shown(field, passed[field.name])
        if mode in field.metadata["idle"]:
            lines.append(f"{shown} has no effect here: it belongs to {where}")
            continue
        here = wording.modes[mode] if away else f"--criterion {_or(sorted(criteria))}"
        cure = f"leave it out of {here}" if here else "pass that as well, or leave it out"
        more = field.metadata["instead"]
        raise UsageError(f"{shown}: only with {where}: {cure}{more and f'; {more}'}")
    return lines


def _shown(field: dataclasses.Field, value: Any) -> str:
    """A flag with its value, as it may have been passed."""
    if value is False:
        return field.metadata["names"][-1]
    if value is True or value == field.metadata["options"].get("const"):
        return _long(field)
    values = value if isinstance(value, (list, tuple)) else [value]
    texts = (f"{one:g}" if isinstance(one, float) else str(one) for one in values)
    return " ".join([_long(field), *(cut(printable(text)) for text in texts)])


def _or(words: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    *first, last = words or [""]
    return f"{', '.join(first)} or {last}" if first else last
