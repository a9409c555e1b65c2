#!/usr/bin/env bash
# Pair accuracy of rankings on photographs held out by name: LIVE's and TID2013's distortions, three seeds each.
#
#   bash tests/benchmarks/rank_accuracy.sh PHOTOS OUT [SEEDS...]        PHOTOS: a folder of pristine photographs
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
PHOTOS="$1" OUT="$2"
shift 2
SEEDS=("$@")
[ $# -gt 0 ] || SEEDS=(0 1 2)
# One seed draws the photographs held out, whatever the seed of the training. Muon is in timm from 1.0.21 on.
COMMON=(--criterion rank --photos "$PHOTOS" --val_photos 4 --test_photos 20 --split_seed 0 --arch resnet10t --no_pretrained --dropout 0
  --crop random --crop_size 128 -b 60 --hard_pairs 0.5 --opt muon --lr 1e-3 --schedule cosine --warmup 1 --ema 0.995
  --test_crops 16 --eval_every 12 --amp bf16 --threads 1 -j 1 --no_check)

for SEED in "${SEEDS[@]}"; do
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" --distort live --epochs 12 \
    --logdir "$OUT/live" --checkpoints "$OUT/live/latest"
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" --distort tid2013 --ladders 6 --epochs 36 \
    --logdir "$OUT/tid2013" --checkpoints "$OUT/tid2013/latest"
done
"$PYTHON" "$ROOT/tests/benchmarks/spread.py" pair_accuracy "$OUT"/live/*/results.json
"$PYTHON" "$ROOT/tests/benchmarks/spread.py" pair_accuracy "$OUT"/tid2013/*/results.json
