"""Insertion loss: what of a weak flat primary survives a restoration."""

from __future__ import annotations

import numpy as np

from seisdiff.mute import first_nonzero

LEVEL_DB = -20.0
#: A loss counts as at most this, dB.
FLOOR_DB = 60.0
MOST_TIMES = 3
_SPACING_MS = 250.0
_BELOW_START_MS = 150.0
_ABOVE_END_MS = 100.0
_FEWEST_TRACES = 6


def insertion_times(degraded: np.ndarray, times: np.ndarray, from_ms: float, live: np.ndarray) -> np.ndarray:
    """Return the times (ms) at which primaries are inserted into one gather (trace, time): samples of `times` (time).

    Up to three, at equal steps of at least 250 ms, from 150 ms after `from_ms` (the first multiple) to 100 ms before
    the end of the record; those at which fewer than 6 live traces are outside the mute are dropped. None where
    `from_ms` is not finite or too late.
    """
    first, last = from_ms + _BELOW_START_MS, times[-1] - _ABOVE_END_MS
    if not np.isfinite(first) or first > last:
        return np.empty(0)
    count = int(min(MOST_TIMES, 1 + (last - first) // _SPACING_MS))
    wanted = np.linspace(first, last, count) if count > 1 else np.array([(first + last) / 2])
    nearest = np.abs(times[:, None] - wanted).argmin(axis=0)
    heard = (recorded(degraded) & np.asarray(live, bool)[:, None])[:, nearest].sum(axis=0)
    return times[nearest[heard >= _FEWEST_TRACES]]


def flat_primaries(
    truth: np.ndarray, degraded: np.ndarray, times: np.ndarray, at_ms: np.ndarray, live: np.ndarray
) -> np.ndarray:
    """Return the primaries to insert, one at a time, (insertion, trace, time): flat, zero-phase, 20 dB down.

    Each is a Ricker wavelet on all live traces alike, zero in the mute of `degraded` (trace, time). Its peak is a tenth
    of the largest absolute value of the truth's stack (mean over live traces outside the mute), which is what the
    strongest flat primary has. Its peak frequency is (sqrt(pi) / 2) times the mean frequency of the truth's amplitude
    spectrum, so that wavelet and truth have the same mean frequency.
    """
    alive = np.asarray(live, bool)[:, None]
    peak = 10 ** (LEVEL_DB / 20) * _strongest(np.where(alive, truth, 0), recorded(degraded) & alive)
    frequency = _peak_frequency(np.asarray(truth, float)[alive[:, 0]], times)
    phase = (np.pi * frequency * (times - np.asarray(at_ms)[:, None]) / 1000) ** 2
    wavelets = peak * (1 - 2 * phase) * np.exp(-phase)
    return wavelets[:, None, :] * (recorded(degraded) & alive)


def insertion_loss_db(survived: np.ndarray, inserted: np.ndarray) -> float:
    """Return what happened to an inserted primary in dB: 0 where all survives, -6 where half of its amplitude does.

    Both are (trace, time): `inserted` is the primary p, `survived` the output with it minus the output without. It is
    20 log10 of <survived, p> / <p, p>, the amplitude at which p is found in what survived; at least -60, also where it
    comes back reversed. Above 0 it comes back larger. NaN where p is zero or a sample is no number.
    """
    energy = float((inserted.astype(np.float64) ** 2).sum())
    if not energy > 0 or not np.isfinite(survived).all():
        return np.nan
    share = float((survived * inserted).sum()) / energy
    return 20 * float(np.log10(max(share, 10 ** (-FLOOR_DB / 20))))


def recorded(samples: np.ndarray) -> np.ndarray:
    """Return bool (trace, time): from the first to the last sample of a trace that is not zero."""
    length = samples.shape[1]
    first, stop = first_nonzero(samples), length - first_nonzero(samples[:, ::-1])
    index = np.arange(length)
    return (index >= first[:, None]) & (index < stop[:, None])


def _strongest(truth: np.ndarray, heard: np.ndarray) -> float:
    count = heard.sum(axis=0)
    stack = np.where(heard, truth, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    return float(np.abs(stack).max(initial=0.0))


def _peak_frequency(truth: np.ndarray, times: np.ndarray) -> float:
    """Return the peak frequency (Hz) of the Ricker wavelet whose mean frequency is that of the traces."""
    spectrum = np.abs(np.fft.rfft(truth, axis=-1)).sum(axis=0)
    frequency = np.fft.rfftfreq(truth.shape[-1], float(times[1] - times[0]) / 1000)
    total = spectrum.sum()
    return float(np.sqrt(np.pi) / 2 * (spectrum * frequency).sum() / total) if total > 0 else 0.0
