"""Semblance along residual moveout: which moveouts the events of a moveout-corrected gather have, and when."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

#: Residual moveouts that are shown, ms at the reference offset (m on a depth axis).
MOVEOUTS = np.arange(-200.0, 801.0, 12.5)
#: Half the length, in ms or m, of the windows over which semblance is taken.
HALF_WINDOW = 20.0
#: Fewest live samples across a curve for which semblance means anything, and fewest as a part of the traces.
_FEWEST, _FEWEST_PART = 4, 0.2


def moveout_semblance(
    samples: np.ndarray, offset: np.ndarray, step: float, moveouts: np.ndarray, ref_offset: float
) -> np.ndarray:
    """Return the semblance (moveout, time), 0 to 1, of one gather (trace, time) along parabolas.

    An event of moveout q arrives at t + q (x / x_ref)^2: `offset` (trace) and `ref_offset` in m, `moveouts` and `step`
    in ms (m on a depth axis). It is sum_t (sum_x d)^2 / sum_t N sum_x d^2 over windows of 40 ms, where N counts the
    samples that are not muted to zero (Neidell and Taner, 1971). Zero where fewer than 4 of these, or than a fifth of
    the traces, are left.
    """
    step = step or 1.0
    curve = (np.asarray(offset, float) / (ref_offset or 1.0)) ** 2
    width = max(1, 2 * round(HALF_WINDOW / step) + 1)
    margin = int(np.ceil(np.abs(moveouts).max(initial=0.0) * curve.max(initial=0.0) / step)) + 1
    margin = min(margin, samples.shape[1])
    largest = np.abs(samples).max(initial=0.0, where=np.isfinite(samples)) or 1.0  # squares of float32 end at 1e19
    padded = np.pad(np.asarray(samples / largest, np.float32), ((0, 0), (margin, margin + 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, samples.shape[1], axis=1)
    panel = [_along(windows, moveout * curve / step + margin, width) for moveout in moveouts]
    return np.stack(panel) if panel else np.zeros((0, samples.shape[1]))


def _along(windows: np.ndarray, start: np.ndarray, width: int) -> np.ndarray:
    """Return the semblance (time) of traces that begin at the fractional samples `start` (trace)."""
    start = np.clip(start, 0, windows.shape[1] - 2)
    whole = start.astype(np.int64)
    part = (start - whole).astype(np.float32)[:, None]
    traces = np.arange(len(start))
    moved = (1 - part) * windows[traces, whole] + part * windows[traces, whole + 1]
    count = (moved != 0).sum(axis=0)
    stack = uniform_filter1d(moved.sum(axis=0) ** 2, width, mode="constant")
    power = uniform_filter1d(count * (moved**2).sum(axis=0), width, mode="constant")
    told = (power > 1e-12 * power.max(initial=0.0)) & (count >= max(_FEWEST, _FEWEST_PART * len(start)))
    return np.where(told, stack / np.where(told, power, 1), 0)
