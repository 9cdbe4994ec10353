"""Interpolation by prediction in f-x: the filter that predicts traces at f / N predicts traces N times closer at f.

Spitz (1991). A linear event advances its phase from trace to trace by f p dx. It is the same at frequency f / N on
traces N dx apart, where nothing is aliased that matters: so the filters of the wanted grid are found on the recorded
one at the lower frequency, and the missing traces are those that the filters, forward and backward, predict best.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from seisdiff.restorers.base import Batch
from seisdiff.restorers.windows import Band, TimeWindows, TraceOrder, TraceWindows, trace_windows, whole_grid

MOST_TRACES = 64
FIRM = 1e-3  # damping of the traces that are solved for
FAINT = 1e-3  # of the mean power: what is weaker at f / N says little, and traces are taken to be like their neighbours


class SpitzFill(NamedTuple):
    """Windows, band and filter of the interpolation; `traces` live ones make a window."""

    time: TimeWindows
    band: Band
    filter_traces: int
    traces: int
    prewhitening: float
    passes: int

    def fill(self, batch: Batch) -> torch.Tensor:
        """Return the gathers (gather, trace, time) with their dead traces predicted; live ones are approximate."""
        total = torch.zeros_like(batch.data)
        grid = whole_grid(batch)
        stride = live_stride(batch.live)
        samples = 2 * batch.data.shape[-1]  # errors are predicted forward and backward: twice the matrices of others
        for step in stride.unique().tolist():
            part = TraceOrder(grid.order, torch.where(stride == step, grid.count, 0))
            length = (self.traces - 1) * max(step, 2) + 1
            for windows in trace_windows(part, min(length, MOST_TRACES), samples=samples):
                windows.add(total, self._filled(windows, batch, step))
        return total

    def _filled(self, windows: TraceWindows, batch: Batch, stride: int) -> torch.Tensor:
        """Return the pieces (window, place, time) of traces that lie `stride` apart."""
        time, band = self.time, self.band
        pieces, live = time.cut(windows.cut(batch.data)), windows.cut(batch.live)[:, None, None]
        inner = slice(band.first, band.stop)
        spectra = torch.fft.rfft(pieces, n=band.points)
        wanted = spectra[..., inner].permute(0, 2, 3, 1)
        lower = torch.fft.rfft(pieces, n=stride * band.points)[..., inner].permute(0, 2, 3, 1)
        filled = torch.zeros_like(spectra)
        filled[..., inner] = self._solved(wanted, lower, live, stride).permute(0, 3, 1, 2)
        return time.merge(band.pieces(filled, time.length))

    def _solved(self, spectra: torch.Tensor, lower: torch.Tensor, live: torch.Tensor, stride: int) -> torch.Tensor:
        length = min(self.filter_traces, (spectra.shape[-1] - 1) // (2 * stride))
        if length < 1:
            return spectra
        weights = filter_at(lower, live, length, stride, self.prewhitening, FAINT if stride > 1 else 0.0)
        filled = missing_traces(spectra, live, weights)
        for _ in range(self.passes if stride == 1 else 0):
            weights = filter_at(filled, torch.ones_like(live), length, 1, self.prewhitening)
            filled = missing_traces(spectra, live, weights)
        return filled


def live_stride(live: torch.Tensor) -> torch.Tensor:
    """Return N (gather) where the live traces (gather, trace) all lie whole multiples of N apart; one where few do."""
    strides = []
    for row in live.cpu():
        steps = row.nonzero().flatten().diff().tolist()
        strides.append(math.gcd(*steps) if steps else 1)
    return torch.tensor(strides, device=live.device)


def prediction_filter(equations: torch.Tensor, wanted: torch.Tensor, prewhitening: float) -> torch.Tensor:
    """Return the c (..., lag, 1) that minimises |equations c - wanted|^2 + damping |c|^2.

    `equations` is (..., row, lag), `wanted` (..., row); the damping is `prewhitening` times the mean squared column.
    """
    return _solve(equations.mH @ equations, equations.mH @ wanted[..., None], prewhitening)


def filter_at(
    spectra: torch.Tensor, live: torch.Tensor, length: int, stride: int, prewhitening: float, faint: float = 0.0
) -> torch.Tensor:
    """Return the prediction filter (..., frequency, lag, 1) of every `stride`-th trace of spectra (..., trace).

    Only rows of which all traces are live count, forward and, conjugated, backward. With `faint`, filters of
    frequencies that hold little more than that share of the mean power are drawn to "equal to the trace before".
    """
    runs = spectra.unfold(-1, length * stride + 1, 1)[..., ::stride]
    runs = runs * live.unfold(-1, length * stride + 1, 1)[..., ::stride].all(dim=-1, keepdim=True)
    equations = torch.cat([runs[..., :-1].flip(-1), runs[..., 1:].conj()], dim=-2)
    wanted = torch.cat([runs[..., -1], runs[..., 0].conj()], dim=-1)
    if faint == 0:
        return prediction_filter(equations, wanted, prewhitening)
    power = equations.abs().square().sum(dim=-2).mean(dim=-1)
    root = (faint * power.mean(dim=-1, keepdim=True)).sqrt()[..., None, None]
    anchor = root * torch.eye(length, dtype=equations.dtype, device=equations.device)
    equations = torch.cat([equations, anchor.expand(*power.shape, -1, -1)], dim=-2)
    return prediction_filter(equations, torch.cat([wanted, anchor[..., 0].expand(*power.shape, -1)], -1), prewhitening)


def missing_traces(spectra: torch.Tensor, live: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return spectra (..., trace) whose dead traces make the errors of prediction, forward and backward, least.

    With E the matrix of prediction errors, split into live and dead columns, E_dead x = -E_live d.
    """
    error = torch.cat([torch.ones_like(weights[..., :1, 0]), -weights[..., 0]], dim=-1)
    rows = spectra.shape[-1] - weights.shape[-2]
    matrix = torch.cat([_shifted(error.flip(-1), rows), _shifted(error.conj(), rows)], dim=-2)
    dead = (~live).to(matrix.dtype)[..., None, :]
    known = torch.where(live, spectra, 0)
    unknown = matrix * dead
    normal = unknown.mH @ unknown + torch.diag_embed(live.to(matrix.dtype).expand(spectra.shape))
    solved = _solve(normal, -(unknown.mH @ (matrix @ known[..., None])), FIRM)
    return torch.where(live, spectra, solved[..., 0])


def _shifted(row: torch.Tensor, rows: int) -> torch.Tensor:
    """Return the banded matrix (..., row, trace) whose every row is `row` (..., lag), one trace further on."""
    reach = row.shape[-1]
    matrix = row.new_zeros(*row.shape[:-1], rows, rows + reach - 1)
    band = matrix.as_strided((*row.shape[:-1], rows, reach), (*matrix.stride()[:-2], matrix.stride(-2) + 1, 1))
    band.copy_(row[..., None, :].expand(band.shape))
    return matrix


def _solve(normal: torch.Tensor, right: torch.Tensor, damping: float) -> torch.Tensor:
    """Solve Hermitian equations, damped relative to their mean diagonal; zero where all is zero."""
    diagonal = normal.diagonal(dim1=-2, dim2=-1).real
    level = damping * diagonal.mean(dim=-1, keepdim=True)
    level = torch.where(level > 0, level, 1.0)
    damped = normal + torch.diag_embed(level.expand_as(diagonal).to(normal.dtype))
    return torch.cholesky_solve(right, torch.linalg.cholesky(damped))
