"""The page of --check: every kind of finding with thumbnails, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from applications.inspection.findings import KIND_TITLES, RULES, Findings, joined
from applications.inspection.images import Copies, SharedReference
from utils.duplicates import odd_images
from utils.html_page import Html, bars, element, page, picture, table, thumbnails, together

MOST_GROUPS, MOST_IMAGES, MOST_SINGLE, MOST_LINES = 40, 6, 60, 200  # shown of a kind
_SCORES = "scores: mean, deviation, range"
_EQUAL = {"bytes": "the same file", "pixels": "the same pixels", "near": "near duplicates"}

T = TypeVar("T")


def findings_page(found: Findings, json_name: str, workers: int | None, max_pixels: int) -> Html:
    """The document. json_name: the file that holds what is left out here; workers: processes that
    make thumbnails.
    """
    return _Page(found, json_name, workers, max_pixels).build()


class _Page:
    def __init__(
        self, found: Findings, json_name: str, workers: int | None, max_pixels: int
    ) -> None:
        self.found, self.seen, self.json_name = found, found.seen, json_name
        self.leaks = found.leaks
        self.twice = [c for c in (*self.seen.exact, *self.seen.near) if not c.leak]
        self.odd = {kind: [o for o in self.seen.odd if o.kind == kind] for kind in KIND_TITLES}
        self.images = thumbnails(self._to_show(), workers, max_pixels)

    def _to_show(self) -> Iterable[Path]:
        for kind in (self.leaks, self.twice):
            for copies in kind[:MOST_GROUPS]:
                yield from self._spread(copies.images)
        for shared in self.seen.references[:MOST_GROUPS]:
            yield from self._versions(shared)
        for odd in self.odd.values():
            yield from (o.path for o in odd[:MOST_SINGLE])

    def build(self) -> Html:
        title = f"Data check: {self.found.title}"
        head = element("h1", title)
        count = len(self.seen.owners)
        about = f"{count:,} images in {len(self.found.splits)} split(s). Nothing in the data was "
        about += f"changed. Complete lists: {self.json_name}"
        sections = [
            self._splits(),
            self._copies(
                "Pictures in more than one split", self.leaks, "bad",
                "A model that has seen a test image is not tested by it. Keep each picture in one "
                "split only.",
            ),
            self._references(),
            self._label_faults(),
            self._label_doubts(),
            self._bad(),
            self._copies(
                "Pictures twice in one split", self.twice, "warn",
                "They count twice. Where their scores differ, people did not agree, or a label is "
                "wrong.",
            ),
            *(self._odd(kind) for kind in KIND_TITLES),
            self._rules(),
        ]  # fmt: skip
        return page(title, head, element("p", about, class_="soft"), self._verdict(), *sections)

    def _verdict(self) -> Html:
        faults, warnings = self.found.faults(), self.found.warnings()
        shown = element("div", "Wrong: " + ", ".join(faults), class_="verdict bad")
        if not faults:
            shown = element("div", "No faults and no leaks found", class_="verdict good")
        if not warnings:
            return shown
        said = element("div", "Worth a look: " + ", ".join(warnings), class_="verdict warn")
        return together(shown, said)

    def _splits(self) -> Html:
        splits = self.found.splits
        rows = [[name, *_split_row(figures)] for name, figures in splits.items()]
        header = ["split", "lines", "images", _SCORES, "votes per image", "pairs per image"]
        used = [n for n in range(len(header)) if n < 2 or any(row[n] for row in rows)]
        header, rows = [header[n] for n in used], [[row[n] for n in used] for row in rows]
        charts = [c for name, figures in splits.items() for c in _charts(name, figures)]
        grid = element("div", *charts, class_="charts") if charts else Html("")
        left = ", ".join(self.found.unread)
        note = f"Not looked at before the label file is mended: {left}" if left else ""
        said = element("p", note, class_="bad") if note else Html("")
        return together(element("h2", "Splits"), table(header, rows), said, grid)

    def _copies(self, title: str, groups: list[Copies], kind: str, why: str) -> Html:
        blocks = []
        for copies in groups[:MOST_GROUPS]:
            shown = self._spread(copies.images)
            tag = element("span", _EQUAL[copies.equal], class_=f"tag {kind}")
            figures = [tag, f"{len(copies.images)} images in {joined(copies.splits)}"]
            figures += [_links(copies)] if copies.links else []
            blocks.append(self._block(together(*figures), shown, len(copies.images)))
        body = [element("div", *blocks, class_="groups")]
        return self._section(title, len(groups), why, body, MOST_GROUPS)

    def _references(self) -> Html:
        blocks = []
        for shared in self.seen.references[:MOST_GROUPS]:
            tag = element("span", "reference", class_="tag bad")
            name = element("bdi", shared.reference_id)
            counts = [f"{len(paths)} in {split}" for split, paths in shared.images.items()]
            total = sum(map(len, shared.images.values()))
            heading = together(tag, name, ": " + ", ".join(counts))
            blocks.append(self._block(heading, self._versions(shared), total))
        why = "Versions of one photograph in several splits, by the reference_id of levels.csv."
        total = len(self.seen.references)
        body = [element("div", *blocks, class_="groups")]
        return self._section("References in more than one split", total, why, body, MOST_GROUPS)

    def _block(self, heading: Html, shown: Sequence[Path], total: int) -> Html:
        pictures = element("div", *(self._picture(p) for p in shown), class_="pictures")
        rest = _more(total - len(shown), self.json_name)
        return element("div", element("h3", heading), pictures, rest, class_="group")

    def _label_faults(self) -> Html:
        faults = self.found.label_faults
        lines = [[f"{f.file}:{f.line}" if f.line else str(f.file), f.message] for f in faults]
        body = [table(["place", "fault"], lines[:MOST_LINES], numeric=9)] if lines else []
        return self._section("Label faults", len(faults), "", body, MOST_LINES)

    def _label_doubts(self) -> Html:
        doubts = list(self.found.label_doubts)
        body = [table(["doubt"], [[d] for d in doubts[:MOST_LINES]], numeric=9)] if doubts else []
        return self._section("Doubts about labels", len(doubts), "", body, MOST_LINES)

    def _bad(self) -> Html:
        rows = [
            [
                self._short(b.path),
                joined(self.seen.owners[b.path]),
                "truncated" if b.truncated else "",
                b.reason or "",
            ]
            for b in self.seen.bad[:MOST_LINES]
        ]
        body = [table(["image", "split", "", "reason"], rows, numeric=9)] if rows else []
        return self._section("Unreadable images", len(self.seen.bad), "", body, MOST_LINES)

    def _odd(self, kind: str) -> Html:
        odd = self.odd[kind]
        shown = [self._picture(o.path, o.detail) for o in odd[:MOST_SINGLE]]
        body = [element("div", *shown, class_="pictures")] if shown else []
        title = f"Odd images, {KIND_TITLES[kind]}"
        return self._section(title, len(odd), odd_images.KINDS[kind], body, MOST_SINGLE)

    def _rules(self) -> Html:
        rows = [[_RULE_TITLES.get(name, name), rule] for name, rule in RULES.items()]
        seen = self.seen
        said = f"Not compared: {seen.flat} image(s) that show nothing, {len(seen.bad)} unreadable."
        parts = (element("p", said), table(["finding", "what counts"], rows, numeric=9))
        return together(element("h2", "What counts"), *parts)

    def _section(self, title: str, total: int, why: str, body: list[Html], most: int) -> Html:
        if not total:
            return Html("")
        heading = element("h2", f"{title}: {total:,}")
        said = element("p", why, class_="soft") if why else Html("")
        return together(heading, said, *body, _more(total - most, self.json_name))

    def _picture(self, path: Path, detail: str = "") -> Html:
        score = self.found.scores.get(path)
        facts = [
            joined(self.seen.owners[path]),
            detail,
            "" if score is None else f"score {score:.4g}",
        ]
        return picture(path, [self._short(path), ", ".join(filter(None, facts))], self.images)

    def _short(self, path: Path) -> str:
        root = Path(self.found.title).absolute()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _spread(self, images: Sequence[Path]) -> list[Path]:
        """At most MOST_IMAGES, of every split one at least, in the order given."""
        owners = self.seen.owners
        first = {owners[path]: path for path in reversed(images)}.values()
        chosen = dict.fromkeys([*reversed(first), *images])
        kept = set(list(chosen)[:MOST_IMAGES])
        return [path for path in images if path in kept]

    def _versions(self, shared: SharedReference) -> list[Path]:
        share = max(1, MOST_IMAGES // len(shared.images))
        return [path for paths in shared.images.values() for path in paths[:share]]


_RULE_TITLES = {
    "near_duplicates": "near duplicates",
    "far_score": "a score far from all others",
    "scale": "splits on two scales",
    "equal_scores": "equal scores",
    "unread_split": "folders that are not read",
    **KIND_TITLES,
}


def _more(count: int, json_name: str) -> Html:
    if count <= 0:
        return Html("")
    return element("p", f"{count:,} more, not shown here: {json_name} lists all", class_="more")


def _links(copies: Copies) -> str:
    alike = [link["similarity"] for link in copies.links]
    low, high = min(alike), max(alike)
    mirrored = ", mirrored" if any(link.get("mirrored") for link in copies.links) else ""
    return f"; similarity {low:.2f}{'' if low == high else f' to {high:.2f}'}{mirrored}"


def _split_row(figures: dict[str, Any]) -> list[str]:
    row = [f"{figures['lines']:,}" if "lines" in figures else "", f"{figures['images']:,}"]
    scores = figures.get("scores")
    said = ""
    if scores:
        spread = f"{scores['min']:.4g} to {scores['max']:.4g}"
        said = f"{scores['mean']:.4g}, {scores['std']:.3g}, {spread}"
    counted = [figures.get(name) for name in ("votes", "pairs")]
    return [*row, said, *(_range(one["per_image"]) if one else "" for one in counted)]


def _range(spread: dict[str, float]) -> str:
    return f"{spread['min']:g} to {spread['max']:g}, median {spread['median']:g}"


def _charts(name: str, figures: dict[str, Any]) -> list[Html]:
    charts = []
    if scores := figures.get("scores"):
        edges, counts = scores["histogram"]["edges"], scores["histogram"]["counts"]
        names = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
        ends = (f"{edges[0]:.4g}", f"{edges[-1]:.4g}")
        charts.append(bars(f"{name}: images by score", counts, names, ends))
    if by_bin := figures.get("votes", {}).get("by_bin"):
        names = [str(score) for score in range(1, len(by_bin) + 1)]
        charts.append(bars(f"{name}: votes by score", by_bin, names))
    return charts
