"""Random layered earths: velocities, densities, Q, and the moments from which arrival times follow."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import EarthSpec

WATER_VELOCITY = 1500.0
SLOWEST = 350.0


@dataclass(frozen=True)
class Earth:
    """Layers of some scenes, the water or weathering first; tensors are (scene, layer), float32.

    `time` is the two-way vertical time within a layer (ms), `velocity` and `shear` m/s, `density` g/cm3, `eta` the
    anellipticity of vertical transverse isotropy, `loss` 1/Q. Reflector k is the bottom of layer k, so that the last
    layer is only what the last reflector lies on. `marine` (scene) tells whether the first layer is water.
    """

    time: torch.Tensor
    velocity: torch.Tensor
    shear: torch.Tensor
    density: torch.Tensor
    eta: torch.Tensor
    loss: torch.Tensor
    marine: torch.Tensor

    @property
    def reflectors(self) -> int:
        """How many reflectors there are."""
        return self.time.shape[1] - 1

    def take(self, scenes: torch.Tensor | slice) -> Earth:
        """Return the earths of some of the scenes."""
        return Earth(*(getattr(self, part.name)[scenes] for part in fields(self)))

    def moments(self) -> torch.Tensor:
        """Return the sums over the layers above each reflector, (scene, 4, reflector).

        They are two-way time (ms), v^2 time, v^4 (1 + 8 eta) time (Alkhalifah, 1997, eq. 6) and time/Q. Moments of
        a path that runs through layers several times are sums of these.
        """
        v2, t = self.velocity.square(), self.time
        each = torch.stack([t, v2 * t, v2.square() * (1 + 8 * self.eta) * t, self.loss * t], dim=1)
        return each[..., :-1].cumsum(-1)

    def contrast(self) -> torch.Tensor:
        """Return the normal-incidence reflection coefficients, (scene, reflector)."""
        impedance = self.velocity * self.density
        above, below = impedance[:, :-1], impedance[:, 1:]
        return (below - above) / (below + above)

    def transmission(self) -> torch.Tensor:
        """Return what is left after passing all reflectors above each one down and up again (scene, reflector)."""
        passed = torch.cumprod(1 - self.contrast().square(), dim=1)
        return torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)


def draw_earth(draws: Draws, spec: EarthSpec, end_ms: torch.Tensor) -> Earth:
    """Return random earths whose reflectors reach down to the two-way times `end_ms` (scene)."""
    marine = torch.full((len(draws),), spec.water_m is not None, device=draws.device)
    time = _thickness(draws, spec, end_ms)
    trend, velocity = _velocities(draws, spec, time)
    gas = _gas_layers(draws, spec)
    shear = _shear(draws, spec, velocity, marine)
    velocity = torch.where(gas, (0.7 + 0.22 * draws.uniform("gas.velocity", 1)) * velocity, velocity)
    density = _density(draws, velocity, marine)
    quality = draws.log_uniform("quality", 1, low=spec.quality[0], high=spec.quality[1]) * (trend / 2500).clamp(0.5, 2)
    loss = 1 / quality
    eta = draws.uniform("eta", 1, low=spec.anisotropy[0], high=spec.anisotropy[1]) * draws.uniform(
        "eta.layer", time.shape[1]
    )
    if spec.water_m is not None:
        loss, eta = _without_first(loss), _without_first(eta)
    return Earth(time, velocity, shear, density, eta, loss, marine)


def _thickness(draws: Draws, spec: EarthSpec, end_ms: torch.Tensor) -> torch.Tensor:
    """Return two-way times in layers: log-normal, some of them equal, down to the end of the record."""
    if spec.water_m is None:
        first = draws.log_uniform("weathering", low=spec.weathering_ms[0], high=spec.weathering_ms[1])
    else:
        first = 2000 / WATER_VELOCITY * draws.log_uniform("water", low=spec.water_m[0], high=spec.water_m[1])
    bumpy = draws.uniform("bumpy", 1, low=spec.bumpy[0], high=spec.bumpy[1])
    periodic = draws.chance("periodic", spec.periodic)[:, None]
    share = torch.exp(torch.where(periodic, 0.03, bumpy) * draws.normal("layers", spec.layers))
    rest = (1.02 * end_ms - first).clamp_min(0.2 * end_ms)
    # few, thick layers for periodic earths: the lower ones lie below the record
    rest = torch.where(periodic[:, 0], rest * draws.uniform("period", low=1.0, high=6.0), rest)
    below = share / share.sum(1, keepdim=True) * rest[:, None]
    return torch.cat([first[:, None], below], dim=1)


def _velocities(draws: Draws, spec: EarthSpec, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the trend and the interval velocities, with inversions and fast layers."""
    middle = (time.cumsum(1) - time[:, :1] - time / 2).clamp_min(0) / 1000
    start = draws.uniform("velocity", 1, low=spec.velocity[0], high=spec.velocity[1])
    growth = draws.uniform("gradient", 1, low=spec.gradient[0], high=spec.gradient[1])
    trend = start + growth * middle
    width = draws.uniform("scatter", 1, low=spec.scatter[0], high=spec.scatter[1])
    rough = draws.normal("rough", time.shape[1])
    heavy = torch.where(draws.uniform("heavy", time.shape[1]) < 0.2, 2.2, 0.55)
    slow = draws.curve("smooth", 8, count=time.shape[1])
    velocity = trend * torch.exp(width * (heavy * rough + 0.8 * slow)) * _fast_layers(draws, spec, time.shape[1])
    top = WATER_VELOCITY if spec.water_m is not None else None
    first = torch.full_like(start, top) if top else start * draws.uniform("weathered", 1, low=0.3, high=0.8)
    velocity = torch.cat([first, velocity[:, 1:]], dim=1).clamp(SLOWEST, spec.fastest)
    return trend.clamp_max(spec.fastest), velocity


