"""What the parts of the demultiple U-Net are worth: variants trained for a few minutes each, measured on dev gathers.

    python benchmarks/study.py --minutes 4 --out study            all variants, one after the other, on one core each
    python benchmarks/study.py --minutes 4 --out study --only base adamw

Each variant differs from configs/demultiple-unet.yaml in one thing and gets the same time, not the same steps: what is
slower must be better. Counted is the processor's time, so that other work on the machine does not matter. Variants that
are done are not trained again. The figures of each go to a JSON file in OUT, and all of them as a table to
OUT/study.md. Several can run side by side.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from seisdiff.benchmark.methods import parse_method
from seisdiff.benchmark.run import run_case
from seisdiff.config import make_recipe
from seisdiff.draws import Draws
from seisdiff.engine import restore
from seisdiff.judge import open_judge
from seisdiff.pretrained import count_parameters
from seisdiff.restorers.unet import UnetRestorer
from seisdiff.scores import snr_db
from seisdiff.scores.water import WATER_CLASSES
from seisdiff.synthetic.recipe import SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import Scenes
from seisdiff.tasks.pairs import DemultipleTask, Pair
from seisdiff.training import TrainRecipe, load_train_recipe, train_model

ROOT = Path(__file__).resolve().parents[1]
#: What variants have instead of what configs/demultiple-unet.yaml says: a quick training, and what costs least in it.
BASE = {"shapes": [[64, 512]], "recipes": {"marine_shallow": 0.35, "marine_deep": 0.65}}
FIRST = {"method": "radon", "options": {"solver": "ls", "f_max": 75}}
REHEARSED = 60
#: Each variant: what it changes of the network, of the stream, and of the training.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "base": {},
    "base, other scenes": {"training": {"seed": 2}},
    "no first guess": {"training": {"first": None}},
    "depth 3": {"network": {"widths": [32, 56, 128], "strides": [[2, 2], [2, 2]]}},
    "half width": {"network": {"widths": [16, 28, 40, 56, 64]}},
    "twice the width": {"network": {"widths": [64, 112, 160, 224, 256]}},
    "deep kernel 3": {"network": {"deep_kernel": 3}},
    "deep kernel 15": {"network": {"deep_kernel": 15}},
    "no folding": {"network": {"time_fold": 1}},
    "fold 4": {"network": {"time_fold": 4}},
    "time before traces": {"network": {"strides": [[1, 2], [1, 2], [2, 2], [2, 2]]}},
    "strided": {"network": {"pooling": "strided"}},
    "low cut": {"network": {"pooling": "lowcut"}},
    "absolute error only": {"training": {"rms_weight": 0.0}},
    "mostly squared error": {"training": {"rms_weight": 5.0}},
    "predicts primaries": {},
    "adamw": {"training": {"optimizer": "adamw"}},
    "longer records": {"stream": {"shapes": [[64, 1024]]}},
    "sparse first guess": {"training": {"first": FIRST | {"options": {"f_max": 75, "reweightings": 2}}}},
    "whole fields": {"stream": {"recipes": {"marine_shallow": 0.25, "marine_deep": 0.35, "marine_layered": 0.4}}},
    "decibels alike": {"training": {"log_floor": 0.02}},
    "own multiples": {},
}
COLUMNS = (
    ("steps", 0), ("parameters, M", 2), ("SNR, 180 to 900 m", 1), ("below first multiple", 1), ("SNR, under 180 m", 1),
    ("primaries only", 1), ("far third of traces", 1), ("AVO gradient error", 2), ("inserted within 2 dB, %", 0),
    ("other polarity, dB", 0),
)  # fmt: skip


def recipe_of(name: str) -> TrainRecipe:
    """Return the recipe of a variant."""
    values = load_train_recipe(ROOT / "configs" / "demultiple-unet.yaml").model_dump(mode="json")
    changes = VARIANTS[name]
    values["stream"] |= BASE | changes.get("stream", {})
    values["network"] |= changes.get("network", {})
    fixed = {"first": FIRST, "validation_every": 10**6, "log_floor": 0.0}
    return TrainRecipe.model_validate(values | fixed | changes.get("training", {}))


@contextmanager
def pairs_of(name: str) -> Iterator[None]:
    """Make training pairs as a variant has them: multiples are of any strength and predicted, but for one each."""
    own, without = (DemultipleTask.own, DemultipleTask.without) if name == "own multiples" else (0.0, 0.1)
    with patch.object(DemultipleTask, "own", own), patch.object(DemultipleTask, "without", without):
        if name == "predicts primaries":
            with predicting_primaries():
                yield
        else:
            yield


@contextmanager
def predicting_primaries() -> Iterator[None]:
    """Let networks predict the primaries, with the noise on them, instead of the multiples."""
    pair, answer = DemultipleTask.pair, UnetRestorer._answer

    def other_pair(self: DemultipleTask, scenes: Scenes, draws: Draws) -> Pair:
        made = pair(self, scenes, draws)
        return replace(made, target=(made.degraded - made.target) * made.wanted[..., None])

    def other_answer(self: UnetRestorer, shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        return shown[:, :1] - answer(self, shown, valid)

    with patch.object(DemultipleTask, "pair", other_pair), patch.object(UnetRestorer, "_answer", other_answer):
        yield


def file_name(name: str) -> str:
    """Return what files of a variant are called."""
    return name.replace(",", "").replace(" ", "_")


def trained(name: str, folder: Path, minutes: float) -> Path:
    """Train a variant, unless that is done, and return its model."""
    model = folder / file_name(name) / "model"
    if not (model / "model.json").is_file():
        recipe = recipe_of(name)
        scenes = {each: load_scene_recipe(ROOT / "synthetic" / f"{each}.yaml") for each in recipe.stream.recipes}
        train_model(recipe, scenes, model.parent, steps=steps_within(60 * minutes, recipe, scenes, model.parent))
    return model


def steps_within(seconds: float, recipe: TrainRecipe, scenes: dict[str, SceneRecipe], folder: Path) -> int:
    """Return how many steps of a training take so many seconds of the processor, by a rehearsal."""
    moments: list[float] = []
    train_model(recipe, scenes, folder, steps=REHEARSED, progress=lambda tick: moments.append(time.process_time()))
    shutil.rmtree(folder)
    settled = moments[REHEARSED // 3 : -1]  # the last step is followed by a validation
    return int(seconds * (len(settled) - 1) / (settled[-1] - settled[0]))


def figures_of(model: Path) -> dict[str, float]:
    """Return the figures of a model on the judge's dev, 180 to 900 m of water unless told otherwise."""
    cases = {each.name: each for each in open_judge(ROOT / "benchmarks" / "judge").cases("demultiple", "dev")}
    method = parse_method(f"unet:model={model}")
    case = cases["exact"]
    exact, only = run_case(case, method), run_case(cases["primaries only"], method)
    shallow, middle, _ = WATER_CLASSES
    losses = np.concatenate([each for each in exact.insertion_db if each])
    recipe = make_recipe({"task": "demultiple", "method": "unet", "unet": {"model": str(model)}})
    upright, turned = (
        restore(case.degraded.assign(amplitude=sign * case.degraded["amplitude"]), recipe)["amplitude"].values
        for sign in (1, -1)
    )
    truth, offset = case.truth["amplitude"].values, np.abs(case.truth["offset"].values)
    far = offset > offset.max() * 2 / 3
    log = [json.loads(line) for line in (model.parent / "log.jsonl").read_text().splitlines()]
    return {
        "steps": len(log),
        "parameters, M": count_parameters(model) / 1e6,
        "SNR, 180 to 900 m": exact.mean("snr_db", middle) or np.nan,
        "below first multiple": exact.mean("snr_below_db", middle) or np.nan,
        "SNR, under 180 m": exact.mean("snr_db", shallow) or np.nan,
        "primaries only": only.mean("snr_db", middle) or np.nan,
        "far third of traces": snr_db(truth, upright, far),
        "AVO gradient error": exact.overall["avo_gradient_error"].quartiles[1],
        "inserted within 2 dB, %": 100 * float(np.mean(np.abs(losses) < 2)),
        "other polarity, dB": snr_db(upright, -turned),
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    rows = [f"| variant | {' | '.join(name for name, _ in COLUMNS)} |", "| --- |" + " ---: |" * len(COLUMNS)]
    rows += [
        f"| {variant} | {' | '.join(f'{row[name]:.{digits}f}' for name, digits in COLUMNS)} |"
        for variant, row in figures.items()
    ]
    return "\n".join(rows) + "\n"


def main() -> None:
    """Train and measure what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0, help="training of each variant")
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        done = options.out / f"{file_name(name)}.json"
        if not done.is_file():
            with pairs_of(name):
                done.write_text(json.dumps(figures_of(trained(name, options.out, options.minutes))))
            print(name, done.read_text(), flush=True)
    found = {
        name: json.loads(path.read_text())
        for name in VARIANTS
        if (path := options.out / f"{file_name(name)}.json").is_file()
    }
    (options.out / "study.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
