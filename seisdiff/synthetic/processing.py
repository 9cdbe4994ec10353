"""What processing does to recorded gathers: moveout correction with picked velocities, mutes, gain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.earth import Earth
from seisdiff.synthetic.events import interpolate_rows
from seisdiff.synthetic.recipe import NOMINAL_DT_MS, ProcessingSpec

TAPER_SAMPLES = (4.0, 16.0)
SLOWEST, FASTEST = 1400.0, 7500.0
QUIET = 1e-4  # of the largest mean square in a gather, far below which nothing is gained
SMOOTH_SAMPLES = 61  # of the running means of interval velocities


@dataclass(frozen=True)
class Picture:
    """How recorded gathers become the ones that are looked at.

    `times` (scene, trace, sample) are the recorded times (ms) that each sample is taken from, `mute` what it is
    multiplied by, `velocity` (scene, sample) the velocities of the correction, `vertical` (scene, sample) the
    zero-offset times; `lateral` (scene, trace, sample) is the trace number to read at where traces are angles, else
    None.
    """

    times: torch.Tensor
    mute: torch.Tensor
    velocity: torch.Tensor
    vertical: torch.Tensor
    lateral: torch.Tensor | None

    def take(self, scenes: torch.Tensor) -> Picture:
        """Return the picture of some of the scenes."""
        lateral = None if self.lateral is None else self.lateral[scenes]
        return Picture(self.times[scenes], self.mute[scenes], self.velocity[scenes], self.vertical[scenes], lateral)


def rms_velocities(earth: Earth, moments: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return RMS velocities (m/s) at zero-offset times (scene, sample): linear in t v^2 between reflectors."""
    t0 = torch.cat([torch.zeros_like(moments[:, 0, :1]), moments[:, 0]], dim=1)
    energy = torch.cat([torch.zeros_like(moments[:, 1, :1]), moments[:, 1]], dim=1)
    below = earth.velocity[:, -1:].square() * (times - t0[:, -1:]).clamp_min(0)
    inside = interpolate_rows(t0, energy, times) + below
    return torch.sqrt((inside / times.clamp_min(1e-3)).clamp_min(1.0)).where(times > 1e-3, earth.velocity[:, :1])


def draw_velocities(
    draws: Draws, spec: ProcessingSpec, earth: Earth, moments: torch.Tensor, vertical: torch.Tensor
) -> torch.Tensor:
    """Return picked velocities (scene, sample): a few picks of the true RMS velocity, each of them somewhat wrong."""
    place = torch.linspace(0, 1, spec.picks, device=vertical.device) ** 1.5
    low, high = vertical[:, :1], vertical[:, -1:]
    at = low + (high - low) * place
    wrong = draws.uniform("velocity.error", 1, low=spec.velocity_error[0], high=spec.velocity_error[1])
    trend = draws.uniform("velocity.trend", 1, low=-1.0, high=1.0)
    error = wrong * (0.7 * trend + 0.3 * draws.uniform("velocity.picks", spec.picks, low=-1.0, high=1.0))
    picked = rms_velocities(earth, moments, at.clamp_min(1.0)) * (1 + error)
    return interpolate_rows(at, picked, vertical)


