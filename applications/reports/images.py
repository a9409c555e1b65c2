"""Sections of a report that show images: where the model is most wrong, and what it looks at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from applications.evaluation.evaluation import extremes, shown
from applications.reports.parts import (
    MOST_DRAWN,
    Download,
    Gallery,
    Group,
    Groups,
    Picture,
    Report,
    Section,
    Text,
)  # fmt: skip
from applications.reports.pictures import shown_image, shown_source
from utils.drawing.panels import spread
from utils.text import csv_of

MOST = 12  # images of a kind
ALIKE = 1e-3  # of the spread of the MOS: scores within it are almost the same


def worst_sections(r: Report) -> list[Section]:
    """Over- and under-rated images where there are opinions, pairs in the wrong order where there
    are pairs; and images from the lowest score to the highest.
    """
    sections, e = [], r.evaluation
    if e.opinions is not None:
        sections.append(_over_and_under(r, e.opinions.mos.astype(np.float64)))
    elif "better" in e.labels:
        sections += _wrong_pairs(r, e.labels["better"], e.labels["worse"])
    return [*sections, _in_order(r)]


def _over_and_under(r: Report, mos: np.ndarray) -> Section:
    e = r.evaluation
    predicted, how = e.in_mos_units()
    error = predicted - mos
    body: list[Text | Gallery | Download] = []
    titles = ("Rated too high", "Rated too low")
    for title, chosen in zip(titles, extremes(error, MOST), strict=True):
        captions = [
            [e.names[i], f"{error[i]:+.4f}: predicted {predicted[i]:.4f}, MOS {mos[i]:.4f}"]
            for i in chosen
        ]
        body += [Text(title, tag="h3"), _gallery(r, chosen, captions)]
    order = _ends(np.argsort(-error, kind="stable"))
    values = {"score": e.scores, "prediction": predicted, "mos": mos, "error": error}
    own = {name: column[order] for name, column in values.items()}
    body.append(_csv("errors.csv", path=_paths(r, order), **own))
    why = f"The largest errors, prediction ({how}) less MOS. A click shows the image large."
    return Section("worst", "Where the model is most wrong", why, body)


def _ends(order: np.ndarray) -> np.ndarray:
    """All of an order, or of very many as many from either end as charts draw."""
    half = MOST_DRAWN // 2
    return order if len(order) <= MOST_DRAWN else np.concatenate([order[:half], order[-half:]])


def _paths(r: Report, images: Iterable[int]) -> list[str]:
    """As a csv calls them."""
    return [r.about.cell(r.evaluation.images[image]) for image in images]


def _csv(name: str, /, **columns: Sequence[Any]) -> Download:
    """Columns of texts and of numbers, which have nine digits."""
    rows = (
        [cell if isinstance(cell, str) else f"{cell:.9g}" for cell in row]
        for row in zip(*columns.values(), strict=True)
    )
    return Download(name, csv_of([list(columns), *rows]))


def _wrong_pairs(r: Report, better: np.ndarray, worse: np.ndarray) -> list[Section]:
    e = r.evaluation
    ahead = (e.scores[better] - e.scores[worse]).astype(np.float64)
    order = np.argsort(ahead, kind="stable")
    groups = []
    for pair in _without_repeats(order, ahead, better, worse):
        images = [int(better[pair]), int(worse[pair])]
        captions = [
            [e.names[i], f"labelled {word}, score {_apart(e.scores[i], -ahead[pair])}"]
            for word, i in zip(("better", "worse"), images, strict=True)
        ]
        gallery = _gallery(r, images, captions, "pair")
        groups.append(Group(f"wrong by {-ahead[pair]:.3g}", gallery))
    if not groups:
        return []
    why = f"{int((ahead < 0).sum())} of {len(ahead)} pairs are in the wrong order; these by most. "
    why += "Each image stands in one of them at most, or one odd image would fill the list."
    kept = _ends(order)
    names = {"better": _paths(r, better[kept]), "worse": _paths(r, worse[kept])}
    body = (Groups(groups), _csv("pairs.csv", **names, lead=ahead[kept]))
    return [Section("worst", "Pairs in the wrong order", why, body)]


def _apart(score: float, difference: float) -> str:
    """A score with as many decimals as show a difference from another; four at least."""
    small = 0 < difference < 1e-3
    return f"{score:.{2 - math.floor(math.log10(difference))}f}" if small else shown(score)


def _without_repeats(
    order: np.ndarray, ahead: np.ndarray, better: np.ndarray, worse: np.ndarray
) -> Iterator[int]:
    """The first MOST pairs in the wrong order, each image in one of them at most."""
    seen: set[int] = set()
    for pair in map(int, order[ahead[order] < 0]):
        images = {int(better[pair]), int(worse[pair])}
        if len(seen) < 2 * MOST and seen.isdisjoint(images):
            seen |= images
            yield pair


def _in_order(r: Report) -> Section:
    e = r.evaluation
    order, spanned = np.argsort(e.scores, kind="stable"), float(np.ptp(e.scores))
    places = spread(len(order), MOST)
    chosen = [int(order[place]) for place in places]
    captions = [
        [e.names[i], f"score {_apart(e.scores[i], spanned)}, place {p + 1} from below"]
        for i, p in zip(chosen, places, strict=True)
    ]
    kept = _ends(order)
    listed = _csv("scores.csv", path=_paths(r, kept), score=e.scores[kept])
    why = f"{len(chosen)} of {len(order)} images, evenly spread in the order of their scores."
    # Where there are no opinions, losses ask for a distance (--margin) of about one.
    if spanned < ALIKE * (1 if e.opinions is None else np.ptp(e.opinions.mos)):
        why += f" It says almost the same score of every image: they lie {spanned:.3g} apart."
    body = (_gallery(r, chosen, captions), listed)
    return Section("order", "From the lowest to the highest score", why, body)


def _gallery(
    r: Report,
    images: Sequence[int],
    captions: Sequence[Sequence[str]],
    kind: str = "pictures",
) -> Gallery:
    pictures = []
    for image, lines in zip(images, captions, strict=True):
        uri, note = shown_source(r.evaluation.images[image], r.about.max_pixels)
        pictures.append(Picture(lines[0], uri, [*lines, note]))
    return Gallery(pictures, kind)


def map_section(r: Report) -> list[Section]:
    """Where in an image its score comes from, of some images."""
    pictures = []
    for number, one in enumerate(r.maps, 1):
        uri, note = shown_image(one.picture)
        name = r.evaluation.names[one.image]
        lines, file = (
            [name, f"score {shown(one.score)}", note],
            Download(f"map_{number}.csv", one.csv),
        )
        pictures.append(Picture(f"map of {name}", uri, lines, file=file))
    if not pictures:
        return []
    why = "By how much the score falls when a part of the image is hidden: blue where the score "
    why += "comes from, orange where it is lowered."
    gallery = Gallery(pictures, "pictures large")
    return [Section("maps", "Where the score comes from", why, (gallery,))]
