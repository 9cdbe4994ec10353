#!/usr/bin/env bash
# Restore one store on the workers of one Slurm job: with GPUs one worker for each, else one for each task.
#   sbatch --ntasks=16 slurm_cluster.sh TASK IN OUT [OPTION]...
# The folders of IN and OUT must be shared by all machines. The job may be sent again until it ends with 0.
#SBATCH --job-name=seisdiff
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=4G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
place="$PWD/.dask-${SLURM_JOB_ID}.json"
dask scheduler --scheduler-file "$place" --no-dashboard &
scheduler=$!
srun ${SLURM_GPUS:+--gpus-per-task=1} dask worker --scheduler-file "$place" --nthreads 3 --memory-limit 0 \
    --death-timeout 300 &
workers=$!
trap 'kill $workers $scheduler 2> /dev/null || true; rm -f "$place"' EXIT
until [ -s "$place" ]; do sleep 1; done
address=$(sed -n 's/.*"address": *"\([^"]*\)".*/\1/p' "$place")
seisdiff "$@" --scheduler "$address" --resume
