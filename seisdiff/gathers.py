"""Whole gathers in memory: read from a survey, padded into a batch for a restorer, and unpadded again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr

from seisdiff.errors import SurveyError
from seisdiff.mute import data_start, find_live, first_nonzero
from seisdiff.restorers.base import Batch
from seisdiff.scale import gather_exponents, scale_down
from seisdiff.survey import gather_bounds, sample_interval, vertical_dim


#: Delays that differ by more samples than this within one unit are taken for damaged header words.
_LARGEST_SHIFT = 20_000


@dataclass(frozen=True)
class Gathers:
    """A run of whole gathers as recorded.

    `amplitude` and `raw_exception` (None: all zero) are (trace, sample), `trace_header` (trace, header byte); `offset` (m), `delay` (time of
    the first sample, ms), `live` and `first` (sample from which a trace may be changed) are (trace); `number` is
    (gather), and `bounds` (gather + 1) the traces at which gathers begin and end. `step` is the sample interval.
    """

    amplitude: np.ndarray
    raw_exception: np.ndarray | None
    trace_header: np.ndarray | None
    offset: np.ndarray
    delay: np.ndarray
    live: np.ndarray
    first: np.ndarray
    number: np.ndarray
    bounds: np.ndarray
    step: float


@dataclass(frozen=True)
class Traces:
    """Consecutive traces as they are written: samples, verbatim sample words, headers, and which are live."""

    amplitude: np.ndarray
    raw_exception: np.ndarray | None
    trace_header: np.ndarray | None
    live: np.ndarray


def cut_traces(gathers: Gathers, rows: slice | np.ndarray) -> Traces:
    """Return the traces `rows` (counted from the first of `gathers`)."""
    return Traces(
        amplitude=gathers.amplitude[rows],
        raw_exception=None if gathers.raw_exception is None else gathers.raw_exception[rows],
        trace_header=None if gathers.trace_header is None else gathers.trace_header[rows],
        live=gathers.live[rows],
    )


def read_gathers(survey: xr.Dataset, chosen: slice, all_bounds: np.ndarray | None = None) -> Gathers:
    """Read the gathers `chosen` (positions) of a survey, finding dead traces and mutes where the survey has none.

    `all_bounds` is what `gather_bounds` gives, for a caller that reads many times.
    """
    bounds = (gather_bounds(survey) if all_bounds is None else all_bounds)[chosen.start : chosen.stop + 1]
    part = survey.isel(trace=slice(int(bounds[0]), int(bounds[-1])))
    bounds = bounds - bounds[0]
    amplitude = part["amplitude"].values
    times = survey[vertical_dim(survey)].values
    step = sample_interval(survey)
    offset = spatial_coordinate(part, bounds)
    delay = part["delay"].values if "delay" in part else np.full(len(amplitude), times[0] if len(times) else 0.0)
    live, first = _live_and_first(part, amplitude, offset, delay, step, bounds)
    return Gathers(
        amplitude=amplitude,
        raw_exception=_exceptions(part),
        trace_header=_values(part, "trace_header"),
        offset=offset,
        delay=delay,
        live=live,
        first=first,
        number=survey["gather"].values[chosen],
        bounds=bounds,
        step=step,
    )


def spatial_coordinate(part: xr.Dataset, bounds: np.ndarray) -> np.ndarray:
    """Return float64 (trace): the offset, or the trace number within its gather where the survey has no offset."""
    if "offset" in part:
        return part["offset"].values.astype(np.float64)
    return (np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds))).astype(np.float64)


def check_finite(gathers: Gathers, source_trace: np.ndarray, zero: bool) -> tuple[Gathers, int]:
    """Refuse non-finite samples, or put zeros in their place where `zero`; return how many there were.

    Raises SurveyError that names the traces by their position in the file, from 1.
    """
    bad = ~np.isfinite(gathers.amplitude)
    if not bad.any():
        return gathers, 0
    traces = source_trace[bad.any(axis=1)] + 1
    if not zero:
        named = ", ".join(str(trace) for trace in traces[:10]) + (", ..." if len(traces) > 10 else "")
        raise SurveyError(
            f"{int(bad.sum())} non-finite samples in {len(traces)} traces (number {named} in the file); "
            "add --zero-nonfinite to take them as zeros"
        )
    words = None if gathers.raw_exception is None else np.where(bad, np.uint32(0), gathers.raw_exception)
    return replace(gathers, amplitude=np.where(bad, 0, gathers.amplitude), raw_exception=words), int(bad.sum())


@dataclass(frozen=True)
class Padding:
    """Where the traces of some gathers lie in a padded batch: gather, position in it, and first sample."""

    gather: np.ndarray
    position: np.ndarray
    shift: np.ndarray
    shape: tuple[int, int, int]

    def place(self, values: np.ndarray, empty: float | bool = 0) -> torch.Tensor:
        """Return (gather, trace) from one value a trace, `empty` where padded."""
        padded = np.full(self.shape[:2], empty, values.dtype)
        padded[self.gather, self.position] = values
        return torch.from_numpy(padded)

    def place_samples(self, samples: np.ndarray) -> torch.Tensor:
        """Return float32 (gather, trace, time) from (trace, sample), zero where padded."""
        padded = np.zeros(self.shape, samples.dtype)
        if self.shift.any():
            columns = self.shift[:, None] + np.arange(samples.shape[1])
            padded[self.gather[:, None], self.position[:, None], columns] = samples
        else:
            padded[self.gather, self.position, : samples.shape[1]] = samples
        return torch.from_numpy(padded)

    def take_samples(self, padded: torch.Tensor, n_samples: int) -> np.ndarray:
        """Return (trace, sample) from (gather, trace, time): the inverse of `place_samples`."""
        values = padded.numpy()
        if self.shift.any():
            columns = self.shift[:, None] + np.arange(n_samples)
            return values[self.gather[:, None], self.position[:, None], columns]
        return values[self.gather, self.position, :n_samples]


@dataclass(frozen=True)
class PaddedGathers:
    """A batch for a restorer, with what is needed to bring its answer back to the traces."""

    batch: Batch
    padding: Padding
    exponents: torch.Tensor
    first: torch.Tensor
    traces: slice
    gathers: slice


def pad_gathers(gathers: Gathers, chosen: slice, fold: int) -> PaddedGathers:
    """Pad the gathers `chosen` to `fold` traces and to a common time axis, muted and scaled to order one.

    The axis begins at the smallest delay, and traces that begin later are placed at its nearest sample; gathers are
    restored alike in whatever company if they come with others of the same `time_axes` only.
    """
    bounds = gathers.bounds[chosen.start : chosen.stop + 1]
    traces = slice(int(bounds[0]), int(bounds[-1]))
    bounds = bounds - bounds[0]
    shift, begin = _shifts(gathers.delay[traces], gathers.step)
    length = gathers.amplitude.shape[1] + int(shift.max(initial=0))
    padding = _padding(bounds, shift, fold, length)
    samples = np.where(gathers.live[traces, None], gathers.amplitude[traces], 0)
    exponents = torch.from_numpy(gather_exponents(samples, bounds))
    data = scale_down(padding.place_samples(samples), exponents).to(torch.float32)
    batch = Batch(
        data=data,
        offset=padding.place(gathers.offset[traces]),
        live=padding.place(gathers.live[traces], False),
        times=torch.from_numpy(begin + gathers.step * np.arange(length)),
    )
    first = padding.place(gathers.first[traces] + shift, length)
    return PaddedGathers(batch, padding, exponents, first, traces, chosen)


def time_axes(gathers: Gathers) -> np.ndarray:
    """Return float64 (gather, 2): the time (ms) at which the axis of each gather alone begins, and its last delay."""
    starts = gathers.bounds[:-1]
    return np.stack([each.reduceat(gathers.delay, starts) for each in (np.minimum, np.maximum)], axis=1)


def _values(part: xr.Dataset, name: str) -> np.ndarray | None:
    return part[name].values if name in part else None


def _exceptions(part: xr.Dataset) -> np.ndarray | None:
    words = _values(part, "raw_exception")
    return words if words is not None and words.any() else None


def _live_and_first(
    part: xr.Dataset, amplitude: np.ndarray, offset: np.ndarray, delay: np.ndarray, step: float, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    first, n_samples = first_nonzero(amplitude), amplitude.shape[1]
    codes, mute_end = _values(part, "trace_id_code"), _mute_samples(part, amplitude, delay, step)
    live = part["live"].values.copy() if "live" in part else np.ones(len(first), bool)
    begin = np.minimum(first, n_samples)
    dead_codes = codes == 2 if codes is not None else np.zeros(len(first), bool)
    odd = np.add.reduceat((first >= n_samples) | dead_codes | ~live, bounds[:-1]) if len(first) else []
    inside = (mute_end > 0) & (mute_end < n_samples) if mute_end is not None else np.zeros(len(first), bool)
    begin = np.where(inside, np.maximum(begin, mute_end), begin) if mute_end is not None else begin
    for low, high in zip(bounds[:-1][np.flatnonzero(odd)], bounds[1:][np.flatnonzero(odd)], strict=True):
        one = slice(int(low), int(high))
        words = mute_end[one] if mute_end is not None else None
        if "live" not in part:
            live[one] = find_live(first[one], n_samples, offset[one], codes[one] if codes is not None else None, words)
        begin[one] = data_start(first[one], n_samples, offset[one], live[one], words)
    return live, begin


def _mute_samples(part: xr.Dataset, amplitude: np.ndarray, delay: np.ndarray, step: float) -> np.ndarray | None:
    """Return the first sample after each trace's recorded top mute, 0 where there is none that the samples show."""
    if "mute_end" not in part or step <= 0:
        return None
    end = part["mute_end"].values.astype(np.float64)
    sample = np.where(end > 0, np.ceil((end - delay) / step - 1e-6), 0)
    return np.clip(sample, 0, amplitude.shape[1]).astype(np.int64)


def _shifts(delay: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """Return how many samples after the start of the common axis each trace begins, and when (ms) the axis starts."""
    begin = float(delay.min(initial=np.inf))
    if not len(delay) or step <= 0:
        return np.zeros(len(delay), np.int64), begin
    shift = np.floor((delay - begin) / step + 0.5).astype(np.int64)
    if shift.max() > _LARGEST_SHIFT:
        raise SurveyError(
            f"recording delays differ by {np.ptp(delay):g} ms within a gather; if the delay words (bytes "
            "109-110) hold something else, name another word with --key delay=BYTE"
        )
    return shift, begin


def _padding(bounds: np.ndarray, shift: np.ndarray, fold: int, length: int) -> Padding:
    folds = np.diff(bounds)
    gather = np.repeat(np.arange(len(folds)), folds)
    position = np.arange(bounds[-1]) - np.repeat(bounds[:-1], folds)
    return Padding(gather, position, shift, (len(folds), fold, length))
