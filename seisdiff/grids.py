"""Gridded datasets, as MDIO, segysak and `to_grid` make them, to surveys and back onto the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError, SurveyError
from seisdiff.segy import FIELDS, resolve_field
from seisdiff.segy.traces import FOOT
from seisdiff.survey import check_survey, survey_attrs

#: What variables and dims of a grid may be called, the first is ours, then those of MDIO, segysak and others.
_AMPLITUDE = ("amplitude", "data", "seismic")
_MASK = ("live", "trace_mask")
_VERTICAL = ("time", "twt", "depth", "sample", "samples")
_ALONG = ("offset", "angle", "channel", "receiver", "trace")
_ENDS = ("source_coord_x", "source_coord_y", "group_coord_x", "group_coord_y")
#: Units that attributes name, in m and ms.
_LENGTHS: dict[str, float] = {
    "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "km": 1e3, "cm": 1e-2,
    "ft": FOOT, "foot": FOOT, "feet": FOOT, "us survey foot": 1200 / 3937,
}  # fmt: skip
_TIMES: dict[str, float] = {
    "ms": 1.0, "msec": 1.0, "millisecond": 1.0, "milliseconds": 1.0, "s": 1e3, "sec": 1e3,
    "second": 1e3, "seconds": 1e3,
    "us": 1e-3, "\N{MICRO SIGN}s": 1e-3, "usec": 1e-3, "microsecond": 1e-3, "microseconds": 1e-3,
}  # fmt: skip
_UNTOLD = ("", "1", "unitless")


@dataclass(frozen=True)
class Grid:
    """Where the traces of a survey lie in a gridded dataset.

    `amplitude` and `mask` (None: there is none) are names of variables, `lead` the dims that number gathers, `along`
    the one along a gather, `vertical` the last. `cells` (trace) are the places of the survey's traces among the cells
    (lead..., along), counted in C order, and `empty` (trace) tells those that hold none.
    """

    dataset: xr.Dataset
    amplitude: str
    mask: str | None
    lead: tuple[str, ...]
    along: str
    vertical: str
    cells: np.ndarray
    empty: np.ndarray

    @property
    def dims(self) -> tuple[str, ...]:
        """The dims of a trace's place: those of the gather and the one along it."""
        return (*self.lead, self.along)

    @property
    def samples(self) -> xr.DataArray:
        """The amplitudes with dims (lead..., along, vertical)."""
        return self.dataset[self.amplitude].transpose(*self.dims, self.vertical)


def from_grid(dataset: xr.Dataset, *, with_missing: bool = False) -> xr.Dataset:
    """Make a survey of a gridded dataset, as `to_grid`, MDIO and segysak make them.

    Amplitudes are `amplitude` (MDIO) or `data` (segysak) over the dims of a gather (cdp; inline, crossline; iline,
    xline; shot_point ...), one along it (offset, angle, channel, ...) and time (ms), twt or depth (m), in any order.
    `trace_mask` or `live` tells which cells hold a trace; without it those do that are not NaN throughout, for which
    the samples are read once. Cells without one are left out, or become dead traces `with_missing`, in gathers that
    hold any. Other variables over those dims become header variables where they are known by name (cdp_x, cdp-x,
    group_coord_x, ...); offsets that are not there are the distances between source and group coordinates. Feet
    (attributes units or unitsV1) become m, seconds ms. What a grid does not keep, such as trace headers, is not
    there. Samples that dask holds stay lazy, others are read. Raises SurveyError where amplitudes or dims are not
    found.
    """
    return survey_of(find_grid(dataset, with_missing))


def as_survey(data: xr.Dataset) -> xr.Dataset:
    """Return the survey of a gridded dataset, a survey as it is; raises SurveyError for anything else."""
    if not isinstance(data, xr.Dataset):
        raise SurveyError(f"expected a survey or a gridded xarray.Dataset, came {type(data).__name__}")
    return data if is_survey(data) else from_grid(data)


def is_survey(dataset: xr.Dataset) -> bool:
    """Tell a survey from a grid: its samples lie trace after trace."""
    return "amplitude" in dataset and "trace" in dataset["amplitude"].dims


