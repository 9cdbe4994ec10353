"""f-x prediction: deconvolution against random noise, and interpolation.

Of linear events each trace is, at one frequency, a weighted sum of its neighbours; random noise is not.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import Task
from seisdiff.restorers.spitz import SpitzFill, prediction_filter
from seisdiff.restorers.windows import (
    BandSpec,
    in_parts,
    in_windows,
    live_by_offset,
    over_frequencies,
    sample_step,
    time_windows,
)


class FxSpec(BandSpec):
    """Options of f-x prediction; times in ms, frequencies in Hz. `None` stands for a default of the task."""

    filter_traces: int | None = Field(
        default=None, ge=1, le=32, description="traces that one is predicted from, on each side: 3, interpolate 2"
    )
    sides: Literal["one", "both"] = Field(
        default="one", description="denoise: the mean of a forward and a backward prediction, or one from both sides"
    )
    window_traces: int | None = Field(
        default=None, ge=3, le=256, description="live traces in a window: 16, interpolate 6"
    )
    window_ms: float | None = Field(default=None, gt=0, le=1e5, description="length of a window: 250, interpolate 400")
    prewhitening: float = Field(default=0.01, ge=1e-5, le=10, description="relative to the power of the traces")
    passes: int = Field(
        default=2, ge=0, le=20, description="interpolate irregular gaps: how often the filter is found anew"
    )


class FxRestorer:
    """f-x deconvolution (Canales, 1984; Gulunay, 1986), and f-x interpolation (Spitz, 1991).

    `denoise` takes the live traces in order of offset as an even sequence and returns what is predictable of them.
    `interpolate` takes all traces, in the order given, as an even grid; live ones are returned as they are.
    """

    def __init__(self, task: Task, spec: FxSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        self.task: Task = task
        self.spec = spec

    def restore(self, batch: Batch) -> Restored:
        """Return the predictable part of the live traces, or the gathers with their dead traces filled."""
        if self.task == "denoise":
            return Restored(in_parts(batch, self._denoised))
        filled = in_parts(batch, self._filled)
        return Restored(torch.where(batch.live[..., None], batch.data, filled))

    def _denoised(self, batch: Batch) -> torch.Tensor:
        spec = self.spec
        time = time_windows(batch.times, spec.window_ms or 250.0)
        band = spec.band(time.length, sample_step(batch.times))
        return in_windows(
            batch, live_by_offset(batch), spec.window_traces or 16, time,
            lambda pieces: over_frequencies(pieces, band, spec.outside, self._predicted),
        )  # fmt: skip

    def _predicted(self, spectra: torch.Tensor) -> torch.Tensor:
        length = min(self.spec.filter_traces or 3, (spectra.shape[-1] - 1) // 3)
        if length < 1:
            return spectra
        predict = predicted_one_sided if self.spec.sides == "one" else predicted_two_sided
        return predict(spectra, length, self.spec.prewhitening)

    def _filled(self, batch: Batch) -> torch.Tensor:
        spec = self.spec
        time = time_windows(batch.times, spec.window_ms or 400.0)
        band = spec.band(time.length, sample_step(batch.times))
        length, traces = spec.filter_traces or 2, spec.window_traces or 6
        return SpitzFill(time, band, length, traces, spec.prewhitening, spec.passes).fill(batch)


def predicted_one_sided(spectra: torch.Tensor, length: int, prewhitening: float) -> torch.Tensor:
    """Return the mean of the forward and the backward prediction of spectra (..., trace).

    One filter c of `length` serves both: d[x] = sum c[j] d[x - j], and for the conjugate the same with x + j. It
    is the least-squares one of all traces that have neighbours enough, so that nothing is assumed beyond the window.
    Traces near its ends have one prediction only.
    """
    runs = spectra.unfold(-1, length + 1, 1)
    before, after = runs[..., :-1].flip(-1), runs[..., 1:].conj()
    wanted = torch.cat([runs[..., -1], runs[..., 0].conj()], dim=-1)
    weights = prediction_filter(torch.cat([before, after], dim=-2), wanted, prewhitening)
    total = torch.zeros_like(spectra)
    total[..., length:] += (before @ weights)[..., 0]
    total[..., :-length] += (after @ weights)[..., 0].conj()
    total[..., length:-length] *= 0.5
    return total


def predicted_two_sided(spectra: torch.Tensor, length: int, prewhitening: float) -> torch.Tensor:
    """Return the prediction from `length` traces on each side, one-sided near the ends of spectra (..., trace).

    d[x] = sum over j = -length..length, j != 0, of c[j] d[x + j], with the conjugate equations of the mirrored window.
    """
    runs = spectra.unfold(-1, 2 * length + 1, 1)
    around, centre = torch.cat([runs[..., :length], runs[..., length + 1 :]], dim=-1), runs[..., length]
    equations = torch.cat([around, around.flip(-1).conj()], dim=-2)
    weights = prediction_filter(equations, torch.cat([centre, centre.conj()], dim=-1), prewhitening)
    predicted = predicted_one_sided(spectra, length, prewhitening)
    predicted[..., length:-length] = (around @ weights)[..., 0]
    return predicted
