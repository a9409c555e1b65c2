#!/usr/bin/env bash
# Learns mean opinion scores: label lines image,MOS. Going on from ranking weights helps when labels are few.
#
#   bash z_task_shell/train_regress.sh --data DIR
#   bash z_task_shell/train_regress.sh --data DIR --resume checkpoints/model_best_efficientnet_b0.pth
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --criterion regress --arch efficientnet_b0 --schedule cosine --epochs 30 "$@"
