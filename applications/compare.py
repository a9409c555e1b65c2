"""--compare RUN1 RUN2 ...: what differs between runs that were tested on the same images, whether
the difference is more than chance, and where they disagree.
"""

from __future__ import annotations

from pathlib import Path

from applications.comparison.judging import Pairs, disagreements, judge
from applications.comparison.matching import Matched, match
from applications.comparison.result import Found, as_json
from applications.comparison.runs import Run, differences, read_runs
from applications.comparison.tables import lines
from applications.reports.comparison import write_comparison
from applications.reports.comparison_charts import figures_of
from config import CONTINUE_FLAGS, Config, read_config
from utils.drawing.files import write_figures
from utils.files.writing import check_apart, write_json
from utils.runtime.alone import Alone

# Beside what may change when a run goes on: flags about files, which no result depends on.
_IDLE = CONTINUE_FLAGS | {"logdir", "output", "save_every", "no_check", "stage_of", "figures"}


def run(config: Config, runtime: Alone) -> int:
    """Prints aligned tables; -o FILE.html writes a page with FILE.json beside it, -o FILE.json that
    file alone.
    """
    runs = read_runs(config.compare)
    output = Path(config.output) if config.output else None
    if output:
        for written in (output, output.with_suffix(".json")):
            check_apart(written, *_only_read(runs))
    matched = match(runs)
    pairs, why = _pairs(matched, config)
    judged, rows, remarks = judge(matched, pairs, config.bootstrap, config.seed)
    found = Found(
        judged, rows, differences(runs, Config().to_dict(), _IDLE), disagreements(judged, pairs),
        (*why, *remarks), pairs.sources if pairs else (),
    )  # fmt: skip
    for line in lines(found):
        print(line)
    if config.figures:
        runtime.info(write_figures(Path(config.figures), figures_of(found)))
    if output:
        _write(config, found, output)
    else:
        runtime.info("-o FILE.html shows curves and pictures; FILE.json beside it keeps everything")
    return 0


def _only_read(runs: list[Run]) -> tuple[list[Path], list[Path]]:
    """(files, folders) that belong to the runs' data; the runs themselves are named by the call."""
    files, folders = [], []
    for one in runs:
        if one.config is not None:
            named = (one.config.get(name) for name in ("data", "images", "photos"))
            folders += [one.folder / folder for folder in named if folder]
            files += [one.folder / one.config["labels"]] if one.config.get("labels") else []
    return files, folders


def _pairs(matched: Matched, config: Config) -> tuple[Pairs | None, list[str]]:
    """(labels of the first run that still has them, why the others have not); (None, []) where the
    predictions hold all labels there are.
    """
    if matched.labels.keys() & {"mos", "probs"}:
        return None, []
    # Here: where no labels are read, nothing waits for torch.
    from applications.inputs.run_record import set_fields
    from applications.inputs.runtime import open_runtime
    from applications.inputs.tested_pairs import read_tested

    reasons = []
    with open_runtime(config) as runtime:
        for one in matched.runs:
            if one.config is None:
                reasons.append(f"{one.name} is a predictions file: it does not name its label file")
                continue
            try:
                stored = set_fields(read_config(str(one.path / "config.json")))
                task, targets, sources = read_tested(
                    stored, one.folder, one.test_labels, one.test.images, runtime
                )
            except (ValueError, OSError) as error:
                said = str(error).splitlines()[0]
                reasons.append(f"the test labels of {one.name} cannot be read any more: {said}")
            else:
                # Buckets are those of the predictions, in the order of the matched images.
                return Pairs({**targets, **matched.labels}, task.measure, sources), []
    return None, reasons


def _write(config: Config, found: Found, output: Path) -> None:
    written = output.with_suffix(".json")
    write_json(written, as_json(found))
    said = str(written)
    if output.suffix == ".html":
        write_comparison(output, found, written.name, config.workers, config.max_pixels)
        said = f"{output}, {written}"
    print(f"\nwritten: {said}")
