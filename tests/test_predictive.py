"""Predictive deconvolution against the closed forms of a water layer, and as a restorer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from seisdiff.operators.period import estimate_period
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.predictive import PredictiveRestorer, PredictiveSpec
from seisdiff.restorers.radon import RadonRestorer
from tests.contracts import RestorerContract

STEP, FAR = 4.0, 3100.0
TIMES = STEP * torch.arange(1000, dtype=torch.float64)
OFFSET = torch.linspace(150, FAR, 30, dtype=torch.float64)
LATE = 2900.0


def ricker(times: torch.Tensor, peak_hz: float = 25.0) -> torch.Tensor:
    square = (math.pi * peak_hz * times * 1e-3) ** 2
    return (1 - 2 * square) * torch.exp(-square)


def train(start: float, period: float, r: float, legs: int) -> torch.Tensor:
    """Return the wavelet with the reverberation 1 / (1 + r z^T)^legs (Backus, 1959)."""
    orders = range(1 + int(4000 / period))
    strength = [(-r) ** order * (order + 1 if legs == 2 else 1) for order in orders]
    return sum(
        (s * ricker(TIMES - start - order * period) for order, s in zip(orders, strength, strict=True)),
        torch.zeros(1000),
    )


def gathers(*traces: torch.Tensor) -> Batch:
    data = torch.stack([trace.expand(len(OFFSET), -1) for trace in traces]).float()
    data[data.abs() < 1e-9] = 0  # tails of wavelets, that would be the mute's edge
    live = torch.ones(data.shape[:2], dtype=torch.bool)
    return Batch(data, OFFSET.expand(len(data), -1), live, TIMES)


def db(truth: torch.Tensor, left: torch.Tensor) -> float:
    return float(10 * torch.log10(truth.square().sum() / left.square().sum()))


@pytest.mark.parametrize("period", [80.0, 130.0, 200.0, 280.0])
@pytest.mark.parametrize(("legs", "orders"), [(1, 1), (2, 2)])
def test_a_train_of_known_period_goes_and_a_lone_primary_stays(period: float, legs: int, orders: int) -> None:
    primaries = ricker(TIMES - 700) + 0.5 * ricker(TIMES - LATE)
    reverberation = train(700.0, period, 0.4, legs) - ricker(TIMES - 700)
    batch = gathers(primaries + reverberation)
    spec = PredictiveSpec(period_ms=period, orders=orders, prewhitening=0.001)
    left = (batch.data - PredictiveRestorer("demultiple", spec, FAR).predicted(batch))[0] - primaries
    assert db(reverberation, left[10]) > 20
    around = (TIMES - LATE).abs() < 60
    wavelet = ricker(TIMES - LATE)[around]
    amplitude = float(((left[10] + primaries)[around] * wavelet).sum() / wavelet.square().sum())
    assert abs(20 * math.log10(amplitude / 0.5)) < 1


def test_radon_alone_leaves_a_train_without_moveout() -> None:
    batch = gathers(train(500.0, 120.0, 0.4, 1))
    assert RadonRestorer("demultiple", PredictiveSpec(), FAR).restore(batch).signal.norm() > 0.98 * batch.data.norm()
    kept = PredictiveRestorer("demultiple", PredictiveSpec(period_ms=120.0), FAR).restore(batch).signal
    assert db((batch.data - ricker(TIMES - 500)).double(), kept - ricker(TIMES - 500)) > 10


def reverberating(period: float, seed: int = 0, r: float = 0.5) -> torch.Tensor:
    """Return one trace of random reflections under a water layer that reverberates."""
    generator = torch.Generator().manual_seed(seed)
    trace = 2 * train(period, period, r, 1)
    for start in torch.arange(period + 60, 3900, 65).tolist():
        shifted = start + 30 * float(torch.rand((), generator=generator))
        trace = trace + 0.4 * float(torch.randn((), generator=generator)) * train(shifted, period, r, 2)
    return trace


@pytest.mark.parametrize("period", [72.0, 100.0, 164.0, 240.0, 360.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_period_of_the_water_is_found(period: float, seed: int) -> None:
    data = reverberating(period, seed).expand(8, -1)
    assert estimate_period(data, STEP) == pytest.approx(period, abs=STEP)
    assert estimate_period(1e-9 * data, STEP) == estimate_period(data, STEP)


def test_no_period_is_found_where_there_is_none() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, 1000, generator=generator)
    assert estimate_period(noise, STEP) is None
    assert estimate_period(0 * noise, STEP) is None
    assert estimate_period(noise[:0], STEP) is None
    assert estimate_period(noise[:, :20], STEP) is None


def test_deep_water_is_left_to_radon() -> None:
    batch = gathers(reverberating(360.0))
    radon = RadonRestorer("demultiple", PredictiveSpec(), FAR).restore(batch).signal
    assert torch.equal(PredictiveRestorer("demultiple", PredictiveSpec(), FAR).restore(batch).signal, radon)
    deeper = PredictiveRestorer("demultiple", PredictiveSpec(deepest_ms=400.0), FAR).restore(batch).signal
    assert deeper.norm() < 0.95 * radon.norm()


def test_protected_moveout_is_not_predicted_away() -> None:
    batch = gathers(reverberating(120.0))
    free, guarded = (
        PredictiveRestorer("demultiple", PredictiveSpec(), FAR, protect).restore(batch).signal for protect in (0, 40.0)
    )
    assert (batch.data - guarded).norm() < 0.15 * (batch.data - free).norm()


def test_nothing_is_predicted_into_the_mute_nor_on_dead_traces() -> None:
    batch = gathers(reverberating(120.0))
    muted = 0.3 * OFFSET[:, None] > TIMES
    live = batch.live.clone()
    live[0, 7] = False
    batch = replace(batch, data=batch.data * ~muted * live[..., None], live=live)
    predicted = PredictiveRestorer("demultiple", PredictiveSpec(), FAR).predicted(batch)
    assert not predicted[0, muted].any()
    assert not predicted[0, 7].any()
    assert predicted.any()


@pytest.mark.parametrize("options", [{"period_ms": 0}, {"orders": 0}, {"prewhitening": 0}, {"gap": 3}, {"cut_ms": "a"}])
def test_options_out_of_bounds_are_refused(options: dict) -> None:
    with pytest.raises(ValidationError):
        PredictiveSpec(**options)


class TestPredictive(RestorerContract):
    def restorer(self) -> Restorer:
        return PredictiveRestorer("demultiple", PredictiveSpec(period_ms=60.0), 3500.0)


class TestPredictiveEstimates(RestorerContract):
    def restorer(self) -> Restorer:
        return PredictiveRestorer("demultiple", PredictiveSpec(), 3500.0)

    def batch(self) -> Batch:
        return gathers(reverberating(100.0), reverberating(140.0, 1), reverberating(200.0, 2))
