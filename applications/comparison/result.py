"""Everything that --compare finds, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np

from applications.comparison.disagreement import RULE, Disagreement, OpposedImages
from applications.comparison.figures import Judgement, better_of
from applications.comparison.images import Matched
from applications.comparison.runs import ComparedRun
from applications.comparison.settings import Difference
from dataloader.sources import Source
from utils.files.writing import without_nan

MOST_SHOWN = 10  # pairs of runs whose disagreement is shown; FILE.json has all


@dataclass(frozen=True)
class Found:
    """settings: in what the runs differ; remarks: what a reader has to know of the figures;
    sources: of the matched images (N), where the labels were read once more, else nothing.
    """

    matched: Matched
    judged: Judgement
    settings: list[Difference]
    disagreements: list[Disagreement]
    remarks: Sequence[str]
    sources: Sequence[Source] = ()

    @property
    def runs(self) -> tuple[ComparedRun, ...]:
        return self.matched.runs

    @property
    def letters(self) -> dict[str, str]:
        """A, B, C, ... by the run's name, which may be too long for a table."""
        return dict(zip((run.name for run in self.runs), ascii_uppercase, strict=False))

    def most_apart(self) -> list[Disagreement]:
        """Those that are shown: all, or the MOST_SHOWN that order most pairs differently."""
        ranked = sorted(self.disagreements, key=lambda one: -one.share)[:MOST_SHOWN]
        return [one for one in self.disagreements if one in ranked]

    def described(self) -> str:
        """The images and their labels, in a sentence."""
        matched, kind = self.matched, self.matched.labels.kind
        if matched.opinion is None and self.sources:
            kind = "pairs"
        return f"{len(matched.names):,} test images, matched {matched.how}; labels: {kind}"

    def method(self) -> list[str]:
        """How the figures were made."""
        drawn = self.judged.drawn
        said = []
        if self.judged.rows:
            said.append(
                f"95% intervals and p from {drawn['samples']} resamples of {drawn['count']} "
                f"{drawn['drawn']}, the same ones for all runs; p_holm: corrected for the number "
                "of pairs of runs (Holm), figure by figure"
            )
        if any(row.williams_p == row.williams_p for row in self.judged.rows):
            said.append(
                "Williams' and Steiger's tests take images for independent; with several images "
                "of one reference they find too much"
            )
        if self.judged.fit:
            said.append(
                "plcc_4p and rmse_4p: after a 4-parameter logistic of each run's own scores, "
                f"fitted on {self.judged.fit}"
            )
        return [*said, f"disagreement: {RULE}"]


def as_json(found: Found) -> dict[str, Any]:
    """Built-in types; null for what does not exist."""
    matched, judged = found.matched, found.judged
    return without_nan(
        {
            "runs": [_run(run) for run in found.runs],
            "images": len(matched.names),
            "matched": matched.how,
            "labels": matched.labels.kind,
            "configuration": [
                {
                    "name": one.name,
                    "values": {r.name: v for r, v in zip(found.runs, one.values, strict=True)},
                    "matters": one.matters,
                }
                for one in found.settings
            ],
            "figures": {
                name: {
                    figure: {"value": value, "low": low, "high": high}
                    for figure, (value, low, high) in own.items()
                }
                for name, own in judged.figures.items()
            },
            "bootstrap": judged.drawn,
            "fit": judged.fit,
            "significance": [
                # The file has said "figure" since it was first written.
                {"figure" if name == "metric" else name: value for name, value in own.items()}
                | {"better": better_of(row)}
                for row in judged.rows
                for own in [dataclasses.asdict(row)]
            ],
            "disagreement": [_disagreement(found, one) for one in found.disagreements],
            "rule": RULE,
            "remarks": list(found.remarks),
        }
    )


def _run(run: ComparedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "predictions": str(run.predictions.file),
        "config": run.config,
        "command": run.environment.get("command"),
        "monitor": run.monitor,
        "best_epoch": run.results.get("best_epoch"),
        "curves": {
            name: {"epoch": epochs.tolist(), "value": values.tolist()}
            for name, (epochs, values) in run.curves.items()
        },
    }


def _disagreement(found: Found, one: Disagreement) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "share_of_pairs": one.share,
        "pairs": [_pair(found, one, pair) for pair in one.pairs],
        "images": [_image(found, one, place) for place in one.images],
    }


def _pair(found: Found, one: Disagreement, pair: OpposedImages) -> dict[str, Any]:
    return {
        "higher_in_first": _image(found, one, pair.a),
        "higher_in_second": _image(found, one, pair.b),
        "lead_first": pair.lead_first,
        "lead_second": pair.lead_second,
        "right": pair.right,
    }


def _image(found: Found, one: Disagreement, place: int) -> dict[str, Any]:
    matched = found.matched
    facts: dict[str, Any] = {"image": matched.names[place]}
    for name in (one.first, one.second):
        facts[name] = {
            "score": float(matched.scores[name][place]), "standardised": float(one.z[name][place])
        }  # fmt: skip
    if matched.opinion is not None:
        facts["opinion"] = float(np.asarray(matched.opinion)[place])
    return facts
