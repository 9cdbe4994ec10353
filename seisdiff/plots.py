"""Pictures of gathers: variable density and wiggles, several surveys side by side at one clip."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from seisdiff.errors import OptionError, OutputError, SurveyError
from seisdiff.survey import gather_bounds, sample_interval, vertical_dim

KINDS = ("density", "wiggle", "both")
SUFFIXES = (".png", ".pdf", ".svg", ".jpg")
#: Most traces drawn in one panel, by kind: more would be narrower than a pixel, or ink that runs together.
_MOST_TRACES = {"density": 2000, "wiggle": 400, "both": 400}
_GAP = 4
_STYLE: dict[Any, Any] = {"font.size": 11, "axes.titlesize": 13, "axes.labelsize": 11, "svg.hashsalt": "seisdiff"}


@dataclass(frozen=True)
class Panel:
    """Traces ready to draw: `image` (column, time) with NaN where a gap or nothing recorded is.

    `times` (ms or m) are those of the samples; `place` (trace) the column of each trace, `across` what the upper axis
    shows for it (offset in m, or a number) and `labels` the gathers' names with their middle columns.
    """

    image: np.ndarray
    times: np.ndarray
    place: np.ndarray
    across: np.ndarray
    across_name: str
    labels: list[tuple[float, str]]
    vertical: str


def plot_gathers(
    panels: Mapping[str, xr.Dataset],
    gathers: Sequence[int] | None = None,
    *,
    kind: str = "density",
    clip: float | None = None,
    percentile: float = 99.0,
    window: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Return a figure with one panel a survey, the same gathers in each, all at the same clip.

    `panels` maps titles to surveys; `gathers` are ensemble numbers (default: three spread over the survey, or one where
    there are several panels; a survey of one-trace gathers is drawn as one section). `kind` is "density" (positive
    black), "wiggle" (positive filled) or "both". Amplitudes are clipped symmetrically at `clip`, by default the
    `percentile` of the first panel's absolute non-zero samples. `window` limits the vertical axis (ms, or m in depth),
    which points down. Columns are traces in survey order; the strip above shows their offsets. Raises OptionError for
    an unknown kind or an impossible clip, SurveyError for a gather that a panel does not hold.
    """
    _check_options(panels, kind, clip, percentile, window)
    first = next(iter(panels.values()))
    at_most = 3 if len(panels) == 1 else 1
    numbers = choose_gathers(first, at_most=at_most) if gathers is None else [int(number) for number in gathers]
    drawn = {name: read_panel(survey, numbers, name, _MOST_TRACES[kind]) for name, survey in panels.items()}
    level = clip if clip is not None else clip_level(next(iter(drawn.values())).image, percentile)
    with matplotlib.rc_context(_STYLE):
        figure, strips, bodies = _layout(drawn)
        for (name, panel), strip, body in zip(drawn.items(), strips, bodies, strict=True):
            _draw_body(body, panel, kind, level, window)
            _draw_strip(strip, panel, name, body.get_xlim())
        _label(figure, bodies[0], drawn, level, title)
    return figure


def choose_gathers(survey: xr.Dataset, every: int | None = None, at_most: int = 3) -> list[int]:
    """Return ensemble numbers to draw: every n-th gather, or up to `at_most` spread over the survey.

    A survey in which every gather has one trace is drawn whole. Raises SurveyError for a survey without gathers and
    OptionError where `every` is below 1.
    """
    numbers = survey["gather"].values
    if not len(numbers):
        raise SurveyError("the survey holds no gathers, so there is nothing to draw")
    if every is not None:
        if every < 1:
            raise OptionError(f"every={every}; expected 1 or more")
        return numbers[::every].tolist()
    if survey["fold"].values.max() == 1:
        return numbers.tolist()
    middle = (np.arange(at_most) + 0.5) * len(numbers) / at_most
    return numbers[np.unique(middle.astype(int))].tolist()


def read_panel(survey: xr.Dataset, gathers: Sequence[int], name: str, most_traces: int) -> Panel:
    """Read the traces of `gathers` (ensemble numbers) and lay them out in columns, a gap between gathers.

    Where there are more than `most_traces`, every n-th is taken. Traces with delays of their own are placed at the
    nearest sample of a common axis. Raises SurveyError for a gather that the survey does not hold.
    """
    position = _positions(survey, gathers, name)
    bounds = gather_bounds(survey)
    rows = np.concatenate([np.arange(bounds[at], bounds[at + 1]) for at in position])
    member = np.repeat(np.arange(len(position)), survey["fold"].values[position])
    keep = slice(None, None, int(np.ceil(len(rows) / most_traces)))
    rows, member = rows[keep], member[keep]
    one_trace = survey["fold"].values[position].max() == 1
    place = np.arange(len(rows)) + (0 if one_trace else _GAP * member)
    part = survey.isel(trace=rows)
    image, times = _image(part, place)
    across, across_name = _across(part, survey, np.asarray(position)[member], one_trace)
    labels = [] if one_trace else _gather_labels(survey, position, member, place)
    vertical = "Depth (m)" if vertical_dim(survey) == "depth" else "Time (ms)"
    return Panel(image, times, place, across, across_name, labels, vertical)


