"""BEFORE and AFTER gather by gather, trace against trace, on one time axis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from seisdiff.errors import SurveyError
from seisdiff.gathers import Gathers, read_gathers
from seisdiff.report.matching import match_traces
from seisdiff.restoration import Start, start_times
from seisdiff.survey import gather_bounds, sample_interval, vertical_dim
from seisdiff.units import Unit, check_unit_sizes, gather_units, unit_bytes


@dataclass(frozen=True)
class GatherPair:
    """One gather before and after; (trace, time) in the traces and the order of AFTER.

    `before` is zero on traces that are `new` (trace); `spread` is None where there is none. Non-finite samples are
    taken as zeros and counted in `bad`, before and after. `live_before`, `live_after` (trace); `first` and `stop`
    (trace) are the samples from which and before which BEFORE holds data, `start` the sample before which nothing may
    change, 0 where there is no such time; `headers_differ` (trace) is None where headers cannot be compared. `position`
    counts gathers from 0, `number` is the ensemble number, `lost` counts traces of BEFORE that AFTER does not have.
    """

    position: int
    number: int
    offset: np.ndarray
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray | None
    live_before: np.ndarray
    live_after: np.ndarray
    new: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    start: np.ndarray
    headers_differ: np.ndarray | None
    bad: tuple[int, int]
    lost: int

    @property
    def removed(self) -> np.ndarray:
        """Input minus output."""
        return self.before - self.after

    @property
    def filled(self) -> np.ndarray:
        """Which traces were dead or not there, and hold samples now, bool (trace)."""
        return ~self.live_before & self.after.any(axis=1)


@dataclass(frozen=True)
class PairReader:
    """Two surveys (and the spread), read side by side; `axis` (time) is the common one in ms, or m in depth."""

    surveys: tuple[xr.Dataset, ...]
    bounds: tuple[np.ndarray, ...]
    rows: np.ndarray | None
    start: Start
    axis: np.ndarray
    step: float

    @property
    def count(self) -> int:
        """How many gathers there are."""
        return len(self.bounds[0]) - 1

    def units(self, memory_gib: float) -> list[Unit]:
        """Cut the line into runs of gathers that fit into memory; raises OptionError where one gather does not."""
        rows = np.sum(self.bounds, axis=0)
        trace_bytes = max(4 * len(self.axis) + self.surveys[0].sizes.get("header_byte", 0), 1)
        units = gather_units(rows, max(1, unit_bytes(memory_gib) // trace_bytes))
        check_unit_sizes(units, rows, trace_bytes, memory_gib)
        return units

    def read(self, chosen: slice) -> list[GatherPair]:
        """Return the gathers at the positions `chosen`."""
        parts = [read_gathers(survey, chosen, bounds) for survey, bounds in zip(self.surveys, self.bounds, strict=True)]
        bad = [~np.isfinite(part.amplitude) for part in parts]
        starts = start_times(self.start, _zeroed(parts[0], bad[0]), self.surveys[0].attrs)
        cut = [
            [_cut(part, wrong, at) for part, wrong in zip(parts, bad, strict=True)]
            for at in range(chosen.stop - chosen.start)
        ]
        edges = parts[0].bounds
        return [self._pair(chosen.start + at, both, starts[edges[at] : edges[at + 1]]) for at, both in enumerate(cut)]

    def _pair(self, position: int, parts: list[_Part], starts: np.ndarray) -> GatherPair:
        before, after = parts[:2]
        rows = self._local_rows(position, len(after.samples))
        new = rows < 0
        start = np.ceil((starts - self.axis[0]) / (self.step or 1.0) - 1e-6)
        return GatherPair(
            position=position,
            number=after.number,
            offset=after.offset,
            before=np.where(new[:, None], 0, self._placed(before)[rows]),
            after=self._placed(after),
            spread=self._placed(parts[2]) if len(parts) > 2 else None,
            live_before=before.live[rows] & ~new,
            live_after=after.live,
            new=new,
            first=before.first[rows] + before.shift(self.axis, self.step)[rows],
            stop=before.stop[rows] + before.shift(self.axis, self.step)[rows],
            start=np.clip(np.nan_to_num(start[rows], neginf=0), 0, len(self.axis)).astype(np.int64),
            headers_differ=self._header_difference(before.header, after.header),
            bad=(before.bad, after.bad),
            lost=len(before.samples) - int((~new).sum()),
        )

    def _local_rows(self, position: int, count: int) -> np.ndarray:
        if self.rows is None:
            return np.arange(count)
        rows = self.rows[self.bounds[1][position] : self.bounds[1][position + 1]]
        return np.where(rows < 0, -1, rows - self.bounds[0][position])

    def _header_difference(self, before: np.ndarray | None, after: np.ndarray | None) -> np.ndarray | None:
        """Return which traces have other header bytes; None where they must, or are kept differently."""
        keeping = [(survey.attrs["byte_order"], survey.attrs["container"]) for survey in self.surveys[:2]]
        if self.rows is not None or before is None or after is None or keeping[0] != keeping[1]:
            return None
        return (before != after).any(axis=1) if before.shape == after.shape else None

    def _placed(self, part: _Part) -> np.ndarray:
        """Return samples on the common axis."""
        if part.samples.shape[1] == len(self.axis):
            return part.samples
        placed = np.zeros((len(part.samples), len(self.axis)), part.samples.dtype)
        columns = part.shift(self.axis, self.step)[:, None] + np.arange(part.samples.shape[1])
        placed[np.arange(len(placed))[:, None], columns] = part.samples
        return placed


def open_pair(before: xr.Dataset, after: xr.Dataset, spread: xr.Dataset | None, start: Start) -> PairReader:
    """Return a reader of surveys that belong together; raises SurveyError where they do not."""
    rows = match_traces(before, after)
    if spread is not None and match_traces(after, spread, "SPREAD") is not None:
        raise SurveyError(f"SPREAD has {spread.sizes['trace']} traces and AFTER {after.sizes['trace']}; name its own")
    surveys = (before, after) if spread is None else (before, after, spread)
    axis, step = _common_axis(before)
    return PairReader(surveys, tuple(gather_bounds(survey) for survey in surveys), rows, start, axis, step)


@dataclass(frozen=True)
class _Part:
    """One gather of one survey."""

    number: int
    samples: np.ndarray
    offset: np.ndarray
    delay: np.ndarray
    live: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    header: np.ndarray | None
    bad: int

    def shift(self, axis: np.ndarray, step: float) -> np.ndarray:
        """Return by how many samples each trace begins after the axis does."""
        if self.samples.shape[1] == len(axis):
            return np.zeros(len(self.samples), np.int64)
        return np.round((self.delay - axis[0]) / (step or 1.0)).astype(np.int64)


def _zeroed(gathers: Gathers, bad: np.ndarray) -> Gathers:
    return replace(gathers, amplitude=np.where(bad, 0, gathers.amplitude)) if bad.any() else gathers


def _cut(gathers: Gathers, bad: np.ndarray, at: int) -> _Part:
    one = slice(int(gathers.bounds[at]), int(gathers.bounds[at + 1]))
    wrong = int(bad[one].sum())
    samples = gathers.amplitude[one]
    return _Part(
        number=int(gathers.number[at]),
        samples=np.where(bad[one], 0, samples) if wrong else samples,
        offset=gathers.offset[one],
        delay=gathers.delay[one],
        live=gathers.live[one],
        first=gathers.first[one],
        stop=gathers.stop[one],
        header=None if gathers.trace_header is None else gathers.trace_header[one],
        bad=wrong,
    )


def _common_axis(survey: xr.Dataset) -> tuple[np.ndarray, float]:
    """Return the axis that holds all traces, and its step."""
    axis, step = survey[vertical_dim(survey)].values.astype(np.float64), sample_interval(survey)
    if "delay" not in survey:
        return axis, step
    delay = survey["delay"].values
    more = int(np.round(np.ptp(delay) / (step or 1.0)))
    return delay.min() + (step or 1.0) * np.arange(len(axis) + more), step
