"""The table of exports for nine backbones, one of each family, with random weights or those given.

python tests/benchmarks/bench_exports.py                          onnx and openvino, 224x224
python tests/benchmarks/bench_exports.py --formats onnx,openvino,aoti --archs resnet18 -o DIR
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from models.quality_net import build_model  # noqa: E402
from utils.text import aligned  # noqa: E402

ARCHS = (
    "resnet18 mobilenetv3_large_100 mobilenetv1_100 tf_efficientnet_lite0 resnest50d "
    "inception_resnet_v2 vgg16 swin_tiny_patch4_window7_224 vit_tiny_patch16_224"
)
SHOWN = ("format", "precision", "megabytes", "difference", "srcc_network", "latency_ms",
         "images_per_s", "startup_s")  # fmt: skip


def main() -> None:
    """Prints a row for each backbone and format, as the tables of --export have them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archs", nargs="+", default=ARCHS.split())
    parser.add_argument("--formats", default="onnx,openvino")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--size", default="224")
    parser.add_argument("--photos", default="", help="images to score; without: drawn ones")
    parser.add_argument("--threads", default="1")
    parser.add_argument("-o", "--output", help="folder that keeps the tables (default: none)")
    asked = parser.parse_args()
    rows = [["backbone", *SHOWN]]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(asked.output or folder).resolve()
        for arch in asked.archs:
            torch.manual_seed(0)
            weights, table = place / f"{arch}.pth", place / f"{arch}.json"
            place.mkdir(parents=True, exist_ok=True)
            size = (int(asked.size),) * 2
            torch.save(build_model(arch, 1, size).state_dict(), weights)
            words = ["--export", asked.formats, "--precision", asked.precision, "--arch", arch,
                     "--resume", weights, "--image_size", asked.size, "--threads", asked.threads,
                     "-g", "0", "-j", "0", "--checkpoints", place, "-o", table]  # fmt: skip
            if asked.photos:
                words += ["--photos", Path(asked.photos).resolve()]
            program = [sys.executable, str(ROOT / "main.py"), *map(str, words)]
            done = subprocess.run(program, cwd=folder, capture_output=True, text=True)
            if not table.exists():
                rows.append([arch, done.stderr.strip().splitlines()[-1][:60], *[""] * 7])
                continue
            for row in json.loads(table.read_text(encoding="utf-8"))["exports"]:
                rows.append([arch, *(_cell(row[name]) for name in SHOWN)])
            print(f"{arch} done", file=sys.stderr)
    print("\n".join(aligned(rows, left=3)))


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    main()