def clip_level(samples: np.ndarray, percentile: float = 99.0) -> float:
    """Return the percentile of the absolute values of finite, non-zero samples; 1 where there are none."""
    values = np.abs(samples[np.isfinite(samples) & (samples != 0)])
    return float(np.percentile(values, percentile)) or 1.0 if values.size else 1.0


def save_figure(figure: Figure, path: str | os.PathLike, *, overwrite: bool = False, dpi: int = 120) -> Path:
    """Write a figure (PNG, PDF, SVG or JPEG by its name) and return its path; it appears complete or not at all.

    Raises OptionError for another suffix and OutputError where the file exists already or cannot be written.
    """
    target = check_picture_path(path, overwrite)
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
            figure.savefig(partial, dpi=dpi)
        os.replace(partial, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def check_picture_path(path: str | os.PathLike, overwrite: bool) -> Path:
    """Return `path` where a picture may be written to it; raises as `save_figure` does."""
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{target.name}: a picture's name ends in one of {', '.join(SUFFIXES)}")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent} is not a folder; make it first")
    return target


def _check_options(
    panels: Mapping[str, xr.Dataset],
    kind: str,
    clip: float | None,
    percentile: float,
    window: tuple[float, float] | None,
) -> None:
    if not panels:
        raise OptionError("no survey to draw")
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r} is unknown; expected one of {', '.join(KINDS)}")
    if clip is not None and not (np.isfinite(clip) and clip > 0):
        raise OptionError(f"clip={clip:g}; expected an amplitude above 0")
    if not 0 < percentile <= 100:
        raise OptionError(f"percentile={percentile:g}; expected above 0 and at most 100")
    if window is not None and not window[0] < window[1]:
        raise OptionError(f"window {window[0]:g} to {window[1]:g}; expected the upper edge first")
    axes = {vertical_dim(survey) for survey in panels.values()}
    if len(axes) > 1:
        raise SurveyError("some surveys are in time and some in depth; draw them apart")


def _positions(survey: xr.Dataset, gathers: Sequence[int], name: str) -> list[int]:
    numbers = survey["gather"].values
    found = {int(number): at for at, number in reversed(list(enumerate(numbers)))}
    absent = [number for number in gathers if number not in found]
    if absent or not len(gathers):
        held = f"it holds {numbers.min()} to {numbers.max()}" if len(numbers) else "it holds none"
        raise SurveyError(f"gather {absent[0] if absent else '(none)'} is not in {name}; {held}")
    return [found[number] for number in gathers]


def _image(part: xr.Dataset, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    samples = part["amplitude"].values
    times = part[vertical_dim(part)].values
    step = sample_interval(part) or 1.0
    delay = part["delay"].values if "delay" in part else np.full(len(samples), times[0])
    shift = np.round((delay - delay.min()) / step).astype(np.int64)
    image = np.full((place[-1] + 1, samples.shape[1] + shift.max()), np.nan, samples.dtype)
    image[place[:, None], shift[:, None] + np.arange(samples.shape[1])] = samples
    return image, delay.min() + step * np.arange(image.shape[1])


def _across(part: xr.Dataset, survey: xr.Dataset, gather: np.ndarray, one_trace: bool) -> tuple[np.ndarray, str]:
    """Return what tells the traces apart along the panel, and its name."""
    if one_trace:
        keys = survey.attrs.get("gather_keys", [])
        return survey["gather"].values[gather], keys[0] if len(keys) == 1 else "gather"
    if "offset" in part and part["offset"].values.any():
        return part["offset"].values, "offset (m)"
    starts = np.flatnonzero(np.diff(gather, prepend=-1))
    return np.arange(len(gather)) - starts[
        np.searchsorted(starts, np.arange(len(gather)), side="right") - 1
    ] + 1, "trace"


def _gather_labels(
    survey: xr.Dataset, position: list[int], member: np.ndarray, place: np.ndarray
) -> list[tuple[float, str]]:
    keys = survey.attrs.get("gather_keys", ["gather"])
    labels = []
    for order, at in enumerate(position):
        values = [survey[f"gather_{key}"].values[at] for key in keys if f"gather_{key}" in survey]
        values = values or [survey["gather"].values[at]]
        words = " ".join(f"{key} {value}" for key, value in zip(keys, values, strict=False))
        if (member == order).any():
            labels.append((float(place[member == order].mean()), words))
    return labels


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


def _draw_body(axes: Axes, panel: Panel, kind: str, level: float, window: tuple[float, float] | None) -> None:
    step = float(panel.times[1] - panel.times[0]) if len(panel.times) > 1 else 1.0
    low, high = float(panel.times[0]) - step / 2, float(panel.times[-1]) + step / 2
    left, right = -0.5, panel.image.shape[0] - 0.5
    if kind != "wiggle":
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
    if kind != "density":
        _draw_wiggles(axes, panel, level, filled=kind == "wiggle")
    upper, lower = window if window else (low, high)
    margin = 0.0 if kind == "density" else 1.0
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
