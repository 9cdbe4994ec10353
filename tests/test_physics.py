"""Closed forms: what moveout and the Radon transform must do to events whose times are known."""

from __future__ import annotations

import math

import pytest
import torch

from seisdiff.operators.nmo import MoveoutCorrection, nmo_times
from seisdiff.operators.radon import Kind, RadonGrid, RadonMatrix, RadonTransform
from seisdiff.operators.solvers import least_squares, shared_weights, sparse
from tests.contracts import irregular_offsets

TIMES = 4 * torch.arange(300, dtype=torch.float64)


def ricker(time: torch.Tensor, peak_hz: float = 25.0) -> torch.Tensor:
    argument = (math.pi * peak_hz * time / 1000) ** 2
    return (1 - 2 * argument) * torch.exp(-argument)


def closed_form_delay(kind: Kind, offset: torch.Tensor, moveout: float) -> torch.Tensor:
    """The moveout at each offset of one that is `moveout` ms at 2500 m; the hyperbola's reference depth is 900 m."""
    if kind == "linear":
        return moveout * offset / 2500
    if kind == "parabolic":
        return moveout * offset**2 / 6250000
    return moveout * (torch.hypot(offset, torch.tensor(900.0)) - 900) / (math.hypot(2500, 900) - 900)


@pytest.mark.parametrize("kind", ["linear", "parabolic", "hyperbolic"])
def test_spike_in_the_panel_predicts_its_curve(kind: Kind) -> None:
    offset = irregular_offsets(1, 11)
    grid = RadonGrid(300, 4.0, -80.0, 8.0, 31, 2500.0, kind, ref_depth=900.0)
    panel = torch.zeros(1, 31, 300, dtype=torch.float64)
    panel[0, 20] = ricker(TIMES - 600)
    expected = ricker(TIMES - 600 - closed_form_delay(kind, offset[0], 80.0)[:, None])
    torch.testing.assert_close(RadonTransform(grid, offset).forward(panel)[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", ["linear", "parabolic", "hyperbolic"])
@pytest.mark.parametrize("solver", ["ls", "sparse"])
@pytest.mark.parametrize(("start", "moveout"), [(400.0, 120.0), (700.0, -40.0)])
def test_event_focuses_at_its_time_and_moveout(kind: Kind, solver: str, start: float, moveout: float) -> None:
    offset = irregular_offsets(1, 24).abs()
    grid = RadonGrid(300, 4.0, -160.0, 8.0, 61, 2500.0, kind, ref_depth=900.0, f_min=3.0, f_max=90.0)
    event = ricker(TIMES - start - closed_form_delay(kind, offset[0], moveout)[:, None])
    matrix = RadonMatrix(grid, offset[0], torch.complex128)
    data = grid.spectra(event[None])
    panel = least_squares(matrix, data, 0.5) if solver == "ls" else sparse(matrix, data, 0.5, shared_weights(1e-3))
    image = grid.traces(panel, 300)[0].abs()
    best = divmod(int(image.argmax()), 300)
    assert abs(float(grid.moveouts[best[0]]) - moveout) <= (0 if solver == "sparse" else 8)
    assert abs(4 * best[1] - start) <= 4
    inside = image[best[0] - 3 : best[0] + 4].square().sum() / image.square().sum()
    assert inside > (0.95 if solver == "sparse" else 0.3)


def test_transform_does_not_wrap_around() -> None:
    """An event that leaves the gather at its bottom must not come back at its top."""
    offset = torch.linspace(0, 2500, 20, dtype=torch.float64)[None]
    grid = RadonGrid(300, 4.0, 0.0, 10.0, 80, 2500.0)
    panel = torch.zeros(1, 80, 300, dtype=torch.float64)
    panel[0, 79] = ricker(TIMES - 1000)
    data = RadonTransform(grid, offset).forward(panel)[0]
    assert data[:, 240:].abs().max() > 0.9
    assert data[:, :200].abs().max() < 1e-3


@pytest.mark.parametrize("start", [0.0, 240.0])
def test_moveout_correction_flattens_a_hyperbola(start: float) -> None:
    times = start + 4 * torch.arange(500, dtype=torch.float64)
    offset = torch.tensor([[0.0, -400.0, 900.0, 1500.0]], dtype=torch.float64)
    velocity = (1700 + 0.4 * times)[None]
    arrivals = nmo_times(offset, velocity, times)
    recorded = sum(ricker(times - arrivals[..., index : index + 1]) for index in (250, 330, 410))
    correction = MoveoutCorrection(offset, velocity, times)
    corrected = correction.forward(torch.as_tensor(recorded))
    for index in (250, 330, 410):
        peaks = corrected[0, :, index - 12 : index + 13].argmax(dim=-1) + index - 12
        assert peaks.tolist() == [index] * 4
        torch.testing.assert_close(corrected[0, :, index], torch.ones(4, dtype=torch.float64), atol=5e-3, rtol=0)


def test_stretch_mute_starts_where_the_hyperbola_is_stretched_that_much() -> None:
    """With one velocity a sample is stretched by t(x) / t0, so that 50 % is reached at t0 = (x / v) / sqrt(1.25)."""
    times = torch.arange(1500, dtype=torch.float64)
    offset, velocity = torch.tensor([[1200.0]], dtype=torch.float64), torch.full((1, 1500), 2000.0)
    correction = MoveoutCorrection(offset, velocity, times, stretch=0.5, taper_ms=20.0)
    limit = 600 / math.sqrt(1.25)
    first = float(times[correction.mute[0, 0] > 0][0])
    assert abs(first - limit) < 2
    assert bool((correction.mute[0, 0, int(limit) + 22 :] == 1).all())


def test_multiple_keeps_its_moveout_after_correction_for_primaries() -> None:
    """A multiple at twice the water bottom's time and its velocity is late by the difference of two hyperbolas."""
    times = 4 * torch.arange(700, dtype=torch.float64)
    offset = torch.tensor([[0.0, 1000.0, 2000.0]], dtype=torch.float64)
    primaries, start = (1500 + 0.5 * times)[None], 1600.0
    recorded = ricker(times - torch.sqrt(start**2 + (offset[0] / 1.5) ** 2)[:, None])[None]
    corrected = MoveoutCorrection(offset, primaries, times).forward(recorded)[0]
    arrivals = nmo_times(offset, primaries, times)[0]
    for trace, distance in enumerate(offset[0].tolist()):
        arrival = math.hypot(start, distance / 1.5)
        expected = float(times[int((arrivals[trace] - arrival).abs().argmin())])
        assert abs(4 * int(corrected[trace].argmax()) - expected) <= 4
