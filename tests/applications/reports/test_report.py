"""report.html: every number of it recomputed from predictions and labels by SciPy and NumPy."""

from __future__ import annotations

import csv
import html
import importlib
import io
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from scipy import special, stats

from applications.reports.run import card_section
from tests.cli import WITH_REPORT, call, refused, run_folders
from tests.report_reader import ReportReader
from tests.tiny_data import picture, write_data
from utils.drawing import figure

REFERENCES, LEVELS = 12, 4


def rated(root: Path, split: str, seed: int, references: int) -> None:
    """Ladders of two distortions with opinions that mostly follow the level."""
    rng = np.random.default_rng(seed)
    labels, levels = [], ["path,reference_id,distortion,level"]
    for reference in range(references):
        for kind in ("noise", "grain"):
            for level in range(1, LEVELS + 1):
                # A name that must not become markup.
                name = f"images/{'<i>&' * (reference == 0)}{split}{reference}_{kind}{level}.png"
                file = root / split / name
                file.parent.mkdir(parents=True, exist_ok=True)
                picture(rng, 20 * level * (1 if kind == "noise" else 1.4)).save(file)
                labels.append(f"{name},{5 - level + rng.normal(0, 0.4):.3f}")
                levels.append(f"{name},{split}{reference},{kind},{level}")
    (root / split / "label.txt").write_text("\n".join(labels) + "\n")
    (root / split / "levels.csv").write_text("\n".join(levels) + "\n")


@pytest.fixture(scope="module", autouse=True)
def _quick_letters():
    """Of PDFs as glyphs: a part of a font, as journals want it, takes half a second for each chart,
    and tests/utils/drawing/test_svg.py has it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(figure._STYLE, "pdf.fonttype", 3)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a run, and an evaluation of its weights fitted on the judged images."""
    folder = tmp_path_factory.mktemp("report")
    for seed, (split, references) in enumerate((("train", 4), ("val", 5), ("test", REFERENCES))):
        rated(folder / "data", split, seed, references)
    words = f"{WITH_REPORT} --bootstrap 400 --report_maps 4 --figures paper"
    call(folder, f"--train --criterion regress {words}")
    call(folder, "-e --resume checkpoints/model_best_test_resnet.pth -o out/e.html --bootstrap 400")
    return folder


def predictions(file: Path) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader(file.read_text().splitlines()))
    figures = {k: np.array([float(r[k]) for r in rows]) for k in ("score", "mos")}
    names = ("path", "reference_id", "distortion", "level")
    return {**figures, **{k: np.array([r[k] for r in rows]) for k in names if k in rows[0]}}


@dataclass(frozen=True)
class Case:
    """A report, what its predictions file says, and the root of its data."""

    report: ReportReader
    made: dict[str, np.ndarray]
    root: Path

    def made_worst(self) -> tuple[list[str], list[str]]:
        """Names of the images, from the one rated most above its MOS, and from the other end."""
        rest = mapped(self.report, self.made) - self.made["mos"]
        names = [Path(self.made["path"][i]).name for i in np.argsort(-rest, kind="stable")]
        return names, names[::-1]


@pytest.fixture(scope="module", params=["run", "evaluation", "rated photographs"])
def case(request, tmp_path_factory):
    if request.param == "rated photographs":
        return of_photographs(tmp_path_factory.mktemp("photographs"))
    made = request.getfixturevalue("made")
    if request.param == "evaluation":
        report = ReportReader(made / "out/e.html")
        return Case(report, predictions(made / "out/e.csv"), made / "data")
    (run,) = run_folders(made)
    found = predictions(run / "predictions_test.csv")
    return Case(ReportReader(run / "report.html"), found, made / "data")


def of_photographs(folder: Path) -> Case:
    """A short training on real photographs with people's scores, where some are at hand."""
    root = os.environ.get("IQA_MOS")
    if not root:
        pytest.skip("IQA_MOS names no folder of rated photographs (train/ val/ test/)")
    call(folder, f"--train --criterion regress {WITH_REPORT} --report_maps 4 --data {root}")
    (run,) = run_folders(folder)
    found = predictions(run / "predictions_test.csv")
    return Case(ReportReader(run / "report.html"), found, Path(root))


