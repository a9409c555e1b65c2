"""The page of --compare: tables, charts and the images that two runs disagree about."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from applications.comparison.judging import RULE, Disagreement
from applications.comparison.result import Found
from applications.comparison.tables import (
    DIFFERENCE_HEADER,
    METRIC_HEADER,
    difference_rows,
    interval,
    metric_rows,
    p_value,
)
from applications.reports.comparison_charts import curve_charts, metric_charts, score_chart
from applications.reports.page import write_page
from applications.reports.parts import (
    Cell,
    Details,
    Gallery,
    Group,
    Groups,
    Items,
    Part,
    Picture,
    Section,
    Table,
    Text,
)
from applications.reports.pictures import BESIDE, Shown, shown_sources
from dataloader.sources import Source
from utils.files.tar_files import is_file
from utils.statistics.disagreement import OpposedPair

_MOST_VERDICTS = 6


def write_comparison(
    file: Path, found: Found, json_name: str, workers: int | None, max_pixels: int
) -> None:
    """The page, whole or not at all. json_name: the file that holds everything; workers: processes
    that read images.
    """
    apart = found.most_apart()
    shown = _pictures(found, apart, workers, max_pixels)
    sections = [
        _runs(found), _metrics(found), *_significance(found), _settings(found), _curves(found),
        *(_disagreement(found, one, shown) for one in apart),
        _method(found, apart, shown, json_name),
    ]  # fmt: skip
    about = f"{found.described()}. Everything here and more: {json_name}"
    title = f"Comparison of {len(found.letters)} runs"
    write_page(file, title, sections, about, list(_verdicts(found)))


def _verdicts(found: Found) -> Iterator[tuple[str, str]]:
    """One line for every two runs, about the first metric."""
    rows, letters = found.rows, found.letters
    for row in [row for row in rows if row.metric == rows[0].metric][:_MOST_VERDICTS]:
        first, second, better = letters[row.first], letters[row.second], found.better_of(row)
        if row.p_holm != row.p_holm:
            said, kind = f"{first} and {second} cannot be tested", "warn"
        elif better is None:
            said, kind = f"no difference of {first} and {second} is shown", "warn"
        else:
            other = second if better == row.first else first
            said, kind = f"{letters[better]} is better than {other}", "good"
        values = f"{first} - {second} = {row.difference:+.4f} {interval(row.low, row.high)}"
        yield f"{row.metric}: {said} ({values}, p_holm {p_value(row.p_holm)})", kind


def _runs(found: Found) -> Section:
    rows, commands = [], []
    for run in found.runs:
        config, best = run.config or {}, run.results.get("best_epoch")
        letter, task = found.letters[run.name], str(config.get("criterion", "a predictions file"))
        at = "" if best is None else str(best)
        rows.append([letter, Cell(run.name, kind="name"), task, str(config.get("arch", "")), at])
        if command := run.environment.get("command"):
            said = f"{letter}: python {shlex.join(map(str, command))}"
            commands.append(Text(said, tag="pre"))
    body: list[Part] = [Table(["", "run", "task", "network", "best epoch"], rows, numeric=4)]
    if commands:
        body.append(Details("Commands", commands))
    return Section("", "Runs", "", body)


def _metrics(found: Found) -> Section:
    if not found.metrics:
        return Section("", "Metrics", "No labels: no metrics.", ())
    shown = Table(METRIC_HEADER, metric_rows(found), numeric=2, sortable=True)
    return Section("", "Metrics", "", (*metric_charts(found), shown))


def _significance(found: Found) -> list[Section]:
    """Nothing where no two runs were judged by labels."""
    rows: list[list[str | Cell]] = [[*cells] for cells in difference_rows(found)]
    for cells, row in zip(rows, found.rows, strict=True):
        better = DIFFERENCE_HEADER.index("better")
        cells[better] = Cell(cells[better], kind="good" if found.better_of(row) else "soft")
    header = [*DIFFERENCE_HEADER, *(["Williams p_holm", "Steiger p_holm"] * found.independent)]
    why = "The same images, or references, are drawn for both runs, so that what makes an "
    why += "image hard for both cancels. Better: below 0.05 after Holm's correction."
    shown = Table(header, rows, numeric=2, sortable=True)
    return [Section("", "Significance", why, (shown,))] if rows else []


def _settings(found: Found) -> Section:
    title = "Configuration differences"
    if sum(run.config is not None for run in found.runs) < 2:
        why = "Fewer than two of these are run folders: nothing to compare."
        return Section("", title, why, ())
    rows = [
        [Cell(text, kind="" if one.matters else "soft") for text in (one.name, *one.values)]
        for one in found.settings
    ]
    if not rows:
        return Section("", title, "None.", ())
    grey = any(not one.matters for one in found.settings)
    why = "Grey: no metric depends on it." if grey else ""
    return Section("", title, why, (Table(["", *found.letters.values()], rows, numeric=99),))


def _curves(found: Found) -> Section:
    without = [found.letters[run.name] for run in found.runs if not run.curves]
    why = f"Without curves: {', '.join(without)}." if without else ""
    return Section("", "Training curves", why, curve_charts(found))


# ---- images


def _pictures(
    found: Found, apart: list[Disagreement], workers: int | None, max_pixels: int
) -> dict[int, Shown]:
    """Of the images that are shown, by their place: from wherever they lie now, or distorted once
    more.
    """
    places = {place for one in apart for place in one.shown()}
    sources = {place: _source(found, place) for place in sorted(places)}
    known = [source for source in sources.values() if source is not None]
    made = shown_sources(known, workers, max_pixels, BESIDE)
    return {place: made[source] if source else ("", "") for place, source in sources.items()}


def _source(found: Found, place: int) -> Source | None:
    file = next((path for path in found.matched.files(place) if is_file(path)), None)
    return file or (found.sources[place] if found.sources else None)


def _disagreement(found: Found, one: Disagreement, shown: Mapping[int, Shown]) -> Section:
    first, second = found.letters[one.first], found.letters[one.second]
    why = f"They order {one.share:.1%} of all pairs of images in opposite ways. Below: the "
    why += f"pairs on which both are surest; {RULE}."
    body: list[Part] = [score_chart(found, one)]
    if one.pairs:
        body.append(Groups([_pair(found, one, *pair, shown) for pair in one.pairs]))
    if one.images:
        heading = "Images with the largest difference of standardised score"
        gallery = Gallery([_picture(found, one, place, shown) for place in one.images])
        body += [Text(heading, tag="h3"), gallery]
    return Section("", f"Where {first} and {second} disagree", why, body)


def _pair(
    found: Found,
    one: Disagreement,
    pair: OpposedPair,
    right: str | None,
    shown: Mapping[int, Shown],
) -> Group:
    first, second = found.letters[one.first], found.letters[one.second]
    said = f"{first}: left by {pair.lead_first:.2f}; {second}: right by {pair.lead_second:.2f}"
    tag = ("", "") if right is None else (f"{found.letters[right]} is right", "good")
    pictures = [_picture(found, one, place, shown) for place in (pair.a, pair.b)]
    return Group(said, Gallery(pictures, "pair"), tag)


def _picture(found: Found, one: Disagreement, place: int, shown: Mapping[int, Shown]) -> Picture:
    matched, lines = found.matched, [found.matched.names[place]]
    for name in (one.first, one.second):
        score, z = matched.scores[name][place], one.z[name][place]
        lines.append(f"{found.letters[name]}: {score:.4g} ({z:+.2f})")
    if matched.opinion is not None:
        lines.append(f"{matched.word} {matched.opinion[place]:.4g}")
    elif matched.versions is not None:
        version = matched.versions[place]
        known = f"{version.distortion}, level {version.level}"
        lines.append(known if version.level else "level 0")
    source, note = shown[place]
    return Picture(lines[0], source, [*lines, note])


def _method(
    found: Found, apart: list[Disagreement], shown: Mapping[int, Shown], json_name: str
) -> Section:
    said = [*found.method(), *found.remarks]
    if missing := sum(not source for source, _ in shown.values()):
        said.append(f"{missing} image(s) cannot be shown: they do not lie there any more")
    if left := len(found.disagreements) - len(apart):
        said.append(f"{left} more pairs of runs, which agree better: see {json_name}")
    return Section("", "How this was made", "", (Items(said),))
