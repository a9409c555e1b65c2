"""Lines of a file of buckets: a header, then an image and the bucket of its mean score.

file_name label             columns apart by a space
my photo.jpg 5

file_name,label             or any csv that has these columns, among others or in quotes
"a, b.jpg",5
"""

import re

from dataloader.labels.lines import LineReader
from dataloader.labels.paths import Found, Missing
from utils.text import cut, quoted

HEADER = ("file_name", "label")
_WHOLE = re.compile(r"[+-]?\d{1,9}(?:\.0*)?")  # a table that was written as floats has 5.0
_BLANKS = re.compile(r"\s*")
_FIELD = re.compile(r'[ \t]*(?:"((?:[^"]|"")*)"[ \t]*|([^",][^,]*)?)')

Cell = tuple[int, str]  # the column where it begins, from 1, and its text


class BucketReader(LineReader):
    """Reads the header first; a file without one gets one fault, not one per line."""

    _header: list[str] | None = None  # names of the columns; () after a fault
    _comma = False

    def is_comment(self, text: str) -> bool:
        if not super().is_comment(text):
            return False
        return not self.finder.exists(text.rsplit(None, 1)[0].strip())  # apart by a space

    def read(self, line: int, text: str) -> None:
        if self._header is None:
            self._read_header(line, text)
        elif self._header:
            self._read_bucket(line, text)

    def _read_header(self, line: int, text: str) -> None:
        self._comma = tuple(text.split()) != HEADER
        cells = _csv_cells(text) if self._comma else [(1, name) for name in HEADER]
        self._header = [name for _, name in cells or ()]
        if any(self._header.count(name) != 1 for name in HEADER):
            self._header = []
            message = (
                "a header is expected, 'file_name label' or that of a csv with these two columns, "
                f"found {quoted(text)}"
            )
            self.fault(line, 1, message)

    def _read_bucket(self, line: int, text: str) -> None:
        cells = self._cells(text)
        if cells is None or len(cells) != len(self._header or ()):
            found = "quotes that do not close" if cells is None else f"found {len(cells)}"
            columns = cut(("," if self._comma else " ").join(self._header or ()))
            wanted = f"{len(self._header or ())} columns expected ({columns})"
            message = f"{wanted}, {found}: {quoted(text)}"
            self.fault(line, 1, message)
            return
        row = dict(zip(self._header or (), cells, strict=True))
        image, bucket = self._found(line, *row["file_name"]), self._bucket(line, *row["label"])
        if image is not None and bucket is not None and self._is_new(line, [text], image, bucket):
            self._keep(line, image, bucket)

    def _cells(self, text: str) -> list[Cell] | None:
        """Cut from the right where that is all there is to cut, so that names may hold anything."""
        if self._comma and (tuple(self._header or ()) != HEADER or '"' in text):
            return _csv_cells(text)
        parts = text.rsplit("," if self._comma else None, 1)
        name = parts[0]
        first = (1 + len(name) - len(name.lstrip()), name.strip())
        if len(parts) == 1:
            return [first]
        label = parts[1].strip()
        return [first, (1 + len(text) - len(parts[1].lstrip()), label)]

    def _found(self, line: int, column: int, name: str) -> Found | None:
        found = self.finder.find(name) if name else Missing("empty path: ''")
        if isinstance(found, Found):
            return found
        self.fault(line, column, found.message)
        return None

    def _bucket(self, line: int, column: int, label: str) -> int | None:
        if _WHOLE.fullmatch(label):
            return int(float(label))
        message = "not a whole number" if label else "empty field"
        hint = " (--make_buckets makes buckets of scores)" if label else ""
        self.fault(line, column, f"{message}{hint}: {quoted(label)}")
        return None


def _csv_cells(text: str) -> list[Cell] | None:
    """The fields of a line of csv; None where a quote does not close."""
    cells, at = [], 0
    while True:
        found = _FIELD.match(text, at)
        if found is None or found.end() < len(text) and text[found.end()] != ",":
            return None
        quoted = found[1] is not None
        value = found[1].replace('""', '"') if quoted else (found[2] or "").strip()
        cells.append((1 + (_BLANKS.match(text, at).end() if value else at), value))
        at = found.end() + 1
        if at > len(text):
            return cells
