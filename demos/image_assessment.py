"""Scores images with an exported model, the file of `python main.py --jit`, which says itself how
it is used; nothing of the training code. An export is a program: use only one that you trust.

python image_assessment.py                              newest export, images of data/test
python image_assessment.py --model jit_resnet18.pt photo.jpg folder/
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run from anywhere; only utils/ is used

from utils.files.reading import check_regular, parse_json, read_json, utf8  # noqa: E402
from utils.files.writing import check_apart, check_output, write_csv  # noqa: E402
from utils.imaging.image_folders import left_out, list_images  # noqa: E402
from utils.imaging.images import ViewRule, read_image, view  # noqa: E402
from utils.imaging.pooling import pool_histograms, pool_scores  # noqa: E402
from utils.text import csv_path, cut, printable, to_stderr, visible  # noqa: E402

ABOUT = "/extra/about.json"  # where torch.jit keeps it in the archive


class QualityModel:
    """An exported model: `score(path)` gives (score, histogram or None)."""

    def __init__(self, file: Path) -> None:
        self.facts = read_facts(file)
        self.rule = ViewRule.from_dict(self.facts["view"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the end of TorchScript at every load
            try:
                self.network = torch.jit.load(str(file), map_location="cpu").eval()
            except RuntimeError as error:
                raise ValueError(f"{file}: {_last_line(error)}: export again") from None
        to_stderr(
            f"{printable(file)}: an export is a program, which now runs with your rights: use only "
            "one that you trust (SECURITY.md)"
        )

    @torch.inference_mode()
    def score(self, path: Path) -> tuple[float, np.ndarray | None]:
        """(quality score, opinion histogram (K,) where the model has one) of an image file."""
        views = view(read_image(path, self.facts["max_pixels"]), self.rule)  # uint8 (V, 3, H, W)
        try:
            output = self.network(torch.from_numpy(views).float() / 255)
        except RuntimeError as error:
            raise ValueError(f"{printable(path)}: the model fails: {_last_line(error)}") from None
        scores, histograms = output if isinstance(output, tuple) else (output, None)
        own = scores.numpy()[None]  # (1, V)
        score = float(pool_scores(own, self.rule)[0])
        if not math.isfinite(score):
            raise ValueError(f"{printable(path)}: its score is {score}, not a finite number")
        if histograms is None:
            return score, None
        return score, pool_histograms(histograms.numpy()[None], own, self.rule)[0]


def _last_line(error: RuntimeError) -> str:
    """What TorchScript has to say, which it says last."""
    return cut(printable(str(error).strip().rpartition("\n")[2]), 200)


def read_facts(file: Path) -> dict[str, Any]:
    """What the export says of the model: inside the file, for a .json beside it may be of another
    export; ValueError names a value of the wrong type. Older exports have the .json only.
    """
    text = _inside(file)
    if text is not None:
        return _checked(parse_json(text, file), file, {})
    sidecar = file.with_suffix(".json")
    if not sidecar.exists():
        if not file.exists():
            raise ValueError(f"{file}: no such file: check the path")
        raise ValueError(
            f"{file}: is no export (python main.py --jit --resume WEIGHTS makes one), or an older "
            f"one, for which {sidecar.name} is missing"
        )
    facts = _checked(read_json(sidecar), sidecar, {"file_sha256": str})
    check_regular(file)
    if hashlib.sha256(file.read_bytes()).hexdigest() != facts["file_sha256"]:
        raise ValueError(f"{file}: is not the file that {sidecar.name} describes: export again")
    return facts


def _inside(file: Path) -> str | None:
    """The description inside a whole export; None where there is none, ValueError for damage."""
    if file.exists():
        check_regular(file)
    if not zipfile.is_zipfile(file):
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            found = [name for name in archive.namelist() if name.endswith(ABOUT)]
            if not found:
                return None
            if (part := archive.testzip()) is not None:
                raise ValueError(f"{file}: damaged in {printable(part)}: export again")
            return utf8(archive.read(found[0]), file)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"{file}: damaged: {printable(error)}: export again") from None


def _checked(facts: Any, place: Path, more: dict[str, type]) -> dict[str, Any]:
    if not isinstance(facts, dict):
        raise ValueError(f"{place}: not the description of an export: export again")
    for name, kind in {**more, "view": dict, "max_pixels": int}.items():
        if type(facts.get(name)) is not kind:
            given = cut(repr(facts.get(name)))
            raise ValueError(f"{place}: {name}: {given}: expected {kind.__name__}: export again")
    try:
        ViewRule.from_dict(facts["view"])
    except ValueError as error:
        raise ValueError(f"{place}: {error}: export again") from None
    return facts


def newest_export() -> Path:
    """The latest jit_*.pt in checkpoints/; stderr says which, for older ones may be meant."""
    found = sorted((ROOT / "checkpoints").glob("jit_*.pt"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ValueError(
            "no checkpoints/jit_*.pt: export a model first (python main.py --jit) or pass --model"
        )
    others = f"the newest of {len(found)} exports, " if len(found) > 1 else ""
    to_stderr(f"model: {found[-1]} ({others}--model FILE names another)")
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
        file = args.model or newest_export()
        named = args.images or [ROOT / "data" / "test"]
        images = find_images(named)
        if args.output is not None:
            read = [*images, file, file.with_suffix(".json")]
            check_apart(args.output, read, [path for path in named if path.is_dir()])
            check_output(args.output)
        model = QualityModel(file)
        rows = [(path, *model.score(path)) for path in images]
        if args.sort:
            rows.sort(key=lambda row: -row[1])
        show(rows, args.output)
    except (ValueError, OSError) as error:
        print(f"error: {visible(error)}", file=sys.stderr)
        return 1
    return 0


def show(rows: list[tuple[Path, float, np.ndarray | None]], output: Path | None) -> None:
    """A table on stdout, or a csv with the histograms."""
    if output is None:
        for path, score, _ in rows:
            print(f"{score:9.4f}  {printable(path.as_posix())}")
        return
    bins = 0 if rows[0][2] is None else len(rows[0][2])
    table = [["path", "score", *(f"p{k + 1}" for k in range(bins))]]
    for path, score, histogram in rows:
        probs = () if histogram is None else histogram
        table.append([csv_path(path.as_posix()), f"{score:.9g}", *(f"{p:.9g}" for p in probs)])
    write_csv(output, table)


if __name__ == "__main__":
    sys.exit(main())
