"""How far the spread of a diffusion model can be trusted: on held-out scenes and on the judge.

    python benchmarks/calibration.py trained/model            figures of both
    python benchmarks/calibration.py trained/model --write    first store what fits held-out scenes in the card
    python benchmarks/calibration.py A B C --picture OUT.png  reliability and coverage of several, drawn

Errors and spreads of a gather are divided by its root mean square spread. Samples are sorted by spread into tenths; in
each the root mean square error over the root mean square spread should be 1. Central intervals around the mean should
hold the truth as often as those of a normal distribution do: that of -+ 1.645 spreads nine times out of ten. Live
samples count: those where gather or truth are, over 31 samples, above a thousandth of the truth's root mean square.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import uniform_filter1d

from seisdiff.config import make_recipe
from seisdiff.data import held_out
from seisdiff.diffusion.spread import SpreadSpec
from seisdiff.engine import restore
from seisdiff.judge import open_judge
from seisdiff.pretrained import CARD, model_card
from seisdiff.restorers.base import Batch
from seisdiff.restorers.diffusion import DiffusionOptions, DiffusionRestorer
from seisdiff.survey import gather_bounds
from seisdiff.synthetic.recipe import load_scene_recipe
from seisdiff.training import TrainRecipe

ROOT = Path(__file__).resolve().parents[1]
TENTHS = 10
AROUND, SILENT = 31, 1e-3  # samples, and of the root mean square
AT_ONCE = 2  # held-out scenes of a batch
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def of_scenes(model: Path, draws: int, batches: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield errors and spreads of held-out gathers where anything is uncertain."""
    recipe = TrainRecipe.model_validate(model_card(model)["recipe"])
    scenes = {name: load_scene_recipe(ROOT / "synthetic" / f"{name}.yaml") for name in recipe.stream.recipes}
    filling, options = recipe.task == "interpolate", DiffusionOptions(model=str(model), samples=draws)
    stream = recipe.stream.model_copy(update={"batch": AT_ONCE})
    for pair in held_out(stream, scenes, recipe.task, batches, "cpu"):
        truth = pair.degraded + (pair.target if filling else -pair.target)
        for number, largest in enumerate(pair.largest.tolist()):
            one = slice(number, number + 1)
            offset, step = pair.offset[one].double(), float(pair.step_ms[number])
            times = step * torch.arange(truth.shape[-1]).double()
            start = pair.start_ms[one, None].double().expand_as(offset)
            batch = Batch(pair.degraded[one], offset, pair.live[one], times, start, torch.tensor([number]))
            restorer = DiffusionRestorer(recipe.task, options, largest)
            signal, spread = restorer.restore(batch)
            assert spread is not None
            counted = (spread[0] > 0).numpy() & live_samples(pair.degraded[number].numpy(), truth[number].numpy())
            if counted.any():
                yield at_one((signal[0] - truth[number]).numpy()[counted], spread[0].numpy()[counted])


def fitted(error: np.ndarray, spread: np.ndarray) -> float:
    """Return the factor of spreads that brings errors over spreads nearest to 1, in tenths of growing spread."""
    ratios = reliability(error, spread)["tenths"]
    return float(np.exp(np.mean(np.log(ratios))))


