"""What the last evaluation adds: where a fit comes from, what is resampled, what votes allow."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from applications.combinations import check
from applications.evaluation.evaluation import image_clusters
from applications.evaluation.judging import Judging, split_to_fit_on
from applications.inputs.splits import Split
from applications.tasks import TASKS
from config import UsageError, parse
from dataloader.labels.labels import Labels, Version
from dataloader.targets.buckets import BucketedDistributions, BucketTargets
from dataloader.targets.images import DistributionTargets, RelatedDistributions, ScoreTargets
from dataloader.targets.pairs import PairTargets
from tests.given_scores import Judged
from tests.given_scores import finished as evaluated
from utils.statistics import vote_noise
from utils.statistics.ladder_metrics import LADDER_METRICS
from utils.statistics.logistic_fit import fit_logistic
from utils.statistics.metrics import distribution_metrics, pair_metrics, score_metrics
from utils.statistics.predictions import Predictions

PATHS = [Path(f"{i:02}.png") for i in range(40)]
REFERENCES = [Version(f"photo{i // 4}", "blur", i % 4) for i in range(40)]


def rated(seed, name="test", versions=None):
    """A split of 40 images with MOS, and scores that bend."""
    rng = np.random.default_rng(seed)
    mos = rng.uniform(1, 5, 40)
    targets = ScoreTargets(Labels.of("scores", PATHS, mos, versions=versions))
    scores = np.exp(0.5 * mos) + rng.normal(0, 0.5, 40)
    return judged(targets, Predictions(scores.astype(np.float32), None), name)


def voted(seed, versions=None, counts=True):
    rng = np.random.default_rng(seed)
    votes = np.stack([rng.multinomial(20, rng.dirichlet(np.ones(5))) for _ in range(40)])
    votes += rng.integers(0, 3, (40, 5))
    labels = histograms(votes, counts, versions)
    probs = (votes + 20 * rng.dirichlet(np.ones(5), 40)).astype(np.float32)
    probs /= probs.sum(axis=1, keepdims=True)
    scores = Predictions(probs @ np.arange(1, 6, dtype=np.float32), probs)
    return judged(DistributionTargets(labels), scores, "test"), votes


def histograms(votes, counts=True, versions=None):
    totals = votes.sum(axis=1)
    probs, counted = votes / totals[:, None], totals if counts else None
    return Labels.of("distributions", PATHS, probs, votes=counted, versions=versions)


def judged(targets, scores, name):
    labels = Labels.of("scores", [])  # what is judged are the targets
    return Judged(Split(name, labels, targets, Path(f"data/{name}/label.txt"), ""), scores)


def finished(task, on, val=None, **flags):
    found, remarks = evaluated(task, on, val, **flags)
    return found.as_json(), remarks


def test_the_fit_is_of_val_where_that_is_given_and_marked():
    on, val = rated(0), rated(1, "val")
    mos, scores = on.split.targets.all()["mos"], on.found.scores
    alone, _ = finished("regress", on)
    of_val, _ = evaluated("regress", on, val)
    given = of_val.as_json()
    assert (alone["fit"], given["fit"]) == ("test", "val")
    for values, source in ((alone, on), (given, val)):
        for kind in ("4p", "5p"):
            fit = fit_logistic(kind, source.found.scores, source.split.targets.all()["mos"])
            mapped = fit(scores)
            assert values[f"plcc_{kind}"] == pytest.approx(stats.pearsonr(mapped, mos).statistic)
            assert values[f"rmse_{kind}"] == pytest.approx(np.sqrt(np.mean((mapped - mos) ** 2)))
            assert values["fits"][kind]["parameters"] == fit.parameters
    assert alone["plcc_4p"] > alone["plcc"] and alone["rmse_4p"] > 0
    assert given["rmse_4p"] >= alone["rmse_4p"]
    assert score_metrics(scores, mos).values().items() <= given.items()
    printed = of_val.table("title").splitlines()
    assert next(line for line in printed if line.startswith("plcc_4p")).endswith("fit: val")
    assert not any("fit" in line for line in printed if line.startswith(("plcc ", "srcc")))
    assert [line.split()[0] for line in printed if line.endswith("  raw")] == ["plcc", "rmse"]


def test_a_failed_fit_is_said_and_printed():
    on = rated(0)
    flat = judged(on.split.targets, Predictions(np.full(40, 2.0, np.float32), None), "val")
    found, remarks = evaluated("regress", on, flat)
    values = found.as_json()
    assert "4p fit: constant prediction" in remarks and math.isnan(values["plcc_4p"])
    lines = [line.split() for line in found.table("title").splitlines()]
    assert ["plcc_4p", "nan", "fit:", "failed"] in lines
    assert "plcc_4p" not in values["intervals"] and "plcc" in values["intervals"]
    on, _ = voted(0)
    flat = judged(on.split.targets, Predictions(np.full(40, 2.0), on.found.probs), "val")
    values, _ = finished("emd", on, flat)  # no error after the fit is an outlier, or is none
    for name in ("outlier_ratio_std", "outlier_ratio_se"):
        assert math.isnan(values[name]) and name not in values["intervals"]


def test_intervals_are_of_references_where_they_are_known():
    one, _ = finished("regress", rated(0))
    grouped, _ = finished("regress", rated(0, versions=REFERENCES))
    assert (one["bootstrap"]["drawn"], one["bootstrap"]["count"]) == ("images", 40)
    assert (grouped["bootstrap"]["drawn"], grouped["bootstrap"]["count"]) == ("references", 10)
    assert one["intervals"] != grouped["intervals"]
    names = {"srcc", "plcc", "krcc", "rmse", "mae", "plcc_4p", "rmse_4p", "plcc_5p", "rmse_5p"}
    assert one["intervals"].keys() == names
    assert grouped["intervals"].keys() == {*names, *LADDER_METRICS}
    for name, (low, high) in one["intervals"].items():
        assert low < one[name] < high
    printed = evaluated("regress", rated(0, versions=REFERENCES))[0].table("title").splitlines()
    assert printed[-1] == "[95% intervals: 200 resamples of 10 references]"
    low, high = grouped["intervals"]["srcc"]
    assert any(line.split()[2:4] == [f"[{low:.4f},", f"{high:.4f}]"] for line in printed[1:-1])


def test_the_seed_decides_and_zero_leaves_intervals_out():
    first, again, other = (finished("regress", rated(0), seed=s)[0] for s in (3, 3, 4))
    assert first == again and first["intervals"] != other["intervals"]
    none, remarks = finished("regress", rated(0), samples=0)
    assert "intervals" not in none and "bootstrap" not in none and "plcc_4p" in none
    assert remarks == []


def test_votes_allow_outliers_and_resolving_power():
    on, votes = voted(0)
    values, _ = finished("emd", on)
    mos = on.split.targets.all()["probs"] @ np.arange(1, 6)
    samples = [np.repeat(np.arange(1, 6), row) for row in votes]
    std = np.array([s.std(ddof=1) for s in samples])
    error = np.abs(fit_logistic("4p", on.found.scores, mos)(on.found.scores) - mos)
    assert values["outlier_ratio_std"] == pytest.approx(np.mean(error > 2 * std))
    limit = 2 * std / np.sqrt(votes.sum(axis=1))
    assert values["outlier_ratio_se"] == pytest.approx(np.mean(error > limit))
    assert 0 < values["outlier_ratio_se"] < 1 and values["outlier_ratio_std"] == 0
    pairs = [(a, b) for i, a in enumerate(samples) for b in samples[:i]]
    significant = [
        abs(a.mean() - b.mean()) > 1.959964 * math.hypot(stats.sem(a), stats.sem(b))
        for a, b in pairs
    ]
    assert values["n_different"] == sum(significant)
    assert values["n_similar"] == len(pairs) - sum(significant)
    assert 0.5 < values["auc_different"] < 1
    assert 0.5 < values["correct_better"] <= values["auc_better"] < 1
    shown = distribution_metrics(on.found.probs, on.split.targets.all()["probs"]).values()
    assert shown.items() <= values.items()
    names = {"emd_r1", "emd_r2", "std_srcc", "std_plcc", "srcc", "outlier_ratio_se"}
    assert {*names, *vote_noise.POWER_METRICS} <= values["intervals"].keys()
    for name in vote_noise.POWER_METRICS:
        low, high = values["intervals"][name]
        assert 0.4 < low < values[name] < high < 1
    assert values["intervals"]["emd_r1"][0] < values["emd_r1"] < values["intervals"]["emd_r1"][1]


def relabelled(task, labels):
    if task == "emd+rank":
        return RelatedDistributions(labels)
    if task == "emd+siamese":
        return BucketedDistributions(labels, 1.0)
    return BucketTargets(Labels.of("buckets", PATHS, np.argmax(labels.values, axis=1)))


@pytest.mark.parametrize("task", ["emd+rank", "emd+siamese", "siamese"])
def test_every_figure_of_the_other_tasks_has_an_interval(task):
    on, votes = voted(0)
    labels = histograms(votes)
    values, _ = finished(task, judged(relabelled(task, labels), on.found, "test"))
    for name in TASKS[task].metrics[:-1]:  # all but the loss
        low, high = values["intervals"][name]
        assert low < values[name] < high
        metrics = TASKS[task].measure(relabelled(task, labels).all(), on.found).metrics()
        assert metrics[name](np.ones((1, 40))) == pytest.approx([values[name]])


def test_mean_scores_with_a_std_csv(tmp_path):
    """As --prepare writes it: outliers, and with vote counts resolving power as well."""
    rng = np.random.default_rng(3)
    on = rated(0)
    std, votes = rng.uniform(0.1, 0.6, 40), rng.integers(5, 30, 40)
    labels = Labels.of("scores", [tmp_path / p for p in PATHS], on.split.targets.values)
    split = Split("test", labels, ScoreTargets(labels), tmp_path / "label.txt", "")

    def finished_with(rows, header="path,std,votes"):
        (tmp_path / "std.csv").write_text(header + "\n" + "\n".join(rows), encoding="utf-8")
        return finished("regress", Judged(split, on.found))

    full = [f"{p},{s},{v}" for p, s, v in zip(PATHS, std, votes, strict=True)]
    values, _ = finished_with(full)
    mos = split.targets.all()["mos"]
    error = np.abs(fit_logistic("4p", on.found.scores, mos)(on.found.scores) - mos)
    assert 0 < values["outlier_ratio_std"] == np.mean(error > 2 * std)
    assert values["outlier_ratio_se"] == np.mean(error > 2 * std / np.sqrt(votes))
    assert values["n_different"] + values["n_similar"] == 40 * 39 / 2
    uncounted, _ = finished_with([row.rpartition(",")[0] + "," for row in full])
    assert uncounted["outlier_ratio_std"] == values["outlier_ratio_std"]
    assert not {"outlier_ratio_se", "auc_better"} & uncounted.keys()
    errors = [f"{p},{s / n**0.5}" for p, s, n in zip(PATHS, std, votes, strict=True)]
    means, _ = finished_with(errors, "path,standard_error")
    assert "outlier_ratio_std" not in means  # it is not the votes' spread
    for name in ("outlier_ratio_se", "auc_better", "n_different"):
        assert means[name] == pytest.approx(values[name]), name
    broken, remarks = finished_with(full[1:])
    assert "outlier_ratio_std" not in broken and "plcc_4p" in broken
    assert any("no outlier ratio" in said and "00.png" in said for said in remarks)


def test_shares_have_a_deviation_but_no_counts():
    values, _ = finished("emd", voted(0, counts=False)[0])
    assert "outlier_ratio_std" in values
    assert not {"outlier_ratio_se", "auc_better", "n_different"} & values.keys()


def ranked(pairs, versions=None):
    rng = np.random.default_rng(2)
    named = [(PATHS[a], PATHS[b]) for a, b in pairs]
    targets = PairTargets(Labels.of("pairs", named, versions=versions))
    quality = -np.array([PATHS.index(path) % 4 for path in targets.paths], dtype=np.float32)
    return judged(
        targets,
        Predictions(quality + rng.normal(0, 1, len(quality)).astype(np.float32), None),
        "test",
    )


LADDER_PAIRS = [
    (4 * p + a, 4 * p + b) for p in range(10) for a in range(4) for b in range(a + 1, 4)
]


@pytest.mark.parametrize("versions", [None, REFERENCES])
def test_pair_accuracy_by_photograph(versions):
    on = ranked(LADDER_PAIRS, versions)
    values, remarks = finished("rank", on)
    labels, scores = on.split.targets.all(), on.found.scores
    expected = pair_metrics(scores, labels["better"], labels["worse"]).values()
    assert values["pair_accuracy"] == expected["pair_accuracy"]
    low, high = values["intervals"]["pair_accuracy"]
    assert low < values["pair_accuracy"] < high and remarks == []
    drawn = "references" if versions else "groups of images that pairs link"
    assert (values["bootstrap"]["drawn"], values["bootstrap"]["count"]) == (drawn, 10)
    assert "fit" not in values and "plcc_4p" not in values
    assert finished("rank", on, fit="val")[1] == [
        "--fit val: nothing to fit, rank labels are no opinions"
    ]


def test_pairs_that_link_everything_are_drawn_by_image():
    targets = ranked([(i, i + 1) for i in range(39)]).split.targets
    clusters, unit = image_clusters(None, targets.paths, targets.all())
    assert unit == "images" and clusters.tolist() == list(range(40))


def test_images_without_a_reference_are_their_own():
    versions = [Version("" if i < 4 else "photo", "", 0) for i in range(40)]
    targets = rated(0, versions=versions).split.targets
    clusters, _ = image_clusters(targets.versions, targets.paths, {})
    assert clusters.tolist() == [0, 1, 2, 3, *[4] * 36]


def test_where_the_fit_comes_from():
    with_val = {name: rated(0, name).split for name in ("val", "test")}
    task = TASKS["regress"]
    for fit, trained, expected in (
        (None, True, True), (None, False, False), ("val", False, True), ("test", True, False),
    ):  # fmt: skip
        how = Judging(0, 0, fit, trained)
        assert split_to_fit_on(how, task, with_val) is (with_val["val"] if expected else None)
        assert split_to_fit_on(how, task, {"test": with_val["test"]}) is None
    rankings = {name: ranked(LADDER_PAIRS).split for name in ("val", "test")}
    assert split_to_fit_on(Judging(0, 0, None, True), TASKS["rank"], rankings) is None


def test_flags_that_cannot_be_meant():
    for words, match in (
        ("--train --bootstrap 20", "--bootstrap 20 .*: intervals need 100"),
        ("-e --resume w.pth --split val --fit val", "the same images"),
    ):
        with pytest.raises(UsageError, match=match):
            check(parse(words.split()))
    check(parse("--train --bootstrap 0".split()))
