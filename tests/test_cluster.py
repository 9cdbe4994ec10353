"""Runs on a Dask cluster: the bits of one process, whatever is killed; finished units are not done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from seisdiff.cli.app import main
from seisdiff.cluster import on_cluster
from seisdiff.config import RestoreRecipe, make_recipe
from seisdiff.engine import restore_file
from seisdiff.errors import MissingExtraError, OptionError, SurveyError
from seisdiff.passes import RunOptions, Summary
from seisdiff.training import train_model
from seisdiff.transfer import export, ingest
from tests.cluster_worker import PRELOAD, SIZES
from tests.segy_files import write_segy
from tests.small_lines import RawFile, line_file, quick, small_line
from tests.test_diffusion import diffusion_recipe
from tests.test_resume import content, units_done
from tests.test_training import SCENES, recipe

pytest.importorskip("distributed", reason="the extra dask is not installed")

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic"]
_SECONDS = 120.0


@pytest.fixture(scope="module", autouse=True)
def small_units() -> Iterator[None]:
    """Make many units here and in workers, each on one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seisdiff.cluster._threads_set", "1")
        for name, value in SIZES.items():
            patch.setattr(name, value)
        for name, value in (PRELOAD | {"OMP_NUM_THREADS": "1"}).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of 120 gathers, the same as a store, and what one process makes of the file."""
    folder = tmp_path_factory.mktemp("cluster")
    file = RawFile(write_segy(small_line(4, 16, 250).full, folder / "line.sgy"))
    file.traces = np.tile(file.traces, (30, 1))
    file.put(slice(None), 21, np.repeat(np.arange(120) + 1, 16)).save()
    assert main(["ingest", str(file.path), str(folder / "line.zarr"), "-q"]) == 0
    assert main(["demultiple", str(file.path), str(folder / "whole.sgy"), *_QUICK, "-q"]) == 0
    return folder


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the workers' runs tell."""
    return []


@pytest.fixture(scope="module")
def workers(small_units: None, told: list[str]) -> Iterator[RunOptions]:
    """Options of a run on two workers, which all tests share."""
    import dask.config

    preload = dask.config.set({"distributed.worker.preload": ["tests.cluster_worker"]})
    with preload, on_cluster("local:2", notify=told.append) as elsewhere:
        yield RunOptions(elsewhere=elsewhere)


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> RestoreRecipe:
    """A tiny diffusion model, and a recipe with it."""
    folder = tmp_path_factory.mktemp("diffusion")
    guide = train_model(recipe("denoise", steps=2), SCENES, folder / "guide")
    model = train_model(diffusion_recipe(guide, "denoise", steps=2), SCENES, folder / "diffusion")
    options = {"model": str(model), "samples": 2, "precision": "float32"}
    return make_recipe({"task": "denoise", "method": "diffusion", "diffusion": options})


