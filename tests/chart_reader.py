"""A chart's SVG read back: where its marks stand, and what its axes say of that."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from utils.drawing.render import svg


class Seen:
    """A chart's SVG as XML: marks, texts, and the scales that the numbers along its axes say."""

    def __init__(self, chart, **size):
        self.markup = svg(chart, "ident", **size)
        self.root = ElementTree.fromstring(self.markup)
        self.texts = list(self.root.iter("text"))
        self.said = [text.text for text in self.texts]
        self.titles = [title.text for title in self.root.iter("title")]
        area = next(self.root.iter("rect"), None)  # what is cut is cut at the axes
        names = ("x", "y", "width", "height")
        x, y, width, height = (float(area.get(n)) if area is not None else 0 for n in names)
        self.plot = x, y, x + width, y + height

    def points(self, colour):
        """(N, 2) pixels of the dots of this colour, those of the legend left out."""
        found = [[float(use.get("x")), float(use.get("y"))]
                 for use, style, outline in self._used() if "C" in outline.get("d")
                 and f"fill: var(--{colour}," in style]  # fmt: skip
        return np.array([at for at in found if at[1] > self.plot[1]]).reshape(-1, 2)

    def paths(self, colour, part="stroke"):
        """Of each path of this colour its corners (N, 2), those of the legend left out."""
        told = f"{part}: var(--{colour},"
        found = [corners(p) for p in self.root.iter("path") if told in p.get("style", "")]
        for use, style, outline in self._used():  # an area is kept apart from its place
            if "C" not in outline.get("d") and told in style:
                found.append(corners(outline) + [float(use.get("x")), float(use.get("y"))])
        return [path for path in found if len(path) and np.nanmax(path[:, 1]) > self.plot[1]]

    def _used(self):
        outlines = {path.get("id"): path for path in self.root.iter("path")}
        for group in self.root.iter("g"):
            for use in group.findall("use"):
                yield use, group.get("style"), outlines[use.get("href")[1:]]

    def values(self, pixels):
        """Data of pixels (N, 2), by the numbers along the axes."""
        scales = [np.polyfit(*np.array(self.ticks(side)).T, 1) for side in "xy"]
        return np.stack([np.polyval(s, pixels[:, i]) for i, s in enumerate(scales)], axis=1)

    def ticks(self, side):
        """(pixel, value) of each number along an axis."""
        anchor = {"x": "text-anchor: middle", "y": "text-anchor: end"}[side]
        numbers = [t for t in self.texts if re.fullmatch(r"\N{MINUS SIGN}?[\d.]+", t.text)]
        numbers = [t for t in numbers if anchor in t.get("style")]
        values = [float(t.text.replace("\N{MINUS SIGN}", "-")) for t in numbers]
        if side == "x":
            return list(zip([float(t.get("x")) for t in numbers], values, strict=True))
        grid = [p[0, 1] for p in self.paths("line") if p[0, 1] == p[1, 1]]
        return list(zip(grid, values, strict=True))

    def close(self, pixels, data):
        """Whether pixels (N, 2) stand where the ticks say, to a fifth of one."""
        per_pixel = [np.abs(np.polyfit(*np.array(self.ticks(side)).T, 1)[0]) for side in "xy"]
        assert np.shape(pixels) == np.shape(data)
        assert np.all(np.abs(self.values(pixels) - data) <= 0.2 * np.array(per_pixel))


def corners(path):
    """(N, 2), a row of nan where a new stroke begins."""
    strokes = [part for part in path.get("d").split("M") if part.strip()]
    found = [np.array(re.findall(r"-?\d+(?:\.\d+)?", s), float).reshape(-1, 2) for s in strokes]
    gap = np.full((1, 2), np.nan)
    return np.concatenate([part for stroke in found for part in (gap, stroke)][1:] or [gap[:0]])