@pytest.fixture
def laddered(case):
    """A case whose references, distortions and levels are known."""
    if "distortion" not in case.made:
        pytest.skip("photographs without levels")
    return case


def metrics_of(report: ReportReader) -> dict[str, dict[str, str]]:
    (rows,) = report.tables["metrics"]
    return {row["metric"]: row for row in rows}


def said(row: dict[str, str], *columns: str) -> list[float]:
    return [float(row[column]) for column in columns]


def four(x, b1, b2, b3, b4):
    return b2 + (b1 - b2) * special.expit((x - b3) / abs(b4))


def five(x, b1, b2, b3, b4, b5):
    return b1 * (special.expit(b2 * (x - b3)) - 0.5) + b4 * x + b5


def fits_of(report: ReportReader) -> dict[str, np.ndarray]:
    (rows,) = report.tables["fit"]
    numbers = [row for row in rows if row[""].startswith("b")]
    return {
        kind[0]: np.array([row[kind] for row in numbers if row[kind]], float)
        for kind in ("4p", "5p")
    }


def test_metrics(case):
    report, made = case.report, case.made
    found, x, y = metrics_of(report), made["score"], made["mos"]
    mapped = {"4p": four(x, *fits_of(report)["4"]), "5p": five(x, *fits_of(report)["5"])}
    wanted = {
        "srcc": stats.spearmanr(x, y)[0], "plcc": stats.pearsonr(x, y)[0],
        "krcc": stats.kendalltau(x, y)[0], "rmse": np.sqrt(np.mean((x - y) ** 2)),
        "mae": np.mean(np.abs(x - y)),
        **{f"plcc_{k}": stats.pearsonr(m, y)[0] for k, m in mapped.items()},
        **{f"rmse_{k}": np.sqrt(np.mean((m - y) ** 2)) for k, m in mapped.items()},
    }  # fmt: skip
    for name, value in wanted.items():
        low, own, high = said(found[name], "low", "value", "high")
        assert own == pytest.approx(value, abs=2e-4) and low <= own <= high, name


def test_intervals_are_those_of_the_results(made):
    (run,) = run_folders(made)
    found = metrics_of(ReportReader(run / "report.html"))
    for name, ends in json.loads((run / "results.json").read_text())["test"]["intervals"].items():
        if ends[0] is not None:
            assert said(found[name], "low", "high") == pytest.approx(ends, abs=1e-4), name
    page = (made / "out/e.html").read_text()
    assert "400 resamples of 12 references" in page and "on the judged images themselves" in page


def test_the_verdict_comes_first(case):
    page, made = case.report, case.made
    assert next(iter(page.titles)) == "verdict"
    (rules, values) = page.tables["verdict"]
    assert [row["passed"] in ("yes", "partly", "no", "note") for row in rules]
    own = {row["metric"]: row for row in values if row["rule"] == "mean"}
    rmse = np.sqrt(np.mean((made["score"] - made["mos"]) ** 2))
    assert said(own["rmse, model"], "value") == pytest.approx([rmse], abs=2e-4)
    labels = (case.root / "train/label.txt").read_text().splitlines()
    mean = np.mean([float(line.rsplit(",", 1)[1]) for line in labels])
    base = np.sqrt(np.mean((mean - made["mos"]) ** 2))
    assert said(own["constant_rmse, against"], "value") == pytest.approx([base], abs=2e-4)
    points = page.csv("verdict_1.csv", "images")
    assert np.allclose([float(p["y"]) for p in points], made["mos"], rtol=1e-6)


def test_the_verdict_stands_in_the_results_and_on_the_screen(made):
    (run,) = run_folders(made)
    results = json.loads((run / "results.json").read_text())
    verdict = results["verdict"]
    assert next(iter(results)) == "verdict" and verdict["rules"][0]["rule"] == "mean"
    assert "untrained" in [rule["rule"] for rule in verdict["rules"]]
    assert f"Verdict: {verdict['text']}" in (run / "log.txt").read_text()
    read_first = (run / "report.html").read_text().partition("<nav")[0]
    assert html.unescape(re.sub("<[^>]+>", "", read_first)).endswith(f"{verdict['text']}\n")


