"""The house rules, read from the source itself: who imports whom, and what nobody writes.

Every rule is a function from one file to its faults; it runs over the whole tree, and over a
planted fault that it has to find.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG
from tests.house import imports as imported
from tests.house import knots

ROOT = Path(__file__).resolve().parents[1]

MIDDLE = ("criterions", "dataloader", "models", "optim")
# What each room may import of ours, itself included.
MAY_IMPORT: dict[str, set[str]] = {
    "main": {"config", "applications", *MIDDLE, "utils"},
    "config": {"utils"},
    "applications": {"config", "applications", *MIDDLE, "utils"},
    **{room: {room, "utils"} for room in MIDDLE},
    "utils": {"utils"},
    "demos": {"demos", "utils"},
    "docs": {"config", "utils"},
}
OURS = {*MAY_IMPORT, "tests"}
# Packages of applications/: each imports those before it, and never one of its own line; the modes
# stand above all of them.
LINES = (("tasks",), ("inputs",), ("evaluation",))
LINES = (*LINES, ("comparison", "inspection", "export"), ("reports", "scoring"))
LINES = (*LINES, ("training",), ("",))
LINE_OF = {package: number for number, line in enumerate(LINES) for package in line}
SEES_CONFIG = {"tasks", "inputs", "training", ""}  # of applications/; others take plain arguments
MOST_FILES = 15
TABLES = ("dataloader/datasets",)  # a file for each of many alike

DEVICE_WORD = re.compile(r"(?<![\w-])(?:cuda|npu|nccl|hccl)(?![\w-])")
DEVICE_NAMES = {"cuda", "npu", "nccl", "hccl", "torch_npu"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
MACHINE_TEXT = re.compile(
    r"(?<![\w.])/(?:root|work|home/\w+|Users/\w+)/"
    r"|/tmp/\w/|pyp[i]\.org|pythonhoste[d]\.org|downloa[d]\.pytorch\.org|index[-_]url[ =]+\S*://"
    r"|https?://(?!127\.0\.0\.1)\d+\.\d+\.\d+\.\d+"
)
# What --help loads beside config.py.
FLAGS = ("utils.flag_", "utils.files.reading", "utils.text", "utils.imaging.view_rule")
MAX_LINES = 350
MAX_FLAG_LINES = 470
MAX_MAIN_LINES = 100


def room_of(path: str) -> str:
    """`applications/train.py` -> `applications`, `main.py` -> `main`."""
    return path.split("/")[0].removesuffix(".py")


def tree_files() -> list[str]:
    """Files of the repository, tracked or about to be, as posix paths from its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (ROOT / ".git").exists():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        names = os.fsdecode(done.stdout).split("\0")
        return sorted({name for name in names if name and (ROOT / name).is_file()})
    # An unpacked archive: only what the rooms hold.
    parts = [*OURS, "z_task_shell"]
    found = [path for part in parts for path in (ROOT / part).rglob("*") if path.is_file()]
    top = [path for path in ROOT.iterdir() if path.is_file()]
    return sorted(path.relative_to(ROOT).as_posix() for path in found + top)


FILES = tree_files()
HOUSE = [path for path in FILES if path.endswith(".py") and room_of(path) != "tests"]


# ---- the rules: (path, tree) -> faults ----


@functools.lru_cache(maxsize=1)  # all rules look at one file before the next one
def nodes(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def wrong_imports(path: str, tree: ast.Module) -> Iterator[str]:
    room = room_of(path)
    if room not in MAY_IMPORT:
        yield f"{path}: no room of this name in the house: give it a place in MAY_IMPORT"
        return
    light = path == "config.py" or path.startswith(tuple(name.replace(".", "/") for name in FLAGS))
    for line, module in imports(tree):
        top = room_of(module.split(".")[0])
        if not top:
            yield f"{path}:{line}: import {module}: write the full name, so that grep finds it"
        elif top in OURS and top not in MAY_IMPORT[room]:
            yield f"{path}:{line}: {room} must not import {module}"
        elif light and top not in sys.stdlib_module_names and not module.startswith(FLAGS):
            yield f"{path}:{line}: --help needs this file; the standard library only, not {module}"


def package_of(name: str) -> str | None:
    """`applications.inputs.data` -> `inputs`, of a mode ``, of anything else None."""
    parts = name.split(".")
    if parts[0] != "applications":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in LINE_OF else ""


def wrong_packages(path: str, tree: ast.Module) -> Iterator[str]:
    own = package_of(path.removesuffix(".py").replace("/", "."))
    if own is None:
        return
    for line, module in imports(tree):
        other = package_of(module)
        if other is not None and other != own and LINE_OF[other] >= LINE_OF[own]:
            yield f"{path}:{line}: {own} must not import {module}"
        if module == "config" and own not in SEES_CONFIG:
            yield f"{path}:{line}: {own} takes plain arguments, not the configuration"


def docstrings(tree: ast.Module) -> set[int]:
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in nodes(tree) if isinstance(node, holders))
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


