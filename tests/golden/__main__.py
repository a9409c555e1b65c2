"""`python -m tests.golden run OUT [--tree CHECKOUT] [--only TEXT]`, `... compare OUT_A OUT_B`."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.golden.compare import differences
from tests.golden.data import write_all
from tests.golden.keep import Masks, keep

HERE = Path(__file__).resolve().parent
Call = tuple[str, str, str]  # a file that is written before ("": none), its content, a line


class Tree:
    """One checkout, driven by its command line in a process of its own."""

    def __init__(self, tree: Path, work: Path) -> None:
        self.work, self.masks = work, Masks(work, tree)
        environment = {
            **os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100", "HOME": str(work / "home"),
        }  # fmt: skip
        # Warnings of Python name lines of files and are given once a process: no result of a call.
        words = [sys.executable, "-W", "ignore", str(HERE / "driver.py"), str(tree)]
        self._process = subprocess.Popen(
            words, cwd=work, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def call(self, folder: Path, line: str) -> dict[str, Any]:
        """Exit code, stdout and stderr of one line of a plan in a folder, as lines, masked."""
        after, words = re.fullmatch(r"(?:@(\d+) )?(.*)", line).groups()  # type: ignore[union-attr]
        parts = shlex.split(words)
        program = parts.pop(0) if parts and parts[0].endswith(".py") else ""
        order = {
            "folder": str(folder),
            "program": program,
            "words": parts,
            "after": int(after or 0),
        }
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        self.masks.find_runs(folder)
        texts = {key: self.masks(answer[key], folder).splitlines() for key in ("out", "err")}
        return {"code": answer["code"], **texts}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def read_plan() -> dict[str, list[Call]]:
    """Scene -> its calls, definitions filled in: those of plan.txt, then those of refusals.txt."""
    plan: dict[str, list[Call]] = {}
    defined: dict[str, str] = {}
    file = words = ""
    texts = ((HERE / name).read_text(encoding="utf-8") for name in ("plan.txt", "refusals.txt"))
    for line in "".join(texts).splitlines():
        for name, meant in defined.items():
            line = line.replace(f"{{{name}}}", meant)
        if line.startswith("== "):
            plan[line[3:]], file = [], ""
        elif line.startswith("-- "):
            file, _, words = line[3:].partition(": ")
        elif not plan and " = " in line and not line.startswith("#"):
            name, _, defined[name] = line.partition(" = ")
        elif line and not line.startswith("# "):
            content = line.encode().decode("unicode_escape")
            plan[next(reversed(plan))].append((file, content, words) if file else ("", "", line))
    return plan


def needed(plan: dict[str, list[Call]], only: str) -> list[str]:
    """Scenes whose name holds the text, and those whose runs they use, in the plan's order."""
    wanted = [name for name in plan if only in name]
    for name in wanted:  # grows
        found = re.findall(r"\{(?:run|best):(\w+)\}", " ".join(c[2] for c in plan[name]))
        wanted += [other for other in found if other not in wanted]
    return [name for name in plan if name in wanted]


def fill(line: str, work: Path, folder: Path) -> str:
    """{run:NAME} and {best:NAME} as paths from the scene's folder."""

    def place(match: re.Match[str]) -> str:
        scene = work / (match[2] or folder.name)
        pattern = "checkpoints/model_best_*.pth" if match[1] == "best" else "runs/[!.]*"
        found = max(scene.glob(pattern), key=lambda path: path.stat().st_ctime_ns, default=None)
        return f"../{found.relative_to(work)}" if found else f"no_{match[1]}"

    return re.sub(r"\{(run|best):(\w*)\}", place, line)


def run_scene(tree: Tree, name: str, calls: list[Call], out: Path) -> None:
    """Makes the calls in a folder of the scene; keeps what they said (calls.json) and left."""
    folder = tree.work / name
    folder.mkdir()
    if any(file for file, _, _ in calls):  # files of the data are overwritten: a copy
        write_all(folder / "data")
    else:
        (folder / "data").symlink_to("../data")
    told: dict[str, Any] = {}
    for file, content, line in calls:
        path = folder / file
        before = path.read_bytes() if path.is_file() else None
        if file:
            path.write_bytes(content.encode("latin-1"))
        key = f"{line} < {content!r}" if file else line
        told[f"{key} (again)" if key in told else key] = tree.call(
            folder, fill(line, tree.work, folder)
        )
        if file:
            path.unlink() if before is None else path.write_bytes(before)
    out.mkdir(parents=True)
    (out / "calls.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    keep(folder, out, tree.masks)


def run(out: Path, checkout: Path, only: str) -> None:
    plan = read_plan()
    with tempfile.TemporaryDirectory(prefix="golden") as made:
        work = Path(made).resolve()
        write_all(work / "data")
        tree = Tree(checkout, work)
        for name in needed(plan, only):
            began = time.monotonic()
            run_scene(tree, name, plan[name], out / name)
            print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr)
        tree.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    running = modes.add_parser("run", help="run a checkout's command lines, keep their results")
    running.add_argument("out", type=Path, help="a folder that is not there yet")
    running.add_argument("--tree", type=Path, default=HERE.parents[1], help="default: this one")
    running.add_argument("--only", default="", help="scenes whose names hold this text")
    comparing = modes.add_parser("compare", help="one line per difference; exit code 1 if any")
    comparing.add_argument("a", type=Path)
    comparing.add_argument("b", type=Path)
    args = parser.parse_args(argv)
    if args.mode == "run":
        if args.out.exists():
            parser.error(f"{args.out}: is there already: name another folder")
        run(args.out.resolve(), args.tree.resolve(), args.only)
        return 0
    found = list(differences(args.a, args.b))
    print("".join(f"{line}\n" for line in found), end="")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
