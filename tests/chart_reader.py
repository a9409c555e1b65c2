"""A chart's SVG read back: where its marks stand, and what its axes say of that."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from utils.drawing.render import svg

TENTH = 0.051  # coordinates are rounded to 0.1


class Seen:
    """A chart's SVG as XML: circles, paths and texts, and the scales that its ticks say."""

    def __init__(self, chart, **size):
        self.markup = svg(chart, "ident", **size)
        self.root = ElementTree.fromstring(self.markup)
        self.box = [float(v) for v in self.root.get("viewBox").split()]
        self.texts = [(t, words(t)) for t in self.root.iter("text")]
        self.said = [said for _, said in self.texts]
        area = next(self.root.iter("rect"), None)  # what is cut is cut at the axes
        names = ("x", "y", "width", "height")
        x, y, width, height = (float(area.get(n)) if area is not None else 0 for n in names)
        self.plot = x, y, x + width, y + height

    def circles(self, colour="--c"):
        """(N, 2), of this colour, those of the legend left out."""
        groups = [g for g in self.root.iter("g") if colour in g.get("style", "")]
        found = [(float(c.get("cx")), float(c.get("cy"))) for g in groups for c in g.iter("circle")]
        return np.array(found).reshape(-1, 2)

    def paths(self, colour, part="stroke:"):
        """Of each path of this colour its points (N, 2), those of the legend left out."""
        found = []
        for above in self.root.iter():
            for path in above.findall("path"):
                if f"{part}var(--{colour}," in path.get("style"):
                    found += [points + moved(path) for points in corners(path)]
        return [points for points in found if points[:, 1].max() > self.plot[1]]

    def values(self, points):
        """Data of pixels (N, 2), by the numbers along the axes."""
        scales = [np.polyfit(*np.array(self.ticks(side)).T, 1) for side in "xy"]
        return np.stack([np.polyval(s, points[:, i]) for i, s in enumerate(scales)], axis=1)

    def ticks(self, side):
        """(position, value) of each number along an axis."""
        anchor = {"x": "text-anchor:middle", "y": "text-anchor:end"}[side]
        middle = {"x": 0.0, "y": -0.375 * 13.5}[side]  # from the line that letters stand on
        marked = [(t, plain(w)) for t, w in self.texts if anchor in t.get("style")]
        marked = [(t, w) for t, w in marked if re.fullmatch(r"-?[\d.]+", w)]
        return [(float(t.get(side)) + middle, float(w)) for t, w in marked]

    def per_pixel(self):
        """How much data a pixel is, along x and y."""
        return np.abs([np.polyfit(*np.array(self.ticks(side)).T, 1)[0] for side in "xy"])


def words(text):
    """What a text shows: a title inside is only said."""
    title = text.find("title")
    return text.text or "" if title is None else title.tail


def plain(number):
    return number.replace("\N{MINUS SIGN}", "-")


def moved(path):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", path.get("transform", "translate(0 0)"))
    return np.array(numbers, float)


def corners(path):
    """The points (N, 2) of each stroke of a path."""
    strokes = [part for part in path.get("d").split("M") if part.strip()]
    numbers = [re.findall(r"-?\d+(?:\.\d+)?", stroke) for stroke in strokes]
    return [np.array(found, float).reshape(-1, 2) for found in numbers]


def close(seen, points, data):
    """Whether points stand where the ticks say, each within the rounding of both."""
    assert points.shape == data.shape
    assert np.all(np.abs(seen.values(points) - data) <= 10 * TENTH * seen.per_pixel())
