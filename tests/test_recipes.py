"""Every committed training recipe runs through the real command, and says what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from seisdiff.cli.app import main
from seisdiff.networks.unet import UNet
from seisdiff.tasks.pairs import TASKS
from seisdiff.training import TrainRecipe, load_train_recipe

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def test_there_are_a_small_and_a_large_recipe_for_every_task() -> None:
    for name in (f"{task}-{kind}" for task in TASKS for kind in ("unet", "diffusion")):
        small, large = (load_train_recipe(CONFIGS[0].with_name(f"{name}{size}.yaml")) for size in ("", "-large"))
        assert parameters(small) <= 3e6
        assert 20e6 <= parameters(large) <= 40e6


def parameters(recipe: TrainRecipe) -> int:
    with torch.device("meta"):
        return sum(part.numel() for part in UNet(recipe.network).parameters())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_recipe_is_named_after_its_task(path: Path) -> None:
    assert path.stem.startswith(load_train_recipe(path).task)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_recipe_trains(path: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(path.read_text()) | {"validation_batches": 1, "steps": 2}
    values["stream"] |= {"batch": 2, "pool": 2, "window": 2, "shapes": [[32, 256]]}
    small = tmp_path / path.name
    small.write_text(yaml.safe_dump(values))
    assert main(["train", str(small), str(tmp_path / "trained"), "--quiet"]) == 0
    told = [json.loads(line) for line in (tmp_path / "trained" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in told] == [1, 2]
    assert told[-1]["output_snr_db"] is not None
    assert (tmp_path / "trained" / "model" / "model.json").is_file()
    assert main(["train", str(small), str(tmp_path / "trained"), "--quiet"]) == 2