def test_points_and_curves(case):
    report, made = case.report, case.made
    points = report.csv("fit_1.csv", "images")
    assert np.allclose([float(p["x"]) for p in points], made["score"], rtol=1e-6)
    assert np.allclose([float(p["y"]) for p in points], made["mos"], rtol=1e-6)
    assert [p["label"] for p in points] == [Path(path).name for path in made["path"]]
    for name, formula in (("4-parameter fit", four), ("5-parameter fit", five)):
        at = np.linspace(made["score"].min(), made["score"].max(), 121)
        steps = np.diff(formula(at, *fits_of(report)[name[0]]))
        curve = report.csv("fit_1.csv", name)
        if (steps > 0).any() and (steps < 0).any():  # no mapping: it is not drawn
            assert not curve
            continue
        x, y = (np.array([float(p[k]) for p in curve]) for k in "xy")
        assert np.allclose(y, formula(x, *fits_of(report)[name[0]]), rtol=1e-4, atol=1e-3)
    band = report.csv("fit_1.csv", "95% interval of the 4-parameter fit")
    assert all(float(p["low"]) < float(p["high"]) for p in band) and len(band) == 121


def mapped(report, made) -> np.ndarray:
    """Predictions after the 4-parameter fit; as they are where the page says that it is odd."""
    if "(as they are: the 4-parameter fit is odd (" in report.page:
        return made["score"]
    return four(made["score"], *fits_of(report)["4"])


def test_calibration(case):
    report, made = case.report, case.made
    x, y = mapped(report, made), made["mos"]
    (rows,) = report.tables["calibration"]
    parts = np.array_split(np.argsort(x, kind="stable"), 10)
    assert len(rows) == 10
    for row, part in zip(rows, parts, strict=True):
        low, high = stats.t.interval(0.95, len(part) - 1, y[part].mean(), stats.sem(y[part]))
        wanted = [len(part), x[part].mean(), y[part].mean(), low, high]
        got = said(row, "images", "mean prediction", "mean MOS", "low", "high")
        assert got == pytest.approx(wanted, abs=2e-3)


def test_residuals(case):
    report, made = case.report, case.made
    rest = mapped(report, made) - made["mos"]
    points = report.csv("residuals_1.csv", "images")
    assert np.allclose([float(p["y"]) for p in points], rest, atol=2e-3)
    assert sum(float(p["y"]) for p in report.csv("residuals_2.csv", "images")) == len(rest)


def test_the_worst_images_are_the_worst(case):
    report, made = case.report, case.made
    rest = mapped(report, made) - made["mos"]
    order = np.argsort(-rest, kind="stable")
    wanted = [Path(made["path"][i]).name for i in [*order[:12], *order[::-1][:12]]]
    captions = report.captions["worst"]
    assert [lines[0] for lines in captions] == wanted
    errors = [float(lines[1].split(":")[0]) for lines in captions]
    assert errors == pytest.approx([*rest[order[:12]], *rest[order[::-1][:12]]], abs=2e-3)
    listed = list(csv.DictReader(io.StringIO(report.files["errors.csv"])))
    assert [row["path"] for row in listed] == list(made["path"][order])
    assert np.allclose([float(row["error"]) for row in listed], rest[order], atol=2e-3)


def test_splits(case):
    report = case.report
    for row in report.tables["splits"][0]:
        lines = (case.root / row["split"] / "label.txt").read_text().splitlines()
        mos = np.array([float(line.rsplit(",", 1)[1]) for line in lines])
        wanted = [len(mos), mos.min(), mos.mean(), mos.max(), mos.std()]
        got = said(row, "images", "lowest MOS", "mean", "highest", "deviation")
        assert got == pytest.approx(wanted, rel=1e-3)
        shares = [float(p["y"]) for p in report.csv("splits_1.csv", row["split"])]
        assert sum(shares) == pytest.approx(1)


