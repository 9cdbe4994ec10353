"""Median filters along the local dip: noise smoothed, spikes replaced, loud bursts of some frequencies damped."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.fk import trace_spacing
from seisdiff.restorers.radon import Task
from seisdiff.restorers.windows import BandSpec, TraceOrder, in_parts, live_by_offset, sample_step, time_windows

FINER = 4  # samples between samples, where neighbours are read
MOST_DIPS = 81
DIP_STEP = 0.5  # samples from trace to trace
AVERAGED_MS = 80.0  # dips and noise levels are those of this much time
DEVIATION = 1.4826  # standard deviations in a median deviation


class MedianSpec(BandSpec):
    """Options of the median filters; times in ms, frequencies in Hz, slownesses in ms/m."""

    mode: Literal["smooth", "spike", "tfd"] = Field(
        default="smooth",
        description="all samples become medians along the dip, or only outliers do; tfd: loud frequencies are damped",
    )
    traces: int | None = Field(default=None, ge=3, le=101, description="odd; neighbours compared: 5, tfd 15")
    threshold: float | None = Field(
        default=None, gt=0, le=1000, description="spike: 8 noise deviations; tfd: 2 times the median of the neighbours"
    )
    max_slowness_ms_m: float = Field(default=0.75, ge=0, le=100, description="the steepest dip; 0: horizontal")
    window_ms: float = Field(default=250.0, gt=0, le=1e5, description="of tfd: length of a window")

    @field_validator("traces")
    @classmethod
    def _traces_are_odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError(f"traces must be odd, so that a trace stands in the middle; got {value}")
        return value


class MedianRestorer:
    """Median filters for denoise, of the live traces in order of offset, taken as an even sequence.

    `smooth` and `spike` look for the dip of the strongest stack at each sample and take the median of the neighbours
    along it, so that gathers need no correction (a structure-oriented median filter); `spike` keeps all samples
    that lie near their median. `tfd` compares, in windows of time, each trace's amplitude at each frequency with the
    median of its neighbours, and scales what is louder than `threshold` times that down to it.
    """

    def __init__(self, task: Task, spec: MedianSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        if task != "denoise":
            raise OptionError(f"median does denoise only; got {task}")
        self.spec = spec
        self.threshold = spec.threshold or (2.0 if spec.mode == "tfd" else 8.0)
        self.side = (spec.traces or (15 if spec.mode == "tfd" else 5)) // 2

    def restore(self, batch: Batch) -> Restored:
        """Return the filtered live traces."""
        return Restored(in_parts(batch, self._filtered))

    def _filtered(self, batch: Batch) -> torch.Tensor:
        order = live_by_offset(batch)
        ordered = batch.data.gather(1, order.order[..., None].expand_as(batch.data))
        near = neighbours(order.count, batch.data.shape[1], self.side)
        if self.spec.mode == "tfd":
            changed = self._damped(ordered, near, batch.times)
        else:
            changed = self._in_band(ordered, near, batch, order)
        changed = torch.zeros_like(changed).scatter(1, order.order[..., None].expand_as(changed), changed)
        return changed * batch.live[..., None]

    def _in_band(self, ordered: torch.Tensor, near: Neighbours, batch: Batch, order: TraceOrder) -> torch.Tensor:
        """Filter the band alone along the dip, and keep or cut the rest."""
        step_ms, length = sample_step(batch.times), ordered.shape[-1]
        band = self.spec.band(length, step_ms)
        spectra = band.spectra(ordered)
        inside = band.pieces(band.replaced(spectra * 0, band.inner(spectra), "keep"), length)
        rest = ordered - inside if self.spec.outside == "keep" else torch.zeros_like(ordered)
        steepest = self.spec.max_slowness_ms_m * trace_spacing(batch.offset, order) / step_ms
        along = aligned(inside, near, strongest_dips(inside, near, steepest, step_ms))
        middle = along.median(dim=-1).values
        return rest + (middle if self.spec.mode == "smooth" else self._despiked(inside, along, middle, step_ms))

    def _despiked(
        self, traces: torch.Tensor, along: torch.Tensor, middle: torch.Tensor, step_ms: float
    ) -> torch.Tensor:
        """Replace samples that lie farther from the median along the dip than noise does, spikes left out."""
        deviation = (along - middle[..., None]).abs().median(dim=-1).values
        level = DEVIATION * _time_means(deviation, step_ms)
        return torch.where((traces - middle).abs() > self.threshold * level, middle, traces)

    def _damped(self, ordered: torch.Tensor, near: Neighbours, times: torch.Tensor) -> torch.Tensor:
        """Scale what is louder in a trace than in its neighbours down to them, frequency by frequency."""
        time = time_windows(times, self.spec.window_ms)
        band = self.spec.band(time.length, sample_step(times))
        spectra = band.spectra(time.cut(ordered))
        inner = band.inner(spectra)
        size = inner.abs()
        gather = torch.arange(len(size), device=size.device)[:, None]
        around = torch.stack([size[gather, position] for position in near.position.unbind(-1)], dim=-1)
        most = self.threshold * around.median(dim=-1).values
        scale = (most / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp_max(1)
        return time.merge(band.pieces(band.replaced(spectra, inner * scale, self.spec.outside), time.length))


class Neighbours(NamedTuple):
    """For each trace of a sequence the `position` (gather, trace, neighbour) of its neighbours, and how far on each is.

    Beyond the ends those of the other side stand in, and in gathers too short for that, the trace itself.
    """

    position: torch.Tensor
    distance: torch.Tensor


def neighbours(count: torch.Tensor, traces: int, side: int) -> Neighbours:
    """Return the neighbours, `side` on each side, of sequences of `count` (gather) out of `traces` traces."""
    own = torch.arange(traces, device=count.device)[None, :, None]
    distance = torch.arange(-side, side + 1, device=count.device).expand(len(count), traces, -1)
    last = (count[:, None, None] - 1).clamp_min(0)
    for other in (-distance, torch.zeros_like(distance)):
        there = own + distance
        distance = torch.where((there >= 0) & (there <= last), distance, other)
    return Neighbours((own + distance).clamp(max=traces - 1), distance)


def strongest_dips(traces: torch.Tensor, near: Neighbours, steepest: torch.Tensor, step_ms: float) -> torch.Tensor:
    """Return the dip (gather, trace, time), in samples from trace to trace, whose stack of neighbours is strongest.

    `steepest` is the largest dip of each gather. Stacks are made in f-x of the lower half of the frequencies; their
    power is averaged over time.
    """
    length = traces.shape[-1]
    dips = _dip_axis(steepest)
    spectra = torch.fft.rfft(traces, n=2 * length)[..., : length // 2 + 1]
    angle = math.pi / length * torch.arange(length // 2 + 1, device=traces.device)
    gather = torch.arange(len(traces), device=traces.device)[:, None]
    sources = [spectra[gather, position] for position in near.position.unbind(-1)]
    best = traces.new_full((*traces.shape[:-1], -(-length // 2)), -1.0)
    found = torch.zeros_like(best)
    for dip in dips.unbind(1):
        stack = torch.zeros_like(spectra)
        for source, distance in zip(sources, near.distance.unbind(-1), strict=True):
            shift = (distance * dip[:, None])[..., None].to(traces) * angle
            stack.addcmul_(source, torch.polar(torch.ones_like(shift), shift))
        power = _time_means(torch.fft.irfft(stack, n=length)[..., : best.shape[-1]].square(), 2 * step_ms)
        better = power > best
        best, found = torch.where(better, power, best), torch.where(better, dip[:, None, None].to(traces), found)
    return found.repeat_interleave(2, dim=-1)[..., :length]


def _dip_axis(steepest: torch.Tensor) -> torch.Tensor:
    """Return dips (gather, dip) from -steepest to steepest, zero among them.

    How many a gather has, its own steepest one tells; the last one stands in for those that others have more.
    """
    halves = [min(MOST_DIPS // 2, max(1, math.ceil(most / DIP_STEP))) for most in steepest.tolist()]
    shares = [torch.linspace(-1, 1, 2 * half + 1, dtype=torch.float64) for half in halves]
    share = torch.nn.utils.rnn.pad_sequence(shares, batch_first=True, padding_value=1.0)
    return steepest[:, None] * share.to(steepest.device)


def aligned(traces: torch.Tensor, near: Neighbours, dips: torch.Tensor) -> torch.Tensor:
    """Return (gather, trace, time, neighbour): what the neighbours hold along the dip, interpolated."""
    length = traces.shape[-1]
    fine = _finer(traces)
    gather = torch.arange(len(traces), device=traces.device)[:, None]
    time = torch.arange(length, device=traces.device)
    columns = []
    for position, distance in zip(near.position.unbind(-1), near.distance.unbind(-1), strict=True):
        place = (time + dips * distance[..., None]) * FINER
        left = place.floor()
        share = place - left
        index = left.long().clamp(0, fine.shape[-1] - 2)
        source = fine[gather, position]
        value = torch.lerp(source.gather(-1, index), source.gather(-1, index + 1), share)
        columns.append(torch.where((place >= 0) & (place <= (length - 1) * FINER), value, 0))
    return torch.stack(columns, dim=-1)


def _finer(traces: torch.Tensor) -> torch.Tensor:
    """Return the traces sampled FINER times as often, by zeros beyond Nyquist."""
    points = 2 * traces.shape[-1]
    spectra = torch.fft.rfft(traces, n=points)
    spectra[..., -1] *= 0.5
    return FINER * torch.fft.irfft(spectra, n=FINER * points)[..., : FINER * traces.shape[-1]]


def _time_means(values: torch.Tensor, step_ms: float) -> torch.Tensor:
    """Return running means over AVERAGED_MS of (gather, trace, time)."""
    half = min(max(1, round(AVERAGED_MS / step_ms / 2)), max(values.shape[-1] - 1, 0))
    return torch.nn.functional.avg_pool1d(values, 2 * half + 1, 1, half, count_include_pad=False)
