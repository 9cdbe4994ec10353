"""f-k filters: a fan passes dips and stops others; a threshold lets events stand and noise fall."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Restorer
from seisdiff.restorers.fk import FkRestorer, FkSpec, smoothed, trace_spacing
from seisdiff.restorers.windows import TraceOrder
from tests.contracts import RestorerContract
from tests.plane_waves import SPACING, decibels, plane_waves, with_noise


class TestThresholdContract(RestorerContract):
    def restorer(self) -> Restorer:
        return FkRestorer("denoise", FkSpec(), 3000.0)


class TestFanContract(RestorerContract):
    def restorer(self) -> Restorer:
        return FkRestorer("denoise", FkSpec(mode="fan", f_max=60), 3000.0)


def fan(low_ms: float, high_ms: float, **more: float) -> FkRestorer:
    """Return a fan that passes dips between two values in ms from trace to trace."""
    spec = {"mode": "fan", "slowness_ms_m": (low_ms / SPACING, high_ms / SPACING), **more}
    return FkRestorer("denoise", FkSpec.model_validate(spec), 1.0)


def middle(data: torch.Tensor) -> torch.Tensor:
    return data[:, 8:-8]


@pytest.mark.parametrize("dip", [6.0, -6.0])
def test_a_fan_keeps_the_dips_inside_and_stops_the_others(dip: float) -> None:
    wave = plane_waves((dip,), traces=64)
    inside = fan(min(0, 2 * dip), max(0, 2 * dip)).restore(wave).signal
    outside = fan(min(0, -2 * dip), max(0, -2 * dip)).restore(wave).signal
    assert decibels(middle(wave.data), middle(inside)) > 25
    assert decibels(middle(wave.data), middle(wave.data - outside)) > 25


def test_a_fan_parts_two_events() -> None:
    steep, flat = plane_waves((10.0,), traces=64), plane_waves((1.0,), traces=64)
    both = type(steep)(steep.data + flat.data, steep.offset, steep.live, steep.times)
    kept = fan(-4, 4).restore(both).signal
    assert decibels(middle(flat.data), middle(kept)) > 18


def test_a_fan_leaves_what_is_above_its_band() -> None:
    wave = plane_waves((10.0,), traces=64, top_hz=25)
    assert decibels(wave.data, fan(-4, 4, f_min=40).restore(wave).signal) > 40
    assert decibels(wave.data, fan(-4, 4, f_max=40).restore(wave).signal) < 3


def test_signs_follow_the_offset_not_the_order_of_traces() -> None:
    wave = plane_waves((6.0,), traces=64)
    turned = type(wave)(wave.data.flip(1), wave.offset.flip(1), wave.live, wave.times)
    kept = fan(0, 12).restore(turned).signal
    torch.testing.assert_close(kept.flip(1), fan(0, 12).restore(wave).signal)


def test_a_linear_event_comes_out_of_the_noise() -> None:
    clean = plane_waves((6.0, -2.0), traces=40, samples=1000)
    noisy = with_noise(clean, 1.0)
    restored = FkRestorer("denoise", FkSpec(), 1.0).restore(noisy).signal
    assert decibels(clean.data, restored) > decibels(clean.data, noisy.data) + 8


def test_pure_noise_is_mostly_taken_out_and_no_threshold_takes_nothing() -> None:
    noise = with_noise(plane_waves((0.0,), traces=40, samples=1000), 1000.0)
    restored = FkRestorer("denoise", FkSpec(), 1.0).restore(noise).signal
    assert restored.square().mean() < 0.1 * noise.data.square().mean()
    untouched = FkRestorer("denoise", FkSpec(threshold=0), 1.0).restore(noise).signal
    assert decibels(noise.data, untouched) > 80


def test_smoothing_is_the_mean_of_nine_and_periodic_in_wavenumber() -> None:
    power = torch.zeros(1, 6, 2, 7)
    power[0, 0, 1, 3] = 9
    means = smoothed(power)
    assert means.sum() == 9
    assert bool((means[0, [5, 0, 1], 1, 2:5] == 1).all())


def test_spacing_is_the_median_of_the_live_ones() -> None:
    offset = torch.tensor([[0.0, 25.0, 50.0, 100.0, 0.0], [5.0, 5.0, 5.0, 0.0, 0.0]], dtype=torch.float64)
    order = TraceOrder(torch.arange(5).expand(2, 5), torch.tensor([4, 3]))
    assert trace_spacing(offset, order).tolist() == [25.0, 0.0]


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="slowness_ms_m must grow"):
        FkSpec(slowness_ms_m=(0.5, -0.5))
    with pytest.raises(OptionError, match="fk does denoise only"):
        FkRestorer("demultiple", FkSpec(), 1.0)