def test_ladders(laddered):
    report, made = laddered.report, laddered.made
    kinds = list(dict.fromkeys(made["distortion"]))
    for number, kind in enumerate(kinds, start=1):
        mean = report.csv(f"ladders_{number}.csv", "mean")
        for point in mean:
            own = (made["distortion"] == kind) & (made["level"] == f"{float(point['x']):g}")
            assert float(point["y"]) == pytest.approx(made["score"][own].mean(), rel=1e-5)
    accuracy = said(report.tables["ladders"][0][-1], "pair accuracy")
    assert accuracy == said(metrics_of(report)["ladder_accuracy"], "value")


@pytest.mark.parametrize(("kind", "column"), [("distortion", 0), ("reference", 1)])
def test_groups(laddered, kind, column):
    report, made = laddered.report, laddered.made
    names = made["distortion" if kind == "distortion" else "reference_id"]
    rows = {row[kind]: row for row in report.tables["groups"][column]}
    drawn = {row["label"]: row for row in report.csv(f"groups_{column + 1}.csv")}
    assert rows.keys() == drawn.keys() == set(names)
    for name in np.unique(names):
        own = names == name
        wanted = stats.spearmanr(made["score"][own], made["mos"][own])[0]
        row = rows[name]
        low, srcc, high = said(row, "low", "srcc", "high")
        assert srcc == pytest.approx(wanted, abs=1e-4) and low <= srcc <= high
        assert int(row["images"]) == own.sum()
        assert float(drawn[name]["x"]) == pytest.approx(wanted)


def test_curves_of_the_run(made):
    (run,) = run_folders(made)
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    report = ReportReader(run / "report.html")
    for split in ("train", "val"):
        wanted = np.array([(r["epoch"], r["loss"]) for r in records if r["split"] == split])
        got = np.array([(float(p["x"]), float(p["y"])) for p in report.csv("curves_1.csv", split)])
        assert got == pytest.approx(wanted, rel=1e-5) and len(got) == 2
    best = json.loads((run / "results.json").read_text())["best_epoch"]
    assert f"the best is {best}." in (run / "report.html").read_text()


def test_what_a_report_says_of_itself(case):
    report = case.report
    text = " ".join(row["what"] for row in report.tables["command"][0])
    assert "torch" in text and "weights" in text
    assert report.sources and all(s.startswith("data:image/") for s in report.sources)
    always = {
        "verdict",
        "metrics",
        "fit",
        "calibration",
        "residuals",
        "worst",
        "order",
        "curves",
        "splits",
    }
    some = {"groups", "ladders"} if "level" in case.made else set()
    assert always | some | {"maps", "command"} == set(report.titles)
    assert len([name for name in report.files if name.startswith("map_")]) == 4
    too_high, too_low = case.made_worst()
    mapped_names = [lines[0] for lines in report.captions["maps"]]
    assert mapped_names == [too_high[0], too_low[0], too_high[1], too_low[1]]


def test_flags_that_were_passed_and_settings_of_the_weights_stand_apart(made):
    """Nobody passed --arch or --criterion to the evaluation: they came with the weights."""
    weights = "checkpoints/model_best_test_resnet.pth"
    evaluation, (run,) = ReportReader(made / "out/e.html"), run_folders(made)
    _, flags, settings = evaluation.tables["command"]
    assert {row["flag"]: row["value"] for row in flags} == {
        "evaluate": "True", "resume": weights, "output": "out/e.html", "bootstrap": "400",
    }  # fmt: skip
    brought = {row["setting"]: row["value"] for row in settings}
    assert brought["arch"] == "test_resnet" and brought["criterion"] == "regress"
    assert brought["image_size"] == "(40, 56)" and "bootstrap" not in brought
    _, flags = ReportReader(run / "report.html").tables["command"]  # nothing was adopted
    names = {row["flag"] for row in flags}
    assert {"train", "criterion", "arch", "image_size"} <= names and "resume" not in names


def test_without_a_report(made, tmp_path):
    before = sorted(p.name for p in (made / "out").iterdir())
    weights = made / "checkpoints/model_best_test_resnet.pth"
    call(made, f"-e --resume {weights} -o {tmp_path}/n.csv --no_report --bootstrap 0")
    assert not (tmp_path / "n.html").exists() and (tmp_path / "n.csv").exists()
    assert sorted(p.name for p in (made / "out").iterdir()) == before


