"""Training of networks on scenes: one loop for a CPU, a GPU, or several of them under `accelerate launch`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from diffusers.training_utils import EMAModel
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seisdiff.checkpoints import (
    Checkpoint,
    checkpoint_to_begin_with,
    cut_log,
    held_interrupts,
    load_checkpoint,
    save_checkpoint,
    save_model,
)
from seisdiff.data import HELD_OUT_SEED, Pace, PairStream, StreamSpec, at_rate, held_out, output_snr_db, presented
from seisdiff.diffusion.residual import DiffusionSpec, draw, expected_error, zone
from seisdiff.diffusion.training import error_loss, noisy_inputs
from seisdiff.draws import Draws
from seisdiff.errors import OptionError
from seisdiff.networks.inputs import advance
from seisdiff.networks.models import grown, load_unet
from seisdiff.networks.oversampling import as_recorded, finer_count
from seisdiff.networks.unet import UNet, UNetSpec
from seisdiff.networks.views import Views, answer_in_passes, views_of
from seisdiff.optimizer import MuonAdamW, share_of_rate
from seisdiff.pretrained import find_model, model_card
from seisdiff.restorers.first import FirstSpec, with_first_guess
from seisdiff.synthetic.recipe import SceneRecipe
from seisdiff.tasks.pairs import Pair
from seisdiff.validation import read_recipe

WEAKEST = 0.05  # signal beside an input of 1 in the loss
CLEAN_DB = 40.0  # from which an input has no damage to speak of
LOG_WEIGHT = 0.1  # of decibels in the loss, for gradients of the size that `clip` is made for
ERROR_WEIGHT = 0.1  # in the loss of diffusion, of the error to expect


def load_train_recipe(source: str | Path) -> TrainRecipe:
    """Return the training recipe of a YAML file; raises OptionError with every fault in one line."""
    return read_recipe(TrainRecipe, source, "task: denoise")


class TrainRecipe(BaseModel):
    """A training: task, network, scenes and optimiser; the length is told by `steps` or by a time budget."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    task: Literal["demultiple", "denoise", "interpolate"]
    seed: int = 0
    network: UNetSpec = UNetSpec()
    reduction_m_s: float = Field(
        default=0.0, ge=0, description="velocity of the linear moveout that is taken out on the way in; 0: none"
    )
    level_traces: float = Field(
        default=0.0, ge=0, le=16, description="width over which levels of balance follow the traces; 0: all have one"
    )
    views: Views = Field(
        default=(1.0,), description="what its last pass is shown: batch by batch in turn; at work all, for their mean"
    )
    first: FirstSpec | None = Field(default=None, description="method whose result the network is shown")
    guide: str | None = Field(default=None, description="of diffusion: the U-Net around whose answer it draws")
    diffusion: DiffusionSpec | None = Field(default=None, description="none: a regression")
    stream: StreamSpec
    steps: int | None = Field(default=None, ge=1)
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    warmup: int = Field(default=200, ge=1, description="steps, or a tenth of all of them where that is less")
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    passes: int = Field(default=1, ge=1, le=8, description="times that it is applied at work, shown its own result")
    again: float = Field(
        default=0.0, ge=0, le=1, description="share of batches on which the network is shown its own result"
    )
    absolute_weight: float = Field(default=1.0, ge=0, description="of the mean absolute error in the loss")
    rms_weight: float = Field(default=0.5, ge=0, description="of the root mean square error in the loss")
    log_floor: float = Field(
        default=0.0, ge=0, le=1, description="over 0: decibels count alike, down to errors of this share of the signal"
    )
    validation_batches: int = Field(default=6, ge=1)
    validation_every: int = Field(default=500, ge=1, description="steps")

    @property
    def balance(self) -> tuple[float, float]:
        """How gathers are shown: the velocity of linear moveout, and the width over which levels follow traces."""
        return self.reduction_m_s, self.level_traces

    @field_validator("seed")
    @classmethod
    def _scenes_are_not_held_out(cls, value: int) -> int:
        if (value - HELD_OUT_SEED) % 2**64 == 0:  # as many bits of it count
            raise ValueError(f"{value} makes the scenes that are held out for validation; take another")
        return value

    @model_validator(mode="after")
    def _network_takes_the_shapes(self) -> TrainRecipe:
        needed, rates = self.network.multiple, {abs(view) for view in self.views}
        for traces, samples in self.stream.shapes:
            for rate in sorted(rates | ({1.0} if self.passes > 1 else set())):
                shown = finer_count(samples, rate)
                if traces % needed[0] or shown % needed[1]:
                    raise ValueError(
                        f"shapes: {traces} x {samples} samples, shown as {traces} x {shown}, got for a network that "
                        f"takes multiples of {needed[0]} x {needed[1]}"
                    )
        return self


