#!/usr/bin/env bash
# Test SRCC on a set of rated photographs: regression from scratch against rank, then regress, with much the same
# number of pixels forwarded in training; as a control from scratch for the epochs of the latter alone (short).
# Ranking sees distorted versions of the training photographs, never a rating.
#
#   bash tests/benchmarks/train_mos.sh MOS_DATA OUT [SEEDS...]
#
# Muon is in timm from 1.0.21 on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
MOS="$1" OUT="$2"
shift 2
SEEDS=("$@")
[ $# -gt 0 ] || SEEDS=(0 1 2)

COMMON=(--arch resnet10t --dropout 0 --crop random --opt muon --lr 1e-3 --schedule cosine --amp bf16 --threads 1 -j 1
  --no_check)
REGRESS=(--criterion regress --data "$MOS" --crop_size 160 --test_crops 9 -b 32 --warmup 1 --wd 0.05 --ema 0.99)

# regress NAME EPOCHS FLAGS...: judged once, after its last epoch.
regress() {
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" "${REGRESS[@]}" --epochs "$2" --eval_every "$2" \
    --logdir "$OUT/$1" --checkpoints "$OUT/latest" "${@:3}"
}

for SEED in "${SEEDS[@]}"; do
  regress scratch 25 --no_pretrained
  regress short 9 --no_pretrained
  "$PYTHON" "$ROOT/main.py" --train "${COMMON[@]}" --seed "$SEED" --criterion rank --photos "$MOS/train" --distort live \
    --no_pretrained --ladders 2 --val_photos 6 --test_photos 6 --crop_size 128 -b 60 --hard_pairs 0.5 --warmup 0 --epochs 2 \
    --logdir "$OUT/rank" --checkpoints "$OUT/latest/rank"
  regress rank_then_regress 9 --resume "$OUT/latest/rank/model_best_resnet10t.pth"
done
for WAY in scratch short rank_then_regress; do
  printf '%s: ' "$WAY"
  "$PYTHON" "$ROOT/tests/benchmarks/spread.py" srcc "$OUT/$WAY"/*/results.json
done
