"""What a training leaves: checkpoints and a model as safetensors and JSON, of which nothing is unpickled, and a log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from seisdiff.errors import OptionError, OutputError
from seisdiff.pretrained import CARD, WEIGHTS

if TYPE_CHECKING:
    from diffusers.training_utils import EMAModel
    from pydantic import BaseModel


@dataclass
class Checkpoint:
    """How far a training is: steps done, and steps in all once they are known; the time budget that becomes these."""

    step: int = 0
    steps: int | None = None
    max_minutes: float | None = None

    def with_end(self, steps: int | None, max_minutes: float | None, otherwise: int | None) -> Checkpoint:
        """Return it with the end that is told now, or else its own, or else the steps of a recipe.

        The budget that it was begun with keeps the steps that it has become; another one begins anew. Raises
        OptionError where no end is told, or one that is past.
        """
        if steps is not None and steps < self.step:
            raise OptionError(f"{self.step} steps are done already: give --steps {self.step} or more")
        if steps is not None:
            return replace(self, steps=steps, max_minutes=None)
        if max_minutes not in (None, self.max_minutes):
            return replace(self, steps=None, max_minutes=max_minutes)
        if self.steps is None and self.max_minutes is None and otherwise is None:
            raise OptionError("how long to train is not told: give --max-minutes or --steps, or steps in the recipe")
        return self if self.steps or self.max_minutes else replace(self, steps=otherwise)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which takes the place of `folder` once it is whole.

    Who is killed in between leaves the one before, where it was or under the name of `_aside`.
    """
    partial, old = folder.with_name(f".{folder.name}.partial"), _aside(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _aside(folder: Path) -> Path:
    """Return where a folder is moved while another takes its place."""
    return folder.with_name(f".{folder.name}.old")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last whole checkpoint: `folder`, or the one before where its replacement was cut short."""
    return next((one for one in (folder, _aside(folder)) if (one / "state.json").is_file()), None)


def checkpoint_to_begin_with(folder: Path, resume: bool) -> Path | None:
    """Return the checkpoint with which a training in a folder begins, if any; raises OutputError if it must not begin.

    One that left a log and neither checkpoint nor model begins anew, with a warning.
    """
    log, saved = folder / "log.jsonl", last_checkpoint(folder / "checkpoint") if resume else None
    if not resume and log.exists():
        raise OutputError(f"{folder} holds a training already; add --resume to go on with it, or name another folder")
    if resume and saved is None:
        if not log.exists() or (folder / "model").exists():
            raise OutputError(f"no checkpoint to resume in {folder}; leave --resume out, or name another folder")
        warnings.warn(f"{folder} has a log and no checkpoint: the training begins at its first step", stacklevel=3)
    return saved


def save_checkpoint(
    folder: Path, network: torch.nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, recipe: BaseModel,
    state: Checkpoint,
) -> None:  # fmt: skip
    """Write a checkpoint that replaces the one before once it is whole."""
    weights = {name: part.contiguous() for name, part in network.state_dict().items()}
    average = {str(n): part.contiguous() for n, part in enumerate(ema.shadow_params)}
    told = {**vars(state), "averaged": ema.optimization_step, "recipe": recipe.model_dump(mode="json")}
    with replaced(folder) as partial:
        save_file(weights, partial / "network.safetensors")
        save_file(average, partial / "average.safetensors")
        save_file(_moments(optimizer), partial / "optimizer.safetensors")
        (partial / "state.json").write_text(json.dumps(told, indent=2), encoding="utf-8")


def load_checkpoint(
    folder: Path, network: torch.nn.Module, ema: EMAModel, optimizer: torch.optim.Optimizer, recipe: BaseModel
) -> Checkpoint:
    """Bring network, average and optimizer to where a checkpoint left them; raises OptionError if it is another's.

    The recipe may tell another number of steps: the checkpoint knows its own.
    """
    told = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if {**told["recipe"], "steps": None} != {**recipe.model_dump(mode="json"), "steps": None}:
        raise OptionError(
            f"the checkpoint in {folder} is of another recipe; resume with the one that it was begun with"
        )
    network.load_state_dict(load_file(folder / "network.safetensors"))
    average = load_file(folder / "average.safetensors")
    ema.shadow_params = [average[str(n)] for n in range(len(average))]
    ema.optimization_step = told["averaged"]
    _set_moments(optimizer, load_file(folder / "optimizer.safetensors"))
    return Checkpoint(told["step"], told["steps"], told.get("max_minutes"))


def save_model(network: torch.nn.Module, recipe: BaseModel, folder: Path, figures: Mapping[str, Any]) -> None:
    """Write the model directory: weights as bf16 safetensors, the network's shape, and all that made it."""
    half = {name: part.detach().bfloat16().cpu().contiguous() for name, part in network.state_dict().items()}
    told = recipe.model_dump(mode="json")
    card = {
        "task": told["task"], "recipe": told, "figures": dict(figures), "licence": "Apache-2.0",
        "versions": {name: version(name) for name in ("seisdiff", "torch", "diffusers")},
    }  # fmt: skip
    with replaced(folder) as whole:
        save_file(half, whole / WEIGHTS)
        (whole / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def cut_log(log: Path, step: int) -> None:
    """Take out of a log what came after a step, which will be told again, and a line that was cut short."""
    if not log.exists():
        return
    whole, _, _ = log.read_text(encoding="utf-8").rpartition("\n")
    kept = {told: line for line in whole.splitlines() if (told := json.loads(line)["step"]) <= step}
    shorter = log.with_name(f".{log.name}.partial")
    shorter.write_text("".join(f"{line}\n" for line in kept.values()), encoding="utf-8")
    os.replace(shorter, log)


@contextmanager
def held_interrupts(wanted: bool = True) -> Iterator[list[int]]:
    """Give a list that fills with the interrupts (SIGINT, SIGTERM) that come, for who looks at it between two steps.

    A second one is not held. Where they are ignored they stay so; they can only be held in the main thread.
    """
    came: list[int] = []

    def hold(number: int, _: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    wanted = wanted and threading.current_thread() is threading.main_thread()
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM) if wanted}
    before = {one: handler for one, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for one in before:
        signal.signal(one, hold)
    try:
        yield came
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


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
