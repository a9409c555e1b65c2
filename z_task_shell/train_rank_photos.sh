#!/usr/bin/env bash
# Learns to rank from a folder of pristine photographs: they are distorted while they are loaded, nothing is written.
#
#   bash z_task_shell/train_rank_photos.sh --photos DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --criterion rank --distort basic --crop random --crop_size 160 --arch efficientnet_b0 --schedule cosine --epochs 30 "$@"
