"""Earths of a few layers under the sea, told by hand."""

from __future__ import annotations

import torch

from seisdiff.synthetic.earth import Earth


def make_earth(
    time: list[float],
    velocity: list[float],
    density: list[float],
    shear: list[float] | None = None,
    eta: list[float] | None = None,
) -> Earth:
    """Return one earth without losses; the numbers are those of its layers, as `Earth` has them."""
    zero = [0.0] * len(time)
    time_, velocity_, shear_, density_, eta_ = (
        torch.tensor([row]) for row in (time, velocity, shear or zero, density, eta or zero)
    )
    return Earth(time_, velocity_, shear_, density_, eta_, torch.zeros_like(time_), torch.tensor([True]))