def both(folder: Path, workers: RunOptions, suffix: str, recipe: RestoreRecipe, **further: Any) -> list[Summary]:
    """Restore the line here and on workers, and compare all that comes out; returns both summaries."""
    source = str(folder / ("line.zarr" if suffix == "zarr" else "line.sgy"))
    summaries, found = [], []
    for name, run in (("here", RunOptions()), ("there", workers)):
        place = folder / f"{suffix}-{recipe.method}-{name}"
        place.mkdir()
        outputs = {key: str(place / text) for key, text in further.items()}
        summaries.append(restore_file(source, str(place / f"out.{suffix}"), recipe, run=run, **outputs))
        found.append({path.name: content(path) for path in place.iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 1 + len(further)
    return summaries


def test_radon_from_file_to_file_with_what_was_removed(folder: Path, workers: RunOptions) -> None:
    here, there = both(folder, workers, "sgy", quick("demultiple", start="auto"), removed="removed.sgy")
    assert replace(there, seconds=here.seconds) == here
    assert here.units > 10


def test_radon_from_store_to_store(folder: Path, workers: RunOptions) -> None:
    assert both(folder, workers, "zarr", quick("demultiple"), removed="removed.zarr")[1].units > 10


def test_unet(folder: Path, workers: RunOptions) -> None:
    both(folder, workers, "sgy", make_recipe({"task": "denoise", "method": "unet"}))


def test_diffusion_with_its_spread(folder: Path, workers: RunOptions, diffusion: RestoreRecipe) -> None:
    both(folder, workers, "sgy", diffusion, spread="spread.sgy")


def test_ingest_and_export(folder: Path, workers: RunOptions) -> None:
    ingest(str(folder / "line.sgy"), str(folder / "there.zarr"), run=workers)
    export(str(folder / "there.zarr"), str(folder / "there.sgy"), run=workers)
    assert content(folder / "there.zarr") == content(folder / "line.zarr")
    assert content(folder / "there.sgy") == content(folder / "line.sgy")


def test_what_a_worker_finds_wrong_is_told_as_here(folder: Path, workers: RunOptions) -> None:
    file = RawFile(folder / "line.sgy")
    file.raw[1700, 7] = [0x7F, 0xC0, 0, 0]
    file.save(folder / "bad.sgy")
    with pytest.raises(SurveyError, match=r"in trace 1701 of the file.*--resume goes on"):
        restore_file(str(folder / "bad.sgy"), str(folder / "bad_out.sgy"), quick("denoise"), run=workers)
    assert units_done(folder / "bad_out.sgy") > 0
    summary = restore_file(
        str(folder / "bad.sgy"), str(folder / "bad_out.sgy"), quick("denoise", zero_nonfinite=True),
        run=replace(workers, resume=True),
    )  # fmt: skip
    assert summary.nonfinite_samples == 1
    assert summary.resumed_units > 0


def test_notices_of_workers_reach_the_caller(tmp_path: Path, workers: RunOptions, told: list[str]) -> None:
    source = line_file(tmp_path / "in.sgy", small_line(4, 16, 250, nmo=False).full)
    told.clear()
    restore_file(str(source), str(tmp_path / "out.sgy"), quick("demultiple"), run=workers)
    assert sum("do not look NMO-corrected" in line for line in told) == 1


def worker_processes(parent: int | None = None) -> list[psutil.Process]:
    """Return the worker processes that a process has started."""
    children = psutil.Process(parent).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(_command_of(child))]


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def wait_until(ready: Any, seconds: float = _SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_workers_that_are_killed_lose_their_units_only(folder: Path, workers: RunOptions) -> None:
    target, killed = folder / "killed.sgy", []

    def kill() -> None:
        for after in (2, 8):
            wait_until(lambda after=after: units_done(target) >= after)
            victim = worker_processes()[0]
            victim.kill()
            killed.append(victim.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = restore_file(str(folder / "line.sgy"), str(target), quick("demultiple"), run=workers)
    killer.join(_SECONDS)
    assert len(set(killed)) == 2
    assert content(target) == content(folder / "whole.sgy")
    assert summary.units > 10


def started(arguments: list[str]) -> subprocess.Popen:
    """Start a command with small units in a process group of its own."""
    command = [sys.executable, "-m", "tests.cluster_worker", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_a_killed_command_takes_its_workers_with_it_and_is_gone_on_with(folder: Path) -> None:
    target = folder / "client.sgy"
    command = ["demultiple", str(folder / "line.sgy"), str(target), *_QUICK, "--cluster", "local:1"]
    process = started(command)
    wait_until(lambda: units_done(target) >= 3)
    left = worker_processes(process.pid)
    assert len(left) == 1
    process.kill()
    process.communicate(timeout=_SECONDS)
    assert psutil.wait_procs(left, timeout=_SECONDS)[1] == []
    before = units_done(target)
    assert not target.exists()
    summary = restore_file(str(folder / "line.sgy"), str(target), quick("demultiple"), run=RunOptions(resume=True))
    assert summary.resumed_units == before
    assert content(target) == content(folder / "whole.sgy")


def test_an_interrupt_from_the_keyboard_ends_all_processes_and_names_resume(folder: Path) -> None:
    target = folder / "interrupted.sgy"
    command = ["demultiple", str(folder / "line.sgy"), str(target), *_QUICK, "--cluster", "local:1"]
    process = started(command)
    wait_until(lambda: units_done(target) >= 3)
    left = worker_processes(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=_SECONDS)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "seisdiff: interrupted; the same command with --resume goes on"
    assert "Traceback" not in said
    assert psutil.wait_procs(left, timeout=_SECONDS)[1] == []
    assert main([*command[:-2], "-q", "--resume"]) == 0
    assert content(target) == content(folder / "whole.sgy")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """A scheduler and a worker in processes of their own; gives the scheduler and its address."""
    told = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    first = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen([*first, "--no-dashboard", "--scheduler-file", str(told)], **quiet)
    wait_until(told.exists)
    second = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(told), "--nthreads", "3"]
    worker = subprocess.Popen([*second, "--no-nanny", "--no-dashboard", "--death-timeout", "20"], **quiet)
    import json

    wait_until(lambda: "address" in told.read_text())
    yield scheduler, json.loads(told.read_text())["address"]
    for process in (worker, scheduler):
        process.kill()
        process.wait(_SECONDS)


def test_a_lost_scheduler_is_told_and_the_run_gone_on_with(
    folder: Path, scheduler: tuple[subprocess.Popen, str]
) -> None:
    process, address = scheduler
    target = folder / "scheduler.sgy"
    command = started(["demultiple", str(folder / "line.sgy"), str(target), *_QUICK, "--scheduler", address])
    wait_until(lambda: units_done(target) >= 3)
    process.kill()
    _, said = command.communicate(timeout=_SECONDS)
    assert command.returncode == 2, said
    assert "is lost" in said.splitlines()[-1]
    assert "--resume goes on" in said.splitlines()[-1]
    assert "Traceback" not in said
    before = units_done(target)
    assert before >= 3
    summary = restore_file(str(folder / "line.sgy"), str(target), quick("demultiple"), run=RunOptions(resume=True))
    assert summary.resumed_units == before
    assert content(target) == content(folder / "whole.sgy")


@pytest.mark.parametrize("text", ["local:0", "local:", "local:two", "slurm"])
def test_other_clusters_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"expected local or local:N"), on_cluster(text):
        pass


def test_two_kinds_of_cluster_are_refused() -> None:
    with pytest.raises(OptionError, match="exclude each other"), on_cluster("local", "tcp://127.0.0.1:8786"):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"seisdiff\[dask\]"), on_cluster("local:2"):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_a_scheduler_that_does_not_answer_is_told_in_one_line(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("seisdiff.cluster._PATIENCE_S", 1.0)
    target = folder / "none.sgy"
    assert main(["demultiple", str(folder / "line.sgy"), str(target), *_QUICK, "-q", "--scheduler", address]) == 2
    said = capsys.readouterr().err
    assert f"--scheduler {address}: no scheduler answers" in said
    assert len(said.splitlines()) == 1
    assert not [path for path in folder.iterdir() if "none.sgy" in path.name]
