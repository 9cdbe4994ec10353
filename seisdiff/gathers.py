"""Whole gathers in memory: read from a survey, padded into a batch for a restorer, and unpadded again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from seisdiff.errors import SurveyError
from seisdiff.mute import data_start, data_stop, find_live, first_nonzero
from seisdiff.survey import gather_bounds, sample_interval, vertical_dim

#: The variables of a survey that reading gathers looks at, where it has them.
GATHER_VARIABLES = (
    "amplitude", "raw_exception", "trace_header", "offset", "delay", "live", "trace_id_code", "mute_end",
)  # fmt: skip


@dataclass(frozen=True)
class Gathers:
    """A run of whole gathers as recorded.

    `amplitude` and `raw_exception` (None: all zero) are (trace, sample), `trace_header` (trace, header byte); `offset`
    (m), `delay` (time of the first sample, ms), `live`, `first` and `stop` (the samples from which and before which a
    trace may be changed) are (trace); `number` is (gather), and `bounds` (gather + 1) the traces at which gathers begin
    and end. `step` is the sample interval.
    """

    amplitude: np.ndarray
    raw_exception: np.ndarray | None
    trace_header: np.ndarray | None
    offset: np.ndarray
    delay: np.ndarray
    live: np.ndarray
    first: np.ndarray
    stop: np.ndarray
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
    part = _together(survey.isel(trace=slice(int(bounds[0]), int(bounds[-1]))))
    bounds = bounds - bounds[0]
    amplitude = part["amplitude"].values
    times = survey[vertical_dim(survey)].values
    step = sample_interval(survey)
    offset = spatial_coordinate(part, bounds)
    delay = part["delay"].values if "delay" in part else np.full(len(amplitude), times[0] if len(times) else 0.0)
    live, first, stop = _live_and_span(part, amplitude, offset, delay, step, bounds)
    return Gathers(
        amplitude=amplitude,
        raw_exception=_exceptions(part),
        trace_header=_values(part, "trace_header"),
        offset=offset,
        delay=delay,
        live=live,
        first=first,
        stop=stop,
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
            f"non-finite samples ({int(bad.sum())}) in trace {named} of the file; "
            "add --zero-nonfinite to take them as zeros"
        )
    words = None if gathers.raw_exception is None else np.where(bad, np.uint32(0), gathers.raw_exception)
    return replace(gathers, amplitude=np.where(bad, 0, gathers.amplitude), raw_exception=words), int(bad.sum())


def _together(part: xr.Dataset) -> xr.Dataset:
    """Return a part of a survey with what dask holds of it computed as one, since its variables share their tasks."""
    names = [name for name in GATHER_VARIABLES if name in part and part[name].chunks is not None]
    return part.assign(part[names].compute()) if names else part


def _values(part: xr.Dataset, name: str) -> np.ndarray | None:
    return part[name].values if name in part else None


def _exceptions(part: xr.Dataset) -> np.ndarray | None:
    words = _values(part, "raw_exception")
    if words is None or not words.size or (not any(words.strides) and not words.flat[0]):
        return None
    return words if words.any() else None


def _live_and_span(
    part: xr.Dataset, amplitude: np.ndarray, offset: np.ndarray, delay: np.ndarray, step: float, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_samples = amplitude.shape[1]
    first, stop = first_nonzero(amplitude), n_samples - first_nonzero(amplitude[:, ::-1])
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
        stop[one] = data_stop(stop[one], n_samples, offset[one], live[one])
    return live, begin, stop


def _mute_samples(part: xr.Dataset, amplitude: np.ndarray, delay: np.ndarray, step: float) -> np.ndarray | None:
    """Return the first sample after each trace's recorded top mute, 0 where there is none that the samples show."""
    if "mute_end" not in part or step <= 0:
        return None
    end = part["mute_end"].values.astype(np.float64)
    sample = np.where(end > 0, np.ceil((end - delay) / step - 1e-6), 0)
    return np.clip(sample, 0, amplitude.shape[1]).astype(np.int64)
