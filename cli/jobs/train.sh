#!/usr/bin/env bash
# Train on several GPUs of several machines; a batch of the recipe is shared out among them.
#   sbatch --nodes=2 --gpus-per-node=4 train.sh RECIPE DIR [OPTION]...        under Slurm
#   GPUS=4 train.sh RECIPE DIR [OPTION]...                                    on one machine
# DIR must be shared by all machines.
#SBATCH --job-name=seisdiff-train
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail
gpus=${GPUS:-${SLURM_GPUS_ON_NODE:-1}} machines=${SLURM_NNODES:-1}
export FIRST=${SLURM_JOB_NODELIST:+$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}
AGAIN=$([ -e "$2/checkpoint/state.json" ] && echo --resume || true)
export AGAIN
export PROCESSES=$((gpus * machines)) MACHINES=$machines
launch='accelerate launch --num_processes "$PROCESSES" --num_machines "$MACHINES" --mixed_precision bf16 \
    --dynamo_backend no ${FIRST:+--machine_rank "$SLURM_NODEID" --main_process_ip "$FIRST" --main_process_port 29500} \
    $( ((PROCESSES > 1)) && echo --multi_gpu ) -m seisdiff train "$@" $AGAIN'
if [ -n "$FIRST" ]; then
    srun bash -c "$launch" launch "$@"
else
    bash -c "$launch" launch "$@"
fi
