"""Singular spectrum analysis in f-x (Cadzow filtering): events are few, noise fills all ranks."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import Task
from seisdiff.restorers.windows import (
    BandSpec,
    in_parts,
    in_windows,
    live_by_offset,
    noise_power,
    over_frequencies,
    sample_step,
    time_windows,
)

MEDIAN_SINGULAR = 0.8  # of a random matrix with nearly as many rows as columns, for sqrt(columns) times unit noise


class SsaSpec(BandSpec):
    """Options of singular spectrum analysis; times in ms, frequencies in Hz."""

    shrinkage: Literal["optimal", "damped", "none"] = Field(
        default="optimal", description="of the singular values kept: against the noise level, damped, or not at all"
    )
    rank: int | None = Field(
        default=None, ge=1, le=64, description="most events at one time: all above the noise, damped and none: 3"
    )
    damping: float = Field(default=3.0, ge=0.5, le=20, description="of damped: the smaller the stronger")
    caution: float = Field(default=1.1, ge=0.1, le=10, description="of optimal: larger keeps more signal and noise")
    window_traces: int = Field(default=20, ge=3, le=128, description="live traces in a window")
    window_ms: float = Field(default=400.0, gt=0, le=1e5, description="length of a window")


class SsaRestorer:
    """f-x singular spectrum analysis, or Cadzow filtering (Trickett, 2008; Oropeza and Sacchi, 2011), for denoise.

    The live traces, in order of offset, are taken as an even sequence. In a window each frequency makes a Hankel matrix
    whose rank is the number of linear events in it; it is brought to a low rank and averaged along antidiagonals.
    """

    def __init__(self, task: Task, spec: SsaSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        if task != "denoise":
            raise OptionError(f"ssa does denoise only; got {task}")
        self.spec = spec

    def restore(self, batch: Batch) -> Restored:
        """Return the low-rank part of the live traces."""
        return Restored(in_parts(batch, self._denoised))

    def _denoised(self, batch: Batch) -> torch.Tensor:
        spec = self.spec
        time = time_windows(batch.times, spec.window_ms)
        band = spec.band(time.length, sample_step(batch.times))
        return in_windows(
            batch, live_by_offset(batch), spec.window_traces, time,
            lambda pieces: over_frequencies(pieces, band, spec.outside, self._reduced),
        )  # fmt: skip

    def _reduced(self, spectra: torch.Tensor) -> torch.Tensor:
        """Return spectra (window, time window, frequency, trace) made of few plane waves."""
        traces = spectra.shape[-1]
        hankel = spectra.unfold(-1, traces // 2 + 1, 1)
        squared, vectors = torch.linalg.eigh(hankel @ hankel.mH)
        share = self._shares(squared.clamp_min(0), hankel.shape[-2] / hankel.shape[-1])
        reduced = (vectors * share[..., None, :]) @ (vectors.mH @ hankel)
        return antidiagonal_means(reduced, traces)

    def _shares(self, squared: torch.Tensor, aspect: float) -> torch.Tensor:
        """Return what part of each singular value to keep; `squared` (..., value) are their squares, growing."""
        spec, count = self.spec, squared.shape[-1]
        if spec.shrinkage == "optimal":
            share, rank = optimal_shares(squared, aspect, spec.caution), spec.rank or count
        else:
            rank = spec.rank or 3
            share = damped_shares(squared, rank, spec.damping) if spec.shrinkage == "damped" else squared * 0 + 1
        dropped = torch.arange(count, device=squared.device) < count - rank
        return torch.where(dropped, 0, share)


def optimal_shares(squared: torch.Tensor, aspect: float, caution: float) -> torch.Tensor:
    """Return eta(y) / y of the shrinkage that leaves the least error of all (Gavish and Donoho, 2017).

    y is the singular value over sqrt(columns) times the noise; `squared` is (window, time window, frequency, value).
    The level of the noise is read from the median singular value of each window (see `noise_power`).
    """
    noise = noise_power(squared.median(dim=-1).values)[..., None] / (MEDIAN_SINGULAR * caution) ** 2
    relative = squared / noise.clamp_min(torch.finfo(squared.dtype).tiny)
    root = ((relative - aspect - 1).square() - 4 * aspect).clamp_min(0).sqrt()
    share = root / relative.clamp_min(1)
    return torch.where(relative > (1 + aspect**0.5) ** 2, share.nan_to_num(1.0, 1.0), 0)


def damped_shares(squared: torch.Tensor, rank: int, damping: float) -> torch.Tensor:
    """Return 1 - (s_{K+1} / s)^damping, K the rank (Huang et al., 2016)."""
    if rank >= squared.shape[-1]:
        return torch.ones_like(squared)
    next_one = squared[..., -rank - 1 : squared.shape[-1] - rank]
    ratio = next_one / squared.clamp_min(torch.finfo(squared.dtype).tiny)
    return 1 - ratio.clamp_max(1).pow(damping / 2)


def antidiagonal_means(matrix: torch.Tensor, traces: int) -> torch.Tensor:
    """Return the sequence (..., trace) whose Hankel matrix is nearest to `matrix` (..., row, column)."""
    rows, columns = matrix.shape[-2:]
    row, column = torch.arange(rows, device=matrix.device), torch.arange(columns, device=matrix.device)
    member = torch.nn.functional.one_hot((row[:, None] + column).flatten(), traces).to(matrix.dtype)
    return matrix.flatten(-2) @ (member / member.sum(dim=0))
