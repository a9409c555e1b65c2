#!/usr/bin/env bash
# Test EMD on a small set of opinion histograms: rank distorted pristine photographs, freeze what was learned, and
# train a head on the histograms.
#
#   bash tests/benchmarks/train_histogram.sh HISTOGRAM_DATA PRISTINE_PHOTOS OUT
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
HISTOGRAM="$1" PHOTOS="$2" OUT="$3"
COMMON=(--arch resnet18 --crop random --lr 1e-3 --schedule cosine --warmup 1 --amp bf16 --threads 1 -j 1 --no_check
  --logdir "$OUT/runs")

"$PYTHON" "$ROOT/main.py" --train --criterion rank --photos "$PHOTOS" --distort live --val_photos 4 --test_photos 20 \
  --split_seed 0 --seed 1 "${COMMON[@]}" --no_pretrained --dropout 0 --crop_size 160 -b 120 --epochs 12 --eval_every 4 --across 1 \
  --checkpoints "$OUT/rank"
# The last weights, not those that order pairs best: what transfers is what more training has learned.
"$PYTHON" "$ROOT/main.py" --train --criterion emd --data "$HISTOGRAM" "${COMMON[@]}" --freeze backbone --dropout 0.5 \
  --crop_size 224 --test_crops 5 -b 16 --wd 0.1 --epochs 10 --eval_every 2 \
  --resume "$OUT/rank/checkpoint_resnet18.pth" --checkpoints "$OUT/emd"
