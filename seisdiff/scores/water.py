"""Classes of water depth: how far the sea floor's multiples lie from its primary."""

from __future__ import annotations

import math

SHALLOW_M, DEEP_M = 180.0, 900.0
WATER_CLASSES = ("under 180 m", "180 to 900 m", "over 900 m")


def water_class(depth_m: float | None) -> str | None:
    """Return the class of a water depth (m): under 180 m, 180 to 900 m (both included) or over 900 m.

    None where the depth is not known (None or NaN).
    """
    if depth_m is None or math.isnan(depth_m):
        return None
    return WATER_CLASSES[(depth_m >= SHALLOW_M) + (depth_m > DEEP_M)]
