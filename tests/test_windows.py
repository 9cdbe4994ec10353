"""Windows of traces and time: they cover everything once, and what is cut and merged is unchanged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from seisdiff.restorers import windows as module
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.fx import FxRestorer, FxSpec
from seisdiff.restorers.pocs import PocsRestorer, PocsSpec
from seisdiff.restorers.ssa import SsaRestorer, SsaSpec
from seisdiff.restorers.windows import (
    BandSpec,
    TimeWindows,
    TraceOrder,
    band_of,
    live_by_offset,
    noise_power,
    time_windows,
    trace_windows,
    whole_grid,
)
from tests.contracts import assert_same, scaled_batch


@settings(deadline=None, max_examples=60)
@given(samples=st.integers(1, 300), window_ms=st.floats(1, 2000), turns=st.sampled_from([2, 4]))
def test_time_windows_add_up_to_the_record(samples: int, window_ms: float, turns: int) -> None:
    times = 4 * torch.arange(samples, dtype=torch.float64)
    data = torch.randn(3, samples, generator=torch.Generator().manual_seed(samples))
    windows = time_windows(times, window_ms, turns)
    pieces = windows.cut(data)
    assert pieces.shape == (3, windows.count, windows.length)
    torch.testing.assert_close(windows.merge(pieces), data, atol=1e-5, rtol=1e-5)


def test_a_record_as_long_as_the_window_is_not_tapered() -> None:
    data = torch.randn(2, 50)
    assert torch.equal(TimeWindows(50, 50, 50).cut(data)[:, 0], data)


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    length=st.integers(1, 20),
    overlap=st.sampled_from([0.0, 0.5, 0.75]),
)
def test_trace_windows_add_up_to_the_gathers(counts: list[int], length: int, overlap: float) -> None:
    count = torch.tensor(counts)
    order = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(n)) for n in range(len(counts))])
    data = torch.randn(len(counts), 40, 5, generator=torch.Generator().manual_seed(1))
    total = torch.zeros_like(data)
    for windows in trace_windows(TraceOrder(order, count), length, overlap):
        assert windows.trace.shape[1] <= length
        windows.add(total, windows.cut(data))
    for gather, held in enumerate(counts):
        inside = order[gather, :held]
        torch.testing.assert_close(total[gather, inside], data[gather, inside], atol=1e-5, rtol=1e-5)
        assert not total[gather, order[gather, held:]].any()


def test_windows_of_one_gather_do_not_depend_on_the_others() -> None:
    order = torch.arange(30).expand(3, 30)
    together = list(trace_windows(TraceOrder(order, torch.tensor([30, 7, 23])), 10))
    for gather, count in enumerate((30, 7, 23)):
        alone = next(trace_windows(TraceOrder(order[:1], torch.tensor([count])), 10))
        mine = [(w.trace[w.gather == gather], w.weight[w.gather == gather]) for w in together]
        trace, weight = next(pair for pair in mine if len(pair[0]))
        assert torch.equal(trace, alone.trace)
        assert torch.equal(weight, alone.weight)


@pytest.mark.parametrize("samples", [1, 30, 500])
def test_windows_of_a_large_gather_come_in_parts_that_make_the_whole(
    samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence = TraceOrder(torch.arange(90).expand(2, 90), torch.tensor([90, 34]))
    (whole,) = trace_windows(sequence, 10)
    monkeypatch.setattr(module, "WINDOWED", 1000)
    parts = list(trace_windows(sequence, 10, samples=samples))
    assert all(len(part.gather) == 1 or part.trace.numel() * samples <= 1000 for part in parts)
    for name in ("gather", "trace", "weight"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name))
    assert (len(parts) > 1) == (samples > 1)


@pytest.mark.parametrize(
    "restorer",
    [
        FxRestorer("denoise", FxSpec(), 1.0),
        FxRestorer("interpolate", FxSpec(), 1.0),
        PocsRestorer("interpolate", PocsSpec(iterations=4), 1.0),
        SsaRestorer("denoise", SsaSpec(), 1.0),
    ],
    ids=["fx", "fx interpolate", "pocs", "ssa"],
)
def test_a_large_gather_is_restored_in_parts_to_the_same(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = scaled_batch(gathers=1, traces=60)
    whole, seen = restorer.restore(batch).signal, []
    add = module.TraceWindows.add
    monkeypatch.setattr(module, "WINDOWED", 12000)
    monkeypatch.setattr(
        module.TraceWindows, "add", lambda self, *given: (seen.append(self.trace.numel()), add(self, *given))
    )
    assert_same(restorer.restore(batch).signal, whole)
    assert len(seen) > 1
    assert max(seen) * 150 <= 12000


def batch_of(offset: list[float], live: list[bool]) -> Batch:
    shape = (1, len(offset))
    return Batch(
        torch.zeros(*shape, 4), torch.tensor([offset]).double(), torch.tensor([live]), torch.arange(4).double()
    )


def test_live_traces_come_in_order_of_offset() -> None:
    order = live_by_offset(batch_of([300.0, -100.0, 0.0, 50.0], [True, True, False, True]))
    assert order.count.tolist() == [3]
    assert order.order[0, :3].tolist() == [1, 3, 0]


def test_the_grid_ends_before_the_padding() -> None:
    live = [True, False, True, False, False, False]
    assert whole_grid(batch_of([0.0, 0.0, 50.0, 75.0, 0.0, 0.0], live)).count.tolist() == [4]
    assert whole_grid(batch_of([0.0] * 6, live)).count.tolist() == [3]
    assert whole_grid(batch_of([10.0] * 6, [False] * 6)).count.tolist() == [0]


def test_the_band_holds_its_frequencies() -> None:
    band = band_of(250, 4.0, 10.0, 50.0)
    assert (band.points, band.first, band.stop) == (250, 10, 51)
    spectra = band.spectra(torch.randn(2, 250))
    kept, cut = (band.replaced(spectra, band.inner(spectra) * 0, outside) for outside in ("keep", "cut"))
    assert not cut.any()
    assert torch.equal(kept[:, :10], spectra[:, :10])
    assert torch.equal(kept[:, 51:], spectra[:, 51:])


def test_a_band_must_not_be_empty() -> None:
    with pytest.raises(ValidationError, match=r"f_max \(5 Hz\) must be above f_min \(10 Hz\)"):
        BandSpec(f_min=10, f_max=5)


def test_noise_has_a_spectrum_and_a_course_that_events_do_not_move() -> None:
    course, spectrum = torch.linspace(1, 9, 30)[:, None], torch.rand(40) + 0.1
    noise = (course * spectrum)[None]
    typical = noise.clone()
    typical[0, 12:14] *= 50
    typical[0, 20, :15] *= 9
    level = noise_power(typical)
    torch.testing.assert_close(level[0, 5:25], noise[0, 5:25], atol=0, rtol=0.15)
    assert not noise_power(torch.zeros(1, 3, 4)).any()


def test_a_burst_beside_silence_leaves_the_noise_finite() -> None:
    typical = torch.zeros(1, 20, 40)
    typical[0, 3:9] = 3e6  # over the smallest float32 that is infinite
    assert bool(noise_power(typical).isfinite().all())


def test_parts_of_a_batch_give_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    restorer: Restorer = SsaRestorer("denoise", SsaSpec(), 3000.0)
    batch = scaled_batch(gathers=4)
    whole = restorer.restore(batch).signal
    monkeypatch.setattr(module, "AT_ONCE", 1)
    torch.testing.assert_close(restorer.restore(batch).signal, whole, atol=1e-5, rtol=1e-5)
