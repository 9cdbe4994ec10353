"""Normal moveout: correction and its inverse, velocity input, and the sign of an uncorrected gather."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import segyio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff.errors import OptionError
from seisdiff.operators.base import Operator
from seisdiff.operators.nmo import (
    MoveoutCorrection,
    VelocityModel,
    looks_uncorrected,
    nmo_times,
    parse_velocities,
    read_velocities,
)
from tests.contracts import OperatorContract


def velocities(gathers: int, times: torch.Tensor) -> torch.Tensor:
    return (1600 + 0.5 * times).expand(gathers, -1)


class TestMoveoutOperator(OperatorContract):
    def operator(self, offset: torch.Tensor, live: torch.Tensor, samples: int) -> tuple[Operator, tuple[int, ...]]:
        times = 40 + 8 * torch.arange(samples, dtype=torch.float64)
        correction = MoveoutCorrection(offset, velocities(len(offset), times), times, stretch=2.0)
        return correction, (*offset.shape, samples)


def band_limited(gathers: int, traces: int, samples: int, f_max: float, seed: int) -> torch.Tensor:
    """Random traces without energy above `f_max` Hz at 4 ms, tapered at the ends."""
    noise = torch.randn(gathers, traces, samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    spectra = torch.fft.rfft(noise)
    spectra[..., torch.fft.rfftfreq(samples, 0.004) > f_max] = 0
    taper = torch.sin(math.pi * torch.arange(samples, dtype=torch.float64) / samples).clamp(0, 0.2) / 0.2
    return torch.fft.irfft(spectra, n=samples) * taper


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(1400, 4000), st.floats(0, 1.0), st.sampled_from([0.0, 200.0]))
def test_inverse_brings_corrected_gathers_back(seed: int, v0: float, k: float, start: float) -> None:
    """Stretching lowers frequencies, so that a corrected gather holds all that a recorded one up to 60 Hz does."""
    times = start + 4 * torch.arange(500, dtype=torch.float64)
    offset = torch.linspace(-2500, 2000, 9, dtype=torch.float64)[None]
    correction = MoveoutCorrection(offset, (v0 + k * times)[None], times)
    recorded = band_limited(1, 9, 500, 60.0, seed)
    kept = correction.inverse(correction.mute) > 0.999
    back = correction.inverse(correction.forward(recorded))
    inner = kept & (torch.arange(500) > 20) & (torch.arange(500) < 470)
    assert kept.double().mean() > 0.1
    error = (back - recorded)[inner].square().mean().sqrt()
    assert error < 0.01 * recorded.square().mean().sqrt()


def test_muted_samples_bring_nothing_back() -> None:
    times = 4 * torch.arange(400, dtype=torch.float64)
    offset = torch.tensor([[100.0, 2500.0]], dtype=torch.float64)
    correction = MoveoutCorrection(offset, velocities(1, times), times)
    assert bool((correction.mute[0, 1, :200] == 0).all())
    back = correction.inverse(torch.ones(1, 2, 400, dtype=torch.float64))
    first_kept = float(correction.arrivals[0, 1][correction.mute[0, 1] > 0][0])
    assert not back[0, 1, times < first_kept - 4].any()
    assert bool((back[0, 0, 60:380] - 1).abs().max() < 0.02)


def test_dead_gathers_and_short_ones() -> None:
    one = torch.zeros(1, dtype=torch.float64)
    with pytest.raises(OptionError, match="2 samples"):
        MoveoutCorrection(torch.zeros(1, 3, dtype=torch.float64), velocities(1, one), one)
    for samples in (2, 9):
        times = 4 * torch.arange(samples, dtype=torch.float64)
        correction = MoveoutCorrection(torch.zeros(1, 3, dtype=torch.float64), velocities(1, times), times)
        data = torch.zeros(1, 3, samples)
        assert not correction.inverse(correction.forward(data)).any()


def test_velocity_must_be_positive() -> None:
    times = 4 * torch.arange(10, dtype=torch.float64)
    with pytest.raises(OptionError, match="positive"):
        MoveoutCorrection(torch.zeros(1, 1), torch.zeros(1, 10), times)


def test_velocities_are_linear_in_time_and_between_gathers(tmp_path: Path) -> None:
    path = tmp_path / "velocities.txt"
    path.write_text(
        "CDP,time,velocity\n# stacking\n100, 0, 1500\n100, 2000, 2500\n\n200 0 1700\n200 1000 2700 # pick\n"
    )
    model = read_velocities(path)
    found = model.at(np.array([50, 100, 150, 200, 999]), np.array([0.0, 1000.0, 5000.0]))
    first, last = [1500, 2000, 2500], [1700, 2700, 2700]
    np.testing.assert_allclose(found, [first, first, [1600, 2350, 2600], last, last])


def test_velocity_formula() -> None:
    found = parse_velocities("1500,0.6").at(np.array([7, 8]), np.array([0.0, 1000.0, 4000.0]))
    np.testing.assert_allclose(found, [[1500, 1500.6, 1502.4]] * 2)
    np.testing.assert_allclose(parse_velocities("1500,600").at(np.array([1]), np.array([2000.0])), [[2700]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no velocities"),
        ("1 0 1500\n1 100\n", "line 2"),
        ("1 0 1500\n1 abc 1600\n", "line 2"),
        ("1 0 1500\n1 0 1600\n", "two velocities"),
        ("1 0 15\n", "100 to 20000"),
        ("1 -5 1500\n", "time must be"),
        ("1 nan 1500\n", "3 numbers"),
    ],
)
def test_bad_velocity_files_are_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "velocities.txt"
    path.write_text(text)
    with pytest.raises(OptionError, match=message):
        parse_velocities(str(path))


@pytest.mark.parametrize("text", ["nowhere.txt", "0,1", "-1500,0", "1500,-1", "nan,0", "a,b"])
def test_bad_velocity_options_are_explained(text: str) -> None:
    with pytest.raises(OptionError):
        parse_velocities(text)


def test_velocity_model_takes_gathers_in_any_order() -> None:
    model = VelocityModel({5.0: (np.array([0.0]), np.array([2000.0])), 1.0: (np.array([0.0]), np.array([1000.0]))})
    np.testing.assert_allclose(model.at(np.array([5, 3, 1]), np.array([0.0, 8.0]))[:, 1], [2000, 1500, 1000])


def test_only_the_functions_beside_the_gathers_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.array([0.0, 1000.0, 3000.0])
    model = VelocityModel({float(cdp): (times, 1500.0 + cdp + times) for cdp in range(0, 2000, 10)})
    looked, interp = [], np.interp
    monkeypatch.setattr(np, "interp", lambda x, xp, fp: looked.append(len(xp)) or interp(x, xp, fp))
    found = model.at(np.array([123, 120, -5, 5000, 124]), np.array([500.0, 2000.0]))
    np.testing.assert_allclose(found - [500.0, 2000.0], 1500 + np.array([123, 120, 0, 1990, 124])[:, None] + [0, 0])
    assert len(looked) == 1 + 5  # where the gathers lie; the functions at 0, 10, 120, 130 and 1990


@pytest.mark.parametrize("loudness", [1e-30, 1e30])
def test_the_moveout_of_any_amplitude_is_seen(loudness: float) -> None:
    times = 4 * torch.arange(400, dtype=torch.float64)
    offset = torch.linspace(100, 3000, 24, dtype=torch.float64)[None]
    arrivals = torch.sqrt(torch.arange(200.0, 1500, 150).double() ** 2 + (offset[0, :, None] / 1.8) ** 2)
    data = torch.exp(-(((times - arrivals[..., None]) / 10) ** 2)).sum(dim=1).float()[None]
    noise = 0.05 * torch.randn(data.shape, generator=torch.Generator().manual_seed(0))
    live = torch.ones(1, 24, dtype=torch.bool)
    assert looks_uncorrected(loudness * (data + noise), offset, live, times)
    assert not looks_uncorrected(loudness * (data[:, :1] + noise), offset, live, times)


def su_gather(path: Path, metres: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    with segyio.su.open(str(path), endian="big", ignore_geometry=True) as file:
        data = torch.tensor(np.stack([trace.copy() for trace in file.trace]))
        offset = metres * torch.tensor(file.attributes(37)[:].astype(np.float64))
        step = float(file.attributes(117)[0][0]) / 1000
    times = step * torch.arange(data.shape[1], dtype=torch.float64)
    return data[None], offset[None], (data != 0).any(dim=1)[None], times


def test_real_corrected_gather_does_not_look_uncorrected(field_data: Path) -> None:
    assert not looks_uncorrected(*su_gather(field_data / "prestack" / "gom_cdp_nmo.su", 0.3048))


@pytest.mark.parametrize("name", ["land_split_spread_shot.su", "syn_cmp_mult.su", "ground_roll_raw.su"])
def test_real_uncorrected_gathers_look_it(field_data: Path, name: str) -> None:
    assert looks_uncorrected(*su_gather(field_data / "prestack" / name))


def test_real_marine_shots_look_uncorrected(field_data: Path) -> None:
    with segyio.open(str(field_data / "prestack" / "viking_small.segy"), ignore_geometry=True) as file:
        data = torch.tensor(file.trace.raw[:]).reshape(4, 120, 600)
        offset = torch.tensor(file.attributes(37)[:].astype(np.float64)).reshape(4, 120)
    times = 4 * torch.arange(600, dtype=torch.float64)
    assert looks_uncorrected(data, offset, torch.ones(4, 120, dtype=torch.bool), times)


def test_little_moveout_raises_no_alarm() -> None:
    data = torch.randn(2, 10, 300, generator=torch.Generator().manual_seed(0))
    live, times = torch.ones(2, 10, dtype=torch.bool), 4 * torch.arange(300, dtype=torch.float64)
    assert not looks_uncorrected(data, torch.zeros(2, 10, dtype=torch.float64), live, times)
    assert not looks_uncorrected(data, torch.zeros(2, 10, dtype=torch.float64), ~live, times)
    offset = torch.linspace(0, 20, 10, dtype=torch.float64).expand(2, -1)
    assert not looks_uncorrected(data[:, :1].expand(-1, 10, -1), offset, live, times)


def test_arrival_times_of_a_hyperbola() -> None:
    times = torch.tensor([1200.0], dtype=torch.float64)
    found = nmo_times(torch.tensor([[0.0, 1000.0]]), torch.tensor([[2000.0]]), times)
    torch.testing.assert_close(found, torch.tensor([[[1200.0], [1300.0]]], dtype=torch.float64))
