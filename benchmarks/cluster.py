"""Runs on a Dask cluster of this machine: throughput of workers, what coordination costs, memory of every process.

    python benchmarks/cluster.py                                  all of it, on a file of 0.3 GB
    python benchmarks/cluster.py --what scaling --size 2          throughput and memory on a file of 2 GB
    python benchmarks/cluster.py --what coordination              empty units, from 10 to 10,000
    python benchmarks/cluster.py --what kills --size 2            bits and units where processes are killed

Throughput is that of whole commands, from store to store, each in processes of its own: one process with one thread and
with all, and one worker and two with one thread each. Seconds count from the first byte read to the last written, and
for a cluster the start of its workers too; each output must be the same bytes as the first. Memory is the largest
RssAnon of any process of the command. For coordination, units that read and compute next to nothing are run on two
workers; seconds a unit are of the whole way through the scheduler, and processor time and memory are those of the
process that holds client and scheduler. Kills: a worker of two is killed with kill -9 every few seconds until all is
done; then the command, which holds the scheduler, when half of the units are done, and is resumed. The bytes must be
those of one process, and units that were done before must not be done again. The load of the machine is printed: on a
busy one the figures of time mean little.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import psutil
import torch

from seisdiff.cluster import on_cluster
from seisdiff.gathers import Gathers, Traces, cut_traces
from seisdiff.ledger import Ledger
from seisdiff.networks.unet import UNet
from seisdiff.new_geometry import plan_geometry
from seisdiff.passes import Notify, Pass
from seisdiff.survey import make_survey
from seisdiff.training import TrainRecipe, load_train_recipe, save_model
from seisdiff.transfer import ingest
from seisdiff.units import Unit

_IO = run_path(str(Path(__file__).with_name("io.py")))
make_file, anonymous_kib = _IO["make_file"], _IO["anonymous_kib"]
CONFIGS = Path(__file__).resolve().parents[1] / "configs"
RADON = ["--method", "radon"]
UNET = ["--method", "unet"]
KILLED = ("radon", "unet", "diffusion")
NARROW = {"widths": [8, 12, 16], "strides": [[2, 2], [2, 2]]}
HERE, THERE = "one process, 1 thread", "2 workers, 1 thread each"
RUNS: dict[str, tuple[int, list[str]]] = {
    HERE: (1, []),
    "one process, 2 threads": (2, []),
    "1 worker, 1 thread": (1, ["--cluster", "local:1"]),
    THERE: (1, ["--cluster", "local:2"]),
}


def scaling(folder: Path, gigabytes: float) -> dict[str, Any]:
    """Return seconds, gathers a second and peak memory of every run, and the two ratios that are wanted."""
    store, figures = line_store(folder, gigabytes), dict[str, Any]()
    for name, method in (("radon", RADON), ("unet", UNET)):
        rows = {what: measured(store, folder, method, *how) for what, how in RUNS.items()}
        figures[name] = rows | {"same bytes": same_bytes([Path(row["output"]) for row in rows.values()])}
        rate = {what: row["gathers/s"] for what, row in rows.items()}
        figures[name]["2 workers / 1 worker"] = rate[THERE] / rate["1 worker, 1 thread"]
        figures[name]["2 workers / 2 threads"] = rate[THERE] / rate["one process, 2 threads"]
        for row in rows.values():
            shutil.rmtree(row["output"])
    return figures


def line_store(folder: Path, gigabytes: float) -> Path:
    """Return a store of so many GB of gathers of 60 x 1000."""
    store = folder / f"line-{gigabytes:g}.zarr"
    if not store.exists():
        file = make_file(folder / f"ieee32-{gigabytes:g}.sgy", gigabytes, "ieee32")
        ingest(str(file), str(store))
        file.unlink()
    return store


def measured(store: Path, folder: Path, method: list[str], threads: int, cluster: list[str]) -> dict[str, Any]:
    """Run demultiple over a store; return its rate, seconds and the peak memory of its largest process, GiB."""
    target = folder / f"out-{threads}-{'-'.join(cluster[1:]).replace(':', '') or 'here'}.zarr"
    run = Run.start(store, target, [*method, *cluster, "--overwrite"], threads)
    while run.process.poll() is None:
        run.look()
        time.sleep(0.1)
    return run.ended() | {"output": str(target)}


@dataclass
class Run:
    """A command that runs, and the largest memory of any of its processes so far, KiB."""

    process: subprocess.Popen
    target: Path
    peak: int = 0

    @classmethod
    def start(cls, store: Path, target: Path, options: list[str], threads: int = 1) -> Run:
        """Start demultiple over a store."""
        command = [sys.executable, "-m", "seisdiff", "demultiple", str(store), str(target), *options]
        surroundings = os.environ | {"OMP_NUM_THREADS": str(threads)}
        return cls(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=surroundings), target)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that it has."""
        return [each for each in family(self.process.pid) if "spawn_main" in " ".join(told_of(each))]

    def look(self) -> None:
        """Look at its memory."""
        self.peak = max(self.peak, *(anonymous_kib(each.pid) for each in family(self.process.pid)), 0)

    def units_done(self) -> int:
        """Return how many units it has entered as done."""
        place = self.target.parent / f".{self.target.name}.ledger" / "units"
        return len(list(place.glob("*.json"))) if place.is_dir() else 0

    def ended(self) -> dict[str, float]:
        """Wait for its end; return its rate, seconds, units that were done before it, and memory."""
        _, told = self.process.communicate()
        found = re.search(r"(\d+) gathers?, \d+ traces, ([\d.]+) s", told)
        if self.process.returncode or not found:
            raise SystemExit(f"{' '.join(map(str, self.process.args))}: {told}")
        gathers, seconds = int(found[1]), float(found[2])
        kept = re.search(r"units kept of the interrupted run: (\d+)", told)
        return {
            "gathers/s": gathers / seconds, "seconds": seconds, "peak GiB": self.peak / 2**20,
            "units kept": int(kept[1]) if kept else 0,
        }  # fmt: skip


