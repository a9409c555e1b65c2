#!/usr/bin/env bash
# Rank, then fine-tune (RankIQA): learns the order of distorted images, goes on to their scores from the best weights.
# DIR/{train,val,test}/ hold label.txt (pairs better,worse) and label_mos.txt (image,score), as generate.sh writes them.
#
#   bash z_task_shell/rank_then_regress.sh --data DIR
#   bash z_task_shell/rank_then_regress.sh --stage_data RANKED,RATED --stage_label_name label.txt,label.txt
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --train --stages rank,regress --stage_label_name label.txt,label_mos.txt \
  --stage_epochs 30,30 --stage_lr 1e-3,3e-4 --margin 0.5 --arch efficientnet_b0 --schedule cosine "$@"
