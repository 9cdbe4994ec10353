"""A conditional diffusion model as a restorer: draws around the U-Net's answer, their mean and their spread."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from pydantic import Field

from seisdiff.diffusion.noise import addressed_noise
from seisdiff.diffusion.residual import MORE_INPUTS, DiffusionSpec, draw, zone
from seisdiff.pretrained import find_model, model_card
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import Task
from seisdiff.restorers.unet import UnetRestorer, UnetSpec

AT_ONCE = 8  # draws


class DiffusionOptions(UnetSpec):
    """Options of the diffusion restorer; `passes` are those of the U-Net from which it starts."""

    steps: int | None = Field(default=None, ge=1, le=100, description="passes of a draw; by default as its recipe says")
    samples: int = Field(default=8, ge=1, le=1000, description="draws, of which the mean is returned; 1: a single draw")
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="decides which draws")
    alike_over: int = Field(default=1, ge=1, le=10_000, description="gathers over which the draws stay alike; 1: none")


class DiffusionRestorer(UnetRestorer):
    """Diffusion demultiple, denoise and interpolate: a U-Net's answer, and draws of what it leaves uncertain.

    The mean of `samples` draws is returned, and from two on its uncertainty: their standard deviation. Random numbers
    belong to the gather's number, the trace and the sample. Those of several draws are centred, so that their mean
    adds none of its own.
    """

    kind = "diffusion"

    def __init__(self, task: Task, spec: DiffusionOptions, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        super().__init__(task, spec, ref_offset_m, protect_ms)
        recipe = model_card(find_model(spec.model or f"{task}-{self.kind}"))["recipe"]
        self.diffusion = DiffusionSpec.model_validate(recipe["diffusion"])
        self.steps = spec.steps or self.diffusion.steps
        guide = UnetSpec(
            model=recipe["guide"], passes=spec.passes, device=spec.device, precision=spec.precision,
            batch_samples=spec.batch_samples,
        )  # fmt: skip
        self.guide = UnetRestorer(task, guide, ref_offset_m)
        self.options = spec

    def restore(self, batch: Batch) -> Restored:
        """Return the mean of the draws and their spread."""
        batch = replace(batch, data=batch.data * batch.live[..., None])
        guided, may_change = self.guide.answer(batch), self.may_change(batch)
        count, done = self.options.samples, 0
        mean, squares = torch.zeros_like(guided), torch.zeros_like(guided)
        for numbers in torch.arange(count).chunk(-(-count // AT_ONCE)):
            drawn = self.predicted(batch, guided, self._noise(batch, numbers.tolist()))
            off = (drawn - guided[:, None]) * may_change[:, None]
            step, part = off.mean(1) - mean, len(numbers) / (done + len(numbers))
            squares += (off - off.mean(1, keepdim=True)).square().sum(1) + step.square() * (done * part)
            mean, done = mean + part * step, done + len(numbers)
        signal = self.applied(batch, guided + mean)
        return Restored(signal) if count == 1 else Restored(signal, (squares / count).sqrt())

    def _noise(self, batch: Batch, draws: list[int]) -> torch.Tensor:
        """Return the noise (gather, draw, trace, time) of some draws, of mean zero where they are several."""
        gathers, traces, samples = batch.data.shape
        numbers = torch.zeros(gathers, dtype=torch.int64) if batch.number is None else batch.number
        seed, alike_over = self.options.seed, self.options.alike_over
        noise = torch.stack([addressed_noise(seed, numbers, draw, traces, samples, alike_over) for draw in draws], 1)
        count = len(draws)
        return noise if count == 1 else (noise - noise.mean(1, keepdim=True)) * math.sqrt(count / (count - 1))

    def _network_answer(self, padded: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        own = self.network.spec.in_channels - MORE_INPUTS
        shown, noise = padded[:, :own], padded[:, own:].float()
        where = zone(shown.float(), self.task)
        if valid is not None:
            where = where * valid[..., None]
        return draw(self.network, shown, valid, noise, where, self.diffusion, self.steps)
