"""Gathers padded into a batch for a restorer, and its answer brought back to the traces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from seisdiff.errors import SurveyError
from seisdiff.gathers import Gathers
from seisdiff.restorers.base import Batch
from seisdiff.scale import gather_exponents, scale_down

#: Delays that differ by more samples than this within one gather are taken for damaged header words.
_LARGEST_SHIFT = 20_000


@dataclass(frozen=True)
class Padding:
    """Where the traces of some gathers lie in a padded batch: gather, position in it, and first sample."""

    gather: np.ndarray
    position: np.ndarray
    shift: np.ndarray
    shape: tuple[int, int, int]

    def place(self, values: np.ndarray, empty: float | bool = 0) -> torch.Tensor:
        """Return (gather, trace) from one value a trace, `empty` where padded."""
        padded = np.full(self.shape[:2], empty, values.dtype)
        padded[self.gather, self.position] = values
        return torch.from_numpy(padded)

    def place_samples(self, samples: np.ndarray) -> torch.Tensor:
        """Return float32 (gather, trace, time) from (trace, sample), zero where padded."""
        padded = np.zeros(self.shape, samples.dtype)
        if self.shift.any():
            columns = self.shift[:, None] + np.arange(samples.shape[1])
            padded[self.gather[:, None], self.position[:, None], columns] = samples
        else:
            padded[self.gather, self.position, : samples.shape[1]] = samples
        return torch.from_numpy(padded)

    def take_samples(self, padded: torch.Tensor, n_samples: int) -> np.ndarray:
        """Return (trace, sample) from (gather, trace, time): the inverse of `place_samples`."""
        values = padded.numpy()
        if self.shift.any():
            columns = self.shift[:, None] + np.arange(n_samples)
            return values[self.gather[:, None], self.position[:, None], columns]
        return values[self.gather, self.position, :n_samples]


@dataclass(frozen=True)
class PaddedGathers:
    """A batch for a restorer, with what is needed to bring its answer back to the traces."""

    batch: Batch
    padding: Padding
    exponents: torch.Tensor
    first: torch.Tensor
    stop: torch.Tensor
    traces: slice


def pad_gathers(gathers: Gathers, chosen: slice, fold: int) -> PaddedGathers:
    """Pad the gathers `chosen` to `fold` traces and to a common time axis, muted and scaled to order one.

    The axis begins at the smallest delay, and traces that begin later are placed at its nearest sample; gathers are
    restored alike in whatever company if they come with others of the same `time_axes` only.
    """
    bounds = gathers.bounds[chosen.start : chosen.stop + 1]
    traces = slice(int(bounds[0]), int(bounds[-1]))
    bounds = bounds - bounds[0]
    shift, begin = _shifts(gathers.delay[traces], gathers.step)
    length = gathers.amplitude.shape[1] + int(shift.max(initial=0))
    padding = _padding(bounds, shift, fold, length)
    samples = np.where(gathers.live[traces, None], gathers.amplitude[traces], 0)
    exponents = torch.from_numpy(gather_exponents(samples, bounds))
    data = scale_down(padding.place_samples(samples), exponents).to(torch.float32)
    batch = Batch(
        data=data,
        offset=padding.place(gathers.offset[traces]),
        live=padding.place(gathers.live[traces], False),
        times=torch.from_numpy(begin + gathers.step * np.arange(length)),
        fold=torch.from_numpy(np.diff(bounds).astype(np.int64)),
    )
    first = padding.place(gathers.first[traces] + shift, length)
    stop = padding.place(gathers.stop[traces] + shift)
    return PaddedGathers(batch, padding, exponents, first, stop, traces)


def time_axes(gathers: Gathers) -> np.ndarray:
    """Return float64 (gather, 2): the time (ms) at which the axis of each gather alone begins, and its last delay."""
    starts = gathers.bounds[:-1]
    return np.stack([each.reduceat(gathers.delay, starts) for each in (np.minimum, np.maximum)], axis=1)


def _shifts(delay: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """Return how many samples after the start of the common axis each trace begins, and when (ms) the axis starts."""
    begin = float(delay.min(initial=np.inf))
    if not len(delay) or step <= 0:
        return np.zeros(len(delay), np.int64), begin
    shift = np.floor((delay - begin) / step + 0.5).astype(np.int64)
    if shift.max() > _LARGEST_SHIFT:
        raise SurveyError(
            f"recording delays differ by {np.ptp(delay):g} ms within a gather; if the delay words (bytes "
            "109-110) hold something else, name another word with --key delay=BYTE"
        )
    return shift, begin


def _padding(bounds: np.ndarray, shift: np.ndarray, fold: int, length: int) -> Padding:
    folds = np.diff(bounds)
    gather = np.repeat(np.arange(len(folds)), folds)
    position = np.arange(bounds[-1]) - np.repeat(bounds[:-1], folds)
    return Padding(gather, position, shift, (len(folds), fold, length))
