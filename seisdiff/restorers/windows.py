"""Windows of neighbouring traces and of time that overlap, are tapered and add up to one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from seisdiff.operators.fft import fast_length
from seisdiff.restorers.base import Batch

#: Samples of the gathers that are worked on at once; windows that overlap and their spectra take many times that.
AT_ONCE = 2**19
#: Samples of the windows that are worked on at once: those that AT_ONCE samples make where they overlap by half.
WINDOWED = 2 * AT_ONCE
QUIETEST = 1e-9  # of the loudest power, below which levels of noise are not told apart
COURSE = 3  # time windows before and after that tell the level of the noise at one


class BandSpec(BaseModel):
    """The frequencies (Hz) that a method works on, and what becomes of the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    f_min: float = Field(default=0.0, ge=0, description="lowest frequency that is worked on")
    f_max: float | None = Field(default=None, gt=0, description="highest one; Nyquist by default")
    outside: Literal["keep", "cut"] = Field(default="keep", description="what becomes of other frequencies")

    @model_validator(mode="after")
    def _band_is_not_empty(self) -> BandSpec:
        if self.f_max is not None and self.f_max <= self.f_min:
            raise ValueError(f"f_max ({self.f_max:g} Hz) must be above f_min ({self.f_min:g} Hz)")
        return self

    def band(self, length: int, step_ms: float) -> Band:
        """Return the bins of the band in a transform of `length` samples or a few more."""
        return band_of(length, step_ms, self.f_min, self.f_max)


class TraceOrder(NamedTuple):
    """The traces of each gather in the order in which a method walks along them.

    `order` (gather, position) holds trace numbers, of which the first `count` (gather) are meant.
    """

    order: torch.Tensor
    count: torch.Tensor


def live_by_offset(batch: Batch) -> TraceOrder:
    """Return the live traces in order of signed offset, equal ones as they come."""
    key = torch.where(batch.live, batch.offset.double(), math.inf)
    return TraceOrder(torch.argsort(key, dim=1, stable=True), batch.live.sum(dim=1))


def whole_grid(batch: Batch) -> TraceOrder:
    """Return all traces that are no padding in the order given, none where none is live."""
    number = torch.arange(batch.live.shape[1], device=batch.live.device)
    count = batch.there.sum(dim=1) * batch.live.any(dim=1)
    return TraceOrder(number.expand(batch.live.shape), count)


@dataclass(frozen=True)
class TraceWindows:
    """Windows of equally many traces: `gather` (window), `trace` (window, place) and `weight` (window, place).

    The weights of all windows that hold a trace add up to one.
    """

    gather: torch.Tensor
    trace: torch.Tensor
    weight: torch.Tensor

    def cut(self, data: torch.Tensor) -> torch.Tensor:
        """Return (window, place, ...) of data (gather, trace, ...)."""
        return data[self.gather[:, None], self.trace]

    def add(self, total: torch.Tensor, pieces: torch.Tensor) -> None:
        """Add pieces (window, place, time), weighted, to `total` (gather, trace, time)."""
        total.index_put_((self.gather[:, None], self.trace), pieces * self.weight[..., None], accumulate=True)

    def split(self, count: int) -> Iterator[TraceWindows]:
        """Yield the windows in order, `count` at a time."""
        for part in zip(self.gather.split(count), self.trace.split(count), self.weight.split(count), strict=True):
            yield TraceWindows(*part)


