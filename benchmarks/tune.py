"""Search the main parameters of the classical methods on generated gathers, and print what is best.

python benchmarks/tune.py demultiple radon [--gathers N] [--trials N] [--seed N] [--json]

The grid of a task and method is searched whole where it has no more than --trials points, else at random points of it;
the defaults always come first. A point's figure is the mean output SNR over gathers (dB, each limited to 40). The
judge is not looked at: its `dev` split confirms a choice, its `test` split is for final figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from rich.console import Console
from rich.table import Table

from seisdiff.config import make_recipe
from seisdiff.engine import restore
from seisdiff.survey import gather_bounds
from seisdiff.synthetic.recipe import SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import make_scenes
from seisdiff.synthetic.surveys import file_recipe, find_recipe, scene_survey

TRACES, SAMPLES, DT_MS = 60, 1000, 4.0
MOST_DB = 40.0
RECIPE = "marine_deep"
DOMAINS = {"demultiple": "nmo", "denoise": "shot", "interpolate": "shot"}
WATER_M = (60.0, 1200.0)
FAR_M = (2900.0, 3300.0)  # one survey, one cable: moveouts are told at its largest offset
NOISE_DB = (-5.0, 10.0)

#: What is searched, by task and method; names with a dot are parameters of the method, the others of the recipe.
GRIDS: dict[tuple[str, str], dict[str, list[Any]]] = {
    ("demultiple", "radon"): {
        ".cut_ms": [30, 40, 50, 60, 80, "0:80,3000:40"],
        ".taper_ms": [15, 30, 45],
        ".reweightings": [2, 3],
        ".damping": [0.003, 0.01, 0.03],
    },
    ("demultiple", "predictive"): {
        ".half_width_ms": [8, 12, 20],
        ".orders": [1, 2],
        ".prewhitening": [0.01, 0.03, 0.1],
        ".filter_window_ms": [700, 1000, 1500],
        ".deepest_ms": [180, 240, 320],
    },
    ("denoise", "radon"): {".damping": [0.03, 0.1, 0.3], ".window_traces": [8, 10, 14], ".window_ms": [250, 400, 500]},
    ("denoise", "fx"): {".filter_traces": [3, 5, 7], ".window_traces": [10, 20, 30], ".window_ms": [250, 400, 600]},
    ("denoise", "ssa"): {".window_traces": [12, 20, 30], ".window_ms": [150, 250, 400], ".caution": [0.9, 1.1, 1.3]},
    ("denoise", "fk"): {".threshold": [1, 2, 3], ".window_traces": [8, 12, 20], ".window_ms": [150, 250, 400]},
    ("denoise", "median"): {".traces": [3, 5, 7], ".max_slowness_ms_m": [0.5, 0.75]},
    ("interpolate", "radon"): {
        ".damping": [0.003, 0.01, 0.03],
        ".window_traces": [8, 10, 14],
        ".window_ms": [250, 500],
    },
    ("interpolate", "fx"): {".filter_traces": [2, 3, 5], ".window_traces": [10, 16, 24], ".window_ms": [250, 400, 600]},
    ("interpolate", "pocs"): {".iterations": [40, 80], ".window_traces": [8, 10, 16], ".window_ms": [250, 400, 600]},
}
#: What a processor sets in any case.
ALWAYS: dict[str, dict[str, Any]] = {"demultiple": {"start": "auto"}, "denoise": {}, "interpolate": {}}


class Trial(NamedTuple):
    """One point of a grid, its mean and its quartiles of output SNR (dB), and the seconds of a gather."""

    values: dict[str, Any]
    mean: float
    quartiles: tuple[float, float, float]
    seconds: float


def training_gathers(task: str, count: int, seed: int) -> tuple[xr.Dataset, xr.Dataset, np.ndarray]:
    """Return a degraded survey, the same without the damage, and which traces count, bool (trace)."""
    scenes = make_scenes(_recipe(task), seed, range(count))
    if task == "interpolate":
        complete = replace(scenes, live=torch.ones_like(scenes.live))
        return scene_survey(scenes, "signal"), scene_survey(complete, "signal"), ~scenes.live.numpy().ravel()
    before, after = ("signal", "primaries") if task == "demultiple" else ("full", "signal")
    return scene_survey(scenes, before), scene_survey(scenes, after), scenes.live.numpy().ravel()


def _recipe(task: str) -> SceneRecipe:
    """Return the generator's recipe with what the task needs: multiples, noise or gaps in every scene."""
    recipe = file_recipe(
        load_scene_recipe(find_recipe(RECIPE)), domain=DOMAINS[task], dt_ms=DT_MS, traces=TRACES, samples=SAMPLES
    )
    values = recipe.model_dump()
    values["earth"]["water_m"] = WATER_M
    values["spread"] |= {"far_m": FAR_M, "reach": (1.0, 1.0), "missing_near": 0.0}
    values["multiples"]["without"] = 0.0
    values["processing"] |= {"late_start": 0.0, "agc": 0.0}
    values["noise"] |= {"kinds": {"coloured": 1.0, "white": 0.5}, "snr_db": NOISE_DB, "dead": 0.0}
    if task == "interpolate":
        values["gaps"] = {"kinds": {"random": 0.5, "regular": 0.3, "block": 0.2}, "missing": (0.2, 0.6)}
    return SceneRecipe.model_validate(values)


