"""Predictive deconvolution, then Radon: reverberation in shallow water, which has too little moveout for Radon alone.

Below a shallow sea floor of two-way time T and reflection coefficient r, a primary drags a train of peg-legs behind
it, 1 / (1 + r z^T)^2, and the sea floor the train 1 / (1 + r z^T) (Backus, 1959). A prediction filter with a gap of
about T removes both (Peacock and Treitel, 1969).

The trains are strictly periodic at zero offset, and at one ray parameter of gathers without NMO correction (Taner,
1980). Gathers come here corrected and without the velocities, so neither tau-p nor one filter for a whole trace would
do. But a train's period changes slowly with time and offset, by the residual moveout of one bounce, which is small
where Radon fails. So each trace has its own filter in each window of time, from the covariances of the window averaged
with those of its neighbours. It takes only lags about the first multiples of T, so that it has too few coefficients
to predict primaries that follow each other by chance, and looks back over the window's edge at what was recorded
before. What has moveout is left to Radon, which follows.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from pydantic import Field

from seisdiff.operators.period import estimate_period
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task


class PredictiveSpec(RadonSpec):
    """Options of the predictive restorer, and those of the Radon pass that follows it; times in ms.

    `period_ms` is the two-way vertical time in the water; where it is None each gather's is estimated, and a gather
    in which no period stands out, or one longer than `deepest_ms`, is left to Radon. The gap of the filter is the
    period less `half_width_ms`.
    """

    period_ms: float | None = Field(default=None, gt=0, le=2000, description="two-way time in water; else estimated")
    deepest_ms: float = Field(default=240.0, gt=0, le=2000, description="longer periods that are estimated are left")
    orders: int = Field(default=1, ge=1, le=4, description="bounces that the filter reaches; each costs primaries")
    half_width_ms: float = Field(default=12.0, gt=0, le=500, description="lags on either side of each bounce")
    prewhitening: float = Field(default=0.03, ge=1e-6, le=10, description="relative to the mean energy of a lag")
    filter_window_ms: float = Field(default=1000.0, ge=100, description="length of a filter's window")
    filter_traces: float = Field(default=4.0, ge=0.1, le=100, description="neighbours averaged: standard deviation")


class PredictiveRestorer:
    """Predictive deconvolution at the water's period, then Radon demultiple.

    `protect_ms` holds for both: of what is predicted only moveout beyond it is taken out.
    """

    def __init__(self, task: Task, spec: PredictiveSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        self.spec = spec
        self.protect = protect_ms
        self.radon = RadonRestorer(task, spec, ref_offset_m, protect_ms)
        self.guard = RadonRestorer(task, spec.model_copy(update={"cut_ms": protect_ms}), ref_offset_m, protect_ms)

    def restore(self, batch: Batch) -> Restored:
        """Return the primaries; zero where no trace is live."""
        recorded = batch.data * batch.live[..., None]
        predicted = self.predicted(batch)
        if self.protect:
            kept = self.guard.restore(replace(batch, data=predicted)).signal
            predicted = predicted - kept
        return self.radon.restore(replace(batch, data=recorded - predicted))

    def predicted(self, batch: Batch) -> torch.Tensor:
        """Return what repeats with the period of the water, (gather, trace, time)."""
        step = float(batch.times[1] - batch.times[0]) if len(batch.times) > 1 else 1.0
        result = torch.zeros_like(batch.data)
        for gather in range(len(batch.data)):
            live = batch.live[gather].nonzero().flatten()
            order = live[torch.argsort(batch.offset[gather, live].abs(), stable=True)]
            data = batch.data[gather, order]
            period = self._period(data, step)
            if period is not None:
                result[gather, order] = predict(data, self._lags(period, step), step, self.spec)
        return result

    def _period(self, data: torch.Tensor, step: float) -> float | None:
        spec = self.spec
        if spec.period_ms is not None:
            return spec.period_ms
        period = estimate_period(data, step)
        return period if period is not None and period <= spec.deepest_ms else None

    def _lags(self, period: float, step: float) -> torch.Tensor:
        """Return the lags in samples: some on either side of each multiple of the period, never the first few."""
        half = min(self.spec.half_width_ms, 0.5 * period)
        runs = [
            torch.arange(math.ceil((order * period - half) / step), math.floor((order * period + half) / step) + 1)
            for order in range(1, self.spec.orders + 1)
        ]
        lags = torch.unique(torch.cat(runs))
        return lags[lags > 0]


def predict(data: torch.Tensor, lags: torch.Tensor, step: float, spec: PredictiveSpec) -> torch.Tensor:
    """Return what filters over `lags` (samples) predict of one gather's traces (trace, time), in order of offset.

    In each window of `spec.filter_window_ms`, tapered and overlapping by half, the coefficients a of a trace solve
    (R + prewhitening) a = r, where R and r hold the covariances of the window's samples and of earlier ones.
    """
    n_time = data.shape[-1]
    lags = lags[lags < n_time]
    result = torch.zeros_like(data)
    if not len(lags) or not data.any():
        return result
    earlier = torch.stack([torch.nn.functional.pad(data, (lag, 0))[:, :n_time] for lag in lags.tolist()], dim=1)
    floor = 1e-4 * data.square().sum(-1).amax()
    share = _neighbours(len(data), spec.filter_traces).to(data)
    for start, taper in _windows(n_time, round(spec.filter_window_ms / step)):
        part = slice(start, start + len(taper))
        taper = taper.to(data)
        past = earlier[..., part]
        covariance = torch.tensordot(share, (past * taper) @ past.mT, 1)
        target = torch.tensordot(share, (past * taper) @ data[:, part, None], 1)
        level = covariance.diagonal(dim1=1, dim2=2).mean(-1)
        covariance.diagonal(dim1=1, dim2=2).add_((spec.prewhitening * (level + floor))[:, None])
        coefficients = torch.linalg.solve_ex(covariance, target)[0]
        result[:, part] += taper * (coefficients.mT @ past)[:, 0]
    return result * (data != 0).cummax(dim=-1).values


def _neighbours(count: int, deviation: float) -> torch.Tensor:
    """Return the weights (trace, trace) with which a trace's neighbours count for its filter."""
    place = torch.arange(count, dtype=torch.float64)
    weights = torch.exp(-0.5 * ((place[:, None] - place) / deviation) ** 2)
    return weights / weights.sum(1, keepdim=True)


def _windows(total: int, length: int) -> list[tuple[int, torch.Tensor]]:
    """Return (start, taper) of windows that overlap by half; the tapers, sines squared, add up to one."""
    half = max(1, min(length, total) // 2)
    count = max(1, -(-total // half) - 1)
    rise = torch.sin(0.5 * math.pi * (torch.arange(half, dtype=torch.float64) + 0.5) / half).square()
    windows = []
    for number in range(count):
        first, last = number == 0, number == count - 1
        stop = total if last else (number + 2) * half
        fall = torch.ones(stop - (number + 1) * half, dtype=torch.float64) if last else rise.flip(0)
        windows.append((number * half, torch.cat([torch.ones_like(rise) if first else rise, fall])))
    return windows
