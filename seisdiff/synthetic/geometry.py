"""Random spreads: where the traces of a gather are."""

from __future__ import annotations

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import SpreadSpec

PATTERNS = ("regular", "jittered", "irregular", "split")


def draw_offsets(draws: Draws, spec: SpreadSpec, traces: int, bottom_m: torch.Tensor) -> torch.Tensor:
    """Return offsets (scene, trace) in m, rising; those of split spreads go from minus to plus.

    The largest is `reach` times the depth `bottom_m` (scene) of the end of the record, within the limits of the recipe.
    """
    far = bottom_m * draws.log_uniform("reach", low=spec.reach[0], high=spec.reach[1])
    far = far.clamp(*spec.far_m)
    near = draws.uniform("near", low=spec.near_m[0], high=spec.near_m[1]).clamp_min(0)
    lost = far * draws.uniform("near.lost", low=0.05, high=0.3)
    near = torch.where(draws.chance("near.missing", spec.missing_near), lost, torch.minimum(near, 0.3 * far))
    pattern = draws.choice("pattern", spec.patterns, PATTERNS)[:, None]
    place = _places(draws, traces, pattern)
    one_sided = near[:, None] + (far - near)[:, None] * place
    both = 2 * place - 1
    both = both.sign() * (near[:, None] + (far - near)[:, None] * both.abs())
    return torch.where(pattern == PATTERNS.index("split"), both, one_sided)


def _places(draws: Draws, traces: int, pattern: torch.Tensor) -> torch.Tensor:
    """Return rising numbers from 0 to 1 (scene, trace): even, jittered by 0.4 of a step, or with random steps."""
    even = torch.linspace(0, 1, traces, device=draws.device).expand(len(draws), -1)
    step = 1 / max(traces - 1, 1)
    inner = torch.ones(traces, device=draws.device)
    inner[[0, -1]] = 0
    jittered = even + 0.4 * step * inner * draws.uniform("jitter", traces, low=-1.0, high=1.0)
    steps = draws.log_uniform("steps", traces, low=0.15, high=3.0)
    ragged = steps.cumsum(1) - steps[:, :1]
    ragged = ragged / ragged[:, -1:].clamp_min(1e-6)
    return torch.where(pattern == 1, jittered, torch.where(pattern == 2, ragged, even))