NAMED = {
    ast.Attribute: lambda n: [n.attr],
    ast.Name: lambda n: [n.id],
    ast.Import: lambda n: [part for a in n.names for part in a.name.split(".")],
    ast.ImportFrom: lambda n: (n.module or "").split(".") + [a.name for a in n.names],
}


def device_words(path: str, tree: ast.Module) -> Iterator[str]:
    """Names of accelerators stand in utils/runtime/device.py, and in the texts and choices of
    config.py.
    """
    if path == "utils/runtime/device.py":
        return
    documentation = docstrings(tree)
    for node in nodes(tree):
        names = NAMED[type(node)](node) if type(node) in NAMED else []
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in documentation and room_of(path) != "config":
            names = DEVICE_WORD.findall(node.value)
        yield from (
            f"{path}:{node.lineno}: {name!r} belongs in utils/runtime/device.py"
            for name in names
            if name in DEVICE_NAMES
        )


def catches_all(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Tuple):
        return any(catches_all(part) for part in node.elts)
    return isinstance(node, ast.Name) and node.id in ("Exception", "BaseException")


def swallowed_exceptions(path: str, tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(s, (ast.Pass, ast.Continue)) for s in node.body)
            if node.type is None or (catches_all(node.type) and silent):
                yield f"{path}:{node.lineno}: swallows every exception: name those meant"
        elif isinstance(node, ast.Call) and called(node) == "suppress":
            if any(catches_all(argument) for argument in node.args):
                yield f"{path}:{node.lineno}: suppresses every exception"


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def unpicklers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """All use of a pickling module but its error classes, which torch.load raises too."""
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module in UNSAFE_MODULES:
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [
                a.asname or a.name for a in node.names if a.name in UNSAFE_MODULES - {"pickle"}
            ]
            names += [a.asname for a in node.names if a.name == "pickle" and a.asname]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [node.attr] if node.value.id == "pickle" else []
        else:
            continue
        yield from ((node.lineno, name) for name in names if not name.endswith("Error"))


def unsafe_code(path: str, tree: ast.Module) -> Iterator[str]:
    """Pickles, eval and exec; torch.load says weights_only=True in so many words."""
    yield from (f"{path}:{line}: {name} runs what it reads" for line, name in unpicklers(tree))
    for node in nodes(tree):
        if not isinstance(node, ast.Call):
            continue
        where = f"{path}:{node.lineno}"
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            yield f"{where}: {node.func.id}() runs text"
        of_torch = isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "torch.load"
        if "weights_only" in keywords or of_torch:
            if not is_constant(keywords.get("weights_only"), True):
                yield f"{where}: load with weights_only=True"
        if "allow_pickle" in keywords and not is_constant(keywords["allow_pickle"], False):
            yield f"{where}: load with allow_pickle=False"


def task_branches(path: str, tree: ast.Module) -> Iterator[str]:
    """`criterion == ...` (or in, or match) stands in applications/tasks/ alone."""
    if path.startswith("applications/tasks/"):
        return

    def is_criterion(node: ast.expr) -> bool:
        return getattr(node, "attr", getattr(node, "id", None)) == "criterion"

    compares = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)
    for node in nodes(tree):
        if isinstance(node, ast.Compare):
            by_name = [node.left, *node.comparators]
            literal = any(
                isinstance(n, (ast.Constant, ast.Tuple, ast.Set, ast.List)) for n in by_name
            )
            hit = literal and any(map(is_criterion, by_name))
            hit = hit and any(isinstance(op, compares) for op in node.ops)
        else:
            hit = isinstance(node, ast.Match) and is_criterion(node.subject)
        if hit:
            yield f"{path}:{node.lineno}: decides by the criterion's name, not by TASKS"


