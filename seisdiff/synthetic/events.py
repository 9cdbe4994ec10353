"""Arrivals: when and how strongly every wave of a scene reaches every trace.

A path is a sum of legs, each from the surface to a reflector and back (interbed paths take one leg off again), and so
are its moments: two-way time t0, and the time-weighted sums of v^2 and v^4 (1 + 8 eta). Arrival times are the shifted
hyperbola t = t0 (1 - 1/S) + sqrt((t0/S)^2 + x^2 / (S v^2)), exact in the layered earth to the fourth order of offset
(de Bazelaire, 1988; Castle, 1994), with v^2 = mu2/t0 and S = mu4 t0 / mu2^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from seisdiff.synthetic.earth import WATER_VELOCITY, Earth
from seisdiff.synthetic.reflection import Border, borders, reflection
from seisdiff.synthetic.structure import Structure

GRAZING = 0.15  # of 1 - sin^2, below which rays fade
COARSE = 16  # places along the spread at which amplitudes are evaluated


class Events(NamedTuple):
    """Arrivals: time (ms), modulus (signed) times cosine and sine of the phase, each (scene, event, trace)."""

    time: torch.Tensor
    real: torch.Tensor
    imaginary: torch.Tensor


class Paths(NamedTuple):
    """Moments (scene, 4, event), factor (scene, event), departures (scene, event, trace) and apex (scene, event).

    `fade` (scene, event, trace), or ones, is a factor of amplitudes along the spread, `passes` (scene, event) how often
    a path goes below the first reflector and comes back, `fastest` (scene, event) the highest velocity it meets; `legs`
    are the reflectors it meets: pairs of a border (scene, event) and how often (event).
    """

    moments: torch.Tensor
    factor: torch.Tensor
    departure: torch.Tensor
    apex: torch.Tensor
    passes: torch.Tensor
    fastest: torch.Tensor
    fade: torch.Tensor
    legs: tuple[tuple[Border, torch.Tensor], ...]


@dataclass(frozen=True)
class Spread:
    """Where the traces of some scenes are: `offset` (scene, trace) in m, signed."""

    offset: torch.Tensor

    def coarse(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a few absolute offsets (scene, place), and the weights (scene, place, trace) that lead back."""
        distance = self.offset.abs()
        low, high = distance.amin(1, keepdim=True), distance.amax(1, keepdim=True)
        width = (high - low).clamp_min(1e-3)
        at = (distance - low) / width * (COARSE - 1)
        node = torch.arange(COARSE, device=at.device, dtype=at.dtype)
        weights = (1 - (at[:, None] - node[:, None]).abs()).clamp_min(0)
        return low + width * node / (COARSE - 1), weights


