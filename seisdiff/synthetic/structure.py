"""What is not flat: dips, folded and faulted stacks, statics."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.earth import Earth
from seisdiff.synthetic.recipe import StructureSpec

WAVES = 6  # cosines along a stack, and nodes of their coefficients in depth


@dataclass(frozen=True)
class Structure:
    """Departures from a flat earth, for every reflector of some scenes.

    `departure` (scene, reflector, trace or 1) is added to vertical two-way times, ms; `apex` (scene, reflector) moves
    the top of a moveout curve along the spread, m; `tilt` (scene, reflector) is 1/cos^2 of the dip, by which squared
    velocities grow (Levin, 1971); `statics` (scene, trace) in ms delay whatever arrives at a trace; `fade` (scene,
    reflector, trace), or ones, are factors of the amplitudes of primaries along the spread.
    """

    departure: torch.Tensor
    apex: torch.Tensor
    tilt: torch.Tensor
    statics: torch.Tensor
    fade: torch.Tensor

    def tilted(self, moments: torch.Tensor) -> torch.Tensor:
        """Return moments (scene, 4, reflector) of the dipping reflectors."""
        one = torch.ones_like(self.tilt)
        return moments * torch.stack([one, self.tilt, self.tilt.square(), one], dim=1)


def flat(earth: Earth, traces: int) -> Structure:
    """Return no structure at all."""
    zero = torch.zeros_like(earth.time[:, 1:])
    still = zero.new_zeros(len(zero), traces)
    return Structure(zero[..., None], zero, torch.ones_like(zero), still, zero.new_ones(1, 1, 1))


def flattened(structure: Structure, scenes: torch.Tensor) -> Structure:
    """Return the structure without that of some scenes, bool (scene), none of which are stacks."""
    rows = scenes[:, None]
    return replace(
        structure,
        apex=structure.apex.where(~rows, 0.0),
        tilt=structure.tilt.where(~rows, 1.0),
        statics=structure.statics.where(~rows, 0.0),
    )


def draw_structure(
    draws: Draws, spec: StructureSpec, earth: Earth, offset: torch.Tensor, cdp_m: torch.Tensor, domain: dict
) -> Structure:
    """Return random structure: dips of cmp and shot gathers, folds and faults of stacks.

    `offset` is (scene, trace), `cdp_m` (scene) the trace spacing of stacks, `domain` tells which scenes are "shot" and
    "stack", bool (scene).
    """
    moments = earth.moments()
    dip = torch.deg2rad(draws.uniform("dip", 1, low=spec.dip_deg[0], high=spec.dip_deg[1]))
    sine = torch.sin(dip) * torch.tanh(draws.curve("dips", WAVES, count=earth.reflectors))
    apex = torch.sqrt(moments[:, 1] / moments[:, 0]) * moments[:, 0] * 1e-3 * sine
    tilt = torch.where(domain["stack"][:, None], 1.0, 1 / (1 - sine.square()))
    departure, fade = torch.zeros_like(apex)[..., None], torch.ones_like(apex)[..., None]
    if bool(domain["stack"].any()):
        folds = _folds(draws, earth, torch.sin(dip), offset.shape[1], cdp_m)
        departure = (folds + _faults(draws, spec, earth, offset.shape[1])) * domain["stack"][:, None, None]
        fade = torch.where(domain["stack"][:, None, None], _fades(draws, spec, earth, offset.shape[1]), 1.0)
    statics = _statics(draws, spec, offset, domain["stack"])
    return Structure(departure, apex * domain["shot"][:, None], tilt, statics, fade)


def _folds(draws: Draws, earth: Earth, sine: torch.Tensor, traces: int, cdp_m: torch.Tensor) -> torch.Tensor:
    """Return two-way times (scene, reflector, trace) of layers whose thickness varies along the line.

    They never cross, for no layer loses more than 0.8 of its thickness, and are no steeper than the given sine allows.
    """
    layers = earth.time.shape[1]
    place = torch.linspace(0, 1, traces, device=draws.device)
    number = torch.arange(1, WAVES + 1, device=draws.device)
    waves = torch.cos(math.pi * number[:, None] * place) / number[:, None]
    each = draws.curve("folds", WAVES, WAVES, count=layers)
    shape = torch.tanh(0.5 * each.transpose(1, 2) @ waves)
    departure = (earth.time[..., None] * shape).cumsum(1)[:, :-1]
    steepest = torch.diff(departure, dim=2).abs().amax(2) / cdp_m[:, None]
    moments = earth.moments()
    allowed = 2e3 * sine / torch.sqrt(moments[:, 1] / moments[:, 0])
    return departure * (allowed / steepest.clamp_min(1e-9)).amin(1).clamp_max(0.8)[:, None, None]


def _faults(draws: Draws, spec: StructureSpec, earth: Earth, traces: int, count: int = 3) -> torch.Tensor:
    """Return throws of a few slanted faults; the first reflector stays whole."""
    place = torch.linspace(0, 1, traces, device=draws.device)
    depth = earth.moments()[:, 0]
    depth = depth / depth[:, -1:]
    at = (
        draws.uniform("fault.place", count, 1)
        + draws.uniform("fault.slant", count, 1, low=-0.3, high=0.3) * (depth[:, None])
    )
    throw = draws.log_uniform("fault.throw", count, low=6.0, high=100.0) * draws.normal("fault.side", count).sign()
    throw = throw * draws.chance("faults", spec.faults)[:, None]
    moved = (place > at[..., None]) * (torch.arange(earth.reflectors, device=at.device) > 0)[:, None]
    return (throw[..., None, None] * moved).sum(1)


def _fades(draws: Draws, spec: StructureSpec, earth: Earth, traces: int, nodes: int = 16) -> torch.Tensor:
    """Return how reflectors grow brighter and fainter along a stack, (scene, reflector, trace); some end altogether."""
    size = draws.uniform("fades.size", 1, 1, low=spec.fades[0], high=spec.fades[1])
    smooth = draws.curve("fades", earth.reflectors, nodes, count=traces)
    place = torch.linspace(0, 1, traces, device=draws.device)
    end = draws.uniform("fades.end", earth.reflectors, 1, low=-0.3, high=1.3)
    kept = torch.sigmoid(30 * (place - end) * draws.normal("fades.side", earth.reflectors, 1).sign())
    ends = draws.uniform("fades.ends", earth.reflectors, 1) < 0.4 * size
    ends = ends & (torch.arange(earth.reflectors, device=ends.device) > 0)[:, None]
    return torch.exp(size * smooth) * torch.where(ends, kept, 1.0)


def _statics(draws: Draws, spec: StructureSpec, offset: torch.Tensor, stack: torch.Tensor) -> torch.Tensor:
    """Return smooth delays (scene, trace) of the asked root mean square."""
    place = torch.where(stack[:, None], torch.linspace(-1, 1, offset.shape[1], device=offset.device), offset)
    place = place / place.abs().amax(1, keepdim=True).clamp_min(1e-6)
    number = torch.arange(1, WAVES + 1, device=offset.device)
    waves = torch.cos(math.pi * number[:, None] * place[:, None]) / number[:, None]
    size = draws.uniform("statics.size", 1, low=spec.statics_ms[0], high=spec.statics_ms[1])
    return size * 1.2 * (draws.normal("statics", 1, WAVES) @ waves)[:, 0]
