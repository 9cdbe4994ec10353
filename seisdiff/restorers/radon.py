"""The Radon transform as a restorer: multiples subtracted, noise left out of the fit, missing traces predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seisdiff.operators.radon import Kind, RadonGrid, RadonMatrix, geometries, moveout_curve
from seisdiff.operators.solvers import least_squares, shared_weights, sparse
from seisdiff.restorers.base import Batch, Restored

Task = Literal["demultiple", "denoise", "interpolate"]

HIGHEST = 0.8  # of Nyquist: recording filters leave little above
MOVEOUTS = {"sparse": (-150.0, 2000.0), "ls": (-150.0, 1000.0)}  # what is not sparse spreads out over a wide range
MOST_MOVEOUTS = 256
FULL_SPREAD = 0.5  # of the moveout at the reference offset: gathers that see less get coarser moveouts
STEEPENING = 0.25  # of the moveout: how much earlier than its start a multiple's parabola may begin
SEEN = 0.4  # of the cut: an event is a multiple if the live traces see that much of it
WEIGHT_FLOOR = 1e-3
ESTIMATION_STRIDE = 8  # weights that all frequencies share need not more than every eighth,
ESTIMATION_BINS = 24  # but this many
MOST_SLOPES = 80
MAX_SLOPE = 0.75  # ms/m: 1333 m/s


class RadonSpec(BaseModel):
    """Options of the Radon restorer; times in ms, frequencies in Hz, lengths in m.

    On a depth axis read m for ms and cycles per km for Hz. `None` stands for a default of the task or the sampling.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind | None = Field(default=None, description="moveout curve; demultiple: parabolic, else linear in windows")
    solver: Literal["sparse", "ls"] = "sparse"
    cut_ms: float | str = Field(
        default=60.0,
        description="moveout at the reference offset between primaries and multiples, or TIME:CUT,TIME:CUT",
    )
    taper_ms: float = Field(default=30.0, ge=0, le=1e4, description="width of the cut")
    moveout_ms: tuple[float, ...] | str | None = Field(
        default=None, description="MIN:MAX[:STEP] at the reference offset; demultiple: -150:2000, ls -150:1000"
    )
    damping: float | None = Field(
        default=None, ge=1e-4, le=100, description="relative to the mean eigenvalue; 0.01, denoise 0.3"
    )
    reweightings: int | None = Field(default=None, ge=1, le=20, description="demultiple: 2, else 4")
    f_min: float = Field(default=2.0, ge=0)
    f_max: float | None = Field(default=None, gt=0, description="0.8 of Nyquist by default")
    ref_depth_m: float = Field(default=1000.0, gt=0, description="of the hyperbolic kind")
    window_traces: int | None = Field(
        default=None, ge=2, description="live traces in a window of the linear kind; denoise: 14, else 8"
    )
    window_ms: float = Field(default=500.0, gt=0, description="length of a window of the linear kind")
    memory_mib: int = Field(default=256, ge=16, description="working set")

    @field_validator("cut_ms")
    @classmethod
    def _cut_is_readable(cls, value: float | str) -> float | str:
        _cut_points(value)
        return value

    @field_validator("moveout_ms")
    @classmethod
    def _moveout_is_readable(cls, value: tuple[float, ...] | str | None) -> tuple[float, ...] | None:
        numbers = _numbers(value, "moveout_ms", "MIN:MAX or MIN:MAX:STEP") if isinstance(value, str) else value
        if numbers is None:
            return None
        if len(numbers) not in (2, 3) or numbers[0] >= numbers[1] or (len(numbers) == 3 and numbers[2] <= 0):
            raise ValueError(f"moveout_ms is MIN:MAX or MIN:MAX:STEP with MIN < MAX and STEP > 0; got {value!r}")
        if len(numbers) == 3 and numbers[1] - numbers[0] > 2000 * numbers[2]:
            raise ValueError(f"moveout_ms asks for more than 2000 moveouts; got {value!r}")
        return numbers

    @property
    def moveouts(self) -> tuple[float, ...]:
        """The numbers of `moveout_ms`, none where it is left to the task."""
        return () if self.moveout_ms is None or isinstance(self.moveout_ms, str) else self.moveout_ms

    @model_validator(mode="after")
    def _band_is_not_empty(self) -> RadonSpec:
        if self.f_max is not None and self.f_max <= self.f_min:
            raise ValueError(f"f_max ({self.f_max:g} Hz) must be above f_min ({self.f_min:g} Hz)")
        return self


