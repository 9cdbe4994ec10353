"""The job scripts, run dry: with commands of the same names that write down how they were called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).resolve().parents[1] / "cli" / "jobs"
SCRIPTS = sorted(JOBS.glob("*.sh"))

#: What stands for each command; `told` holds a line for each call.
_TOLD = '#!/usr/bin/env bash\necho "$(basename "$0") $*" >> "$TOLD"\n'
_FAKES = {
    "sbatch": 'array=${1#--array=0-}; shift\nfor ((n = 0; n <= array; n++)); do\n'
    "  SLURM_ARRAY_TASK_ID=$n SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=$((array + 1)) SLURM_CPUS_PER_TASK=8 "
    'bash "$@" || echo "job $n: $?" >> "$TOLD"\ndone\n',
    "srun": 'while [[ $1 == --* ]]; do shift; done\nexec "$@"\n',
    "scontrol": 'printf "first\\nsecond\\n"\n',
    "dask": 'echo $$ >> "$TOLD.pids"\n[ "$1" = worker ] || echo \'{"address": "tcp://host:8786"}\' > "$3"\n'
    "exec sleep 60\n",
    "accelerate": "",
    "seisdiff": '[[ "$*" != *"$FAILS"* ]] || exit 2\nif [ -n "$ONCE" ] && [ ! -e "$ONCE" ]; then\n'
    '  touch "$ONCE"; exit 1\nfi\n',
}  # fmt: skip


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment in which the commands of job scripts only tell how they were called."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in _FAKES.items():
        (commands / name).write_text(_TOLD + body)
        (commands / name).chmod(0o755)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return plain | {"PATH": path, "TOLD": str(tmp_path / "told"), "FAILS": "nothing", "ONCE": ""}


def run(words: list[str], surroundings: dict[str, str]) -> tuple[int, list[str]]:
    """Run a job script and return its exit code and the calls that it made."""
    told = Path(surroundings["TOLD"])
    done = subprocess.run(words, env=surroundings, cwd=told.parent, capture_output=True, text=True, timeout=60)
    return done.returncode, told.read_text().splitlines()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_understands_every_script(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()


def test_an_array_of_jobs_takes_every_file_once(surroundings: dict[str, str], tmp_path: Path) -> None:
    names = [f"/data/line {number}.sgy" for number in range(10)]
    (tmp_path / "list").write_text("".join(f"{name}\n" for name in names))
    words = ["sbatch", "--array=0-3", str(JOBS / "slurm_files.sh"), "denoise", "list", "out", "--method", "fk"]
    code, told = run(words, surroundings | {"FAILS": "line 6.sgy"})
    assert code == 0
    expected = [f"seisdiff denoise {name} out/{Path(name).name} --resume --method fk" for name in names]
    assert sorted(line for line in told if line.startswith("seisdiff")) == expected
    assert [line for line in told if line.startswith("job")] == ["job 2: 2"]


def test_an_array_of_jobs_shares_one_store(surroundings: dict[str, str]) -> None:
    words = ["sbatch", "--array=0-2", str(JOBS / "slurm_units.sh"), "denoise", "in.zarr", "out.zarr", "--method", "fk"]
    code, told = run(words, surroundings)
    assert code == 0
    expected = [f"seisdiff denoise in.zarr out.zarr --method fk --share {k}/3" for k in (1, 2, 3)]
    assert [line for line in told if line.startswith("seisdiff")] == expected


def test_one_job_runs_scheduler_workers_and_command_and_leaves_none(
    surroundings: dict[str, str], tmp_path: Path
) -> None:
    words = [str(JOBS / "slurm_cluster.sh"), "demultiple", "in.zarr", "out.zarr"]
    code, told = run(words, surroundings | {"SLURM_JOB_ID": "7", "SLURM_GPUS": "4", "SLURM_CPUS_PER_TASK": "4"})
    assert code == 0
    assert "seisdiff demultiple in.zarr out.zarr --scheduler tcp://host:8786 --resume" in told
    assert any(line.startswith("srun --gpus-per-task=1 dask worker --scheduler-file") for line in told)
    assert not list(tmp_path.glob(".dask*"))
    for pid in (tmp_path / "told.pids").read_text().split():
        assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(("fails", "code", "calls"), [("nothing", 0, 2), ("bad.zarr", 2, 1)])
def test_a_machine_of_gpus_is_started_again_unless_the_input_is_bad(
    fails: str, code: int, calls: int, surroundings: dict[str, str], tmp_path: Path
) -> None:
    name = "bad.zarr" if code else "in.zarr"
    (tmp_path / "bin" / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "sleep").chmod(0o755)
    changed = surroundings | {"FAILS": fails, "ONCE": "" if code else str(tmp_path / "once")}
    found, told = run([str(JOBS / "gpu_box.sh"), "denoise", name, "out.zarr"], changed)
    assert found == code
    assert told == [f"seisdiff denoise {name} out.zarr --cluster local --resume"] * calls


def test_a_training_is_launched_on_all_gpus_of_one_machine_or_several(surroundings: dict[str, str]) -> None:
    words = [str(JOBS / "train.sh"), "recipe.yaml", "a folder", "--steps", "9"]
    code, told = run(words, surroundings | {"GPUS": "4"})
    assert code == 0
    assert told == [
        "accelerate launch --num_processes 4 --num_machines 1 --mixed_precision bf16 --dynamo_backend no --multi_gpu "
        "-m seisdiff train recipe.yaml a folder --steps 9"
    ]
    checkpoint = Path(surroundings["TOLD"]).parent / "a folder" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.json").touch()
    slurm = {"SLURM_GPUS_ON_NODE": "4", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "x[1-2]", "SLURM_NODEID": "1"}
    code, told = run(words, surroundings | slurm)
    assert code == 0
    assert told[-1].startswith("accelerate launch --num_processes 8 --num_machines 2")
    assert told[-1].endswith("--steps 9 --resume")
    assert "--machine_rank 1 --main_process_ip first --main_process_port 29500 --multi_gpu" in told[-1]


def test_workers_are_asked_of_the_queue_and_the_command_gets_the_scheduler(tmp_path: Path) -> None:
    (tmp_path / "dask_jobqueue.py").write_text(
        "class SLURMCluster:\n"
        "    scheduler_address = 'tcp://host:8786'\n"
        "    def __init__(self, **how): print('asked for', how['processes'], 'of', how['job_cpu'], flush=True)\n"
        "    def scale(self, jobs): print('jobs', jobs, flush=True)\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *_): print('closed', flush=True)\n"
    )
    (tmp_path / "seisdiff").mkdir()
    (tmp_path / "seisdiff" / "__init__.py").touch()
    (tmp_path / "seisdiff" / "__main__.py").write_text("import sys; print(*sys.argv[1:], flush=True); sys.exit(2)\n")
    done = subprocess.run(
        [sys.executable, str(JOBS / "jobqueue.py"), "denoise", "in.zarr", "out.zarr"], cwd=tmp_path, timeout=60,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stdout.splitlines() == [
        "asked for 1 of 8", "jobs 16", "denoise in.zarr out.zarr --scheduler tcp://host:8786 --resume", "closed",
    ]  # fmt: skip
