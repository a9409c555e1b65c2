#!/usr/bin/env bash
# Test SRCC on a set of rated photographs: rank on distorted pristine photographs, then regress their MOS.
#
#   bash tests/benchmarks/train_mos.sh MOS_DATA PRISTINE_PHOTOS OUT [more flags of --train]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup requirements-quickstart.txt
MOS="$1" PHOTOS="$2" OUT="$3"
shift 3
VIEW=(--arch resnet18 --crop random --schedule cosine --warmup 1 --lr 1e-3 --amp bf16 --dropout 0 --threads 1 --no_check)

"$PYTHON" "$ROOT/main.py" --generate basic --photos "$PHOTOS" --data "$OUT/ranked" --val_photos 6 --test_photos 6
"$PYTHON" "$ROOT/main.py" --train --criterion rank --data "$OUT/ranked" "${VIEW[@]}" --crop_size 128 -b 240 \
  --epochs 12 --eval_every 4 --logdir "$OUT/runs" --checkpoints "$OUT/rank"
"$PYTHON" "$ROOT/main.py" --train --criterion regress --data "$MOS" "${VIEW[@]}" --crop_size 160 --test_crops 9 -b 32 \
  --epochs 8 --eval_every 8 --wd 0.05 --ema 0.99 --resume "$OUT/rank/model_best_resnet18.pth" \
  --logdir "$OUT/runs" --checkpoints "$OUT/regress" "$@"
