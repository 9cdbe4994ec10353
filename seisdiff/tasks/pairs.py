"""Training pairs from scenes: what a method gets, what it is to find, and where it is judged.

A scene is used several times, each time put together anew: other strengths and signs of its parts, other noise, other
gaps. The numbers are addressed like those of the scenes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.gaps import draw_gaps
from seisdiff.synthetic.recipe import GapSpec
from seisdiff.synthetic.scene import DOMAINS, Scenes


@dataclass(frozen=True)
class Pair:
    """Tensors (scene, trace, sample): `degraded` is what a network sees, `target` what it predicts.

    Demultiple predicts the multiples and denoise the noise, which are subtracted; interpolate predicts the missing
    traces, which are put in. `live` and `wanted` (scene, trace) tell which traces are recorded, and on which the
    prediction counts. `offset` is (scene, trace) in m, `largest` (scene) the largest one of the survey,
    `step_ms` (scene) the sample interval, `start_ms` (scene) how long after the first sample there may be something to
    take out, minus infinity where that is not told. `found` is what is known of the target beforehand.
    """

    degraded: torch.Tensor
    target: torch.Tensor
    live: torch.Tensor
    wanted: torch.Tensor
    offset: torch.Tensor
    largest: torch.Tensor
    step_ms: torch.Tensor
    start_ms: torch.Tensor
    found: torch.Tensor

    @property
    def signal(self) -> torch.Tensor:
        """What is to be kept of recorded traces, or put into missing ones, where the prediction counts."""
        kept = torch.where(self.live[..., None], self.degraded - self.target, self.target)
        return kept * self.wanted[..., None]


class Task(Protocol):
    """Makes training pairs of one kind of damage."""

    def pair(self, scenes: Scenes, draws: Draws) -> Pair:
        """Return pairs; `draws` holds one address for each scene."""
        ...


class DemultipleTask:
    """Multiples over the primaries, as strong as they came or not; noise stays in.

    Three scenes in five keep the multiples that follow from their primaries, in strength (within 10 %) and sign. The
    others have them of other strength and either sign, so that no survey's gains are taken for granted: brought to
    between -6 and 12 dB of primaries over multiples before their strength varies, in four of ten growing with offset
    by up to `growth`, as reflections beyond the critical angle do. Primaries are never more than 6 dB under multiples
    before that: 20 dB down, as the shallowest waters have them, they teach nothing but noise. Some scenes have no
    multiples at all: what has none must come back as it is. In three of ten it is not told when multiples begin.
    """

    own = 0.6
    without = 0.06
    untold = 0.3
    growth = 4.0
    early_ms = 80.0
    levels_db = (-6.0, 12.0)

    def pair(self, scenes: Scenes, draws: Draws) -> Pair:
        """Return degraded gathers and their multiples; they are shown in order of offset, never turned."""
        scenes = turned(scenes, draws, share=0.0)
        own = draws.chance("own", self.own)[:, None, None]
        varied = draws.normal("strength", 1, 1)
        strength = torch.where(own, torch.exp(0.1 * varied), torch.exp(0.6 * varied) * _sign(draws, "sign", 0.25))
        strength = strength * ~draws.chance("without", self.without)[:, None, None]
        keep = scenes.primaries + scenes.interbed
        place = (scenes.offset.abs() / scenes.offset.abs().amax(1, keepdim=True).clamp_min(1e-3))[..., None]
        growth = draws.uniform("growth", 1, 1, high=self.growth) * draws.chance("grows", 0.4)[:, None, None]
        grown = within_levels(scenes.surface * (1 + growth * place.square()), keep, *self.levels_db)
        multiples = strength * torch.where(own, no_stronger(scenes.surface, keep, self.levels_db[0]), grown)
        noise = _mixed_noise(scenes, draws)
        pair = _pair(scenes, draws, keep + multiples + noise, multiples, scenes.live, scenes.live)
        first = 2 * scenes.water_ms - scenes.start - draws.uniform("early", low=0.0, high=self.early_ms)
        untold = draws.chance("untold", self.untold) | (scenes.domain == DOMAINS.index("depth"))
        return replace(pair, start_ms=torch.where(untold, -torch.inf, first))


class DenoiseTask:
    """All waves under noise of other strength; one scene in seven is clean."""

    clean = 0.15

    def pair(self, scenes: Scenes, draws: Draws) -> Pair:
        """Return noisy gathers and their noise."""
        scenes = turned(scenes, draws)
        multiples = torch.exp(0.5 * draws.normal("strength", 1, 1)) * scenes.surface
        noise = _mixed_noise(scenes, draws) * ~draws.chance("clean", self.clean)[:, None, None]
        signal = scenes.primaries + scenes.interbed + multiples
        return _pair(scenes, draws, signal + noise, noise, scenes.live, scenes.live)


class InterpolateTask:
    """Gathers with gaps of every kind; what is recorded keeps its noise, what is missing is wanted without."""

    gaps = GapSpec(kinds={"random": 0.5, "regular": 0.25, "block": 0.15, "near": 0.05, "edges": 0.05})

    def pair(self, scenes: Scenes, draws: Draws) -> Pair:
        """Return gathers with gaps and the traces that are missing."""
        scenes = turned(scenes, draws)
        signal = scenes.primaries + scenes.interbed + torch.exp(0.5 * draws.normal("strength", 1, 1)) * scenes.surface
        live = scenes.live & draw_gaps(draws, self.gaps, signal.shape[1])
        missing = ~live
        noisy = (signal + _mixed_noise(scenes, draws)) * live[..., None]
        return _pair(scenes, draws, noisy, signal * missing[..., None], live, missing)


TASKS: dict[str, type[Task]] = {
    "demultiple": DemultipleTask,
    "denoise": DenoiseTask,
    "interpolate": InterpolateTask,
}


def within_levels(part: torch.Tensor, other: torch.Tensor, low_db: float, high_db: float) -> torch.Tensor:
    """Return `part` (scene, trace, sample) scaled so that `other` is between two levels over it.

    Levels in the middle change little, those far outside approach the limits; a part that is zero stays so.
    """
    level = _level_db(other, part)
    middle, width = (low_db + high_db) / 2, high_db - low_db
    wanted = low_db + width * torch.sigmoid((level - middle) * 4 / width)
    return part * 10 ** ((level - wanted) / 20)


def no_stronger(part: torch.Tensor, other: torch.Tensor, low_db: float) -> torch.Tensor:
    """Return `part` (scene, trace, sample), weakened where `other` is less than a level over it."""
    level = _level_db(other, part)
    return part * 10 ** ((level - level.clamp_min(low_db)) / 20)


def _level_db(other: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
    beside, power = (values.square().sum((1, 2), keepdim=True) for values in (other, part))
    return 10 * torch.log10((beside / power.clamp_min(1e-20)).clamp(1e-10, 1e10))


def turned(scenes: Scenes, draws: Draws, share: float = 0.5) -> Scenes:
    """Return scenes of which a share has its traces in the opposite order, and every second one another polarity."""
    backwards = draws.chance("backwards", share)
    sign = _sign(draws, "polarity", 0.5)

    def turn(part: torch.Tensor) -> torch.Tensor:
        chosen = backwards.view(-1, *[1] * (part.ndim - 1))
        return torch.where(chosen, part.flip(1), part)

    parts = {name: sign * turn(getattr(scenes, name)) for name in ("primaries", "interbed", "surface")}
    noise = {kind: sign * turn(part) for kind, part in scenes.noise.items()}
    return replace(scenes, **parts, noise=noise, live=turn(scenes.live), offset=turn(scenes.offset))


def _pair(
    scenes: Scenes, draws: Draws, degraded: torch.Tensor, target: torch.Tensor, live: torch.Tensor, wanted: torch.Tensor
) -> Pair:
    largest = scenes.offset.abs().amax(1) * (1 + 0.3 * draws.uniform("largest") * draws.chance("larger", 0.3))
    degraded = degraded * live[..., None]
    return Pair(
        degraded, target * wanted[..., None], live, wanted, scenes.offset, largest.clamp_min(1e-3), scenes.dt_ms,
        torch.full_like(largest, -torch.inf), torch.zeros_like(degraded),
    )  # fmt: skip


def _mixed_noise(scenes: Scenes, draws: Draws) -> torch.Tensor:
    """Return the sum of all noise of the scenes, each kind at another level and of another sign."""
    total = torch.zeros_like(scenes.primaries)
    for kind, part in scenes.noise.items():
        if kind == "flipped":
            total = total + part
            continue
        strength = torch.exp(0.5 * draws.normal(f"{kind}.level", 1, 1)) * _sign(draws, f"{kind}.sign", 0.5)
        total = total + strength * part
    return total


def _sign(draws: Draws, name: str, share: float) -> torch.Tensor:
    return torch.where(draws.chance(name, share), -1.0, 1.0)[:, None, None]
