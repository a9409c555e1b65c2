"""From words to values: the parser made of a dataclass's fields, and configuration files.

The standard library only: `--help` must not wait for more.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from utils.files.reading import UnreadableFile, read_object
from utils.flag_places import Flags, spell
from utils.flag_types import UsageError, YesOrNo, did_you_mean
from utils.text import cut, printable


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if outside := re.fullmatch(r"argument (\S+): (\S+ must .+)", message):
            names = outside[1].split("/")
            long = next((name for name in names if name.startswith("--")), names[0])
            message = f"{long} {outside[2]}"
        raise UsageError(cut(message, 1000))


def build_parser(flags: Flags) -> argparse.ArgumentParser:
    """The parser of all flags; `--help` is answered by utils/flag_help.py, and only to a person."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for field in flags:
        add_flag(parser, field)
    return parser


def add_flag(group: argparse._ActionsContainer, field: dataclasses.Field, place: str = "") -> None:
    """One flag of a parser or of a group of it; `place` stands before its text in the help."""
    options: dict[str, Any] = dict(field.metadata["options"])
    if field.default is False:
        options["action"] = "store_true"
    elif not options.keys() & {"type", "choices", "action"}:
        options["type"] = str
    names = [both for name in field.metadata["names"] for both in _spellings(name)]
    text = f"{place}{field.metadata['help']}"
    action = group.add_argument(*names, dest=field.name, help=text, **options)
    # Set afterwards: argparse would convert it, and `given` must tell it from a flag.
    action.default = field.default


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([name, name[:2] + name[2:].replace("_", "-")]))


def given_flags(flags: Flags, argv: Sequence[str]) -> dict[str, Any]:
    """Only the fields whose flags stand in argv, with their values; UsageError with near names."""
    parser = build_parser(flags)
    blank = argparse.Namespace(**{f.name: argparse.SUPPRESS for f in flags})
    known, unknown = parser.parse_known_args(list(argv), blank)
    if unknown:
        raise UsageError(_unknown(unknown[0], flags))
    return {k: v for k, v in vars(known).items() if v is not argparse.SUPPRESS}


def _unknown(word: str, flags: Flags) -> str:
    name = word.split("=")[0]
    if not name.startswith("-"):
        return f"unexpected argument {word}; python main.py --help all lists all flags"
    if Path(word).is_file():
        return f"unknown flag {word}: write ./{word} for the file"
    spelled = name[:2] + name[2:].replace("-", "_")
    hint = did_you_mean(spelled, [n for f in flags for n in f.metadata["names"]])
    return f"unknown flag {word}{hint or '; python main.py --help all lists all flags'}"


def from_file(flags: Flags, path: str) -> dict[str, Any]:
    """Fields set by a configuration file (JSON); the parser checks their types and choices."""
    try:
        loaded = read_object(path)
    except OSError as error:
        raise UsageError(f"{printable(path)}: {error.strerror}") from None
    except UnreadableFile as error:
        raise UsageError(str(error)) from None
    try:
        for key, value in loaded.items():
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and not _possible(text):
                    said = "no flag has a null character or half a surrogate pair"
                    raise UsageError(f"{cut(printable(key))}: {cut(printable(text))}: {said}")
        return from_values(flags, loaded)
    except UsageError as error:
        raise UsageError(f"{printable(path)}: {error}") from None


def overruled(
    stored: Mapping[str, Any], given: Mapping[str, Any], modes: Iterable[str]
) -> dict[str, Any]:
    """Fields of a run's configuration that still hold beside those of the command line: without the
    mode, the weights and the output of another mode, and without weights of another beginning.
    """
    out: set[str] = set()
    asked = {name for name in modes if name in given}
    if asked and asked != {name for name in modes if name in stored}:
        # The weights that training started from are not those that another mode should use.
        out |= {*modes, "resume", "output"}
    if given.keys() & {"arch", "advprop", "pretrained", "resume"}:
        out.add("pretrained_sha256")
    # Runs of versions without --no_pretrained kept false where --advprop alone brought weights.
    if "resume" in given or ("advprop" in {**stored, **given} and not stored.get("pretrained")):
        out.add("pretrained")
    return {name: value for name, value in stored.items() if name not in out}


def _possible(text: str) -> bool:
    """Whether text can be a flag's value: no null character, and UTF-8."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def refuse_outside(
    flags: Flags, values: Mapping[str, Any], names: Iterable[str], path: str | Path
) -> None:
    """UsageError where the file `path`, which may be a stranger's, has output written outside the
    present folder. names: of the fields that say where to, less those of the command line.
    """
    for name in names:
        value = values.get(name)
        if value is not None and not is_inside(value):
            flag = spell(flags, name)
            raise UsageError(
                f"{printable(path)}: {flag} {printable(value)} lies outside this folder: pass "
                f"{flag} with that folder, if you want it written to, or with another one"
            )


def written_anew(
    stored: Mapping[str, Any], given: Mapping[str, Any], written: frozenset[str]
) -> frozenset[str]:
    """Fields of the stored values of --config that say where the new call writes, beside those that
    it was given; a new run may lie beside the one that is repeated.
    """
    names = written | ({"data"} if {"generate", "prepare"} & {*stored, *given} else set())
    folder = Path(given["config"]).resolve().parents[1]
    beside = "logdir" in stored and folder == Path(stored["logdir"]).resolve()
    return frozenset(names - given.keys() - ({"logdir"} if beside else set()))


def without_lone_dashes(argv: list[str]) -> list[str]:
    """The words without `--`, which one documented recipe has: argparse would take every later flag
    for a file name.
    """
    if "--" in argv:
        note = "note: a lone -- in the command line is passed over; the flags after it count"
        print(note, file=sys.stderr)
    return [word for word in argv if word != "--"]


def take_going_on(passed: dict[str, Any]) -> bool:
    """Whether --continue stands beside --predict, without a run: no mode then, and taken out."""
    found = "predict" in passed and passed.get("continue_run") == ""
    if found:
        del passed["continue_run"]
    return found


def is_inside(path: str | Path) -> bool:
    """Whether the path is in the present folder; links are followed."""
    return Path(path).resolve().is_relative_to(Path.cwd())


def from_values(flags: Flags, values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields set by values of Python or JSON; the parser checks their types and choices."""
    refuse_unknown(flags, values)
    words = [word for key, value in values.items() for word in _words(flags, key, value)]
    return given_flags(flags, words)


def _words(flags: Flags, key: str, value: Any) -> list[str]:
    """One key of a file as the flag it stands for; null, false and [] stand for the default."""
    value = list(value) if isinstance(value, tuple) else value
    field = next(f for f in flags if f.name == key)
    if value is False and field.metadata["options"].get("action") is YesOrNo:
        return [field.metadata["names"][-1]]
    if value is None or value is False or value == []:
        return []
    name = spell(flags, key)
    if value is True:
        return [name]
    if isinstance(value, list) and len(value) > 1:
        return [name, *map(str, value)]
    return [f"{name}={value[0] if isinstance(value, list) else value}"]


def refuse_unknown(flags: Flags, values: Mapping[str, Any]) -> None:
    """UsageError with near names for a key that no flag has: what nobody reads is not ignored."""
    names = [f.name for f in flags]
    for key in values:
        if key not in names:
            raise UsageError(f"unknown key {cut(key)!r}{did_you_mean(cut(key), names)}")
