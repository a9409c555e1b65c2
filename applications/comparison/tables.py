"""What --compare says on the screen: aligned tables, runs called A, B, C, ..."""

from __future__ import annotations

from collections.abc import Iterator

from applications.comparison.judging import Disagreement
from applications.comparison.result import Found
from utils.statistics.compare_models import Comparison
from utils.text import aligned, printable

METRIC_HEADER = ["metric", "run", "value", "95% interval"]
DIFFERENCE_HEADER = ["metric", "runs", "difference", "95% interval", "p", "p_holm", "better"]
_LONGEST = 40  # characters of a configuration's value on the screen


def lines(found: Found) -> Iterator[str]:
    """Everything but curves and pictures."""
    letters = found.letters
    for run in found.runs:
        yield printable(f"{letters[run.name]}  {run.name}{_what(run.config, run.results)}")
    yield ""
    yield found.described()
    yield from _settings(found)
    if found.metrics:
        yield ""
        yield from aligned([METRIC_HEADER, *metric_rows(found)], left=2)
    if found.rows:
        yield ""
        header = [*DIFFERENCE_HEADER, *(["williams p_holm", "steiger p_holm"] * found.independent)]
        yield from aligned([header, *difference_rows(found)], left=2)
    for one in found.most_apart():
        yield ""
        yield from _disagreement(found, one)
    yield ""
    for said in (*found.method(), *found.remarks):
        yield f"[{printable(said)}]"


def _what(config: dict | None, results: dict) -> str:
    if config is None:
        return ": a predictions file, without configuration and curves"
    best = results.get("best_epoch")
    at = "" if best is None else f", best epoch {best}"
    return f": {config['criterion']}, {config.get('arch', '?')}{at}"


def number(value: float, digits: int = 4) -> str:
    """Nothing but a hyphen for what does not exist."""
    return "-" if value is None or value != value else f"{value:.{digits}f}"


def interval(low: float, high: float) -> str:
    return "-" if low != low else f"[{low:.4f}, {high:.4f}]"


def p_value(p: float) -> str:
    return "-" if p != p else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def verdict(found: Found, row: Comparison) -> str:
    """Who is better: a letter, or that no difference is shown, or that a fit is odd."""
    if row.p_holm != row.p_holm:
        return "-"
    if found.odd_fit(row):
        return "odd fit"
    better = found.better_of(row)
    return found.letters[better] if better else "not shown"


def _settings(found: Found) -> Iterator[str]:
    with_config = [run for run in found.runs if run.config is not None]
    if len(with_config) < 2:
        yield "configurations cannot be compared: fewer than two of these are run folders"
        return
    if not found.settings:
        yield "the configurations do not differ"
        return
    yield ""
    header = ["configuration", *found.letters.values()]
    rows = [[_short(one.name), *map(_short, one.values)] for one in found.settings if one.matters]
    yield from aligned([header, *rows], left=len(header))
    other = [printable(one.name) for one in found.settings if not one.matters]
    if other:
        yield f"[differ too, without effect on metrics: {', '.join(other)}]"


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST else f"...{shown[3 - _LONGEST :]}"


def metric_rows(found: Found) -> list[list[str]]:
    """metric, run, value, interval: of every metric, run by run."""
    return [
        [key, letter, number(metric.value), interval(metric.low, metric.high)]
        for key in found.metrics
        for run, letter in zip(found.runs, found.letters.values(), strict=True)
        for metric in [run.test.by_key[key]]
    ]


def difference_rows(found: Found) -> list[list[str]]:
    """metric, runs, difference, interval, p, p_holm, better; and, where they could be made,
    Williams' and Steiger's p_holm: of every two runs, metric by metric.
    """
    letters, rows = found.letters, []
    for row in found.rows:
        cells = [
            row.metric, f"{letters[row.first]} - {letters[row.second]}", number(row.difference),
            interval(row.low, row.high), p_value(row.p), p_value(row.p_holm), verdict(found, row),
        ]  # fmt: skip
        more = [p_value(row.williams_p_holm), p_value(row.steiger_p_holm)]
        rows.append(cells + more if found.independent else cells)
    return rows


def _disagreement(found: Found, one: Disagreement) -> Iterator[str]:
    letters, matched = found.letters, found.matched
    first, second = letters[one.first], letters[one.second]
    yield f"{first} and {second} order {one.share:.1%} of all pairs of images in opposite ways"
    if not one.pairs:
        return
    # Numbers to the right; names of images, which may be long, to the left and last.
    leads = [[f"{first} leads by", f"{second} leads by", "right"]]
    names = [[f"higher in {first}", f"higher in {second}"]]
    for pair, right in one.pairs:
        who = letters[right] if right else "-"
        leads.append([number(pair.lead_first, 2), number(pair.lead_second, 2), who])
        names.append([printable(matched.names[place]) for place in (pair.a, pair.b)])
    for numbers, images in zip(aligned(leads, left=0), aligned(names, left=2), strict=True):
        yield f"{numbers}  {images}"
