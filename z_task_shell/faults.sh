#!/usr/bin/env bash
# What happens when things go wrong, tried some thousand times in about 20 minutes: SIGKILL at any moment
# and inside saves, signals, full disks, damaged and hostile weights, odd images, label files that
# nobody would write, strange names. Prints every trial that went wrong, and a table.
#
#   bash z_task_shell/faults.sh                 all of them
#   bash z_task_shell/faults.sh kills disks     some; --short: the few that the test suite runs
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-quickstart.txt requirements-test.txt

cd "$ROOT"
exec "$PYTHON" -m tests.faults "$@"