# What reads evaluations and writes pages, and what it must not wait for or know.
DATA_ONLY = (
    "applications/comparison/", "applications/reports/",
    "applications/evaluation/evaluation.py", "applications/evaluation/stored.py",
)  # fmt: skip
NOT_DATA = ("torch", "config", "models", "optim", "criterions", "applications.training")


def loads_of_data(path: str, tree: ast.Module) -> Iterator[str]:
    """Comparisons and pages read evaluations: no network, no training, no configuration."""
    if path.startswith(DATA_ONLY):
        for line, module in imports(tree):
            if f"{module}.".startswith(tuple(f"{name}." for name in NOT_DATA)):
                yield f"{path}:{line}: reads evaluations, which needs no {module}"


RULES = {
    rule.__name__: rule
    for rule in (
        wrong_imports,
        wrong_packages,
        device_words,
        swallowed_exceptions,
        unsafe_code,
        task_branches,
        loads_of_data,
    )
}

# (rule, path, source, number of faults): what each rule must find, and what it must let pass.
PLANTED = [
    ("wrong_imports", "utils/a.py", "import models.heads", 1),
    ("wrong_imports", "utils/a.py", "def f():\n    from config import Config", 1),
    ("wrong_imports", "models/a.py", "from criterions import emd_loss", 1),
    (
        "wrong_imports",
        "optim/a.py",
        "from utils.runtime.seed import key\nimport optim.ema, torch",
        0,
    ),
    ("wrong_imports", "demos/a.py", "import utils.imaging.images\nimport applications.train", 1),
    ("wrong_imports", "demos/a.py", "from optim import ema\nfrom models import heads", 2),
    ("wrong_imports", "applications/a.py", "import main", 1),
    ("wrong_imports", "applications/a.py", "import config, models.heads, tests.x", 1),
    ("wrong_imports", "config.py", "import argparse\nimport numpy", 1),
    ("wrong_imports", "config.py", "import utils.flag_types", 0),
    ("wrong_imports", "config.py", "import utils.runtime.seed", 1),
    ("wrong_imports", "utils/flag_types.py", "import argparse, numpy", 1),
    ("wrong_imports", "models/a.py", "import config", 1),
    ("wrong_imports", "utils/a.py", "from . import seed", 1),
    ("wrong_imports", "misc/a.py", "", 1),
    ("wrong_packages", "applications/inputs/a.py", "from applications.evaluation.b import c", 1),
    ("wrong_packages", "applications/comparison/a.py", "import applications.inspection.b", 1),
    ("wrong_packages", "applications/training/a.py", "import applications.train", 1),
    ("wrong_packages", "applications/reports/a.py", "from config import Config", 1),
    ("wrong_packages", "applications/train.py", "import config, applications.training.a", 0),
    ("wrong_packages", "applications/reports/a.py", "import applications.evaluation.b", 0),
    ("device_words", "models/a.py", "x.cuda()\ny = torch.device('cuda:0')", 2),
    ("device_words", "utils/a.py", "import torch.npu\nfrom torch import cuda\nimport torch_npu", 3),
    ("device_words", "utils/a.py", "backend = f'{x} nccl'", 1),
    ("device_words", "utils/a.py", "'''Runs on cuda.'''\npackage = 'torch-npu'; inputs = 1", 0),
    ("device_words", "config.py", "choices = ('cpu', 'cuda', 'npu')", 0),
    ("device_words", "config.py", "torch.cuda", 1),
    ("device_words", "utils/runtime/device.py", "torch.cuda", 0),
    ("swallowed_exceptions", "a.py", "try:\n    f()\nexcept:\n    raise", 1),
    ("swallowed_exceptions", "a.py", "try:\n    f()\nexcept Exception:\n    pass", 1),
    (
        "swallowed_exceptions",
        "a.py",
        "try:\n    f()\nexcept (OSError, BaseException):\n    pass",
        1,
    ),
    ("swallowed_exceptions", "a.py", "with contextlib.suppress(Exception):\n    f()", 1),
    ("swallowed_exceptions", "a.py", "try:\n    f()\nexcept OSError:\n    pass", 0),
    ("unsafe_code", "a.py", "import pickle, dill\nfrom joblib import load\npickle.loads(b'')", 3),
    ("unsafe_code", "a.py", "import pickle as p\nfrom pickle import loads", 2),
    (
        "unsafe_code",
        "a.py",
        "import pickle\ntry:\n    f()\nexcept pickle.UnpicklingError:\n    g()",
        0,
    ),
    ("unsafe_code", "a.py", "eval('1')\nmodel.eval()\nexec('1')", 2),
    ("unsafe_code", "a.py", "torch.load(f)\ntorch.load(f, weights_only=False)", 2),
    ("unsafe_code", "a.py", "load(f, weights_only=flag)\ntorch.load(f, weights_only=True)", 1),
    ("unsafe_code", "a.py", "np.load(f, allow_pickle=True)", 1),
    ("task_branches", "a.py", "if config.criterion == 'rank':\n    pass", 1),
    ("task_branches", "a.py", "x = 'emd' != criterion\ny = criterion in ('rank', 'emd')", 2),
    ("task_branches", "a.py", "match c.criterion:\n    case 'rank':\n        pass", 1),
    ("task_branches", "a.py", "x = TASKS[config.criterion]\ny = criterion in TASKS", 0),
    ("loads_of_data", "applications/reports/a.py", "import torch.nn\nfrom config import Config", 2),
    ("loads_of_data", "applications/comparison/a.py", "import applications.training.a, torchx", 1),
    ("loads_of_data", "applications/evaluation/scoring.py", "import torch", 0),
    ("task_branches", "applications/tasks/rank.py", "criterion == 'rank'", 0),
]


