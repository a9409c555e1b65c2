#!/usr/bin/env bash
# Exports the latest best weights to TorchScript, with a .json that says how to use the file.
#
#   bash z_task_shell/export.sh
#   bash z_task_shell/export.sh --resume runs/RUN/model_best_resnet18.pth -o model.pt
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --jit --resume checkpoints/model_best_efficientnet_b0.pth "$@"
