#!/usr/bin/env bash
# Two hosts for real, as far as one machine has them: two network namespaces with addresses of their
# own, torchrun with --rdzv-backend c10d on both. One run is left alone; in another one host is cut
# off in the middle (its network is taken down, as when a cable is pulled), both are stopped, and
# --continue goes on. Weights and metrics of the two runs have to be equal.
#
#     bash tests/benchmarks/two_hosts.sh [PYTHON]        as root, with iproute2; some minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$(realpath -s "${1:-${IQA_VENV:-.venv}/bin/python}")
work=$(mktemp -d)
export OMP_NUM_THREADS=1 PYTHONPATH=$PWD
trap 'jobs -p | xargs -r kill -9 2>/dev/null; ip netns del iqa0; ip netns del iqa1; [ -n "${KEEP:-}" ] || rm -rf "$work"' EXIT

ip netns add iqa0
ip netns add iqa1
ip link add iqa-a netns iqa0 type veth peer name iqa-b netns iqa1
ip -n iqa0 addr add 10.77.0.1/24 dev iqa-a
ip -n iqa1 addr add 10.77.0.2/24 dev iqa-b
for host in 0 1; do ip -n iqa$host link set lo up; done
connect() { ip -n iqa0 link set iqa-a up; ip -n iqa1 link set iqa-b up; }
connect

"$python" - "$work/data" <<'PYTHON'
import sys
from pathlib import Path
from tests.tiny_data import write_data
write_data(Path(sys.argv[1]), "regress", 40)
PYTHON

# The two share a host name, which on real hosts says who is who: is_host and local-addr say it here.
# host NUMBER, arguments of main.py: this host's part of a run on both, in the background.
host() {
    local number=$1 name=$2
    shift 2
    GLOO_SOCKET_IFNAME=iqa-$([ "$number" = 0 ] && echo a || echo b) \
        ip netns exec "iqa$number" "$python" -m torch.distributed.run --nnodes 2 --nproc-per-node 1 \
        --rdzv-backend c10d --rdzv-endpoint 10.77.0.1:29777 --rdzv-id "$name" \
        --rdzv-conf "is_host=$((1 - number))" --local-addr "10.77.0.$((number + 1))" main.py "$@" \
        >"$work/$name.host$number.log" 2>&1 &
    pids[number]=$!
}
train=(--train --criterion regress --data "$work/data" --arch test_vit --image_size 32 -b 2 -j 0
    --epochs "${EPOCHS:-12}" --warmup 0 --no_check --no_report --amp off --device cpu --threads 1
    --save_every 5 --no_pretrained --checkpoints "$work/latest")
run_of() { echo "$work/$1"/2*; }
both() { for n in 0 1; do host $n "$@"; done; }

both whole "${train[@]}" --logdir "$work/whole"
wait "${pids[@]}"
echo "left alone: $(tail -1 "$(run_of whole)/metrics.jsonl" | cut -c1-100)"

both cut "${train[@]}" --logdir "$work/cut"
until [ "$(cat "$work"/cut/2*/metrics.jsonl 2>/dev/null | wc -l)" -ge 8 ]; do sleep .2; done
ip -n iqa1 link set iqa-b down
cut=$SECONDS
echo "cut off after $(wc -l <"$(run_of cut)/metrics.jsonl") lines of metrics.jsonl"
for _ in $(seq "${PATIENCE:-60}"); do kill -0 "${pids[0]}" 2>/dev/null || break; sleep 1; done
if kill -0 "${pids[0]}" 2>/dev/null; then
    echo "host 0 still waits after $((SECONDS - cut)) s: both are stopped, as a scheduler does it"
else
    echo "host 0 ended by itself after $((SECONDS - cut)) s: $(grep -a error "$work/cut.host0.log" | head -1)"
fi
kill -TERM "${pids[@]}" 2>/dev/null || true
for _ in $(seq 40); do kill -0 "${pids[@]}" 2>/dev/null || break; sleep 1; done
kill -KILL "${pids[@]}" 2>/dev/null || true
wait "${pids[@]}" || true
sleep 3 # processes whose launcher is gone end by themselves

connect
sleep 2
both again --continue "$(run_of cut)" --device cpu --checkpoints "$work/latest"
wait "${pids[@]}"
grep -ah continuing "$work/again.host0.log"
"$python" - "$(run_of whole)" "$(run_of cut)" <<'PYTHON'
import json
import sys
from pathlib import Path
import torch
whole, cut = map(Path, sys.argv[1:])
def metrics(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "data_wait"} for line in lines]
same = metrics(whole) == metrics(cut)
a, b = (torch.load(next(run.glob("checkpoint_*.pth")))["model"] for run in (whole, cut))
equal = all(torch.equal(a[name], b[name]) for name in a)
print(f"metrics of every epoch equal: {same}; weights equal to the bit: {equal}")
sys.exit(not (same and equal))
PYTHON
