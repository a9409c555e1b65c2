#!/usr/bin/env bash
# Prints a backbone's summary: parameters, multiply-adds and output shape per stage.
#
#   bash z_task_shell/info.sh
#   bash z_task_shell/info.sh --arch resnet50 --image_size 384 512
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --arch efficientnet_b0 "$@"