class Tracer:
    """Turns paths into arrivals for one batch of earths and spreads.

    `correction` (scene, 2) holds the share of spherical divergence that is left in, and the power of the cosine of the
    emergence angle that source and receiver arrays impose.
    """

    def __init__(self, earth: Earth, spread: Spread, structure: Structure, correction: torch.Tensor) -> None:
        self.earth = earth
        self.spread = spread
        self.structure = structure
        self.moments = structure.tilted(earth.moments())
        self.borders = borders(earth)
        self.fastest = earth.velocity[:, :-1].cummax(1).values
        self.first = torch.zeros(1, dtype=torch.int64, device=earth.time.device)
        self.correction = correction
        self.places, self.weights = spread.coarse()

    def arrivals(self, paths: Paths) -> Events:
        """Return when and how strongly the paths arrive."""
        t0, v2, shift = nmo_terms(paths.moments)
        distance = (self.spread.offset[:, None] - paths.apex[..., None]).abs()
        time = arrival_times(t0, v2, shift, distance) + paths.departure
        size, phase = self._amplitudes(paths, t0, v2, shift)
        real, imaginary = size * torch.cos(phase), size * torch.sin(phase)
        return Events(time, paths.fade * (real @ self.weights), paths.fade * (imaginary @ self.weights))

    def _amplitudes(
        self, paths: Paths, t0: torch.Tensor, v2: torch.Tensor, shift: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return modulus and phase at the coarse offsets, (scene, event, place)."""
        x = self.places[:, None]
        time, p = arrival_times(t0, v2, shift, x), ray_parameters(t0, v2, shift, x)
        size, phase = paths.factor[..., None] * self._divergence(time, v2), torch.zeros_like(time)
        for border, times in paths.legs:
            modulus, angle = reflection(border, p)
            often = times[:, None]
            size = size * torch.where(often % 2 == 1, modulus.sign(), 1.0) * modulus.abs().clamp_min(1e-9) ** often
            phase = phase + often * angle
        size = size * self._passed(paths, p)
        sine = (p * self.earth.velocity[:, :1, None]).clamp_max(0.995)
        return size * (1 - sine.square()) ** (self.correction[:, 1, None, None] / 2), phase

    def _passed(self, paths: Paths, p: torch.Tensor) -> torch.Tensor:
        """Return what passes the first reflector and is left where a ray grazes the fastest layer that it meets."""
        modulus, _ = reflection(self.borders.pick(self.first), p.flatten(1)[:, None])
        through = (1 - modulus.square()).clamp_min(0).view_as(p) / (1 - self.earth.contrast()[:, :1, None].square())
        steep = 1 - (p * paths.fastest[..., None]).square()
        return through ** paths.passes[..., None] * (steep / GRAZING).clamp(0, 1)

    def _divergence(self, time: torch.Tensor, v2: torch.Tensor) -> torch.Tensor:
        """Return spherical divergence 1/(t v^2) after the correction t v^2 of primaries with the rest of its power."""
        left = self.correction[:, :1, None]
        primary = interpolate_rows(self.moments[:, 0], self.moments[:, 1] / self.moments[:, 0], time.flatten(1))
        spread = time.clamp_min(4.0) * 1e-3
        law = spread * primary.view_as(time) / WATER_VELOCITY**2
        return law ** (1 - left) / (spread * v2[..., None] / WATER_VELOCITY**2)


def nmo_terms(moments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return t0 (ms), squared NMO velocity ((m/s)^2) and shift S of moments (scene, 4, event)."""
    t0 = moments[:, 0].clamp_min(1e-3)
    v2 = moments[:, 1] / t0
    return t0, v2, (moments[:, 2] / (t0 * v2.square())).clamp(0.5, 30.0)


def arrival_times(t0: torch.Tensor, v2: torch.Tensor, shift: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Return arrival times (ms) at distances (scene, event or 1, place) in m."""
    t0, v2, shift = t0[..., None], v2[..., None], shift[..., None]
    return t0 * (1 - 1 / shift) + torch.sqrt((t0 / shift).square() + 1e6 * distance.square() / (shift * v2))


def ray_parameters(t0: torch.Tensor, v2: torch.Tensor, shift: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Return the slopes dt/dx of arrival times, s/m."""
    t0, v2, shift = t0[..., None], v2[..., None], shift[..., None]
    root = torch.sqrt((t0 / shift).square() + 1e6 * distance.square() / (shift * v2))
    return 1e3 * distance / (shift * v2 * root)


def interpolate_rows(place: torch.Tensor, value: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Interpolate `value` (row, node) at increasing `place` linearly at `at` (row, any), constant beyond the ends."""
    if place.shape[-1] == 1:
        return value.expand_as(at)
    right = torch.searchsorted(place.contiguous(), at.contiguous()).clamp(1, place.shape[-1] - 1)
    low, high = place.gather(-1, right - 1), place.gather(-1, right)
    part = ((at - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    return torch.lerp(value.gather(-1, right - 1), value.gather(-1, right), part)


def primaries(tracer: Tracer) -> Paths:
    """Return one path to every reflector."""
    once = torch.ones(tracer.earth.reflectors, device=tracer.places.device)
    structure = tracer.structure
    return Paths(
        tracer.moments,
        tracer.earth.transmission(),
        structure.departure,
        structure.apex,
        (torch.arange(tracer.earth.reflectors, device=once.device) > 0).float().expand_as(tracer.fastest),
        tracer.fastest,
        structure.fade,
        ((tracer.borders, once),),
    )


def water_layer_multiples(tracer: Tracer, reflectors: torch.Tensor, orders: range, level: torch.Tensor) -> Paths:
    """Return peg-legs and reverberations of the first layer: reflectors with some bounces in it.

    `reflectors` are their numbers, (scene, k). A reflector's leg may come before, between or after the n water bounces,
    n + 1 ways of the same time; `level` (scene) is minus the free surface's reflection coefficient.
    """
    order = torch.tensor(list(orders), device=level.device, dtype=torch.float32).repeat_interleave(reflectors.shape[1])
    which = reflectors.repeat(1, len(orders))
    first = torch.zeros_like(which)
    ways = torch.where(which == 0, 1.0, order + 1)
    legs = ((tracer.borders.pick(which), torch.ones_like(order)), (tracer.borders.pick(first), order))
    factor = ways * (-level[:, None]) ** order * tracer.earth.transmission().gather(1, which)
    return _joined(tracer, [(which, 1.0), (first, order)], factor, legs)


def peg_leg_pairs(tracer: Tracer, strongest: torch.Tensor, level: torch.Tensor) -> Paths:
    """Return multiples between pairs of the strongest reflectors below the first layer, with 0 or 1 bounces in it."""
    first, second = torch.triu_indices(strongest.shape[1], strongest.shape[1], device=level.device)
    pegs = torch.tensor([0.0, 1.0], device=level.device).repeat_interleave(len(first))
    first, second = first.repeat(2), second.repeat(2)
    ways = torch.where(first == second, 1.0, 2.0) * torch.where(pegs == 1, 3.0, 1.0)
    a, b = strongest[:, first], strongest[:, second]
    water = torch.zeros_like(a)
    once = torch.ones_like(pegs)
    through = tracer.earth.transmission()
    factor = ways * (-level[:, None]) ** (1 + pegs) * through.gather(1, a) * through.gather(1, b)
    factor = factor * (a > 0) * (b > 0)
    legs = ((tracer.borders.pick(a), once), (tracer.borders.pick(b), once), (tracer.borders.pick(water), pegs))
    return _joined(tracer, [(a, 1.0), (b, 1.0), (water, pegs)], factor, legs)


def interbed_multiples(tracer: Tracer, strongest: torch.Tensor) -> Paths:
    """Return paths down to one strong reflector, up to a shallower one, and down to a strong one again.

    `strongest` (scene, k) are reflector numbers in rising order. From below a reflector has the opposite sign.
    """
    k = strongest.shape[1]
    order = torch.arange(k, device=strongest.device)
    first, second, turn = (axis.flatten() for axis in torch.meshgrid(order, order, order, indexing="ij"))
    wanted = (first <= second) & (turn < first)
    first, second, turn = first[wanted], second[wanted], turn[wanted]
    ways = torch.where(first == second, 1.0, 2.0)
    a, b, c = strongest[:, first], strongest[:, second], strongest[:, turn]
    through = tracer.earth.transmission()
    turned = through.gather(1, c) * (1 - tracer.earth.contrast().gather(1, c).square())
    factor = -ways * through.gather(1, a) * through.gather(1, b) / turned
    once = torch.ones_like(ways)
    legs = tuple((tracer.borders.pick(index), once) for index in (a, b, c))
    return _joined(tracer, [(a, 1.0), (b, 1.0), (c, -1.0)], factor, legs)


def strongest_reflectors(earth: Earth, count: int) -> torch.Tensor:
    """Return the numbers of the strongest reflectors as seen from above, (scene, count), in rising order."""
    seen = earth.contrast().abs() * earth.transmission()
    return seen.topk(min(count, earth.reflectors), dim=1).indices.sort(dim=1).values


def _joined(
    tracer: Tracer,
    parts: list[tuple[torch.Tensor, torch.Tensor | float]],
    factor: torch.Tensor,
    legs: tuple[tuple[Border, torch.Tensor], ...],
) -> Paths:
    """Return paths that run each leg (event), or (scene, event), as often as its weight says."""
    structure, n_scene = tracer.structure, len(factor)
    moments, departure, apex, passes, fastest = (factor.new_zeros(()) for _ in range(5))
    for index, weight in parts:
        rows = index.expand(n_scene, -1)
        wide = rows[..., None].expand(-1, -1, structure.departure.shape[-1])
        scale = torch.as_tensor(weight, device=rows.device)
        moments = moments + tracer.moments.gather(2, rows[:, None].expand(-1, 4, -1)) * scale
        departure = departure + structure.departure.gather(1, wide) * scale[..., None]
        apex = apex + structure.apex.gather(1, rows) * scale
        passes = passes + (rows > 0) * scale
        fastest = torch.maximum(fastest, tracer.fastest.gather(1, rows) * (scale > 0))
    return Paths(moments, factor, departure, apex, passes, fastest, factor.new_ones(1, 1, 1), legs)
