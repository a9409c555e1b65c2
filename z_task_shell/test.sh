#!/usr/bin/env bash
# Sets the environment up and runs all tests; more arguments go to pytest (-k NAME, tests/models, -n 4, ...).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-quickstart.txt requirements-test.txt

# A third process on two cores works while others wait for a child, a browser or a disk; more torch
# threads would only fight each other.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
cd "$ROOT"
exec "$PYTHON" -m pytest -n 3 --dist worksteal "$@"
