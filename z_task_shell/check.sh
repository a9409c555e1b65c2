#!/usr/bin/env bash
# Finds every fault in the labels and images of a data set; exit code 1 when there is one.
#
#   bash z_task_shell/check.sh --data DIR --criterion regress -o faults.json
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --check "$@"
