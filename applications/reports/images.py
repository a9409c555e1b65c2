"""Sections of a report that show images: where the model is most wrong, and what it looks at."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np

from applications.evaluation.evaluation import Evaluation, extremes, shown
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
)
from applications.reports.pictures import shown_image, shown_source

MOST = 12  # images of a kind


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
    over, under = extremes(error, MOST)
    parts: list[Text | Gallery | Download] = []
    for title, chosen in (("Rated too high", over), ("Rated too low", under)):
        captions = [_judged(e, i, predicted[i], mos[i]) for i in chosen]
        parts += [Text(title, tag="h3"), _gallery(r, chosen, captions)]
    parts.append(_errors(r, predicted, mos))
    why = f"The largest errors, prediction ({how}) less MOS. A click shows the image large."
    return Section("worst", "Where the model is most wrong", why, tuple(parts))


def _errors(r: Report, predicted: np.ndarray, mos: np.ndarray) -> Download:
    """Images from the one that is rated highest above its MOS to the lowest."""
    e, cell = r.evaluation, r.about.cell
    rows = []
    for i in _ends(np.argsort(mos - predicted, kind="stable")):
        figures = (e.scores[i], predicted[i], mos[i], predicted[i] - mos[i])
        rows.append([cell(e.images[i]), *(f"{value:.9g}" for value in figures)])
    return _csv("errors.csv", ["path", "score", "prediction", "mos", "error"], rows)


def _ends(order: np.ndarray) -> np.ndarray:
    """All of an order, or of very many as many from either end as charts draw."""
    half = MOST_DRAWN // 2
    return order if len(order) <= MOST_DRAWN else np.concatenate([order[:half], order[-half:]])


def _csv(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Download:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return Download(name, text.getvalue())


def _judged(e: Evaluation, image: int, predicted: float, mos: float) -> list[str]:
    error = f"{predicted - mos:+.4f}"
    return [e.names[image], f"{error}: predicted {predicted:.4f}, MOS {mos:.4f}"]


def _wrong_pairs(r: Report, better: np.ndarray, worse: np.ndarray) -> list[Section]:
    e = r.evaluation
    ahead = (e.scores[better] - e.scores[worse]).astype(np.float64)
    order = _without_repeats(np.argsort(ahead, kind="stable"), ahead, better, worse)
    if not order:
        return []
    groups = []
    for pair in order:
        images = [int(better[pair]), int(worse[pair])]
        captions = [
            [e.names[i], f"labelled {word}, score {shown(e.scores[i])}"]
            for word, i in zip(("better", "worse"), images, strict=True)
        ]
        gallery = _gallery(r, images, captions, "pair")
        groups.append(Group(f"wrong by {-ahead[pair]:.4f}", gallery))
    why = f"{int((ahead < 0).sum())} of {len(ahead)} pairs are in the wrong order; these by most. "
    why += "Each image stands in one of them at most, or one odd image would fill the list."
    cell = r.about.cell
    rows = [
        [*(cell(e.images[end[i]]) for end in (better, worse)), f"{ahead[i]:.9g}"]
        for i in _ends(np.argsort(ahead, kind="stable"))
    ]
    body = (Groups(groups), _csv("pairs.csv", ["better", "worse", "lead"], rows))
    return [Section("worst", "Pairs in the wrong order", why, body)]


def _without_repeats(
    order: np.ndarray, ahead: np.ndarray, better: np.ndarray, worse: np.ndarray
) -> list[int]:
    """The first pairs in the wrong order, each image in one of them at most."""
    found: list[int] = []
    seen: set[int] = set()
    for pair in map(int, order):
        images = {int(better[pair]), int(worse[pair])}
        if len(found) == MOST or not ahead[pair] < 0:
            break
        if seen.isdisjoint(images):
            found.append(pair)
            seen |= images
    return found


def _in_order(r: Report) -> Section:
    e = r.evaluation
    order = np.argsort(e.scores, kind="stable")
    places = np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST)).round().astype(int))
    chosen = [int(order[place]) for place in places]
    captions = [
        [e.names[i], f"score {shown(e.scores[i])}, place {p + 1} from below"]
        for i, p in zip(chosen, places, strict=True)
    ]
    cell = r.about.cell
    rows = [[cell(e.images[i]), f"{e.scores[i]:.9g}"] for i in _ends(order)]
    why = f"{len(chosen)} of {len(order)} images, evenly spread in the order of their scores."
    body = (_gallery(r, chosen, captions), _csv("scores.csv", ["path", "score"], rows))
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
