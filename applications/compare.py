"""--compare RUN1 RUN2 ...: what differs between runs that were tested on the same images, whether
the difference is more than chance, and where they disagree.
"""

from __future__ import annotations

from pathlib import Path

from applications.comparison.disagreement import disagreements
from applications.comparison.figures import judge
from applications.comparison.images import match
from applications.comparison.pairs import read_pairs
from applications.comparison.result import Found, as_json
from applications.comparison.runs import ComparedRun, read_runs
from applications.comparison.settings import differences
from applications.comparison.tables import lines
from applications.inputs.runtime import Runtime
from applications.reports.comparison import write_comparison
from applications.reports.comparison_charts import figures_of
from config import Config
from utils.drawing.files import write_figures
from utils.files.writing import check_apart, write_json


def run(config: Config, runtime: Runtime) -> int:
    """Prints aligned tables; -o FILE.html writes a page with FILE.json beside it, -o FILE.json that
    file alone.
    """
    runs = read_runs(config.compare)
    output = Path(config.output) if config.output else None
    if output:
        for written in (output, output.with_suffix(".json")):
            check_apart(written, *_only_read(runs))
    matched = match(runs)
    pairs, why = read_pairs(matched, runtime)
    judged = judge(config, matched, pairs)
    found = Found(
        matched, judged, differences(runs), disagreements(matched, pairs),
        (*why, *judged.remarks), pairs.sources if pairs else (),
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


def _only_read(runs: list[ComparedRun]) -> tuple[list[Path], list[Path]]:
    """(files, folders) that belong to the runs' data; the runs themselves are named by the call."""
    files, folders = [], []
    for one in runs:
        if one.config is not None:
            named = (one.config.get(name) for name in ("data", "images", "photos"))
            folders += [one.folder / folder for folder in named if folder]
            files += [one.folder / one.config["labels"]] if one.config.get("labels") else []
    return files, folders


def _write(config: Config, found: Found, output: Path) -> None:
    written = output.with_suffix(".json")
    write_json(written, as_json(found))
    said = str(written)
    if output.suffix == ".html":
        write_comparison(output, found, written.name, config.workers, config.max_pixels)
        said = f"{output}, {written}"
    print(f"\nwritten: {said}")
