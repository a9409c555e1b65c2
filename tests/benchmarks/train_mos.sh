#!/usr/bin/env bash
# Test SRCC on a set of rated photographs: rank distorted versions of its own training photographs, without their
# ratings, then regress the ratings.
#
#   bash tests/benchmarks/train_mos.sh MOS_DATA OUT [more flags of the regression]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
MOS="$1" OUT="$2"
shift 2
COMMON=(--arch resnet18 --dropout 0 --crop random --lr 1e-3 --schedule cosine --amp bf16 --threads 1 -j 1 --no_check
  --logdir "$OUT/runs")

"$PYTHON" "$ROOT/main.py" --train --criterion rank --photos "$MOS/train" --distort live --ladders 2 --val_photos 6 \
  --test_photos 6 "${COMMON[@]}" --crop_size 128 -b 120 --warmup 0 --epochs 2 --checkpoints "$OUT/rank"
"$PYTHON" "$ROOT/main.py" --train --criterion regress --data "$MOS" "${COMMON[@]}" --crop_size 160 --test_crops 9 -b 32 \
  --warmup 1 --epochs 9 --eval_every 9 --wd 0.05 --ema 0.99 --resume "$OUT/rank/model_best_resnet18.pth" \
  --checkpoints "$OUT/regress" "$@"
