"""Which waves a scene is made of: reflections, diffractions, direct and head waves, and all their multiples."""

from __future__ import annotations

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.events import (
    Events,
    Tracer,
    interbed_multiples,
    interpolate_rows,
    peg_leg_pairs,
    primaries,
    strongest_reflectors,
    water_layer_multiples,
)
from seisdiff.synthetic.recipe import MultipleSpec, SceneRecipe

DIFFRACTORS = 10
HEAD_WAVES = 3
HEAD_PEGS = 3
GUIDED = 6


def all_parts(
    recipe: SceneRecipe, draws: Draws, tracer: Tracer, diffracting: torch.Tensor, domain: dict[str, torch.Tensor]
) -> tuple[Events, Events, Events]:
    """Return primaries (with diffractions, direct and head waves), interbed multiples and surface multiples."""
    spec = recipe.multiples
    strongest = strongest_reflectors(tracer.earth, spec.strongest)
    level = surface_level(draws, spec)
    uncorrected = domain["cmp"] | domain["shot"]
    heads, head_pegs = _head_waves(draws, tracer, level)
    first = [tracer.arrivals(primaries(tracer)), heads]
    if bool((domain["shot"] | domain["stack"]).any()):
        first.append(_diffractions(draws, tracer, diffracting, domain["stack"]))
    if bool(uncorrected.any()):
        first.append(_direct_waves(draws, tracer, uncorrected))
    surface = [
        *_water_layer(tracer, spec, strongest, level),
        tracer.arrivals(peg_leg_pairs(tracer, strongest, level)),
        head_pegs,
    ]
    late = _moved(_joined(surface), draws, spec.jitter)
    return (
        _with_statics(tracer, _joined(first)),
        _with_statics(tracer, tracer.arrivals(interbed_multiples(tracer, strongest))),
        _with_statics(tracer, late),
    )


def surface_level(draws: Draws, spec: MultipleSpec) -> torch.Tensor:
    """Return minus the free surface's reflection coefficient (scene), 0 where there are no surface multiples."""
    return draws.uniform("level", low=spec.level[0], high=spec.level[1]) * ~draws.chance("without", spec.without)


def _water_layer(tracer: Tracer, spec: MultipleSpec, strongest: torch.Tensor, level: torch.Tensor) -> list[Events]:
    """Return the first orders of all reflectors' multiples, and long trains of the sea bottom's and the strongest."""
    every = torch.arange(tracer.earth.reflectors, device=level.device).expand(len(level), -1)
    parts = [water_layer_multiples(tracer, every, range(1, spec.orders + 1), level)]
    if spec.long_orders > spec.orders:
        first = torch.zeros_like(strongest[:, :1])
        others = strongest.where(strongest > 0, tracer.earth.reflectors - 1)
        chosen = torch.cat([first, others], dim=1)
        parts.append(water_layer_multiples(tracer, chosen, range(spec.orders + 1, spec.long_orders + 1), level))
    return [tracer.arrivals(paths) for paths in parts]


def _joined(parts: list[Events]) -> Events:
    return Events(*(torch.cat(pieces, dim=1) for pieces in zip(*parts, strict=True)))


def _with_statics(tracer: Tracer, events: Events) -> Events:
    return events._replace(time=events.time + tracer.structure.statics[:, None])


def _moved(events: Events, draws: Draws, jitter: tuple[float, float]) -> Events:
    """Return multiples that keep the periods of a flat earth only roughly: structure between their bounces."""
    size = draws.uniform("jitter", 1, 1, low=jitter[0], high=jitter[1])
    ratio = 1 + size * draws.normal("jitter.scene", 1, 1)
    return events._replace(time=events.time * ratio)


