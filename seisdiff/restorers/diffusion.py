"""A conditional diffusion model as a restorer: draws around the U-Net's answer, their mean and their spread."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator

from seisdiff.diffusion.noise import addressed_noise
from seisdiff.diffusion.residual import DiffusionSpec, draw, zone
from seisdiff.diffusion.spread import deviation, growth, spread_of
from seisdiff.networks.oversampling import finer_count
from seisdiff.networks.views import views_of
from seisdiff.pretrained import find_model, model_card
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import Task
from seisdiff.restorers.unet import UnetRestorer, UnetSpec


class DiffusionOptions(UnetSpec):
    """Options of the diffusion restorer; `passes` and `views` are those of its U-Net."""

    steps: int | None = Field(default=None, ge=1, le=100, description="noise levels of a draw; by default its recipe's")
    samples: int = Field(default=8, ge=1, le=1000, description="draws, of which the mean is returned; 1: a single draw")
    seed: int = Field(default=0, ge=0, le=2**63 - 1, description="decides which draws")
    alike_over: int = Field(default=1, ge=1, le=10_000, description="gathers over which the draws stay alike; 1: none")

    @model_validator(mode="after")
    def _steps_have_an_effect(self) -> DiffusionOptions:
        if self.steps and self.samples % 2 == 0:
            raise ValueError(
                f"steps are of single draws, and {self.samples} samples are drawn in pairs whose deviations cancel: "
                "leave steps out, or ask for samples 1"
            )
        return self


class DiffusionRestorer(UnetRestorer):
    """Diffusion demultiple, denoise and interpolate: a U-Net's answer, and draws of what it leaves uncertain.

    Draws come in pairs that deviate by the opposite of each other, so that the mean of an even number is what they lie
    about, and no deviation has to be drawn for it. From two draws on the spread is returned too: the standard deviation
    that the answer's error is expected to have, sample by sample, calibrated as the model's card says. Random numbers
    belong to the gather's number, the trace and the sample.
    """

    kind = "diffusion"
    outputs = 3

    def __init__(self, task: Task, spec: DiffusionOptions, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        super().__init__(task, spec, ref_offset_m, protect_ms)
        recipe = model_card(find_model(spec.model or f"{task}-{self.kind}"))["recipe"]
        self.rate = abs(views_of(recipe)[-1][0])
        self.diffusion = DiffusionSpec.model_validate(recipe["diffusion"])
        self.steps = (spec.steps or self.diffusion.steps) if spec.samples % 2 else 1
        guide = UnetSpec(
            model=recipe["guide"], passes=spec.passes, device=spec.device, precision=spec.precision,
            views=spec.views, batch_samples=spec.batch_samples,
        )  # fmt: skip
        self.guide = UnetRestorer(task, guide, ref_offset_m)
        self.options = spec

    def _restored(self, batch: Batch) -> Restored:
        """Return the mean of the draws and their spread."""
        guided, may_change, count = self.guide.answer(batch), self.may_change(batch), self.options.samples
        total, spreads = torch.zeros_like(guided), torch.zeros_like(guided)
        for number in range(0, count, 2):
            best, error, odd = self.predicted(batch, guided, self.rate, self._noise(batch, number // 2)).unbind(1)
            answer = guided + self.diffusion.share * (best - guided) * may_change
            spread = spread_of(error.clamp_min(0) * may_change, answer, batch.data, self.diffusion.spread)
            if number + 1 == count:
                signal = self.applied(batch, answer * (spread > 0))
                answer = answer + deviation(odd, spread, signal, self.diffusion.spread)
            alike = min(2, count - number)
            total, spreads = total + alike * answer, spreads + alike * spread
        signal = self.applied(batch, total / count)
        larger = growth(torch.where(batch.there, batch.offset, torch.inf), batch.live, self.diffusion.spread)
        return Restored(signal, spreads * larger / count if count > 1 else None)

    def _noise(self, batch: Batch, number: int) -> torch.Tensor:
        gathers, traces, samples = batch.data.shape
        numbers = torch.zeros(gathers, dtype=torch.int64) if batch.number is None else batch.number
        return addressed_noise(
            self.options.seed, numbers, number, traces, finer_count(samples, self.rate), self.options.alike_over
        )

    def _network_answer(self, padded: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        shown, noise = padded[:, :-1], padded[:, -1].float()
        where = zone(shown.float(), self.task)
        if valid is not None:
            where = where * valid[..., None]
        return draw(self.network, shown, valid, noise, where, self.diffusion, self.steps)