@pytest.fixture(scope="module")
def several(made):
    rated(made / "other", "test", 7, 6)
    weights = "checkpoints/model_best_test_resnet.pth"
    call(
        made, f"--test data other --resume {weights} --bootstrap 400 -o several/all.csv --figures f"
    )
    return made / "several"


def test_several_data_sets_on_one_page(several, made):
    page = ReportReader(several / "all.html")
    rows = list(csv.DictReader((several / "all.csv").read_text().splitlines()))
    assert [row["data set"] for row in page.tables["metrics"][0]] == ["data", "other"]
    drawn = page.csv("intervals_1.csv")
    assert [row["label"] for row in drawn] == ["data", "other"]
    for row, shown_row, point in zip(rows, page.tables["metrics"][0], drawn, strict=True):
        wanted = said(row, "srcc", "srcc_low", "srcc_high")
        assert said(shown_row, "srcc") == pytest.approx(wanted[:1], abs=1e-4)
        assert said(point, "x", "low", "high") == pytest.approx(wanted)
    assert len(page.csv("fit_2.csv", "images")) == 6 * 2 * LEVELS
    weights = "checkpoints/model_best_test_resnet.pth"
    call(made, f"--test data other --resume {weights} --bootstrap 0 -o several/more.html")
    stored = json.loads((several / "more.json").read_text())["data"]
    assert stored.keys() == {"data", "other"} and (several / "more.html").exists()


