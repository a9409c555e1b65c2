#!/usr/bin/env bash
# Learns to rank from pairs (RankIQA): DIR/{train,val,test}/label.txt with lines better,worse.
#
#   bash z_task_shell/train_rank.sh --data DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --criterion rank --margin 0.5 --arch efficientnet_b0 --schedule cosine --epochs 30 "$@"
