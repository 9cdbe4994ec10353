"""Time Radon demultiple per gather: gathers that share their offsets, gathers that do not, and PyLops beside it.

Gathers of 60 traces x 1000 samples at 4 ms, 115 moveouts, float32, through RadonRestorer.restore. The best of several
runs counts, for other work on the machine only ever adds time; the load is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

import numpy as np
import torch

from seisdiff.restorers.base import Batch
from seisdiff.restorers.radon import RadonRestorer, RadonSpec

TRACES, SAMPLES, STEP_MS, FAR_M = 60, 1000, 4.0, 3000.0
MOVEOUT_MS = (-150.0, 990.0, 10.0)
TARGETS_MS = {"ls shared": 10.0, "ls different": 60.0, "sparse shared": 50.0, "sparse different": 300.0}


def batch_of(gathers: int, share_offsets: bool) -> Batch:
    """Return random gathers whose offsets are the same, or jittered differently in each."""
    generator = torch.Generator().manual_seed(0)
    offset = torch.linspace(50, FAR_M, TRACES, dtype=torch.float64).expand(gathers, -1).clone()
    if not share_offsets:
        offset += 10 * torch.randn(gathers, TRACES, generator=generator, dtype=torch.float64)
    data = torch.randn(gathers, TRACES, SAMPLES, generator=generator)
    times = STEP_MS * torch.arange(SAMPLES, dtype=torch.float64)
    return Batch(data, offset, torch.ones(gathers, TRACES, dtype=torch.bool), times)


def best_ms(work: Callable[[], object], gathers: int, repeats: int) -> float:
    """Return the least time per gather in ms over some runs after a first one."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return 1000 * min(spent) / gathers


def radon_ms(solver: str, share_offsets: bool, gathers: int, repeats: int) -> float:
    """Return the demultiple time per gather of one solver."""
    batch = batch_of(gathers, share_offsets)
    restorer = RadonRestorer("demultiple", RadonSpec(solver=solver, moveout_ms=MOVEOUT_MS), FAR_M)  # type: ignore[arg-type]
    return best_ms(lambda: restorer.restore(batch), gathers, repeats)


def pylops_ms(repeats: int) -> float:
    """Return the time of one gather with PyLops' FourierRadon2D: 10 CGLS iterations, cut, multiples modelled."""
    from pylops.optimization.basic import cgls
    from pylops.signalprocessing import FourierRadon2D

    low, high, step = MOVEOUT_MS
    moveouts = np.arange(low, high + step / 2, step)
    batch = batch_of(1, share_offsets=True)
    points = RadonRestorer("demultiple", RadonSpec(moveout_ms=MOVEOUT_MS), FAR_M).axes(batch, batch.offset[0])
    operator = FourierRadon2D(
        batch.times.numpy() / 1000,
        batch.offset[0].numpy(),
        moveouts / 1000 / FAR_M**2,
        points.fft_length,
        flims=(points.bins.start, points.bins.stop),
        kind="parabolic",
        dtype="float32",
    )
    data = batch.data[0].numpy().ravel()

    def demultiple() -> np.ndarray:
        panel = cgls(operator, data, niter=10, tol=0)[0].reshape(len(moveouts), -1)
        panel[moveouts < 60] = 0
        return data - operator.matvec(panel.ravel())

    return best_ms(demultiple, 1, repeats)


def measure(gathers: int, repeats: int, with_pylops: bool) -> dict[str, float]:
    """Return milliseconds per gather by case."""
    figures = {
        f"{solver} {name}": radon_ms(solver, share, gathers, repeats)
        for solver in ("ls", "sparse")
        for name, share in (("shared", True), ("different", False))
    }
    return figures | ({"pylops cgls 10": pylops_ms(repeats)} if with_pylops else {})


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gathers", type=int, default=64, help="gathers in a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-pylops", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure(options.gathers, options.repeats, not options.no_pylops)
    load = os.getloadavg()[0]
    if options.json:
        print(
            json.dumps({"ms_per_gather": figures, "targets_ms": TARGETS_MS, "threads": options.threads, "load": load})
        )
        return
    print(
        f"{TRACES} x {SAMPLES} samples, 115 moveouts, {options.gathers} gathers, "
        f"{options.threads} threads, load {load:.1f}"
    )
    for case, spent in figures.items():
        target = f"  (target {TARGETS_MS[case]:.0f})" if case in TARGETS_MS else ""
        print(f"{case:18s} {spent:8.1f} ms per gather{target}")


if __name__ == "__main__":
    main()
