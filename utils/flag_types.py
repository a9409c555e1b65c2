"""What a flag is made of: its declaration, the types of its text, and the error of a wrong one.

The standard library only: `--help` must not wait for more.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

MAX_SIDE = 16384


class UsageError(ValueError):
    """The command line itself is wrong (exit code 2)."""


class YesOrNo(argparse.Action):
    """`--x` and `--no_x` set one field, to True and to False; both together are refused."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        value = not str(option_string).startswith("--no")
        if getattr(namespace, self.dest, None) is (not value):
            parser.error(f"--{self.dest} and --no_{self.dest}: choose one")
        setattr(namespace, self.dest, value)


def flag(
    group: str,
    default: Any,
    *names: str,
    help: str,
    modes: str | None = None,
    criteria: tuple[str, ...] = (),
    idle: str = "",
    instead: str = "",
    **options: Any,
) -> Any:
    """One field of Config together with its command-line argument.

    modes: where the flag belongs, apart by spaces; without it to those of its group. criteria: the
    tasks that read it; without any, all do. idle: modes in which it may be passed outside its place
    and then has no effect, because recipes pass it. instead: what a refusal should add. `options`
    go to argparse.
    """
    metadata = {
        "group": group, "names": names, "help": help, "modes": modes, "criteria": criteria,
        "idle": idle.split(), "instead": instead, "options": options,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=metadata)


def column(role: str, help: str, name: str = "") -> Any:
    """The flag that names a column, or the sheet, of the table of --labels; a column also by its
    number from 1.
    """
    return flag(
        "data", None, name or f"--{role}_column", metavar="NAME",
        modes="train evaluate export check",
        help=f"--labels: {role}: {help} (default: as found, which is said)",
    )  # fmt: skip


def kept_photos(split: str, default: int) -> Any:
    """The flag that says how many photographs a split gets."""
    return flag(
        "photos", default, f"--{split}_photos", type=count, metavar="N",
        modes="train evaluate generate",
        help=f"whole photographs kept for {split} (--distort, --generate)",
    )  # fmt: skip


def of_stages(name: str, more: str = "") -> Any:
    """The flag that gives another flag's value for each of --stages."""
    help = f"--{name} of each stage{more}"
    return flag("stages", None, f"--stage_{name}", metavar="LIST", help=help)


def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive(text: str) -> int:
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def count(text: str) -> int:
    value = whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def side(text: str) -> int:
    value = positive(text)
    if value > MAX_SIDE:
        raise argparse.ArgumentTypeError(f"{text} pixels is over the limit of {MAX_SIDE}")
    return value


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def checked(
    read: Callable[[str], Any], must: str, holds: Callable[[Any], bool]
) -> Callable[[str], Any]:
    """An argument type: what `read` makes of the text, if `holds` is true of it; `must` says so in
    words.
    """

    def convert(text: str) -> Any:
        value = read(text)
        if not holds(value):
            raise argparse.ArgumentTypeError(f"{text} must {must}")
        return value

    return convert


above_0 = checked(number, "be above 0", lambda x: x > 0)
not_below_0 = checked(number, "not be below 0", lambda x: x >= 0)
from_0_to_2 = checked(number, "be at least 0 and at most 2", lambda x: 0 <= x <= 2)
probability = checked(number, "be at least 0 and below 1", lambda x: 0 <= x < 1)
share = checked(number, "be above 0 and at most 1", lambda x: 0 < x <= 1)
share_of_pairs = checked(
    number, "be above 0 and at most 1, which is every pair", lambda x: 0 < x <= 1
)
margin = checked(number, "be above 0: at 0 a constant output is optimal", lambda x: x > 0)
fold_count = checked(whole, "be 3 or more: test, val and train", lambda k: k >= 3)
tile_side = checked(side, "be at least 64 pixels", lambda x: x >= 64)
resamples = checked(
    count, "be 0 for no intervals, or 100 or more: intervals need 100 resamples or more",
    lambda n: n == 0 or n >= 100,
)  # fmt: skip


def sha256(text: str) -> str:
    """A SHA-256 in hexadecimal digits; in lower case."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256: 64 hexadecimal digits")
    return text.lower()


def height_width(name: str, sizes: Sequence[int]) -> tuple[int, int]:
    """One value or two of the flag `name` as (height, width)."""
    if len(sizes) > 2:
        raise UsageError(f"{name} takes height and width, got {len(sizes)} values")
    return sizes[0], sizes[-1]


def is_number(text: str) -> bool:
    """Whether the text is a number rather than a name."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def part(text: str) -> str:
    """A name, or a share above 0 and up to 1; the text itself."""
    if is_number(text) and not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text}: a share is above 0 and at most 1")
    return text


def shares(text: str) -> str:
    """Two numbers above 0, or three of which the one in the middle may be 0, apart by `/`; the text
    itself.
    """
    values = [number(value) for value in text.split("/")]
    if len(values) not in (2, 3) or min(values[0], values[-1]) <= 0 or not (
        min(values) >= 0 and math.isfinite(sum(values))
    ):  # fmt: skip
        raise argparse.ArgumentTypeError(f"{text}: shares such as 70/10/20 or 80/20 are wanted")
    return text


def split_by(text: str) -> str:
    """What is never in two splits; a group is a reference of levels.csv, too."""
    return {"group": "reference"}.get(text, text)


def weights(text: str) -> str:
    """Two numbers and a comma between them, none below 0 and one above it; the text itself."""
    values = [number(value) for value in text.split(",")]
    if len(values) != 2 or min(values) < 0 or max(values) == 0:
        raise argparse.ArgumentTypeError(f"{text}: two numbers such as 1,0.5, none below 0")
    return text


def one_of(what: str, spellings: Mapping[str, str]) -> Callable[[str], str]:
    """An argument type: a key of `spellings` becomes its value; others are answered with the near
    ones.
    """

    def convert(text: str) -> str:
        if text not in spellings:
            known = ", ".join(dict.fromkeys(spellings.values()))
            hint = did_you_mean(text, spellings)
            raise argparse.ArgumentTypeError(f"unknown {what} {text!r}{hint} (one of {known})")
        return spellings[text]

    return convert


def list_of(what: str, known: Collection[str]) -> Callable[[str], str]:
    """An argument type: some of `known` with commas between them, each once; the text itself."""
    spelled = one_of(what, {name: name for name in known})

    def convert(text: str) -> str:
        names = [spelled(name) for name in text.split(",")]
        if len(set(names)) < len(names):
            raise argparse.ArgumentTypeError(f"{text} must name each {what} once")
        return text

    return convert


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ ": did you mean A or B?", or nothing where no known word is near."""
    near = difflib.get_close_matches(word, list(known), 3, 0.6)
    return f": did you mean {' or '.join(dict.fromkeys(near))}?" if near else ""
