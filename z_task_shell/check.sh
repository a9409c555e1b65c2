#!/usr/bin/env bash
# Finds every fault in the labels and images of a data set, and pictures that are in two splits; exit
# code 1 when there is one. -o writes a page of thumbnails beside the .json.
#
#   bash z_task_shell/check.sh --data DIR --criterion regress -o found.json
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --check "$@"
