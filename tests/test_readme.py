"""Every command of README, its translation, docs/ and CONTRIBUTING.md is one that the command line
accepts, and every file, link and flag they name exists; what the commands do is run elsewhere
(test_recipes, test_shell_recipes, applications/).
"""

from __future__ import annotations

import dataclasses
import html
import re
import shlex
from pathlib import Path

import pytest

from applications.combinations import check
from applications.left_open import completed
from config import Config, parse
from demos.serving.limits import Limits
from docs.hooks import flag_pages
from utils.flag_words import WORDING

ROOT = Path(__file__).resolve().parent.parent
READMES = ("README.md", "README_zh.md")
DOCS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
PAGES = [*READMES, "CONTRIBUTING.md", "SECURITY.md", *DOCS]
LARGEST = 8000  # bytes of a README, which is read in one go
# Programs that are not ours, and what belongs to them.
# Flags of torchrun and of the toolkit's other programs, which are declared in their own files.
OF_OTHERS = set(
    "--help --strict --tree --short --build --nnodes --nproc_per_node --rdzv_backend "
    "--rdzv_endpoint --rdzv_id".split()
)
for program in (*ROOT.glob("tests/benchmarks/*.py"), *ROOT.glob("demos/**/*.py")):
    OF_OTHERS |= set(re.findall(r'"(--[a-z]\w+)"', program.read_text(encoding="utf-8")))
OF_OTHERS |= {f"--{limit.name}" for limit in dataclasses.fields(Limits)}
OTHERS = ("pip", "mkdocs", ".venv/bin/ruff", ".venv/bin/mypy", "tar", "torchrun")


def text_of(name: str) -> str:
    return flag_pages() if name == "flags" else (ROOT / name).read_text(encoding="utf-8")


def commands(name: str) -> list[list[str]]:
    """Words of every command line in the shell blocks, without comments, one command each."""
    blocks = re.findall(r"```shell\n(.*?)```", text_of(name), re.S)
    found = []
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        lone, folder = shlex.split(line, comments=True), "."
        while lone:
            end = lone.index("&&") if "&&" in lone else len(lone)
            words, lone = lone[:end], lone[end + 1 :]
            if words[0] == "cd":
                folder = words[1]
            else:
                found.append([folder, *words])
    return found


@pytest.mark.parametrize("name", [*PAGES, "flags"])
def test_commands_are_accepted(name: str) -> None:
    for folder, program, *words in commands(name):
        if "=" in program:  # a variable of this call alone
            program, *words = words
        if program == "python" and words[0] == "main.py":
            check(completed(parse(words[1:]))[0])
        elif program in OTHERS:
            files_named = [words[i + 1] for i, word in enumerate(words) if word == "-r"]
            assert all((ROOT / file).is_file() for file in files_named), words
        else:
            assert program in ("python", "bash"), [program, *words]
            module = words[0] == "-m" and words[1].replace(".", "/")
            files = [f"{module}.py", f"{module}/__main__.py"] if module else [words[0]]
            assert any((ROOT / folder / file).is_file() for file in files), words


def test_every_mode_and_recipe_is_shown() -> None:
    found = [words for name in PAGES for words in commands(name)]
    modes = {parse(words[3:]).mode() for words in found if words[1:3] == ["python", "main.py"]}
    continued = {words[3] for words in found if words[1:3] == ["python", "main.py"]}
    shown = modes | ({"continue_run"} if "--continue" in continued else set())
    assert shown == set(WORDING.modes)
    assert len(found) >= 60


@pytest.mark.parametrize("name", [*PAGES, "flags"])
def test_files_and_flags_in_the_text_exist(name: str) -> None:
    text = html.unescape(text_of(name))
    known = {n for f in dataclasses.fields(Config) for n in f.metadata.get("names", ())}
    known |= OF_OTHERS
    flags = {flag.split("=")[0] for flag in re.findall(r"(?<![\w-])--[a-z]\w+", text)}
    assert flags <= known, flags - known
    named = re.findall(r"(?<![\w/.])(?:[a-z_]+/)+\w+\.(?:py|sh)\b", text)
    named += re.findall(r"requirements[\w-]*\.txt", text)
    missing = [file for file in named if "NAME" not in file and not (ROOT / file).is_file()]
    assert not missing


def test_lines_of_python_are_everywhere_those_that_are_run() -> None:
    """tests/applications/test_scorer.py runs README's and those of save_pretrained,
    tests/demos/test_service.py those of the service's client, and
    tests/applications/inputs/test_shards.py those that write tar shards.
    """
    blocks = {
        block for name in PAGES for block in re.findall(r"```python\n(.*?)```", text_of(name), re.S)
    }
    assert len(blocks) == 4


@pytest.mark.parametrize("name", READMES)
def test_a_readme_is_short(name: str) -> None:
    text = text_of(name)
    assert len(text.encode()) <= LARGEST
    assert len(commands(name)) >= 8
    numbers = text[text.rindex("|---|---|---|") :].split("\n\n")[0]
    assert 1 < numbers.count("\n") <= 10


def test_both_languages_show_the_same_commands_and_numbers() -> None:
    english, chinese = (commands(name) for name in READMES)
    assert english == chinese
    rows = [re.findall(r"^\| .*? \|( .*? )\| ([\d.,% ]*)", text_of(name), re.M) for name in READMES]
    plain = [
        [(c.replace("`", ""), n) for c, n in found if "python" in c or "bash" in c]
        for found in rows
    ]
    assert plain[0] == plain[1] and len(plain[0]) >= 5


@pytest.mark.parametrize("name", PAGES)
def test_links_and_pictures_exist(name: str) -> None:
    folder = (ROOT / name).parent
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(name))
    missing = [target for target in targets if not (folder / target).is_file()]
    assert set(missing) <= {"reference/flags.md"}, missing  # made while the site is built
    assert targets or name not in READMES


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(r": ([\w/-]+\.md)$", navigation, re.M)
    assert sorted(pages) == sorted([*(d.removeprefix("docs/") for d in DOCS), "reference/flags.md"])


def test_the_reference_has_every_flag_with_its_default_and_value() -> None:
    text = flag_pages()
    for field in dataclasses.fields(Config):
        for name in field.metadata.get("names", ()):
            assert re.search(rf"`{name}[ `]", text), name
    assert "| `--epochs N` | `65` | --train | passes over the training labels |" in text
    assert "| `--hard_pairs SHARE` | `1.0` | --train | with `rank`: learn from" in text
    assert "| `--mirrored` |  | --check |" in text
    assert "| `--loss l1\\|l2\\|huber` | `l1` | --train | with `regress`: distance" in text
    assert "`-j N`<br>`--workers N`" in text


def test_the_citation_names_nobody_who_is_not_an_author_of_a_paper() -> None:
    text = text_of("CITATION.cff")
    assert "license: Apache-2.0" in text and "The contributors of the IQA toolkit" in text
    version = re.search(r'^version = "(.*)"', text_of("pyproject.toml"), re.M)
    assert version and f"version: {version[1]}\n" in text
