#!/usr/bin/env bash
# Sets the environment up and runs all tests; more arguments go to pytest (-k NAME, tests/models, -n 4, ...).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-quickstart.txt requirements-test.txt

# Two test processes on two cores: more torch threads would only fight each other.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
cd "$ROOT"
exec "$PYTHON" -m pytest -n 2 --dist worksteal "$@"
