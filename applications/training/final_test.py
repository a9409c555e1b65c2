"""The test after training: metrics, predictions, pictures and the report of the best weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from applications.evaluation.histograms import write_histograms
from applications.evaluation.judging import Judging, evaluate, split_to_fit_on
from applications.evaluation.ladders import ladder_tables, write_ladders
from applications.evaluation.quality_maps import map_pictures
from applications.evaluation.rules import Learned
from applications.evaluation.scoring import Scorer
from applications.evaluation.verdict import verdict_of
from applications.inputs.outputs import cell_of
from applications.inputs.provenance import labels_of_splits, provenance
from applications.inputs.run_record import stored_facts
from applications.inputs.runtime import Runtime
from applications.inputs.splits import Data, Split
from applications.inputs.vote_files import vote_file
from applications.inputs.weights import load_best
from applications.reports.parts import Report
from applications.reports.report import charts_of, figures_of, sections_of, write_report
from applications.training.features import EXACT
from applications.training.learning_curve import Curve
from applications.training.run_folder import RunFolder
from applications.training.trainer import Trainer
from config import Config
from utils.drawing.files import write_figures
from utils.drawing.render import png
from utils.files.row_store import Rows
from utils.files.writing import without_nan, write_json
from utils.runtime import distributed
from utils.runtime.logger import Logger
from utils.statistics.predictions import Predictions

_TAG = "visual"  # behind train/ and val/ in the alphabet: TensorBoard begins with the curves
_CARDS = 2  # charts of a section that are shown there


def test_best(
    config: Config,
    runtime: Runtime,
    trainer: Trainer,
    data: Data,
    kept: Mapping[str, Rows],
    curve: Curve | None = None,
) -> None:
    """The metrics of a run are those of its best weights, never of its last ones, in float32. kept:
    features, as of `keep_features`.
    """
    folder, at, logger = trainer.folder, trainer.position, trainer.logger
    found = verdict = None
    # One further than training went: a continued run drops its records and writes them again.
    step = at.updates + 1
    distributed.barrier()
    payload = load_best(folder.best, trainer.model)
    logger.info(f"best weights: epoch {at.best_epoch}, {folder.best}")
    scorer = replace(trainer.scorer, amp="off", features=None)
    if "test" in data.splits:
        how = Judging(config.bootstrap, config.seed, config.fit, trained=True)
        val = split_to_fit_on(how, trainer.task, data.splits)
        found = evaluate(
            scorer, trainer.task, data.splits["test"], how, logger.info, val,
            trainer.learned.get("mean_histogram"), kept.get("test"),
            val and _of_val(trainer, scorer, val, kept),
        )  # fmt: skip
        values = found.as_json()
        learned = Learned.of(trainer.learned)
        verdict = runtime.main and verdict_of(found, learned, config.bootstrap, config.seed)
        tables = [found.table(f"test: {found.file}"), *ladder_tables(found.ladders)]
        for text in ([verdict.lines()] if verdict else []) + tables:
            logger.info(text)
        # One value of each is no curve: TensorBoard shows the tables instead.
        record = {"step": step, "epoch": at.best_epoch, "split": "test", **values}
        logger.metrics(record, drawn=False)
        logger.table("test/metrics", "\n\n".join(tables), step)
    else:
        files = not data.photographs and vote_file(config) is None
        cure = " (--split_by auto holds some images out)" if files else ""
        logger.info(f"no test/ split: nothing to test the best weights on{cure}")
    if not runtime.main:
        return
    results = {
        **({"verdict": verdict.as_json()} if verdict else {}),
        "best_epoch": at.best_epoch,
        trainer.monitor: at.best,
        "weights": folder.best.name,
        "val": payload.get("metrics") or {},
    }
    if found is not None:
        cell, name = cell_of(config), folder.path.name
        found.write_predictions(folder.path / "predictions_test.csv", cell)
        write_ladders(folder.path / "ladders", f"{name}, test: score against level", found)
        title = f"{name}, test: predicted and voted histograms"
        write_histograms(folder.path / "histograms", title, found, cell, config.max_pixels)
        results["test"] = values
        results |= {"learning_curve": curve.as_json()} if curve else {}
    folder.publish()
    if folder.best.exists():
        logger.info(
            f"{folder.latest / folder.best.name}: from now on the weights of this run, the latest "
            f"one of {config.arch}; --resume {folder.path} names them whatever comes later"
        )
    # Before the report, which may fail: --continue finds by itself that one is missing.
    write_json(folder.results, without_nan(results))
    if found is not None and verdict and not config.no_report:
        labels = labels_of_splits(config, trainer.task, data.splits)
        facts = stored_facts(folder.path)
        about = provenance(
            config, trainer.task, facts, labels, folder.best, folder.path, at.best_epoch
        )
        maps = map_pictures(scorer, found, config.report_maps)
        section = curve and curve.section()
        report = Report(f"{folder.path.name}, test", found, verdict, about, maps, section)
        _write_report(report, config.figures, folder, logger, step)


def _of_val(
    trainer: Trainer, scorer: Scorer, val: Split, kept: Mapping[str, Rows]
) -> Predictions | None:
    """What the best weights say of val/ in float32, where validation has found it, or features of
    it are kept.
    """
    exact = trainer.scorer.amp == "off"
    if exact and trainer.of_best is not None:
        return trainer.of_best
    rows = kept.get("val" if exact else EXACT)
    if rows is None:
        return None
    return replace(scorer, features=rows).predict(val.targets.paths, "scoring val")


def _write_report(
    report: Report, figures: str | None, folder: RunFolder, logger: Logger, step: int
) -> None:
    """Pictures of the run in TensorBoard, and report.html, which is last: it says that the run is
    finished.
    """
    try:
        sections = sections_of(report)
        for charts in charts_of(sections):
            # What fills a sheet of its own, or is a curve that TensorBoard draws, is no card.
            for plot in charts if len(charts) <= _CARDS else ():
                logger.picture(f"{_TAG}/{plot.name}", png(plot.chart), step)
        for file in sorted(folder.path.glob("*.png")):
            logger.picture(f"{_TAG}/{file.stem}", file.read_bytes(), step)
        if figures:
            path = Path(figures) / folder.path.name
            logger.info(write_figures(path, figures_of(sections)))
        write_report(folder.report, report, sections)
    except Exception:
        logger.info(
            f"no report: the metrics are in {folder.results}; --continue {folder.path} tries "
            "again, with --no_report it does without"
        )
        raise
    logger.info(f"report: {folder.report}")
