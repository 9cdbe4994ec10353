"""Scales that bring amplitudes to order one and back without changing a bit of them."""

from __future__ import annotations

import numpy as np
import torch

#: Exponents stay within what each dtype can multiply by in one step.
_LARGEST = {4: 120, 8: 1000}


def gather_exponents(amplitude: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return int32 (gather): the power of two nearest to the RMS of the non-zero samples of each gather.

    `amplitude` is (trace, time); gather g holds the traces bounds[g] to bounds[g + 1]. A gather of zeros gives 0.
    Dividing by a power of two is exact, so that a sample that comes back unchanged is the recorded one.
    """
    if not len(amplitude):
        return np.zeros(len(bounds) - 1, np.int32)
    starts = bounds[:-1]
    peak = np.maximum.reduceat(np.abs(amplitude).max(axis=1, initial=0), starts).astype(np.float64)
    rough = np.floor(np.log2(np.where(peak > 0, peak, 1.0))).astype(np.int32)
    scaled = np.ldexp(amplitude, -np.repeat(rough, np.diff(bounds))[:, None])
    energy = np.add.reduceat(np.einsum("ij,ij->i", scaled, scaled), starts)
    count = np.add.reduceat(np.count_nonzero(amplitude, axis=1), starts)
    fine = 0.5 * np.log2(np.where(energy > 0, energy, 1.0) / np.maximum(count, 1))
    most = _LARGEST[amplitude.dtype.itemsize]
    return np.clip(rough + np.where(count > 0, np.round(fine), 0), -most, most).astype(np.int32)


def scale_down(data: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """Return (gather, ...) data divided by 2**exponents (gather); exact but for values that underflow."""
    return torch.ldexp(data, -exponents.view(-1, *[1] * (data.ndim - 1)))


def scale_up(data: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """Return (gather, ...) data multiplied by 2**exponents (gather): the inverse of `scale_down`."""
    return torch.ldexp(data, exponents.view(-1, *[1] * (data.ndim - 1)))
