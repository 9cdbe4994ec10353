"""The whole line, read once: figures of each gather, counts, mean spectra, and the stack."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

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

    figures: dict[str, float]
    counts: dict[str, float]
    profile: np.ndarray
    spectra: np.ndarray
    stack: np.ndarray | None


def measure_line(reader: PairReader, survey: Survey, memory_gib: float, progress: Progress) -> Line:
    """Read all gathers within the memory bound and measure them."""
    every = -(-reader.count // MOST_COLUMNS)
    found: list[_Found] = []
    numbers: list[int] = []

    def look(pair: GatherPair) -> _Found:
        return _measure(pair, reader, survey, pair.position % every == 0)

    def measure(_: Unit, pairs: list[GatherPair]) -> list[_Found]:
        numbers.extend(pair.number for pair in pairs)
        return list(pool.map(look, pairs))

    with ThreadPoolExecutor(_THREADS) as pool:
        units = reader.units(memory_gib)
        for _, part in run_units(units, lambda unit: reader.read(unit.gathers), measure, lambda _, made: made):
            found += part
            progress(len(found), reader.count)
    return _gathered(found, numbers, reader, survey)


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
    spectra = np.stack([amplitude_spectrum(part, reader.step)[1] for part in parts])
    columns = [_column(part, pair, reader, survey) for part in (pair.before, pair.after)] if stacked else None
    return _Found(
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


def _gathered(found: list[_Found], numbers: list[int], reader: PairReader, survey: Survey) -> Line:
    curves = FILLING_CURVES if survey.rules.filling else REMOVAL_CURVES
    figures = {name: np.array([one.figures[name] for one in found]) for name in found[0].figures}
    figures["consistency"] = consistency(np.stack([one.profile for one in found]))
    stacks = [(at, one.stack) for at, one in enumerate(found) if one.stack is not None]
    frequency, _ = amplitude_spectrum(np.zeros((0, len(reader.axis))), reader.step)
    return Line(
        curves=curves,
        numbers=np.array(numbers),
        figures=figures,
        outlying={curve.name: find_outliers(figures[curve.name], curve.least) for curve in curves},
        counts=add_counts([one.counts for one in found]),
        frequency=frequency,
        spectra=np.mean([one.spectra for one in found], axis=0),
        stacked=np.array([at for at, _ in stacks]),
        stack=np.stack([column for _, column in stacks], axis=1),
    )
