"""Noise that has an address: the same for a gather, a trace and a sample, whatever else is restored with them."""

from __future__ import annotations

import math

import torch

from seisdiff.draws import Draws

MOST_TRACES = 2**24


def addressed_noise(
    seed: int, number: torch.Tensor, draw: int, traces: int, samples: int, alike_over: int = 1
) -> torch.Tensor:
    """Return normal noise (gather, trace, time) of gathers by number (gather), int64.

    Samples do not depend on how many traces or samples there are. Gathers whose numbers differ by `alike_over` or more
    get independent noise, those between them noise alike in proportion, so that sections are consistent laterally.
    """
    if alike_over <= 1:
        return _noise(seed, number, draw, traces, samples)
    knot, rest = number.div(alike_over, rounding_mode="floor"), number.remainder(alike_over)
    angle = (0.5 * math.pi / alike_over * rest)[:, None, None].to(torch.float32)
    before, after = (_noise(seed, knot + step, draw, traces, samples) for step in (0, 1))
    return angle.cos() * before + angle.sin() * after


def _noise(seed: int, number: torch.Tensor, draw: int, traces: int, samples: int) -> torch.Tensor:
    address = number[:, None] * MOST_TRACES + torch.arange(traces, device=number.device)
    draws = Draws(seed, address.flatten()).within(f"draw {draw}")
    radius = torch.sqrt(-2 * torch.log(draws.uniform("radius", samples)))
    return (radius * torch.cos(2 * math.pi * draws.uniform("angle", samples))).view(len(number), traces, samples)
