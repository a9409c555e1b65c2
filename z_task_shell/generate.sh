#!/usr/bin/env bash
# Distorts photographs by 4 kinds x 5 levels and writes label files to rank and to regress.
#
#   bash z_task_shell/generate.sh                          photographs from installed packages, to ./data
#   bash z_task_shell/generate.sh --photos DIR --data OUT --tile 256 --seed 1
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-quickstart.txt

# Flags given here come last and win over the recipe's.
exec "$PYTHON" "$ROOT/main.py" --generate basic "$@"
