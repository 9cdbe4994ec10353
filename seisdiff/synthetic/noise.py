"""Random noise of every kind, made at recorded time, so that processing treats it like the waves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import NOMINAL_DT_MS
from seisdiff.synthetic.traces import Record, spline_spectrum
from seisdiff.synthetic.wavelet import band_spectrum, ricker_spectrum

NYQUIST_HZ = 500 / NOMINAL_DT_MS
AIR_VELOCITY = 335.0
SMOOTH_NODES = 12


class Ground(NamedTuple):
    """What noise is made upon: random numbers of its own, the record, and trace positions (scene, trace) in m."""

    draws: Draws
    record: Record
    place: torch.Tensor


def noise_coefficients(kind: str, ground: Ground) -> torch.Tensor:
    """Return spline coefficients (scene, trace, fine) of one kind of noise, of any strength."""
    spectrum, envelope = _KINDS[kind](ground)
    spectrum = spectrum * _low_cut(ground)
    count = ground.record.fine
    samples = torch.fft.irfft(spectrum / spline_spectrum(ground.record), n=count)
    return samples if envelope is None else samples * envelope


def _low_cut(ground: Ground) -> torch.Tensor:
    """Return the response (scene, 1, frequency) of a recorder's filter against what is slower than 1 to 4 Hz."""
    corner = ground.draws.uniform("low_cut", 1, 1, low=1.0, high=4.0)
    ratio = (ground.record.frequencies() / corner).square()
    return ratio / (1 + ratio)


def flipped_traces(draws: Draws, traces: int) -> torch.Tensor:
    """Return bool (scene, trace): one trace in 10 to 30, at least one, whose polarity is wrong."""
    share = draws.uniform("flipped.share", 1, low=0.03, high=0.1)
    chance = draws.uniform("flipped.trace", traces)
    return (chance < share) | (chance == chance.amin(1, keepdim=True))


Noise = tuple[torch.Tensor, torch.Tensor | None]


def _gauss(ground: Ground) -> torch.Tensor:
    """Return a white complex spectrum (scene, trace, frequency), zero above the Nyquist frequency of the record."""
    frequency = ground.record.frequencies()
    used = int((frequency < NYQUIST_HZ).sum())
    both = ground.draws.normal("gauss", ground.place.shape[1], 2, used)
    spectrum = torch.zeros(*ground.place.shape, len(frequency), dtype=torch.complex64, device=frequency.device)
    spectrum[..., :used] = torch.complex(both[:, :, 0], both[:, :, 1])
    return spectrum


def _white(ground: Ground) -> Noise:
    return _gauss(ground), None


def _coloured(ground: Ground) -> Noise:
    """Power falls as f^-2a, a from 0.3 to 2, or with two bumps."""
    frequency = ground.record.frequencies()
    power = ground.draws.uniform("colour", 1, low=0.3, high=2.0)
    shape = (frequency.clamp_min(2.0) / 10) ** -power
    bump = torch.exp(-(((frequency - ground.draws.uniform("bump", 1, low=5.0, high=90.0)) / 12.0) ** 2))
    return _gauss(ground) * (shape + ground.draws.uniform("bump.size", 1, low=0.0, high=3.0) * bump)[:, None], None


def _band(ground: Ground) -> Noise:
    low = ground.draws.log_uniform("low", 1, low=2.0, high=50.0)
    high = (low * ground.draws.uniform("width", 1, low=1.3, high=5.0)).clamp_max(115.0)
    corners = torch.cat([0.7 * low, low, high, 1.2 * high], dim=1)
    return _gauss(ground) * band_spectrum(ground.record.frequencies(), corners)[:, None], None


def _tracewise(ground: Ground) -> Noise:
    """White to red noise whose strength varies from trace to trace by a factor of up to ten."""
    wild = ground.draws.uniform("wild", 1, low=0.4, high=1.3) * ground.draws.normal("trace", ground.place.shape[1])
    frequency = ground.record.frequencies().clamp_min(3.0)
    colour = (frequency / 10) ** -ground.draws.uniform("colour", 1, low=0.0, high=1.2)
    return _gauss(ground) * colour[:, None] * torch.exp(wild)[..., None], None