def _fast_layers(draws: Draws, spec: EarthSpec, layers: int) -> torch.Tensor:
    """Return factors of velocity: one run of layers may be faster than its trend by up to 2."""
    place = torch.arange(layers, device=draws.device)
    top = draws.uniform("fast.top", 1, low=0.02, high=0.9) * layers
    depth = draws.log_uniform("fast.depth", 1, low=0.015, high=0.6) * layers
    inside = (place >= top) & (place < top + depth.clamp_min(1.0)) & draws.chance("fast", spec.fast_layers)[:, None]
    return torch.where(inside, draws.uniform("fast.factor", 1, low=1.15, high=1.9), 1.0)


def _gas_layers(draws: Draws, spec: EarthSpec) -> torch.Tensor:
    place = torch.arange(spec.layers + 1, device=draws.device)
    top = 1 + (draws.uniform("gas.top", 1) * 0.9 * spec.layers).floor()
    depth = 1 + (3 * draws.uniform("gas.depth", 1)).floor()
    return (place >= top) & (place < top + depth) & draws.chance("gas", spec.gas)[:, None]


def _shear(draws: Draws, spec: EarthSpec, velocity: torch.Tensor, marine: torch.Tensor) -> torch.Tensor:
    """Return shear velocities along the mudrock line (Castagna et al., 1985) with scatter; 0 in fluids."""
    mudrock = (velocity - 1360) / 1.16 * torch.exp(0.08 * draws.normal("shear", velocity.shape[1]))
    shear = torch.minimum(mudrock.clamp_min(150.0), 0.65 * velocity)
    solid = ~draws.chance("acoustic", spec.acoustic)[:, None]
    water = marine[:, None] & (torch.arange(velocity.shape[1], device=draws.device) == 0)
    return torch.where(solid & ~water, shear, 0.0)


def _density(draws: Draws, velocity: torch.Tensor, marine: torch.Tensor) -> torch.Tensor:
    """Return densities after Gardner et al. (1974), 0.31 v^0.25 g/cm3, with scatter; that of sea water on top."""
    scatter = draws.uniform("density.scatter", 1, low=0.01, high=0.06) * draws.normal("density", velocity.shape[1])
    gardner = 0.31 * velocity**0.25 * torch.exp(scatter)
    soft = draws.uniform("density.top", 1, low=0.72, high=1.0)
    depth = torch.arange(velocity.shape[1], device=draws.device) / velocity.shape[1]
    gardner = gardner * torch.where(marine[:, None], soft + (1 - soft) * (4 * depth).clamp_max(1.0), 1.0)
    water = marine[:, None] & (torch.arange(velocity.shape[1], device=draws.device) == 0)
    return torch.where(water, 1.03, gardner)


def _without_first(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.zeros_like(values[:, :1]), values[:, 1:]], dim=1)
