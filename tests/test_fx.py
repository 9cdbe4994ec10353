"""f-x deconvolution and f-x interpolation: plane waves are predictable, noise is not."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from pydantic import ValidationError

from seisdiff.restorers.base import Restorer
from seisdiff.restorers.fx import FxRestorer, FxSpec, predicted_one_sided, predicted_two_sided
from seisdiff.restorers.spitz import filter_at, live_stride, missing_traces
from tests.contracts import RestorerContract
from tests.plane_waves import decibels, plane_waves, random_live, with_dead, with_noise


class TestDenoiseContract(RestorerContract):
    def restorer(self) -> Restorer:
        return FxRestorer("denoise", FxSpec(), 3000.0)


class TestTwoSidedContract(RestorerContract):
    def restorer(self) -> Restorer:
        return FxRestorer("denoise", FxSpec(sides="both", filter_traces=2, f_min=5, f_max=90, outside="cut"), 3000.0)


class TestInterpolateContract(RestorerContract):
    def restorer(self) -> Restorer:
        return FxRestorer("interpolate", FxSpec(), 3000.0)


def exponentials(phases: list[float], traces: int = 20) -> torch.Tensor:
    """Return a sum of plane waves (1, trace) at one frequency."""
    place = torch.arange(traces, dtype=torch.float64)
    return sum((torch.exp(-1j * phase * place) for phase in phases), torch.zeros(traces))[None]


def test_one_event_has_a_filter_of_one_coefficient_its_phase() -> None:
    weights = filter_at(exponentials([0.7]), torch.ones(1, 20, dtype=torch.bool), 1, 1, 1e-9)
    assert abs(complex(weights[0, 0, 0]) - complex(math.cos(0.7), -math.sin(0.7))) < 1e-6


@pytest.mark.parametrize("phases", [[0.7], [0.7, -2.0], [0.7, -2.0, 1.9]])
def test_as_many_coefficients_as_events_predict_them(phases: list[float]) -> None:
    spectra = exponentials(phases)
    for predict in (predicted_one_sided, predicted_two_sided):
        torch.testing.assert_close(predict(spectra, len(phases), 1e-10), spectra, atol=1e-5, rtol=0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(predicted_one_sided(exponentials([0.7, -2.0]), 1, 1e-10), spectra, atol=0.1, rtol=0)


@pytest.mark.parametrize("sides", ["one", "both"])
def test_a_linear_event_comes_out_of_the_noise(sides: Literal["one", "both"]) -> None:
    clean = plane_waves((6.0,), traces=40)
    noisy = with_noise(clean, 1.0)
    spec = FxSpec(sides=sides, filter_traces=2)
    restored = FxRestorer("denoise", spec, 1.0).restore(noisy).signal
    assert decibels(clean.data, restored) > decibels(clean.data, noisy.data) + 6


def test_a_clean_event_is_kept() -> None:
    clean = plane_waves((6.0, -9.0), traces=40)
    assert decibels(clean.data, FxRestorer("denoise", FxSpec(), 1.0).restore(clean).signal) > 25


@pytest.mark.parametrize(("outside", "left"), [("keep", 1.0), ("cut", 0.0)])
def test_the_band_alone_is_worked_on(outside: Literal["keep", "cut"], left: float) -> None:
    noise = with_noise(plane_waves((0.0,), traces=20), 5.0)
    spec = FxSpec(f_max=30, outside=outside, window_ms=5000)
    restored = FxRestorer("denoise", spec, 1.0).restore(noise).signal
    before, after = (torch.fft.rfft(data)[..., 40:] for data in (noise.data, restored))
    torch.testing.assert_close(after, left * before, atol=1e-3, rtol=1e-4)
    assert restored.square().sum() < noise.data.square().sum()


def test_the_stride_of_live_traces() -> None:
    live = torch.zeros(5, 13, dtype=torch.bool)
    live[0, ::3], live[1, 1::2], live[2, [0, 4, 10]], live[3, 4] = True, True, True, True
    assert live_stride(live).tolist() == [3, 2, 2, 1, 1]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_filter_of_f_over_n_on_far_traces_is_that_of_f_on_near_ones(stride: int) -> None:
    """Phases per near trace at f are those per far trace at f / N, aliased on the far grid or not."""
    live = torch.zeros(1, 31, dtype=torch.bool)
    live[:, ::stride] = True
    near, far = [2.5, -1.0], [2.5 / stride, -1.0 / stride]
    lower = exponentials(far, 31) * live
    weights = filter_at(lower, live, 2, stride, 1e-10)
    wanted = exponentials(near, 31)
    torch.testing.assert_close(missing_traces(wanted * live, live, weights), wanted, atol=0.02, rtol=0)


@pytest.mark.parametrize(("keep", "least"), [(2, 20), (3, 12)])
def test_aliased_events_are_filled(keep: int, least: float) -> None:
    """A dip of 11 ms is one of 22 or 33 ms on the recorded traces: aliased beyond 23 or 15 Hz."""
    clean = plane_waves((11.0, -4.0), traces=49, low_hz=1.0)
    live = torch.zeros(49, dtype=torch.bool)
    live[::keep] = True
    spec = FxSpec(window_ms=2000, window_traces=10)
    restored = FxRestorer("interpolate", spec, 1.0).restore(with_dead(clean, live)).signal
    assert torch.equal(restored[:, live], clean.data[:, live])
    assert decibels(clean.data[:, ~live], restored[:, ~live]) > least
    linear = torch.nn.functional.interpolate(clean.data[:, live].mT, size=49, mode="linear", align_corners=True).mT
    assert decibels(clean.data[:, ~live], linear[:, ~live]) < 5


def test_random_gaps_are_filled() -> None:
    clean = plane_waves((4.0, -3.0), traces=48)
    live = random_live(48, 0.7)
    restored = FxRestorer("interpolate", FxSpec(), 1.0).restore(with_dead(clean, live)).signal
    assert torch.equal(restored[:, live], clean.data[:, live])
    assert decibels(clean.data[:, ~live], restored[:, ~live]) > 10


def test_options_have_bounds() -> None:
    with pytest.raises(ValidationError):
        FxSpec(prewhitening=0)
    with pytest.raises(ValidationError):
        FxSpec.model_validate({"filter_length": 3})
