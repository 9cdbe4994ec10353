"""Pictures of gathers: variable density and wiggles, several surveys side by side at one clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seisdiff.errors import OptionError, SurveyError
from seisdiff.plots.panels import Panel, choose_gathers, clip_level, find_gathers, read_panel
from seisdiff.survey import gather_bounds, vertical_dim

STYLES = ("density", "wiggle", "both")
#: Most traces drawn in one panel, by style: more would be narrower than a pixel, or ink that runs together.
_MOST_TRACES = {"density": 2000, "wiggle": 400, "both": 400}
RC: dict[Any, Any] = {"font.size": 11, "axes.titlesize": 13, "axes.labelsize": 11, "svg.hashsalt": "seisdiff"}


def plot_gathers(
    panels: Mapping[str, xr.Dataset],
    gathers: Sequence[int] | None = None,
    *,
    style: str = "density",
    clip: float | None = None,
    percentile: float = 99.0,
    window: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Return a figure with one panel a survey, the same gathers in each, all at the same clip.

    `panels` maps titles to surveys; `gathers` are ensemble numbers (default: three spread over the survey, or one where
    there are several panels; a survey of one-trace gathers is drawn as one section). `style` is "density" (positive
    black), "wiggle" (positive filled) or "both". Amplitudes are clipped symmetrically at `clip`, by default the
    `percentile` of the first panel's absolute non-zero samples. `window` limits the vertical axis (ms, or m in depth),
    which points down. Columns are traces in survey order; the strip above shows their offsets. Raises OptionError for
    an unknown style or an impossible clip, SurveyError for a gather that a panel does not hold.
    """
    _check_options(panels, style, clip, percentile, window)
    first = next(iter(panels.values()))
    at_most = 3 if len(panels) == 1 else 1
    numbers = choose_gathers(first, at_most=at_most) if gathers is None else [int(number) for number in gathers]
    drawn = {name: read_panel(survey, numbers, name, _MOST_TRACES[style]) for name, survey in panels.items()}
    level = clip if clip is not None else clip_level(next(iter(drawn.values())).image, percentile)
    with matplotlib.rc_context(RC):
        figure, strips, bodies = _layout(drawn)
        for (name, panel), strip, body in zip(drawn.items(), strips, bodies, strict=True):
            _draw_body(body, panel, style, level, window)
            _draw_strip(strip, panel, name, body.get_xlim())
        _label(figure, bodies[0], drawn, level, title)
    return figure


def plot_comparison(
    before: xr.Dataset,
    after: xr.Dataset,
    gathers: Sequence[int] | None = None,
    *,
    names: Sequence[str] = ("input", "output"),
    **options: Any,
) -> Figure:
    """Return a figure of the same gathers before and after and of what was removed, before - after, all at one clip.

    `names` are titles of the two, `options` those of `plot_gathers`. Raises SurveyError where the two do not hold the
    same traces.
    """
    if before["amplitude"].shape != after["amplitude"].shape:
        shapes = [" x ".join(map(str, survey["amplitude"].shape)) for survey in (before, after)]
        raise SurveyError(f"input and output hold {shapes[0]} and {shapes[1]} samples; expected the same traces")
    numbers = choose_gathers(before, at_most=1) if gathers is None else gathers
    position = find_gathers(before, numbers, "input")
    bounds = gather_bounds(before)
    rows = np.concatenate([np.arange(bounds[at], bounds[at + 1]) for at in position])
    parts = [survey.isel(trace=rows, gather=position).load() for survey in (before, after)]
    removed = parts[0].assign(amplitude=parts[0]["amplitude"] - parts[1]["amplitude"].values)
    return plot_gathers({names[0]: parts[0], names[1]: parts[1], "removed": removed}, numbers, **options)


def _check_options(
    panels: Mapping[str, xr.Dataset],
    style: str,
    clip: float | None,
    percentile: float,
    window: tuple[float, float] | None,
) -> None:
    if not panels:
        raise OptionError("no survey to draw")
    if style not in STYLES:
        raise OptionError(f"style={style!r} is unknown; expected one of {', '.join(STYLES)}")
    if clip is not None and not (np.isfinite(clip) and clip > 0):
        raise OptionError(f"clip={clip:g}; expected an amplitude above 0")
    if not 0 < percentile <= 100:
        raise OptionError(f"percentile={percentile:g}; expected above 0 and at most 100")
    if window is not None and not -np.inf < window[0] < window[1] < np.inf:
        raise OptionError(f"window {window[0]:g} to {window[1]:g}; expected two times, the upper edge first")
    axes = {vertical_dim(survey) for survey in panels.values()}
    if len(axes) > 1:
        raise SurveyError("some surveys are in time and some in depth; draw them apart")


