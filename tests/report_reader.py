"""A report as a reader has it: sections, their tables, and the csv files behind the charts."""

from __future__ import annotations

import base64
import csv
import io
from html.parser import HTMLParser
from pathlib import Path

Rows = list[dict[str, str]]


class ReportReader(HTMLParser):
    """tables: of each section (its anchor), a list of tables, each a list of rows by header.
    files: name -> text of every download. captions: of each section, the lines under each picture.
    page: all of it. charts: number of drawings; titles: of the sections, in order.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[Rows]] = {}
        self.files: dict[str, str] = {}
        self.captions: dict[str, list[list[str]]] = {}
        self.titles: dict[str, str] = {}
        self.drawings: list[str] = []
        self.sources: list[str] = []
        self._section = ""
        self._path: list[str] = []
        self._header: list[str] = []
        self._row: list[str] | None = None
        self.page = file.read_text(encoding="utf-8")
        self.feed(self.page)

    def handle_starttag(self, tag, attrs):
        known = {name: value or "" for name, value in attrs}
        if tag not in ("meta", "img", "br", "hr", "wbr"):
            self._path.append(tag)
        if tag == "h2" and "id" in known:
            self._section = known["id"]
            self.titles[self._section] = ""
        if tag == "table":
            self.tables.setdefault(self._section, []).append([])
            self._header = []
        if tag == "tr":
            self._row = []
        if tag in ("td", "th") and self._row is not None:
            self._row.append("")
        if tag == "a" and "download" in known:
            data = known["href"].split(",", 1)[1]
            self.files[known["download"]] = base64.b64decode(data).decode()
        if tag == "svg":
            self.drawings.append(known.get("aria-label", ""))
        if tag == "img" and "src" in known:  # the dialog's image has none before a click
            self.sources.append(known["src"])
        if tag == "figcaption":
            self.captions.setdefault(self._section, []).append([])
        if tag == "bdi" and "figcaption" in self._path:
            self.captions[self._section][-1].append("")

    def handle_endtag(self, tag):
        if tag in self._path:
            while self._path.pop() != tag:
                pass
        if tag == "tr" and self._row is not None:
            if not self._header:
                self._header = self._row
            else:
                row = dict(zip(self._header, self._row, strict=True))
                self.tables[self._section][-1].append(row)
            self._row = None

    def handle_data(self, data):
        if "h2" in self._path:
            self.titles[self._section] += data
        if self._row and ("td" in self._path or "th" in self._path):
            self._row[-1] += data
        if "bdi" in self._path and "figcaption" in self._path:
            self.captions[self._section][-1][-1] += data

    def csv(self, name: str, series: str | None = None) -> Rows:
        rows = list(csv.DictReader(io.StringIO(self.files[name])))
        return [row for row in rows if series is None or row["series"] == series]