def points(task: str, method: str, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return the defaults and then the points of the grid to try."""
    grid = GRIDS[task, method]
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [{}, *(every if len(every) <= trials else random.Random(seed).sample(every, trials))]


def recipe_values(task: str, method: str, point: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of a point."""
    spec = {name[1:]: value for name, value in point.items() if name.startswith(".")}
    others = {name: value for name, value in point.items() if not name.startswith(".")}
    return {"task": task, "method": method, **ALWAYS[task], **others, method: spec}


def output_snr(truth: xr.Dataset, estimate: xr.Dataset, scored: np.ndarray) -> np.ndarray:
    """Return the output SNR of each gather in dB over the traces that count, at most MOST_DB; without any, NaN."""
    bounds = gather_bounds(truth)
    true, found = (survey["amplitude"].values * scored[:, None] for survey in (truth, estimate))
    signal, error = (
        np.add.reduceat(np.square(part, dtype=np.float64).sum(axis=1), bounds[:-1]) for part in (true, true - found)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(10 * np.log10(signal / error), MOST_DB)


def measure(task: str, method: str, point: dict[str, Any], data: tuple[xr.Dataset, xr.Dataset, np.ndarray]) -> Trial:
    """Restore the gathers with one point's parameters."""
    degraded, truth, scored = data
    begun = time.perf_counter()
    restored = restore(degraded, make_recipe(recipe_values(task, method, point)))
    seconds = (time.perf_counter() - begun) / degraded.sizes["gather"]
    figures = output_snr(truth, restored, scored)
    low, middle, high = np.nanquantile(figures, (0.25, 0.5, 0.75)).tolist()
    return Trial(point, float(np.nanmean(figures)), (low, middle, high), seconds)


def table(task: str, method: str, trials: list[Trial], before: float, shown: int) -> Table:
    """Return the best trials and the defaults, best first."""
    names = list(GRIDS[task, method])
    result = Table(*(name.lstrip(".") for name in names), "mean dB", "quartiles", "ms", title=f"{task} {method}")
    ranked = sorted(trials, key=lambda trial: -trial.mean)
    for trial in [each for place, each in enumerate(ranked) if place < shown or not each.values]:
        told = [str(trial.values.get(name, "default")) for name in names]
        quartiles = " ".join(f"{value:.1f}" for value in trial.quartiles)
        result.add_row(*told, f"{trial.mean:.2f}", quartiles, f"{1000 * trial.seconds:.0f}")
    result.caption = f"input {before:.2f} dB"
    return result


def main() -> None:
    """Search, and print the table and the best point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted({task for task, _ in GRIDS}))
    parser.add_argument("method", choices=sorted({method for _, method in GRIDS}))
    parser.add_argument("--gathers", type=int, default=24)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shown", type=int, default=12, help="rows of the table")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if (given.task, given.method) not in GRIDS:
        parser.error(f"{given.method} does no {given.task}")
    torch.set_num_threads(1)
    data = training_gathers(given.task, given.gathers, given.seed)
    before = float(np.nanmean(output_snr(data[1], data[0], data[2])))
    tried = [
        measure(given.task, given.method, p, data) for p in points(given.task, given.method, given.trials, given.seed)
    ]
    best = max(tried, key=lambda trial: trial.mean)
    if given.json:
        print(json.dumps({"input_db": before, "best": best._asdict(), "trials": [trial._asdict() for trial in tried]}))
        return
    console = Console(width=160)
    console.print(table(given.task, given.method, tried, before, given.shown))
    console.print(f"best: {recipe_values(given.task, given.method, best.values)}")


if __name__ == "__main__":
    main()
