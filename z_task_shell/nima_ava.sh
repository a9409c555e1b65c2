#!/usr/bin/env bash
# NIMA on AVA by the published recipe: MobileNet v1, earth mover's loss, 7 epochs; the epoch with the best
# validation SRCC counts. DIR holds AVA.txt (or AVA_dataset/AVA.txt) and images/.
#
#   bash z_task_shell/nima_ava.sh --data DIR --bad_images skip
#   bash z_task_shell/nima_ava.sh --labels AVA.txt --images DIR --test_list generic_test.jpgl --no_check
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# timm's mobilenetv1_100 takes pixels in [-1,1], as the recipe does. Flags given here come last and win.
exec "$PYTHON" "$ROOT/main.py" --train --criterion emd --arch mobilenetv1_100 --pretrained --dropout 0.75 \
  --crop random --crop_from 256 --crop_size 224 --image_size 224 --resize squash \
  --opt sgd --lr 1e-4 --momentum 0.9 --wd 1e-6 --schedule constant --warmup 0 --epochs 7 -b 100 \
  --train_size 250502 --val_size 5000 --monitor srcc "$@"
