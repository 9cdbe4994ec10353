"""POCS interpolation: sparse plane waves come back from random and from regular gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seisdiff.errors import OptionError
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.pocs import DipWeights, PocsRestorer, PocsSpec
from seisdiff.restorers.windows import band_of
from tests.contracts import RestorerContract, scaled_batch
from tests.plane_waves import SPACING, STEP_MS, decibels, plane_waves, random_live, with_dead, with_noise


class TestPocsContract(RestorerContract):
    def restorer(self) -> Restorer:
        return PocsRestorer("interpolate", PocsSpec(iterations=8), 3000.0)

    def batch(self) -> Batch:
        batch = scaled_batch()
        live = batch.live.clone()
        live[:, 1::2] = False
        return replace(batch, data=batch.data * live[..., None], live=live)


def filled(batch: Batch, live: torch.Tensor, spec: PocsSpec) -> torch.Tensor:
    return PocsRestorer("interpolate", spec, 1.0).restore(with_dead(batch, live)).signal


def gap_decibels(clean: Batch, live: torch.Tensor, spec: PocsSpec) -> float:
    restored = filled(clean, live, spec)
    return decibels(clean.data[:, ~live], restored[:, ~live])


@pytest.mark.parametrize("dip_power", [0.0, 1.0])
def test_plane_waves_come_back_from_half_of_the_traces(dip_power: float) -> None:
    clean = plane_waves((3.0, -2.0, 0.0), traces=48)
    spec = PocsSpec(iterations=100, dip_power=dip_power, window_traces=48, window_ms=2000)
    assert gap_decibels(clean, random_live(48, 0.5), spec) > 20


def test_small_windows_fill_random_gaps() -> None:
    clean = plane_waves((3.0, -2.0), traces=48)
    assert gap_decibels(clean, random_live(48, 0.6), PocsSpec()) > 12


@pytest.mark.parametrize(("keep", "least"), [(2, 10), (3, 5)])
def test_regular_gaps_are_filled_by_dips_and_not_without_them(keep: int, least: float) -> None:
    clean = plane_waves((9.0, -3.0), traces=49)
    live = torch.zeros(49, dtype=torch.bool)
    live[::keep] = True
    with_dips, without = PocsSpec(), PocsSpec(dip_power=0)
    assert gap_decibels(clean, live, with_dips) > least
    assert gap_decibels(clean, live, without) < 3


def test_live_traces_are_returned_as_they_are() -> None:
    clean = plane_waves((3.0,), traces=30)
    live = random_live(30, 0.5)
    noisy = with_noise(clean, 0.5)
    assert torch.equal(filled(noisy, live, PocsSpec())[:, live], noisy.data[:, live])


def test_traces_missing_at_the_ends_are_filled() -> None:
    clean = plane_waves((2.0,), traces=30)
    live = torch.ones(30, dtype=torch.bool)
    live[[0, 28, 29]] = False
    assert gap_decibels(clean, live, PocsSpec()) > 10


def test_weights_are_those_of_the_dip_at_all_its_aliases() -> None:
    """A dip of 12 ms aliases beyond 41.7 Hz; its wavenumber -f p, wrapped, must have the full weight at 50 Hz."""
    batch = plane_waves((12.0,), traces=16, top_hz=60)
    band = band_of(256, STEP_MS, 0, None)
    dips = DipWeights.make(band, STEP_MS, 16, 0.75 * SPACING)
    spectra = band.spectra(batch.data).permute(0, 2, 1)[:, None]
    weights = dips.of(spectra, 1.0)[0, 0]
    number = round(50 * band.points * STEP_MS / 1000)
    frequency = number / (band.points * STEP_MS)
    wave = round(-frequency * 12.0 % 1 * dips.waves) % dips.waves
    assert float(weights[number, wave]) > 0.8
    assert float(weights[number, (wave + dips.waves // 2) % dips.waves]) < 0.2


def test_other_tasks_are_refused() -> None:
    with pytest.raises(OptionError, match="pocs does interpolate only"):
        PocsRestorer("denoise", PocsSpec(), 1.0)
