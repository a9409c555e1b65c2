"""An export that takes decoded images, in the place of a Scorer, and compared with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image

from applications.evaluation.scoring import Scorer
from applications.export.base import PROBS, SCORES, Artefact
from dataloader.sources import GivenImage, Source, open_source
from utils.check_images import BadImage
from utils.imaging.images import ImageError
from utils.runtime.progress import CountBar
from utils.statistics.predictions import Predictions

# Of the largest score above 1. Pillow rounds after each of two passes, and which of them is first
# depends on the image and, before version 13, does not; where the graph takes the other one, or of
# ties of a crop's box, pixels differ by 1 in 255 and more.
TOLERANCE = 2e-3
FULL = 64  # images that are scored both ways where they are decoded fast
ODD, SIDES = 50, (17, 701)  # images of the comparison, and between what their sides lie


@dataclass(frozen=True)
class WholeScorer:
    """Scores of images, one after the other, by an export that does all but decode them."""

    artefact: Artefact
    max_pixels: int

    def predict_readable(
        self, images: Sequence[Source], skip: bool, title: str | None = None
    ) -> tuple[Predictions, list[int], tuple[BadImage, ...]]:
        """As `Scorer.predict_readable`."""
        scores, probs, kept, bad = [], [], [], []
        bar = CountBar(title)
        for place, source in enumerate(images):
            try:
                image = open_source(source, self.max_pixels)
            except ImageError as error:
                if not skip:
                    raise
                bad.append(BadImage(source, error.reason))
                continue
            found = self.artefact.run(np.array(image))
            scores.append(found[SCORES][0])
            if PROBS in found:
                probs.append(found[PROBS][0])
            kept.append(place)
            bar.update(place + 1, len(images))
        bar.finish()
        return (
            Predictions(np.array(scores), np.array(probs) if probs else None), kept, tuple(bad)
        )  # fmt: skip


def odd_images(images: Sequence[Image.Image]) -> list[GivenImage]:
    """ODD images of odd sizes, tall and wide, small and large, made of the given ones."""
    rng, (low, high) = np.random.default_rng(0), SIDES
    sizes = np.exp(rng.uniform(np.log(low), np.log(high), (ODD, 2))).astype(int) | 1
    return [
        GivenImage(images[i % len(images)].resize((int(w), int(h))), f"#{i}")
        for i, (w, h) in enumerate(sizes)
    ]


def tried_images(picture: Image.Image, size: tuple[int, int]) -> list[torch.Tensor]:
    """Tall and wide images (H,W,3) of a picture, no side shorter than that of (height, width)."""
    height, width = size
    sizes = [(width, 2 * height + 1), (3 * width + 1, height)]
    return [torch.from_numpy(np.array(picture.resize(size))) for size in sizes]


def whole_difference(export: Artefact, images: Sequence[GivenImage], ours: Predictions) -> float:
    """Largest difference of any output between the export and --predict's own way, of which `ours`
    is what it says of these odd images, as a share of the largest value of that output where it is
    above 1; nan where either answers with one.
    """
    theirs, _, _ = WholeScorer(export, SIDES[1] ** 2).predict_readable(images, False)
    pairs = [(ours.scores, theirs.scores), (ours.probs, theirs.probs)]
    found = [
        np.abs(a - b).max() / max(1.0, np.abs(a).max())
        for a, b in pairs
        if a is not None and b is not None
    ]
    return float(np.max(found))  # nan where any is


def decoded_in_full(scorer: Scorer | None, sources: Sequence[Source]) -> str:
    """One line about scores by programs that cannot decode fast, as the network was trained: by how
    much they differ on up to FULL of the images, where there are some to score.
    """
    said = (
        "the network sees JPEGs decoded fast (--decode fast); clients and other programs that "
        "decode them in full give"
    )
    if scorer is None or not sources:
        return f"{said} slightly other scores of large ones (docs/speed.md)"
    some = sources[:: max(1, len(sources) // FULL)][:FULL]
    full = replace(scorer, view=replace(scorer.view, decode="exact"))
    ours, theirs = (s.predict_readable(some, True)[0].scores for s in (scorer, full))
    largest = float(np.abs(ours - theirs).max())
    return f"{said} scores that differ by up to {largest:.2g} on {len(some)} of these images"
