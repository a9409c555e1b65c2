#!/usr/bin/env bash
# Whether a ranking can be learned beside histograms of opinions without losing them: emd alone, emd+rank and
# emd+siamese (each with the second loss weighed 0.3 and 1) on one budget, three seeds, the same first weights; and as a
# control the recipe of Siamese NIMA, which goes on from emd with contrast alone. A frozen backbone under a new head, as
# train_histogram.sh trains one. Runs are named KIND@WEIGHT-SEED.
#
#   bash tests/benchmarks/joint_losses.sh HISTOGRAM_DATA WEIGHTS OUT
#
# WEIGHTS: of a ResNet-18, e.g. OUT/rank/checkpoint_resnet18.pth of train_histogram.sh. DATA is only read.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../z_task_shell/setup.sh"
setup
DATA="$(cd "$1" && pwd)" WEIGHTS="$2" OUT="$3"
COMMON=(--arch resnet18 --crop random --crop_size 224 --test_crops 5 --freeze backbone --dropout 0.5 -b 16 --epochs 10
  --eval_every 2 --schedule cosine --warmup 1 --lr 1e-3 --wd 0.1 --amp bf16 --threads 1 -j 1 --no_check --logdir "$OUT/runs")
JOINT=(emd+rank@0.3 emd+rank@1 emd+siamese@0.3 emd+siamese@1)

# best NAME: the best weights of a training. judged NAME: their figures on the test split, whatever they learned from.
best() { printf '%s\n' "$OUT/$1/model_best_resnet18.pth"; }
judged() {
  "$PYTHON" "$ROOT/main.py" -e --criterion emd+rank --data "$DATA" --label_name label.txt --resume "$(best "$1")" -j 1 \
    --bootstrap 0 |
    awk 'NR > 1 { printf "%s\"%s\": %s", (NR > 2 ? ", " : "{\"test\": {"), $1, $2 } END { print "}}" }' >"$OUT/$1.json"
}

# Buckets of the means, in a folder of their own with links to the images.
for split in train val test; do
  mkdir -p "$OUT/data/$split"
  ln -sfn "$DATA/$split" "$OUT/data/$split/images"
  [ -e "$OUT/data/$split/label.txt" ] || "$PYTHON" "$ROOT/main.py" --make_buckets "$OUT/data/$split/images/label.txt" \
    -o "$OUT/data/$split/label.txt"
done

train() { # train NAME FLAGS...
  local name="$1"
  shift
  "$PYTHON" "$ROOT/main.py" --train --data "$DATA" "${COMMON[@]}" --resume "$WEIGHTS" --checkpoints "$OUT/$name" "$@"
  judged "$name"
}

for seed in 0 1 2; do
  train "emd-$seed" --criterion emd --seed "$seed"
  for kind in "${JOINT[@]}"; do
    train "$kind-$seed" --criterion "${kind%@*}" --loss_weights "1,${kind#*@}" --seed "$seed"
  done
  train "emd,siamese-$seed" --criterion siamese --data "$OUT/data" --resume "$(best "emd-$seed")" --opt adam --wd 0 \
    --seed "$seed"
done

for figure in emd_r1 emd_r2 srcc pair_accuracy plcc rmse std_srcc; do
  for kind in emd "${JOINT[@]}" emd,siamese; do
    printf '%-16s' "$kind"
    "$PYTHON" "$ROOT/tests/benchmarks/spread.py" "$figure" "$OUT/$kind-"{0,1,2}.json
  done
done
