"""Gathers of plane waves, exact in the frequency domain, for the tests of methods that rest on them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from seisdiff.restorers.base import Batch

SPACING = 25.0
STEP_MS = 4.0


def plane_waves(
    dips: tuple[float, ...],
    traces: int = 24,
    samples: int = 256,
    top_hz: float = 45.0,
    low_hz: float = 8.0,
) -> Batch:
    """Return band-limited plane waves of the given dips in ms from trace to trace, periodic in time.

    Each has its own random but smooth spectrum from `low_hz` to `top_hz`, centred on the record.
    """
    frequency = torch.fft.rfftfreq(samples, STEP_MS / 1000).double()
    band = (frequency > low_hz) & (frequency < top_hz)
    shape = torch.sin(math.pi * ((frequency - low_hz) / (top_hz - low_hz)).clamp(0, 1)).square() * band
    total = torch.zeros(traces, len(frequency), dtype=torch.complex128)
    place = torch.arange(traces, dtype=torch.float64) - (traces - 1) / 2
    for number, dip in enumerate(dips):
        time = STEP_MS * samples * (0.5 + 0.06 * ((number * 2) % 5 - 2)) + dip * place
        amplitude = 1.0 - 0.3 * (number % 2)
        total += amplitude * shape * torch.exp(-2j * math.pi * frequency * time[:, None] / 1000)
    data = torch.fft.irfft(total, n=samples)
    data = (data / data.square().mean().sqrt()).float()[None]
    offset = (100 + SPACING * torch.arange(traces, dtype=torch.float64))[None]
    times = STEP_MS * torch.arange(samples, dtype=torch.float64)
    return Batch(data, offset, torch.ones(1, traces, dtype=torch.bool), times)


def with_noise(batch: Batch, level: float, seed: int = 0) -> Batch:
    """Return the batch with white noise of standard deviation `level` on its live traces."""
    noise = torch.randn(batch.data.shape, generator=torch.Generator().manual_seed(seed))
    return replace(batch, data=batch.data + level * noise * batch.live[..., None])


def with_dead(batch: Batch, live: torch.Tensor) -> Batch:
    """Return the batch with only the traces `live` (trace) alive, the others zero."""
    return replace(batch, data=batch.data * live[:, None], live=live.expand(batch.live.shape))


def random_live(traces: int, share: float, seed: int = 0) -> torch.Tensor:
    """Return which traces (trace) are alive, a share of them picked at random, the outer ones always."""
    picked = torch.randperm(traces, generator=torch.Generator().manual_seed(seed))[: round(share * traces)]
    live = torch.zeros(traces, dtype=torch.bool)
    live[picked] = True
    live[[0, -1]] = True
    return live


def decibels(truth: torch.Tensor, estimate: torch.Tensor) -> float:
    """Return the signal-to-noise ratio of an estimate."""
    return float(10 * torch.log10(truth.square().sum() / (truth - estimate).square().sum().clamp_min(1e-30)))
