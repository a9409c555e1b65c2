"""Scores images with an exported model: the file of `python main.py --jit` and its .json, nothing
of the training code.

python image_assessment.py                              newest export, images of data/test
python image_assessment.py --model jit_resnet18.pt photo.jpg folder/
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run from anywhere; only utils/ is used

from utils.image_folders import left_out, list_images  # noqa: E402
from utils.images import ViewRule, read_image, view  # noqa: E402
from utils.pooling import pool_scores  # noqa: E402
from utils.text import printable  # noqa: E402


class QualityModel:
    """An exported model: `score(path)` gives (score, histogram or None)."""

    def __init__(self, file: Path) -> None:
        sidecar = file.with_suffix(".json")
        if not sidecar.exists():
            raise ValueError(f"{sidecar}: missing: the export writes it beside the .pt file")
        self.facts: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
        if hashlib.sha256(file.read_bytes()).hexdigest() != self.facts["file_sha256"]:
            raise ValueError(f"{file}: is not the file that {sidecar.name} describes: export again")
        self.rule = ViewRule.from_dict(self.facts["view"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript at every load
            self.network = torch.jit.load(str(file), map_location="cpu").eval()

    @torch.inference_mode()
    def score(self, path: Path) -> tuple[float, np.ndarray | None]:
        """(quality score, opinion histogram (K,) where the model has one) of an image file."""
        views = view(read_image(path, self.facts["max_pixels"]), self.rule)  # uint8 (V, 3, H, W)
        output = self.network(torch.from_numpy(views).float() / 255)
        scores, histograms = output if isinstance(output, tuple) else (output, None)
        score = float(pool_scores(scores.numpy()[None], self.rule)[0])
        if not math.isfinite(score):
            raise ValueError(f"{printable(path)}: its score is {score}, not a finite number")
        return score, None if histograms is None else histograms.mean(0).numpy()


def newest_export() -> Path:
    """The latest jit_*.pt in checkpoints/."""
    found = sorted((ROOT / "checkpoints").glob("jit_*.pt"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ValueError(
            "no checkpoints/jit_*.pt: export a model first (python main.py --jit) or pass --model"
        )
    return found[-1]


def find_images(paths: list[Path]) -> list[Path]:
    """Files as named, folders searched to the bottom."""
    images = [image for path in paths for image in (list_images(path) if path.is_dir() else [path])]
    if not images:
        others = "; ".join(filter(None, map(left_out, paths)))
        raise ValueError(f"no images in {', '.join(map(str, paths))}: {others}".rstrip(": "))
    return images


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Score images with an exported quality model.")
    parser.add_argument(
        "images", nargs="*", type=Path, help="files or folders (default: data/test)"
    )
    parser.add_argument(
        "--model", type=Path, help="a .pt of --jit (default: the newest in checkpoints/)"
    )
    parser.add_argument("--sort", action="store_true", help="best first")
    parser.add_argument("-o", "--output", type=Path, help="write a .csv in place of the table")
    args = parser.parse_args(argv)
    try:
        model = QualityModel(args.model or newest_export())
        rows = [
            (path, *model.score(path))
            for path in find_images(args.images or [ROOT / "data" / "test"])
        ]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if args.sort:
        rows.sort(key=lambda row: -row[1])
    show(rows, args.output)
    return 0


def show(rows: list[tuple[Path, float, np.ndarray | None]], output: Path | None) -> None:
    """A table on stdout, or a csv with the histograms."""
    if output is None:
        for path, score, _ in rows:
            print(f"{score:9.4f}  {path.as_posix()}")
        return
    with open(output, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "path",
                "score",
                *(f"p{k + 1}" for k in range(len(rows[0][2]) if rows[0][2] is not None else 0)),
            ]
        )
        for path, score, histogram in rows:
            writer.writerow(
                [
                    path.as_posix(),
                    f"{score:.9g}",
                    *(f"{p:.9g}" for p in (histogram if histogram is not None else ())),
                ]
            )


if __name__ == "__main__":
    sys.exit(main())
