#!/usr/bin/env bash
# Scores any number of images on Kubernetes: prints a Job that goes on where it was killed, for kubectl to apply.
#
#   bash z_task_shell/predict_kubernetes.sh /data/archive '/data/shards/*.tar' -o /data/scores.parquet | kubectl apply -f -
#
# IMAGE is a container image with this toolkit in /app (default: iqa-toolkit), CLAIM the volume claim that is mounted at
# /data (default: data), which all pods have to write to where there are several. PODS (default 1), GPUS of each pod
# (default 0), CPUS (default 4), MEMORY (default 8Gi), NAME (default: iqa-predict).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
[ $# -gt 0 ] || { printf 'usage: %s IMAGES... -o FILE [FLAGS]\n' "$0" >&2; exit 2; }
setup

export PODS="${PODS:-1}" GPUS="${GPUS:-0}" CPUS="${CPUS:-4}" MEMORY="${MEMORY:-8Gi}" NAME="${NAME:-iqa-predict}"
export IMAGE="${IMAGE:-iqa-toolkit}" CLAIM="${CLAIM:-data}"
"$PYTHON" - "$@" <<'PYTHON'
import json
import os
import shlex
import sys

env = os.environ
name, pods, gpus, cpus = env["NAME"], int(env["PODS"]), int(env["GPUS"]), int(env["CPUS"])
# --continue: a pod that is started again begins where it ended.
words = ["python", "/app/main.py", "--predict", *sys.argv[1:], "--continue", "-g", str(gpus), "-j", str(max(1, cpus - 1))]
call = shlex.join(words)
if pods > 1:
    call += f' --nodes {pods} --rank "$JOB_COMPLETION_INDEX" --init_method tcp://{name}-0.{name}:29400'
resources = {"cpu": str(cpus), "memory": env["MEMORY"], **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
container = {
    "name": "predict",
    "image": env["IMAGE"],
    "command": ["bash", "-c", f"{call} || [ $? -eq 3 ]"],  # 3: some images could not be read
    "resources": {"requests": resources, "limits": resources},
    "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "memory", "mountPath": "/dev/shm"}],
}
volumes = [
    {"name": "data", "persistentVolumeClaim": {"claimName": env["CLAIM"]}},
    {"name": "memory", "emptyDir": {"medium": "Memory"}},  # loader processes hand images over in it
]
pod = {"restartPolicy": "OnFailure", "subdomain": name, "containers": [container], "volumes": volumes}
job = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": name},
    "spec": {
        "completionMode": "Indexed", "completions": pods, "parallelism": pods, "backoffLimit": 20,
        "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
    },
}
meeting = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": name},
    "spec": {"clusterIP": "None", "selector": {"app": name}, "publishNotReadyAddresses": True},
}
items = [meeting, job] if pods > 1 else [job]
print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2))
PYTHON
