"""What a diffusion model learns: the error of its guide's answer, and residuals at random noise levels."""

from __future__ import annotations

import torch

from seisdiff.diffusion.residual import (
    draw_times,
    expected_error,
    level_of,
    noised,
    residual,
    weights,
    with_residual,
    zone,
)
from seisdiff.draws import Draws
from seisdiff.networks.inputs import FOUND

MOST = 8.0  # expected errors that a residual may be: what is farther off teaches no more


def error_loss(error: torch.Tensor, off: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of what answers are `off` by (scene, trace, time), normal of width `error`.

    It is least where the expected error is the root mean square of the error that comes.
    """
    return _mean(error.log() + 0.5 * (off / error).square(), where)


def diffusion_loss(
    model: torch.nn.Module, inputs: torch.Tensor, target: torch.Tensor, task: str, draws: Draws, errors: bool
) -> torch.Tensor:
    """Return the loss of the errors that a model expects, or the mean square error of the residuals that it finds.

    `inputs` are balanced, with the guide's answer as what is found, `target` (scene, trace, time) is in the same
    balance; `draws` holds one address a scene. Residuals count by noise level, and half of their weight goes by the
    error that is expected: what is large to the eye must not be lost among what is small.
    """
    where, off = zone(inputs, task), target - inputs[:, FOUND]
    if errors:
        return error_loss(expected_error(model, inputs, None), off, where)
    with torch.no_grad():
        error = expected_error(model, inputs, None)
    truth = (off / error).clamp(-MOST, MOST) * where
    times = draw_times(draws.uniform("time"))
    x = noised(truth, draws.normal("noise", *target.shape[1:]) * where, times)
    found = residual(model, with_residual(inputs, error, x, where), None, level_of(times))
    size = (error * where).sum((1, 2), keepdim=True) / where.sum((1, 2), keepdim=True).clamp_min(1)
    weight = weights(times)[:, None, None] * 0.5 * (1 + error / size.clamp_min(1e-6))
    return _mean((found - truth).square() * weight, where)


def _mean(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the mean over scenes of the mean where anything is uncertain."""
    return ((values * where).sum((1, 2)) / where.sum((1, 2)).clamp_min(1)).mean()
