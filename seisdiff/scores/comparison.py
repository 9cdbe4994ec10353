"""Two surveys compared gather by gather, or three with the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict
from rich.table import Column, Table

from seisdiff.errors import OptionError, SurveyError
from seisdiff.grids import as_survey
from seisdiff.scores.figures import energies, live_samples, ratio_db
from seisdiff.scores.gather import GatherScores, Scores, difference, score_gather
from seisdiff.survey import gather_bounds, vertical_dim
from seisdiff.tasks.start import StartTable
from seisdiff.units import gather_units

_BLOCK_BYTES = 64 * 2**20
#: Axes that are as near as this are the same, ms (m in depth).
_SAME_MS = 1e-3

_HEADINGS = {
    "snr_db": "SNR dB",
    "input_snr_db": "input dB",
    "gain_db": "gain dB",
    "snr_below_db": "below dB",
    "input_snr_below_db": "input below dB",
    "snr_per_second_db": "per s dB",
    "input_snr_per_second_db": "input per s dB",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "spectrum_error_db": "spec. dB",
    "leakage": "leakage",
}
#: Figures of the whole that are means over gathers, not ratios of energies.
_MEANS = ("ssim", "spectrum_error_db", "leakage", "snr_per_second_db", "input_snr_per_second_db")


class Comparison(BaseModel):
    """An estimate against the truth: each gather, all of it, and the quartiles (25 %, median, 75 %) over gathers.

    In `overall`, SNR (also below a time) and PSNR are of the summed energies of all gathers; the other figures are
    means over gathers weighted by their live traces. Gathers in which a figure is no number (the truth is zero
    throughout) are left out of its mean and quartiles.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    overall: Scores
    quartiles: dict[str, tuple[float, float, float]]
    gathers: list[GatherScores]

    def as_table(self) -> Table:
        """Return the figures as a rich table: a row for the whole and one for each quartile."""
        names = [name for name in _HEADINGS if getattr(self.overall, name) is not None]
        table = Table(
            Column("", no_wrap=True),
            *(_HEADINGS[name] for name in names),
            title=f"{len(self.gathers)} gather{'s' if len(self.gathers) != 1 else ''}",
        )
        table.add_row("all", *(f"{getattr(self.overall, name):.3g}" for name in names))
        for position, label in enumerate(("25 %", "median", "75 %")):
            shown = [self.quartiles[name][position] if name in self.quartiles else np.nan for name in names]
            table.add_row(label, *(f"{value:.3g}" for value in shown))
        return table


class _Gather(NamedTuple):
    """One gather as read: `parts` are truth, estimate and perhaps input; `times` is None on a depth axis."""

    number: int
    parts: list[np.ndarray]
    live: np.ndarray
    times: np.ndarray | None


