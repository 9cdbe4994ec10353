"""What every operator and every restorer must do; a new one subclasses the contract and says how to make itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from seisdiff.operators.base import Operator, dot_test
from seisdiff.restorers.base import Batch, Restored, Restorer


def irregular_offsets(gathers: int, traces: int, seed: int = 0) -> torch.Tensor:
    """Offsets (gather, trace) in m of both signs, unevenly apart, different in each gather."""
    generator = torch.Generator().manual_seed(seed)
    return 6000 * torch.rand(gathers, traces, generator=generator, dtype=torch.float64) - 2500


class OperatorContract:
    """Subclass and implement `operator`; shapes are odd and offsets irregular."""

    tolerance = 1e-10

    def operator(self, offset: torch.Tensor, live: torch.Tensor, samples: int) -> tuple[Operator, tuple[int, ...]]:
        """Return the operator for those gathers and the shape of its model."""
        raise NotImplementedError

    @pytest.mark.parametrize(("gathers", "traces", "samples"), [(1, 1, 17), (3, 7, 51), (2, 13, 64), (1, 31, 101)])
    def test_adjoint_is_exact(self, gathers: int, traces: int, samples: int) -> None:
        generator = torch.Generator().manual_seed(samples)
        offset = irregular_offsets(gathers, traces, seed=samples)
        live = torch.rand(gathers, traces, generator=generator) > 0.2
        live[:, 0] = True
        operator, shape = self.operator(offset, live, samples)
        model = torch.randn(shape, generator=generator, dtype=torch.float64)
        data = torch.randn(gathers, traces, samples, generator=generator, dtype=torch.float64)
        assert dot_test(operator, model, data) < self.tolerance

    def test_forward_is_linear(self) -> None:
        operator, shape = self.operator(irregular_offsets(2, 5), torch.ones(2, 5, dtype=torch.bool), 33)
        generator = torch.Generator().manual_seed(1)
        one, two = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        together = operator.forward(2 * one - 3 * two)
        torch.testing.assert_close(together, 2 * operator.forward(one) - 3 * operator.forward(two))
        assert together.abs().max() > 0


def scaled_batch(gathers: int = 3, traces: int = 12, samples: int = 150, seed: int = 0) -> Batch:
    """Random gathers of order one with irregular offsets; one trace is dead."""
    generator = torch.Generator().manual_seed(seed)
    live = torch.ones(gathers, traces, dtype=torch.bool)
    live[0, 3] = False
    data = torch.randn(gathers, traces, samples, generator=generator) * live[..., None]
    times = 4 * torch.arange(samples, dtype=torch.float64)
    return Batch(data, irregular_offsets(gathers, traces, seed), live, times)


def pad_traces(batch: Batch, count: int) -> Batch:
    """Return the batch with `count` padding traces at the end of each gather."""
    gathers = len(batch.data)
    return Batch(
        torch.cat([batch.data, batch.data.new_zeros(gathers, count, batch.data.shape[-1])], dim=1),
        torch.cat([batch.offset, batch.offset.new_zeros(gathers, count)], dim=1),
        torch.cat([batch.live, batch.live.new_zeros(gathers, count)], dim=1),
        batch.times,
    )


def one_gather(batch: Batch, gather: int) -> Batch:
    """Return a batch of one gather."""
    part = slice(gather, gather + 1)
    return replace(batch, data=batch.data[part], offset=batch.offset[part], live=batch.live[part])


def assert_same(left: torch.Tensor, right: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Fail where two signals differ by more than `tolerance` of their root mean square."""
    scale = float(right.square().mean().sqrt())
    assert float((left - right).abs().max()) <= tolerance * max(scale, 1e-30) * 10


class RestorerContract:
    """Subclass and implement `restorer`; `batch` may be replaced by something nearer to the restorer's task."""

    def restorer(self) -> Restorer:
        """Return a restorer to be tested."""
        raise NotImplementedError

    def batch(self) -> Batch:
        """Return gathers to restore."""
        return scaled_batch()

    def restore(self, batch: Batch) -> Restored:
        """Restore, and check what the engine relies on: shapes, types, finite values, an input left alone."""
        before = batch.data.clone()
        restored = self.restorer().restore(batch)
        assert torch.equal(batch.data, before)
        assert restored.signal.shape == batch.data.shape
        assert restored.signal.dtype == batch.data.dtype
        assert bool(restored.signal.isfinite().all())
        if restored.spread is not None:
            assert restored.spread.shape == batch.data.shape
        return restored

    def test_keeps_shape_type_and_input(self) -> None:
        assert isinstance(self.restorer(), Restorer)
        self.restore(self.batch())

    def test_each_gather_is_for_itself(self) -> None:
        batch = self.batch()
        together = self.restore(batch).signal
        for gather in range(len(batch.data)):
            assert_same(self.restore(one_gather(batch, gather)).signal[0], together[gather])

    def test_padding_traces_have_no_influence(self) -> None:
        batch = self.batch()
        padded = self.restore(pad_traces(batch, 5)).signal
        assert_same(padded[:, : batch.data.shape[1]], self.restore(batch).signal)

    @pytest.mark.parametrize("factor", [2.0**-6, 2.0**7])
    def test_amplitudes_scale(self, factor: float) -> None:
        batch = self.batch()
        louder = self.restore(replace(batch, data=batch.data * factor)).signal
        assert_same(louder, factor * self.restore(batch).signal)

    def test_zero_gives_zero(self) -> None:
        batch = self.batch()
        assert not self.restore(replace(batch, data=torch.zeros_like(batch.data))).signal.any()

    def test_gather_without_live_traces_gives_zero(self) -> None:
        batch = self.batch()
        live = batch.live.clone()
        live[1] = False
        data = batch.data * live[..., None]
        assert not self.restore(replace(batch, data=data, live=live)).signal[1].any()

    @pytest.mark.parametrize("traces", [1, 2])
    @pytest.mark.parametrize("samples", [1, 2, 7, 33])
    def test_smallest_gathers(self, traces: int, samples: int) -> None:
        generator = torch.Generator().manual_seed(samples)
        data = torch.randn(2, traces, samples, generator=generator)
        live = torch.ones(2, traces, dtype=torch.bool)
        times = 4 * torch.arange(samples, dtype=torch.float64)
        self.restore(Batch(data, irregular_offsets(2, traces), live, times))

    @pytest.mark.parametrize("offset", [0.0, 1200.0])
    def test_identical_offsets(self, offset: float) -> None:
        batch = self.batch()
        self.restore(replace(batch, offset=torch.full_like(batch.offset, offset)))
