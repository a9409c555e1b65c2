#!/usr/bin/env bash
# Evaluates the latest best weights on the test split; the task and the view come with the weights.
#
#   bash z_task_shell/evaluate.sh --data DIR
#   bash z_task_shell/evaluate.sh --data DIR --resume runs/RUN/model_best_efficientnet_b0.pth -o predictions.csv
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" -e --resume checkpoints/model_best_efficientnet_b0.pth "$@"
