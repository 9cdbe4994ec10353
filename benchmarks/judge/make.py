"""Model the judge and pack its files: `python -m benchmarks.judge.make FOLDER` from the root of the checkout.

Each gather is saved in that folder as soon as it is made, and found again by a later run. The packed files go
to benchmarks/judge/. Needs deepwave (the extra `bench`). One thread.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.judge import pack
from benchmarks.judge.earths import Layers, layered_earth, random_structure, section
from benchmarks.judge.wavelets import Wavelet, random_wavelet
from benchmarks.judge.waves import Layout, direct, field, shot_pair, stencil_velocity

SPLITS = {"dev": 1, "test": 2}
GATHERS, SHOTS = 20, 8
SHALLOWEST_M, DEEPEST_M = 60.0, 1200.0
DX_M = 6.25
#: Step in depth, source depth, receiver depth, m.
DEPTHS = ((5.0, 10.0, 10.0), (5.0, 5.0, 10.0), (6.0, 6.0, 6.0), (6.0, 6.0, 12.0))


@dataclass(frozen=True)
class Plan:
    """One gather or shot before it is modelled."""

    seed: tuple[int, int, int]
    layers: Layers
    layout: Layout
    wavelet: Wavelet
    rng: np.random.Generator


def gather_plan(split: str, index: int) -> Plan:
    """Return number `index` of a split: water depths fill the range evenly on a logarithmic scale."""
    seed = (1, SPLITS[split], index)
    rng = np.random.default_rng(seed)
    water = SHALLOWEST_M * (DEEPEST_M / SHALLOWEST_M) ** ((index + rng.uniform(0.1, 0.9)) / GATHERS)
    return _plan(seed, rng, water, 150.0 + 50.0 * np.arange(60), 1000)


def shot_plan(split: str, index: int) -> Plan:
    """Return number `index` of a split's shots; every second one has traces 50 m apart, the others 25 m."""
    seed = (2, SPLITS[split], index)
    rng = np.random.default_rng(seed)
    water = 80.0 * 10 ** ((index + rng.uniform(0.1, 0.9)) / SHOTS)
    spacing, traces = (25.0, int(rng.integers(80, 97))) if index % 2 else (50.0, int(rng.integers(60, 65)))
    return _plan(seed, rng, water, 150.0 + spacing * np.arange(traces), 875)


def _plan(seed: tuple[int, int, int], rng: np.random.Generator, water: float, offset: np.ndarray, samples: int) -> Plan:
    dz, source, receiver = DEPTHS[rng.integers(len(DEPTHS))]
    layers = layered_earth(rng, water, dz, 0.004 * samples)
    return Plan(seed, layers, Layout(dz, DX_M, source, receiver, offset, samples), random_wavelet(rng), rng)


def model_gather(plan: Plan) -> dict[str, np.ndarray]:
    """Return the full field and the primaries (trace, time) of a layered earth."""
    rows = int(np.sum(plan.layers.thickness) / plan.layout.dz) + 5
    velocity, density = (
        np.repeat(values[:, None], plan.layout.columns, axis=1) for values in plan.layers.nodes(rows, plan.layout.dz)
    )
    full, primaries = shot_pair(velocity, density, plan.layout, plan.wavelet)
    return {"full": full, "primaries": primaries}


def model_shot(plan: Plan) -> dict[str, np.ndarray]:
    """Return the full field (trace, time) of a bent earth, a free surface above, the direct wave taken out."""
    layout = plan.layout
    depth = float(np.sum(plan.layers.thickness))
    structure = random_structure(plan.rng, float(layout.offset.max()), depth, plan.layers.water_m)
    z = layout.dz * np.arange(int(depth / layout.dz) + 5)
    velocity, density = section(plan.layers, structure, layout.x, z)
    return {"full": shot_full(velocity, density, layout, plan.wavelet)}


def shot_full(velocity: np.ndarray, density: np.ndarray, layout: Layout, wavelet: Wavelet) -> np.ndarray:
    """Return the pressure (trace, time) under a free surface without the direct wave."""
    fastest = stencil_velocity(velocity, density, layout)
    return field(velocity, density, layout, wavelet, True) - direct(layout, wavelet, True, fastest)


#: How gathers and shots are planned and modelled, and how many of them a split has.
KINDS = {"gathers": (gather_plan, model_gather, GATHERS), "shots": (shot_plan, model_shot, SHOTS)}


def model(kind: str, split: str, index: int, scratch: Path) -> None:
    """Model one gather or shot into the scratch folder, unless it is there."""
    path = _path(scratch, f"{split}_{kind}", index)
    if path.exists():
        return
    start, busy = time.time(), time.process_time()
    make_plan, make_samples, _ = KINDS[kind]
    plan = make_plan(split, index)
    samples = make_samples(plan)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **cast(dict[str, Any], samples))
    partial.rename(path)
    figures = f"{time.time() - start:.0f} s, {time.process_time() - busy:.0f} s of processor"
    print(f"{split} {kind} {index}: water {plan.layers.water_m:.0f} m, {plan.layers.kind}, {figures}", flush=True)


def main() -> None:
    """Model what is missing, then pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scratch", type=Path, help="folder of gathers as modelled, about 40 MB")
    parser.add_argument("--what", choices=("gathers", "shots", "all"), default="all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of the packed files")
    parser.add_argument("--model-only", action="store_true", help="do not pack")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.scratch.mkdir(parents=True, exist_ok=True)
    for kind in KINDS if options.what == "all" else (options.what,):
        for index in range(KINDS[kind][2]):
            for split in SPLITS:
                model(kind, split, index, options.scratch)
    if not options.model_only:
        pack_files(options.what, options.scratch, options.out)


def pack_files(what: str, scratch: Path, folder: Path) -> None:
    """Write the files of both splits from what stands in the scratch folder."""
    for kind in KINDS if what == "all" else (what,):
        plan, _, count = KINDS[kind]
        for split in SPLITS:
            plans = [plan(split, index) for index in range(count)]
            pack.pack(
                folder, f"{split}_{kind}", plans, lambda number, name=f"{split}_{kind}": _load(scratch, name, number)
            )


def _load(scratch: Path, name: str, number: int) -> dict[str, np.ndarray]:
    with np.load(_path(scratch, name, number)) as archive:
        return dict(archive)


def _path(scratch: Path, name: str, number: int) -> Path:
    return scratch / f"{name}_{number:02d}.npz"


if __name__ == "__main__":
    main()