def _numbers(text: str, name: str, form: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in text.split(":"))
    except ValueError:
        raise ValueError(f"{name} is {form}; got {text!r}") from None
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"{name} must be finite; got {text!r}")
    return numbers


def _cut_points(cut: float | str) -> list[tuple[float, float]]:
    """Return (time, cut) pairs of increasing time from a number or from TIME:CUT,TIME:CUT."""
    form = "a number, or TIME:CUT pairs of increasing time such as 0:120,2000:60"
    if not isinstance(cut, str):
        cut = repr(float(cut))
    points = [_numbers(word, "cut_ms", form) for word in cut.split(",")]
    if len(points) == 1 and len(points[0]) == 1:
        return [(0.0, points[0][0])]
    times = [point[0] for point in points]
    if any(len(point) != 2 for point in points) or any(b <= a for a, b in pairwise(times)):
        raise ValueError(f"cut_ms is {form}; got {cut!r}")
    return [(time, value) for time, value in points]


class RadonRestorer:
    """Radon demultiple, denoise and interpolate.

    `ref_offset_m` is the one offset at which all moveouts are told. `demultiple` subtracts what the panel holds
    beyond the larger of `spec.cut_ms` and `protect_ms` (nothing at or below `protect_ms` is ever removed); `denoise`
    returns the sparse fit; `interpolate` returns the live traces as they are, and predicts the others at their
    offsets.
    """

    def __init__(self, task: Task, spec: RadonSpec, ref_offset_m: float, protect_ms: float = 0.0) -> None:
        self.task: Task = task
        self.spec = spec
        self.ref_offset = float(ref_offset_m) if ref_offset_m > 0 else 1.0
        self.protect = protect_ms
        self.kind: Kind = spec.kind or ("parabolic" if task == "demultiple" else "linear")
        self.memory = spec.memory_mib * 2**20

    def restore(self, batch: Batch) -> Restored:
        """Return the primaries, the fit, or the gathers with all traces filled; zero where no trace is live."""
        recorded = batch.data * batch.live[..., None]
        if self.task == "demultiple":
            return Restored(recorded - self._multiples(batch))
        fit = self._windowed_fit(batch) if self.kind == "linear" else self._fit(batch)
        return Restored(
            fit * batch.live[..., None] if self.task == "denoise" else torch.where(batch.live[..., None], recorded, fit)
        )

    def _multiples(self, batch: Batch) -> torch.Tensor:
        multiples = torch.zeros_like(batch.data)
        for gathers, traces, matrix in self._pieces(batch):
            grid = matrix.grid
            if grid.n_moveout < 2:
                continue
            data = batch.data[gathers[:, None], traces]
            panel = grid.traces(self._solve(matrix, grid.spectra(data)), grid.fft_length)
            index = signed_index(grid.n_time, grid.fft_length)
            times, moveouts = grid.step * index.double()[None], grid.moveouts[None]
            seen = _spread(data, matrix.curve).cpu().double()[:, index.clamp(0, grid.n_time - 1)]
            panel *= self.beyond_cut(float(batch.times[0]) + times, seen, moveouts).to(panel)
            if batch.start is not None:
                start = batch.start[gathers[:, None], traces].amin(dim=1) - batch.times[0]
                panel *= self.after_start(times, start.cpu(), moveouts).to(panel)
            multiples[gathers[:, None], traces] = grid.traces(matrix.predict(grid.spectra(panel)), grid.n_time)
        return multiples

    def _fit(self, batch: Batch) -> torch.Tensor:
        fit = torch.zeros_like(batch.data)
        for gathers, traces, matrix in self._pieces(batch):
            grid = matrix.grid
            panel = self._solve(matrix, grid.spectra(batch.data[gathers[:, None], traces]))
            everywhere = RadonMatrix(grid, batch.offset[gathers[0]], matrix.dtype, self.memory)
            fit[gathers] = grid.traces(everywhere.predict(panel), grid.n_time)
        return fit

    def _pieces(self, batch: Batch) -> Iterator[tuple[torch.Tensor, torch.Tensor, RadonMatrix]]:
        """Yield (gather numbers, live traces, matrix) of gathers that share their offsets and fit into memory."""
        dtype = torch.complex128 if batch.data.dtype == torch.float64 else torch.complex64
        for members, traces in geometries(
            batch.offset, batch.live, batch.there if self.task == "interpolate" else None
        ):
            if len(traces) == 0:
                continue
            offset = batch.offset[members[0], traces.to(batch.offset.device)]
            grid = self.axes(batch, offset)
            matrix = RadonMatrix(grid, offset, dtype, self.memory)
            size = max(1, self.memory // (8 * grid.n_moveout * grid.fft_length * batch.data.element_size()))
            for piece in torch.tensor(members, device=batch.data.device).split(size):
                yield piece, traces.to(batch.data.device), matrix

    def _solve(self, matrix: RadonMatrix, data: torch.Tensor) -> torch.Tensor:
        damping = self.damping(matrix.n_trace, matrix.grid.n_moveout)
        if not self.reweightings:
            return least_squares(matrix, data, damping)
        return sparse(
            matrix, data, damping, shared_weights(WEIGHT_FLOOR), self.reweightings, estimation_stride(len(matrix.bins))
        )

    def damping(self, n_trace: int, n_moveout: int) -> float:
        """Return the damping of a geometry of so many live traces and moveouts."""
        return (self.spec.damping or (0.3 if self.task == "denoise" else 0.01)) * max(n_trace, n_moveout)

    @property
    def reweightings(self) -> int:
        """How often the solver weighs the moveouts anew; zero of least squares."""
        if self.spec.solver == "ls":
            return 0
        return self.spec.reweightings or (2 if self.task == "demultiple" else 4)

    def axes(self, batch: Batch, offset: torch.Tensor) -> RadonGrid:
        """Return the axes of one geometry; `offset` (trace) are its live ones."""
        curve = moveout_curve(offset.double(), self.kind, self.ref_offset, self.spec.ref_depth_m)
        return self.grid(batch.data.shape[-1], _step(batch.times), float(curve.min()), float(curve.max()))

    def grid(self, n_time: int, step_ms: float, lowest: float, highest: float) -> RadonGrid:
        """Return the axes of a geometry whose phi(x) goes from `lowest` to `highest`.

        The moveouts are whole multiples of a step of one and a half periods of the highest frequency, so that a
        gather of little spread gets few of them and one of no spread a single one, which explains all of it as
        primary.
        """
        f_max = _top(step_ms, self.spec)
        low, high, step = self._moveout_range(f_max)
        step *= max(1.0, FULL_SPREAD / max(highest - lowest, 1e-9))
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        if last <= first:
            first, last, step = 0, 0, max(step, 1.0)
        return RadonGrid(
            n_time, step_ms, first * step, step, last - first + 1,
            self.ref_offset, self.kind, self.spec.ref_depth_m, self.spec.f_min, f_max,
            reach=max(1.0, abs(lowest), abs(highest)),
        )  # fmt: skip

    def _moveout_range(self, f_max: float) -> tuple[float, float, float]:
        low, high, *step = self.spec.moveouts or MOVEOUTS[self.spec.solver]
        return low, high, step[0] if step else max(1500 / f_max, (high - low) / (MOST_MOVEOUTS - 1))

    def beyond_cut(self, times: torch.Tensor, seen: torch.Tensor, moveouts: torch.Tensor) -> torch.Tensor:
        """Return the share of multiples in panel samples (gather, moveout, time): a raised cosine about the cut.

        `times` and `seen` are (gather, time), `moveouts` (gather, moveout), each of one gather where all are alike.
        `seen` is how much of the reference moveout the gather sees. Where a mute or a short spread leaves less than
        SEEN, the cut goes up in proportion, for a flat event that ends early looks like a curved one.
        """
        points = torch.tensor(_cut_points(self.spec.cut_ms), dtype=torch.float64).to(times.device, non_blocking=True)
        width = max(self.spec.taper_ms, 1e-6)
        cut = _interpolate(times, points) * (SEEN / seen.clamp_min(1e-6)).clamp_min(1)
        place = (moveouts[:, :, None] - cut.clamp_min(self.protect + width / 2)[:, None]) / width
        return 0.5 - 0.5 * torch.cos(math.pi * (place + 0.5).clamp(0, 1))

    def after_start(self, times: torch.Tensor, start: torch.Tensor, moveouts: torch.Tensor) -> torch.Tensor:
        """Return the share of panel samples (gather, moveout, time) that may hold multiples: none before the start.

        `times` (gather, time) and `start` (gather) are from the first sample, `moveouts` is (gather, moveout).
        Multiples that steepen with offset more than a parabola does show earlier intercepts, so the start goes back
        in proportion to the moveout.
        """
        first = start[:, None] - STEEPENING * moveouts.clamp_min(0)
        place = (times[:, None] - first[..., None]) / max(self.spec.taper_ms, 1e-6)
        return 0.5 - 0.5 * torch.cos(math.pi * (place + 2).clamp(0, 1))

    def _windowed_fit(self, batch: Batch) -> torch.Tensor:
        """Fit straight lines in tapered windows of offset and time that overlap by half."""
        fit, weight = torch.zeros_like(batch.data), torch.zeros_like(batch.data[..., :1])
        step_ms = _step(batch.times)
        f_max = _top(step_ms, self.spec)
        length = min(max(round(self.spec.window_ms / step_ms), 8), batch.data.shape[-1])
        for members, traces in geometries(
            batch.offset, batch.live, batch.there if self.task == "interpolate" else None
        ):
            offset = batch.offset[members[0]].double()
            everyone = torch.tensor(members, device=batch.data.device)
            for window in _offset_windows(offset, traces.to(offset.device), self._window_traces()):
                grid = self._line_grid(length, step_ms, f_max, window.half_width)
                share = window.share(offset).to(batch.data)[:, None]
                for gathers in everyone.split(self._gathers_at_once(batch, grid)):
                    fit[gathers] += share * self._fit_window(batch.data, gathers, offset, window, grid)
                    weight[gathers] += share
        return fit / weight.clamp_min(torch.finfo(weight.dtype).tiny)

    def _fit_window(
        self, data: torch.Tensor, gathers: torch.Tensor, offset: torch.Tensor, window: _Window, grid: RadonGrid
    ) -> torch.Tensor:
        """Return the fit of one offset window at every trace of the gathers, zero where the window does not reach."""
        dtype = torch.complex128 if data.dtype == torch.float64 else torch.complex64
        starts = _window_starts(data.shape[-1], grid.n_time)
        pieces = [data[gathers[:, None], window.live][..., start : start + grid.n_time] for start in starts]
        live = RadonMatrix(grid, offset[window.live] - window.centre, dtype, self.memory)
        reached = window.share(offset).nonzero().flatten()
        wanted = RadonMatrix(grid, offset[reached] - window.centre, dtype, self.memory)
        panel = self._solve(live, grid.spectra(torch.cat(pieces)))
        fits = grid.traces(wanted.predict(panel), grid.n_time).split(len(gathers))
        out = data.new_zeros(len(gathers), len(offset), data.shape[-1])
        total, taper = data.new_zeros(data.shape[-1]), _taper(grid.n_time).to(data)
        for start, piece in zip(starts, fits, strict=True):
            out[:, reached, start : start + grid.n_time] += piece * taper
            total[start : start + grid.n_time] += taper
        return out / total

    def _window_traces(self) -> int:
        return self.spec.window_traces or (14 if self.task == "denoise" else 8)

    def _line_grid(self, length: int, step_ms: float, f_max: float, half_width: float) -> RadonGrid:
        """Return the axes of one window: moveouts at its half width, of all the slopes that the spec asks for."""
        steepest = MAX_SLOPE * self.ref_offset
        low, high = (bound * half_width / self.ref_offset for bound in self.spec.moveouts[:2] or (-steepest, steepest))
        step = max(400 / f_max, (high - low) / MOST_SLOPES)
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        return RadonGrid(
            length, step_ms, first * step, step, max(last - first, 0) + 1,
            half_width or 1.0, "linear", f_min=self.spec.f_min, f_max=f_max,
        )  # fmt: skip

    def _gathers_at_once(self, batch: Batch, grid: RadonGrid) -> int:
        windows = len(_window_starts(batch.data.shape[-1], grid.n_time))
        return max(1, self.memory // (8 * windows * grid.n_moveout * grid.fft_length * batch.data.element_size()))


def estimation_stride(bins: int) -> int:
    """Return that every so many of the frequencies of a band are enough to find weights from."""
    return min(ESTIMATION_STRIDE, max(1, bins // ESTIMATION_BINS))


def signed_index(n_time: int, points: int, device: torch.device | None = None) -> torch.Tensor:
    """Return the sample numbers of panels padded to `points`, in which those before the first come last."""
    index = torch.arange(points, device=device)
    return torch.where(index >= (n_time + points) // 2, index - points, index)


class _Window(NamedTuple):
    """A run of neighbouring live traces: their numbers, and the offsets (m) that the window reaches."""

    live: torch.Tensor
    centre: float
    half_width: float
    first: bool
    last: bool

    def share(self, offset: torch.Tensor) -> torch.Tensor:
        """Return the weight of the window at each offset, zero outside of it; the outer windows reach on for ever."""
        place = (offset - self.centre) / max(self.half_width, 1e-9)
        inside = (1.02 - place.abs()).clamp_min(0)
        if self.first:
            inside = torch.where(place < 0, 1.0, inside)
        return torch.where(place > 0, 1.0, inside) if self.last else inside


def _offset_windows(offset: torch.Tensor, live: torch.Tensor, traces: int) -> list[_Window]:
    """Return windows of `traces` live traces in order of offset that overlap by half."""
    if len(live) == 0:
        return []
    ordered = live[torch.argsort(offset[live], stable=True)]
    starts = _window_starts(len(ordered), min(traces, len(ordered)))
    windows = []
    for start in starts:
        members = ordered[start : start + traces]
        low, high = float(offset[members[0]]), float(offset[members[-1]])
        windows.append(_Window(members, (low + high) / 2, (high - low) / 2, start == 0, start == starts[-1]))
    return windows


def _window_starts(total: int, length: int) -> list[int]:
    """Return where windows of `length` start that cover `total` and overlap by half or more."""
    starts = list(range(0, total - length + 1, max(length // 2, 1)))
    return starts if starts[-1] + length == total else [*starts, total - length]


def _taper(length: int) -> torch.Tensor:
    """Return a raised cosine that is nowhere zero."""
    place = (torch.arange(length, dtype=torch.float64) + 0.5) / length
    return torch.sin(math.pi * place).square().clamp_min(1e-3)


def _step(times: torch.Tensor) -> float:
    """Return the sample step in ms."""
    return float(times[1] - times[0]) if len(times) > 1 else 1.0


def _top(step_ms: float, spec: RadonSpec) -> float:
    """Return the highest frequency (Hz) to use."""
    return min(spec.f_max or HIGHEST * 500 / step_ms, 500 / step_ms)


def spread_seen(data: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
    """Return the range of phi(x) that is not muted, (gather, time); `curve` is (trace) or (gather, trace).

    The mute is what is zero from the first sample on.
    """
    recorded = (data != 0).cummax(dim=-1).values
    highest = torch.where(recorded, curve[..., None], -math.inf).amax(dim=1)
    lowest = torch.where(recorded, curve[..., None], math.inf).amin(dim=1)
    return (highest - lowest).clamp_min(0)


def _spread(data: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
    """Return the range of phi(x) that is not muted, of one gather where all are the same."""
    spread = spread_seen(data, curve)
    return spread[:1] if bool((spread == spread[:1]).all()) else spread


def _interpolate(at: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Interpolate (place, value) rows of increasing place linearly, constant beyond the ends."""
    place, value = points[:, 0].contiguous(), points[:, 1].contiguous()
    if len(place) == 1:
        return value.expand(at.shape)
    right = torch.searchsorted(place, at).clamp(1, len(place) - 1)
    part = ((at - place[right - 1]) / (place[right] - place[right - 1])).clamp(0, 1)
    return torch.lerp(value[right - 1], value[right], part)
