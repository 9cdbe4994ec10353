"""Diffusion of residuals: what a regression leaves uncertain is drawn in a few passes of a like network.

A U-Net's answer m is near the mean of what the answer y may be given the gather. Without noise, the network tells how
far the truth may be from m, sample by sample: the scale s. Diffused is the residual z = (y - m) / s, whose variance is
about 1 wherever it is, in small and in large uncertainty: x = alpha z + sigma noise, on a cosine schedule (Nichol and
Dhariwal, 2021). Shown the gather, m, s, x and the noise level, the network predicts z. Draws begin at two thirds of the
levels, where x is nearly all noise and of the same variance; deterministic DDIM (Song et al., 2021) goes on from there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field

from seisdiff.networks.inputs import FOUND, LIVE, SEEN

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

TIMES = 1000
LAST = TIMES - 1
FIRST = 2 * TIMES // 3  # where draws begin
TYPICAL = 0.05  # error of balanced answers
FARTHEST = 4.0  # how far the logarithm of an expected error may be from that of a typical one
HEAVIEST = 5.0
SOFTENED = 0.05
MORE_INPUTS = 2  # of a diffusion network beside those of a U-Net: x and the expected error


class DiffusionSpec(BaseModel):
    """The diffusion of a model: how it is trained and drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    errors: float = Field(default=0.3, ge=0, le=1, description="share of the training on the error to expect")
    steps: int = Field(default=2, ge=1, le=100, description="passes of one draw")
    temperature: float = Field(default=1.0, gt=0, description="by which draws are farther from their mean")


@lru_cache(maxsize=8)
def scheduler(steps: int) -> DDIMScheduler:
    """Return DDIM with so many levels, from pure noise."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    made = DDIMScheduler(
        TIMES, beta_schedule="squaredcos_cap_v2", prediction_type="sample", timestep_spacing="trailing",
        clip_sample=False, rescale_betas_zero_snr=True,
    )  # fmt: skip
    made.set_timesteps(steps)
    return made


def zone(shown: torch.Tensor, task: str) -> torch.Tensor:
    """Return float (gather, trace, time) from a network's inputs: 1 where its answer counts and may be uncertain."""
    live = shown[:, LIVE]
    return 1 - live if task == "interpolate" else live * shown[:, SEEN]


def draw_times(uniform: torch.Tensor) -> torch.Tensor:
    """Return int64 (scene), times of a training batch: any that draws come through."""
    return (uniform * (FIRST + 1)).long().clamp(0, FIRST)


def noised(residual: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return residuals (scene, trace, time) at the noise levels of their times (scene)."""
    return scheduler(1).add_noise(residual, noise, times)  # type: ignore[arg-type]


def level_of(times: torch.Tensor) -> torch.Tensor:
    """Return the noise level (scene), 0 to 1, as networks are told it."""
    return times.to(torch.float32) / LAST


def weights(times: torch.Tensor) -> torch.Tensor:
    """Return how much each scene of a training counts: most, 5, where little noise is left."""
    kept = scheduler(1).alphas_cumprod.to(times.device)[times]
    return (1 / (1 - kept + SOFTENED)).clamp_max(HEAVIEST)


def expected_error(network: torch.nn.Module, shown: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """Return the error (gather, trace, time) that a network expects of what is found in inputs `shown`, balanced."""
    nothing, level = torch.zeros_like(shown[:, :MORE_INPUTS]), torch.ones(len(shown), device=shown.device)
    out = network(torch.cat([shown, nothing], dim=1), valid, level.to(shown)).float()
    return TYPICAL * out[:, 0].clamp(-FARTHEST, FARTHEST).exp()


def with_residual(shown: torch.Tensor, error: torch.Tensor, x: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return inputs with noisy residuals and the expected error, which are nothing special where nothing counts."""
    further = torch.stack([x, (error / TYPICAL).log()], dim=1) * where[:, None]
    return torch.cat([shown, further.to(shown.dtype)], dim=1)


def residual(
    network: torch.nn.Module, inputs: torch.Tensor, valid: torch.Tensor | None, level: torch.Tensor
) -> torch.Tensor:
    """Return the residual (gather, trace, time) that a network predicts from inputs with a noisy one."""
    return network(inputs, valid, level)[:, 1].float()


@torch.inference_mode()
def draw(
    network: torch.nn.Module, shown: torch.Tensor, valid: torch.Tensor | None, noise: torch.Tensor,
    where: torch.Tensor, spec: DiffusionSpec, steps: int,
) -> torch.Tensor:  # fmt: skip
    """Return draws of the answer (gather, draw, trace, time), float32, balanced as the inputs `shown` are.

    `noise` (gather, draw, trace, time) decides which draws, `where` (gather, trace, time) where anything is uncertain.
    The same noise gives the same draw, whatever else is in the batch.
    """
    found, error = shown[:, FOUND].float(), expected_error(network, shown, valid)
    plan = scheduler((3 * steps + 1) // 2)  # a third of the levels is left out
    made = []
    for x in (noise * where[:, None]).unbind(1):
        for time in plan.timesteps[-steps:]:
            level = level_of(time.expand(len(shown))).to(shown)
            z = residual(network, with_residual(shown, error, x, where), valid, level) * where
            x = plan.step(z, int(time), x, return_dict=False)[0]
        made.append(found + spec.temperature * error * x)
    return torch.stack(made, dim=1)
