"""Everything that --compare finds, and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from applications.comparison.judging import RULE, Disagreement
from applications.comparison.matching import Matched
from applications.comparison.runs import Difference, Run
from applications.evaluation.evaluation import Resampling
from dataloader.sources import Source
from utils.files.writing import without_nan
from utils.statistics.compare_models import Comparison
from utils.statistics.metric import Metric

SIGNIFICANT = 0.05
MOST_SHOWN = 10  # pairs of runs whose disagreement is shown; FILE.json has all


@dataclass(frozen=True, eq=False)
class Found:
    """matched: the runs with their metrics; rows: every two runs by every metric; settings: in what
    the runs differ; remarks: what a reader has to know of the metrics; sources: of the matched
    images (N), where the labels were read once more, else nothing.
    """

    matched: Matched
    rows: list[Comparison]
    settings: list[Difference]
    disagreements: list[Disagreement]
    remarks: Sequence[str]
    sources: Sequence[Source] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.matched.runs

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Those of the first run by key; the others have the same ones."""
        return self.runs[0].test.by_key

    @property
    def resampling(self) -> Resampling:
        """How all intervals were made."""
        how = self.runs[0].test.resampling
        assert how is not None  # the runs have been judged
        return how

    def odd_fit(self, row: Comparison) -> bool:
        """Whether a row is of metrics after a fit that turns round or levels a run's scores."""
        fit, both = self.metrics[row.metric].fit, (row.first, row.second)
        return bool(fit) and any(r.test.fits[fit].turns for r in self.runs if r.name in both)

    def better_of(self, row: Comparison) -> str | None:
        """The run that a row shows to be better after Holm's correction; None: no difference
        shown, or one of fits that flatter.
        """
        if not row.p_holm < SIGNIFICANT or self.odd_fit(row):
            return None
        higher = self.metrics[row.metric].higher_is_better
        return row.first if (row.difference > 0) == higher else row.second

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
        matched, kind = self.matched, self.matched.kind
        if matched.opinion is None and self.sources:
            kind = "pairs"
        return f"{len(matched.names):,} test images, matched {matched.how}; labels: {kind}"

    @property
    def independent(self) -> bool:
        """Whether some row has the tests that take images for independent."""
        return any(row.williams_p == row.williams_p for row in self.rows)

    def method(self) -> list[str]:
        """How the metrics were made."""
        how, fit_on = self.resampling, self.runs[0].test.fit_on
        said = []
        if self.rows:
            said.append(
                f"95% intervals and p from {how.samples} resamples of {how.count} {how.drawn}, the "
                "same ones for all runs; p_holm: corrected for the number of pairs of runs (Holm), "
                "metric by metric"
            )
        if self.independent:
            said.append(
                "Williams' and Steiger's tests take images for independent; with several images "
                "of one reference they find too much"
            )
        if fit_on:
            said.append(
                "plcc_4p and rmse_4p: after a 4-parameter logistic of each run's own scores, "
                f"fitted on {fit_on}"
            )
        return [*said, f"disagreement: {RULE}"]


def as_json(found: Found) -> dict[str, Any]:
    """Built-in types; null for what does not exist. A metric has been a "figure" in this file since
    it was first written.
    """
    return without_nan(
        {
            "runs": [_run(run) for run in found.runs],
            "images": len(found.matched.names),
            "matched": found.matched.how,
            "labels": found.matched.kind,
            "configuration": [
                {
                    "name": one.name,
                    "values": {r.name: v for r, v in zip(found.runs, one.values, strict=True)},
                    "matters": one.matters,
                }
                for one in found.settings
            ],
            "figures": {
                run.name: {
                    metric.key: {"value": metric.value, "low": metric.low, "high": metric.high}
                    for metric in run.test.metrics
                }
                for run in found.runs
            },
            "bootstrap": dataclasses.asdict(found.resampling),
            "fit": found.runs[0].test.fit_on,
            "significance": [
                {"figure" if name == "metric" else name: value for name, value in own.items()}
                | {"better": found.better_of(row)}
                for row in found.rows
                for own in [dataclasses.asdict(row)]
            ],
            "disagreement": [_disagreement(found, one) for one in found.disagreements],
            "rule": RULE,
            "remarks": list(found.remarks),
        }
    )


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "path": str(run.path),
        "predictions": run.test.file,
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
        "pairs": [
            {
                "higher_in_first": _image(found, one, pair.a),
                "higher_in_second": _image(found, one, pair.b),
                "lead_first": pair.lead_first,
                "lead_second": pair.lead_second,
                "right": right,
            }
            for pair, right in one.pairs
        ],
        "images": [_image(found, one, place) for place in one.images],
    }


def _image(found: Found, one: Disagreement, place: int) -> dict[str, Any]:
    matched = found.matched
    facts: dict[str, Any] = {"image": matched.names[place]}
    for name in (one.first, one.second):
        facts[name] = {
            "score": float(matched.scores[name][place]), "standardised": float(one.z[name][place])
        }  # fmt: skip
    if matched.opinion is not None:
        facts["opinion"] = float(matched.opinion[place])
    return facts