def _swell(ground: Ground) -> Noise:
    """Low frequencies in bursts: runs of traces, each for some time."""
    draws, frequency = ground.draws, ground.record.frequencies()
    peak = draws.uniform("peak", 1, low=2.0, high=9.0)
    shape = ricker_spectrum(frequency, peak) * torch.exp(-((frequency / 16) ** 4))
    runs = torch.exp(1.5 * draws.curve("runs", SMOOTH_NODES, count=ground.place.shape[1]))
    runs = runs * torch.exp(0.5 * draws.normal("each", ground.place.shape[1]))
    return _gauss(ground) * shape[:, None] * runs[..., None], _slow_envelope(ground, 1.0)


def _strum(ground: Ground) -> Noise:
    """Cable strum: a narrow low band, alike on neighbouring traces, dying out along the cable."""
    draws, frequency = ground.draws, ground.record.frequencies()
    peak = draws.uniform("peak", 1, low=3.0, high=12.0)
    shape = torch.exp(-(((frequency - peak) / draws.uniform("width", 1, low=0.4, high=1.5)) ** 2))
    far = ground.place - ground.place.amin(1, keepdim=True)
    far = far / far.amax(1, keepdim=True).clamp_min(1.0)
    size = torch.exp(-far * draws.uniform("decay", 1, low=0.5, high=6.0))
    slowness = draws.uniform("slowness", 1, low=-2e-3, high=2e-3)
    common = _gauss(ground._replace(place=ground.place[:, :1]))
    delay = _delayed(frequency, slowness * (ground.place - ground.place[:, :1]))
    return common * shape[:, None] * delay * size[..., None], _slow_envelope(ground, 0.6)


def _ground_roll(ground: Ground) -> Noise:
    """Three dispersive modes of surface waves, aliased where traces are far apart, scattered by the near surface."""
    draws, frequency = ground.draws, ground.record.frequencies()
    distance = ground.place.abs()
    scatter = draws.uniform("scatter", 1, low=0.0, high=6.0) * draws.normal("statics", distance.shape[1])
    total = torch.zeros(*distance.shape, len(frequency), dtype=torch.complex64, device=frequency.device)
    for mode in range(3):
        part = draws.within(f"mode{mode}")
        slow = part.uniform("slow", 1, low=150.0 + 120 * mode, high=700.0 + 300 * mode)
        fast = slow * part.uniform("fast", 1, low=1.1, high=2.2)
        turn = part.uniform("turn", 1, low=4.0, high=14.0)
        velocity = slow + (fast - slow) / (1 + (frequency / turn).square())
        peak = part.uniform("peak", 1, low=5.0, high=18.0)
        shape = ricker_spectrum(frequency, peak) * part.uniform("size", 1, low=0.2, high=1.0)
        lost = (frequency / peak)[:, None] * part.uniform("loss", 1, 1, low=1e-5, high=6e-4)
        size = torch.exp(-distance[..., None] * lost) * torch.rsqrt(distance.clamp_min(50.0))[..., None]
        cycles = frequency * (distance[..., None] / velocity[:, None] + 1e-3 * scatter[..., None])
        size = size * _within(ground.record, torch.gradient(cycles, dim=-1)[0] / frequency[1])
        total += torch.polar(shape[:, None] * size, -2 * math.pi * cycles)
    return total * _signed_start(ground), None


def _air_wave(ground: Ground) -> Noise:
    draws, frequency = ground.draws, ground.record.frequencies()
    peak = draws.uniform("peak", 1, low=25.0, high=70.0)
    shape = ricker_spectrum(frequency, peak) * torch.exp(-((frequency / 105) ** 8))
    delay = ground.place.abs() / (AIR_VELOCITY * draws.uniform("speed", 1, low=0.97, high=1.05))
    size = torch.exp(0.4 * draws.normal("trace", ground.place.shape[1])) / ground.place.abs().clamp_min(50.0).sqrt()
    size = size * _within(ground.record, delay)
    return shape[:, None] * _delayed(frequency, delay) * size[..., None] * _signed_start(ground), None


def _linear(ground: Ground) -> Noise:
    """Straight events of either slope: rig and ship noise, side scatter, guided waves."""
    draws, frequency = ground.draws, ground.record.frequencies()
    peak = draws.log_uniform("peak", 1, low=8.0, high=45.0)
    shape = ricker_spectrum(frequency, peak)
    total = torch.zeros(*ground.place.shape, len(frequency), dtype=torch.complex64, device=frequency.device)
    length = 1e-3 * NOMINAL_DT_MS * ground.record.samples
    for event in range(6):
        part = draws.within(f"event{event}")
        slowness = part.normal("side", 1).sign() / part.log_uniform("speed", 1, low=700.0, high=6000.0)
        middle = ground.place.mean(1, keepdim=True)
        delay = length * part.uniform("time", 1) + slowness * (ground.place - middle)
        inside = (delay > 0) & (delay < length)
        size = inside * part.normal("size", 1)
        total += shape[:, None] * _delayed(frequency, delay) * size[..., None]
    return total * _signed_start(ground, 0.0), None


