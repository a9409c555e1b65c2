"""Sections as one HTML file that needs nothing else: style, script, pictures and the numbers of
charts are inside. It loads nothing, and says so to the browser (a content security policy, which
names the script by its hash).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from applications.reports.parts import Section
from utils.files.writing import write_text
from utils.text import printable

_TEMPLATES = Path(__file__).parent / "templates"
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"


def write_page(
    file: Path,
    title: str,
    sections: Sequence[Section],
    about: str = "",
    verdicts: Sequence[tuple[str, str]] = (),
) -> None:
    """The page, whole or not at all. about: a sentence below the title; verdicts: (text, one of
    good, warn, bad), what a reader should see first. ValueError where Jinja2 is missing.
    """
    write_text(file, page(title, sections, about, verdicts))


def page(
    title: str,
    sections: Sequence[Section],
    about: str = "",
    verdicts: Sequence[tuple[str, str]] = (),
) -> str:
    """The document of `write_page`."""
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return _environment().get_template("page.html").render(
        title=title, sections=sections, about=about, verdicts=verdicts, script=script,
        style=(_TEMPLATES / "report.css").read_text(encoding="utf-8"),
        policy=f"{_POLICY}; script-src 'sha256-{digest}'",
    )  # fmt: skip


def _environment() -> Any:
    """Templates whose values are escaped, signs that cannot be seen too; a name that does not exist
    is an error.
    """
    try:
        import jinja2
    except ImportError:
        remedy = "pip install -r requirements.txt, or pass --no_report where a mode has it"
        raise ValueError(f"pages need Jinja2: {remedy}") from None
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_finalize,
    )  # fmt: skip
    made.filters["kind"] = lambda part: type(part).__name__.lower()
    return made


def _finalize(value: Any) -> Any:
    """What a template writes: markup as it is, and of all else what can be seen."""
    return value if hasattr(value, "__html__") else printable(value)