def compare(
    truth: xr.Dataset,
    estimate: xr.Dataset,
    before: xr.Dataset | None = None,
    *,
    from_ms: float | StartTable | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two surveys, or three with the input that the estimate was made from (`before`), gather by gather.

    Gridded datasets are taken too. Traces are matched by order and checked by fold, gather number, offset (to half a
    metre) and recording delay; dead traces are those of the truth. `from_ms` adds the SNR of the samples later than
    that time (ms), or than the times that a table of ensemble numbers gives. `progress` is called with gathers done and
    gathers in all. Reads a few tens of MB at a time. Raises SurveyError saying what differs, and where samples are not
    finite; OptionError for a time on a depth axis.
    """
    surveys = {"TRUTH": truth, "ESTIMATE": estimate} | ({"INPUT": before} if before is not None else {})
    surveys = {name: as_survey(given) for name, given in surveys.items()}
    truth = surveys["TRUTH"]
    for name, other in list(surveys.items())[1:]:
        _check_match(truth, other, name)
    if from_ms is not None and vertical_dim(truth) == "depth":
        raise OptionError("the surveys are in depth, where there is no time from which to measure; leave --from-ms out")
    gathers, sums = [], []
    for one in _read_gathers(surveys):
        start = from_ms.at(np.array([one.number])).item() if isinstance(from_ms, StartTable) else from_ms
        gathers.append(score_gather(one.number, one.parts, one.live, times=one.times, from_ms=start))
        sums.append(_gather_sums(one, start))
        if progress:
            progress(len(gathers), truth.sizes["gather"])
    return Comparison(overall=_overall(gathers, sums), quartiles=_quartiles(gathers), gathers=gathers)


def check_finite(names: Sequence[str], parts: Sequence[np.ndarray], number: int) -> None:
    """Raise SurveyError where a part of a gather holds samples that are no numbers."""
    for name, part in zip(names, parts, strict=True):
        bad = int((~np.isfinite(part)).sum())
        if bad:
            raise SurveyError(f"{name} holds {bad} non-finite samples in gather {number}; no figure is possible")


def _check_match(truth: xr.Dataset, other: xr.Dataset, name: str) -> None:
    for dim, words in (("trace", "traces"), ("gather", "gathers")):
        if truth.sizes[dim] != other.sizes[dim]:
            raise SurveyError(
                f"TRUTH has {truth.sizes[dim]} {words}, {name} has {other.sizes[dim]}; they must be the same"
            )
    _check_axes(truth, other, name)
    for key, tolerance, owner in (("gather", 0.0, "gather"), ("fold", 0.0, "gather"), ("offset", 0.51, "trace")):
        if key in truth and key in other:
            _check_equal(truth[key].values, other[key].values, tolerance, f"{key} of {owner}", name)


def _check_axes(truth: xr.Dataset, other: xr.Dataset, name: str) -> None:
    """Raise SurveyError where axes differ; where delays vary in either survey, that of each trace counts."""
    axis, other_axis = vertical_dim(truth), vertical_dim(other)
    mine, theirs = truth[axis].values, other[other_axis].values
    delayed = "delay" in truth or "delay" in other
    if delayed:
        mine, theirs = mine - mine[:1], theirs - theirs[:1]
    if axis != other_axis or len(mine) != len(theirs) or np.abs(mine - theirs).max(initial=0.0) > _SAME_MS:
        raise SurveyError(f"TRUTH has {_axis_words(truth)}, {name} has {_axis_words(other)}; they must be the same")
    if delayed and len(mine):
        _check_equal(_first_samples(truth), _first_samples(other), _SAME_MS, "delay (ms) of trace", name)


def _first_samples(survey: xr.Dataset) -> np.ndarray:
    """Return the time (ms) of the first sample of each trace, (trace)."""
    start = survey["time"].values[0]
    return start + (survey["delay"].values if "delay" in survey else np.zeros(survey.sizes["trace"]))


def _axis_words(survey: xr.Dataset) -> str:
    dim = vertical_dim(survey)
    axis, unit = survey[dim].values, "m" if dim == "depth" else "ms"
    return f"{len(axis)} samples from {axis[0]:g} to {axis[-1]:g} {unit}" if len(axis) else "no samples"


def _check_equal(mine: np.ndarray, theirs: np.ndarray, tolerance: float, what: str, name: str) -> None:
    differs = np.flatnonzero(~(np.abs(mine - theirs) <= tolerance))
    if len(differs):
        at = differs[0]
        raise SurveyError(
            f"TRUTH and {name} differ in {len(differs)} places: {what} number {at + 1} is {mine[at]:g} and "
            f"{theirs[at]:g}; compare surveys with the same traces in the same order"
        )


def _read_gathers(surveys: dict[str, xr.Dataset]) -> Iterator[_Gather]:
    """Yield the gathers of all surveys; which traces are live, and their times, are the truth's."""
    truth = next(iter(surveys.values()))
    bounds = gather_bounds(truth)
    trace_bytes = 8 * truth.sizes[vertical_dim(truth)] * len(surveys)
    for unit in gather_units(bounds, max(1, _BLOCK_BYTES // max(1, trace_bytes))):
        blocks = {name: survey["amplitude"][unit.rows].values for name, survey in surveys.items()}
        known = truth["live"][unit.rows].values if "live" in truth else None
        times = _sample_times(truth, unit.rows)
        for at in range(unit.gathers.start, unit.gathers.stop):
            rows = slice(int(bounds[at] - unit.rows.start), int(bounds[at + 1] - unit.rows.start))
            parts = [block[rows] for block in blocks.values()]
            number = int(truth["gather"].values[at])
            check_finite(list(blocks), parts, number)
            live = known[rows] if known is not None else (parts[0] != 0).any(axis=-1)
            yield _Gather(number, parts, live, times if times is None or times.ndim == 1 else times[rows])


def _sample_times(survey: xr.Dataset, rows: slice) -> np.ndarray | None:
    """Return the times (ms) of samples: (time), or (trace, time) where the recording delay varies; None in depth."""
    if vertical_dim(survey) == "depth":
        return None
    times = survey["time"].values.astype(np.float64)
    return times if "delay" not in survey else survey["delay"].values[rows, None] + (times - times[0])


def _gather_sums(one: _Gather, from_ms: float | None) -> list[float]:
    """Return energy of truth, of the estimate's and the input's error, the three below a time, peak and samples."""
    parts = [live_samples(part, one.live) for part in one.parts]
    sums = _three_energies(parts)
    if one.times is not None and from_ms is not None:
        after = np.broadcast_to(one.times > from_ms, one.parts[0].shape)[one.live]
        sums += _three_energies([np.where(after, part, 0) for part in parts])
    else:
        sums += [np.nan] * 3
    return [*sums, float(np.abs(parts[0]).max(initial=0.0)), float(parts[0].size)]


def _three_energies(parts: Sequence[np.ndarray]) -> list[float]:
    input_error = energies(parts[0], parts[2])[1] if len(parts) == 3 else np.nan
    return [*energies(parts[0], parts[1]), input_error]


def _overall(gathers: Sequence[GatherScores], sums: Sequence[Sequence[float]]) -> Scores:
    table = np.array(sums, float).reshape(-1, 8)
    signal, error, input_error, below, below_error, below_input_error, _, count = table.sum(axis=0)
    quality, before = ratio_db(signal, error), ratio_db(signal, input_error)
    figures: dict[str, float | None] = {name: _weighted_mean(gathers, name) for name in _MEANS}
    figures |= {"snr_below_db": ratio_db(below, below_error), "input_snr_below_db": ratio_db(below, below_input_error)}
    figures |= {"input_snr_db": before, "gain_db": difference(quality, before)}
    kept = {name: value for name, value in figures.items() if gathers and getattr(gathers[0], name) is not None}
    kept = {"ssim": np.nan, "spectrum_error_db": np.nan} | kept
    peak = table[:, 6].max(initial=0.0)
    return Scores(snr_db=quality, psnr_db=ratio_db(peak**2, error / max(count, 1.0)), **kept)  # type: ignore[arg-type]


def _weighted_mean(gathers: Sequence[GatherScores], name: str) -> float | None:
    """Return the mean weighted by live traces over gathers that have the figure; None where none can have it."""
    values = [getattr(part, name) for part in gathers]
    if values and values[0] is None:
        return None
    pairs = np.array([(value, part.traces) for value, part in zip(values, gathers, strict=True)], float).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs[:, 0])]
    return float(np.average(pairs[:, 0], weights=pairs[:, 1])) if pairs[:, 1].sum() > 0 else np.nan


def _quartiles(gathers: Sequence[GatherScores]) -> dict[str, tuple[float, float, float]]:
    """Return quartiles of each figure over the gathers in which it is a number, infinite ones included."""
    result = {}
    for name in _HEADINGS:
        values = np.array([getattr(part, name) for part in gathers if getattr(part, name) is not None], float)
        values = np.sort(values[~np.isnan(values)])
        if len(values):
            q1, q2, q3 = (float(np.quantile(values, share, method="lower")) for share in (0.25, 0.5, 0.75))
            result[name] = (q1, q2, q3)
    return result
