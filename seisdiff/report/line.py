"""The whole line, read once: figures of each gather, counts, mean spectra, and the stack."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from seisdiff.operators.nmo import MoveoutCorrection, VelocityModel
from seisdiff.operators.spectra import amplitude_spectrum
from seisdiff.operators.stacking import stack_traces
from seisdiff.report.checks import Rules, add_counts, count_changes
from seisdiff.report.curves import FILLING_CURVES, REMOVAL_CURVES, Curve, find_outliers, gather_figures, profile
from seisdiff.report.curves import lateral_consistency as consistency
from seisdiff.report.reading import GatherPair, PairReader
from seisdiff.units import Unit, run_units

#: Most columns of the stack: of longer lines every n-th gather is stacked.
MOST_COLUMNS = 1200
_THREADS = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Line:
    """What is known of a line after it has been read.

    `numbers` (gather); `figures` maps names to values (gather), and `outlying` the names of curves to how far out each
    gather lies; `spectra` (3, frequency) are mean amplitudes of input, output and removed at `frequency` (Hz); `stack`
    (2, gather, time) is that of input and output at the positions `stacked`.
    """

    curves: tuple[Curve, ...]
    numbers: np.ndarray
    figures: dict[str, np.ndarray]
    outlying: dict[str, np.ndarray]
    counts: dict[str, float]
    frequency: np.ndarray
    spectra: np.ndarray
    stacked: np.ndarray
    stack: np.ndarray

    @property
    def furthest(self) -> np.ndarray:
        """How far out each gather lies by the curve in which it stands out most, 0 for none."""
        return np.max(list(self.outlying.values()), axis=0)


@dataclass(frozen=True)
class Survey:
    """How gathers are looked at: the rules, velocities where NMO is still to be done, and whether a stack has sense."""

    rules: Rules
    velocities: VelocityModel | None
    flat: bool


@dataclass(frozen=True)
class _Found:
    """What one gather gives."""

    number: int
    figures: dict[str, float]
    counts: dict[str, float]
    profile: np.ndarray
    spectra: np.ndarray
    stack: np.ndarray | None


@dataclass
class _Tally:
    """What the gathers looked at so far give together; of `spectra` the sums, of `stack` the columns that there are."""

    numbers: list[int] = field(default_factory=list)
    figures: list[dict[str, float]] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    spectra: np.ndarray = field(default_factory=lambda: np.zeros(()))
    stacked: list[int] = field(default_factory=list)
    stack: list[np.ndarray] = field(default_factory=list)

    def add(self, one: _Found) -> None:
        if one.stack is not None:
            self.stacked.append(len(self.numbers))
            self.stack.append(one.stack)
        self.numbers.append(one.number)
        self.figures.append(one.figures)
        self.counts = add_counts([self.counts, one.counts]) if self.counts else one.counts
        self.profiles.append(one.profile)
        self.spectra = self.spectra + one.spectra


def measure_line(reader: PairReader, survey: Survey, memory_gib: float, progress: Progress) -> Line:
    """Read all gathers within the memory bound and measure them."""
    every = -(-reader.count // MOST_COLUMNS)
    found = _Tally()

    def look(pair: GatherPair) -> _Found:
        return _measure(pair, reader, survey, pair.position % every == 0)

    def measure(_: Unit, pairs: list[GatherPair]) -> list[_Found]:
        return list(pool.map(look, pairs))

    with ThreadPoolExecutor(_THREADS) as pool:
        units = reader.units(memory_gib)
        for _, part in run_units(units, lambda unit: reader.read(unit.gathers), measure, lambda _, made: made):
            for one in part:
                found.add(one)
            progress(len(found.numbers), reader.count)
    return _gathered(found, reader, survey)


def corrected(
    samples: np.ndarray, pair: GatherPair, reader: PairReader, velocities: VelocityModel | None
) -> np.ndarray:
    """Return samples (trace, time) after NMO where velocities are given, else as they are."""
    if velocities is None:
        return samples
    times = torch.from_numpy(reader.axis)
    velocity = torch.from_numpy(velocities.at(np.array([pair.number]), reader.axis))
    correction = MoveoutCorrection(torch.from_numpy(pair.offset)[None], velocity, times)
    return correction.forward(torch.from_numpy(np.ascontiguousarray(samples))[None])[0].numpy()


def _measure(pair: GatherPair, reader: PairReader, survey: Survey, stacked: bool) -> _Found:
    shown = pair.after[pair.filled] if survey.rules.filling else pair.removed[pair.live_before]
    parts = (pair.before[pair.live_before], pair.after[pair.live_after], shown)
    spectra = np.stack([mean_spectrum(part, reader.step)[1] for part in parts])
    columns = [_column(part, pair, reader, survey) for part in (pair.before, pair.after)] if stacked else None
    return _Found(
        number=pair.number,
        figures=gather_figures(pair, reader.step),
        counts=count_changes(pair, survey.rules),
        profile=profile(shown, reader.step),
        spectra=spectra,
        stack=None if columns is None else np.stack(columns),
    )


def _column(samples: np.ndarray, pair: GatherPair, reader: PairReader, survey: Survey) -> np.ndarray:
    """Return one trace that stands for a gather: its stack, or the nearest live trace where events are not flat."""
    if survey.flat:
        return stack_traces(corrected(samples, pair, reader, survey.velocities))
    live = np.flatnonzero(pair.live_after)
    return samples[live[np.abs(pair.offset[live]).argmin()]] if len(live) else np.zeros(samples.shape[1], np.float32)


def mean_spectrum(samples: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the mean amplitude spectrum, float64, of traces of any amplitude that float32 holds."""
    largest = float(np.abs(samples).max(initial=0.0, where=np.isfinite(samples))) or 1.0
    frequency, amplitude = amplitude_spectrum(samples / np.float32(largest), step)
    return frequency, largest * amplitude.astype(np.float64)


def _gathered(found: _Tally, reader: PairReader, survey: Survey) -> Line:
    curves = FILLING_CURVES if survey.rules.filling else REMOVAL_CURVES
    figures = {name: np.array([one[name] for one in found.figures]) for name in found.figures[0]}
    figures["consistency"] = consistency(np.stack(found.profiles))
    frequency, _ = amplitude_spectrum(np.zeros((0, len(reader.axis))), reader.step)
    return Line(
        curves=curves,
        numbers=np.array(found.numbers),
        figures=figures,
        outlying={curve.name: find_outliers(figures[curve.name], curve.least) for curve in curves},
        counts=found.counts,
        frequency=frequency,
        spectra=found.spectra / len(found.numbers),
        stacked=np.array(found.stacked),
        stack=np.stack(found.stack, axis=1),
    )