def _head_waves(draws: Draws, tracer: Tracer, level: torch.Tensor) -> tuple[Events, Events]:
    """Return head waves along the reflectors onto the fastest layers, and their reverberations in the first layer.

    t = x/v + sum of tau_k sqrt(1 - (v_k/v)^2) beyond the critical distance, from where they die out as x^-1.5.
    """
    earth, distance = tracer.earth, tracer.spread.offset.abs()[:, None]
    fastest_above = earth.velocity[:, :-1].cummax(1).values
    rise = earth.velocity[:, 1:] / fastest_above
    which = rise.topk(min(HEAD_WAVES, earth.reflectors), dim=1).indices
    speed = earth.velocity.gather(1, which + 1)
    there = rise.gather(1, which) > 1.02
    above = torch.arange(earth.time.shape[1], device=which.device) <= which[..., None]
    sine = (earth.velocity[:, None] / speed[..., None]).clamp_max(0.999)
    cosine = torch.sqrt(1 - sine.square())
    intercept = (above * earth.time[:, None] * cosine).sum(-1)
    critical = (above * 1e-3 * (earth.time * earth.velocity)[:, None] * sine / cosine).sum(-1)
    size = there * draws.log_uniform("head.size", 1, low=0.003, high=0.1) * earth.transmission().gather(1, which)
    time = intercept[..., None] + 1e3 * distance / speed[..., None]
    decay = (critical[..., None] / distance.clamp_min(1.0)).clamp_max(1.0) ** 1.5 * (distance > critical[..., None])
    amplitude = size[..., None] * decay
    delay = earth.time[:, :1] * cosine[..., 0]
    order = torch.arange(1, HEAD_PEGS + 1, device=which.device)
    bounce = (-level * earth.contrast()[:, 0])[:, None, None] ** order * (order + 1)
    pegs = time[:, :, None] + (delay[..., None] * order)[..., None]
    strength = amplitude[:, :, None] * bounce[..., None]
    none, no_pegs = torch.zeros_like(amplitude), torch.zeros_like(strength).flatten(1, 2)
    return Events(time, amplitude, none), Events(pegs.flatten(1, 2), strength.flatten(1, 2), no_pegs)


def _diffractions(draws: Draws, tracer: Tracer, there: torch.Tensor, stack: torch.Tensor) -> Events:
    """Return diffractions: in shots one way from the source and one way to the trace, in stacks both ways to it."""
    offset, depth = tracer.spread.offset, tracer.moments[:, 0]
    share = draws.uniform("diffractor.time", DIFFRACTORS)
    t0 = depth[:, :1] + share * (depth[:, -1:] - depth[:, :1])
    velocity = torch.sqrt(interpolate_rows(depth, tracer.moments[:, 1] / tracer.moments[:, 0], t0))
    reach = torch.where(stack, 0.5e-3 * t0.mean(1) * velocity.mean(1), offset.abs().amax(1))[:, None]
    line = torch.linspace(-1, 1, offset.shape[1], device=offset.device) * reach
    place = torch.where(stack[:, None], line, offset)[:, None]
    at = draws.uniform("diffractor.place", DIFFRACTORS, low=-1.0, high=1.0) * reach
    down, up = (
        torch.sqrt((t0 / 2)[..., None].square() + (1e3 * away / velocity[..., None]).square())
        for away in (at[..., None], place - at[..., None])
    )
    time = torch.where(stack[:, None, None], 2 * up, down + up)
    obliquity = (t0 / 2)[..., None] / up.clamp_min(1.0)
    size = 0.02 * draws.normal("diffractor.size", DIFFRACTORS) * there[:, None]
    return Events(time, size[..., None] * obliquity**1.5, torch.zeros_like(time))


def _direct_waves(draws: Draws, tracer: Tracer, there: torch.Tensor) -> Events:
    """Return the direct wave and a bundle of guided ones that travel between its speed and that of the next layers."""
    earth, distance = tracer.earth, tracer.spread.offset.abs()[:, None]
    slow, fast = earth.velocity[:, :1], earth.velocity[:, 1:6].amax(1, keepdim=True)
    speed = slow + (fast - slow).clamp_min(50.0) * draws.uniform("guided.speed", GUIDED)
    speed = torch.cat([slow, speed], dim=1)
    later = torch.cat([torch.zeros_like(slow), 120 * draws.uniform("guided.later", GUIDED)], dim=1)
    size = 0.5 * draws.normal("guided.size", GUIDED) * draws.chance("guided", 0.4)[:, None]
    size = torch.cat([draws.uniform("direct.size", 1, low=0.1, high=1.5), size], dim=1) * there[:, None]
    time = later[..., None] + 1e3 * distance / speed[..., None]
    spread = torch.rsqrt(distance.clamp_min(50.0) / 1000)
    return Events(time, (0.2 * size)[..., None] * spread, torch.zeros_like(time))
