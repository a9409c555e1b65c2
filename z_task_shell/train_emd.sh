#!/usr/bin/env bash
# Learns opinion histograms (NIMA): label lines image,p1,...,pK with probabilities or vote counts.
#
#   bash z_task_shell/train_emd.sh --data DIR
#   bash z_task_shell/train_emd.sh --data DIR --resume checkpoints/model_best_efficientnet_b0.pth
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --criterion emd --arch efficientnet_b0 --schedule cosine --epochs 30 "$@"
