"""Pictures of what gathers are made of: amplitude spectra, f-k, semblance of residual moveout, and the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seisdiff.errors import OptionError, SurveyError
from seisdiff.gathers import Gathers, read_gathers
from seisdiff.operators.semblance import MOVEOUTS, moveout_semblance
from seisdiff.operators.spectra import FK_DB, SPECTRUM_DB, amplitude_spectrum, fk_spectrum
from seisdiff.operators.stacking import stack_traces
from seisdiff.plots.gathers import RC, plot_gathers
from seisdiff.plots.panels import choose_gathers, find_gathers
from seisdiff.survey import gather_bounds, make_survey, sample_interval, vertical_dim
from seisdiff.units import gather_units

_BLOCK_BYTES = 64 * 2**20


def plot_spectra(panels: Mapping[str, xr.Dataset], gathers: Sequence[int] | None = None) -> Figure:
    """Return a figure of the mean amplitude spectra of the same gathers of each survey, one line a survey.

    `panels` maps names to surveys, `gathers` are ensemble numbers (default: three spread over the survey). In dB below
    the largest value of the first, over Hz (cycles per km in depth). Raises SurveyError for a gather that is not there.
    """
    spectra = {name: _mean_spectrum(survey, gathers, name) for name, survey in _checked(panels).items()}
    most = float(next(iter(spectra.values()))[1].max(initial=0.0)) or 1.0
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        for name, (frequency, amplitude) in spectra.items():
            axes.plot(frequency, _decibels(amplitude / most), linewidth=1.3, label=name)
        axes.set(xlabel=_frequency_name(panels), ylabel="Amplitude (dB)", ylim=(-SPECTRUM_DB, 3))
        axes.set_xlim(0, float(frequency[-1]))
        axes.grid(color="0.9")
        axes.legend(frameon=False)
    return figure


def plot_fk(panels: Mapping[str, xr.Dataset], gather: int | None = None) -> Figure:
    """Return a figure of the f-k spectra of one gather, one panel a survey, in dB below the largest of the first.

    `gather` is an ensemble number (default: that in the middle). Frequency points down; a positive wavenumber is that
    of events that come later with offset. Raises SurveyError for a gather that is not there.
    """
    found = {name: _read_one(survey, gather, name) for name, survey in _checked(panels).items()}
    spectra = {name: fk_spectrum(one.amplitude, one.offset, one.step) for name, one in found.items()}
    most = float(next(iter(spectra.values())).amplitude.max()) or 1.0

    def draw(axes: Axes, name: str) -> Any:
        one = spectra[name]
        extent = (one.wavenumber[0], one.wavenumber[-1], one.frequency[-1], 0.0)
        axes.set_xlabel("Wavenumber (1/km)")
        return axes.imshow(
            _decibels(one.amplitude / most), cmap="viridis", vmin=-FK_DB, vmax=0, aspect="auto", extent=extent
        )

    return _row(list(panels), draw, _frequency_name(panels), "dB")


def plot_semblance(
    panels: Mapping[str, xr.Dataset], gather: int | None = None, *, ref_offset: float | None = None
) -> Figure:
    """Return a figure of the semblance of one gather along residual moveouts, one panel a survey.

    `gather` is an ensemble number (default: that in the middle), which should be NMO-corrected; moveouts are in ms at
    `ref_offset` (m; default the largest of the gather). Raises SurveyError for a gather that is not there, OptionError
    for a reference offset that is not above 0.
    """
    if ref_offset is not None and not ref_offset > 0:
        raise OptionError(f"ref_offset={ref_offset:g}; expected m above 0")
    found = {name: _read_one(survey, gather, name) for name, survey in _checked(panels).items()}
    first = next(iter(found.values()))
    at = ref_offset or float(np.abs(first.offset).max(initial=0.0)) or 1.0

    def draw(axes: Axes, name: str) -> Any:
        one = found[name]
        shown = moveout_semblance(one.amplitude[one.live], one.offset[one.live], one.step, MOVEOUTS, at)
        low, high = one.delay[0] - one.step / 2, one.delay[0] + one.step * (one.amplitude.shape[1] - 0.5)
        axes.set_xlabel(f"Moveout at {at:.0f} m (ms)")
        extent = (MOVEOUTS[0], MOVEOUTS[-1], high, low)
        drawn = axes.imshow(shown.T, cmap="viridis", vmin=0, vmax=1, aspect="auto", extent=extent)
        axes.axvline(0, color="white", linewidth=0.8)
        return drawn

    return _row(list(panels), draw, _vertical_name(panels), "semblance")


def plot_stack(panels: Mapping[str, xr.Dataset], **options: Any) -> Figure:
    """Return a figure of the stacks of surveys, one panel a survey; `options` are those of `plot_gathers`.

    A stack is the mean over offset of what is not muted to zero: gathers should be NMO-corrected. Read in blocks.
    Raises SurveyError where recording delays vary.
    """
    return plot_gathers({name: stack_survey(survey) for name, survey in _checked(panels).items()}, **options)


def stack_survey(survey: xr.Dataset) -> xr.Dataset:
    """Return the stack of a survey as another, in memory, of one trace a gather."""
    if "delay" in survey:
        raise SurveyError("recording delays vary from trace to trace, so that gathers cannot be stacked as they are")
    bounds, dim = gather_bounds(survey), vertical_dim(survey)
    rows = max(1, _BLOCK_BYTES // max(1, 4 * survey.sizes[dim]))
    stacks = []
    for unit in gather_units(bounds, rows):
        block = survey["amplitude"][unit.rows].values
        edges = bounds[unit.gathers.start : unit.gathers.stop + 1] - unit.rows.start
        stacks += [stack_traces(block[low:high]) for low, high in pairwise(edges)]
    axis, keys = survey[dim].values, survey.attrs.get("gather_keys", [])
    key = keys[0] if len(keys) == 1 else "gather"
    return make_survey(
        np.stack(stacks),
        dt_ms=sample_interval(survey) or 1.0,
        gather=survey["gather"].values,
        gather_key="cdp" if key == "gather" else key,
        start_ms=float(axis[0]) if len(axis) else 0.0,
        axis=dim,
    )


def _checked(panels: Mapping[str, xr.Dataset]) -> Mapping[str, xr.Dataset]:
    if not panels:
        raise OptionError("no survey to draw")
    if len({vertical_dim(survey) for survey in panels.values()}) > 1:
        raise SurveyError("some surveys are in time and some in depth; draw them apart")
    return panels


def _read_one(survey: xr.Dataset, gather: int | None, name: str) -> Gathers:
    numbers = choose_gathers(survey, at_most=1)[:1] if gather is None else [gather]
    at = find_gathers(survey, numbers, name)[0]
    return read_gathers(survey, slice(at, at + 1))


def _mean_spectrum(survey: xr.Dataset, gathers: Sequence[int] | None, name: str) -> tuple[np.ndarray, np.ndarray]:
    numbers = choose_gathers(survey) if gathers is None else gathers
    found = [_read_one(survey, int(number), name) for number in numbers]
    spectra = [amplitude_spectrum(one.amplitude[one.live], one.step) for one in found]
    return spectra[0][0], np.mean([amplitude for _, amplitude in spectra], axis=0)


def _row(names: Sequence[str], draw: Any, vertical: str, scale: str) -> Figure:
    """Return a figure of one panel a name, all at one scale, with its bar."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(1.6 + 4.4 * len(names), 6.4), layout="constrained")
        row = list(figure.subplots(1, len(names), squeeze=False, sharey=True)[0])
        for axes, name in zip(row, names, strict=True):
            drawn = draw(axes, name)
            axes.set_title(name, parse_math=False, fontweight="bold")
        row[0].set_ylabel(vertical)
        figure.colorbar(drawn, ax=row, label=scale, shrink=0.6, pad=0.01)
    return figure


def _decibels(share: np.ndarray) -> np.ndarray:
    return 20 * np.log10(np.maximum(share, 1e-12))


def _frequency_name(panels: Mapping[str, xr.Dataset]) -> str:
    return "Wavenumber (1/km)" if _in_depth(panels) else "Frequency (Hz)"


def _vertical_name(panels: Mapping[str, xr.Dataset]) -> str:
    return "Depth (m)" if _in_depth(panels) else "Time (ms)"


def _in_depth(panels: Mapping[str, xr.Dataset]) -> bool:
    return vertical_dim(next(iter(panels.values()))) == "depth"
