#!/usr/bin/env bash
# Restore on all GPUs of one machine, a worker for each.
#   gpu_box.sh TASK IN OUT [OPTION]...
# CUDA_VISIBLE_DEVICES, where it is set, names the GPUs. Interrupted or killed it is started again with the same words.
set -euo pipefail
until seisdiff "$@" --cluster local --resume; do
    code=$?
    if ((code == 2 || code == 130)); then exit "$code"; fi # bad input, or an interrupt
    sleep 10
done
