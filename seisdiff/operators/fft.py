"""Lengths of Fourier transforms."""

from __future__ import annotations


def fast_length(least: int, *, real: bool = True) -> int:
    """Return the smallest number of points from `least` on whose transform, of `real` or complex numbers, is fast."""
    from scipy.fft import next_fast_len  # slow to import, and networks do without

    return int(next_fast_len(least, real=real) or least)
