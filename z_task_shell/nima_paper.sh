#!/usr/bin/env bash
# NIMA by its paper (Talebi and Milanfar, TIP 2018, section III-A): ImageNet weights, a low rate for the
# backbone and ten times that for the head, both times 0.95 after every 10 epochs, dropout 0.75.
# ARCH: vgg16, mobilenetv1_100, or for the paper's Inception v2, of which no library here has weights, the next
# of kin: inception_resnet_v2 (what most implementations take) or inception_v3. Any other backbone by its name.
#
#   bash z_task_shell/nima_paper.sh vgg16 --data DIR --bad_images skip
#   bash z_task_shell/nima_paper.sh inception_resnet_v2 --labels AVA.txt --images DIR --test_list generic_test.jpgl
#
# The paper says neither epochs nor batch size, and tests on a random fifth; both are for flags to change.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

case "${1:--}" in -*) printf 'usage: %s ARCH [flags]\n' "$0" >&2; exit 2 ;; esac
ARCH="$1"
shift
setup

# Flags given here come last and win over the recipe's. `momentum` is timm's name for SGD without Nesterov's step.
exec "$PYTHON" "$ROOT/main.py" --train --criterion emd --arch "$ARCH" --pretrained --dropout 0.75 \
  --crop random --crop_from 256 --crop_size 224 --image_size 224 --resize squash \
  --opt momentum --momentum 0.9 --wd 0 --lr_backbone 3e-7 --lr_head 3e-6 \
  --schedule exp --decay 0.95 --decay_every 10 --warmup 0 --epochs 100 -b 64 "$@"
