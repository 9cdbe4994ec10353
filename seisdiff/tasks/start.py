"""The start time of a task: nothing recorded earlier is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seisdiff.errors import OptionError
from seisdiff.operators.period import estimate_period

#: A first arrival is picked where the smoothed energy of the near traces first exceeds this part of its largest.
_PICK_LEVEL = 0.05
_PICK_SMOOTH_MS = 24.0
_NEAR_TRACES = 3
#: How much earlier than its strongest part a reflection begins.
_LEAD_MS = 20.0


@dataclass(frozen=True)
class StartTable:
    """Start times in ms by ensemble number, linear between numbers and constant outside."""

    number: np.ndarray
    start_ms: np.ndarray

    def at(self, gathers: np.ndarray) -> np.ndarray:
        """Return float64 (gather): the start time in ms of each ensemble number."""
        return np.interp(gathers, self.number, self.start_ms)


def read_start_table(path: str | Path) -> StartTable:
    """Read a text file of two columns, ensemble number and start time in ms; `#` starts a comment.

    Raises OptionError where a line does not hold two numbers or the file holds none.
    """
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(Path(path).read_text(errors="replace").splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            gather, start = (float(word) for word in words)
            if not (math.isfinite(gather) and math.isfinite(start)):
                raise ValueError
        except ValueError:
            raise OptionError(
                f"{path}, line {number}: expected 'gather start_ms', found {line.strip()[:60]!r}"
            ) from None
        rows.append((gather, start))
    if not rows:
        raise OptionError(f"{path} holds no start times; expected lines of 'gather start_ms'")
    table = np.array(sorted(rows))
    return StartTable(table[:, 0], table[:, 1])


def first_multiple(amplitude: np.ndarray, offset: np.ndarray, live: np.ndarray, times: np.ndarray) -> float:
    """Return the time (ms) at which the first water-bottom multiple may begin on one gather (trace, time).

    The water bottom is taken for the first strong arrival of the nearest live traces (smoothed energy above a
    twentieth of its largest), or comes earlier where the multiples repeat with a shorter period: there it is muted.
    Its multiple comes at twice its zero-offset time. Minus infinity where no trace is live.
    """
    near = np.flatnonzero(live)
    near = near[np.argsort(np.abs(offset[near]), kind="stable")]
    if not len(near) or not amplitude[near].any() or len(times) < 2:
        return -np.inf
    step = float(times[1] - times[0])
    period = estimate_period(torch.from_numpy(amplitude[near].astype(np.float64)), step)
    arrival = _first_arrival(amplitude[near[:_NEAR_TRACES]], times)
    return 2.0 * (arrival if period is None else min(arrival, period - _LEAD_MS))


def _first_arrival(amplitude: np.ndarray, times: np.ndarray) -> float:
    from scipy.ndimage import uniform_filter1d  # slow to import, and most runs do without

    width = max(1, round(_PICK_SMOOTH_MS / (times[1] - times[0])))
    energy = uniform_filter1d(np.square(amplitude, dtype=np.float64).sum(axis=0), width, mode="constant")
    return float(times[np.argmax(energy > _PICK_LEVEL * energy.max())])
