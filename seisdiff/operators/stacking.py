"""The stack of a gather."""

from __future__ import annotations

import numpy as np


def stack_traces(samples: np.ndarray) -> np.ndarray:
    """Return the mean over traces (trace, time) of what is not muted to zero, float32 (time)."""
    count = (samples != 0).sum(axis=0)
    return (samples.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)).astype(np.float32)
