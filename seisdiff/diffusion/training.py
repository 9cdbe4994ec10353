"""What a diffusion model learns: the error of its own answer, and residuals at random noise levels."""

from __future__ import annotations

import torch

from seisdiff.diffusion.residual import (
    Expected,
    draw_times,
    expected,
    level_of,
    noised,
    residual,
    weights,
    with_residual,
    zone,
)
from seisdiff.draws import Draws

MOST = 8.0  # expected errors that a residual may be: what is farther off teaches no more


def error_loss(known: Expected, target: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the negative log-likelihood of targets (scene, trace, time), normal about a mean that is not to change.

    It is least where the expected error is the root mean square of the error that comes.
    """
    off = ((target - known.mean.detach()) / known.error).square()
    return _mean(known.error.log() + 0.5 * off, where)


def residual_loss(
    model: torch.nn.Module, inputs: torch.Tensor, target: torch.Tensor, task: str, draws: Draws
) -> torch.Tensor:
    """Return the mean square error of the residuals that a model finds under noise, weighted by level.

    `inputs` are balanced, with the guide's answer as what is found, `target` (scene, trace, time) is in the same
    balance; `draws` holds one address a scene.
    """
    where = zone(inputs, task)
    with torch.no_grad():
        known = expected(model, inputs, None).within(where)
    truth = ((target - known.mean) / known.error).clamp(-MOST, MOST) * where
    times = draw_times(draws.uniform("time"))
    x = noised(truth, draws.normal("noise", *target.shape[1:]) * where, times)
    found = residual(model, with_residual(inputs, known, x), None, level_of(times))
    return _mean((found - truth).square() * weights(times)[:, None, None], where)


def _mean(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the mean over scenes of the mean where anything is uncertain."""
    return ((values * where).sum((1, 2)) / where.sum((1, 2)).clamp_min(1)).mean()
