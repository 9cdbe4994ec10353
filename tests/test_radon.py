"""The Radon transform, its solvers and the restorer built on them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from pydantic import ValidationError

import seisdiff as sd
from seisdiff.errors import OptionError
from seisdiff.operators.base import Operator
from seisdiff.operators.radon import Kind, RadonGrid, RadonMatrix, RadonTransform
from seisdiff.operators.sampling import TraceSampling
from seisdiff.operators.solvers import (
    cauchy_weights,
    least_squares,
    shared_weights,
    sparse,
    weighted_least_squares,
)
from seisdiff.restorers import RESTORERS, restorer_class
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task
from tests.contracts import OperatorContract, RestorerContract, irregular_offsets, scaled_batch


class RadonOperatorContract(OperatorContract):
    kind: Kind

    def operator(self, offset: torch.Tensor, live: torch.Tensor, samples: int) -> tuple[Operator, tuple[int, ...]]:
        grid = RadonGrid(samples, 4.0, -60.0, 13.0, 11, 2500.0, self.kind, ref_depth=800.0, f_min=3.0, f_max=90.0)
        return RadonTransform(grid, offset, live), (len(offset), 11, samples)


class TestParabolicOperator(RadonOperatorContract):
    kind = "parabolic"


class TestLinearOperator(RadonOperatorContract):
    kind = "linear"


class TestHyperbolicOperator(RadonOperatorContract):
    kind = "hyperbolic"


class TestTraceSampling(OperatorContract):
    def operator(self, offset: torch.Tensor, live: torch.Tensor, samples: int) -> tuple[Operator, tuple[int, ...]]:
        return TraceSampling(live), (*offset.shape, samples)


def test_dead_traces_are_neither_predicted_nor_stacked() -> None:
    offset, live = irregular_offsets(1, 4), torch.tensor([[True, False, True, True]])
    operator = RadonTransform(RadonGrid(40, 4.0, 0.0, 10.0, 5, 2500.0), offset, live)
    assert not operator.forward(torch.ones(1, 5, 40))[0, 1].any()
    alone = torch.zeros(1, 4, 40)
    alone[0, 1] = 1
    assert not operator.adjoint(alone).any()


def test_memory_bound_changes_the_blocks_not_the_result() -> None:
    grid, offset = RadonGrid(200, 4.0, -50.0, 10.0, 30, 2500.0), irregular_offsets(3, 20)
    model = torch.randn(3, 30, 200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    small, large = (RadonTransform(grid, offset, memory=2**power) for power in (16, 28))
    torch.testing.assert_close(small.forward(model), large.forward(model))
    assert len(list(RadonMatrix(grid, offset[0], memory=2**16).blocks())) > 10


@pytest.mark.parametrize("traces", [9, 24, 40])
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("gathers", [1, 20])
def test_least_squares_solves_the_normal_equations(traces: int, dtype: torch.dtype, gathers: int) -> None:
    """In either space, with even and odd moveout counts, few and many right-hand sides."""
    exact = torch.complex128
    for moveouts in (24, 25):
        grid = RadonGrid(90, 4.0, -40.0, 9.0, moveouts, 3000.0, f_max=110.0)
        matrix = RadonMatrix(grid, irregular_offsets(1, traces)[0], dtype)
        generator = torch.Generator().manual_seed(traces)
        data = torch.randn(len(grid.bins), traces, gathers, generator=generator, dtype=exact)
        full = torch.cat([block for _, block in matrix.blocks()]).to(exact)
        expected = torch.linalg.solve(full.mH @ full + 0.7 * torch.eye(moveouts, dtype=exact), full.mH @ data)
        found = least_squares(matrix, data.to(dtype), 0.7).to(exact)
        assert (found - expected).norm() / expected.norm() < (1e-12 if dtype == exact else 2e-4)


@pytest.mark.parametrize("traces", [9, 40])
def test_weighted_least_squares_minimises_its_objective(traces: int) -> None:
    grid = RadonGrid(60, 4.0, -40.0, 9.0, 21, 3000.0, f_max=110.0)
    matrix = RadonMatrix(grid, irregular_offsets(1, traces)[0], torch.complex128)
    generator = torch.Generator().manual_seed(1)
    data = torch.randn(len(grid.bins), traces, 2, generator=generator, dtype=torch.complex128)
    weights = 0.01 + torch.rand(1, 21, 2, generator=generator, dtype=torch.float64)
    panel = weighted_least_squares(matrix, data, 0.5, weights)
    gradient = matrix.stack(matrix.predict(panel) - data) + 0.5 * panel / weights
    assert gradient.norm() < 1e-10 * matrix.stack(data).norm()


def test_normal_matrices_from_a_table_are_those_of_the_products() -> None:
    grid = RadonGrid(300, 4.0, -140.0, 20.0, 60, 3100.0, f_min=2.0, f_max=75.0)
    generator = torch.Generator().manual_seed(0)
    offset = 150 + torch.linspace(0, 2950, 40, dtype=torch.float64) + 30 * torch.rand(40, generator=generator)
    matrix = RadonMatrix(grid, offset)
    data = torch.randn(len(matrix.bins), 40, 3, generator=generator, dtype=torch.complex64)
    weights = torch.rand(1, 60, 3, generator=generator) ** 8 + 1e-3
    weights = weights / weights.mean(dim=1, keepdim=True)
    table = weighted_least_squares(matrix, data, 0.6, weights)
    products = weighted_least_squares(matrix, data, 0.6, weights.expand(len(matrix.bins), -1, -1))
    assert not torch.equal(table, products)
    for one, other in zip(table.unbind(2), products.unbind(2), strict=True):
        assert float((one - other).norm() / other.norm()) < 5e-4


def test_shared_weights_average_one_and_ignore_amplitude() -> None:
    panel = torch.randn(5, 8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    weights = shared_weights(1e-3)(panel)
    assert weights.shape == (1, 8, 2)
    torch.testing.assert_close(weights.mean(dim=1), torch.ones(1, 2, dtype=torch.float64))
    torch.testing.assert_close(shared_weights(1e-3)(1e6 * panel), weights)
    assert torch.equal(shared_weights(1e-3)(0 * panel), torch.ones_like(weights))


def relative(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected))


def multiples(grid: RadonGrid, offset: torch.Tensor, panel: torch.Tensor, cut: float, points: int) -> torch.Tensor:
    """Model what lies beyond a sharp cut with the reference's own padding."""
    first = math.floor((cut - grid.first_moveout) / grid.moveout_step) + 1
    kept = panel.clone()
    kept[:, :first] = 0
    padded = replace(grid, n_fft=points)
    return RadonTransform(padded, offset).forward(kept)


