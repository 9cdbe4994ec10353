"""Where a trace begins to hold data: mutes and dead traces, told apart gather by gather."""

from __future__ import annotations

import numpy as np

#: Live traces on one side of a zeroed trace whose mutes are extended to it.
_NEIGHBOURS = 4


def first_nonzero(amplitude: np.ndarray) -> np.ndarray:
    """Return int64 (trace): the index of the first non-zero sample, the trace's length where there is none.

    Looks at the first samples of all traces, then at ever longer runs of those that are still zero.
    """
    length = amplitude.shape[1]
    first = np.full(len(amplitude), length, np.int64)
    rows, start, width = np.arange(len(amplitude)), 0, 32
    while len(rows) and start < length:
        window = slice(start, start + width)
        nonzero = (amplitude[:, window] if start == 0 else amplitude[rows, window]) != 0
        found = nonzero.any(axis=1)
        first[rows[found]] = start + nonzero[found].argmax(axis=1)
        rows, start, width = rows[~found], start + width, 2 * width
    return first


def find_live(
    first: np.ndarray,
    n_samples: int,
    offset: np.ndarray,
    trace_id_code: np.ndarray | None = None,
    mute_end_sample: np.ndarray | None = None,
) -> np.ndarray:
    """Return bool (trace): which traces of one gather are live.

    `first` is what `first_nonzero` gives, `offset` (trace) signed, `mute_end_sample` (trace) the end of the recorded
    mute in samples, 0 where unset. A trace is dead where its identification code is 2, or where all its samples are
    zero and neither its own mute word nor the mute of its neighbours, extended in a straight line along offset, reaches
    the end of the record.
    """
    zero = first >= n_samples
    dead = zero.copy()
    if dead.any() and not dead.all():
        dead &= ~(neighbour_mute(first, offset, ~zero) >= n_samples)
    if mute_end_sample is not None:
        dead &= ~(mute_end_sample >= n_samples - 1)
    if trace_id_code is not None:
        dead |= trace_id_code == 2
    return ~dead


def neighbour_mute(first: np.ndarray, offset: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return float64 (trace): the start of data in samples, from the traces where it is `known`.

    Between known traces it is interpolated linearly along the signed offset; beyond the last one it is extended with
    the slope of the last few, which outward can only grow. All zeros where nothing is known.
    """
    order = np.argsort(offset[known], kind="stable")
    x, y = offset[known][order].astype(float), first[known][order].astype(float)
    if not len(x):
        return np.zeros(len(offset))
    inside = np.interp(offset, x, y)
    right = y[-1] + _outward_slope(x, y) * np.maximum(offset - x[-1], 0)
    left = y[0] + _outward_slope(-x[::-1], y[::-1]) * np.maximum(x[0] - offset, 0)
    return np.where(offset > x[-1], right, np.where(offset < x[0], left, inside))


def data_start(
    first: np.ndarray, n_samples: int, offset: np.ndarray, live: np.ndarray, mute_end_sample: np.ndarray | None = None
) -> np.ndarray:
    """Return int64 (trace): the sample from which a method may change a trace of one gather.

    For a live trace it is the first non-zero sample, or the end of the recorded mute where that is later and ends
    within the record; for a dead trace it is taken from its live neighbours.
    """
    start = first.astype(np.int64)
    if mute_end_sample is not None:
        inside = (mute_end_sample > 0) & (mute_end_sample < n_samples)
        start = np.where(inside, np.maximum(start, mute_end_sample), start)
    if live.all():
        return start
    return np.where(live, start, np.ceil(neighbour_mute(start, offset, live)).astype(np.int64))


def data_stop(stop: np.ndarray, n_samples: int, offset: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Return int64 (trace): the sample from which a trace of one gather ends in zeros and may not be changed.

    `stop` is one past the last non-zero sample; for a dead trace it is taken from its live neighbours.
    """
    if live.all():
        return stop
    tail = neighbour_mute(n_samples - stop, offset, live)
    return np.where(live, stop, n_samples - np.ceil(tail).astype(np.int64))


def _outward_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the slope of y over the last few distinct x, at least 0."""
    x, y = x[-_NEIGHBOURS:], y[-_NEIGHBOURS:]
    spread = ((x - x.mean()) ** 2).sum()
    return max(0.0, float(((x - x.mean()) * (y - y.mean())).sum() / spread)) if spread > 0 else 0.0