def _layout(drawn: Mapping[str, Panel]) -> tuple[Figure, list[Axes], list[Axes]]:
    widths = [float(np.clip(panel.image.shape[0] * 0.05, 3.6, 12.0)) for panel in drawn.values()]
    widths = [width * min(1.0, 22.0 / sum(widths)) for width in widths]
    figure = Figure(figsize=(sum(widths) + 0.4 * len(widths) + 1.4, 8.6), layout="constrained")
    axes = figure.subplots(2, len(drawn), squeeze=False, height_ratios=[1, 9], width_ratios=widths)
    figure.get_layout_engine().set(hspace=0.01, h_pad=0.02, wspace=0.02)  # type: ignore[union-attr]
    return figure, list(axes[0]), list(axes[1])


def _draw_strip(axes: Axes, panel: Panel, name: str, limits: tuple[float, float]) -> None:
    """Draw the offsets of the traces as a line broken between gathers, with the values of some as ticks on top."""
    for run in np.split(np.arange(len(panel.place)), np.flatnonzero(np.diff(panel.place) > 1) + 1):
        axes.plot(panel.place[run], panel.across[run], color="0.25", linewidth=1.4, marker="." if len(run) == 1 else "")
    low, high = float(panel.across.min()), float(panel.across.max())
    margin = 0.08 * (high - low) or 1.0
    axes.set(xlim=limits, ylim=(low - margin, high + margin), ylabel=panel.across_name)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.xaxis.tick_top()
    _tick_traces(axes, panel)
    axes.grid(axis="y", color="0.85", linewidth=0.8)
    axes.set_title(name, parse_math=False, fontweight="bold", pad=10)


def _tick_traces(axes: Axes, panel: Panel) -> None:
    count = max(2, min(6, len(panel.place) // 8)) if len(panel.labels) < 2 else 2 * len(panel.labels)
    if len(panel.labels) < 2:
        chosen = np.unique(np.linspace(0, len(panel.place) - 1, count).round().astype(int))
    else:
        edges = np.flatnonzero(np.diff(panel.place) > 1)
        chosen = np.concatenate([[0], edges + 1])
    axes.set_xticks(panel.place[chosen], [f"{panel.across[at]:.0f}" for at in chosen])
    axes.tick_params(axis="x", labelsize=10)


def _draw_body(axes: Axes, panel: Panel, style: str, level: float, window: tuple[float, float] | None) -> None:
    step = float(panel.times[1] - panel.times[0]) if len(panel.times) > 1 else 1.0
    low, high = float(panel.times[0]) - step / 2, float(panel.times[-1]) + step / 2
    left, right = -0.5, panel.image.shape[0] - 0.5
    if style != "wiggle":
        shown = np.ma.masked_invalid(panel.image.T)
        axes.imshow(
            shown,
            cmap="gray_r",
            vmin=-level,
            vmax=level,
            aspect="auto",
            extent=(left, right, high, low),
            interpolation="auto",
        )
    if style != "density":
        _draw_wiggles(axes, panel, level, filled=style == "wiggle")
    upper, lower = window if window else (low, high)
    margin = 0.0 if style == "density" else 1.0
    axes.set(xlim=(left - margin, right + margin), ylim=(lower, upper))
    if len(panel.labels):
        axes.set_xticks([at for at, _ in panel.labels], [words for _, words in panel.labels])
        axes.tick_params(axis="x", length=0)
    else:
        axes.set_xticks([])


def _draw_wiggles(axes: Axes, panel: Panel, level: float, *, filled: bool) -> None:
    excursion = np.clip(np.nan_to_num(panel.image[panel.place]) / level, -1.5, 1.5)
    lines = [np.column_stack([at + trace, panel.times]) for at, trace in zip(panel.place, excursion, strict=True)]
    axes.add_collection(LineCollection(lines, colors="black", linewidths=0.5))
    if filled:
        for at, trace in zip(panel.place, excursion, strict=True):
            axes.fill_betweenx(panel.times, at, at + np.maximum(trace, 0), color="black", linewidth=0, interpolate=True)


def _label(figure: Figure, body: Axes, drawn: Mapping[str, Panel], level: float, title: str | None) -> None:
    body.set_ylabel(next(iter(drawn.values())).vertical)
    note = f"clip ±{level:.3g}" + (", the same in every panel" if len(drawn) > 1 else "") + "; positive is black"
    figure.supxlabel(note, fontsize=10, color="0.35")
    if title:
        figure.suptitle(title, parse_math=False)
