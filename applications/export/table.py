"""What each export is worth beside the network itself: size, agreement, accuracy, speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from applications.evaluation.scoring import Scorer
from applications.export.base import PROBS, SCORES, Artefact
from applications.export.whole_scorer import WholeScorer
from dataloader.sources import Source
from models.quality_net import Prediction
from utils.files.writing import without_nan, write_csv, write_json
from utils.statistics.metrics import score_metrics
from utils.statistics.predictions import Predictions
from utils.text import aligned

RUNS, BATCH, MOST_SECONDS = 15, 8, 3.0
MOST_LOST = 0.005  # of SRCC, by a lower precision, without a word about it
Run = Callable[[np.ndarray], Any]


class ArtefactNetwork(nn.Module):
    """An opened export in the place of the network that it was made of: pixels (N,3,H,W) in [0,1]
    -> Prediction, whose logits are such that their softmax is the export's own histograms.
    """

    def __init__(self, artefact: Artefact) -> None:
        super().__init__()
        self.artefact = artefact
        self.num_classes = int(artefact.about["num_classes"])
        self.arch = str(artefact.about["arch"])

    def forward(self, pixels: torch.Tensor) -> Prediction:
        """pixels: float (N,3,H,W) in [0,1] -> Prediction."""
        found = self.artefact.run(np.ascontiguousarray(pixels.cpu().numpy(), np.float32))
        scores = torch.from_numpy(np.array(found[SCORES], np.float32))
        if PROBS not in found:
            return Prediction(scores, scores[:, None])
        return Prediction(scores, torch.from_numpy(np.array(found[PROBS], np.float32)).log())


@dataclass(frozen=True)
class Trial:
    """What exports are tried on. scorer: the network itself, as it is used; sources: the user's
    images, none where there are none; pixels (7,3,H,W) and image uint8 (H,W,3): for timing;
    measure: predictions -> (name of a metric, its value) against labels, None where there are none.
    skip: leave out images that cannot be read.
    """

    scorer: Scorer
    sources: Sequence[Source]
    pixels: np.ndarray
    image: np.ndarray
    measure: Callable[[Predictions], tuple[str, float]] | None
    skip: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table. difference: the largest one from the network, as a share of the
    largest score where that is above 1. srcc_network: of its scores and the network's. before,
    after: the metric of the network's scores and of its own, against the labels. latency_ms: median
    of one image at a time; images_per_s: median of batches of 8; startup_s: until the file is open
    and has answered once, without imports. needs: the system that runs it, where that is not this
    one, "" otherwise. nan: not known.
    """

    format: str
    precision: str
    file: str
    megabytes: float
    difference: float
    srcc_network: float
    metric: str
    before: float
    after: float
    latency_ms: float
    images_per_s: float
    startup_s: float
    needs: str = ""

    def lost(self) -> str:
        """What a lower precision costs, where that is more than MOST_LOST; else ""."""
        loss = self.before - self.after if self.after == self.after else 1 - self.srcc_network
        if self.precision == "fp32" or not loss > MOST_LOST:
            return ""
        what = f"{self.metric} against the labels" if self.after == self.after else "srcc"
        return f"{self.precision} costs {loss:.4f} of {what}, more than {MOST_LOST}"