def reference_grid(contents: dict, samples: int, f_min: float, f_max: float) -> tuple[RadonGrid, torch.Tensor]:
    offset = torch.tensor(contents["h"].astype(np.float64))
    q = 1000 * contents["q"].ravel()
    step = (q[-1] - q[0]) / (len(q) - 1)
    far = float(offset.abs().max())
    return RadonGrid(samples, 4.0, q[0], step, len(q), far, f_min=f_min, f_max=f_max, n_fft=8192), offset


def test_least_squares_equals_the_published_reference(field_data: Path) -> None:
    """SeismicLab's radon_demo_2: the Gulf of Mexico gather, damping 10.2, cut 50 ms, mutes applied again."""
    contents = scipy.io.loadmat(field_data / "radon_reference" / "matlab_radon_demo_2.mat")
    data = torch.tensor(np.ascontiguousarray(contents["D"].T))[None]
    grid, offset = reference_grid(contents, 601, 0.1, 90.0)
    matrix = RadonMatrix(grid, offset[0], torch.complex128)
    panel = grid.traces(least_squares(matrix, grid.spectra(data), 10.2), 601)
    assert relative(panel[0].T, contents["M"]) < 1e-5
    primaries = (data - multiples(grid, offset, panel, 50.0, 4096)) * (data != 0)
    assert relative(primaries[0].T, contents["P"]) < 1e-5


def test_sparse_equals_the_published_reference(field_data: Path) -> None:
    """SeismicLab's radon_demo_1: a synthetic gather, damping 1, least squares and two reweightings, cut 10 ms."""
    contents = scipy.io.loadmat(field_data / "radon_reference" / "matlab_radon_demo_1.mat")
    data = torch.tensor(np.ascontiguousarray(contents["D1"].T))[None]
    grid, offset = reference_grid(contents, 1001, 1.0, 60.0)
    matrix = RadonMatrix(grid, offset[0], torch.complex128)
    panel = grid.traces(sparse(matrix, grid.spectra(data), 1.0, cauchy_weights(1e-3)), 1001)
    assert relative(panel[0].T, contents["M"]) < 1e-5
    primaries = data - multiples(grid, offset, panel, 10.0, 4096)
    assert relative(primaries[0].T, contents["D1p"]) < 1e-5


def ricker(time: torch.Tensor, peak_hz: float = 25.0) -> torch.Tensor:
    argument = (math.pi * peak_hz * time / 1000) ** 2
    return (1 - 2 * argument) * torch.exp(-argument)


