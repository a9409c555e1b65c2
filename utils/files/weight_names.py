"""Where the weights lie that --resume names. The standard library only: it is asked before anything
is loaded.
"""

from __future__ import annotations

import os
from pathlib import Path

# A model folder's parts (model_folder.py).
WEIGHTS, FACTS, CARD = "model.safetensors", "config.json", "README.md"
# Weights that come with this toolkit, by the names that --resume knows them under.
SHIPPED = "quality"
PUBLISHED = {SHIPPED: Path(__file__).resolve().parents[2] / "pretrained" / "quality"}


def find_weights(path: str | os.PathLike[str]) -> Path:
    """The file itself, spelled in any way; of a name in PUBLISHED, where no file has it, that
    folder; of a run folder the one model_best_*.pth in it, and of a folder of `write_folder` the
    folder. ValueError for a folder with several weights, or with none.
    """
    file = find_spelling(Path(path))
    if not os.path.lexists(file):
        file = PUBLISHED.get(os.fspath(path), file)
    if not file.is_dir() or is_model_folder(file):
        return file
    found = sorted(best.name for best in file.glob("model_best_*.pth"))
    if not found:
        raise ValueError(
            f"{file}: is a folder: name the .pth file inside it (no model_best_*.pth in this "
            "folder)"
        )
    if len(found) > 1:
        raise ValueError(f"{file}: holds {', '.join(found)}: name one of these files")
    return file / found[0]


def files_of(weights: str | os.PathLike[str]) -> list[Path]:
    """The files that hold the weights of --resume."""
    file = find_weights(weights)
    return [file / name for name in (WEIGHTS, FACTS)] if is_model_folder(file) else [file]


def is_model_folder(folder: Path) -> bool:
    """Whether the folder is one of `write_folder`."""
    return (folder / WEIGHTS).is_file() and (folder / FACTS).is_file()


def find_spelling(path: Path) -> Path:
    """The file itself, or the one whose name differs only in case and in '-' for '_' (newest
    first).
    """
    path = Path(path)
    if path.exists() or not path.parent.is_dir():
        return path
    wanted = path.name.lower().replace("-", "_")
    alike = [p for p in path.parent.iterdir() if p.name.lower().replace("-", "_") == wanted]
    alike = [p for p in alike if p.exists()]  # a link may lead nowhere, or to itself
    return max(alike, key=lambda p: p.stat().st_mtime) if alike else path
