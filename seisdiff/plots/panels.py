"""Traces laid out to be drawn: which gathers, in which columns, at which clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError, SurveyError
from seisdiff.survey import gather_bounds, sample_interval, vertical_dim

_GAP = 4


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
    position = find_gathers(survey, gathers, name)
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


def find_gathers(survey: xr.Dataset, gathers: Sequence[int], name: str) -> list[int]:
    """Return the positions of ensemble numbers; raises SurveyError, which calls the survey `name`, without them."""
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