def snr(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float(10 * torch.log10(truth.square().sum() / (found - truth).square().sum()))


def corrected_cmp(seed: int) -> tuple[Batch, torch.Tensor]:
    """A corrected CMP of flat primaries and of multiples, half parabolas and half what is left of hyperbolas."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))

    times = 4 * torch.arange(600, dtype=torch.float64)
    offset = torch.linspace(100, 3000, 48, dtype=torch.float64)
    offset = offset + 15 * torch.randn(48, generator=generator, dtype=torch.float64)
    primaries, total = torch.zeros(2, 48, 600, dtype=torch.float64)
    for _ in range(12):
        primaries += draw(-1, 1) * ricker(times - draw(200, 2300))
    for event in range(12):
        start, late = draw(600, 2300), draw(120, 500)
        if event % 2:
            delay = late * (offset / 3000) ** 2
        else:
            delay = torch.sqrt(start**2 + (late**2 + 2 * start * late) * (offset / 3000) ** 2) - start
        total += 1.2 * draw(-1, 1) * ricker(times - start - delay[:, None])
    noise = 0.01 * torch.randn(48, 600, generator=generator, dtype=torch.float64)
    data = (primaries + total + noise).float()[None]
    return Batch(data, offset[None], torch.ones(1, 48, dtype=torch.bool), times), primaries


def demultiple(batch: Batch, protect_ms: float = 0.0, **options: object) -> torch.Tensor:
    return RadonRestorer("demultiple", RadonSpec(**options), 3000.0, protect_ms).restore(batch).signal  # type: ignore[arg-type]


def mean_snr(solver: str) -> float:
    gathers = [corrected_cmp(seed) for seed in range(4)]
    return sum(snr(demultiple(batch, solver=solver)[0], truth) for batch, truth in gathers) / len(gathers)


def test_demultiple_keeps_primaries_and_sparse_does_it_better() -> None:
    """Input SNR is about -2 dB."""
    plain, focused = mean_snr("ls"), mean_snr("sparse")
    assert plain > 10
    assert focused > plain + 3


def test_primaries_alone_come_back() -> None:
    batch, primaries = corrected_cmp(0)
    alone = Batch(primaries.float()[None], batch.offset, batch.live, batch.times)
    assert snr(demultiple(alone)[0], primaries) > 25


def test_protected_moveout_is_never_removed() -> None:
    batch, _ = corrected_cmp(1)
    event = ricker(batch.times - 800 - 200 * ((batch.offset[0] / 3000) ** 2)[:, None]).float()[None]
    alone = Batch(event, batch.offset, batch.live, batch.times)
    assert (event - demultiple(alone)).norm() > 0.95 * event.norm()
    assert (event - demultiple(alone, protect_ms=320.0)).norm() < 0.1 * event.norm()


def test_cut_varies_with_time() -> None:
    batch, _ = corrected_cmp(1)
    delay = 150 * ((batch.offset[0] / 3000) ** 2)[:, None]
    event = (ricker(batch.times - 400 - delay) + ricker(batch.times - 1600 - delay)).float()[None]
    alone = Batch(event, batch.offset, batch.live, batch.times)
    kept = demultiple(alone, cut_ms="0:300,900:300,1100:60,2400:60")
    early, late = slice(0, 200), slice(350, 500)
    assert kept[..., early].norm() > 0.9 * event[..., early].norm()
    assert kept[..., late].norm() < 0.1 * event[..., late].norm()


def test_moveouts_are_told_at_one_offset_for_all_gathers() -> None:
    """A near-offset gather sees a twentieth of the moveout; what it cannot tell apart stays with the primaries."""
    times = 4 * torch.arange(400, dtype=torch.float64)
    near = torch.linspace(50, 600, 12, dtype=torch.float64)
    flat = ricker(times - 700).expand(1, 12, 400).float()
    kept = demultiple(Batch(flat, near[None], torch.ones(1, 12, dtype=torch.bool), times))
    assert (flat - kept).norm() < 0.25 * flat.norm()


def test_flat_event_that_a_mute_cuts_short_stays() -> None:
    """Its end at a ninth of the reference moveout must not pass for curvature."""
    batch, _ = corrected_cmp(0)
    muted = batch.times < (batch.offset[0] - 500)[:, None]
    event = (ricker(batch.times - 500).expand(48, 600) * ~muted).float()[None]
    removed = event - demultiple(Batch(event, batch.offset, batch.live, batch.times))
    assert (removed[0] * ~muted).norm() < 0.15 * event.norm()


@pytest.mark.parametrize("offset", [0.0, 3000.0])
def test_without_moveout_nothing_is_removed(offset: float) -> None:
    batch = scaled_batch()
    same = Batch(batch.data, torch.full_like(batch.offset, offset), batch.live, batch.times)
    assert torch.equal(demultiple(same), batch.data)


def test_only_the_ratio_of_moveout_and_step_counts() -> None:
    """So that a depth axis in m is served as well; where the axis starts does not matter to a constant cut."""
    batch, _ = corrected_cmp(2)
    shifted = Batch(batch.data, batch.offset, batch.live, batch.times + 1000)
    torch.testing.assert_close(demultiple(shifted), demultiple(batch))
    half = Batch(batch.data, batch.offset, batch.live, batch.times / 2)
    options = {"cut_ms": 30.0, "taper_ms": 15.0, "moveout_ms": (-75.0, 500.0, 5.0), "f_min": 4.0}
    torch.testing.assert_close(demultiple(half, **options), demultiple(batch, moveout_ms=(-150.0, 1000.0, 10.0)))


def shot(seed: int) -> Batch:
    """A split-spread shot: hyperbolas and a direct wave."""
    generator = torch.Generator().manual_seed(seed)
    offset = 37.5 * (torch.arange(60, dtype=torch.float64) - 24.3)
    times = 4 * torch.arange(500, dtype=torch.float64)
    data = 0.7 * ricker(times - 50 - (offset.abs() / 1.7)[:, None])
    for start in torch.linspace(150, 1700, 14).tolist():
        velocity = 1.5 + start / 2500
        amplitude = float(torch.randn((), generator=generator))
        data = data + amplitude * ricker(times - torch.sqrt(start**2 + (offset / velocity) ** 2)[:, None])
    return Batch(data.float()[None], offset[None], torch.ones(1, 60, dtype=torch.bool), times)


def fill(batch: Batch, live: torch.Tensor) -> torch.Tensor:
    damaged = Batch(batch.data * live[:, None], batch.offset, live[None], batch.times)
    return RadonRestorer("interpolate", RadonSpec(), 3000.0).restore(damaged).signal


def test_interpolate_predicts_missing_traces_of_a_shot() -> None:
    batch = shot(3)
    second = torch.arange(60) % 2 == 0
    signal = fill(batch, second)
    assert torch.equal(signal[0, second], batch.data[0, second])
    assert snr(signal[0, ~second], batch.data[0, ~second]) > 9
    block = torch.ones(60, dtype=torch.bool)
    block[40:44] = False
    assert snr(fill(batch, block)[0, ~block], batch.data[0, ~block]) > 6


def test_denoise_keeps_the_shot_and_drops_noise() -> None:
    batch = shot(4)
    noise = 0.15 * torch.randn(batch.data.shape, generator=torch.Generator().manual_seed(0))
    noisy = Batch(batch.data + noise, batch.offset, batch.live, batch.times)
    signal = RadonRestorer("denoise", RadonSpec(), 3000.0).restore(noisy).signal
    assert snr(signal, batch.data) > snr(noisy.data, batch.data) + 4


class TestDemultiple(RestorerContract):
    task: Task = "demultiple"
    spec = RadonSpec()

    def restorer(self) -> Restorer:
        return RadonRestorer(self.task, self.spec, 3500.0)


class TestDemultipleLeastSquares(TestDemultiple):
    spec = RadonSpec(solver="ls")


class TestDenoise(TestDemultiple):
    task: Task = "denoise"


class TestInterpolate(TestDemultiple):
    task: Task = "interpolate"


class TestInterpolateHyperbolic(TestDemultiple):
    task: Task = "interpolate"
    spec = RadonSpec(kind="hyperbolic")


@pytest.mark.parametrize(
    "options",
    [
        {"cut": 60},
        {"cut_ms": "60,70"},
        {"cut_ms": "2000:60,0:100"},
        {"cut_ms": "0:nan"},
        {"moveout_ms": "100:-100"},
        {"moveout_ms": "a:b"},
        {"moveout_ms": (0.0, 100.0, -5.0)},
        {"damping": 0.0},
        {"f_min": 50.0, "f_max": 20.0},
        {"kind": "cubic"},
    ],
)
def test_options_out_of_bounds_are_refused(options: dict) -> None:
    with pytest.raises(ValidationError):
        RadonSpec(**options)


def test_options_are_read_as_typed() -> None:
    spec = RadonSpec(moveout_ms="-200:800:8", cut_ms="0:120,2000:60")
    assert spec.moveout_ms == (-200.0, 800.0, 8.0)
    assert RadonSpec(**spec.model_dump()) == spec


def test_bad_grid_is_refused() -> None:
    with pytest.raises(OptionError, match="reference offset"):
        RadonGrid(100, 4.0, 0.0, 10.0, 5, 0.0)
    with pytest.raises(OptionError, match="n_fft"):
        RadonGrid(100, 4.0, 0.0, 10.0, 5, 1000.0, n_fft=64)


def test_methods_are_found_by_name() -> None:
    assert restorer_class("radon") is RadonRestorer
    assert next(iter(RESTORERS)) == "radon"
    assert restorer_class("diffusion").__name__ == "DiffusionRestorer"
    with pytest.raises(OptionError, match="available: radon"):
        restorer_class("radom")


def test_what_cannot_be_a_multiple_before_the_start_stays() -> None:
    """Events of steep moveout that begin before the first multiple, such as post-critical reflections."""
    batch, _ = corrected_cmp(0)
    curve = ((batch.offset[0] / 3000) ** 2)[:, None]
    early, late = (ricker(batch.times - start - 300 * curve).float()[None] for start in (500.0, 1400.0))

    def removed(event: torch.Tensor, start: torch.Tensor | None) -> float:
        alone = Batch(event, batch.offset, batch.live, batch.times, start)
        restored = RadonRestorer("demultiple", RadonSpec(), 3000.0).restore(alone).signal
        return float((event - restored).norm() / event.norm())

    assert removed(early, None) > 0.9
    assert removed(early, torch.full((1, 48), -math.inf, dtype=torch.float64)) > 0.9
    start = torch.full((1, 48), 1000.0, dtype=torch.float64)
    assert removed(early, start) < 0.02
    assert removed(late, start) > 0.9


def test_a_multiple_that_steepens_more_than_a_parabola_goes_whole() -> None:
    batch, _ = corrected_cmp(0)
    place = batch.offset[0, :, None] / 3000
    event = ricker(batch.times - 1000 - 300 * (0.6 * place**2 + 0.4 * place**4)).float()[None]
    start = torch.full((1, 48), 960.0, dtype=torch.float64)
    restored = RadonRestorer("demultiple", RadonSpec(), 3000.0).restore(
        Batch(event, batch.offset, batch.live, batch.times, start)
    )
    assert restored.signal.norm() < 0.2 * event.norm()


def _dips(offset: np.ndarray) -> np.ndarray:
    times = np.arange(200) * 4.0
    return np.exp(-(((times - (200 + 0.3 * offset[:, None])) / 12.0) ** 2)).astype(np.float32)


@pytest.mark.parametrize("kind", ["linear", "parabolic"])
def test_dead_traces_are_predicted_at_their_own_offsets(kind: str) -> None:
    offsets = np.arange(11) * 50.0 + 100
    data, live = torch.from_numpy(_dips(offsets)), torch.ones(11, dtype=torch.bool)
    live[[4, 10]] = False
    times = torch.arange(200).double() * 4
    ten = torch.from_numpy(np.where(np.arange(11) < 10, offsets, 0))
    both = Batch(
        torch.stack([data, data]) * live[:, None], torch.stack([ten, torch.from_numpy(offsets)]),
        torch.stack([live, live]), times, fold=torch.tensor([10, 11]),
    )  # fmt: skip
    restorer = RadonRestorer("interpolate", RadonSpec(kind=kind), 600.0)
    together, alone = restorer.restore(both).signal[1], restorer.restore(both.take(slice(1, 2))).signal[0]
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("method", ["radon", "fx", "pocs", "unet"])
def test_a_dead_trace_at_zero_offset_is_no_padding(method: str) -> None:
    offsets = np.arange(11)[::-1] * 50.0
    gather = _dips(offsets)
    gather[[5, 10]] = 0
    filled = sd.interpolate(sd.make_survey(gather, dt_ms=4.0, offset=offsets), method=method)
    assert filled["live"].values.all()
    assert np.abs(filled["amplitude"].values[10]).max() > 0.5


@pytest.mark.parametrize("solver", ["sparse", "ls"])
def test_offsets_far_beyond_the_reference_do_not_stop_a_run(solver: str) -> None:
    offset = torch.linspace(100, 6000, 60).double()
    data = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 60, 250)).astype(np.float32))
    batch = Batch(data, offset[None], torch.ones(1, 60, dtype=torch.bool), torch.arange(250).double() * 4)
    restored = RadonRestorer("demultiple", RadonSpec(solver=solver), 50.0).restore(batch).signal
    assert torch.isfinite(restored).all()
    assert restored.abs().max() < 10 * data.abs().max()
