#!/usr/bin/env bash
# Test SRCC on a set of rated photographs: regression from scratch against rank, then regress, with much the same
# number of pixels forwarded in training. Ranking sees distorted versions of the training photographs, never a rating.
#
#   [IQA_ARCH=resnet18 IQA_OPT=adamw] bash tests/benchmarks/train_mos.sh MOS_DATA OUT [SEEDS...]
#
# Muon is in timm from 1.0.21 on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
MOS="$1" OUT="$2" ARCH="${IQA_ARCH:-resnet10t}" OPT="${IQA_OPT:-muon}"
shift 2
SEEDS=("$@")
[ $# -gt 0 ] || SEEDS=(0 1 2)
COMMON=(--arch "$ARCH" --dropout 0 --crop random --opt "$OPT" --lr 1e-3 --schedule cosine --amp bf16 --threads 1 -j 1
  --no_check)
REGRESS=(--criterion regress --data "$MOS" --crop_size 160 --test_crops 9 -b 32 --warmup 1 --eval_every 25 --wd 0.05 --ema 0.99)

for SEED in "${SEEDS[@]}"; do
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" "${REGRESS[@]}" --epochs 25 \
    --logdir "$OUT/scratch" --checkpoints "$OUT/latest"
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" --criterion rank --photos "$MOS/train" --distort live \
    --ladders 2 --val_photos 6 --test_photos 6 --crop_size 128 -b 120 --warmup 0 --epochs 2 \
    --logdir "$OUT/rank" --checkpoints "$OUT/latest/rank"
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" "${REGRESS[@]}" --epochs 9 \
    --resume "$OUT/latest/rank/model_best_$ARCH.pth" --logdir "$OUT/rank_then_regress" --checkpoints "$OUT/latest"
done
for WAY in scratch rank_then_regress; do
  printf '%s: ' "$WAY"
  "$PYTHON" "$ROOT/tests/benchmarks/spread.py" srcc "$OUT/$WAY"/*/results.json
done
