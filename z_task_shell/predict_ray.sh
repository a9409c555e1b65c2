#!/usr/bin/env bash
# Scores any number of images on a Ray cluster, into a folder of Parquet files.
#
#   bash z_task_shell/predict_ray.sh archive/ 'shards/*.tar' -o scores/
#   bash z_task_shell/predict_ray.sh archive/ -o scores/ --address auto --processes 64
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup requirements-ray.txt

exec "$PYTHON" "$ROOT/applications/predict_ray.py" "$@"
