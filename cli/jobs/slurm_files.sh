#!/usr/bin/env bash
# Restore many files, each on its own, as an array of Slurm jobs.
#   sbatch --array=0-63 slurm_files.sh TASK LIST OUT_DIR [OPTION]...
# LIST holds the name of an input in each line; job n of N takes lines n, n + N, n + 2N ... Files that are done are
# skipped, so the array may be sent again until it ends with 0.
#SBATCH --job-name=seisdiff
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
task=$1 list=$2 out=$3
shift 3
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
mkdir -p "$out"
mapfile -t files < "$list"
code=0
for ((n = SLURM_ARRAY_TASK_ID - ${SLURM_ARRAY_TASK_MIN:-0}; n < ${#files[@]}; n += SLURM_ARRAY_TASK_COUNT)); do
    seisdiff "$task" "${files[n]}" "$out/$(basename "${files[n]}")" --resume "$@" || code=$?
    if ((code == 130)); then exit 130; fi
done
exit "$code"