def family(pid: int) -> list[psutil.Process]:
    """Return a process and those that it has started; none where it has ended."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def told_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process, none where it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def kills(folder: Path, gigabytes: float, every_s: float, methods: list[str]) -> dict[str, Any]:
    """Return what came of runs whose workers, then whose command was killed."""
    store, figures = line_store(folder, gigabytes), dict[str, Any]()
    for name in methods:
        method = quick_method(name, folder)
        whole = measured(store, folder, method, *RUNS[HERE])
        survivors = workers_killed(store, folder / "out-1-killed.zarr", method, every_s)
        resumed = command_killed(store, folder / "out-1-resumed.zarr", method)
        same = same_bytes([Path(whole["output"]), folder / "out-1-killed.zarr", folder / "out-1-resumed.zarr"])
        figures[name] = {HERE: whole, "workers killed": survivors, "command killed": resumed, "same bytes": same}
        for path in folder.glob("out-1-*.zarr"):
            shutil.rmtree(path)
    return figures


def quick_method(name: str, folder: Path) -> list[str]:
    """Return the options of a method at settings with which a large store is through in minutes.

    Diffusion is that of narrow networks that know nothing: whether bits are the same does not depend on weights.
    """
    if name != "diffusion":
        return [*RADON, "--solver", "ls"] if name == "radon" else UNET
    torch.manual_seed(0)
    for kind in ("unet", "diffusion"):
        values = load_train_recipe(CONFIGS / f"demultiple-{kind}.yaml").model_dump(mode="json")
        values["network"] |= NARROW
        values |= {"guide": str(folder / "narrow-unet")} if kind == "diffusion" else {}
        recipe = TrainRecipe.model_validate(values)
        network = UNet(recipe.network)
        torch.nn.init.normal_(network.leave.weight, std=0.01)
        save_model(network, recipe, folder / f"narrow-{kind}", {})
    return ["--method", "diffusion", "--samples", "2", "--model", str(folder / "narrow-diffusion")]


def workers_killed(store: Path, target: Path, method: list[str], every_s: float) -> dict[str, float]:
    """Run on two workers, of which one is killed every few seconds once units come back."""
    run, killed, due = Run.start(store, target, [*method, *RUNS[THERE][1], "--overwrite"]), 0, float("inf")
    while run.process.poll() is None:
        run.look()
        due = min(due, time.monotonic() + every_s) if run.units_done() else due
        if time.monotonic() >= due and (alive := run.workers()):
            alive[killed % len(alive)].kill()
            killed, due = killed + 1, time.monotonic() + every_s
        time.sleep(0.1)
    return run.ended() | {"kills": killed}


def command_killed(store: Path, target: Path, method: list[str]) -> dict[str, float]:
    """Run on two workers, kill the command half-way, and go on with it."""
    units = sum(path.is_file() for path in (store / "amplitude" / "c").rglob("*"))
    run = Run.start(store, target, [*method, *RUNS[THERE][1], "--overwrite"])
    while run.units_done() < units // 2:
        if run.process.poll() is not None:
            run.ended()
            raise SystemExit("the run was over before it could be killed; take a larger --size")
        time.sleep(0.05)
    run.process.kill()
    run.process.communicate()
    done = run.units_done()
    again = Run.start(store, target, [*method, *RUNS[THERE][1], "--resume"])
    while again.process.poll() is None:
        again.look()
        time.sleep(0.1)
    return again.ended() | {"units done when killed": done}


def same_bytes(stores: list[Path]) -> bool:
    """Tell whether stores of one thread are the same; one of two threads may differ in rounding."""
    first, *others = [store for store in stores if store.name.startswith("out-1")]
    names = [str(path.relative_to(first)) for path in first.rglob("*") if path.is_file()]
    return all(not any(filecmp.cmpfiles(first, other, names, shallow=False)[1:]) for other in others)


@dataclass(frozen=True)
class Nothing:
    """An output that takes whatever comes."""

    unit_rows: int | None = None

    def write(self, rows: slice, traces: Traces) -> int:
        return 0

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray) -> None:
        """Nothing is left to do."""


@dataclass(frozen=True)
class Idle:
    """An order of units that read one trace in memory and do nothing with it."""

    def open(self, notify: Notify, resume: bool) -> Pass:
        survey = make_survey(np.ones((1, 4), np.float32), dt_ms=4.0)

        def copy(unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
            return [cut_traces(gathers, slice(0, 1))], {}

        return Pass(survey, plan_geometry(survey), (Nothing(),), copy, self)


def coordination(folder: Path, counts: list[int]) -> dict[str, Any]:
    """Return milliseconds a unit, and what memory (MiB) client and scheduler gain, for runs of more and more units."""
    from importlib.metadata import version

    facts = {"task": "idle", **{f"version of {name}": version(name) for name in ("seisdiff", "torch", "numpy")}}
    figures: dict[str, Any] = {}
    with on_cluster("local:2") as elsewhere:
        assert elsewhere
        for count in [8, *counts]:  # the first, to start workers, does not count
            with Ledger.begin([folder / "idle.sgy"], facts, resume=False, overwrite=True) as ledger:
                figures[f"{count} units"] = idle_run(lambda units, to=ledger: elsewhere(Idle(), units, to), count)
                ledger.discard()
    del figures["8 units"]
    return figures


def idle_run(run: Callable[[list[Unit]], Any], count: int) -> dict[str, float]:
    """Run idle units; return milliseconds a unit and the memory of this process, MiB, before, half-way and after."""
    units = [Unit(number, slice(0, 1), slice(0, 1)) for number in range(count)]
    before, half = anonymous_kib(os.getpid()), 0
    began, busy = time.perf_counter(), time.process_time()
    for done, _ in enumerate(run(units), 1):
        half = anonymous_kib(os.getpid()) if done == count // 2 else half
    passed, busy = time.perf_counter() - began, time.process_time() - busy
    after = anonymous_kib(os.getpid())
    return {
        "ms a unit": 1e3 * passed / count,
        "ms a unit of the processor, command and scheduler": 1e3 * busy / count,
        "MiB before": before / 1024,
        "MiB half-way": half / 1024,
        "MiB after": after / 1024,
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=["scaling", "coordination", "kills"], action="append")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "seisdiff-cluster")
    parser.add_argument("--size", type=float, default=0.3, help="GB of the file")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between kills")
    parser.add_argument("--method", choices=KILLED, nargs="*", default=KILLED, help="of kills")
    parser.add_argument("--units", type=int, nargs="*", default=[10, 100, 1000, 10_000])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = options.what or ["scaling", "coordination", "kills"]
    figures: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    if "coordination" in wanted:
        figures["coordination"] = coordination(options.folder, options.units)
    if "scaling" in wanted:
        figures["scaling"] = scaling(options.folder, options.size)
    if "kills" in wanted:
        figures["kills"] = kills(options.folder, options.size, options.every, options.method)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
