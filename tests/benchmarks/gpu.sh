#!/usr/bin/env bash
# What a GPU makes of it, in one call of less than ten minutes on one card with 16 cores, without a network:
# training from files, from --cache and on ready tensors; bf16 beside fp16; an epoch as large as AVA (255,000 images
# of 640x480, MobileNet v1); JPEGs decoded on the card; --compile where main.py has it. Images are drawn, weights random.
#
#   bash tests/benchmarks/gpu.sh [OUT]          OUT: folder of gpu.txt, all that was printed (default: $OUT, or gpu/)
#   SMALL=1 bash tests/benchmarks/gpu.sh        the same in small on any machine, to see that it works
#
# IQA_VENV names the environment (default: .venv here, else python3). WORK is a folder on a disk with 45 GB left.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python="${IQA_VENV:-.venv}/bin/python"
[ -x "$python" ] || python=python3
out=$(realpath -m "${1:-${OUT:-gpu}}")
work=$(mktemp -d -p "${WORK:-/tmp}")
mkdir -p "$out"
export HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
trap 'rm -rf "$work"' EXIT
exec > >(tee "$out/gpu.txt") 2>&1

if [ -n "${SMALL:-}" ]; then
  device=cpu epoch=48 different=16 workers=1 steps=2 runs=1 batch=8 batches=(8 16) limit=300 size=32 network=test_resnet
  archs=(test_resnet)
  amps=(bf16 off) # a CPU has no fast fp16
else
  device=cuda epoch=255000 different=500 workers=16 steps=8 runs=3 batch=128 batches=(100 512) limit=240 size=224
  network=mobilenetv1_100
  archs=(mobilenetv3_large_100 resnet18 efficientnet_b0)
  amps=(bf16 fp16)
fi

# part TITLE COMMAND...: one that fails or takes too long does not cost the others their turn.
part() {
  printf '\n## %s (%s s so far)\n' "$1" "$SECONDS"
  timeout "$limit" "${@:2}" || echo "ended with code $?"
}

# train BATCH FLAGS...: images a second of each epoch, the mean over the whole epoch.
train() {
  timeout "$limit" "$python" main.py --train --criterion emd --data "$work/data" --no_pretrained --no_report --bootstrap 0 \
    --warmup 0 --image_size $size --device $device -j $workers -b "$@" --logdir "$work/runs" --checkpoints "$work/kept" \
    --print_freq ${every:-1000000} 2>&1 | grep -E 'img/s|to keep|checking images|[Ee]rror' | cut -c1-200
}

part environment "$python" -c '
import os, torch, torchvision, timm, platform
print(platform.python_version(), "torch", torch.__version__, "torchvision", torchvision.__version__, "timm", timm.__version__)
print(os.cpu_count(), "cores;", torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device")'
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv 2>/dev/null
df -h "$work" | tail -1

part "drawing files" "$python" -m tests.benchmarks.bench_gpu files "$work/data" $epoch --different $different

for amp in "${amps[@]}"; do
  part "training from files, from the cache, on ready tensors: $amp" "$python" -m tests.benchmarks.bench_train_input \
    --device $device --amp "$amp" -b $batch -j $workers --steps $steps --runs $runs --archs "$(IFS=,; echo "${archs[*]}")" \
    --photos "$work/data/val/images"
done

part "JPEGs decoded on the device" "$python" -m tests.benchmarks.bench_gpu decode "$work/data/train/images" \
  --device $device --images $different
for size_of_batch in "${batches[@]}"; do
  printf '\n## %s images, %s, batch %s, one epoch, the first call fills the cache (%s s so far)\n' \
    $epoch $network "$size_of_batch" "$SECONDS"
  train "$size_of_batch" --arch $network --epochs 1 --cache "$work/cache"
done
printf '\n## the last of these, with the card waited for at every step (%s s so far)\n' "$SECONDS"
every=1 train "${batches[1]}" --arch $network --epochs 1 --cache "$work/cache" | tail -1
if "$python" main.py --help all | grep -q -- --compile; then
  printf '\n## the same with --compile (%s s so far)\n' "$SECONDS"
  train "${batches[1]}" --arch $network --epochs 1 --cache "$work/cache" --compile
fi
printf '\n%s s in all\n' "$SECONDS"
