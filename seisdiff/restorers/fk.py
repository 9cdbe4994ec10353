"""Filters in f-k: a threshold against random noise, and a fan of slownesses against dipping noise."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field, model_validator

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import Task
from seisdiff.restorers.windows import (
    Band,
    BandSpec,
    TraceOrder,
    in_parts,
    live_by_offset,
    noise_power,
    sample_step,
    smooth_windows,
    time_windows,
    trace_windows,
)

WIDEST = 4096


class FkSpec(BandSpec):
    """Options of the f-k filters; times in ms, frequencies in Hz, slownesses in ms/m."""

    mode: Literal["threshold", "fan"] = Field(
        default="threshold", description="against random or against dipping noise"
    )
    threshold: float = Field(default=2.0, ge=0, le=100, description="of threshold: times the power of the noise")
    window_traces: int = Field(default=8, ge=2, le=256, description="of threshold: live traces in a window")
    window_ms: float = Field(default=400.0, gt=0, le=1e5, description="of threshold: length of a window")
    slowness_ms_m: tuple[float, float] = Field(
        default=(-0.7, 0.7), description="of fan: what passes, positive later with offset; 0.67 is water, 1500 m/s"
    )
    taper: float = Field(default=0.2, ge=0, le=5, description="of fan: width of its edges over half of its width")

    @model_validator(mode="after")
    def _fan_is_open(self) -> FkSpec:
        low, high = self.slowness_ms_m
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"slowness_ms_m must grow and be finite; got {low:g}, {high:g}")
        return self


class FkRestorer:
    """f-k filters for denoise; the live traces, in order of offset, are taken as an even sequence.

    `threshold`: in windows tapered by sines, each spectral value is weighted by 1 - threshold * noise / power, zero if
    negative (the spectral subtraction of Boll, 1979, in f-k). `fan`: over the whole gather, slownesses outside of the
    fan are taken out, as far as they are not aliased (Embree, Burg and Backus, 1963).
    """

    def __init__(self, task: Task, spec: FkSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        if task != "denoise":
            raise OptionError(f"fk does denoise only; got {task}")
        self.spec = spec

    def restore(self, batch: Batch) -> Restored:
        """Return what the filter passes of the live traces."""
        return Restored(in_parts(batch, self._thresholded if self.spec.mode == "threshold" else self._fanned))

    def _thresholded(self, batch: Batch) -> torch.Tensor:
        spec = self.spec
        time = time_windows(batch.times, spec.window_ms)
        band = spec.band(time.length, sample_step(batch.times))
        total = torch.zeros_like(batch.data)
        for windows in trace_windows(live_by_offset(batch), spec.window_traces, samples=batch.data.shape[-1]):
            taper = windows.weight.sqrt()[..., None]
            spectra = band.spectra(time.cut(windows.cut(batch.data) * taper))
            changed = band.replaced(spectra, self._shrunk(band.inner(spectra)), spec.outside)
            smooth_windows(windows).add(total, time.merge(band.pieces(changed, time.length)))
        return total

    def _shrunk(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return spectra (window, place, time window, frequency) less what may be noise."""
        traces = spectra.shape[1]
        if not spectra.numel():
            return spectra
        plane = torch.fft.fft(spectra, n=2 * traces, dim=1)
        power = plane.real.square() + plane.imag.square()
        typical = noise_power(power.median(dim=1).values)[:, None] / math.log(2)
        weight = 1 - self.spec.threshold * typical / smoothed(power).clamp_min(torch.finfo(power.dtype).tiny)
        weight = torch.where(power > 0, weight.clamp_min(0), 0)
        return torch.fft.ifft(plane * weight, dim=1)[:, :traces]

    def _fanned(self, batch: Batch) -> torch.Tensor:
        step_ms, length = sample_step(batch.times), batch.data.shape[-1]
        band = self.spec.band(length + length // 2, step_ms)
        order = live_by_offset(batch)
        spacing = trace_spacing(batch.offset, order)
        total = torch.zeros_like(batch.data)
        for windows in trace_windows(order, WIDEST):
            spectra = band.spectra(windows.cut(batch.data))
            plane = torch.fft.fft(band.inner(spectra), n=2 * spectra.shape[1], dim=1)
            plane = plane * self._fan(band, step_ms, plane.shape[1], spacing[windows.gather]).to(plane)
            passed = torch.fft.ifft(plane, dim=1)[:, : spectra.shape[1]]
            windows.add(total, band.pieces(band.replaced(spectra, passed, self.spec.outside), length))
        return total

    def _fan(self, band: Band, step_ms: float, waves: int, spacing: torch.Tensor) -> torch.Tensor:
        """Return the weight (window, wavenumber, frequency) of a fan with raised-cosine edges outside of it."""
        low, high = self.spec.slowness_ms_m
        frequency = torch.arange(band.first, band.stop, device=spacing.device) / (band.points * step_ms)
        wave = torch.fft.fftfreq(waves, device=spacing.device, dtype=torch.float64)
        moveout = -wave[:, None] / frequency.clamp_min(1e-12)
        slowness = moveout / spacing[:, None, None].clamp_min(1e-9)
        beyond = torch.maximum(low - slowness, slowness - high).clamp_min(0) / (high - low) * 2
        weight = 0.5 + 0.5 * torch.cos(math.pi * (beyond / max(self.spec.taper, 1e-9)).clamp_max(1))
        return torch.where(frequency > 0, weight, 1.0)


def smoothed(power: torch.Tensor) -> torch.Tensor:
    """Return the mean of 3 x 3 neighbours in wavenumber (which is periodic) and frequency.

    `power` is (window, wavenumber, time window, frequency).
    """
    planes = power.transpose(1, 2).flatten(0, 1)[:, None]
    planes = torch.nn.functional.pad(planes, (0, 0, 1, 1), mode="circular")
    planes = torch.nn.functional.pad(planes, (1, 1, 0, 0), mode="replicate")
    means = torch.nn.functional.avg_pool2d(planes, 3, 1)[:, 0]
    return means.unflatten(0, (power.shape[0], power.shape[2])).transpose(1, 2)


def trace_spacing(offset: torch.Tensor, order: TraceOrder) -> torch.Tensor:
    """Return the median distance (gather) in m of traces that are neighbours in the order; zero where there is none."""
    ordered = offset.double().gather(1, order.order)
    step = ordered.diff(dim=1).abs()
    number = torch.arange(step.shape[1], device=offset.device)
    step = torch.where(number < (order.count - 1)[:, None], step, math.nan)
    if not step.shape[1]:
        return step.new_zeros(len(step))
    return step.nanmedian(dim=1).values.nan_to_num(0.0)
