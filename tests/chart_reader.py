"""A chart's SVG read back: where its marks stand, and what its axes say of that."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np

from utils.chart_svg import svg

TENTH = 0.051  # coordinates are rounded to 0.1


class Seen:
    """A chart's SVG as XML: circles, paths and texts, and the scales that its ticks say."""

    def __init__(self, chart, **size):
        self.markup = svg(chart, **size)
        self.root = ElementTree.fromstring(self.markup)
        self.box = [float(v) for v in self.root.get("viewBox").split()]
        self.texts = [(t, "".join(t.itertext())) for t in self.root.iter("text")]
        self.said = [words for _, words in self.texts]

    def circles(self, colour="--c"):
        """(N, 2), of this colour, those of the legend left out."""
        groups = [g for g in self.root.iter("g") if colour in g.get("style")]
        found = [(float(c.get("cx")), float(c.get("cy"))) for g in groups for c in g]
        top = self.plot()[1]
        return np.array([at for at in found if at[1] > top - 0.2]).reshape(-1, 2)

    def paths(self, colour, part="stroke:"):
        """Of each path of this colour its points (N, 2), those of the legend left out."""
        styled = [p for p in self.root.iter("path") if part in p.get("style")]
        found = [corners(p) for p in styled if f"var(--{colour}," in p.get("style")]
        top = self.plot()[1]
        return [points for points in found if points[:, 1].max() > top]

    def plot(self):
        """left, top, right, bottom: the axes are the one path of three corners."""
        axes = [corners(p) for p in self.root.iter("path") if "--soft" in p.get("style")]
        (corner,) = [points for points in axes if len(points) == 3]
        return *corner.min(axis=0), *corner.max(axis=0)

    def ticks(self, anchor):
        """(position, value) of each number along an axis: "middle" is x, "end" is y."""
        side = "x" if anchor == "middle" else "y"
        marked = [(t, w) for t, w in self.texts if t.get("text-anchor") == anchor]
        return [(float(t.get(side)), float(w)) for t, w in marked if is_number(w)]

    def values(self, points):
        """Data of pixels (N, 2)."""
        scales = [np.polyfit(*np.array(self.ticks(anchor)).T, 1) for anchor in ("middle", "end")]
        return np.stack([np.polyval(s, points[:, i]) for i, s in enumerate(scales)], axis=1)

    def per_pixel(self):
        """How much data a pixel is, along x and y."""
        scales = [np.polyfit(*np.array(self.ticks(anchor)).T, 1) for anchor in ("middle", "end")]
        return np.abs([scale[0] for scale in scales])


def is_number(words):
    try:
        return math.isfinite(float(words))
    except ValueError:
        return False


def corners(path):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))
    return np.array(numbers, float).reshape(-1, 2)


def close(seen, points, data):
    """Whether points stand where the ticks say, each within the rounding of both."""
    assert points.shape == data.shape
    assert np.all(np.abs(seen.values(points) - data) <= 4 * TENTH * seen.per_pixel())
