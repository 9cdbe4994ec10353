"""Median filters: spikes go, linear events stay, dipping or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from pydantic import ValidationError

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Restorer
from seisdiff.restorers.median import MedianRestorer, MedianSpec, aligned, neighbours, strongest_dips
from tests.contracts import RestorerContract, assert_same
from tests.plane_waves import STEP_MS, decibels, plane_waves, with_noise


class TestSmoothContract(RestorerContract):
    def restorer(self) -> Restorer:
        return MedianRestorer("denoise", MedianSpec(), 3000.0)


class TestSpikeContract(RestorerContract):
    def restorer(self) -> Restorer:
        return MedianRestorer("denoise", MedianSpec(mode="spike", threshold=3), 3000.0)


class TestTfdContract(RestorerContract):
    def restorer(self) -> Restorer:
        return MedianRestorer("denoise", MedianSpec(mode="tfd", f_max=20), 3000.0)


def test_neighbours_beyond_the_ends_are_those_of_the_other_side() -> None:
    near = neighbours(torch.tensor([4, 1]), 5, 2)
    assert near.distance[0, 1].tolist() == [2, -1, 0, 1, 2]
    assert near.distance[0, 3].tolist() == [-2, -1, 0, -1, -2]
    assert near.distance[1, 0].tolist() == [0, 0, 0, 0, 0]
    assert near.position[0, 2].tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("dip", [0.0, 5.0, -9.0])
def test_the_dip_is_found_and_neighbours_aligned(dip: float) -> None:
    batch = plane_waves((dip,), traces=20)
    near = neighbours(torch.tensor([20]), 20, 2)
    found = strongest_dips(batch.data, near, torch.tensor([5.0]), STEP_MS)
    loud = batch.data.abs() > batch.data.abs().max() / 2
    assert float((found[loud] * STEP_MS - dip).abs().max()) <= 1.01
    exact = torch.full_like(batch.data, dip / STEP_MS)
    along = aligned(batch.data, near, exact)
    assert decibels(batch.data[..., 30:-30, None].expand(1, 20, -1, 5), along[..., 30:-30, :]) > 30


@pytest.mark.parametrize("mode", ["smooth", "spike"])
def test_dips_are_those_of_the_gather_alone(mode: Literal["smooth", "spike"]) -> None:
    near, far = with_noise(plane_waves((2.0,)), 0.5), with_noise(plane_waves((2.0,)), 0.5, seed=1)
    far = replace(far, offset=8 * far.offset)  # eight times as many dips to choose from
    both = replace(near, **{name: torch.cat([getattr(each, name) for each in (near, far)])
                            for name in ("data", "offset", "live")})  # fmt: skip
    restorer = MedianRestorer("denoise", MedianSpec(mode=mode), 1.0)
    together = restorer.restore(both).signal
    for gather, alone in enumerate((near, far)):
        assert_same(restorer.restore(alone).signal[0], together[gather])


@pytest.mark.parametrize("mode", ["smooth", "spike"])
@pytest.mark.parametrize("dip", [0.0, 7.0])
def test_a_spike_goes_and_the_event_stays(mode: Literal["smooth", "spike"], dip: float) -> None:
    clean = plane_waves((dip,), traces=24)
    spoiled = replace(clean, data=clean.data.clone())
    spoiled.data[0, 11, 120] += 40
    spoiled.data[0, 4, 60] -= 25
    restored = MedianRestorer("denoise", MedianSpec(mode=mode), 1.0).restore(spoiled).signal
    assert decibels(clean.data, restored) > 20
    assert float((restored - clean.data)[0, 11, 120].abs()) < 0.5


def test_samples_that_are_no_outliers_are_left_alone() -> None:
    noisy = with_noise(plane_waves((5.0,), traces=24), 0.3)
    restored = MedianRestorer("denoise", MedianSpec(mode="spike"), 1.0).restore(noisy).signal
    touched = (restored - noisy.data).abs() > 1e-4
    assert float(touched.float().mean()) < 0.01


def test_random_noise_is_smoothed() -> None:
    clean = plane_waves((5.0,), traces=24)
    noisy = with_noise(clean, 0.7)
    restored = MedianRestorer("denoise", MedianSpec(), 1.0).restore(noisy).signal
    assert decibels(clean.data, restored) > decibels(clean.data, noisy.data) + 3


def test_tfd_brings_a_loud_trace_down_to_its_neighbours_in_its_band_alone() -> None:
    clean = plane_waves((0.0,), traces=24, samples=512)
    spoiled = replace(clean, data=clean.data.clone())
    time = torch.arange(512) * STEP_MS / 1000
    spoiled.data[0, 9] += 15 * torch.sin(2 * torch.pi * 5 * time)
    restored = MedianRestorer("denoise", MedianSpec(mode="tfd", f_max=12), 1.0).restore(spoiled).signal
    assert decibels(clean.data, spoiled.data) < -5
    assert decibels(clean.data, restored) > 15
    others = torch.arange(24) != 9
    assert decibels(clean.data[:, others], restored[:, others]) > 40


def test_the_rest_of_the_band_is_kept_or_cut() -> None:
    noisy = with_noise(plane_waves((0.0,), traces=12, samples=250), 3.0)
    for outside, left in (("keep", 1.0), ("cut", 0.0)):
        spec = MedianSpec(f_max=40, outside=outside)  # pyright: ignore[reportArgumentType]
        restored = MedianRestorer("denoise", spec, 1.0).restore(noisy).signal
        # above the band there are only the steps that the median itself makes
        after = torch.fft.rfft(restored)[..., 100:] - left * torch.fft.rfft(noisy.data)[..., 100:]
        assert after.abs().square().mean() < 0.02 * torch.fft.rfft(noisy.data)[..., 100:].abs().square().mean()


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="traces must be odd"):
        MedianSpec(traces=4)
    with pytest.raises(OptionError, match="median does denoise only"):
        MedianRestorer("interpolate", MedianSpec(), 1.0)