class Table:
    """Rows, the network's own first; images that cannot be read are no longer among the trial's."""

    def __init__(self, trial: Trial, weights: Path) -> None:
        self.trial = trial
        self.found, self.metric, self.before = self._judged(trial.scorer, "the network")
        with torch.inference_mode():
            network, given = trial.scorer.model, torch.from_numpy
            speed = speeds(lambda pixels: network(given(pixels)), trial.pixels)
        size = megabytes([weights] if weights.is_file() else list(weights.glob("*.safetensors")))
        self.rows = [
            Row("network", "fp32", str(weights), size, 0.0, 1.0, self.metric, self.before,
                self.before, *speed, float("nan"))
        ]  # fmt: skip

    def add(
        self, name: str, precision: str, files: Sequence[Path], difference: float,
        open_file: Callable[[], Artefact], needs: str = "",
    ) -> Row:  # fmt: skip
        """Opens a finished export and measures it; files: its own, the main one last; needs: the
        system that runs it, where that is not this one: nothing is measured then.
        """
        if needs:
            nan = float("nan")
            self.rows.append(
                Row(name, precision, str(files[-1]), megabytes(files), difference, nan,
                    self.metric, self.before, nan, nan, nan, nan, needs)
            )  # fmt: skip
            return self.rows[-1]
        begin = time.perf_counter()
        artefact = open_file()
        whole = bool(artefact.about.get("whole"))
        artefact.run(self.trial.image if whole else self.trial.pixels[:1])
        startup = time.perf_counter() - begin
        own = self.trial.scorer
        if whole:
            scorer: Scorer | WholeScorer = WholeScorer(artefact, own.max_pixels)
            seconds = median_seconds(artefact.run, self.trial.image)
            speed = 1000 * seconds, 1 / seconds
        else:
            scorer = replace(own, model=ArtefactNetwork(artefact))
            speed = speeds(artefact.run, self.trial.pixels)
        found, _, after = self._judged(scorer, f"{name} {precision}")
        agreement = float("nan")
        if found is not None and self.found is not None:
            agreement = score_metrics(self.found.scores, found.scores).values()["srcc"]
        row = Row(
            name, precision, str(files[-1]), megabytes(files), difference, agreement, self.metric,
            self.before, after, *speed, startup,
        )  # fmt: skip
        self.rows.append(row)
        return row

    def _judged(
        self, scorer: Scorer | WholeScorer, who: str
    ) -> tuple[Predictions | None, str, float]:
        if not self.trial.sources:
            return None, "", float("nan")
        sources, skip = self.trial.sources, self.trial.skip
        found, kept, _ = scorer.predict_readable(sources, skip, f"scoring by {who}")
        if len(kept) < len(sources):
            self.trial = replace(self.trial, sources=[sources[i] for i in kept])
        if self.trial.measure is None:
            return found, "", float("nan")
        return found, *self.trial.measure(found)

    def lines(self) -> list[str]:
        """For the screen, with a line of what the columns mean."""
        metric = self.metric or "srcc"
        heading = [
            "format", "precision", "MB", "difference", "srcc: network", f"{metric}: before",
            "after", "ms", "images/s", "start s", "file",
        ]  # fmt: skip
        rows = [
            [row.format, row.precision, f"{row.megabytes:.1f}",
             f"not compared: needs {row.needs}" if row.needs else _shown(row.difference, ".1e"),
             *(_shown(v, ".4f") for v in (row.srcc_network, row.before, row.after)),
             *(_shown(v, ".1f") for v in (row.latency_ms, row.images_per_s)),
             _shown(row.startup_s, ".2f"),
             row.file]
            for row in self.rows
        ]  # fmt: skip
        count = len(self.trial.sources)
        images = f"{count or 'no'} image{'s' * (count != 1)}"
        labels = "" if self.trial.measure else ", without labels that say more: -"
        threads = torch.get_num_threads()
        return [
            *aligned([heading, *rows], left=2),
            f"{images}{labels}; medians on {threads} thread{'s'[: threads > 1]} of this machine: "
            f"ms of one image, images/s of {BATCH} at once",
        ]

    def write(self, file: Path) -> None:
        """As .json or .csv."""
        rows = [asdict(row) for row in self.rows]
        if file.suffix == ".json":
            threads = torch.get_num_threads()
            images = len(self.trial.sources)
            write_json(file, without_nan({"images": images, "threads": threads, "exports": rows}))
        else:
            cells = [["" if v != v else v for v in row.values()] for row in rows]
            write_csv(file, [list(rows[0]), *cells])


def speeds(run: Run, pixels: np.ndarray) -> tuple[float, float]:
    """(median milliseconds of one image, median images a second in batches of BATCH)."""
    batch = np.ascontiguousarray(np.resize(pixels, (BATCH, *pixels.shape[1:])))
    return 1000 * median_seconds(run, batch[:1]), BATCH / median_seconds(run, batch)


def median_seconds(run: Run, pixels: np.ndarray) -> float:
    """Seconds of one call, after one that is not counted."""
    run(pixels)
    taken: list[float] = []
    while len(taken) < 3 or (len(taken) < RUNS and sum(taken) < MOST_SECONDS):
        begin = time.perf_counter()
        run(pixels)
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def megabytes(files: Sequence[Path]) -> float:
    """Of files and folders together, a megabyte being a million bytes."""
    every = [part for file in files for part in ([file] if file.is_file() else file.rglob("*"))]
    return sum(part.stat().st_size for part in every if part.is_file()) / 1e6


def _shown(value: float, digits: str) -> str:
    return "-" if value != value else f"{value:{digits}}"
