"""Time the U-Nets per gather: first guess, bare network, restorer, and the whole command from file to file.

    python benchmarks/unet.py                                          all tasks with the shipped models
    python benchmarks/unet.py --task demultiple --model trained/model

Gathers of 60 traces x 1000 samples at 4 ms. The command runs as users run it, in a process of its own, on a file of 500
gathers; its time counts from start to exit, and the overhead is what it takes beyond the first guess and the bare
network; for demultiple the command with Radon stands beside it. The best of several runs counts, for other work on the
machine only ever adds time; the load is printed. Commands start sooner where dask, an extra, is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from radon import best_ms

from seisdiff.heap import keep_freed_memory
from seisdiff.networks.oversampling import finer_count
from seisdiff.pretrained import shipped_models
from seisdiff.restorers.base import Batch
from seisdiff.restorers.unet import UnetRestorer, UnetSpec
from seisdiff.segy import SegyWriter
from seisdiff.synthetic.marine import marine_line

TRACES, SAMPLES, FAR_M = 60, 1000, 3100.0
TASKS = [name.removesuffix("-unet") for name in shipped_models()]
TARGET_MS, TARGET_OVERHEAD = 80.0, 0.25


def parts_ms(task: str, model: str | None, gathers: int, repeats: int) -> dict[str, float]:
    """Return the time of the first guess, of all passes of the network at the restorer's shapes, of the restorer."""
    restorer = UnetRestorer(task, UnetSpec(model=model), FAR_M)  # type: ignore[arg-type]
    data = torch.randn(gathers, TRACES, SAMPLES, generator=torch.Generator().manual_seed(0))
    offset = torch.linspace(150, FAR_M, TRACES, dtype=torch.float64).expand(gathers, -1)
    live = torch.ones(gathers, TRACES, dtype=torch.bool)
    live[:, ::7] = task != "interpolate"
    batch = Batch(data, offset, live, 4.0 * torch.arange(SAMPLES, dtype=torch.float64))
    with torch.inference_mode():
        bare = sum(network_ms(restorer, gathers, abs(view), repeats) for views in restorer.passes for view in views)
        return {
            "first guess": best_ms(lambda: restorer.first.found(batch), gathers, repeats),
            "bare network, all passes": bare,
            "restorer": best_ms(lambda: restorer.restore(batch), gathers, repeats),
        }


def network_ms(restorer: UnetRestorer, gathers: int, rate: float, repeats: int) -> float:
    """Return the time of the network alone, shown `rate` samples for each."""
    sizes = zip((TRACES, finer_count(SAMPLES, rate)), restorer.network.multiple, strict=True)
    shape = (gathers, restorer.network.spec.in_channels, *(-(-size // step) * step for size, step in sizes))
    shown = torch.randn(shape).to(restorer.dtype, memory_format=torch.channels_last)
    there = torch.ones(gathers, shape[2], dtype=torch.bool)
    there[:, TRACES:] = False
    return best_ms(lambda: restorer.network(shown, there), gathers, repeats)


def make_line(folder: Path, gathers: int, holes: bool) -> Path:
    """Write a line of NMO-corrected gathers with multiples, every seventh trace dead where `holes` are wanted."""
    line = marine_line(gathers, TRACES, SAMPLES, noise_db=20.0).full
    if holes:
        line["amplitude"][::7] = 0
    path = folder / "line.sgy"
    writer = SegyWriter(path, line)
    writer.write(slice(0, line.sizes["trace"]), None, line["amplitude"].values)
    writer.close()
    return path


def command_ms(task: str, options: list[str], source: Path, gathers: int, threads: int, repeats: int) -> float:
    """Return the time per gather of the whole command, file to file."""
    target = source.with_name("out.sgy")
    command = [sys.executable, "-m", "seisdiff", task, str(source), str(target), *options, "--overwrite", "-q"]
    surroundings = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return best_ms(lambda: subprocess.run(command, check=True, env=surroundings), gathers, repeats)


def measure(task: str, model: str | None, gathers: int, threads: int, repeats: int) -> dict[str, float]:
    """Return milliseconds per gather by what was timed, and the overhead of the command over the bare network."""
    parts = parts_ms(task, model, 8, 2 * repeats)
    bare = parts["first guess"] + parts["bare network, all passes"]
    chosen = ["--method", "unet", *(["--model", model] if model else [])]
    with tempfile.TemporaryDirectory() as folder:
        source = make_line(Path(folder), gathers, task == "interpolate")
        whole = command_ms(task, chosen, source, gathers, threads, repeats)
        told = {"command": whole, "overhead of the command, %": 100 * (whole / bare - 1)}
        if task == "demultiple":  # its restorations of the other tasks take seconds a gather
            told["command with radon"] = command_ms(task, ["--method", "radon"], source, gathers, threads, repeats)
    return parts | told


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--model", help="a model instead of the shipped one")
    parser.add_argument("--gathers", type=int, default=500, help="gathers of the file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # as the command does
    figures = {
        task: measure(task, options.model, options.gathers, options.threads, options.repeats)
        for task in options.task or TASKS
    }
    if options.json:
        print(json.dumps({"ms_per_gather": figures, "threads": options.threads, "load": os.getloadavg()[0]}))
        return
    print(f"{TRACES} x {SAMPLES} samples, {options.threads} threads, load {os.getloadavg()[0]:.1f}; ms per gather")
    for task, row in figures.items():
        print(f"{task}: at most {TARGET_MS:.0f} ms and {TARGET_OVERHEAD:.0%} overhead are wanted")
        for what, figure in row.items():
            print(f"  {what:28s} {figure:8.1f}")


if __name__ == "__main__":
    main()
