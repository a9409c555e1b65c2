"""Verdicts on predictions that are given: what is usable, weak and useless, and why, against NumPy
and SciPy, and against a simulation of raters.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from applications.evaluation.evaluation import image_clusters
from applications.evaluation.rules import Learned
from applications.evaluation.validation import untrained
from applications.evaluation.verdict import Verdict, verdict_of
from applications.inputs.splits import Split
from applications.tasks import TASKS
from dataloader.labels.labels import Labels, Version
from dataloader.targets.images import DistributionTargets, ScoreTargets
from dataloader.targets.pairs import PairTargets
from tests.given_scores import GivenScorer, Judged
from tests.given_scores import finished as evaluated
from utils.files.writing import without_nan
from utils.statistics.bootstrap import bootstrap
from utils.statistics.predictions import Predictions
from utils.statistics.vote_noise import Ceiling

N = 200
PATHS = [Path(f"{i:03}.png") for i in range(N)]
MOS = np.random.default_rng(0).normal(60, 10, N)
NOISE = np.random.default_rng(1).normal(0, 1, N)
LEVELS = [
    Version(f"photo{i // 8}", ("blur", "noise")[i // 4 % 2], i % 4) for i in range(N)
]  # two ladders of 4 levels for each of 25 photographs


def split_of(labels: Labels, targets) -> Split:
    return Split("test", labels, targets, Path("data/test/label.txt"), "")


def judged(task: str, labels: Labels, targets, found: Predictions, **learned) -> Verdict:
    e, _ = evaluated(task, Judged(split_of(labels, targets), found))
    return verdict_of(e, Learned(**learned), 200, 0)


def rated(scores: np.ndarray, mos: np.ndarray = MOS, **learned) -> Verdict:
    labels = Labels.of("scores", PATHS[: len(mos)], mos)
    found = Predictions(np.asarray(scores, np.float32))
    return judged("regress", labels, ScoreTargets(labels), found, **learned)


def ranked(scores: np.ndarray) -> Verdict:
    level = np.array([v.level for v in LEVELS])
    named = [
        (PATHS[i], PATHS[j])
        for i in range(N)
        for j in range(i + 1, i // 4 * 4 + 4)
        if level[i] < level[j]
    ]
    first = dict.fromkeys(path for pair in named for path in pair)
    assert list(first) == PATHS
    labels = Labels.of("pairs", named, versions=LEVELS)
    return judged("rank", labels, PairTargets(labels), Predictions(scores.astype(np.float32)))


def kinds(verdict: Verdict) -> dict[str, str]:
    return {finding.rule: finding.kind for finding in verdict.findings}


def numbers(verdict: Verdict, rule: str):
    return next(finding for finding in verdict.findings if finding.rule == rule)


def test_a_good_model_is_usable_and_its_numbers_are_those_of_the_definitions():
    scores = 0.6 * (MOS - 60) + 60 + 3 * NOISE
    found = rated(scores, mean=59.0)
    assert found.outcome == "usable" and found.kind == "good"
    assert kinds(found) == {"mean": "good", "order": "good", "weakest scores": ""}
    mean, order, worst = found.findings
    own, base = (np.sqrt(np.mean((x - MOS) ** 2)) for x in (scores, 59.0))
    assert (mean.metric.value, mean.against.value) == pytest.approx((own, base), rel=1e-5)
    assert mean.gain.value == pytest.approx(1 - own / base, rel=1e-5)
    assert mean.gain.low < mean.gain.value < mean.gain.high
    assert "Always saying 59 (the training scores' mean)" in mean.text
    assert order.metric.value == pytest.approx(stats.spearmanr(scores, MOS).statistic, abs=1e-6)
    right = np.mean(np.subtract.outer(scores, scores) * np.subtract.outer(MOS, MOS) > 0) * N
    assert f"higher first {100 * right / (N - 1):.0f} times in 100" in found.text
    parts = np.array_split(np.argsort(MOS), 3)
    errors = [np.sqrt(np.mean((scores - MOS)[part] ** 2)) for part in parts]
    assert worst.metric.value == pytest.approx(max(errors), rel=0.02)
    which = ("lowest", "middle", "highest")[np.argmax(errors)]
    assert worst.metric.group.name == which == "highest" and "too low" in worst.text
    assert worst.text in found.text and found.lines().splitlines()[1:] == [
        f"  {f.text}" for f in found.findings
    ]
    stored = json.loads(json.dumps(without_nan({"verdict": found.as_json()})))["verdict"]
    assert stored["rules"][1]["metric"]["low"] == pytest.approx(order.metric.low)


@pytest.mark.parametrize(
    ("scores", "outcome", "says"),
    [
        (60 + 10 * NOISE, "no better than the mean", "No better than the mean: do not use."),
        (120 - MOS, "no better than the mean", "Its order is upside down"),
        (np.full(N, 60.0), "no better than the mean", "It says the same of every image."),
        (0.2 * (MOS - 60) + 60 + 4 * NOISE, "weak", "not to be relied on for a single image"),
        (MOS / 100, "weak", "its order is of use, its numbers are not"),
        (0.04 * MOS + 57.6, "weak", "its order is of use, its numbers are not"),
    ],
)  # fmt: skip
def test_what_is_worse_is_called_so(scores, outcome, says):
    found = rated(scores)
    assert found.outcome == outcome and says in found.text, found.text
    assert "these images' own scores" in found.findings[0].text if found.findings else True


@pytest.mark.parametrize(("count", "outcome"), [(5, "weak"), (50, "usable"), (N, "usable")])
def test_no_error_at_all_is_not_chance(count, outcome):
    found = rated(MOS[:count].astype(np.float32), MOS[:count].astype(np.float32))
    gain = numbers(found, "mean").gain
    assert (gain.value, gain.low, gain.high) == (1, 1, 1) and kinds(found)["mean"] == "good"
    assert found.outcome == outcome and "chance" not in found.lines()
    assert "nan" not in found.lines() and "Weakest" not in found.lines()


def test_five_images_that_are_all_further_off_are_no_chance():
    mos = np.random.default_rng(4).uniform(1, 5, 5)
    found = rated(5 - mos, mos)
    assert numbers(found, "mean").gain.high == 0
    assert "% more (RMSE)" in found.lines() and "upside down" in found.text


def test_extremes_that_are_told_apart_are_worth_something():
    mos = np.concatenate([np.linspace(0.95, 1.05, 45), np.linspace(9.6, 9.8, 5)])
    scores = np.concatenate([mos[:45][::-1], mos[45:]])
    found = rated(scores, mos)
    assert (kinds(found)["mean"], kinds(found)["order"]) == ("good", "bad")
    assert found.outcome == "weak" and "tell extremes apart" in found.text
    assert "do not use" not in found.text and "upside down" not in found.text


def test_a_training_mean_of_another_scale_is_not_held_against():
    found = rated(MOS + NOISE, mean=0.6)
    assert numbers(found, "mean").against.value == pytest.approx(MOS.std(), rel=1e-6)
    assert "the mean of these images' own scores" in numbers(found, "mean").text


def test_what_cannot_be_told_is_said():
    few = rated(MOS[:4] + NOISE[:4], MOS[:4])
    assert few.outcome == "too little to judge" and "4 independent images" in few.text
    flat = rated(NOISE, np.full(N, 3.0))
    assert flat.outcome == "too little to judge" and not flat.findings
    labels = Labels.of("scores", PATHS, MOS)
    on = Judged(split_of(labels, ScoreTargets(labels)), Predictions(MOS.astype(np.float32)))
    e, _ = evaluated("regress", on, samples=0)
    assert "--bootstrap 0" in verdict_of(e, Learned(), 0, 0).text


def test_histograms_are_held_against_one_for_all():
    rng = np.random.default_rng(2)
    truth = rng.dirichlet(4 * np.array([1, 2, 3, 2, 1.0]), N)
    votes = np.stack([rng.multinomial(30, row) for row in truth])
    shares = votes / 30
    labels = Labels.of("distributions", PATHS, shares, votes=np.full(N, 30))
    mean = shares.mean(axis=0)

    def verdict(probs):
        scores = (probs @ np.arange(1, 6)).astype(np.float32)
        found = Predictions(scores, probs.astype(np.float32))
        return judged("emd", labels, DistributionTargets(labels), found, histogram=mean.tolist())

    good = verdict(truth)
    rule = numbers(good, "histogram")

    def distance(p):
        return np.abs(np.cumsum(p - shares, axis=1)).mean()

    values = (rule.metric.value, rule.against.value)
    assert values == pytest.approx((distance(truth), distance(mean)), abs=1e-6)
    assert good.outcome == "usable" and "ceiling" in kinds(good)
    # The right means, of one or two bins: further away than the mean histogram.
    place = np.floor(truth @ np.arange(5)).astype(int)
    rest = (truth @ np.arange(5) - place)[:, None]
    sharp = verdict((1 - rest) * np.eye(5)[place] + rest * np.eye(5)[np.minimum(place + 1, 4)])
    assert sharp.outcome == "weak" and kinds(sharp)["histogram"] == "bad"


def test_the_ceiling_is_the_correlation_of_the_true_scores():
    """2,000 images, rated by 3 to 20 people each: whoever knows the true scores reaches sqrt(R)."""
    rng = np.random.default_rng(3)
    true, count = rng.normal(3, 0.6, 2000), rng.integers(3, 21, 2000)
    votes = [t + rng.normal(0, 0.9, n) for t, n in zip(true, count, strict=True)]
    mos, std = (np.array([f(v) for v in votes]) for f in (np.mean, lambda v: np.std(v, ddof=1)))
    ceiling = Ceiling(mos, std, count)
    reached = np.corrcoef(true, mos)[0, 1]
    assert ceiling.value == pytest.approx(reached, abs=0.012) and 0.8 < reached < 0.95
    found = bootstrap({"it": ceiling}, np.arange(2000), 200, rng)["it"]
    assert found.low < reached < found.high
    assert Ceiling(mos, 10 * std, count).value == 0  # noise alone
    assert Ceiling(mos, 0 * std, count).value == 1
    # A single vote has the others' variance.
    one = Ceiling(mos, np.where(count < 5, 0, std), np.where(count < 5, 1, count))
    assert one.value < ceiling.value


def test_rankings_are_held_against_a_coin_for_each_distortion():
    level, blur = (
        np.array([v.level for v in LEVELS]),
        np.array([v.distortion == "blur" for v in LEVELS]),
    )
    good = ranked(-level + 0.3 * NOISE)
    assert good.outcome == "usable" and kinds(good)["each distortion"] == "good"
    assert "Weakest distortion: " in good.text and "weakest level" in kinds(good)
    half = ranked(np.where(blur, -level, 0) + 0.3 * NOISE)
    assert half.outcome == "weak"
    assert "No better than a coin for 1 of 2 distortions: noise." in half.text
    assert numbers(half, "weakest distortion").metric.group.name == "noise"
    # As many right as wrong for each photograph: no resample differs.
    against = ranked(np.where(blur, -level, level).astype(float))
    assert against.outcome == "no better than chance"
    assert "for 1 of 2 distortions: noise (upside down)." in against.text
    assert numbers(against, "pairs").metric.low == pytest.approx(0.5 - 3 / 25)
    coin = ranked(NOISE)
    assert coin.outcome == "no better than chance" and "do not use" in coin.text
    # Every pair right: no resample differs, and 25 photographs leave room for 3 faults in 25.
    perfect = ranked(-level.astype(float))
    assert perfect.outcome == "usable"
    assert numbers(perfect, "pairs").metric.low == pytest.approx(1 - 3 / 25)


def test_the_network_before_training_is_told():
    labels = Labels.of("scores", PATHS, MOS)
    targets = ScoreTargets(labels)
    before = untrained(
        GivenScorer([Predictions(NOISE.astype(np.float32))]), TASKS["regress"], targets, 0
    )
    value, low, high = before["srcc"]
    assert value == pytest.approx(stats.spearmanr(NOISE, MOS).statistic, abs=1e-6)
    assert low < value < high
    found = rated(MOS + NOISE, untrained=before)
    assert "training has helped" in numbers(found, "untrained").text
    assert "not certain" in numbers(rated(NOISE, untrained=before), "untrained").text
    flat = GivenScorer([Predictions(np.zeros(N, np.float32))])
    assert untrained(flat, TASKS["regress"], targets, 0) == {}
    assert image_clusters(None, PATHS, {})[1] == "images"
