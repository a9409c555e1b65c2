"""Facts about the house, counted from the source itself: `python -m tests.house [--tree CHECKOUT]`.

Lines of product and of tests, files of every folder, the floors of imports (a module stands one
above the highest that it imports; files that import each other stand on one) and circles, those
behind TYPE_CHECKING and inside functions included.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

TEXTS = (".html", ".css", ".js")  # of pages; counted apart from Python


def files(root: Path) -> list[str]:
    """Tracked files, as posix paths from the root."""
    found = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, check=True)
    return [name for name in found.stdout.decode().splitlines() if (root / name).is_file()]


def is_test(path: str) -> bool:
    return path.startswith("tests/")


def lines(root: Path, paths: list[str]) -> int:
    return sum(len((root / path).read_text(encoding="utf-8").splitlines()) for path in paths)


def imports(root: Path, paths: list[str]) -> dict[str, set[str]]:
    """module -> modules of ours that it imports, wherever the import stands."""
    modules = {path[:-3].replace("/", ".").removesuffix(".__init__"): path for path in paths}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for node in ast.walk(ast.parse((root / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                inner = [f"{base}.{alias.name}" for alias in node.names]
                names = [n for n in inner if n in modules] or [base]
            else:
                continue
            graph[module] |= {name for name in names if name in modules and name != module}
    return graph


def knots(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules that reach each other (Tarjan), those they reach first; a single one is its own."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in order:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == order[module]:
            place = stack.index(module)
            found.append(set(stack[place:]))
            del stack[place:]

    for module in graph:
        if module not in order:
            visit(module)
    return found


def floors(graph: Mapping[str, set[str]]) -> dict[str, int]:
    """module -> its floor; 1 imports nothing of ours."""
    floor: dict[str, int] = {}
    for knot in knots(graph):
        below = {other for module in knot for other in graph[module]} - knot
        floor |= dict.fromkeys(knot, 1 + max((floor[other] for other in below), default=0))
    return floor


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__)
    parser.add_argument("--tree", type=Path, default=Path(__file__).resolve().parents[1])
    root = parser.parse_args().tree
    every = files(root)
    python = [path for path in every if path.endswith(".py")]
    product = [path for path in python if not is_test(path)]
    pages = [path for path in every if path.endswith(TEXTS) and not is_test(path)]
    tests = [path for path in python if is_test(path)]
    print(f"product: {lines(root, product):,} lines of Python in {len(product)} files")
    print(f"pages:   {lines(root, pages):,} lines of {', '.join(TEXTS)} in {len(pages)} files")
    print(f"tests:   {lines(root, tests):,} lines of Python in {len(tests)} files")
    graph = imports(root, product)
    floor = floors(graph)
    inside: dict[str, set[str]] = defaultdict(set)
    count = Counter(str(Path(path).parent) for path in product)
    for path in product:
        module = path[:-3].replace("/", ".").removesuffix(".__init__")
        inside[str(Path(path).parent)].add(module)
    print("\nfiles  floors  folder")
    for folder, members in sorted(inside.items()):
        own = {module: graph[module] & members for module in members}
        print(f"{count[folder]:5}  {max(floors(own).values()):6}  {folder}")
    print(f"\nfloors in all: {max(floor.values())}")
    circles = [sorted(knot) for knot in knots(graph) if len(knot) > 1]
    print(f"circles: {len(circles)}")
    for circle in circles:
        print("  " + " <-> ".join(circle))


if __name__ == "__main__":
    main()