@pytest.mark.parametrize(("rule", "path", "source", "count"), PLANTED)
def test_a_planted_fault_is_found(rule, path, source, count):
    faults = list(RULES[rule](path, ast.parse(source)))
    assert len(faults) == count, faults


@pytest.fixture(scope="module")
def faults() -> dict[str, list[str]]:
    """Of the whole tree, by rule."""
    found: dict[str, list[str]] = {name: [] for name in RULES}
    for path in HOUSE:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=path)
        for name, rule in RULES.items():
            found[name] += rule(path, tree)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps(faults, rule):
    assert not faults[rule], "\n".join(faults[rule])


def test_no_module_reaches_itself():
    """No circle of imports, also none behind TYPE_CHECKING or inside a function."""
    assert [len(knot) for knot in knots({"a": {"b"}, "b": {"c"}, "c": {"b"}})] == [2, 1]
    assert not [sorted(knot) for knot in knots(imported(ROOT, HOUSE)) if len(knot) > 1]


def test_rooms_stay_small():
    watched = [path for path in FILES if path.endswith((".py", ".sh"))]
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in watched}
    # The one list of all flags holds one idea, however many flags there are.
    most = {"config.py": MAX_FLAG_LINES}
    large = {p: n for p, n in lines.items() if n > most.get(p, MAX_LINES) and room_of(p) != "tests"}
    assert not large, f"a file over {MAX_LINES} lines usually holds two ideas: {large}"
    assert lines.get("main.py", 0) < MAX_MAIN_LINES


def test_folders_stay_small():
    count = Counter(str(Path(path).parent) for path in HOUSE)
    large = {name: n for name, n in count.items() if n > MOST_FILES and name not in TABLES}
    assert not large, f"more than {MOST_FILES} files: {large}"


def machine_text(path: str) -> Iterator[str]:
    data = (ROOT / path).read_bytes()
    if b"\0" in data:  # pictures
        return
    for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
        if found := MACHINE_TEXT.search(line):
            yield f"{path}:{number}: {found[0]!r} is of one machine or one registry"


def test_nothing_of_one_machine_is_written_down():
    faults = [fault for path in FILES for fault in machine_text(path)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/" + "root/x", True),
        ("cd /" + "work/main", True),
        ("/" + "home/me/data", True),
        ("pip install --index" + "-url https://x.y/simple", True),
        ("https://" + "10.0.0.7/simple", True),
        ("PyTorch's CPU wheels come with --extra-index-url", False),
        ("data/root/x and https://github.com/root/x", False),
        ("tcp://127.0.0.1:29500 and http://127.0.0.1:6006", False),
    ],
)
def test_machine_text_is_recognised(text, found):
    assert bool(MACHINE_TEXT.search(text)) == found


def test_the_files_that_begin_first_are_there():
    assert all((ROOT / "tests" / name).is_file() for name in LONG)
