"""Diffusion of residuals: what a regression leaves uncertain is drawn in a few passes of a like network.

A U-Net's answer m is near the mean of what the answer y may be given the gather. Diffused is the residual
r = (y - m) / scale, in the balance of the network's inputs: x = alpha r + sigma noise, with alpha from 1 to exactly 0
(a cosine schedule with zero terminal SNR; Nichol and Dhariwal, 2021; Lin et al., 2024). A network that is shown the
gather, m, x and the noise level predicts y itself. At pure noise that is a regression once more, and tells how far off
that may be, sample by sample. Deterministic DDIM (Song et al., 2021) goes on from there, and ends in a draw. Two
regressions of like worth are best averaged: draws are moved to lie about a point between m and the second one.
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
TYPICAL = 0.05  # error of balanced answers
FARTHEST = 4.0  # how far the logarithm of an expected error may be from that of a typical one
HEAVIEST = 5.0
SOFTENED = 0.05


class DiffusionSpec(BaseModel):
    """The diffusion of a model: the residual's scale and the default number of passes of a draw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=0.3, gt=0, description="of residuals, where balanced amplitudes are about 1")
    at_pure_noise: float = Field(default=0.25, ge=0, le=1, description="share of the training at the last noise level")
    steps: int = Field(default=2, ge=1, le=100, description="passes of one draw")
    temperature: float = Field(default=1.0, gt=0, description="by which the error that is expected is multiplied")
    share: float = Field(
        default=1.0, ge=0, le=1, description="of the way from the guide's answer to its own best guess"
    )


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


def expected_error(out: torch.Tensor) -> torch.Tensor:
    """Return the error (gather, trace, time) that a network expects of its answer, both in what it puts out."""
    return TYPICAL * out[:, 1].float().clamp(-FARTHEST, FARTHEST).exp()


def with_noise(shown: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return inputs with the noisy residual as their last channel."""
    return torch.cat([shown, x[:, None].to(shown.dtype)], dim=1)


@torch.inference_mode()
def draw(
    network: torch.nn.Module, shown: torch.Tensor, valid: torch.Tensor | None, noise: torch.Tensor,
    where: torch.Tensor, spec: DiffusionSpec, steps: int,
) -> torch.Tensor:  # fmt: skip
    """Return one draw of the answer, and the error that is expected of it: (gather, 2, trace, time), float32.

    Both are balanced as the inputs `shown` are. `noise` (gather, trace, time) decides which draw, `where` (the same)
    where anything is uncertain. The same noise gives the same draw, whatever else is in the batch.
    """
    plan, found = scheduler(steps), shown[:, FOUND].float()
    x, answer, first = noise * where, found, None
    for time in plan.timesteps:
        level = level_of(time.expand(len(shown))).to(shown)
        out = network(with_noise(shown, x), valid, level).float()
        answer, first = out[:, 0], out if first is None else first
        x = plan.step((answer - found) / spec.scale * where, int(time), x, return_dict=False)[0]
    assert first is not None
    answer = answer - (1 - spec.share) * (first[:, 0] - found)
    return torch.stack([answer, expected_error(first)], dim=1)
