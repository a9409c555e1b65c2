"""Text of strangers in messages and tables: short, one line, nothing that a terminal obeys."""

from __future__ import annotations

import sys


def printable(text: object) -> str:
    """The text with every character that is no visible one as an escape, line ends included: a file
    name can hold line ends, control sequences, and bytes that are no UTF-8 (surrogates in Python).
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cut(text: str, most: int = 80) -> str:
    """The text, or its beginning and three dots where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 3] + "..."


def quoted(text: str, most: int = 80) -> str:
    """The text in quotation marks, blanks at its ends dropped, as `cut` and `printable` make it."""
    return repr(cut(text.strip(), most))


def to_stderr(line: str) -> None:
    """One line to stderr at once."""
    print(line, file=sys.stderr, flush=True)
