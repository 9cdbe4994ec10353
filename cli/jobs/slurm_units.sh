#!/usr/bin/env bash
# Restore one file or store as an array of Slurm jobs, each its share of the units; no scheduler of Dask.
#   sbatch --array=1-16 slurm_units.sh TASK IN OUT [OPTION]...
# The folder of OUT must be shared by all machines, and its file system must know locks. Jobs may run at any time and in
# any order, and be sent again; the last to end completes OUT.
#SBATCH --job-name=seisdiff
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
seisdiff "$@" --share "$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))/$SLURM_ARRAY_TASK_COUNT"
