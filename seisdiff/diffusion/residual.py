"""Diffusion of residuals: what a regression leaves uncertain is drawn in a few passes of a like network.

A U-Net's answer m is near the mean of what the answer y may be given the gather. Diffused is the residual
r = (y - m) / scale, in the balance of the network's inputs: x = alpha r + sigma noise, with alpha from 1 to exactly 0
(a cosine schedule with zero terminal SNR; Nichol and Dhariwal, 2021; Lin et al., 2024). A network that is shown the
gather, m, x and the noise level predicts y itself. At pure noise that is a regression once more, better than m where m
can be bettered; deterministic DDIM (Song et al., 2021) goes on from there, and ends in a draw.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from seisdiff.networks.inputs import FOUND, LIVE, SEEN

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

TIMES = 1000
LAST = TIMES - 1
NEAR_TRACES, NEAR_SAMPLES = 9, 31  # over which the level of an answer is taken
HEAVIEST = 5.0
SOFTENED = 0.05


class DiffusionSpec(BaseModel):
    """The diffusion of a model: the residual's scale and the default number of passes of a draw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=0.3, gt=0, description="of residuals, where balanced amplitudes are about 1")
    at_pure_noise: float = Field(default=0.25, ge=0, le=1, description="share of the training at the last noise level")
    steps: int = Field(default=2, ge=1, le=100, description="passes of one draw")
    temperature: float = Field(default=1.0, gt=0, description="by which the spread of draws is multiplied")
    share: float = Field(default=0.0, ge=0, le=1, description="of the local level of the answer, uncertain besides")


@lru_cache(maxsize=8)
def scheduler(steps: int) -> DDIMScheduler:
    """Return DDIM of so many passes, the first of them at pure noise."""
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


def draw_times(uniform: torch.Tensor, chosen: torch.Tensor, spec: DiffusionSpec) -> torch.Tensor:
    """Return int64 (scene), times of a training batch: the last one for a share of it, any for the rest."""
    any_time = (uniform * TIMES).long().clamp(0, LAST)
    return torch.where(chosen < spec.at_pure_noise, LAST, any_time)


def noised(residual: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return residuals (scene, trace, time) at the noise levels of their times (scene)."""
    return scheduler(1).add_noise(residual, noise, times)  # type: ignore[arg-type]


def level_of(times: torch.Tensor) -> torch.Tensor:
    """Return the noise level (scene), 0 to 1, as networks are told it."""
    return times.to(torch.float32) / LAST


def weights(times: torch.Tensor) -> torch.Tensor:
    """Return how much each scene of a training counts: about 1 at pure noise, up to 5 where little noise is left."""
    kept = scheduler(1).alphas_cumprod.to(times.device)[times]
    return (1 / (1 - kept + SOFTENED)).clamp_max(HEAVIEST)


def calibrated(
    variance: torch.Tensor, answer: torch.Tensor, may_change: torch.Tensor, spec: DiffusionSpec
) -> torch.Tensor:
    """Return the standard deviation of an answer (gather, trace, time) from the variance of its draws.

    A few draws of a few passes differ by less than they err. What they leave out is in proportion to their spread, by
    the temperature, and to the root mean square of the answer in the 9 traces and 31 samples around, by the share.
    """
    near = {"kernel_size": (NEAR_TRACES, NEAR_SAMPLES), "stride": 1, "padding": (NEAR_TRACES // 2, NEAR_SAMPLES // 2)}
    counted = may_change.to(answer.dtype)
    level, count = (functional.avg_pool2d(part[:, None], **near)[:, 0] for part in (answer.square() * counted, counted))
    around = spec.share**2 * level / count.clamp_min(1e-12)
    return (spec.temperature**2 * variance + around).sqrt() * may_change


def with_noise(shown: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return inputs with the noisy residual as their last channel."""
    return torch.cat([shown, x[:, None].to(shown.dtype)], dim=1)


@torch.inference_mode()
def draw(
    network: torch.nn.Module, shown: torch.Tensor, valid: torch.Tensor | None, noise: torch.Tensor,
    where: torch.Tensor, spec: DiffusionSpec, steps: int,
) -> torch.Tensor:  # fmt: skip
    """Return one draw of the answer (gather, trace, time), float32, balanced as the inputs `shown` are.

    `noise` (gather, trace, time) decides which draw, `where` (the same) where anything is uncertain. The same noise
    gives the same draw, whatever else is in the batch.
    """
    plan, found = scheduler(steps), shown[:, FOUND].float()
    x = noise * where
    answer = found
    for time in plan.timesteps:
        level = level_of(time.expand(len(shown))).to(shown)
        answer = network(with_noise(shown, x), valid, level)[:, 0].float()
        residual = (answer - found) / spec.scale * where
        x = plan.step(residual, int(time), x, return_dict=False)[0]
    return answer
