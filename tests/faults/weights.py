"""Weights that were made to do harm, or are damaged: through what every mode does with weights, and
the worst of them through the commands; one line each, and none goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from applications.inputs.weights import adopt, open_weights
from config import Config
from tests.faults.disks import TINY, Place
from tests.faults.hostile_weights import damaged, hand_made
from tests.faults.trial import Trial, attempt, fingerprint

COMMANDS = (
    ["--predict", "data/test"], ["-e"], ["--jit"],
    ["--train", "--criterion", "regress", "--epochs", "1", "--no_report"],
)  # fmt: skip


def trials(root: Path, short: bool) -> Iterator[Trial]:
    root.mkdir(parents=True, exist_ok=True)
    place = Place(root)
    for number, (name, content) in enumerate(hand_made()):
        yield name, partial(opened, root, name, content, True)
        if not short and number % 4 == 0:
            words = COMMANDS[number // 4 % len(COMMANDS)]
            yield f"{words[0]} {name}", partial(_used, place, name, content, words)
    for name, content in damaged(20 if short else 1000, seed=1):
        yield name, partial(opened, root, name, content, False)


def _suffix(name: str) -> str:
    return ".safetensors" if "safetensors" in name else ".pth"


def opened(root: Path, name: str, content: bytes, refused: bool) -> str | None:
    """Does what every mode does before it builds a network."""
    file = root / f"weights{_suffix(name)}"
    file.write_bytes(content)
    try:
        _, payload = open_weights(str(file))
        adopt(Config(resume=str(file)), payload)
    except ValueError as error:
        text = str(error)
        right = str(file) in text and text.isprintable() and len(text) < 1000
        return None if right else f"not one line that names the file: {text[:500]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "was not refused" if refused else None


def _used(place: Place, name: str, content: bytes, words: list[str]) -> str | None:
    folder = place.folder()
    file = folder / f"weights{_suffix(name)}"
    file.write_bytes(content)
    before = fingerprint(folder / "data", file)
    done = attempt(folder, [*words, "--resume", file.name, *TINY])
    if wrong := done.wrong(1):
        return wrong
    if done.peak > 2500:
        return f"took {done.peak} MB"
    if fingerprint(folder / "data", file) != before:
        return "an input has changed"
    shutil.rmtree(folder)
    return None
