"""Checkpoints of a training as safetensors and JSON: nothing in them is unpickled."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from seisdiff.errors import OptionError, OutputError

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel
    from pydantic import BaseModel


@dataclass
class Checkpoint:
    """How far a training is: steps done, and steps in all once they are known."""

    step: int = 0
    steps: int | None = None


def save_checkpoint(
    folder: Path, network: torch.nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, recipe: BaseModel,
    state: Checkpoint,
) -> None:  # fmt: skip
    """Write a checkpoint that replaces the one before once it is whole."""
    partial, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: part.contiguous() for name, part in network.state_dict().items()}, partial / "network.safetensors")
    save_file({str(n): part.contiguous() for n, part in enumerate(ema.shadow_params)}, partial / "average.safetensors")
    save_file(_moments(optimizer), partial / "optimizer.safetensors")
    told = {"step": state.step, "steps": state.steps, "averaged": ema.optimization_step}
    told["recipe"] = recipe.model_dump(mode="json")
    (partial / "state.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(
    folder: Path, network: torch.nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, recipe: BaseModel
) -> Checkpoint:
    """Bring network, average and optimizer to where a checkpoint left them; raises OptionError if it is another's."""
    if not (folder / "state.json").is_file():
        raise OutputError(f"no checkpoint to resume in {folder}; leave --resume out to start anew")
    told = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if told["recipe"] != recipe.model_dump(mode="json"):
        raise OptionError(
            f"the checkpoint in {folder} is of another recipe; resume with the one that it was begun with"
        )
    network.load_state_dict(load_file(folder / "network.safetensors"))
    average = load_file(folder / "average.safetensors")
    ema.shadow_params = [average[str(n)] for n in range(len(average))]
    ema.optimization_step = told["averaged"]
    _set_moments(optimizer, load_file(folder / "optimizer.safetensors"))
    return Checkpoint(told["step"], told["steps"])


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    parts = {}
    for number, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            parts[f"{number}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    return parts


def _set_moments(optimizer: torch.optim.Optimizer, parts: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in parts.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