@dataclass(frozen=True)
class Tick:
    """What is told of a training after each step; the last two only when it was validated."""

    step: int
    steps: int
    loss: float
    samples_per_second: float
    input_snr_db: float | None = None
    output_snr_db: float | None = None


def train_model(
    recipe: TrainRecipe,
    scene_recipes: Mapping[str, SceneRecipe],
    folder: Path,
    *,
    steps: int | None = None,
    max_minutes: float | None = None,
    resume: bool = False,
    init_from: Path | None = None,
    progress: Callable[[Tick], None] | None = None,
) -> Path:
    """Train, and return the folder of the finished model.

    `folder` gets `log.jsonl`, `checkpoint/` and at the end `model/`. A time budget is turned into a number of steps
    once, from the first ones, and stored: a training that is resumed goes on to that end, or to another that is told.
    `init_from` is the folder of a model to begin with. Raises OutputError where the folder holds a training and
    `resume` is not asked for, or the other way round, and OptionError where the length is not told.
    """
    began = time.perf_counter()
    saved = checkpoint_to_begin_with(folder, resume)
    accelerator = Accelerator(mixed_precision="bf16")
    torch.manual_seed(recipe.seed)
    network = _new_network(recipe, init_from).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = MuonAdamW(network, recipe.learning_rate, recipe.weight_decay, recipe.optimizer)
    ema = EMAModel(network.parameters(), decay=recipe.ema, use_ema_warmup=True, power=0.75, foreach=True)
    state = load_checkpoint(saved, network, ema, optimizer, recipe) if saved else Checkpoint()
    state = state.with_end(steps, max_minutes, recipe.steps)
    model, optimizer = accelerator.prepare(network, optimizer)
    ema.to(accelerator.device)
    loop = _Loop(recipe, dict(scene_recipes), folder, accelerator, model, optimizer, ema, state, progress)
    loop.run(began)
    if accelerator.is_main_process:
        ema.copy_to(network.parameters())
        save_model(network, recipe.model_copy(update={"steps": state.steps}), folder / "model", loop.figures)
    return folder / "model"


def _new_network(recipe: TrainRecipe, init_from: Path | None) -> UNet:
    """Return a fresh network, or that of a model, which must be of the recipe's task and shape, less what it grows.

    A diffusion model begins as its guide where nothing else is told and their shapes allow it.
    """
    begin = init_from or (find_model(recipe.guide) if recipe.guide else None)
    network = None if begin is None else grown(load_unet(begin, recipe.task), recipe.network)
    if network is not None:
        return network.requires_grad_(True).train()
    if init_from is not None:
        raise OptionError(f"the network of {begin} has another shape than the recipe's; copy its network to the recipe")
    return UNet(recipe.network)


def balanced_loss(
    predicted: torch.Tensor, target: torch.Tensor, signal: torch.Tensor, wanted: torch.Tensor, recipe: TrainRecipe,
    weight: torch.Tensor | float = 1.0,
) -> torch.Tensor:  # fmt: skip
    """Return mean absolute plus root mean square errors over wanted traces, of balanced amplitudes.

    Each gather counts by 1/sqrt of the root mean square of its `signal`, what is to be kept or filled, so that weak
    primaries under strong multiples are not the cheapest to lose; with 1 instead of the root, hopeless gathers rule.
    Where the recipe has a `log_floor`, each gather counts by the logarithm of its error over its signal instead, the
    floor added: a decibel is worth the same wherever it is gained, until an error is too small to matter.
    """
    count = (wanted.sum(1) * target.shape[-1]).clamp_min(1)
    error = (predicted - target).float() * wanted[..., None]
    absolute, square = error.abs().sum((1, 2)) / count, error.square().sum((1, 2)) / count
    strength = torch.sqrt((signal * wanted[..., None]).square().sum((1, 2)) / count).clamp_min(WEAKEST)
    error = recipe.absolute_weight * absolute + recipe.rms_weight * torch.sqrt(square + 1e-8)
    if recipe.log_floor:
        return (LOG_WEIGHT * torch.log(error / strength + recipe.log_floor) * weight).mean()
    return (error * torch.rsqrt(strength) * weight).mean()


