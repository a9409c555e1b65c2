#!/usr/bin/env bash
# Sets the environment up and runs all tests; more arguments go to pytest (-k NAME, tests/models, -n 4, ...).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-quickstart.txt requirements-test.txt

# A third process on two cores works while others wait for a child, a browser or a disk; more torch
# threads would only fight each other. Whole files, those first that take long (tests/conftest.py).
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
# Dozens of children import the toolkit: compiled once, not by each.
unset PYTHONDONTWRITEBYTECODE
cd "$ROOT"
exec "$PYTHON" -m pytest -n 3 --dist loadfile --no-loadscope-reorder "$@"
