#!/usr/bin/env bash
# Scores any number of images on a Slurm cluster: submits a job that goes on where it was killed or preempted.
#
#   bash z_task_shell/predict_slurm.sh archive/ 'shards/*.tar' -o scores.parquet
#   NODES=4 GPUS=8 bash z_task_shell/predict_slurm.sh archive/ -o scores.csv --resume runs/RUN
#
# Run it where the paths are right, in a folder that all nodes see. NODES (default 1) and GPUS, processes per node
# (default 0: one on the CPU), say how many; CPUS (default 4) for each process, TIME (default 24:00:00). SBATCH names
# another program to submit with: SBATCH=cat shows the job.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
[ $# -gt 0 ] || { printf 'usage: %s IMAGES... -o FILE [FLAGS]\n' "$0" >&2; exit 2; }
setup

NODES="${NODES:-1}" GPUS="${GPUS:-0}" CPUS="${CPUS:-4}"
PROCESSES=$((GPUS > 0 ? GPUS : 1))
# --continue: the job that Slurm starts again begins where the last one ended.
CALL=$(printf '%q ' "$PYTHON" "$ROOT/main.py" --predict "$@" --continue -g "$GPUS" -j "$((CPUS - 1))")
MEET=''
[ "$NODES" -eq 1 ] || MEET='--nodes "$SLURM_NNODES" --rank "$SLURM_NODEID" --init_method "tcp://$HEAD:29400"'
RESOURCES="--nodes=$NODES --ntasks-per-node=1 --cpus-per-task=$((CPUS * PROCESSES))"
[ "$GPUS" -eq 0 ] || RESOURCES="$RESOURCES --gpus-per-node=$GPUS"

${SBATCH:-sbatch} <<JOB
#!/usr/bin/env bash
#SBATCH --job-name=iqa_predict --time=${TIME:-24:00:00} $RESOURCES
#SBATCH --requeue --open-mode=append --output=iqa_predict_%j.log
cd $(printf '%q' "$PWD")
export HEAD=\$(scontrol show hostnames "\$SLURM_JOB_NODELIST" | head -n 1)
srun --kill-on-bad-exit=1 bash -c $(printf '%q' "$CALL$MEET || [ \$? -eq 3 ]")  # 3: some images could not be read
JOB