def _erratic(ground: Ground) -> Noise:
    """Spikes and bursts on a few traces."""
    draws, record = ground.draws, ground.record
    traces, fine = ground.place.shape[1], record.fine
    chance = draws.uniform("trace", traces)
    hit = (chance < draws.uniform("share", 1, low=0.02, high=0.2)) | (chance == chance.amin(1, keepdim=True))
    size = hit * torch.exp(1.0 * draws.normal("size", traces))
    middle = draws.uniform("time", traces, 1, low=0.1, high=0.8) * fine
    width = draws.log_uniform("width", traces, 1, low=2.0, high=400.0)
    burst = torch.exp(-(((torch.arange(fine, device=middle.device) - middle) / width) ** 2))
    frequency = record.frequencies()
    colour = torch.exp(-((frequency / draws.uniform("band", 1, low=30.0, high=120.0)) ** 4))
    return _gauss(ground) * colour[:, None], burst * size[..., None]


def _hum(ground: Ground) -> Noise:
    """One frequency throughout, of a strength that varies along the spread."""
    draws, record = ground.draws, ground.record
    frequency = record.frequencies()
    at = draws.uniform("frequency", low=14.0, high=70.0)
    line = torch.zeros_like(frequency).expand(len(at), -1).clone()
    bin_ = (at / frequency[1]).round().to(torch.int64)
    line.scatter_(1, bin_[:, None], 1.0)
    traces = ground.place.shape[1]
    size = torch.exp(draws.curve("size", SMOOTH_NODES, count=traces))
    phase = 2 * math.pi * draws.uniform("phase", 1) + 0.5 * draws.curve("turn", SMOOTH_NODES, count=traces)
    return torch.polar(size, phase)[..., None] * line[:, None], None


def _within(record: Record, delay_s: torch.Tensor) -> torch.Tensor:
    """Return weights that fade what arrives outside of the record, which would come in again at its other end."""
    start = 1e-3 * record.start_ms.view(-1, *[1] * (delay_s.ndim - 1))
    end = start + 1e-3 * NOMINAL_DT_MS * record.samples
    return ((end + 0.1 - delay_s) / 0.1).clamp(0, 1) * ((delay_s - start + 0.05) / 0.05).clamp(0, 1)


def _slow_envelope(ground: Ground, roughness: float) -> torch.Tensor:
    """Return a smooth positive envelope (scene, 1, fine) in time."""
    curve = ground.draws.curve("envelope", SMOOTH_NODES, count=ground.record.fine)
    return torch.exp(roughness * curve)[:, None]


def _delayed(frequency: torch.Tensor, delay_s: torch.Tensor) -> torch.Tensor:
    phase = -2 * math.pi * delay_s[..., None] * frequency
    return torch.polar(torch.ones((), device=phase.device), phase)


def _signed_start(ground: Ground, origin_ms: float | None = None) -> torch.Tensor:
    """Return the phase (scene, 1, frequency) that moves time 0 to its place in a trace, with a random rotation."""
    position = ground.record.positions(torch.zeros_like(ground.record.start_ms))
    if origin_ms is not None:
        position = ground.record.positions(ground.record.start_ms + origin_ms)
    turned = 2 * math.pi * ground.draws.uniform("rotation")
    frequency = ground.record.frequencies()
    fine_s = 1e-3 * NOMINAL_DT_MS / 2
    phase = turned[:, None] - 2 * math.pi * frequency * fine_s * position[:, None]
    return torch.polar(torch.ones((), device=phase.device), phase)[:, None]


_KINDS: dict[str, Callable[[Ground], Noise]] = {
    "white": _white,
    "coloured": _coloured,
    "band": _band,
    "tracewise": _tracewise,
    "swell": _swell,
    "strum": _strum,
    "ground_roll": _ground_roll,
    "air_wave": _air_wave,
    "linear": _linear,
    "erratic": _erratic,
    "hum": _hum,
}
