#!/usr/bin/env bash
# The whole job on real photographs, a few minutes on two CPU cores: distort photographs that ship inside
# installed packages, score some with the quality model that comes with this toolkit, learn to rank them, go on to
# regress a full-reference score, test on photographs that training never saw, export, score a folder with the
# export, and leave pictures and a table.
#
#   bash z_task_shell/quickstart.sh                        results in quickstart/ of this repository
#   bash z_task_shell/quickstart.sh --photos DIR --out OUT --seed 1
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

usage() { printf 'usage: %s [--photos DIR] [--out DIR] [--seed N]\n' "$0" >&2; exit 2; }
OUT="$ROOT/quickstart" SEED=0 PHOTOS=()
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case "$1" in
    --photos) PHOTOS=(--photos "$2") ;;
    --out) OUT="$2" ;;
    --seed) SEED="$2" ;;
    *) usage ;;
  esac
  shift 2
done
setup requirements-quickstart.txt

SECONDS=0
step() { printf '\n== %s (%d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)) >&2; }
iqa() { "$PYTHON" "$ROOT/main.py" "$@"; }

ARCH=tf_efficientnet_lite0
DATA="$OUT/data_seed$SEED" RANK="$OUT/checkpoints/rank" REGRESS="$OUT/checkpoints/regress"
# One thread and a loader beside it, in float32: a second thread slows down tenfold on a machine that has anything
# else to do, and bfloat16 is slower for this network on a CPU.
COMMON=(--data "$DATA" --arch "$ARCH" --seed "$SEED" -j 1 --threads 1 --amp off --no_check)
# From ImageNet weights, whose first three blocks, edges and textures, stay as they are.
LEARN=(--freeze blocks.2 --lr 1e-3 --lr_backbone 3e-4 --schedule cosine --warmup 1 --epochs 5 --eval_every 5
  --report_maps 1)
# One photograph validates, too few to choose weights by: the last ones count.
# Crops at the photographs' own resolution, because distortions die in resizing; random exposure, because a
# handful of photographs would teach that a dark or flat scene is a distorted one.
VIEW=(--crop random --test_crops 9 --jitter 0.5)

step "1/8 distort photographs: 4 kinds x 5 levels; whole photographs are kept for val and test"
iqa --generate basic ${PHOTOS[@]+"${PHOTOS[@]}"} --data "$DATA" --seed "$SEED" --tile 192 \
  --val_photos 1 --test_photos 2 -j 2

step "2/8 what the quality model that comes with this toolkit says of two photographs and their worst versions"
iqa --predict "$DATA"/test/refimgs "$DATA"/test/*/*5 --sort -j 0 --threads 1

step "3/8 rank: which of two versions of a photograph is better"
iqa --train --criterion rank --pretrained "${COMMON[@]}" "${VIEW[@]}" "${LEARN[@]}" --checkpoints "$RANK" \
  --logdir "$OUT/runs" --crop_size 96 -b 120 --margin 0.5 --margin_by_level --across 1

step "4/8 regress, from the rank weights, a synthetic target: SSIM with the undistorted photograph"
iqa --train --criterion regress "${COMMON[@]}" "${VIEW[@]}" "${LEARN[@]}" --checkpoints "$REGRESS" \
  --logdir "$OUT/runs" --resume "$RANK/model_best_$ARCH.pth" --label_name label_mos.txt --crop_size 128 -b 32 \
  --ema 0.98 --wd 0.05 --jitter 0.3

step "5/8 evaluate both on photographs that training never saw"
iqa -e "${COMMON[@]}" --resume "$RANK/model_best_$ARCH.pth"
iqa -e "${COMMON[@]}" --label_name label_mos.txt --resume "$REGRESS/model_best_$ARCH.pth"

step "6/8 export"
iqa --jit --data "$DATA" --threads 1 --checkpoints "$REGRESS" --resume "$REGRESS/model_best_$ARCH.pth"

step "7/8 score the folder of unseen photographs with the export alone"
"$PYTHON" "$ROOT/demos/image_assessment.py" --model "$REGRESS/jit_$ARCH.pt" "$DATA/test" > "$OUT/scores.csv"

step "8/8 pictures and table"
"$PYTHON" "$ROOT/demos/quickstart_report.py" --scores "$OUT/scores.csv" --split "$DATA/test" --out "$OUT"

step "done"
printf '%s\n' "$OUT/prediction_against_target.png" "$OUT/photographs_by_score.png" "$OUT/photographs_by_score.csv"
