"""Runs the command lines of one checkout in one process, which imports torch once.

Started with the checkout as its only argument; reads one order a line (JSON) and answers with one.
It imports nothing of the tree but `main`, and nothing of tests/.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import signal
import sys
from typing import Any


def obey(tree: str, order: dict[str, Any]) -> dict[str, Any]:
    """Exit code, stdout and stderr of one call: of `main.main`, or of a program of the tree.

    order: folder (working directory), program (path below the tree, or ""), words, and stop_after,
    the optimiser's step after which this process gets SIGTERM (0: none).
    """
    from torch.optim.optimizer import register_optimizer_step_post_hook

    import main

    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == order["after"]:
            os.kill(os.getpid(), signal.SIGTERM)

    os.chdir(order["folder"])
    hook = register_optimizer_step_post_hook(count)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = sys.argv, sys.path[:]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if order["program"]:
                sys.argv = [order["program"], *order["words"]]
                runpy.run_path(os.path.join(tree, order["program"]), run_name="__main__")
                code: object = 0
            else:
                code = main.main(order["words"])
        except SystemExit as done:
            code = done.code
        except Exception as error:  # told to the reader of the results: nothing should come here
            code = f"{type(error).__name__}: {error}"
    hook.remove()
    sys.argv, sys.path[:] = before
    texts = {"out": out, "err": err}
    return {"code": code, **{k: v.buffer.getvalue().decode("utf-8") for k, v in texts.items()}}


if __name__ == "__main__":
    root = sys.argv[1]
    sys.path[0] = root
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        for line in sys.stdin:
            print(json.dumps(obey(root, json.loads(line))), file=answers, flush=True)
