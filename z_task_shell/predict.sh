#!/usr/bin/env bash
# Scores images with the latest best weights: files, folders, globs, or .txt lists of files.
#
#   bash z_task_shell/predict.sh photo.jpg folder/ 'shots/*.png'
#   bash z_task_shell/predict.sh folder/ -o scores.csv
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --resume checkpoints/model_best_efficientnet_b0.pth --predict "$@"
