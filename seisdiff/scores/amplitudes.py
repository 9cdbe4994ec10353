"""Amplitude against offset on picked primaries, and what a restoration does to it."""

from __future__ import annotations

import numpy as np

#: A primary is looked for this far around its time, on the truth's stack; its amplitude is a mean over this far (ms).
PICK_HALF_MS = 24.0
_READ_HALF_MS = 8.0
FEWEST_TRACES = 6


def avo_errors(
    truth: np.ndarray,
    estimate: np.ndarray,
    offset: np.ndarray,
    times: np.ndarray,
    picks_ms: np.ndarray,
    live: np.ndarray | None = None,
) -> np.ndarray:
    """Return (pick, 2): the errors of AVO intercept and gradient, both relative to the size of the truth's intercept.

    `truth` and `estimate` are NMO-corrected (trace, time), `offset` (trace) in m, `times` (time) and `picks_ms` (pick),
    the zero-offset times of primaries, in ms. A pick is moved to the sample within 24 ms at which the truth's stack is
    largest in size; the amplitude of a trace is its mean within 8 ms of that sample, on truth and estimate alike. Then
    A + B (x / x_max)^2 is fitted to both by least squares over the live traces on which the truth is not muted there;
    the errors are |A_e - A_t| / |A_t| and |B_e - B_t| / |A_t|. NaN where fewer than 6 traces are left, all offsets are
    one, the intercept is zero or a sample is no number.
    """
    alive = np.ones(len(truth), bool) if live is None else np.asarray(live, bool)
    x, s, e = np.abs(offset[alive]), np.asarray(truth, float)[alive], np.asarray(estimate, float)[alive]
    largest = x.max(initial=0.0)
    errors = np.full((len(picks_ms), 2), np.nan)
    for number, pick in enumerate(picks_ms):
        read, heard = _pick_samples(s, times, float(pick))
        if heard.sum() < FEWEST_TRACES or not np.isfinite(e[heard][:, read]).all():
            continue
        a, b = (fit_avo(part[heard][:, read].mean(axis=1), x[heard], largest) for part in (s, e))
        if np.isfinite(a[0]) and a[0] != 0:
            errors[number] = np.abs(np.subtract(b, a)) / abs(a[0])
    return errors


def fit_avo(amplitude: np.ndarray, offset: np.ndarray, largest: float) -> tuple[float, float]:
    """Return intercept A and gradient B of the least-squares fit A + B (x / largest)^2 to amplitudes (trace).

    NaN where the offsets do not tell the two apart.
    """
    square = (np.abs(offset) / (largest or 1.0)) ** 2
    spread = square - square.mean()
    if not (spread**2).sum() > 1e-12:
        return np.nan, np.nan
    gradient = float((spread * amplitude).sum() / (spread**2).sum())
    return float(amplitude.mean() - gradient * square.mean()), gradient


def _pick_samples(truth: np.ndarray, times: np.ndarray, pick_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples to read (time) and on which traces the truth is not muted there (trace)."""
    near = np.abs(times - pick_ms) <= PICK_HALF_MS
    if not near.any() or not np.isfinite(truth).all():
        return near, np.zeros(len(truth), bool)
    stack = np.abs(truth[:, near].sum(axis=0))
    read = np.abs(times - times[near][np.argmax(stack)]) <= _READ_HALF_MS
    return read, (truth[:, read] != 0).all(axis=1)
