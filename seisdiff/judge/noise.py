"""Noise and holes of the judge, by its own code and numpy's seeds: gathers are (trace, time)."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from seisdiff.errors import OptionError

Shape = tuple[int, int]


def seeded(*words: str | float) -> np.random.Generator:
    """Return the generator that belongs to some names and numbers, the same on every machine."""
    return np.random.default_rng([zlib.crc32(str(word).encode()) for word in words])


def scaled(signal: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """Return the noise times what makes 10 log10 of the energy of the signal over its own `snr_db`.

    Raises OptionError where either is all zero.
    """
    loud, energy = np.sum(np.square(signal, dtype=np.float64)), np.sum(np.square(noise, dtype=np.float64))
    if not (loud > 0 and energy > 0):
        raise OptionError("a signal-to-noise ratio needs a signal and a noise that are not all zero")
    return noise * np.sqrt(loud / energy / 10 ** (snr_db / 10))


def white(rng: np.random.Generator, shape: Shape, dt_ms: float) -> np.ndarray:
    """Return Gaussian noise, flat from 5 to 80 Hz, alike on all traces."""
    return _filtered(rng.standard_normal(shape), dt_ms, (2.0, 5.0, 80.0, 100.0))


def coloured(rng: np.random.Generator, shape: Shape, dt_ms: float) -> np.ndarray:
    """Return Gaussian noise from 3 to 70 Hz whose amplitude falls as 1/f, its level different from trace to trace."""
    flat = _filtered(rng.standard_normal(shape), dt_ms, (2.0, 4.0, 60.0, 80.0), tilt=-1.0)
    return flat * np.exp(0.4 * rng.standard_normal((shape[0], 1)))


def swell(rng: np.random.Generator, shape: Shape, dt_ms: float) -> np.ndarray:
    """Return noise of 1 to 10 Hz in bursts of 2 to 12 neighbouring traces, which cover about half of a gather."""
    traces, samples = shape
    noise = 0.05 * rng.standard_normal(shape)
    for _ in range(max(1, round(traces / 14))):
        width = int(rng.integers(2, min(13, traces + 1)))
        start = int(rng.integers(0, traces - width + 1))
        shared, own = rng.standard_normal(samples), rng.standard_normal((width, samples))
        bell = np.sin(np.pi * (np.arange(width) + 0.5) / width)[:, None]
        slow = np.exp(0.5 * _smooth(rng, samples, 150))
        noise[start : start + width] += rng.lognormal(0, 0.6) * bell * slow * (0.6 * shared + own)
    return _filtered(noise, dt_ms, (0.5, 1.5, 7.0, 10.0))


def erratic(rng: np.random.Generator, shape: Shape, dt_ms: float) -> np.ndarray:
    """Return spikes, bursts of 40 to 400 ms and a few noisy traces, their sizes heavy-tailed."""
    traces, samples = shape
    noise = np.where(rng.random(shape) < 0.001, 4 * rng.standard_t(2.5, shape), 0.0)
    for _ in range(max(1, round(0.15 * traces))):
        length = min(samples, round(rng.uniform(40, 400) / dt_ms))
        start = int(rng.integers(0, samples - length + 1))
        bell = np.hanning(length + 2)[1:-1] * rng.lognormal(0.7, 0.7)
        noise[rng.integers(traces), start : start + length] += bell * rng.standard_normal(length)
    for trace in rng.choice(traces, max(1, round(0.04 * traces)), replace=False):
        noise[trace] += rng.uniform(0.5, 2.0) * rng.standard_normal(samples)
    return _filtered(noise, dt_ms, (1.0, 3.0, 95.0, 115.0))


NOISES: dict[str, Callable[[np.random.Generator, Shape, float], np.ndarray]] = {
    "white": white,
    "coloured": coloured,
    "swell": swell,
    "erratic": erratic,
}


def random_holes(rng: np.random.Generator, traces: int, share: float) -> np.ndarray:
    """Return which traces (bool) are missing: `share` of them, to the nearest trace, anywhere."""
    missing = np.zeros(traces, bool)
    missing[rng.choice(traces, round(share * traces), replace=False)] = True
    return missing


def decimated(traces: int, keep_every: int) -> np.ndarray:
    """Return which traces (bool) are missing where every `keep_every`-th is kept, the first one included."""
    return np.arange(traces) % keep_every != 0


def block(rng: np.random.Generator, traces: int, width: int) -> np.ndarray:
    """Return which traces (bool) are missing: `width` neighbours, with four or more kept on either side."""
    missing = np.zeros(traces, bool)
    start = int(rng.integers(4, traces - width - 3))
    missing[start : start + width] = True
    return missing


#: Holes of the interpolation cases, by name.
HOLES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "random 30 %": lambda rng, traces: random_holes(rng, traces, 0.3),
    "random 50 %": lambda rng, traces: random_holes(rng, traces, 0.5),
    "random 70 %": lambda rng, traces: random_holes(rng, traces, 0.7),
    "every second kept": lambda rng, traces: decimated(traces, 2),
    "every third kept": lambda rng, traces: decimated(traces, 3),
    "block of 8": lambda rng, traces: block(rng, traces, 8),
}


def _smooth(rng: np.random.Generator, samples: int, width: int) -> np.ndarray:
    """Return slow random values of a standard deviation of about one."""
    bell = np.hanning(width)
    return np.convolve(rng.standard_normal(samples + width - 1), bell / np.sqrt(np.sum(bell**2)), mode="valid")


def _filtered(
    traces: np.ndarray, dt_ms: float, corners: tuple[float, float, float, float], tilt: float = 0.0
) -> np.ndarray:
    """Pass the band between four corners (Hz), ramps of a cosine, times f to the power of `tilt`."""
    samples = traces.shape[-1]
    padded = 2 * samples
    frequency = np.fft.rfftfreq(padded, dt_ms / 1000)
    low, full, high, end = corners
    rise = np.clip((frequency - low) / (full - low), 0, 1)
    fall = np.clip((end - frequency) / (end - high), 0, 1)
    weight = (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall))
    weight[1:] *= frequency[1:] ** tilt
    return np.fft.irfft(np.fft.rfft(traces, padded) * weight, padded)[..., :samples]
