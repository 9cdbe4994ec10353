"""Recorded data as judges: marine shots whose own noise is low, and the ground roll of a land shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d

from seisdiff.errors import FileFormatError
from seisdiff.sources import open_survey
from seisdiff.survey import gather_bounds

MARINE = Path("prestack") / "viking_small.segy"
LAND = Path("prestack") / "land_split_spread_shot.su"
#: Traces and times (ms) of the marine shots before the first arrival: their own noise.
_QUIET_TRACES, _QUIET_MS = 40, (80.0, 1200.0)
#: Ground roll: highest frequency (Hz), cone of apparent velocities (m/s), the velocity and the count of traces along
#: which refractions and reflections are smooth, and the nearest offset (m) at which the shot is not overdriven.
_ROLL_HZ, _ROLL_VELOCITY = (14.0, 20.0), (1300.0, 180.0)
_SMOOTH_VELOCITY, _SMOOTH_TRACES = 3500.0, 9
_NEAREST_M = 250.0


def marine_shots(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Return the samples (trace, time) and offsets (m) of the marine shots, near traces last, and their step (ms)."""
    survey = open_survey(_found(folder, MARINE)).load()
    edges = gather_bounds(survey)[1:-1]
    samples = np.split(survey["amplitude"].values.astype(np.float64), edges)
    step = float(survey["time"].values[1] - survey["time"].values[0])
    return samples, np.split(survey["offset"].values, edges), step


def own_noise_db(samples: np.ndarray, dt_ms: float) -> float:
    """Return the energy of a marine shot over that of its own noise, dB: the far traces before the first arrival."""
    start, stop = (round(time / dt_ms) for time in _QUIET_MS)
    quiet = np.mean(samples[:_QUIET_TRACES, start:stop] ** 2)
    return float(10 * np.log10(np.mean(samples**2) / quiet))


def ground_roll(folder: Path, side: int) -> tuple[np.ndarray, float]:
    """Return the ground roll (trace, time) of one side (-1 or 1) of the land shot, and its step (ms).

    Near traces come first. It is what is below 14 Hz, inside the cone of slow waves, less what is smooth along fast
    ones. Traces are divided by the root of their RMS, so that the nearest do not outweigh all others.
    """
    survey = open_survey(_found(folder, LAND)).load()
    offset = survey["offset"].values * side
    rows = np.flatnonzero(offset > _NEAREST_M)
    rows = rows[np.argsort(offset[rows])]
    step = float(survey["time"].values[1] - survey["time"].values[0])
    roll = _slow_part(survey["amplitude"].values[rows].astype(np.float64), offset[rows], step)
    return roll / np.sqrt(np.sqrt(np.mean(roll**2, axis=1, keepdims=True))), step


def _slow_part(traces: np.ndarray, offset: np.ndarray, dt_ms: float) -> np.ndarray:
    samples = traces.shape[1]
    frequency = np.fft.rfftfreq(2 * samples, dt_ms / 1000)
    fall = np.clip((_ROLL_HZ[1] - frequency) / (_ROLL_HZ[1] - _ROLL_HZ[0]), 0, 1)
    spectra = np.fft.rfft(traces, 2 * samples) * (0.5 - 0.5 * np.cos(np.pi * fall))
    delay = np.exp(2j * np.pi * np.outer(offset / _SMOOTH_VELOCITY, frequency))
    level = np.sqrt(np.mean(np.abs(spectra) ** 2, axis=1, keepdims=True))
    smooth = level * uniform_filter1d(spectra / level * delay, _SMOOTH_TRACES, axis=0, mode="nearest") / delay
    slow = np.fft.irfft(spectra - smooth, 2 * samples)[:, :samples]
    return slow * _cone(offset, samples, dt_ms)


def _cone(offset: np.ndarray, samples: int, dt_ms: float) -> np.ndarray:
    """Return weights (trace, time): one between the arrivals of the two velocities, ramps of 150 ms around."""
    time = dt_ms * np.arange(samples)
    first, last = (1000 * offset[:, None] / velocity for velocity in _ROLL_VELOCITY)
    rise, fall = np.clip((time - first) / 150, 0, 1), np.clip((last + 600 - time) / 150, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall))


def _found(folder: Path, name: Path) -> Path:
    path = folder / name
    if not path.is_file():
        raise FileFormatError(f"no recorded data {name.as_posix()} in {folder}; leave the folder out or complete it")
    return path
