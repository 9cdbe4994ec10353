"""Figures of each gather along the line, how alike neighbours are, and which gathers stand out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from seisdiff.report.reading import GatherPair
from seisdiff.scores import leakage

#: Energy is compared in windows of this length, ms (m in depth).
PROFILE_MS = 100.0
#: A gather in which nothing, or less than this, was removed counts as this many dB.
FLOOR_DB = -60.0
#: A gather stands out where it is this many robust standard deviations from the median of those around it.
OUTLIER_DEVIATIONS = 4.0
#: Gathers over which that median runs, and fewest gathers of a line of which one can stand out.
OUTLIER_SPAN, FEWEST_GATHERS = 21, 8
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Curve:
    """A figure along the line: its name, title, unit, what it means, and the least deviation that deserves a word."""

    name: str
    title: str
    unit: str
    meaning: str
    least: float


_LATERAL = Curve(
    "consistency",
    "Lateral consistency",
    "",
    "how alike the energy removed is, window by window of 100 ms, to that of the neighbouring gathers: 1 the same",
    0.05,
)
REMOVAL_CURVES = (
    Curve("removed_db", "Energy removed", "dB", "energy of input minus output against that of the input", 1.0),
    Curve("leakage", "Leakage", "", "local similarity of what was removed and what was kept: lost signal shows", 0.03),
    _LATERAL,
)  # fmt: skip
FILLING_CURVES = (
    Curve("filled_percent", "Traces filled", "%", "dead or new traces that hold samples now", 5.0),
    Curve("fill_level_db", "Level of filled traces", "dB", "their mean energy against that of the recorded ones", 1.0),
    Curve("fill_likeness", "Likeness of filled traces", "", "how alike their energy is to that of the recorded traces, "
          "window by window of 100 ms: 1 the same", 0.05),
)  # fmt: skip


def gather_figures(pair: GatherPair, step: float) -> dict[str, float]:
    """Return the figures of one gather by the names of the curves; NaN where one has no meaning.

    `input_db` and `output_db` are RMS levels of live traces, 20 log10, `mean_cycles` the mean frequency of the input's
    power in cycles per sample. `consistency` is not among them: it needs the neighbours.
    """
    live, filled = pair.live_before, pair.filled
    before, after, removed = (part[live].astype(np.float64) for part in (pair.before, pair.after, pair.removed))
    energies = [float((part**2).sum()) for part in (before, after, removed)]
    levels = [_db(energy, part.size) for energy, part in zip(energies[:2], (before, after), strict=True)]
    removed_db = max(_db(energies[2], energies[0]), FLOOR_DB) if energies[0] else np.nan
    return {
        "input_db": levels[0],
        "output_db": levels[1],
        "removed_db": removed_db,
        "leakage": leakage(removed, after) if len(removed) else np.nan,
        "mean_cycles": mean_cycles(before),
        **_fill_figures(pair, live, filled, step),
    }


def mean_cycles(samples: np.ndarray) -> float:
    """Return the mean frequency of the power of traces (trace, time), cycles per sample; NaN where there is none."""
    power = np.square(np.abs(np.fft.rfft(samples))).sum(axis=0)
    total = float(power.sum())
    return float((power * np.arange(len(power))).sum()) / total / samples.shape[1] if total > 0 else np.nan


def profile(samples: np.ndarray, step: float) -> np.ndarray:
    """Return the RMS over traces (trace, time) in windows of 100 ms, a last shorter one included."""
    width = max(1, round(PROFILE_MS / (step or 1.0)))
    starts = np.arange(0, max(samples.shape[1], 1), width)
    if not len(samples):
        return np.zeros(len(starts), np.float32)
    power = np.add.reduceat(np.square(samples, dtype=np.float64).mean(axis=0), starts)
    return np.sqrt(power / np.diff([*starts, samples.shape[1]])).astype(np.float32)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return 1 - sum|a - b| / sum(a + b) of two profiles, 0 to 1; 1 where both are zero (Bray and Curtis, 1957)."""
    total = float(np.sum(one) + np.sum(other))
    return 1.0 - float(np.abs(one - other).sum()) / total if total > 0 else 1.0


def lateral_consistency(profiles: np.ndarray) -> np.ndarray:
    """Return (gather) the mean likeness of each profile (gather, window) to its neighbours'; NaN for a single one."""
    if len(profiles) < 2:
        return np.full(len(profiles), np.nan)
    steps = np.array([likeness(one, other) for one, other in pairwise(profiles)])
    left, right = np.concatenate([[np.nan], steps]), np.concatenate([steps, [np.nan]])
    return np.nanmean(np.stack([left, right]), axis=0)


def find_outliers(values: np.ndarray, least: float) -> np.ndarray:
    """Return float (gather): robust standard deviations from the median of 21 gathers, 0 where not above four.

    The deviation is 1.4826 times the median of the absolute ones over the whole line. What differs by less than `least`
    does not stand out, nor does any gather of a line of fewer than 8.
    """
    known = np.isfinite(values)
    score = np.zeros(len(values))
    if known.sum() < FEWEST_GATHERS:
        return score
    deviation = np.abs(
        values[known] - median_filter(values[known], min(OUTLIER_SPAN, int(known.sum())), mode="nearest")
    )
    spread = max(_MAD_TO_SIGMA * float(np.median(deviation)), least / OUTLIER_DEVIATIONS)
    score[known] = np.where(deviation > OUTLIER_DEVIATIONS * spread, deviation / spread, 0)
    return score


def _fill_figures(pair: GatherPair, live: np.ndarray, filled: np.ndarray, step: float) -> dict[str, float]:
    share = 100 * float(filled.mean()) if len(filled) else 0.0
    if not filled.any() or not live.any():
        return {"filled_percent": share, "fill_level_db": np.nan, "fill_likeness": np.nan}
    parts = [pair.after[chosen] for chosen in (filled, live)]
    powers = [float(np.square(part, dtype=np.float64).mean()) for part in parts]
    profiles = [profile(part, step) for part in parts]
    return {"filled_percent": share, "fill_level_db": _db(*powers), "fill_likeness": likeness(*profiles)}


def _db(above: float, below: float) -> float:
    return 10 * np.log10(above / below) if above > 0 and below > 0 else (-np.inf if below > 0 else np.nan)