class _Loop:
    """The steps of one training."""

    def __init__(
        self, recipe: TrainRecipe, scene_recipes: dict[str, SceneRecipe], folder: Path, accelerator: Accelerator,
        model: torch.nn.Module, optimizer: torch.optim.Optimizer, ema: EMAModel, state: Checkpoint,
        progress: Callable[[Tick], None] | None,
    ) -> None:  # fmt: skip
        self.recipe, self.folder, self.accelerator = recipe, folder, accelerator
        self.model, self.optimizer, self.ema, self.progress = model, optimizer, ema, progress
        self.state, self.figures = state, dict[str, Any]()
        self.untold: list[tuple[int, torch.Tensor, float]] = []  # step, loss, pairs a second
        device = accelerator.device
        shares = accelerator.num_processes
        self.stream = PairStream(
            recipe.stream.shared_out(shares), scene_recipes, recipe.task, recipe.seed, device,
            accelerator.process_index, shares,
        )  # fmt: skip
        checks = held_out(recipe.stream, scene_recipes, recipe.task, recipe.validation_batches, str(device))
        self.guide, self.guide_recipe = None, recipe
        if recipe.guide is not None:
            folder_of_guide = find_model(recipe.guide)
            self.guide = load_unet(folder_of_guide, recipe.task).to(device)
            self.guide_recipe = TrainRecipe.model_validate(model_card(folder_of_guide)["recipe"])
        self.guide_passes = views_of(self.guide_recipe.model_dump())
        self.checks = [with_first_guess(recipe.task, self.guide_recipe.first, pair) for pair in checks]
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, began: float) -> None:
        """Train to the last step; a time budget counts from `began` on the clock of `time.perf_counter`."""
        if self.accelerator.is_main_process:
            cut_log(self.folder / "log.jsonl", self.state.step)
        if self.state.step == 0:
            self._keep()  # or who is stopped before the first validation could not go on
        if self.state.step != self.state.steps:
            self._go_on(began)
        if not self.figures:  # it was at its end before
            self.validate()

    def _go_on(self, began: float) -> None:
        """Take step after step; an interrupt waits for the end of one, and all that is done is kept."""
        state, validation = self.state, 0.0 if self.state.steps else self._validation_seconds()
        ends = began + 60 * (state.max_minutes or 0.0) - validation
        pace = Pace(self.stream, state.step)
        with held_interrupts(self.accelerator.num_processes == 1) as interrupts:
            while state.step != state.steps:
                loss, before = self._step(state.step), state.steps
                state.step += 1
                if state.steps is None:  # all processes end where the main one does, or one would wait for ever
                    beside = validation / self.recipe.validation_every
                    found = pace.last_step(state.step, ends - time.perf_counter(), beside)
                    state.steps = broadcast_object_list([found])[0]
                stop = bool(interrupts)
                keep = stop or state.steps != before
                self._tell(loss, pace.seconds_a_step(state.step), keep)
                if keep:
                    self._keep()
                if stop:
                    raise KeyboardInterrupt

    def _validation_seconds(self) -> float:
        """Return what a validation takes that is not the first."""
        self.validate()
        began = time.perf_counter()
        self.validate()
        return time.perf_counter() - began

    def _step(self, number: int) -> torch.Tensor:
        pair = with_first_guess(self.recipe.task, self.guide_recipe.first, self.stream.batch(number))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * share_of_rate(number, self.recipe.warmup, self.state.steps)
        with self.accelerator.autocast():
            inputs, level, pair, _ = presented(self._prepared(pair, number), *self.recipe.balance)
            loss = self._loss(inputs, pair, level, number)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.model.parameters())
        return loss.detach()

    def _loss(self, inputs: torch.Tensor, pair: Pair, level: torch.Tensor, number: int) -> torch.Tensor:
        """Return the loss of a batch; that of diffusion teaches besides, at pure noise, which error to expect."""
        recipe = self.recipe
        even = level.square().mean(1, keepdim=True).sqrt()  # of all traces, lest weak ones count like strong ones

        def loss(out: torch.Tensor, weight: torch.Tensor | float = 1.0) -> torch.Tensor:
            return balanced_loss(
                out * level / even, pair.target / even, pair.signal / even, pair.wanted, recipe, weight
            )

        if recipe.diffusion is None:
            return loss(self.model(inputs)[:, 0])
        target = pair.target / level
        shown, noise_level, weight = noisy_inputs(inputs, target, recipe.task, recipe.diffusion, self._draws(number))
        out = self.model(shown, None, noise_level)
        regression = zone(inputs, recipe.task) * (noise_level == 1)[:, None, None]
        errors = error_loss(target - out[:, 0].detach(), expected_error(out), regression)
        return loss(out[:, 0], weight) + ERROR_WEIGHT * errors

    def _draws(self, number: int) -> Draws:
        """Return draws of the scenes of a batch."""
        batch = self.stream.spec.batch
        first = (number * self.stream.shares + self.stream.share) * batch
        scenes = Draws(self.recipe.seed, first + torch.arange(batch)).to(self.accelerator.device)
        return scenes.within("diffusion")

    def _prepared(self, pair: Pair, number: int | None = None) -> Pair:
        """Return the pair at the samples that the network is shown, with what was found of its target before.

        That is the guide's answer; or, in some batches by number, the network's own, as it is in its last pass.
        """
        recipe = self.recipe
        rate = abs(recipe.views[(number or 0) % len(recipe.views)])
        if self.guide is not None:
            return at_rate(self._answered_by(self.guide, pair, self.guide_recipe, self.guide_passes), rate)
        if number is not None and float(Draws(recipe.seed, torch.tensor([number])).uniform("again")) < recipe.again:
            return at_rate(self._answered_by(self.model, pair, recipe, [(1.0,)]), rate)
        return at_rate(pair, rate if recipe.passes == 1 else 1)

    @torch.no_grad()
    def _answered_by(
        self, network: torch.nn.Module, pair: Pair, recipe: TrainRecipe, passes: list[tuple[float, ...]]
    ) -> Pair:
        """Return the pair in which what is found is the answer of a network of some recipe, after its passes."""

        def answer(found: torch.Tensor, view: float) -> torch.Tensor:
            rate, sign = abs(view), math.copysign(1.0, view)
            turned = replace(pair, degraded=sign * pair.degraded, found=sign * found)
            inputs, level, _, ahead = presented(at_rate(turned, rate), *recipe.balance)
            made = sign * network(inputs)[:, 0].float() * zone(inputs, recipe.task) * level
            made = advance(made, None if ahead is None else -ahead)
            return as_recorded(made, rate, pair.degraded.shape[-1])

        return replace(pair, found=answer_in_passes(answer, pair.found, passes))

    def _answered(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the network's answer; that of a diffusion model at pure noise, its best guess in one pass."""
        if self.recipe.diffusion is None:
            return self.model(inputs)[:, 0]
        nothing = torch.zeros_like(inputs[:, 0])
        return draw(self.model, inputs, None, nothing, nothing, self.recipe.diffusion, 1)[:, 0]

    def _tell(self, loss: torch.Tensor, pace: float, keep: bool) -> None:
        """Tell of the step before, whose loss a GPU knows by now, and of this one where it is validated or kept."""
        checked = self.state.step == self.state.steps or self.state.step % self.recipe.validation_every == 0
        self.untold.append((self.state.step, loss, self.recipe.stream.batch / pace))
        while len(self.untold) > (0 if checked or keep else 1):
            step, tensor, rate = self.untold.pop(0)
            value = float(tensor)
            if not math.isfinite(value):
                raise OptionError(
                    f"the loss is not finite at step {step - 1}: "
                    "resume from the last checkpoint, or lower learning_rate"
                )
            snr = self.validate() if checked and step == self.state.step else (None, None)
            if self.accelerator.is_main_process:
                self._record(Tick(step, self.state.steps or 0, value, rate, *snr))

    def _record(self, tick: Tick) -> None:
        """Write a step to the log, and a checkpoint where it was validated."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(vars(tick)) + "\n")
        if tick.output_snr_db is not None:
            self._keep()
        if self.progress:
            self.progress(tick)

    def _keep(self) -> None:
        """Write a checkpoint."""
        if self.accelerator.is_main_process:
            network = self.accelerator.unwrap_model(self.model)
            save_checkpoint(self.folder / "checkpoint", network, self.ema, self.optimizer, self.recipe, self.state)

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Return the mean SNR (dB) of damaged held-out inputs, and of what the averaged weights make of them."""
        self.ema.store(self.model.parameters())
        self.ema.copy_to(self.model.parameters())
        self.model.eval()
        rows = []
        for pair in self.checks:
            with self.accelerator.autocast():
                inputs, level, shown, _ = presented(self._prepared(pair), *self.recipe.balance)
                predicted = self._answered(inputs)
            rows.append(torch.stack(output_snr_db(shown, predicted.float() * level)))
        self.model.train()
        self.ema.restore(self.model.parameters())
        both = torch.cat(rows, dim=1)
        damaged = both[0] < CLEAN_DB
        before, after = both[:, damaged].clamp(-60, 60).mean(1).tolist()
        self.figures = {"held_out_input_snr_db": before, "held_out_output_snr_db": after}
        return before, after