def corrected(
    offset: torch.Tensor, velocity: torch.Tensor, vertical: torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    """Return recorded times t(x) = sqrt(t0^2 + (x/v)^2), (scene, trace, sample); t0 itself where not `wanted`."""
    delay = 1e3 * offset[..., None] / velocity[:, None]
    times = torch.sqrt(vertical[:, None].square() + delay.square())
    return torch.where(wanted[:, None, None], times, vertical[:, None])


def stretch_mute(
    times: torch.Tensor, vertical: torch.Tensor, stretch: torch.Tensor, taper: torch.Tensor, careful: torch.Tensor
) -> torch.Tensor:
    """Return weights (scene, trace, sample): 0 where traces are stretched too far, 1 past a cosine taper.

    `stretch` (scene) is 0.5 for half as long again, `taper` (scene) is in samples. `careful` (scene) mutes down to the
    last sample stretched too far; else only down to the first that is not, which leaves crossing events in.
    """
    slope = torch.diff(times, dim=-1) / torch.diff(vertical, dim=-1).clamp_min(1e-6)[:, None]
    bad = torch.cat([slope, slope[..., -1:]], dim=-1) < 1 / (1 + stretch[:, None, None])
    index = torch.arange(1, times.shape[-1] + 1, device=times.device)
    last = (bad * index).amax(dim=-1, keepdim=True)
    first = bad.to(torch.int32).cumprod(dim=-1).sum(dim=-1, keepdim=True)
    below = index - torch.where(careful[:, None, None], last, first)
    return 0.5 - 0.5 * torch.cos(math.pi * (below / taper[:, None, None]).clamp(0, 1))


def angle_traces(
    offset: torch.Tensor, velocity: torch.Tensor, vertical: torch.Tensor, widest_deg: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return angles (scene, trace) in degrees, and the trace number at which each of their samples is to be read.

    An angle belongs to the offset x = p v^2 t0 / sqrt(1 - p^2 v^2), p = sin(angle) / v_int; -1 beyond the spread.
    """
    interval = _interval_velocities(velocity, vertical)
    for _ in range(2):
        wide = torch.nn.functional.pad(interval[:, None], (SMOOTH_SAMPLES // 2,) * 2, mode="replicate")
        interval = torch.nn.functional.avg_pool1d(wide, SMOOTH_SAMPLES, stride=1)[:, 0]
    angle = widest_deg[:, None] * torch.linspace(0.04, 1, offset.shape[1], device=offset.device)
    pv = torch.sin(torch.deg2rad(angle))[..., None] * (velocity / interval)[:, None]
    x = 1e-3 * (velocity * vertical)[:, None] * pv / torch.sqrt((1 - pv.square()).clamp_min(1e-3))
    number = torch.arange(offset.shape[1], device=offset.device, dtype=offset.dtype).expand_as(offset)
    rising = offset.abs().sort(dim=1).values
    place = interpolate_rows(rising, number, x.flatten(1)).view_as(x)
    return angle, torch.where(x > rising[:, -1:, None], -1.0, place)


def read_across(gathers: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return gathers (scene, ..., trace, sample) read at trace numbers (scene, trace, sample); zero where negative."""
    before = place.floor().clamp(0, gathers.shape[-2] - 2)
    part, index = (place - before), before.to(torch.int64)
    while index.ndim < gathers.ndim:
        index, part, place = index[:, None], part[:, None], place[:, None]
    index = index.expand_as(gathers)
    value = torch.lerp(gathers.gather(-2, index), gathers.gather(-2, index + 1), part)
    return value * (place >= 0)


def depth_times(velocity: torch.Tensor, vertical: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return even depths (scene, sample) in m down to the last time, and the vertical times (ms) they stand for."""
    step = 0.5e-3 * torch.diff(vertical, dim=1) * _interval_velocities(velocity, vertical)[:, :-1]
    depth = torch.cat([0.5e-3 * vertical[:, :1] * velocity[:, :1], step], dim=1).cumsum(1)
    even = depth[:, :1] + (depth[:, -1:] - depth[:, :1]) * torch.linspace(0, 1, vertical.shape[1]).to(depth)
    return even, interpolate_rows(depth, vertical, even)


def _interval_velocities(velocity: torch.Tensor, vertical: torch.Tensor) -> torch.Tensor:
    """Return interval velocities (scene, sample) of RMS velocities (Dix, 1955)."""
    energy = vertical * velocity.square()
    interval = torch.sqrt((torch.diff(energy, dim=1) / torch.diff(vertical, dim=1)).clamp(SLOWEST**2, FASTEST**2))
    return torch.cat([interval, interval[:, -1:]], dim=1)


def automatic_gain(total: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
    """Return gains 1/rms (scene, trace, sample) in running windows of `samples` (scene); 0 where there is nothing."""
    power = torch.nn.functional.pad(total.double().square().cumsum(-1), (1, 0))
    count = torch.nn.functional.pad((total != 0).float().cumsum(-1), (1, 0))
    index = torch.arange(total.shape[-1], device=total.device)
    half = (samples[:, None] / 2).round().to(torch.int64).clamp_min(1)
    low = (index - half).clamp_min(0)[:, None].expand_as(total)
    high = (index + half + 1).clamp_max(total.shape[-1])[:, None].expand_as(total)
    mean = (power.gather(-1, high) - power.gather(-1, low)) / (
        count.gather(-1, high) - count.gather(-1, low)
    ).clamp_min(1)
    mean = mean.to(total)
    largest = mean.flatten(1).amax(1)[:, None, None]
    return torch.where(largest > 0, torch.rsqrt((mean + QUIET * largest).clamp_min(1e-30)), 0.0)


def draw_times(draws: Draws, spec: ProcessingSpec) -> torch.Tensor:
    """Return the time (scene) in ms of the first sample: 0, or later for windows from further down."""
    late = draws.uniform("late", low=spec.late_ms[0], high=spec.late_ms[1])
    late = (late / NOMINAL_DT_MS).round() * NOMINAL_DT_MS
    return torch.where(draws.chance("late.there", spec.late_start), late, 0.0)
