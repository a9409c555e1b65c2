"""What is kept of a scene: its files as small text, without what no two runs share."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

# What differs between two runs of one commit, and is masked in every text: (pattern, mask, why).
MASKS = (
    (r"\d{8}-\d{6}_[\w.+]+(-\d+)?", "RUN", "run folders are called by the second of their making"),
    (r"(?<=[/-])[0-9a-f]{16}\b", "KEY", "cached features: the name holds both times of each image"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d{4}|Z| UTC)?", "DATE", "dates"),
    (r"events\.out\.tfevents\.[\w.-]+", "events", "TensorBoard: date, host and process"),
    (r"\b\d+(\.\d+)? ?(s|min|h|ms|hours?|minutes?|seconds?)(?=\b|$)", "TIME", "durations"),
    (r"ETA [\d:]+", "ETA TIME", "durations"),
    (r"[\d.]+ (img|images)/s", "RATE", "images per second"),
    (r"wait \d+%", "wait SHARE", "the loader's share of the time"),
    (r"[\d.,]+ [KMGT]i?B (are )?free", "SIZE free", "room on the disk"),
)
IMAGES = (".png", ".jpg", ".bmp")
DRAWN = ("first_batch.png", "histograms.png", "ladders.png", "_map.png", "_histograms.png")
# Names alone are kept of these: pictures drawn for people, locks, TensorBoard's events, what is in
# cached features and exports (the scores that they give are kept), and the log, which is stderr.
NAMED = (".lock", "log.txt", "events", ".pt", ".npy", "about.json", *DRAWN)


class Masks:
    """Text without folders, dates, durations and rates of this one run."""

    def __init__(self, work: Path, tree: Path) -> None:
        self._folders = {str(work): "WORK", str(tree): "TREE"}
        self._runs: dict[Path, dict[str, str]] = {}  # of each scene: runs/NAME -> runs/1

    def find_runs(self, scene: Path) -> None:
        """Numbers the run folders that are new in a scene, those inside another one as well."""
        known = self._runs.setdefault(scene, {})
        for depth in ("runs", "runs/*"):
            found = scene.glob(f"{depth}/*/config.json")
            for file in sorted(found, key=lambda f: (f.stat().st_mtime_ns, f)):
                name, above = (str(p.relative_to(scene)) for p in (file.parent, file.parents[1]))
                number = sum(other.rpartition("/")[0] == above for other in known) + 1
                known.setdefault(name, f"{known.get(above, above)}/{number}")

    def __call__(self, text: str, scene: Path | None = None) -> str:
        # The scene's own first, longest first: two scenes may have had runs in one second.
        own = self._runs.get(scene, {}) if scene else {}
        for names in (self._folders, own, *self._runs.values()):
            for found in sorted(names, key=len, reverse=True):
                text = text.replace(found, names[found])
        for pattern, mask, _ in MASKS:
            text = re.sub(pattern, mask, text)
        return text


class _Page(HTMLParser):
    """tables: cells, by the section's anchor and a number; files: text of every csv download."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.files: dict[str, str] = {}
        self._section, self._cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "h2":
            self._section = known.get("id") or self._section
        if tag == "table":
            self.tables[f"{self._section} {len(self.tables) + 1}"] = []
        rows = next(reversed(self.tables.values()), None)
        if rows is not None and tag == "tr":
            rows.append([])
        if rows and tag in ("td", "th"):
            rows[-1].append("")
            self._cell = True
        if tag == "a" and "download" in known:
            content = base64.b64decode((known["href"] or "").partition(",")[2])
            self.files[known["download"] or ""] = content.decode()

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th", "table")

    def handle_data(self, data: str) -> None:
        if self._cell:
            next(reversed(self.tables.values()))[-1][-1] += data


def page(text: str) -> dict[str, Any]:
    """Table cells and csv downloads of an html page; nothing of how it looks."""
    read = _Page(text)
    files = {name: list(csv.reader(text.splitlines())) for name, text in read.files.items()}
    for rows in read.tables.values():
        rows[:] = [[" ".join(cell.split()) for cell in row] for row in rows]
    return {"tables": read.tables, "files": files}


def tensors_of(value: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) of all tensors below a value."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, (dict, list, tuple)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from tensors_of(inner, f"{name}/{key}")


def weights(file: Path) -> dict[str, Any]:
    """A digest of the tensors below each entry of a checkpoint, and the entries without any."""
    kept: dict[str, Any] = {}
    for key, value in torch.load(file, weights_only=True, map_location="cpu").items():
        found = sorted(tensors_of({key: value}), key=lambda pair: pair[0])
        digest = hashlib.sha256()
        for name, tensor in found:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        if found:
            kept[key] = f"{len(found)} tensors {digest.hexdigest()}"
        elif key not in ("config", "digest", "format", "optimizer"):  # of the file, not of a result
            kept[key] = value
    return kept


def kept_text(file: Path, mask: Callable[[str], str]) -> str | None:
    """What is kept of a file as text; None for one of which the name is enough."""
    name = mask(file.name)
    if file.is_symlink() or name.endswith(NAMED):
        return None
    if name.endswith(".pth"):
        return json.dumps(weights(file), indent=1, default=str)
    if name.endswith(".html"):
        text = json.dumps(page(file.read_text(encoding="utf-8")), ensure_ascii=False)
        return mask(text.replace("], [", "],\n["))
    if name.endswith(IMAGES):
        pixels = np.asarray(Image.open(file))
        return f"{pixels.shape} {hashlib.sha256(pixels.tobytes()).hexdigest()}\n"
    return mask(file.read_text(encoding="utf-8", errors="backslashreplace"))


def keep(folder: Path, out: Path, masks: Masks) -> None:
    """Keeps what a scene left in its folder: files.txt names all, pixels.txt holds the images'
    hashes, the rest lies below files/ as it lay in the folder.
    """
    names, images, mask = [], [], partial(masks, scene=folder)
    for file in sorted(folder.rglob("*")):
        name = mask(str(file.relative_to(folder))) + ("/" if file.is_dir() else "")
        names.append(name)
        text = None if file.is_dir() or name.startswith("data/") else kept_text(file, mask)
        if text is not None and file.suffix in IMAGES:
            images.append(f"{name} {text}")
        elif text is not None:
            target = out / "files" / (name + (".json" if file.suffix in (".pth", ".html") else ""))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    (out / "files.txt").write_text("".join(f"{name}\n" for name in sorted(names)))
    if images:
        (out / "pixels.txt").write_text("".join(sorted(images)))
