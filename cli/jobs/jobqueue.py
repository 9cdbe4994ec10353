"""Restore one store on workers that dask-jobqueue asks Slurm for; they may come and go.

    python jobqueue.py TASK IN OUT [OPTION]...

Runs where jobs can be sent from, and lasts as long as the run. The folders of IN and OUT must be shared
by all machines.
"""

from __future__ import annotations

import subprocess
import sys

from dask_jobqueue import SLURMCluster

JOBS = 16
CORES = 8


def main() -> int:
    """Ask for jobs, one worker in each, and run the command on them."""
    cluster = SLURMCluster(
        cores=3,  # a worker reads, computes and writes at once
        job_cpu=CORES,
        processes=1,
        memory="16GB",
        walltime="04:00:00",
        job_script_prologue=[f"export OMP_NUM_THREADS={CORES}"],
        job_extra_directives=["--requeue"],  # with GPUs also "--gpus-per-task=1"
    )
    with cluster:
        cluster.scale(jobs=JOBS)
        command = [sys.executable, "-m", "seisdiff", *sys.argv[1:]]
        return subprocess.run([*command, "--scheduler", cluster.scheduler_address, "--resume"]).returncode


if __name__ == "__main__":
    sys.exit(main())
