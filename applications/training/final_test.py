"""The test after training: figures, predictions, pictures and the report of the best weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from applications.evaluate import evaluate_split, finish, table, write_predictions
from applications.evaluation.final_figures import Judged
from applications.evaluation.histograms import write_histograms
from applications.evaluation.ladders import ladder_tables, write_ladders
from applications.evaluation.scoring import ScoringOptions
from applications.inputs.data import Data
from applications.inputs.outputs import cell_of
from applications.inputs.runtime import Runtime
from applications.inputs.weights import load_best
from applications.reports.parts import Evaluation
from applications.reports.report import charts_of, figures_of, sections_of, write_report
from applications.reports.run import labels_of
from applications.training.run_folder import RunFolder
from applications.training.trainer import Trainer
from config import Config
from utils.drawing.files import write_figures
from utils.drawing.render import png
from utils.files.row_store import Rows
from utils.files.writing import without_nan, write_json
from utils.runtime import distributed
from utils.runtime.logger import Logger

_TAG = "visual"  # behind train/ and val/ in the alphabet: TensorBoard begins with the curves
_CARDS = 2  # charts of a section that are shown there


def test_best(
    config: Config,
    runtime: Runtime,
    trainer: Trainer,
    data: Data,
    logger: Logger,
    features: Rows | None,
) -> None:
    """The figures of a run are those of its best weights, never of its last ones, in float32."""
    folder, at = trainer.folder, trainer.position
    distributed.barrier()
    payload = load_best(folder.best, trainer.model)
    results = {
        "best_epoch": at.best_epoch,
        trainer.figure: at.best,
        "weights": folder.best.name,
        "val": payload.get("metrics") or {},
    }
    logger.info(f"best weights: epoch {at.best_epoch}, {folder.best}")
    if "test" in data.splits:
        options = ScoringOptions(
            trainer.options.rule, config.batch_size, config.workers, config.max_pixels,
            features=features,
        )  # fmt: skip
        split = data.splits["test"]
        values, found = evaluate_split(
            trainer.task, trainer.model, split, options, runtime, logger.info, trainer.learned
        )
        judged = Judged(split, found)
        values, val = finish(
            config, trainer.task, trainer.model, data, judged, values, options, runtime,
            logger.info, trained=True,
        )  # fmt: skip
        logger.info(table(values, f"test: {split.file}"))
        for line in ladder_tables(values):
            logger.info(line)
        # One step further than training went: a continued run drops the record and writes it again.
        logger.metrics({"step": at.updates + 1, "epoch": at.best_epoch, "split": "test", **values})
        if runtime.main:
            cell = cell_of(config)
            write_predictions(folder.path / "predictions_test.csv", split.targets, found, cell)
            title = f"{folder.path.name}, test: score against level"
            write_ladders(folder.path / "ladders", title, split.targets, found, values)
            title = f"{folder.path.name}, test: predicted and voted histograms"
            stem = folder.path / "histograms"
            write_histograms(stem, title, split.targets, found, config)
        results["test"] = values
    else:
        logger.info("no test/ split: nothing to test the best weights on")
    if runtime.main:
        folder.publish()
        # Before the report, which may fail: --continue finds by itself that one is missing.
        write_json(folder.results, without_nan(results))
        if "test" in data.splits and not config.no_report:
            options = replace(options, features=None)  # pictures are made from images
            _report(Evaluation(
                f"{folder.path.name}, test", config, trainer.task, judged, values, val,
                labels_of(config, trainer.task, data), folder.stored_facts(), folder.best,
                folder.path, trainer.model, options, runtime.device, at.best_epoch,
            ), folder, logger, at.updates + 1)  # fmt: skip


def _report(e: Evaluation, folder: RunFolder, logger: Logger, step: int) -> None:
    """Pictures of the run in TensorBoard, and report.html, which is last: it says that the run is
    finished.
    """
    try:
        sections = sections_of(e)
        for charts in charts_of(sections):
            # What fills a sheet of its own, or is a curve that TensorBoard draws, is no card.
            for name, chart in charts if len(charts) <= _CARDS else ():
                logger.picture(f"{_TAG}/{name}", png(chart), step)
        for file in sorted(folder.path.glob("*.png")):
            logger.picture(f"{_TAG}/{file.stem}", file.read_bytes(), step)
        if e.config.figures:
            figures = Path(e.config.figures) / folder.path.name
            logger.info(write_figures(figures, figures_of(sections)))
        write_report(folder.report, e, sections)
    except Exception:
        logger.info(
            f"no report: the figures are in {folder.results}; --continue {folder.path} tries "
            "again, with --no_report it does without"
        )
        raise
    logger.info(f"report: {folder.report}")
