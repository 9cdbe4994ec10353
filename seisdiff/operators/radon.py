"""The Radon transform in the frequency domain: parabolic, linear and pseudo-hyperbolic, at irregular offsets.

A panel m(tau, q) predicts the data d(t, x) = sum over q of m(t - q phi(x), q). The moveout q is in ms at one reference
offset, positive later with offset; phi(x) is one at that offset:

    linear       phi = x / x_ref                                         (x signed)
    parabolic    phi = (x / x_ref)^2                                     (Hampson, 1986)
    hyperbolic   phi = (sqrt(x^2 + z^2) - z) / (sqrt(x_ref^2 + z^2) - z) (Foster and Mosher, 1992)

On a depth axis read m for ms, and cycles per km for Hz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from seisdiff.errors import OptionError
from seisdiff.operators.fft import fast_length

Kind = Literal["parabolic", "linear", "hyperbolic"]


def moveout_curve(offset: torch.Tensor, kind: Kind, ref_offset: float | torch.Tensor, ref_depth: float) -> torch.Tensor:
    """Return phi(x), the delay at each offset of an event that is one late at the reference offset.

    `offset` is in m, of any shape; `ref_offset` is one, or of a shape that goes with it; `ref_depth` (m) is z of the
    hyperbolic kind and unused otherwise.
    """
    if kind == "linear":
        return offset / ref_offset
    if kind == "parabolic":
        return (offset / ref_offset) ** 2
    at_reference = (ref_offset**2 + ref_depth**2) ** 0.5 - ref_depth
    return (torch.sqrt(offset**2 + ref_depth**2) - ref_depth) / at_reference


@dataclass(frozen=True)
class RadonGrid:
    """The axes that every gather of a transform shares: vertical axis, moveouts, frequencies and the curve.

    `n_time` samples every `step` ms; `n_moveout` moveouts from `first_moveout` every `moveout_step`, in ms;
    frequencies from `f_min` to `f_max` Hz of an FFT of `n_fft` points (default: a fast length that holds the gather
    and the longest moveout, so that nothing wraps around). `ref_offset` and `ref_depth` are in m; `reach` is the
    largest phi(x), above one where offsets exceed the reference.
    """

    n_time: int
    step: float
    first_moveout: float
    moveout_step: float
    n_moveout: int
    ref_offset: float
    kind: Kind = "parabolic"
    ref_depth: float = 1000.0
    f_min: float = 0.0
    f_max: float = math.inf
    n_fft: int = 0
    reach: float = 1.0

    def __post_init__(self) -> None:
        if self.ref_offset <= 0 or self.step <= 0 or self.moveout_step <= 0 or self.n_moveout < 1:
            raise OptionError(
                "a Radon grid needs a positive reference offset, sample step and moveout step, and a moveout; got "
                f"{self.ref_offset:g} m, {self.step:g} ms, {self.moveout_step:g} ms, {self.n_moveout}"
            )
        if self.n_fft and self.n_fft < self.n_time:
            raise OptionError(f"n_fft is {self.n_fft}, shorter than the gather ({self.n_time} samples)")

    @property
    def fft_length(self) -> int:
        """Points of the padded FFT."""
        if self.n_fft:
            return self.n_fft
        last = self.first_moveout + self.moveout_step * (self.n_moveout - 1)
        longest = self.reach * max(abs(self.first_moveout), abs(last))
        wanted = self.n_time + math.ceil(min(longest / self.step, self.n_time))
        return fast_length(wanted + wanted % 2)

    @property
    def bins(self) -> range:
        """Indices of the FFT's frequencies that lie in the band, its lower end rounded down."""
        points = self.fft_length
        per_hz = points * self.step / 1000
        first = min(math.floor(self.f_min * per_hz), points // 2)
        last = points // 2 if math.isinf(self.f_max) else min(math.floor(self.f_max * per_hz), points // 2)
        return range(first, max(first, last) + 1)

    @property
    def moveouts(self) -> torch.Tensor:
        """The moveout axis in ms, float64."""
        return self.first_moveout + self.moveout_step * torch.arange(self.n_moveout, dtype=torch.float64)

    def spectra(self, traces: torch.Tensor) -> torch.Tensor:
        """Return (frequency, trace, gather) spectra in the band of (gather, trace, time) traces."""
        bins = self.bins
        spectra = torch.fft.rfft(traces, n=self.fft_length)[..., bins.start : bins.stop]
        return spectra.permute(2, 1, 0).contiguous()

    def traces(self, spectra: torch.Tensor, n_time: int) -> torch.Tensor:
        """Return the first `n_time` samples of (gather, trace, time) traces with the given band spectra."""
        bins, points = self.bins, self.fft_length
        _, n_trace, n_gather = spectra.shape
        full = spectra.new_zeros(n_gather, n_trace, points // 2 + 1)
        full[..., bins.start : bins.stop] = spectra.permute(2, 1, 0)
        return torch.fft.irfft(full, n=points)[..., :n_time]


class RadonMatrix:
    """The transform of one offset geometry, frequency by frequency: L[f, x, q] = exp(-2 pi i f q phi(x)).

    `offset` is (trace), in m, live traces only; `bins` are the frequencies (default: the grid's band). Spectra are
    (frequency, trace or moveout, gather). Frequencies are taken in blocks that keep matrices within `memory` bytes.
    """

    def __init__(
        self,
        grid: RadonGrid,
        offset: torch.Tensor,
        dtype: torch.dtype = torch.complex64,
        memory: int = 2**28,
        bins: range | None = None,
    ) -> None:
        self.grid = grid
        self.offset = offset
        self.dtype = dtype
        self.memory = memory
        self.bins = grid.bins if bins is None else bins
        self.curve = moveout_curve(offset.double(), grid.kind, grid.ref_offset, grid.ref_depth)
        self.n_trace = offset.numel()
        self._kept: torch.Tensor | None = None

    def every(self, stride: int) -> RadonMatrix:
        """Return the transform at every `stride`-th frequency."""
        return RadonMatrix(self.grid, self.offset, self.dtype, self.memory, self.bins[::stride])

    def blocks(self, extra: int = 0) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield runs of frequencies and their matrices (frequency, trace, moveout).

        `extra` is how many more complex numbers the caller needs at each frequency.
        """
        count = len(self.bins)
        entries = self.n_trace * self.grid.n_moveout
        keep = 4 * count * entries * self.dtype.itemsize <= self.memory
        if keep and self._kept is None:
            self._kept = self._build(slice(0, count))
        size = max(1, self.memory // (4 * (entries + extra) * self.dtype.itemsize))
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            yield part, self._build(part) if self._kept is None else self._kept[part]

    def angular(self, part: slice) -> torch.Tensor:
        """Return the angular frequencies of a block in radians per ms, float64."""
        bins = self.bins[part]
        index = torch.arange(bins.start, bins.stop, bins.step, dtype=torch.float64, device=self.curve.device)
        return 2 * math.pi / (self.grid.fft_length * self.grid.step) * index

    def predict(self, panel: torch.Tensor) -> torch.Tensor:
        """Return the trace spectra that panel spectra predict."""
        return torch.cat([matrix @ panel[part] for part, matrix in self.blocks()])

    def stack(self, data: torch.Tensor) -> torch.Tensor:
        """Return the adjoint of `predict`: trace spectra summed along each moveout curve."""
        return torch.cat([matrix.mH @ data[part] for part, matrix in self.blocks()])

    def _build(self, part: slice) -> torch.Tensor:
        """Multiply a few exactly computed phases, which costs less than a sine and a cosine for each entry."""
        delay = self.curve[:, None] * self.grid.moveouts.to(self.curve.device)
        angular = self.angular(part)
        run = math.isqrt(len(angular) - 1) + 1 if len(angular) > 1 else 1
        coarse = self._phases(angular[::run], delay)
        fine = self._phases(angular[:run] - angular[0], delay)
        return (coarse[:, None] * fine).flatten(0, 1)[: len(angular)]

    def _phases(self, angular: torch.Tensor, delay: torch.Tensor) -> torch.Tensor:
        angle = -angular[:, None, None] * delay
        return torch.polar(torch.ones_like(angle), angle).to(self.dtype)


def geometries(
    offset: torch.Tensor, live: torch.Tensor, counted: torch.Tensor | None = None
) -> list[tuple[list[int], torch.Tensor]]:
    """Group gathers of equal offsets and live traces: a list of (gather numbers, live trace numbers).

    `offset` and `live` are (gather, trace). Only offsets of traces that are live or `counted` (the same) tell gathers
    apart.
    """
    groups: dict[bytes, list[int]] = {}
    alive = live.cpu()
    told = alive if counted is None else alive | counted.cpu()
    keys = torch.where(told, offset.cpu().double(), torch.nan).numpy()
    for gather, (row, mask) in enumerate(zip(keys, alive.numpy(), strict=True)):
        groups.setdefault(row.tobytes() + mask.tobytes(), []).append(gather)
    return [(members, alive[members[0]].nonzero().flatten()) for members in groups.values()]


class RadonTransform:
    """The Radon transform as an operator on panels (gather, moveout, time) and gathers (gather, trace, time).

    `offset` (gather, trace) is in m; traces that are not `live` are predicted as zero and not stacked.
    `memory` (bytes) bounds the working set. The vertical axis of the panel is that of the gathers.
    """

    def __init__(
        self, grid: RadonGrid, offset: torch.Tensor, live: torch.Tensor | None = None, memory: int = 2**28
    ) -> None:
        self.grid = grid
        self.offset = offset
        self.live = torch.ones_like(offset, dtype=torch.bool) if live is None else live
        self.memory = memory

    def forward(self, model: torch.Tensor) -> torch.Tensor:
        """Return the gathers that the panels `model` predict."""
        data = model.new_zeros(*self.offset.shape, self.grid.n_time)
        for members, traces, matrix in self.pieces(model.dtype):
            spectra = matrix.predict(self.grid.spectra(model[members]))
            data[members[:, None], traces] = self.grid.traces(spectra, self.grid.n_time)
        return data

    def adjoint(self, data: torch.Tensor) -> torch.Tensor:
        """Return the panels that stack `data` along the moveout curves."""
        model = data.new_zeros(len(data), self.grid.n_moveout, self.grid.n_time)
        for members, traces, matrix in self.pieces(data.dtype):
            spectra = matrix.stack(self.grid.spectra(data[members[:, None], traces]))
            model[members] = self.grid.traces(spectra, self.grid.n_time)
        return model

    def pieces(self, dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, torch.Tensor, RadonMatrix]]:
        """Yield (gather numbers, live trace numbers, matrix) of gathers that share a geometry and fit into memory."""
        grid, device = self.grid, self.offset.device
        complex_dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
        per_gather = 8 * grid.n_moveout * grid.fft_length * dtype.itemsize
        size = max(1, self.memory // 2 // per_gather)
        for members, traces in geometries(self.offset, self.live):
            if len(traces):
                matrix = RadonMatrix(grid, self.offset[members[0], traces.to(device)], complex_dtype, self.memory)
                for start in range(0, len(members), size):
                    yield torch.tensor(members[start : start + size], device=device), traces.to(device), matrix
