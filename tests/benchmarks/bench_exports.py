"""The table of exports for backbones of each family, with random weights, and each kind of head.

python tests/benchmarks/bench_exports.py -o DIR --photos PHOTOS   onnx, openvino, pt2, torchscript
python tests/benchmarks/bench_exports.py -o DIR --formats aoti --archs resnet18 vgg11
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.cli import call  # noqa: E402
from tests.random_networks import random_network  # noqa: E402
from utils.data_generate.photos import find_photos  # noqa: E402
from utils.imaging.images import read_image, view  # noqa: E402
from utils.imaging.view_rule import ViewRule  # noqa: E402

# Backbone: side of its images, criterion.
FAMILIES = {
    "resnet18": (64, "rank"),
    "mobilenetv3_large_100": (64, "emd"),
    "mobilenetv1_100": (64, "regress"),
    "efficientnet_b0": (64, "rank"),
    "tf_efficientnet_lite0": (64, "regress"),
    "efficientnet_pytorch:efficientnet-b0": (64, "emd"),
    "resnest14d": (64, "regress"),
    "inception_resnet_v2": (96, "emd"),
    "vgg11": (64, "rank"),
    "swin_tiny_patch4_window7_224": (224, "regress"),
    "vit_tiny_patch16_224": (64, "emd"),
}
SHOWN = (
    "format", "precision", "megabytes", "difference", "srcc_network", "latency_ms", "startup_s"
)  # fmt: skip


def main() -> None:
    """Prints a row for each backbone and format, as the tables of --export have them, or why there
    is none.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", nargs="+", default=list(FAMILIES))
    parser.add_argument("--formats", default="onnx,openvino,pt2,torchscript")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--size", type=int, help="side of the images (default: small ones)")
    parser.add_argument("--photos", help="images whose order by each export is compared")
    parser.add_argument("--threads", default="1")
    parser.add_argument("-o", "--output", required=True, help="folder that keeps files and tables")
    asked = parser.parse_args()
    folder = Path(asked.output).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    show("backbone", "task", "side", *SHOWN)
    show(*["---"] * (3 + len(SHOWN)))
    for arch in asked.archs:
        side, criterion = FAMILIES.get(arch, (224, "rank"))
        side = asked.size or side
        for row in exports(folder, arch, side, criterion, asked):
            show(arch, criterion, side, *row)


def show(*cells: object) -> None:
    """A row of a table in Markdown, at once."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def exports(
    folder: Path, arch: str, side: int, criterion: str, asked: argparse.Namespace
) -> list[list[str]]:
    """Rows of one backbone; of a format that fails: its name and the line that says so."""
    bins = 5 if criterion == "emd" else 1
    pixels = None
    if asked.photos:  # norms of other images would let small differences grow
        rule, photos = ViewRule((side, side)), find_photos(Path(asked.photos))
        views = [view(read_image(photo), rule)[0] for photo in photos]
        pixels = torch.from_numpy(np.stack(views)).float() / 255
    model = random_network(arch, bins, (side, side), pixels)
    weights, table = folder / "weights.pth", folder / "table.json"
    table.unlink(missing_ok=True)
    torch.save(model.state_dict(), weights)
    words = ["--export", asked.formats, "--precision", asked.precision, "--arch", arch,
             "--criterion", criterion, "--num_classes", bins, "--resume", weights,
             "--image_size", side, "--threads", asked.threads, "-g", "0", "-j", "0",
             "--checkpoints", folder, "-o", table]  # fmt: skip
    words += ["--photos", Path(asked.photos).resolve()] if asked.photos else ["--data", "none"]
    done = call(folder, shlex.join(map(str, words)), code=None)
    lines = done.err.strip().splitlines()
    found = json.loads(table.read_text(encoding="utf-8"))["exports"] if table.exists() else []
    rows = [[_cell(row[name]) for name in SHOWN] for row in found]
    made = {row["format"] for row in found}
    for name in asked.formats.split(","):
        if name not in made:
            why = [line for line in lines if name in line and "not " in line] or lines[-1:]
            rows.append([name, *why])
    return rows


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < value < 1e-2 else f"{value:.4g}"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    main()
