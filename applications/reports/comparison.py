"""The page of --compare: tables, charts and the images that two runs disagree about."""

from __future__ import annotations

import shlex

from applications.comparison.disagreement import RULE, Disagreement, OpposedImages
from applications.comparison.figures import better_of
from applications.comparison.images import Matched
from applications.comparison.result import Found
from applications.comparison.tables import interval, number, p_value, verdict
from applications.reports.comparison_charts import curve_charts, drawn, figure_charts, score_chart
from applications.reports.comparison_pictures import pictures
from utils.html_page import (
    Cell,
    Html,
    cell,
    element,
    page,
    table,
    together,
    zoomable,
)
from utils.statistics.compare_models import Comparison

_MOST_VERDICTS = 6


def comparison_page(found: Found, json_name: str, workers: int | None, max_pixels: int) -> Html:
    """The document. json_name: the file that holds everything; workers: processes that read
    images.
    """
    return _Page(found, json_name, workers, max_pixels).build()


class _Page:
    def __init__(self, found: Found, json_name: str, workers: int | None, max_pixels: int) -> None:
        self.found, self.matched, self.json_name = found, found.matched, json_name
        self.letters = found.letters
        self.shown = found.most_apart()
        places = [place for one in self.shown for place in _places(one)]
        self.pictures = pictures(found, places, workers, max_pixels)

    def build(self) -> Html:
        title = "Comparison: " + ", ".join(self.letters)
        head = element("h1", f"Comparison of {len(self.letters)} runs")
        about = f"{self.found.described()}. Everything here and more: {self.json_name}"
        sections = [
            self._runs(), self._figures(), self._significance(), self._settings(), self._curves(),
            *(self._disagreement(one) for one in self.shown), self._method(),
        ]  # fmt: skip
        body = (head, element("p", about, class_="soft"), self._verdicts(), *sections)
        return page(title, *body, interactive=True)

    def _verdicts(self) -> Html:
        """One line for every two runs, about the first figure."""
        rows = self.found.judged.rows
        rows = [row for row in rows if row.metric == rows[0].metric]
        boxes = [self._said(row) for row in rows[:_MOST_VERDICTS]]
        return together(*boxes)

    def _said(self, row: Comparison) -> Html:
        first, second = self.letters[row.first], self.letters[row.second]
        figures = f"{first} - {second} = {row.difference:+.4f} {interval(row.low, row.high)}"
        better = better_of(row)
        if row.p_holm != row.p_holm:
            said, kind = f"{row.metric}: {first} and {second} cannot be tested", "warn"
        elif better is None:
            said, kind = f"{row.metric}: no difference of {first} and {second} is shown", "warn"
        else:
            other = second if better == row.first else first
            said, kind = f"{row.metric}: {self.letters[better]} is better than {other}", "good"
        shown = f"{said} ({figures}, p_holm {p_value(row.p_holm)})"
        return element("div", shown, class_=f"verdict {kind}")

    def _runs(self) -> Html:
        rows, commands = [], []
        for run in self.found.runs:
            config = run.config or {}
            best = run.results.get("best_epoch")
            name = element("bdi", run.name)
            task = str(config.get("criterion", "a predictions file"))
            at = "" if best is None else str(best)
            rows.append([self.letters[run.name], name, task, str(config.get("arch", "")), at])
            if command := run.environment.get("command"):
                said = f"{self.letters[run.name]}: python {shlex.join(map(str, command))}"
                commands.append(element("pre", said))
        shown = table(["", "run", "task", "network", "best epoch"], rows, numeric=4)
        more = Html("")
        if commands:
            more = element("details", element("summary", "Commands"), *commands)
        return together(element("h2", "Runs"), shown, more)

    def _figures(self) -> Html:
        judged = self.found.judged
        if not judged.names():
            return together(element("h2", "Figures"), element("p", "No labels: no figures."))
        rows: list[list[str | Cell]] = []
        for figure in judged.names():
            for name, letter in self.letters.items():
                value, low, high = judged.figures[name][figure]
                rows.append([figure, letter, cell(number(value), value), interval(low, high)])
        header = ["figure", "run", "value", "95% interval"]
        charts = element("div", *drawn(figure_charts(self.found)), class_="grid")
        shown = table(header, rows, numeric=2, sortable=True)
        return together(element("h2", "Figures"), charts, shown)

    def _significance(self) -> Html:
        rows: list[list[str | Cell]] = []
        found = self.found.judged.rows
        tested = any(row.williams_p == row.williams_p for row in found)
        for row in found:
            both = f"{self.letters[row.first]} - {self.letters[row.second]}"
            better = verdict(row, self.letters)
            mark = "good" if better_of(row) else "soft"
            cells = [
                row.metric, both, cell(number(row.difference), row.difference),
                interval(row.low, row.high), _p(row.p), _p(row.p_holm),
                cell(element("span", better, class_=mark), better),
            ]  # fmt: skip
            rows.append(cells + ([_p(row.williams_p_holm), _p(row.steiger_p_holm)] * tested))
        if not rows:
            return Html("")
        header = ["figure", "runs", "difference", "95% interval", "p", "p_holm", "better"]
        header += ["Williams p_holm", "Steiger p_holm"] if tested else []
        said = "The same images, or references, are drawn for both runs, so that what makes an "
        said += "image hard for both cancels. Better: below 0.05 after Holm's correction."
        why = element("p", said, class_="soft")
        shown = table(header, rows, numeric=2, sortable=True)
        return together(element("h2", "Significance"), why, shown)

    def _settings(self) -> Html:
        heading = element("h2", "Configuration differences")
        with_config = [run for run in self.found.runs if run.config is not None]
        if len(with_config) < 2:
            said = "Fewer than two of these are run folders: nothing to compare."
            return together(heading, element("p", said))
        rows = [
            [_soft(one.name, one.matters), *(_soft(v, one.matters) for v in one.values)]
            for one in self.found.settings
        ]
        if not rows:
            return together(heading, element("p", "None."))
        said = element("p", "Grey: no figure depends on it.", class_="soft")
        grey = any(not one.matters for one in self.found.settings)
        shown = table(["", *self.letters.values()], rows, numeric=99)
        return together(heading, said if grey else Html(""), shown)

    def _curves(self) -> Html:
        charts = drawn(curve_charts(self.found))
        without = [self.letters[run.name] for run in self.found.runs if not run.curves]
        said = f"Without curves: {', '.join(without)}." if without else ""
        body = [element("div", *charts, class_="grid")] if charts else []
        note = [element("p", said, class_="soft")] if said else []
        return together(element("h2", "Training curves"), *note, *body)

    # ---- images

    def _disagreement(self, one: Disagreement) -> Html:
        first, second = self.letters[one.first], self.letters[one.second]
        said = f"They order {one.share:.1%} of all pairs of images in opposite ways. Below: the "
        said += f"pairs on which both are surest; {RULE}."
        body = [
            element("h2", f"Where {first} and {second} disagree"),
            element("p", said, class_="soft"),
            element("div", *drawn([score_chart(self.found, one)]), class_="grid"),
        ]
        if one.pairs:
            groups = [self._pair(one, pair) for pair in one.pairs]
            body.append(element("div", *groups, class_="groups"))
        if one.images:
            body.append(element("h3", "Images with the largest difference of standardised score"))
            pictures = [self._picture(one, place) for place in one.images]
            body.append(element("div", *pictures, class_="pictures"))
        return together(*body)

    def _pair(self, one: Disagreement, pair: OpposedImages) -> Html:
        first, second = self.letters[one.first], self.letters[one.second]
        said = f"{first}: left by {pair.lead_first:.2f}; {second}: right by {pair.lead_second:.2f}"
        tag = Html("")
        if pair.right is not None:
            tag = element("span", f"{self.letters[pair.right]} is right", class_="tag good")
        pictures = (self._picture(one, place) for place in (pair.a, pair.b))
        shown = element("div", *pictures, class_="pair")
        return element("div", element("h3", tag, said), shown, class_="group")

    def _picture(self, one: Disagreement, place: int) -> Html:
        caption = [self.matched.names[place]]
        for name in (one.first, one.second):
            score, z = self.matched.scores[name][place], one.z[name][place]
            caption.append(f"{self.letters[name]}: {score:.4g} ({z:+.2f})")
        if self.matched.opinion is not None:
            caption.append(f"{_word(self.matched)} {self.matched.opinion[place]:.4g}")
        elif self.matched.versions is not None:
            version = self.matched.versions[place]
            known = f"{version.distortion}, level {version.level}"
            caption.append(known if version.level else "level 0")
        src, note = self.pictures[place]
        return zoomable(src, self.matched.names[place], caption, note)

    def _method(self) -> Html:
        said = [*self.found.method(), *self.found.remarks]
        missing = sum(1 for src, _ in self.pictures.values() if not src)
        if missing:
            said.append(f"{missing} image(s) cannot be shown: they do not lie there any more")
        left = len(self.found.disagreements) - len(self.shown)
        if left:
            said.append(f"{left} more pairs of runs, which agree better: see {self.json_name}")
        items = (element("li", line) for line in said)
        return together(element("h2", "How this was made"), element("ul", *items))


def _word(matched: Matched) -> str:
    """What people's opinion of an image is called."""
    if matched.labels.votes is not None:
        return "mean vote"
    return "MOS" if matched.labels.mos is not None else "bucket"


def _places(one: Disagreement) -> list[int]:
    return [*(place for pair in one.pairs for place in (pair.a, pair.b)), *one.images]


def _p(value: float) -> Cell:
    return cell(p_value(value), value)


def _soft(text: str, matters: bool) -> str:
    return text if matters else element("span", text, class_="soft")