def at_one(error: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return errors and spreads of a gather over its root mean square spread."""
    size = np.sqrt(np.mean(spread**2))
    return error / size, spread / size


def of_judge(model: Path, draws: int, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield errors and spreads of the judge's gathers, where anything is uncertain."""
    task = model_card(model)["task"]
    told: dict[str, Any] = {"task": task, "method": "diffusion", "diffusion": {"model": str(model), "samples": draws}}
    exact = None
    for case in open_judge(ROOT / "benchmarks" / "judge").cases(task, split):
        restored = restore(case.degraded, make_recipe(told | ({"start": "auto"} if task == "demultiple" else {})))
        estimate, spread = (restored[name].values for name in ("amplitude", "spread"))
        degraded, truth = (part["amplitude"].values for part in (case.degraded, case.truth))
        if task == "demultiple" and case.name.startswith("noise"):  # which is not to be taken out
            assert exact is not None
            truth = truth + (degraded - exact)
        exact = degraded if case.name == "exact" else exact
        for low, high in pairwise(gather_bounds(case.truth)):
            one = slice(low, high)
            counted = (spread[one] > 0) & live_samples(degraded[one], truth[one])
            if counted.any():
                yield at_one((estimate[one] - truth[one])[counted], spread[one][counted])


def live_samples(degraded: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return bool (trace, time): where a gather or its truth is not silent."""
    power = uniform_filter1d(np.maximum(np.abs(degraded), np.abs(truth)).astype(np.float64) ** 2, AROUND, axis=-1)
    return power >= SILENT**2 * np.mean(truth.astype(np.float64) ** 2)


def reliability(error: np.ndarray, spread: np.ndarray) -> dict[str, Any]:
    """Return error over spread in tenths of growing spread, over all, and the shares within central intervals."""
    parts = np.array_split(np.argsort(spread, kind="stable"), TENTHS)
    ratios = [float(np.sqrt(np.mean(error[part] ** 2) / np.mean(spread[part] ** 2))) for part in parts]
    whole = float(np.sqrt(np.mean(error**2) / np.mean(spread**2)))
    held = [float(np.mean(np.abs(error) < NormalDist().inv_cdf(0.5 + level / 2) * spread)) for level in LEVELS]
    return {"tenths": ratios, "whole": whole, "held": held}


def measured(model: Path, draws: int, batches: int, split: str, write: bool) -> dict[str, dict[str, Any]]:
    """Return the figures of a model on held-out scenes and on the judge."""
    error, spread = together(of_scenes(model, draws, batches))
    if write:
        factor = fitted(error, spread)
        write_temperature(model, factor)
        spread = factor * spread
    told = {}
    found = {"held-out scenes": (error, spread), f"judge, {split}": together(of_judge(model, draws, split))}
    for name, pair in found.items():
        told[name] = reliability(*pair)
        tenths = " ".join(f"{ratio:.2f}" for ratio in told[name]["tenths"])
        within = dict(zip(LEVELS, told[name]["held"], strict=True))[0.9]
        print(f"{model.name}, {name}: error over spread {told[name]['whole']:.2f}, tenths {tenths}; "
              f"within 90 %: {within:.3f}", flush=True)  # fmt: skip
    return told


def together(gathers: Iterator[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return errors and spreads of all gathers."""
    errors, spreads = zip(*gathers, strict=True)
    return np.concatenate(errors), np.concatenate(spreads)


def write_temperature(model: Path, factor: float) -> None:
    """Store it in the card, times what is there."""
    card = model_card(model)
    spread = card["recipe"]["diffusion"].setdefault("spread", SpreadSpec().model_dump(exclude_none=True))
    spread["temperature"] = round(factor * spread["temperature"], 3)
    (model / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(f"{model.name}: temperature {spread['temperature']:.3f}", flush=True)


def draw(found: dict[str, dict[str, dict[str, Any]]], path: Path) -> None:
    """Draw reliability in tenths above, coverage below, one column a model."""
    figure = Figure(figsize=(3.4 * len(found), 6.2), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False)
    for column, (name, sources) in enumerate(found.items()):
        above, below = axes[0, column], axes[1, column]
        for (source, told), mark in zip(sources.items(), ("o-", "s--"), strict=True):
            above.plot(range(1, TENTHS + 1), told["tenths"], mark, color="black", markersize=4, label=source)
            below.plot(LEVELS, told["held"], mark, color="black", markersize=4, label=source)
        above.axhline(1, color="0.6", linewidth=0.8)
        above.set(title=name, xlabel="tenth of growing spread", ylim=(0, 2.5), xticks=range(1, TENTHS + 1))
        below.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        below.set(xlabel="interval, share of a normal distribution", xlim=(0, 1), ylim=(0, 1))
        if column == 0:
            above.set_ylabel("RMS error / RMS spread")
            below.set_ylabel("share of samples within it")
            above.legend(frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    Image.open(drawn).convert("L").point([round(grey / 17) * 17 for grey in range(256)]).save(path, optimize=True)


def main() -> None:
    """Measure, print, and write the card or the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--batches", type=int, default=40, help="batches of held-out scenes")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--write", action="store_true", help="fit the temperature to the held-out scenes")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    found = {}
    for model in options.model:
        found[model.name] = measured(model, options.draws, options.batches, options.split, options.write)
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
