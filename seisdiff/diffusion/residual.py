"""Diffusion of residuals: what a regression leaves uncertain is drawn in a few passes of a like network.

A U-Net's answer m is near the mean of what the answer y may be given the gather. Diffused is the residual
r = (y - m) / scale, in the balance of the network's inputs: x = alpha r + sigma noise, with alpha from 1 to exactly 0
(a cosine schedule with zero terminal SNR; Nichol and Dhariwal, 2021; Lin et al., 2024). A network that is shown the
gather, m, x and the noise level predicts y itself. At pure noise that is a regression once more, and tells how far off
that may be, sample by sample. Deterministic DDIM (Song et al., 2021) goes on from there through a few levels at which
noise is about as strong as residuals are, and ends in a draw. Half the difference of the draws of noise and of minus it
is a deviation without a mean (antithetic variates; Hammersley and Morton, 1956).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from pydantic import BaseModel, ConfigDict, Field

from seisdiff.diffusion.spread import SpreadSpec, steadied
from seisdiff.networks.inputs import FOUND, LIVE, SEEN

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

TIMES = 1000
LAST = TIMES - 1
MOST_NOISE, LEAST_NOISE = 0.8, 0.045  # over what is kept of residuals; errors are of a size in between
TYPICAL = 0.05  # error of balanced answers
FARTHEST = 4.0  # how far the logarithm of an expected error may be from that of a typical one
HEAVIEST = 5.0
SOFTENED = 0.05


class DiffusionSpec(BaseModel):
    """The diffusion of a model: the residual's scale and the default number of passes of a draw."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: float = Field(default=0.3, gt=0, description="of residuals, where balanced amplitudes are about 1")
    at_pure_noise: float = Field(default=0.25, ge=0, le=1, description="share of the training at the last noise level")
    steps: int = Field(default=2, ge=1, le=100, description="levels of noise that one draw passes")
    share: float = Field(
        default=1.0, ge=0, le=1, description="of the way from the guide's answer to its own best guess"
    )
    spread: SpreadSpec = SpreadSpec()


@lru_cache(maxsize=1)
def scheduler() -> DDIMScheduler:
    """Return the schedule: its last level is noise alone."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    return DDIMScheduler(
        TIMES, beta_schedule="squaredcos_cap_v2", prediction_type="sample", clip_sample=False,
        rescale_betas_zero_snr=True,
    )  # fmt: skip


def times_of(steps: int) -> list[int]:
    """Return the times of the passes of a draw: the last, then some of even steps in the logarithm of noise."""
    kept = scheduler().alphas_cumprod.cpu()  # add_noise leaves them on the device of its samples
    noise = ((1 - kept) / kept).sqrt()
    levels = torch.logspace(math.log10(MOST_NOISE), math.log10(LEAST_NOISE), steps + 1)[1:-1]
    return [LAST, *torch.searchsorted(noise, levels).tolist()]


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
    return scheduler().add_noise(residual, noise, times)  # type: ignore[arg-type]


def level_of(times: torch.Tensor) -> torch.Tensor:
    """Return the noise level (scene), 0 to 1, as networks are told it."""
    return times.to(torch.float32) / LAST


def weights(times: torch.Tensor) -> torch.Tensor:
    """Return how much each scene of a training counts: about 1 at pure noise, up to 5 where little noise is left."""
    kept = scheduler().alphas_cumprod.to(times.device)[times]
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
    """Return the answer, the error expected of it and the deviation of a draw from it: (gather, 3, trace, time).

    All are balanced as the inputs `shown` are, in float32. `noise` (gather, trace, time) decides which draw, `where`
    (the same) where anything is uncertain. The same noise gives the same draw, whatever else is in the batch, and minus
    that noise the opposite deviation. There is none in one pass.
    """
    found, noise, kept = shown[:, FOUND].float(), noise * where, scheduler().alphas_cumprod.tolist()

    def passed(x: torch.Tensor, time: int) -> torch.Tensor:
        return network(with_noise(shown, x), valid, level_of(torch.full((len(shown),), time)).to(shown)).float()

    def drawn(noise: torch.Tensor) -> torch.Tensor:
        residual = best
        for time in later:
            x = noised(residual, noise, torch.full((len(shown),), time))
            residual = (passed(x, time)[:, 0] - found) / spec.scale * where
            noise = (x - math.sqrt(kept[time]) * residual) / math.sqrt(1 - kept[time])
        return residual

    last, *later = times_of(steps)
    first = passed(noise, last)
    best = (first[:, 0] - found) / spec.scale * where
    odd = 0.5 * spec.scale * (drawn(noise) - drawn(-noise))
    error = steadied(expected_error(first), where, spec.spread.around)
    return torch.stack([first[:, 0], error * where, odd], dim=1)