def test_charts_for_a_paper(made, several):
    """Of each chart of a page a PDF, an SVG and the csv that the page holds too."""
    (run,) = run_folders(made)
    call(made, "-e --resume checkpoints/model_best_test_resnet.pth --bootstrap 0 --figures of_e")
    pages = {f"paper/{run.name}": run / "report.html", "f": several / "all.html"}
    for folder, page in pages.items():
        report = ReportReader(page)
        files = {file.name for file in (made / folder).iterdir()}
        names = {name[:-4] for name in files if name.endswith(".csv")}
        assert files == {f"{name}.{kind}" for name in names for kind in ("csv", "pdf", "svg")}
        tables = [t for t in report.files if re.fullmatch(r"(?!map)[a-z]+_\d+\.csv", t)]
        assert len(names) == len(tables) == len(report.drawings)
        for table in tables:
            (name,) = (n for n in names if n.startswith(f"{table[:-4]}_"))
            assert (made / folder / f"{name}.csv").read_text() == report.files[table]
            assert (made / folder / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
            ElementTree.parse(made / folder / f"{name}.svg")
    assert (made / "of_e" / "fit_1_Prediction_against_MOS.pdf").is_file()
    refused(made, "--predict data/test/images --resume x.pth --figures p", "--figures")
    refused(made, "-e --resume x.pth --figures data/test/label.txt", "--figures")
    refused(made, "-e --resume x.pth --no_report --figures p", "leave out --no_report")


def test_a_part_of_many_images(made, monkeypatch):
    for part in ("applications.reports.parts", "applications.reports.images"):
        monkeypatch.setattr(importlib.import_module(part), "MOST_DRAWN", 20)
    call(made, "-e --resume checkpoints/model_best_test_resnet.pth -o many/e.csv --report_maps 0")
    report, found = ReportReader(made / "many/e.html"), predictions(made / "many/e.csv")
    assert len(report.csv("fit_1.csv", f"20 of {len(found['mos'])} images")) == 20
    rest = np.sort(mapped(report, found) - found["mos"])[::-1]
    listed = [float(r["error"]) for r in csv.DictReader(io.StringIO(report.files["errors.csv"]))]
    assert np.allclose(listed, [*rest[:10], *rest[-10:]], atol=2e-3)


def test_wrong_pairs_of_a_ranking(tmp_path):
    write_data(tmp_path / "data", "rank")
    call(
        tmp_path, f"--train --criterion rank {WITH_REPORT} --bootstrap 0 --epochs 1 --report_maps 2"
    )
    (run,) = run_folders(tmp_path)
    rows = csv.DictReader((run / "predictions_test.csv").read_text().splitlines())
    scores = {Path(row["path"]).name: float(row["score"]) for row in rows}
    lines = (tmp_path / "data/test/label.txt").read_text().splitlines()
    leads = {line: np.subtract(*(scores[Path(n).name] for n in line.split(","))) for line in lines}
    wrong, seen = [], set()
    for line in sorted((line for line in lines if leads[line] < 0), key=leads.get):
        if seen.isdisjoint(line.split(",")):  # each image once
            wrong.append(line)
            seen.update(line.split(","))
    report = ReportReader(run / "report.html")
    assert len(report.captions.get("worst", [])) == 2 * min(len(wrong), 12)
    shown = [lines[0] for lines in report.captions.get("worst", [])]
    assert shown == [Path(n).name for line in wrong[:12] for n in line.split(",")]
    listed = list(csv.DictReader(io.StringIO(report.files["pairs.csv"])))
    leading = sorted(leads.values())
    assert np.allclose([float(row["lead"]) for row in listed], leading, atol=1e-6)
    in_order = [float(r["score"]) for r in csv.DictReader(io.StringIO(report.files["scores.csv"]))]
    assert np.allclose(in_order, sorted(scores.values()))
    assert "fit" not in report.titles and len(report.captions["maps"]) == 2
    lowest = min(scores, key=scores.get)
    assert report.captions["order"][0][0] == lowest == report.captions["maps"][0][0]


def test_histograms(tmp_path):
    write_data(tmp_path / "data", "emd")
    call(tmp_path, f"--train --criterion emd {WITH_REPORT} --bootstrap 0 --epochs 1")
    (run,) = run_folders(tmp_path)
    rows = list(csv.DictReader((run / "predictions_test.csv").read_text().splitlines()))
    table = {k: np.array([[float(r[f"{k}{n}"]) for n in range(1, 6)] for r in rows]) for k in "pt"}
    distance = np.abs(np.cumsum(table["p"] - table["t"], axis=1)).mean(axis=1)
    report = ReportReader(run / "report.html")
    for series, key in (("predicted", "p"), ("voted", "t")):
        mean = [float(r["y"]) for r in report.csv("histograms_1.csv", series)]
        assert np.allclose(mean, table[key].mean(axis=0), atol=1e-6)
        for place, i in enumerate(np.argsort(distance, kind="stable"), start=2):
            one = [float(r["y"]) for r in report.csv(f"histograms_{place}.csv", series)]
            assert np.allclose(one, table[key][i], atol=1e-6)
    names = [Path(rows[i]["path"]).name for i in np.argsort(distance, kind="stable")]
    titles = [title for title in report.drawings if ": EMD" in title]
    assert all(name in title for name, title in zip(names, titles, strict=True))


def test_pictures_and_the_table_of_the_test_land_in_tensorboard(made):
    from tensorboard.backend.event_processing.event_accumulator import IMAGES, EventAccumulator
    from tensorboard.util import tensor_util

    (run,) = run_folders(made)
    board = EventAccumulator(str(run), size_guidance={IMAGES: 0})
    board.Reload()
    tags = set(board.Tags()["images"])
    assert {"visual/fit_1", "visual/residuals_2", "visual/ladders", "visual/first_batch"} <= tags
    assert not any("curves" in tag for tag in tags)  # they are there already
    curves = board.Tags()["scalars"]
    assert min(tags) > max(curves)  # curves come first
    assert {tag.split("/")[0] for tag in curves} == {"train", "val"}  # one point is no curve
    (event,) = board.Tensors("test/metrics/text_summary")
    (text,) = tensor_util.make_ndarray(event.tensor_proto)
    srcc = json.loads((run / "results.json").read_text())["test"]["srcc"]
    assert re.search(rf"^    srcc +{srcc:.4f} ", text.decode(), re.MULTILINE)
    (event,) = board.Images("visual/fit_1")
    picture = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert picture.shape[1] == 880 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_a_fault_in_another_split_costs_a_line_and_a_data_card_is_shown(made):
    folder = made / "faulty"
    shutil.copytree(made / "data", folder / "data")
    (folder / "data/train/label.txt").write_text("nothing\n")
    card = {"title": "A set", "files": {"test/label.txt": {"sha256": "ab12"}}, "notes": ["odd"]}
    (folder / "data/card.json").write_text(json.dumps(card))
    weights = made / "checkpoints/model_best_test_resnet.pth"
    call(folder, f"-e --resume {weights} -o e.html --bootstrap 0 --report_maps 0")
    report = ReportReader(folder / "e.html")
    rows = {row["split"]: row for row in report.tables["splits"][0]}
    assert "label.txt:1" in rows["train"]["remark"] and rows["val"]["images"] == "40"
    rows = [list(row.values()) for row in report.tables["card"][0]]
    assert rows == [["title", "A set"], ["test/label.txt: SHA-256", "ab12"], ["note", "odd"]]


def test_a_card_that_others_wrote_or_closed_is_said(tmp_path, monkeypatch):
    file = tmp_path / "card.json"
    for strange in ("[1]", "{", '{"notes": 5}', '{"files": {"a": 1}}'):
        file.write_text(strange)
        (section,) = card_section(file)
        assert "none that --prepare wrote" in section.why and not section.body

    def denied(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    (section,) = card_section(file)
    assert section.why.endswith("card.json: cannot be read: Permission denied.")


@pytest.mark.parametrize("scores", [[3.0], [2.0, 2.0, 2.0], [1.0, 2.0]])
def test_splits_that_say_little(made, tmp_path, scores):
    """One image, equal opinions, fewer images than a fit has parameters: a page, not a crash."""
    for n, _ in enumerate(scores):
        file = tmp_path / f"data/test/{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(np.random.default_rng(n), 10 * n).save(file)
    lines = "".join(f"{n}.png,{score}\n" for n, score in enumerate(scores))
    (tmp_path / "data/test/label.txt").write_text(lines)
    weights = made / "checkpoints/model_best_test_resnet.pth"
    call(tmp_path, f"-e --resume {weights} -o e.html --report_maps 1")
    report = ReportReader(tmp_path / "e.html")
    assert "4p: failed:" in (tmp_path / "e.html").read_text()
    assert len(report.csv("fit_1.csv", "images")) == len(scores)
    assert len(report.captions["maps"]) == 1


def test_images_of_one_name_are_told_apart_by_their_folders(made, tmp_path):
    for number, folder in enumerate(("blurred/1", "blurred/2", "sharp/1")):
        file = tmp_path / "data/test" / folder / "same.png"
        file.parent.mkdir(parents=True)
        picture(np.random.default_rng(number), 10).save(file)
    text = "".join(
        f"{f}/same.png,{n}\n" for n, f in enumerate(("blurred/1", "blurred/2", "sharp/1"))
    )
    (tmp_path / "data/test/label.txt").write_text(text)
    weights = made / "checkpoints/model_best_test_resnet.pth"
    call(tmp_path, f"-e --resume {weights} -o e.html --report_maps 0 --bootstrap 0")
    names = {lines[0] for lines in ReportReader(tmp_path / "e.html").captions["order"]}
    assert names == {"blurred/1/same.png", "blurred/2/same.png", "sharp/1/same.png"}


# ---- in a browser


def test_a_browser_shows_pages_without_an_error(browser, made, several):
    (run,) = run_folders(made)
    for page in (run / "report.html", several / "all.html"):
        browser.open(page)
        for width in (390, 800, 1280):
            browser.resize(width)
            assert browser.overflow() == 0, width
        broken = "[...document.images].filter(i => i.src && i.complete && !i.naturalWidth).length"
        assert browser.run(f"return {broken}") == 0 and browser.messages() == []
        assert browser.run("return document.querySelectorAll('figcaption i').length") == 0
        first = "section:has(#metrics) th:nth-child(2) button"
        browser.find(first).click()
        column = "[...document.querySelectorAll('section:has(#metrics) td:nth-child(2)')]"
        values = browser.run(f"return {column}.map(cell => cell.textContent)")
        values = [float(value) for value in values if value != "nan"]
        assert values == sorted(values)
