"""What mkdocs makes of the code while it builds the site: the reference of all flags."""

from __future__ import annotations

import dataclasses
import html
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from config import Config  # noqa: E402
from utils.flag_help import default_text  # noqa: E402
from utils.flag_places import modes_of  # noqa: E402
from utils.flag_words import WORDING  # noqa: E402

PAGE = "reference/flags.md"
HEAD = """---
hide: [toc]
---

# Flags

Made of the declarations in `config.py`; `python main.py --help all` prints the same. A flag outside
its modes or criteria is refused rather than ignored. Every long flag may be written with hyphens as
well as with underscores.
"""


def on_files(files: Any, config: Any) -> Any:
    """mkdocs asks for the pages: those of docs/ and the reference of flags."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=flag_pages()))
    return files


def flag_pages() -> str:
    """The reference as Markdown: a table for every group of flags."""
    flags = [f for f in dataclasses.fields(Config) if f.metadata]
    parts = [HEAD]
    for key, group in WORDING.groups.items():
        own = [f for f in flags if f.metadata["group"] == key]
        parts.append(f"## {group.title.split(' (')[0].capitalize()}\n")
        parts.append("| flag | default | modes | what |\n|---|---|---|---|")
        parts += [_row(field) for field in own]
        parts.append("")
    parts.append("## Examples\n\n```shell")
    parts += [f"python main.py {line}" for lines in WORDING.examples.values() for line in lines]
    return "\n".join([*parts, "```", ""])


def _row(field: dataclasses.Field) -> str:
    options, names = field.metadata["options"], field.metadata["names"]
    switch = field.default is False or "action" in options
    choices = "\\|".join(options.get("choices", ()))
    value = "" if switch else " " + (choices or options.get("metavar") or field.name.upper())
    default, modes = default_text(field.default), modes_of(field, WORDING)
    named = [WORDING.modes[mode] or "summary" for mode in modes]
    where = "" if field.name in WORDING.modes else ", ".join(named)
    criteria = ", ".join(f"`{name}`" for name in field.metadata["criteria"])
    text = html.escape(field.metadata["help"].replace("%%", "%"), quote=False)
    cells = [
        "<br>".join(f"`{name}{value}`" for name in names),
        f"`{default}`" if default else "",
        "all" if len(modes) == len(WORDING.modes) else where,
        (f"with {criteria}: " if criteria else "") + text,
    ]
    return f"| {' | '.join(cells)} |"
