"""Singular spectrum analysis: the rank of a window is the number of its plane waves."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Restorer
from seisdiff.restorers.ssa import SsaRestorer, SsaSpec, antidiagonal_means, damped_shares, optimal_shares
from tests.contracts import RestorerContract
from tests.plane_waves import decibels, plane_waves, with_noise


class TestOptimalContract(RestorerContract):
    def restorer(self) -> Restorer:
        return SsaRestorer("denoise", SsaSpec(), 3000.0)


class TestDampedContract(RestorerContract):
    def restorer(self) -> Restorer:
        return SsaRestorer("denoise", SsaSpec(shrinkage="damped", rank=2, f_min=5, f_max=80), 3000.0)


def test_a_plane_wave_makes_a_hankel_matrix_of_rank_one() -> None:
    spectra = torch.fft.rfft(plane_waves((7.0,), traces=21).data.double())[0, :, 20]
    values = torch.linalg.svdvals(spectra.unfold(0, 11, 1))
    assert values[1] < 1e-5 * values[0]
    two = torch.fft.rfft(plane_waves((7.0, -3.0), traces=21).data.double())[0, :, 20]
    values = torch.linalg.svdvals(two.unfold(0, 11, 1))
    assert values[1] > 0.05 * values[0]
    assert values[2] < 1e-5 * values[0]


@pytest.mark.parametrize("dips", [(7.0,), (7.0, -3.0), (7.0, -3.0, 0.0)])
def test_as_many_ranks_as_plane_waves_change_nothing(dips: tuple[float, ...]) -> None:
    clean = plane_waves(dips, traces=30)
    spec = SsaSpec(shrinkage="none", rank=len(dips), window_ms=2000)
    assert decibels(clean.data, SsaRestorer("denoise", spec, 1.0).restore(clean).signal) > 60


def test_one_rank_less_loses_an_event() -> None:
    clean = plane_waves((7.0, -3.0), traces=30)
    spec = SsaSpec(shrinkage="none", rank=1, window_ms=2000)
    assert decibels(clean.data, SsaRestorer("denoise", spec, 1.0).restore(clean).signal) < 15


@pytest.mark.parametrize(("shrinkage", "gain"), [("none", 2.5), ("damped", 6), ("optimal", 8)])
def test_events_come_out_of_the_noise(shrinkage: Literal["optimal", "damped", "none"], gain: float) -> None:
    clean = plane_waves((6.0, -2.0), traces=40, samples=1000)
    noisy = with_noise(clean, 1.0)
    restored = SsaRestorer("denoise", SsaSpec(shrinkage=shrinkage, window_ms=400), 1.0).restore(noisy).signal
    assert decibels(clean.data, restored) > decibels(clean.data, noisy.data) + gain


def test_pure_noise_is_nearly_all_taken_out() -> None:
    noise = with_noise(plane_waves((0.0,), traces=40, samples=1000), 1000.0)
    restored = SsaRestorer("denoise", SsaSpec(caution=1.0), 1.0).restore(noise).signal
    assert restored.square().mean() < 0.03 * noise.data.square().mean()


def test_optimal_shares_are_the_closed_form() -> None:
    """Of a square matrix eta(y) = sqrt((y^2 - 2)^2 - 4) / y: at y = 3, eta / y = sqrt(45) / 9; nothing up to y = 2."""
    noise = 0.64
    squared = noise * torch.tensor([1.0, 1.0, 1.0, 3.9, 9.0]).expand(1, 5, 1, 5)
    shares = optimal_shares(squared, 1.0, 1 / 0.8)
    torch.testing.assert_close(shares[0, 0, 0], torch.tensor([0, 0, 0, 0, 45**0.5 / 9]))


def test_damped_shares_are_the_closed_form() -> None:
    squared = torch.tensor([0.25, 1.0, 4.0, 16.0])
    torch.testing.assert_close(damped_shares(squared, 2, 3.0)[2:], 1 - torch.tensor([1 / 8, 1 / 64]))


def test_antidiagonal_means_undo_the_hankel_matrix() -> None:
    sequence = torch.randn(2, 15, dtype=torch.complex64)
    torch.testing.assert_close(antidiagonal_means(sequence.unfold(-1, 8, 1), 15), sequence)
    matrix = torch.tensor([[1.0, 2.0], [6.0, 4.0]])
    torch.testing.assert_close(antidiagonal_means(matrix, 3), torch.tensor([1.0, 4.0, 4.0]))


def test_other_tasks_are_refused() -> None:
    with pytest.raises(OptionError, match="ssa does denoise only; got interpolate"):
        SsaRestorer("interpolate", SsaSpec(), 1.0)