def trace_windows(sequence: TraceOrder, length: int, overlap: float = 0.5, samples: int = 1) -> Iterator[TraceWindows]:
    """Yield windows of `length` traces, spread evenly so that each gather is covered and windows overlap.

    Gathers of fewer traces have one window that holds all. Those of equally many come together, as far as the windows,
    whose traces have `samples` each, hold no more than WINDOWED samples: one large gather comes in several parts.
    """
    held = sequence.count.clamp(max=length)
    for size in held.unique().tolist():
        if size > 0:
            windows = _windows_of(sequence, (held == size).nonzero().flatten(), int(size), overlap)
            yield from windows.split(max(1, WINDOWED // (int(size) * max(1, samples))))


def smooth_windows(windows: TraceWindows) -> TraceWindows:
    """Return windows to be added with the roots of the weights, for pieces that were tapered so when cut."""
    return TraceWindows(windows.gather, windows.trace, windows.weight.sqrt())


def _windows_of(sequence: TraceOrder, members: torch.Tensor, size: int, overlap: float) -> TraceWindows:
    hop = max(1, round(size * (1 - overlap)))
    spare = sequence.count[members] - size
    number = torch.div(spare + hop - 1, hop, rounding_mode="floor") + 1
    gather = members.repeat_interleave(number)
    first = (number.cumsum(0) - number).repeat_interleave(number)
    turn = torch.arange(len(gather), device=members.device) - first
    spare, last = spare.repeat_interleave(number), number.repeat_interleave(number) - 1
    start = torch.div(turn * spare * 2 + last, (2 * last).clamp_min(1), rounding_mode="floor")
    place = torch.arange(size, device=members.device)
    trace = sequence.order[gather[:, None], start[:, None] + place]
    weight = _hat(size, (turn == 0)[:, None], (turn == last)[:, None], place)
    total = weight.new_zeros(sequence.order.shape)
    total.index_put_((gather[:, None], trace), weight, accumulate=True)
    return TraceWindows(gather, trace, (weight / total[gather[:, None], trace]).float())


def _hat(size: int, first: torch.Tensor, last: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Return a triangle (window, place), flat outwards in the first and the last window of a gather."""
    rising, falling = (place + 0.5).double() / size, (size - place - 0.5).double() / size
    return torch.minimum(torch.where(first, 1.0, rising), torch.where(last, 1.0, falling))


@dataclass(frozen=True)
class TimeWindows:
    """Windows of `length` samples every `hop`, `count` of them, tapered by a sine when cut and again when merged.

    The squared sines add up to one at every sample. A record that fits into one window is taken whole, untapered.
    """

    total: int
    length: int
    hop: int

    @property
    def count(self) -> int:
        """Number of windows."""
        return 1 if self.length >= self.total else -(-self.total // self.hop) + self.length // self.hop - 1

    def cut(self, data: torch.Tensor) -> torch.Tensor:
        """Return (..., window, sample) of data (..., time)."""
        if self.count == 1:
            return data[..., None, :]
        before = self.length - self.hop
        after = (self.count - 1) * self.hop + self.length - before - self.total
        padded = torch.nn.functional.pad(data, (before, after))
        return padded.unfold(-1, self.length, self.hop) * self._taper(data)

    def merge(self, pieces: torch.Tensor) -> torch.Tensor:
        """Return (..., time) of pieces (..., window, sample)."""
        if self.count == 1:
            return pieces[..., 0, : self.total]
        tapered = pieces * self._taper(pieces)
        turns = self.length // self.hop
        blocks = pieces.new_zeros(*pieces.shape[:-2], self.count + turns - 1, self.hop)
        for turn in range(turns):
            blocks[..., turn : turn + self.count, :] += tapered[..., turn * self.hop : (turn + 1) * self.hop]
        before = self.length - self.hop
        return blocks.flatten(-2)[..., before : before + self.total]

    def _taper(self, like: torch.Tensor) -> torch.Tensor:
        place = (torch.arange(self.length, dtype=torch.float64) + 0.5) / self.length
        return (torch.sin(math.pi * place) * math.sqrt(2 * self.hop / self.length)).to(like)


def time_windows(times: torch.Tensor, window_ms: float, turns: int = 2) -> TimeWindows:
    """Return windows of about `window_ms` that start `turns` to a length."""
    wanted = round(window_ms / sample_step(times))
    hop = max(8 // turns, -(-wanted // turns))
    total = len(times)
    return TimeWindows(total, min(turns * hop, total), hop) if turns * hop < total else TimeWindows(total, total, total)


def sample_step(times: torch.Tensor) -> float:
    """Return the sample interval in ms."""
    return float(times[1] - times[0]) if len(times) > 1 else 1.0


@dataclass(frozen=True)
class Band:
    """The spectral bins `first` to `stop` of a transform of `points` samples: those that a method works on."""

    points: int
    first: int
    stop: int

    def spectra(self, pieces: torch.Tensor) -> torch.Tensor:
        """Return the whole spectra (..., frequency) of pieces (..., sample)."""
        return torch.fft.rfft(pieces, n=self.points)

    def inner(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return the part of whole spectra (..., frequency) that lies in the band."""
        return spectra[..., self.first : self.stop]

    def replaced(self, spectra: torch.Tensor, inner: torch.Tensor, outside: str) -> torch.Tensor:
        """Return whole spectra with another part in the band, the frequencies outside of it kept or cut."""
        whole = spectra.clone() if outside == "keep" else torch.zeros_like(spectra)
        whole[..., self.first : self.stop] = inner
        return whole

    def pieces(self, spectra: torch.Tensor, length: int) -> torch.Tensor:
        """Return (..., sample) of whole spectra."""
        return torch.fft.irfft(spectra, n=self.points)[..., :length]


def band_of(length: int, step_ms: float, f_min: float, f_max: float | None) -> Band:
    """Return the bins from `f_min` to `f_max` Hz (Nyquist where None) of windows of `length` samples."""
    points = fast_length(max(length, 2))
    points += points % 2
    per_hz = points * step_ms / 1000
    top = points // 2 if f_max is None else min(int(f_max * per_hz), points // 2)
    first = min(math.ceil(f_min * per_hz - 1e-9), top + 1)
    return Band(points, first, top + 1)


def over_frequencies(
    pieces: torch.Tensor, band: Band, outside: str, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Apply `change` to the spectra (window, time window, frequency, place) of pieces (window, place, time window,
    sample); frequencies outside of the band are kept or cut.
    """
    spectra = band.spectra(pieces)
    inner = band.inner(spectra).permute(0, 2, 3, 1).contiguous()
    changed = change(inner) if inner.numel() else inner
    return band.pieces(band.replaced(spectra, changed.permute(0, 3, 1, 2), outside), pieces.shape[-1])


def noise_power(typical: torch.Tensor) -> torch.Tensor:
    """Return the power of noise (window, time window, frequency) from a typical power of each that events raise.

    Noise is taken to have one spectrum, and one course in time, slow and common to all frequencies: both are medians,
    which events that come and go do not move much.
    """
    loudest = typical.amax(dim=(1, 2), keepdim=True) if typical.numel() else typical
    quietest = (QUIETEST * loudest).clamp_min(torch.finfo(typical.dtype).tiny)
    spectrum = typical.median(dim=1, keepdim=True).values
    course = (typical / torch.maximum(spectrum, quietest)).median(dim=2).values
    padded = torch.nn.functional.pad(course[:, None], (COURSE, COURSE), mode="replicate")[:, 0]
    course = padded.unfold(-1, 2 * COURSE + 1, 1).median(dim=-1).values[..., None]
    return (typical / course.clamp_min(QUIETEST)).median(dim=1, keepdim=True).values * course


def in_windows(
    batch: Batch, order: TraceOrder, traces: int, time: TimeWindows, change: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Return `change` of tapered pieces (window, place, time window, sample), merged to (gather, trace, time)."""
    total = torch.zeros_like(batch.data)
    for windows in trace_windows(order, traces, samples=batch.data.shape[-1]):
        windows.add(total, time.merge(change(time.cut(windows.cut(batch.data)))))
    return total


def in_parts(batch: Batch, change: Callable[[Batch], torch.Tensor]) -> torch.Tensor:
    """Return `change` of a batch, dead traces zeroed first, taken a few gathers at a time to bound the memory.

    A gather is not split: what is larger than AT_ONCE by itself, `change` takes window by window.
    """
    data = torch.where(batch.live[..., None], batch.data, 0)
    batch = replace(batch, data=data)
    size = max(1, AT_ONCE // max(1, data[0].numel())) if len(data) else 1
    parts = [change(batch.take(slice(low, low + size))) for low in range(0, len(data), size)]
    return torch.cat(parts) if parts else data
