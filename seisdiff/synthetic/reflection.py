"""Plane-wave reflection at the layer borders of an earth."""

from __future__ import annotations

from typing import NamedTuple

import torch

from seisdiff.synthetic.earth import Earth

MOST_SHEAR = 0.6


class Border(NamedTuple):
    """What reflects: slowness squared ((s/m)^2) and density above and below, and the shear term; (scene, ...)."""

    above: torch.Tensor
    below: torch.Tensor
    density_above: torch.Tensor
    density_below: torch.Tensor
    shear: torch.Tensor

    def pick(self, index: torch.Tensor) -> Border:
        """Return borders chosen by number, (reflector), or (scene, reflector)."""
        if index.ndim == 1:
            return Border(*(part[:, index] for part in self))
        return Border(*(part.gather(1, index) for part in self))


def borders(earth: Earth) -> Border:
    """Return the borders of all reflectors, (scene, reflector)."""
    v, vs, rho = earth.velocity, earth.shear, earth.density
    slowness, mean = v**-2, 0.5 * (vs[:, :-1] + vs[:, 1:])
    step_density = 2 * (rho[:, 1:] - rho[:, :-1]) / (rho[:, 1:] + rho[:, :-1])
    shear = mean * (mean * step_density + 2 * (vs[:, 1:] - vs[:, :-1]))
    solid = (vs[:, :-1] > 0) & (vs[:, 1:] > 0)
    return Border(slowness[:, :-1], slowness[:, 1:], rho[:, :-1], rho[:, 1:], torch.where(solid, shear, 0.0))


def reflection(border: Border, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return modulus (signed) and phase (radian) of the PP reflection coefficients at ray parameters `p` (s/m).

    `border` is (scene, event), `p` (scene, event, place). It is the exact coefficient of two fluids, which rotates the
    phase beyond the critical angle, plus the shear terms of Aki and Richards (1980, eq. 5.46), so that for small
    contrasts R(p) = (1 - 4 p^2 vs^2) drho/2rho + dvp/(2 vp cos^2) - 4 p^2 vs^2 dvs/vs. A positive phase is an advance.
    """
    border = Border(*(part[..., None] for part in border))
    above, below, rho1, rho2, _ = border
    p2 = torch.minimum(p.square(), 0.998 * above)
    down, through = rho2 * torch.sqrt(above - p2), below - p2
    other = rho1 * torch.sqrt(through.abs())
    size = (down - other) / (down + other).clamp_min(1e-12)
    beyond = through < 0
    size = size + elastic_part(border, p2)
    return torch.where(beyond, 1.0, size), torch.where(beyond, 2 * torch.atan2(other, down), 0.0)


def elastic_part(border: Border, p2: torch.Tensor) -> torch.Tensor:
    """Return what shear adds to the coefficient of two fluids at squared ray parameters, up to the critical one."""
    return (-2 * torch.minimum(p2, border.below) * border.shear).clamp(-MOST_SHEAR, MOST_SHEAR)
