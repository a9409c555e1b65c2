"""Every command of the READMEs is one that the command line accepts; what they do is run elsewhere
(test_recipes, test_shell_recipes, applications/).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from applications.combinations import check
from config import parse

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README_zh.md")


def commands(name: str) -> list[list[str]]:
    """Words of every command line in the shell blocks, without comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```shell\n(.*?)```", text, re.S)).replace("\\\n", " ")
    return [words for line in lines.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("name", READMES)
def test_flags_and_files_exist(name: str) -> None:
    found = commands(name)
    assert len(found) >= 8
    for words in found:
        if words[:2] == ["python", "main.py"]:
            check(parse(words[2:]))
        elif words[0] == "bash":
            assert (ROOT / words[1]).is_file(), words
        else:
            assert words[:4] == ["cd", "demos", "&&", "python"], words
            assert (ROOT / "demos" / words[4]).is_file()


def test_both_languages_show_the_same_commands() -> None:
    english, chinese = ([w for w in commands(n) if w[0] != "bash"] for n in READMES)
    assert sorted(english) == sorted(chinese)


@pytest.mark.parametrize("name", READMES)
def test_links_and_pictures_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert targets and all((ROOT / target).is_file() for target in targets), targets
