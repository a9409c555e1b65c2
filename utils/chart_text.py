"""Text of a chart that fits its place: shortened, with the whole to be said by a pointer, or in
several lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from utils.chart_shapes import Text
from utils.report import Font, shorten
from utils.text import printable

TITLE, TEXT, SMALL = 17.0, 14.0, 13.0  # sizes
_BOLD = 1.15  # how much wider bold letters are, about
TITLE_LINE = 22.0

Fonts = Callable[[float], Font]  # the font of a size


def fitted(text: Text, room: float, fonts: Fonts) -> Text:
    """The text, at most `room` wide. What cannot be printed is written as an escape before it is
    measured, for so it is drawn.
    """
    words = printable(text.words)
    shown = shorten(words, fonts(text.size), int(room))
    return replace(text, words=shown, whole=words if shown != words else "")


def length(words: str, fonts: Fonts) -> float:
    return fonts(TEXT).getlength(words)


def wrapped(words: str, size: float, room: float, fonts: Fonts) -> list[str]:
    """The words in lines of at most `room`, but for a single word that is longer."""
    lines = [""]
    for word in printable(words).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and fonts(size).getlength(longer) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def titled(title: str, left: float, top: float, room: float, fonts: Fonts) -> list[Text]:
    """A title in one or two lines, the second shortened where that is not enough; [] without."""
    room /= _BOLD
    lines = wrapped(title, TITLE, room, fonts) if title.strip() else []
    if len(lines) > 2:
        lines = [lines[0], " ".join(lines[1:])]
    places = (Text(left, top + (i + 0.5) * TITLE_LINE, line, TITLE) for i, line in enumerate(lines))
    shown = [fitted(replace(text, colour="ink", bold=True), room, fonts) for text in places]
    return [replace(text, whole=title if text.whole else "") for text in shown]
