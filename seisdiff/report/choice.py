"""Which gathers a report shows, by rule: the best, median and worst by a measure, evenly along the line, outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Most gathers shown because they stand out, the farthest out first.
MOST_OUTLIERS = 12


@dataclass(frozen=True)
class Measure:
    """What gathers are ranked by: the name of a curve, whether low is good, and words for it."""

    name: str
    low_is_good: bool
    words: str


RANKED_BY = {
    False: Measure("leakage", True, "leakage (low is good)"),
    True: Measure("fill_likeness", False, "likeness of filled to recorded traces (high is good)"),
}


def choose_gathers(
    values: np.ndarray, low_is_good: bool, outlying: np.ndarray, evenly: int, most_outliers: int = MOST_OUTLIERS
) -> dict[int, list[str]]:
    """Return positions with the reasons for which they are shown, most important first.

    `values` (gather) is the measure, NaN where a gather has none; `outlying` (gather) how far out a gather lies, 0
    where it does not stand out. The median gather is the one whose value is nearest to the median.
    """
    chosen: dict[int, list[str]] = {}
    far = [int(at) for at in np.argsort(-outlying, kind="stable")[:most_outliers] if outlying[at]]
    reasons = _ranked(values, low_is_good)
    reasons += [(position, "evenly") for position in _evenly(len(values), evenly)]
    reasons += [(position, "outlier") for position in far]
    for position, reason in reasons:
        chosen.setdefault(position, []).append(reason)
    return chosen


def _ranked(values: np.ndarray, low_is_good: bool) -> list[tuple[int, str]]:
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return []
    found = values[known]
    best, worst = (found.argmin(), found.argmax()) if low_is_good else (found.argmax(), found.argmin())
    middle = np.abs(found - np.median(found)).argmin()
    picks = [(int(known[at]), reason) for at, reason in ((middle, "median"), (worst, "worst"), (best, "best"))]
    return picks if len(known) > 2 else picks[:1] if len(known) == 1 else picks[1:]


def _evenly(count: int, wanted: int) -> list[int]:
    places = (np.arange(min(wanted, count)) + 0.5) * count / max(min(wanted, count), 1)
    return np.unique(places.astype(int)).tolist()
