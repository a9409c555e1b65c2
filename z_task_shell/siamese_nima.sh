#!/usr/bin/env bash
# Siamese NIMA: goes on from NIMA weights and pulls images of one bucket of scores together, of two apart.
# DIR/{train,val,test}/label.txt: a header `file_name label` and lines `photo.jpg 5`, as --make_buckets writes them.
#
#   python main.py --make_buckets VOTES/train/label.txt -o DIR/train/label.txt
#   bash z_task_shell/siamese_nima.sh --data DIR --resume NIMA_WEIGHTS
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# The 618 lowest layers stay as NIMA left them; without its weights there is nothing to keep.
FREEZE=()
for word in "$@"; do
  case "$word" in --resume | --resume=*) FREEZE=(--freeze mixed_7a) ;; esac
done

# -b 16 to 64. Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --criterion siamese --arch inception_resnet_v2 --dropout 0.75 --opt adam --lr 1e-3 \
  --wd 0 --schedule constant --warmup 0 --epochs 20 -b 16 ${FREEZE[@]+"${FREEZE[@]}"} "$@"
