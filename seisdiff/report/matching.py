"""Which trace of BEFORE each trace of AFTER is, and whether the two belong together at all."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from seisdiff.errors import SurveyError
from seisdiff.survey import gather_bounds, vertical_dim

#: Offsets of the same trace differ by no more than this (m).
_SAME_OFFSET = 0.51


def match_traces(before: xr.Dataset, after: xr.Dataset, name: str = "AFTER") -> np.ndarray | None:
    """Return the row of BEFORE of each trace of AFTER, -1 for a new one; None where they stand row by row.

    Traces of gathers of another fold, as new offsets make it, are matched by offset within their gather. Raises
    SurveyError that says what differs where axes, gathers or offsets do not agree.
    """
    _check_gathers(before, after, name)
    _check_axes(before, after, name)
    if np.array_equal(before["fold"].values, after["fold"].values):
        _check_offsets(before, after, name)
        return None
    if "offset" not in before or "offset" not in after:
        raise SurveyError(f"{_sizes(before, after, name)}; without offsets their traces cannot be matched")
    return _match_by_offset(before, after, name)


def _check_axes(before: xr.Dataset, after: xr.Dataset, name: str) -> None:
    dims = vertical_dim(before), vertical_dim(after)
    mine, theirs = before[dims[0]].values, after[dims[1]].values
    if dims[0] != dims[1] or len(mine) != len(theirs) or np.abs(mine - theirs).max(initial=0.0) > 1e-3:
        raise SurveyError(
            f"BEFORE has {_axis_words(mine, dims[0])}, {name} has {_axis_words(theirs, dims[1])}; they must be the same"
        )
    delays = [survey["delay"].values if "delay" in survey else None for survey in (before, after)]
    if (delays[0] is None) != (delays[1] is None):
        raise SurveyError(f"recording delays vary in one of BEFORE and {name} and not in the other")


def _axis_words(axis: np.ndarray, dim: str) -> str:
    unit = "m" if dim == "depth" else "ms"
    return f"{len(axis)} samples from {axis[0]:g} to {axis[-1]:g} {unit}" if len(axis) else "no samples"


def _sizes(before: xr.Dataset, after: xr.Dataset, name: str) -> str:
    return (
        f"BEFORE has {before.sizes['trace']} traces in {before.sizes['gather']} gathers, {name} has "
        f"{after.sizes['trace']} in {after.sizes['gather']}"
    )


def _check_gathers(before: xr.Dataset, after: xr.Dataset, name: str) -> None:
    if not before.sizes["gather"]:
        raise SurveyError("BEFORE holds no gathers, so there is nothing to report")
    if before.sizes["gather"] != after.sizes["gather"]:
        raise SurveyError(f"{_sizes(before, after, name)}; a report compares the same gathers")
    differs = np.flatnonzero(before["gather"].values != after["gather"].values)
    if len(differs):
        at = differs[0]
        raise SurveyError(
            f"gather number {at + 1} is {before['gather'].values[at]} in BEFORE and {after['gather'].values[at]} in "
            f"{name}; a report compares the same gathers in the same order"
        )


def _check_offsets(before: xr.Dataset, after: xr.Dataset, name: str) -> None:
    for key, tolerance in (("offset", _SAME_OFFSET), ("delay", 1e-3)):
        if key not in before or key not in after:
            continue
        mine, theirs = before[key].values, after[key].values
        differs = np.flatnonzero(~(np.abs(mine - theirs) <= tolerance))
        if len(differs):
            at = differs[0]
            raise SurveyError(
                f"BEFORE and {name} differ in the {key} of {len(differs)} traces, first of trace {at + 1}: "
                f"{mine[at]:g} and {theirs[at]:g}; a report compares the same traces in the same order"
            )


def _match_by_offset(before: xr.Dataset, after: xr.Dataset, name: str) -> np.ndarray:
    """Return rows of BEFORE by offset: the first of some at one offset is the first, and so on."""
    mine, theirs = (np.round(survey["offset"].values, 2) for survey in (before, after))
    spans = zip(pairwise(gather_bounds(before)), pairwise(gather_bounds(after)), strict=True)
    parts = []
    for (low, high), (first, last) in spans:
        rows = dict(zip(_ranked(mine[low:high]), range(int(low), int(high)), strict=True))
        parts.append([rows.get(key, -1) for key in _ranked(theirs[first:last])])
    matched = np.concatenate([np.array(part, np.int64) for part in parts])
    if not (matched >= 0).any():
        raise SurveyError(f"{_sizes(before, after, name)}, and no two traces share gather and offset")
    return matched


def _ranked(offset: np.ndarray) -> list[tuple[float, int]]:
    """Return each offset with how many equal ones come before it."""
    seen: dict[float, int] = {}
    keys = []
    for value in offset.tolist():
        keys.append((value, seen.get(value, 0)))
        seen[value] = seen.get(value, 0) + 1
    return keys
