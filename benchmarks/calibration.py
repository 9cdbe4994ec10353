"""How far the spread of a diffusion model can be trusted: on held-out scenes and on the judge.

    python benchmarks/calibration.py trained/model            figures of both
    python benchmarks/calibration.py trained/model --write    also store the temperature that held-out scenes ask for

Samples are sorted by spread into tenths; in each the root mean square error over the root mean square spread should be
1. The interval of the mean -+ 1.645 spreads should hold the truth nine times out of ten.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seisdiff.config import make_recipe
from seisdiff.data import held_out
from seisdiff.engine import restore
from seisdiff.judge import open_judge
from seisdiff.pretrained import CARD, model_card
from seisdiff.restorers.base import Batch
from seisdiff.restorers.diffusion import DiffusionOptions, DiffusionRestorer
from seisdiff.survey import gather_bounds
from seisdiff.synthetic.recipe import load_scene_recipe
from seisdiff.training import TrainRecipe

ROOT = Path(__file__).resolve().parents[1]
TENTHS, NINETY = 10, 1.645


def of_scenes(model: Path, draws: int, batches: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield errors and spreads of held-out gathers, where anything is uncertain."""
    card = model_card(model)
    recipe = TrainRecipe.model_validate(card["recipe"])
    scenes = {name: load_scene_recipe(ROOT / "synthetic" / f"{name}.yaml") for name in recipe.stream.recipes}
    options = DiffusionOptions(model=str(model), samples=draws)
    for pair in held_out(recipe.stream, scenes, recipe.task, batches, "cpu"):
        truth = pair.degraded - pair.target if recipe.task != "interpolate" else pair.degraded + pair.target
        for number, largest in enumerate(pair.largest.tolist()):
            one = slice(number, number + 1)
            offset, step = pair.offset[one].double(), float(pair.step_ms[number])
            times = step * torch.arange(truth.shape[-1]).double()
            start = pair.start_ms[one, None].double().expand_as(offset)
            batch = Batch(pair.degraded[one], offset, pair.live[one], times, start, torch.tensor([number]))
            signal, spread = DiffusionRestorer(recipe.task, options, largest).restore(batch)
            assert spread is not None
            yield (signal - truth[one])[spread > 0].numpy(), spread[spread > 0].numpy()


def of_judge(model: Path, draws: int, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield errors and spreads of the judge's cases, each gather brought to a root mean square spread of one."""
    task = model_card(model)["task"]
    told: dict[str, Any] = {"task": task, "method": "diffusion", "diffusion": {"model": str(model), "samples": draws}}
    for case in open_judge(ROOT / "benchmarks" / "judge").cases(task, split):
        restored = restore(case.degraded, make_recipe(told | ({"start": "auto"} if task == "demultiple" else {})))
        error, spread = (restored[name].values for name in ("amplitude", "spread"))
        error = error - case.truth["amplitude"].values
        for low, high in pairwise(gather_bounds(case.truth)):
            there = spread[low:high] > 0
            size = np.sqrt(np.mean(spread[low:high][there] ** 2))
            yield error[low:high][there] / size, spread[low:high][there] / size


def reliability(error: np.ndarray, spread: np.ndarray) -> dict[str, Any]:
    """Return error over spread in tenths of growing spread, over all, and the share within the 90 % interval."""
    parts = np.array_split(np.argsort(spread, kind="stable"), TENTHS)
    ratios = [float(np.sqrt(np.mean(error[part] ** 2) / np.mean(spread[part] ** 2))) for part in parts]
    whole = float(np.sqrt(np.mean(error**2) / np.mean(spread**2)))
    return {"tenths": ratios, "whole": whole, "within 90 %": float(np.mean(np.abs(error) < NINETY * spread))}


def main() -> None:
    """Measure, print, and write the temperature."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--batches", type=int, default=12, help="batches of held-out scenes")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--write", action="store_true", help="store the temperature in the model's card")
    options = parser.parse_args()
    found = {
        "held-out scenes": of_scenes(options.model, options.draws, options.batches),
        f"judge, {options.split}": of_judge(options.model, options.draws, options.split),
    }
    for name, pairs in found.items():
        error, spread = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        told = reliability(error, spread)
        tenths = " ".join(f"{ratio:.2f}" for ratio in told["tenths"])
        print(f"{name}: error over spread {told['whole']:.2f}, tenths {tenths}; within 90 %: {told['within 90 %']:.3f}")
        if options.write and name == "held-out scenes":
            card = model_card(options.model)
            card["recipe"]["diffusion"]["temperature"] *= told["whole"]
            (options.model / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
            print(f"temperature: {card['recipe']['diffusion']['temperature']:.3f}")


if __name__ == "__main__":
    main()
