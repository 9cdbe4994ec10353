"""Interpolation by projection onto convex sets: events are few in f-k, and recorded traces are as they were."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pydantic import Field

from seisdiff.errors import OptionError
from seisdiff.operators.fft import fast_length
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.fk import trace_spacing
from seisdiff.restorers.radon import Task
from seisdiff.restorers.windows import (
    Band,
    BandSpec,
    TimeWindows,
    TraceWindows,
    in_parts,
    sample_step,
    time_windows,
    trace_windows,
    whole_grid,
)

FIRST_THRESHOLD = 0.95
LOW_SHARE = 0.4  # of the power: frequencies up to there tell the dips
REST = 10  # iterations until the dips are looked at again
MOST_SLOPES = 400


class PocsSpec(BandSpec):
    """Options of POCS interpolation; times in ms, frequencies in Hz, slownesses in ms/m."""

    iterations: int = Field(default=40, ge=2, le=1000)
    last_threshold: float = Field(default=0.01, gt=0, lt=0.95, description="relative to the largest spectral value")
    dip_power: float = Field(
        default=1.0, ge=0, le=8, description="how firmly high frequencies follow the dips of low ones; 0: not at all"
    )
    max_slowness_ms_m: float = Field(default=0.75, gt=0, le=100, description="the steepest dip; 0.67 is water")
    window_traces: int = Field(default=10, ge=3, le=256, description="traces in a window, dead ones included")
    window_ms: float = Field(default=400.0, gt=0, le=1e5, description="length of a window")


class PocsRestorer:
    """Interpolation by POCS (Abma and Kabir, 2006) in windows, with a falling threshold (Gao et al., 2010).

    All traces, in the order given, are taken as an even grid of which any may be missing. At each turn the f-k spectrum
    of a window is shrunk below the threshold, and the live traces are put back. Where gaps or their regularity alias
    the spectrum, its values are weighted, for the threshold alone, by the power that their dip has at low frequencies
    (as Naghizadeh, 2012), so that regular gaps are filled too.
    """

    def __init__(self, task: Task, spec: PocsSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        if task != "interpolate":
            raise OptionError(f"pocs does interpolate only; got {task}")
        self.spec = spec

    def restore(self, batch: Batch) -> Restored:
        """Return the gathers with their dead traces filled, the live ones as they are."""
        filled = in_parts(batch, self._filled)
        return Restored(torch.where(batch.live[..., None], batch.data, filled))

    def _filled(self, batch: Batch) -> torch.Tensor:
        spec = self.spec
        step_ms, grid = sample_step(batch.times), whole_grid(batch)
        time = time_windows(batch.times, spec.window_ms)
        band = spec.band(time.length, step_ms)
        steepest = (spec.max_slowness_ms_m * trace_spacing(batch.offset, grid)).clamp_min(step_ms)
        total = torch.zeros_like(batch.data)
        for windows in trace_windows(grid, spec.window_traces, samples=batch.data.shape[-1]):
            for part, limit in _of_one_limit(windows, steepest):
                dips = DipWeights.make(band, step_ms, part.trace.shape[1], limit)
                part.add(total, self._window(part, batch, time, band, dips))
        return total

    def _window(
        self, windows: TraceWindows, batch: Batch, time: TimeWindows, band: Band, dips: DipWeights
    ) -> torch.Tensor:
        """Return the filled pieces (window, place, time)."""
        spectra = band.spectra(time.cut(windows.cut(batch.data)))
        inner = band.inner(spectra).permute(0, 2, 3, 1)
        filled = self._projected(inner, windows.cut(batch.live)[:, None, None], dips) if inner.numel() else inner
        return time.merge(band.pieces(band.replaced(spectra, filled.permute(0, 3, 1, 2), "cut"), time.length))

    def _projected(self, spectra: torch.Tensor, live: torch.Tensor, dips: DipWeights) -> torch.Tensor:
        """Return spectra (window, time window, frequency, place) with the traces that are not live filled.

        The window is followed by as many traces again that count as missing, so that nothing must be periodic.
        """
        spec, traces = self.spec, spectra.shape[-1]
        spectra = torch.nn.functional.pad(spectra, (0, dips.waves - traces)).contiguous()
        live = torch.nn.functional.pad(live, (0, dips.waves - traces))
        ratio = (spec.last_threshold / FIRST_THRESHOLD) ** (1 / (spec.iterations - 1))
        current, weights, largest = spectra, spectra.real * 0 + 1, spectra.real * 0
        for turn in range(spec.iterations):
            if turn % REST == 0 and spec.dip_power > 0:
                weights = dips.of(current[..., :traces], spec.dip_power)
            plane = torch.fft.fft(current)
            size = plane.abs() * weights
            largest = size.amax((-2, -1), keepdim=True) if turn == 0 else largest
            lowest = FIRST_THRESHOLD * ratio**turn * largest
            kept = 1 - (lowest / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp_max(1).square()
            current = torch.where(live, spectra, torch.fft.ifft(plane * kept))
        return current[..., :traces]


@dataclass(frozen=True)
class DipWeights:
    """How much of a window's power lies on each dip, and which dips a wavenumber may stand for.

    `steer` (frequency, place, dip) aligns a dip, `dip` (frequency, wavenumber, alias) numbers the dips whose alias the
    wavenumber is; the number after the last stands for none.
    """

    steer: torch.Tensor
    dip: torch.Tensor

    @property
    def waves(self) -> int:
        """Wavenumbers of the padded window."""
        return self.dip.shape[1]

    @classmethod
    def make(cls, band: Band, step_ms: float, traces: int, limit: float) -> DipWeights:
        """Return the weights of windows of `traces` with dips up to `limit` (ms from trace to trace)."""
        frequency = torch.arange(band.first, band.stop, dtype=torch.float64) / (band.points * step_ms)
        step = max(2 * step_ms / traces, 2 * limit / MOST_SLOPES)
        most = math.ceil(limit / step)
        dips = step * torch.arange(-most, most + 1, dtype=torch.float64)
        angle = 2 * math.pi * frequency[:, None, None] * dips * torch.arange(traces)[:, None]
        waves = fast_length(2 * traces, real=False)
        turns = math.ceil(float(frequency[-1:].sum()) * limit) + 1
        wave = torch.arange(waves)[:, None] / waves + torch.arange(-turns, turns + 1)
        number = torch.round(-wave / frequency.clamp_min(1e-9)[:, None, None] / step) + most
        inside = (number >= 0) & (number < len(dips))
        return cls(torch.polar(torch.ones_like(angle), angle).to(torch.complex64),
                   torch.where(inside, number, len(dips)).long())  # fmt: skip

    def of(self, spectra: torch.Tensor, power: float) -> torch.Tensor:
        """Return weights (window, time window, frequency, wavenumber) from 0 to 1.

        `spectra` is (window, time window, frequency, place). The power of a dip is that of its stack, over the
        lower frequencies; a wavenumber has that of the strongest dip whose alias it is.
        """
        strength = spectra.abs().square().sum(dim=-1)
        low = strength.cumsum(-1) <= LOW_SHARE * strength.sum(-1, keepdim=True).clamp_min(1e-30)
        stacks = torch.einsum("wtfx,fxp->wtfp", spectra * low[..., None], self.steer.to(spectra))
        energy = stacks.abs().square().sum(dim=2)
        largest = energy.amax(dim=-1, keepdim=True).clamp_min(torch.finfo(energy.dtype).tiny)
        relative = torch.nn.functional.pad((energy / largest).pow(power), (0, 1))
        dip = self.dip.to(spectra.device)
        weights = relative[..., dip[..., 0]]
        for alias in range(1, dip.shape[-1]):
            weights = torch.maximum(weights, relative[..., dip[..., alias]])
        return weights


def _of_one_limit(windows: TraceWindows, steepest: torch.Tensor) -> Iterator[tuple[TraceWindows, float]]:
    """Yield the windows whose gathers (`steepest` is one value of each) have the same steepest dip."""
    limits = steepest[windows.gather]
    for limit in limits.unique().tolist():
        chosen = limits == limit
        yield TraceWindows(windows.gather[chosen], windows.trace[chosen], windows.weight[chosen]), limit
