"""--compare RUN1 RUN2 ...: what differs between runs that were tested on the same images, whether
the difference is more than chance, and where they disagree.
"""

from __future__ import annotations

from pathlib import Path

from applications.check import keep_apart
from applications.compare_disagreement import disagreements
from applications.compare_figures import judge
from applications.compare_images import match
from applications.compare_page import comparison_page
from applications.compare_pairs import read_pairs
from applications.compare_result import Found, as_json
from applications.compare_runs import ComparedRun, read_runs
from applications.compare_settings import differences
from applications.compare_tables import lines
from applications.runtime import Runtime
from config import Config
from utils.files import write_json, write_text


def run(config: Config, runtime: Runtime) -> int:
    """Prints aligned tables; -o FILE.html writes a page with FILE.json beside it, -o FILE.json that
    file alone.
    """
    runs = read_runs(config.compare)
    output = Path(config.output) if config.output else None
    if output:
        for folder in _only_read(runs):
            keep_apart(folder, output)
    matched = match(runs)
    pairs, why = read_pairs(matched, runtime)
    judged = judge(config, matched, pairs)
    found = Found(
        matched, judged, differences(runs), disagreements(matched, pairs),
        (*why, *judged.remarks), pairs.sources if pairs else (),
    )  # fmt: skip
    for line in lines(found):
        print(line)
    if output:
        _write(config, found, output)
    else:
        runtime.info("-o FILE.html shows curves and pictures; FILE.json beside it keeps everything")
    return 0


def _only_read(runs: list[ComparedRun]) -> list[Path]:
    """Folders of the runs and of their data."""
    found = []
    for one in runs:
        if one.config is not None:
            named = (one.config.get(name) for name in ("data", "images", "photos"))
            found += [one.path, *(one.folder / folder for folder in named if folder)]
    return found


def _write(config: Config, found: Found, output: Path) -> None:
    written = output.with_suffix(".json")
    write_json(written, as_json(found))
    said = str(written)
    if output.suffix == ".html":
        shown = comparison_page(found, written.name, config.workers, config.max_pixels)
        write_text(output, shown)
        said = f"{output}, {written}"
    print(f"\nwritten: {said}")
