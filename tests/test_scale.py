"""Scaling by powers of two loses nothing."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff.scale import gather_exponents, scale_down, scale_up


@settings(deadline=None, max_examples=50)
@given(exponent=st.integers(-100, 100), seed=st.integers(0, 2**31))
def test_round_trip_is_exact_and_the_scaled_rms_is_of_order_one(exponent: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    amplitude = np.ldexp(rng.standard_normal((7, 30)), exponent).astype(np.float32)
    bounds = np.array([0, 3, 7])
    exponents = torch.from_numpy(gather_exponents(amplitude, bounds))
    data = torch.from_numpy(np.stack([amplitude[:3], amplitude[3:6]]))
    scaled = scale_down(data, exponents)
    assert torch.equal(scale_up(scaled, exponents), data)
    assert 0.3 < float(scaled[0].square().mean().sqrt()) < 3


def test_zeros_do_not_count_and_a_gather_of_zeros_gives_0() -> None:
    amplitude = np.zeros((4, 100), np.float32)
    amplitude[0, :10] = 1024.0
    assert gather_exponents(amplitude, np.array([0, 2, 4])).tolist() == [10, 0]


def test_no_gathers() -> None:
    assert gather_exponents(np.zeros((0, 10), np.float32), np.array([0])).shape == (0,)


def test_float64_far_outside_the_range_of_float32() -> None:
    amplitude = np.array([[1e300, -2e300, 0.0]])
    exponents = torch.from_numpy(gather_exponents(amplitude, np.array([0, 1])))
    scaled = scale_down(torch.from_numpy(amplitude[None]), exponents)
    assert 0.1 < float(scaled.abs().max()) < 10
    assert torch.equal(scale_up(scaled, exponents), torch.from_numpy(amplitude[None]))
