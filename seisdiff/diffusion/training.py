"""What a diffusion model is shown in training: residuals at random noise levels; and what its own errors teach it."""

from __future__ import annotations

import torch

from seisdiff.diffusion.residual import DiffusionSpec, draw_times, level_of, noised, weights, with_noise, zone
from seisdiff.draws import Draws
from seisdiff.networks.inputs import FOUND


def noisy_inputs(
    inputs: torch.Tensor, target: torch.Tensor, task: str, spec: DiffusionSpec, draws: Draws
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return inputs with the noisy residual, the noise levels (scene) and how much each scene counts (scene).

    `inputs` are balanced, with the guide's answer as what is found, `target` (scene, trace, time) is in the same
    balance; `draws` holds one address a scene.
    """
    where = zone(inputs, task)
    residual = (target - inputs[:, FOUND]) / spec.scale * where
    times = draw_times(draws.uniform("time"), draws.uniform("last"), spec)
    noise = draws.normal("noise", *target.shape[1:]) * where
    return with_noise(inputs, noised(residual, noise, times)), level_of(times), weights(times)


def error_loss(off: torch.Tensor, error: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of what answers are `off` by (scene, trace, time), normal of width `error`.

    It counts where `where` is 1, and is least where the expected error is the root mean square of the error that comes.
    """
    return ((error.log() + 0.5 * (off / error).square()) * where).sum() / where.sum().clamp_min(1)
