"""From arrivals to sampled traces: spikes between samples, wavelet and Q in frequency, values at any time.

Traces are kept at half the sample interval as coefficients of cubic B-splines. Spreading a spike over four samples with
the spline's weights, and reading between samples with them, both multiply a spectrum by sinc^4; dividing by that once
for each leaves an error below (f/(1 - f))^4 at f cycles a half interval (Unser, 1999): 0.2 % at 0.35 cycles a sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len

from seisdiff.synthetic.events import Events
from seisdiff.synthetic.recipe import NOMINAL_DT_MS

FINE_MS = NOMINAL_DT_MS / 2
GUARD_BEFORE = 32  # fine samples before the first and after the last one of a record, for wavelets to ring in
GUARD_AFTER = 144
Q_NODES = 4
Q_REFERENCE_HZ = 60.0


@dataclass(frozen=True)
class Record:
    """The recorded time axis of some scenes: `start_ms` (scene), and how many samples of 4 ms there are."""

    start_ms: torch.Tensor
    samples: int

    @property
    def fine(self) -> int:
        """Length of a trace of spline coefficients."""
        return next_fast_len(2 * self.samples + GUARD_BEFORE + GUARD_AFTER, real=True)  # type: ignore[return-value]

    def frequencies(self) -> torch.Tensor:
        """Return the frequencies (Hz) of a trace's spectrum from 0."""
        return torch.fft.rfftfreq(self.fine, FINE_MS * 1e-3).to(self.start_ms)

    def times(self) -> torch.Tensor:
        """Return the times (scene, fine) in ms of spline coefficients."""
        index = torch.arange(self.fine, device=self.start_ms.device) - GUARD_BEFORE
        return self.start_ms[:, None] + FINE_MS * index

    def positions(self, times: torch.Tensor) -> torch.Tensor:
        """Return where times (scene, ...) in ms lie along a trace of coefficients."""
        start = self.start_ms.view(-1, *[1] * (times.ndim - 1))
        return (times - start) / FINE_MS + GUARD_BEFORE


def spikes(record: Record, events: Events) -> torch.Tensor:
    """Return arrivals as complex spikes (scene, trace, fine): the cosine and the sine of their phase."""
    position = record.positions(events.time)
    before = torch.floor(position)
    inside = (before >= 1) & (before < record.fine - 2)
    weights = _spline(position - before)
    n_scene, _, n_trace = events.time.shape
    row = torch.arange(n_scene * n_trace, device=position.device).view(n_scene, 1, n_trace) * record.fine
    cell = row + before.clamp(1, record.fine - 3).to(torch.int64)
    grid = [torch.zeros(n_scene * n_trace * record.fine, device=position.device) for _ in range(2)]
    for shift, weight in zip((-1, 0, 1, 2), weights, strict=True):
        place, share = (cell + shift).flatten(), weight * inside
        for part, amplitude in zip(grid, (events.real, events.imaginary), strict=True):
            part.index_add_(0, place, (share * amplitude).flatten())
    return torch.complex(*grid).view(n_scene, n_trace, record.fine)


def filtered(record: Record, spike: torch.Tensor, wavelet: torch.Tensor, attenuation: torch.Tensor) -> torch.Tensor:
    """Return spline coefficients (scene, trace, fine) of spikes seen through wavelet and Q.

    `wavelet` is (scene, frequency); `attenuation` (scene, fine) is t* = t/Q in s at each recorded time. The filter
    exp(-pi f t*), with the phase 2 f t* log(f / 60 Hz) that causality asks for (Futterman, 1962; Kolsky, 1956), varies
    with time; it is interpolated between four Chebyshev nodes of t*.
    """
    half = record.fine // 2 + 1
    spectrum = torch.zeros(*spike.shape[:2], half, dtype=torch.complex64, device=spike.device)
    frequency = record.frequencies()
    for node, share in _nodes(attenuation):
        passed = wavelet * _absorption(frequency, node)
        spectrum += torch.fft.fft(spike * share[:, None])[..., :half] * passed[:, None]
    return torch.fft.irfft(spectrum / spline_spectrum(record)[0].square(), n=record.fine)


def spline_spectrum(record: Record) -> torch.Tensor:
    """Return the spectrum (1, frequency) of the cubic B-spline."""
    return torch.sinc(record.frequencies() * FINE_MS * 1e-3)[None] ** 4


def read(coefficients: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Return values of traces (..., fine) at fractional places (..., sample); zero beyond the ends."""
    before = torch.floor(position)
    weights = _spline(position - before)
    count = coefficients.shape[-1]
    inside = (before >= 1) & (before < count - 2)
    index = before.clamp(1, count - 3).to(torch.int64)
    value = torch.zeros_like(position)
    for shift, weight in zip((-1, 0, 1, 2), weights, strict=True):
        value += weight * coefficients.gather(-1, index + shift)
    return value * inside


def _spline(part: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the cubic B-spline's weights of the four samples around a place `part` past the second of them."""
    rest = 1 - part
    outer = part.square() * part / 6
    first = rest.square() * rest / 6
    third = 1 / 6 + 0.5 * part * (1 + part - part.square())
    return first, 1 - first - third - outer, third, outer


def _nodes(attenuation: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return t* of each node (scene, 1), and its weight in the interpolation at every time (scene, fine)."""
    largest = attenuation.amax(1, keepdim=True).clamp_min(1e-6)
    place = attenuation / largest
    at = [0.5 - 0.5 * math.cos(math.pi * k / (Q_NODES - 1)) for k in range(Q_NODES)]
    shares = []
    for k, node in enumerate(at):
        share = torch.ones_like(place)
        for other in (*at[:k], *at[k + 1 :]):
            share = share * (place - other) / (node - other)
        shares.append((node * largest, share))
    return shares


def _absorption(frequency: torch.Tensor, t_star: torch.Tensor) -> torch.Tensor:
    """Return exp(-pi f t*) with its phase, (scene, frequency)."""
    turned = 2 * frequency * torch.log(frequency.clamp_min(0.1) / Q_REFERENCE_HZ) * t_star
    return torch.polar(torch.exp(-math.pi * frequency * t_star), turned)