def find_grid(dataset: xr.Dataset, with_missing: bool = False) -> Grid:
    """Find out where the traces of a gridded dataset are; see `from_grid`."""
    amplitude = _named(dataset.variables, _AMPLITUDE, "variable of amplitudes")
    if dataset[amplitude].dtype.kind not in "iuf":
        raise SurveyError(f"{amplitude} has dtype {dataset[amplitude].dtype}; expected real numbers")
    dims = [str(dim) for dim in dataset[amplitude].dims]
    vertical = _named(dims, _VERTICAL, f"vertical dim of {amplitude}")
    along = _named(dims, _ALONG, f"dim along the gathers of {amplitude}")
    lead = tuple(dim for dim in dims if dim not in (vertical, along))
    mask = next((name for name in _MASK if name in dataset.variables), None)
    grid = Grid(dataset, amplitude, mask, lead, along, vertical, np.zeros(0, np.int64), np.zeros(0, bool))
    there = _traces_there(grid)
    taken = np.broadcast_to(there.any(axis=-1, keepdims=True), there.shape) if with_missing else there
    cells = np.flatnonzero(taken)
    if "trace" in dataset and dataset["trace"].dims == grid.dims:
        trace = dataset["trace"].values.ravel()[cells]  # -1 where there is none: those stay at their place
        places = np.flatnonzero(trace >= 0)
        cells[places] = cells[places[np.lexsort((trace[places], cells[places] // there.shape[-1]))]]
    return replace(grid, cells=cells, empty=~there.ravel()[cells])


def survey_of(grid: Grid) -> xr.Dataset:
    """Return the survey of a grid's traces."""
    data, axis = grid.dataset, "depth" if grid.vertical == "depth" else "time"
    shape = grid.samples.shape[:-1]
    places = np.unravel_index(grid.cells, shape)
    gather = np.ravel_multi_index(places[:-1], shape[:-1]) if grid.lead else np.zeros(len(grid.cells), np.int64)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(gather)) + 1, [len(gather)]]) if len(gather) else np.zeros(1)
    first = edges[:-1].astype(np.int64)
    fold = np.diff(edges).astype(np.int64)
    keys, numbers = _numbers(grid, [place[first] for place in places[:-1]])
    survey = xr.Dataset(
        {
            "amplitude": (("trace", axis), _flat_samples(grid)),
            **_columns(grid, places),
            **{key: ("trace", np.repeat(values, fold)) for key, values in zip(keys, numbers, strict=True)},
            "source_trace": ("trace", np.arange(len(grid.cells), dtype=np.int64)),
            "fold": ("gather", fold),
            **({f"gather_{key}": ("gather", v) for key, v in zip(keys, numbers, strict=True)} if len(keys) > 1 else {}),
        },
        coords={
            axis: (axis, _vertical(data, grid.vertical), {"units": "m" if axis == "depth" else "ms"}),
            "gather": ("gather", numbers[0] if len(keys) == 1 else np.arange(len(fold)) + 1),
        },
        attrs=_attrs(grid, keys),
    )
    check_survey(survey)
    return survey


def onto_grid(survey: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Return the dataset of a grid with the amplitudes of a survey of its traces, all else as it was.

    Traces that became live are entered in the mask, where there is one. What dask holds stays lazy.
    """
    data = grid.dataset
    changed = {grid.amplitude: _placed(survey["amplitude"].data, grid, data[grid.amplitude], grid.vertical)}
    if grid.mask and "live" in survey:
        changed[grid.mask] = _placed(survey["live"].data, grid, data[grid.mask])
    if "spread" in survey:
        changed["spread"] = _placed(survey["spread"].data, grid, xr.zeros_like(data[grid.amplitude]), grid.vertical)
    told = {"history": survey.attrs["history"]} if "seisdiff_layout" in data.attrs else {}
    return data.assign(changed).assign_attrs(told)


def _named(there: Any, names: Sequence[str], what: str) -> str:
    found = [name for name in names if name in there]
    if not found:
        raise SurveyError(f"no {what}: expected one of {', '.join(names)}; came {', '.join(map(str, there)) or 'none'}")
    return found[0]


def _traces_there(grid: Grid) -> np.ndarray:
    """Return bool (lead..., along): which cells hold a trace."""
    if grid.mask:
        return grid.dataset[grid.mask].transpose(*grid.dims).values.astype(bool)
    return grid.samples.notnull().any(grid.vertical).values


def _flat_samples(grid: Grid) -> Any:
    """Return the samples (trace, time) of the traces in float32 or float64, an array of dask where it was one."""
    samples = grid.samples
    kind = np.promote_types(samples.dtype, np.float32)
    if samples.chunks is None:
        flat = samples.values.reshape(-1, samples.shape[-1])[grid.cells].astype(kind, copy=False)
        return _without_empty(flat, grid.empty)
    whole = samples.data.rechunk({-1: -1, -2: -1})
    flat = whole.reshape(-1, samples.shape[-1], merge_chunks=len(grid.lead) < 2).astype(kind)
    flat = flat if np.array_equal(grid.cells, np.arange(flat.shape[0])) else flat[grid.cells]
    return _without_empty(flat, grid.empty)


def _without_empty(flat: Any, empty: np.ndarray) -> Any:
    """Return samples that are zero on the traces that are not there, whatever the grid holds in their place."""
    if not empty.any():
        return flat
    if isinstance(flat, np.ndarray):
        return np.where(empty[:, None], flat.dtype.type(0), flat)
    import dask.array as da

    return da.where(empty[:, None], flat.dtype.type(0), flat)


def _numbers(grid: Grid, places: Sequence[np.ndarray]) -> tuple[list[str], list[np.ndarray]]:
    """Return the header words that number gathers, and their values by gather, counted from 0 where there are none."""
    words = grid.dataset.attrs.get("gather_keys", ())
    if len(words) > 1 and len(grid.lead) == 1 and all(f"gather_{word}" in grid.dataset for word in words):
        return list(words), [grid.dataset[f"gather_{word}"].values[places[0]].astype(np.int64) for word in words]
    names = [_word(grid.dataset, dim) for dim in grid.lead]
    values = [grid.dataset[dim].values[place] for dim, place in zip(grid.lead, places, strict=True)]
    whole = [value.dtype.kind in "iuf" and np.array_equal(value, np.rint(value)) for value in values]
    return names or ["all"], [
        value.astype(np.int64) if exact else place.astype(np.int64)
        for value, place, exact in zip(values, places, whole, strict=True)
    ] or [np.zeros(min(1, len(grid.cells)), np.int64)]


def _word(dataset: xr.Dataset, dim: str) -> str:
    """Return the header word that a dim is a number of, or its own name."""
    keys = dataset.attrs.get("gather_keys", ())
    if dim == "gather" and len(keys) == 1:
        return str(keys[0])
    return _field_name(dim) or dim


def _field_name(name: str) -> str | None:
    """Return the header word of a name, or None where it is none."""
    try:
        return resolve_field(name.replace("-", "_")).name
    except OptionError:
        return None


def _columns(grid: Grid, places: Sequence[np.ndarray]) -> dict[str, tuple[str, np.ndarray]]:
    """Return the per-trace variables that the dataset has for the traces, in m, by our names."""
    columns = {}
    for name, variable in grid.dataset.variables.items():
        field = _field_name(str(name))
        if field is None or name in grid.lead or not set(variable.dims) <= set(grid.dims) or not variable.dims:
            continue
        if variable.dtype.kind not in "iuf":
            continue
        index = tuple(places[grid.dims.index(str(dim))] for dim in variable.dims)
        values = variable.values[index]
        if FIELDS[field].kind in ("length", "coordinate", "elevation"):
            values = values.astype(np.float64) * _factor(str(name), variable, "length", needed=field == "offset")
        columns[field] = ("trace", values)
    if "offset" not in columns and all(name in columns for name in _ENDS):
        x, y, other_x, other_y = (columns[name][1] for name in _ENDS)
        columns["offset"] = ("trace", np.hypot(x - other_x, y - other_y))
    return columns


def _factor(name: str, variable: xr.Variable, kind: str, needed: bool = True) -> float:
    """Return what makes m or ms of a variable's values, by the unit that xarray's `units` or MDIO's `unitsV1` names.

    Raises SurveyError for a unit that is unknown and `needed`, for angles stand in for some coordinates.
    """
    told = str(variable.attrs.get("units") or (variable.attrs.get("unitsV1") or {}).get(kind) or "")
    known = _TIMES if kind == "time" else _LENGTHS
    word = told.lower().strip("[](). ")
    if word not in known and word not in _UNTOLD and needed:
        raise SurveyError(f"{name} has units {told!r}; expected one of {', '.join(known)}")
    return known.get(word, 1.0)


def _vertical(dataset: xr.Dataset, dim: str) -> np.ndarray:
    if dim not in dataset.variables:
        raise SurveyError(f"dim {dim} has no coordinate; expected times in ms (or depths in m)")
    axis = dataset[dim]
    if axis.dtype.kind == "m":
        return axis.values / np.timedelta64(1, "ms")
    return axis.values.astype(np.float64) * _factor(dim, axis.variable, "length" if dim == "depth" else "time")


def _attrs(grid: Grid, keys: Sequence[str]) -> dict:
    attrs = grid.dataset.attrs
    if "seisdiff_layout" in attrs:
        return {name: value for name, value in attrs.items() if name != "header_fields"}
    return survey_attrs(gather_keys=keys)


def _placed(values: Any, grid: Grid, original: xr.DataArray, *last: str) -> xr.DataArray:
    """Return values of one a trace in the cells of their traces, the original's elsewhere, in its dims and dtype."""
    before = original.transpose(*grid.dims, *last)
    shape, dtype = before.shape, before.dtype
    depth = shape[len(grid.dims) :]
    if isinstance(values, np.ndarray):
        flat = before.values.reshape(-1, *depth).copy()
        flat[grid.cells] = _of_kind(values, dtype)
    else:
        flat = _scattered(_of_kind(values, dtype), grid.cells, before.data.reshape(-1, *depth))
    return before.copy(data=flat.reshape(shape).astype(dtype)).transpose(*original.dims)


def _of_kind(values: Any, dtype: np.dtype) -> Any:
    """Return samples as a dtype holds them: of integers the nearest, at most the largest."""
    if dtype.kind not in "iu" or values.dtype.kind != "f":
        return values.astype(dtype)
    return np.clip(np.rint(values.astype(np.float64)), np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def _scattered(values: Any, cells: np.ndarray, flat: Any) -> Any:
    """Return a dask array of one row a cell: those of `values` where a trace is, else those of `flat`."""
    import dask.array as da

    if np.array_equal(cells, np.arange(len(flat))):
        return values
    row = np.full(len(flat), -1)
    row[cells] = np.arange(len(cells))
    known = (row >= 0).reshape(-1, *[1] * (values.ndim - 1))
    return da.where(known, values[np.maximum(row, 0)], flat)
