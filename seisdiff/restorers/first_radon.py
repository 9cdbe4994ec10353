"""The Radon first guess of training pairs, of which no two are alike in geometry or sampling, all at once.

It gives what `RadonRestorer` gives pair by pair. Rows are (pair, frequency): those of all pairs are one batch dimension
of matrices (row, trace, moveout), in which traces that are not live and moveouts that a pair lacks are zero. The host
asks the device once for the extremes of the geometries, makes the axes, and sends one table back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch

from seisdiff.operators.radon import RadonGrid, moveout_curve
from seisdiff.operators.solvers import relative_weights, weighted_rows, working_row
from seisdiff.restorers.radon import (
    WEIGHT_FLOOR,
    RadonRestorer,
    RadonSpec,
    estimation_stride,
    signed_index,
    spread_seen,
)

if TYPE_CHECKING:
    from seisdiff.tasks.pairs import Pair

ON_GPU = 2**31  # bytes at once: few launches there,
IN_CACHE = 2**23  # and what a cache holds elsewhere


def multiples_of_pairs(spec: RadonSpec, pair: Pair, memory: int | None = None) -> torch.Tensor:
    """Return the multiples (pair, trace, time) that a Radon transform finds in each pair, zero where it finds none.

    `memory` (bytes) bounds the working set; it does not change the result.
    """
    largest = torch.where(pair.largest > 0, pair.largest, 1).double()
    gathers = _gathers(spec, pair, largest)
    plans = _plans(spec, pair.degraded.shape[-1], _told(pair, largest, gathers.curve))
    columns = _columns(plans, pair.degraded.device)
    found = torch.zeros_like(pair.degraded)
    memory = memory or (ON_GPU if found.is_cuda else IN_CACHE)
    for run in _runs_within(plans, found, memory):
        its = _Columns(*(column[run] for column in columns))
        number = its.number.long()
        part = _Part(spec, plans[run], its, _Gathers(*(each[number] for each in gathers)), memory)
        found.index_copy_(0, number, part.multiples())
    return found


class _Gathers(NamedTuple):
    """Data (pair, trace, time), zero where not live; phi(x) and what is live (pair, trace); the start (pair) in ms."""

    data: torch.Tensor
    curve: torch.Tensor
    live: torch.Tensor
    start: torch.Tensor


def _gathers(spec: RadonSpec, pair: Pair, largest: torch.Tensor) -> _Gathers:
    kind = RadonRestorer("demultiple", spec, 1.0).kind
    curve = moveout_curve(pair.offset.double(), kind, largest[:, None], spec.ref_depth_m)
    data, curve = torch.where(pair.live[..., None], pair.degraded, 0), torch.where(pair.live, curve, 0)
    return _Gathers(data, curve, pair.live, pair.start_ms.double())


def _told(pair: Pair, largest: torch.Tensor, curve: torch.Tensor) -> list[list[float]]:
    """Return what the host needs of each pair: step (ms), reference offset (m), live traces, extremes of phi(x)."""
    lowest = torch.where(pair.live, curve, math.inf).amin(dim=1)
    highest = torch.where(pair.live, curve, -math.inf).amax(dim=1)
    return torch.stack([pair.step_ms.double(), largest, pair.live.sum(dim=1), lowest, highest], dim=1).tolist()


class _Plan(NamedTuple):
    """The axes of one pair, its number in the batch, and its damping."""

    number: int
    grid: RadonGrid
    damping: float

    @property
    def stride(self) -> int:
        """Weights come from every so many of the frequencies."""
        return estimation_stride(len(self.grid.bins))

    @property
    def run(self) -> int:
        """Phases of so many neighbouring frequencies are made of one of the first, and of few differences."""
        return math.isqrt(len(self.grid.bins) - 1) + 1


def _plans(spec: RadonSpec, n_time: int, told: list[list[float]]) -> list[_Plan]:
    """Return plans of the pairs in which there may be multiples, those of equal length of their FFT in a row."""
    plans = []
    for number, (step_ms, largest, live, lowest, highest) in enumerate(told):
        restorer = RadonRestorer("demultiple", spec, largest)
        if live:
            grid = restorer.grid(n_time, step_ms if n_time > 1 else 1.0, lowest, highest)
            plans.append(_Plan(number, grid, restorer.damping(int(live), grid.n_moveout)))
    plans = [plan for plan in plans if plan.grid.n_moveout > 1]
    return sorted(plans, key=lambda plan: (plan.grid.fft_length, plan.grid.n_moveout))


class _Columns(NamedTuple):
    """Numbers (pair), float64, on the device; times in ms, `unit` is the first angular frequency in radians per ms."""

    number: torch.Tensor
    step: torch.Tensor
    unit: torch.Tensor
    first_bin: torch.Tensor
    bins: torch.Tensor
    stride: torch.Tensor
    run: torch.Tensor
    first_moveout: torch.Tensor
    moveout_step: torch.Tensor
    n_moveout: torch.Tensor
    damping: torch.Tensor


def _columns(plans: Sequence[_Plan], device: torch.device) -> _Columns:
    """Return the numbers of all plans in one transfer."""
    rows = [
        (
            plan.number, plan.grid.step, 2 * math.pi / (plan.grid.fft_length * plan.grid.step), plan.grid.bins.start,
            len(plan.grid.bins), plan.stride, plan.run, plan.grid.first_moveout, plan.grid.moveout_step,
            plan.grid.n_moveout, plan.damping,
        )
        for plan in plans
    ]  # fmt: skip
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(_Columns._fields))
    return _Columns(*table.T.contiguous().to(device, non_blocking=True))


def _runs_within(plans: Sequence[_Plan], data: torch.Tensor, memory: int) -> Iterator[slice]:
    """Yield runs of plans that need no more than so many bytes, or a single one that does."""
    start, rows = 0, 0
    for stop, plan in enumerate(plans):
        rows += len(plan.grid.bins)
        widest = max(one.grid.n_moveout for one in plans[start : stop + 1])
        if stop > start and rows * working_row(data.shape[1], widest, 2 * data.element_size()) > memory:
            yield slice(start, stop)
            start, rows = stop, len(plan.grid.bins)
    if plans:
        yield slice(start, len(plans))


class _Rows(NamedTuple):
    """Ragged runs laid end to end: whose each row is, its place there, and the first row of each owner."""

    owner: torch.Tensor
    place: torch.Tensor
    first: torch.Tensor


def _rows(counts: Sequence[int], on_device: torch.Tensor) -> _Rows:
    """Return rows of owners that have so many each, known on the host and on the device."""
    each, total = on_device.long(), sum(counts)
    number = torch.arange(len(counts), device=each.device)
    owner = torch.repeat_interleave(number, each, output_size=total)
    first = each.cumsum(0) - each
    return _Rows(owner, torch.arange(total, device=each.device) - first[owner], first)


class _Group(NamedTuple):
    """Pairs of a part, and their rows, that have one length of the FFT."""

    points: int
    pairs: slice
    rows: slice


def _groups(plans: Sequence[_Plan]) -> list[_Group]:
    groups, pair, row = [], 0, 0
    for points, same in groupby(plans, key=lambda plan: plan.grid.fft_length):
        counts = [len(plan.grid.bins) for plan in same]
        groups.append(_Group(points, slice(pair, pair + len(counts)), slice(row, row + sum(counts))))
        pair, row = pair + len(counts), row + sum(counts)
    return groups


class _Part:
    """Pairs whose working set fits into memory.

    Series are (pair, trace or moveout, time), apart by length of the FFT; rows are spectra (row, trace or moveout).
    """

    def __init__(self, spec: RadonSpec, plans: Sequence[_Plan], its: _Columns, gathers: _Gathers, memory: int) -> None:
        self.restorer = RadonRestorer("demultiple", spec, 1.0)
        self.plans, self.its, self.memory = plans, its, memory
        self.data, self.curve, self.live, self.start = gathers
        self.groups = _groups(plans)
        self.rows = _rows([len(plan.grid.bins) for plan in plans], its.bins)
        self.bin = self.rows.place + its.first_bin.long()[self.rows.owner]
        index = torch.arange(max(plan.grid.n_moveout for plan in plans), device=self.data.device)
        self.moveouts = its.first_moveout[:, None] + its.moveout_step[:, None] * index
        self.present = index < its.n_moveout[:, None]

    def multiples(self) -> torch.Tensor:
        """Return the multiples (pair, trace, time)."""
        matrix = self._matrix()
        panel = self._panel(matrix, self._spectra([self.data[group.pairs] for group in self.groups]))
        beyond = [self._masked(group, panels) for group, panels in zip(self.groups, self._series(panel), strict=True)]
        predicted = (matrix @ self._spectra(beyond)[..., None])[..., 0]
        return torch.cat([traces[..., : self.data.shape[-1]] for traces in self._series(predicted)])

    def _matrix(self) -> torch.Tensor:
        """Return L (row, trace, moveout), products of two exactly computed phases as `RadonMatrix` makes them."""
        owner, place, _ = self.rows
        run = self.its.run.long()
        coarse = _rows([-(-len(plan.grid.bins) // plan.run) for plan in self.plans], torch.ceil(self.its.bins / run))
        fine = _rows([plan.run for plan in self.plans], run)
        high = self._phases(coarse.owner, (coarse.place * run[coarse.owner]) + self.its.first_bin[coarse.owner])
        low = self._phases(fine.owner, fine.place)
        turn = torch.div(place, run[owner], rounding_mode="floor")
        near = fine.first[owner] + place - turn * run[owner]
        return high.index_select(0, coarse.first[owner] + turn).mul_(low.index_select(0, near))

    def _phases(self, owner: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return phases (row, trace, moveout) at frequencies by index, zero where there is no trace or moveout."""
        delay = self.curve[:, :, None] * self.moveouts[:, None]
        size = (self.live[:, :, None] & self.present[:, None]).to(delay)
        angle = -(index * self.its.unit[owner])[:, None, None] * delay.index_select(0, owner)
        return torch.polar(size.index_select(0, owner), angle).to(self.data.dtype.to_complex())

    def _panel(self, matrix: torch.Tensor, spectra: torch.Tensor) -> torch.Tensor:
        """Return the panel rows: least squares, or sparse with weights that a pair's frequencies share."""
        weights = self.present.to(self.data)
        damping = self.its.damping.to(self.data)
        if self.restorer.reweightings:
            weights = self._weights(matrix, spectra, weights, damping)
        return weighted_rows(matrix, spectra, damping[self.rows.owner], weights[self.rows.owner], self.memory)

    def _weights(
        self, matrix: torch.Tensor, spectra: torch.Tensor, present: torch.Tensor, damping: torch.Tensor
    ) -> torch.Tensor:
        """Return weights (pair, moveout) from some of the frequencies."""
        stride = self.its.stride
        few = _rows([-(-len(plan.grid.bins) // plan.stride) for plan in self.plans], torch.ceil(self.its.bins / stride))
        chosen = self.rows.first[few.owner] + few.place * stride.long()[few.owner]
        matrix, spectra, damping = matrix.index_select(0, chosen), spectra[chosen], damping[few.owner]
        weights = present
        for _ in range(self.restorer.reweightings):
            panel = weighted_rows(matrix, spectra, damping, weights[few.owner], self.memory)
            energy = torch.zeros_like(present).index_add_(0, few.owner, panel.abs().square())
            weights = relative_weights(energy, WEIGHT_FLOOR, present)
        return weights

    def _masked(self, group: _Group, panels: torch.Tensor) -> torch.Tensor:
        """Return panels (pair, moveout, time) less what is no multiple."""
        data = self.data[group.pairs]
        index = signed_index(data.shape[-1], group.points, data.device)
        times, moveouts = self.its.step[group.pairs, None] * index, self.moveouts[group.pairs]
        seen = spread_seen(data, self.curve[group.pairs])[:, index.clamp(0, data.shape[-1] - 1)]
        panels = panels * self.restorer.beyond_cut(times, seen, moveouts).to(panels)
        return panels * self.restorer.after_start(times, self.start[group.pairs], moveouts).to(panels)

    def _spectra(self, series: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the rows of series."""
        rows = []
        for group, one in zip(self.groups, series, strict=True):
            spectra = torch.fft.rfft(one, n=group.points).transpose(1, 2)
            rows.append(spectra[self.rows.owner[group.rows] - group.pairs.start, self.bin[group.rows]])
        return torch.cat(rows)

    def _series(self, rows: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the series of rows, as long as their FFT."""
        for points, pairs, part in self.groups:
            full = rows.new_zeros(pairs.stop - pairs.start, points // 2 + 1, rows.shape[1])
            full[self.rows.owner[part] - pairs.start, self.bin[part]] = rows[part]
            yield torch.fft.irfft(full.transpose(1, 2), n=points)
