"""The survey: a layout of an `xarray.Dataset` that holds many gathers, trace after trace.

| variable | dims | meaning |
|---|---|---|
| `amplitude` | (trace, time) | float32, or float64 where float32 cannot hold the recorded format; as recorded |
| `raw_exception` | (trace, time) | uint32, only for IBM floats: recorded word XOR the one that `amplitude` encodes to |
| `time` | (time) | ms; or `depth` (depth), m: the vertical axis of migrated gathers |
| `delay` | (trace) | ms, only where the recording delay varies: the time of the first sample of each trace |
| `offset`, `cdp`, `inline`, `source_coord_x`, ... | (trace) | header words by name, SI, scalars applied |
| `live` | (trace) | bool, false for a dead or missing trace; absent until the samples have been read |
| `source_trace` | (trace) | int64, the position of the trace in the file it came from |
| `trace_header` | (trace, header_byte) | uint8, the recorded header, 240 x (1 + extensions) bytes, verbatim |
| `gather` | (gather) | int64 coordinate, the ensemble number; with several keys a running number |
| `gather_KEY` | (gather) | int64, with several keys: the value of each |
| `fold` | (gather) | int64, the number of traces of each gather; the traces of a gather are contiguous |
| `file_header` | (file_header_byte) | uint8, everything before the first trace, verbatim |
| `file_trailer` | (file_trailer_byte) | uint8, everything after the last trace, verbatim |

Attributes, all plain JSON: `seisdiff_layout` (LAYOUT_VERSION), `container` ("segy", "su" or "" for a survey that
never was a file), `sample_format` (a key of SAMPLE_FORMATS), `byte_order` ("big" or "little"), `gather_keys` (names),
`sort_keys` (names), `length_unit` (of the file: "m" or "ft"; the survey itself is in m) and `history` (lines).

Trace-ordered arrays are a CF contiguous ragged array: gather number g holds the traces
`fold[:g].sum()` to `fold[:g + 1].sum()`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.errors import SurveyError

LAYOUT_VERSION = 1

#: Recorded sample formats: SEG-Y format code, bytes a sample, dtype of `amplitude`.
SAMPLE_FORMATS: dict[str, tuple[int, int, str]] = {
    "ibm32": (1, 4, "float32"),
    "int32": (2, 4, "float64"),
    "int16": (3, 2, "float32"),
    "ieee32": (5, 4, "float32"),
    "ieee64": (6, 8, "float64"),
    "int24": (7, 3, "float32"),
    "int8": (8, 1, "float32"),
    "uint32": (10, 4, "float64"),
    "uint16": (11, 2, "float32"),
    "uint24": (15, 3, "float32"),
    "uint8": (16, 1, "float32"),
}

#: Variables whose presence decides how a trace is treated, by name: dims and kind of dtype.
_REQUIRED = {"amplitude": "f", "source_trace": "i", "fold": "i", "gather": "i"}
_TRACE_ARRAYS = {"live": "b", "offset": "f", "delay": "f", "source_trace": "i", "mute_start": "f", "mute_end": "f"}


def vertical_dim(survey: xr.Dataset) -> str:
    """Return the name of the vertical axis: "time" (ms) or "depth" (m)."""
    return "depth" if "depth" in survey["amplitude"].dims else "time"


def sample_interval(survey: xr.Dataset) -> float:
    """Return the step of the vertical axis, ms or m; 0 for a single sample."""
    axis = survey[vertical_dim(survey)].values
    return float(axis[-1] - axis[0]) / (len(axis) - 1) if len(axis) > 1 else 0.0


def gather_bounds(survey: xr.Dataset) -> np.ndarray:
    """Return int64 (gather + 1): gather g holds the traces bounds[g] to bounds[g + 1]."""
    return np.concatenate([[0], np.cumsum(survey["fold"].values, dtype=np.int64)])


def make_survey(
    amplitude: np.ndarray,
    *,
    dt_ms: float,
    offset: np.ndarray | None = None,
    gather: np.ndarray | None = None,
    gather_key: str = "cdp",
    start_ms: float = 0.0,
    axis: str = "time",
    trace_values: Mapping[str, np.ndarray] | None = None,
) -> xr.Dataset:
    """Make a survey in memory from samples (trace, time), or (gather, trace, time) for gathers of equal fold.

    `offset` (m, signed) and `gather` (ensemble numbers) have one value a trace, or are shaped like the leading axes of
    `amplitude`; `gather` may also be one value a gather. Without `gather`, a two-dimensional array is one gather.
    Traces must come gather by gather. `axis="depth"` takes `dt_ms` and `start_ms` as m. `trace_values` adds further
    per-trace variables in SI units. Raises SurveyError where shapes disagree or a gather's traces are apart.
    """
    samples = real_samples(amplitude)
    samples = samples if samples.dtype == np.float64 else samples.astype(np.float32, copy=False)
    if samples.ndim not in (2, 3):
        raise SurveyError(f"amplitude has {samples.ndim} dimensions; expected (trace, time) or (gather, trace, time)")
    if not samples.shape[-1]:
        raise SurveyError(f"amplitude has shape {samples.shape}: traces without samples")
    lead = samples.shape[:-1]
    samples = samples.reshape(-1, samples.shape[-1])
    numbers = _per_trace("gather", _default_gathers(lead) if gather is None else gather, lead)
    values = {"offset": offset} if offset is not None else {}
    values |= dict(trace_values or {})
    columns = {name: ("trace", _per_trace(name, value, lead)) for name, value in values.items()}
    if not np.array_equal(columns.setdefault(gather_key, ("trace", numbers))[1], numbers):
        gather_key = "gather"  # what the word holds is something else than the number of the gather
    edges = np.flatnonzero(np.diff(numbers)) + 1
    bounds = np.concatenate([[0], edges, [len(numbers)]]) if len(numbers) else np.zeros(1, np.int64)
    if len(np.unique(numbers)) < len(bounds) - 1:
        raise SurveyError("traces of one gather are apart; expected traces gather by gather")
    survey = xr.Dataset(
        {
            "amplitude": (("trace", axis), samples),
            **columns,
            "source_trace": ("trace", np.arange(len(samples), dtype=np.int64)),
            "fold": ("gather", np.diff(bounds)),
        },
        coords={
            axis: (axis, start_ms + dt_ms * np.arange(samples.shape[1]), {"units": "m" if axis == "depth" else "ms"}),
            "gather": ("gather", numbers[bounds[:-1]].astype(np.int64)),
        },
        attrs=survey_attrs(gather_keys=[gather_key]),
    )
    check_survey(survey)
    return survey


def survey_attrs(
    *,
    container: str = "",
    sample_format: str = "ieee32",
    byte_order: str = "big",
    gather_keys: Sequence[str] = ("cdp",),
    sort_keys: Sequence[str] = (),
    length_unit: str = "m",
    history: Sequence[str] = (),
) -> dict:
    """Return the attributes that every survey carries."""
    return {
        "seisdiff_layout": LAYOUT_VERSION,
        "container": container,
        "sample_format": sample_format,
        "byte_order": byte_order,
        "gather_keys": list(gather_keys),
        "sort_keys": list(sort_keys),
        "length_unit": length_unit,
        "history": list(history),
    }


def real_samples(values: np.ndarray) -> np.ndarray:
    """Return samples as an array; raises SurveyError where they are no real numbers or some are masked."""
    if np.ma.isMaskedArray(values):
        raise SurveyError("a masked array: expected one without a mask; give .filled(0), as dead traces are zero")
    samples = np.asarray(values)
    if samples.dtype.kind not in "iuf":
        raise SurveyError(f"samples have dtype {samples.dtype}; expected real numbers")
    return samples


def select(survey: xr.Dataset, *, gather: Any = None, trace: Any = None) -> xr.Dataset:
    """Return a survey of some of the gathers, or of some of the traces, of another.

    `gather` and `trace` are positions or bools, as numpy takes them; traces stay in the order of the survey, and
    gathers of which no trace is left are left out. Samples stay lazy where they are. (`Dataset.isel` chooses traces
    without their gathers, or gathers without their traces.)
    """
    bounds = gather_bounds(survey)
    number = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    kept = np.ones(len(number), bool)
    if gather is not None:
        kept &= _chosen(gather, len(bounds) - 1)[number]
    if trace is not None:
        kept &= _chosen(trace, len(number))
    fold = np.bincount(number[kept], minlength=len(bounds) - 1)
    part = survey.isel(trace=np.flatnonzero(kept), gather=np.flatnonzero(fold))
    return part.assign(fold=("gather", fold[fold > 0].astype(np.int64)))


def _chosen(places: Any, count: int) -> np.ndarray:
    chosen = np.zeros(count, bool)
    try:
        chosen[places] = True
    except IndexError as error:
        raise SurveyError(f"cannot choose from {count}: {error}") from None
    return chosen


def check_order(survey: xr.Dataset) -> None:
    """Raise SurveyError where the traces of a gather differ in a word that numbers gathers; reads these words."""
    first = gather_bounds(survey)[:-1]
    for key in survey.attrs["gather_keys"]:
        if key not in survey or survey[key].dims != ("trace",):
            continue
        mine = survey[key].values
        wanted = np.repeat(mine[first], survey["fold"].values)
        wrong = np.flatnonzero(mine != wanted)
        if len(wrong):
            raise SurveyError(
                f"trace {wrong[0] + 1} has {key} {mine[wrong[0]]} and lies in a gather of {key} {wanted[wrong[0]]}: "
                "traces are no longer gather by gather; choose with seisdiff.select, and sort when opening a file"
            )


def check_survey(survey: xr.Dataset) -> None:
    """Raise SurveyError with every fault of the layout in one message; reads no samples."""
    faults = [
        *_missing(survey),
        *_wrong_shapes(survey),
        *_wrong_axis(survey),
        *_wrong_folds(survey),
        *_wrong_attrs(survey),
    ]
    if faults:
        raise SurveyError("not a survey: " + "; ".join(faults))


def to_grid(
    survey: xr.Dataset, *, offset_step: float | None = None, duplicates: str = "refuse", max_gib: float = 4.0
) -> xr.Dataset:
    """Return the dense view (gather, offset, time) of a survey, with `live` telling real traces from padding.

    Offsets are the distinct offsets of the survey, or the multiples of `offset_step` (m) nearest to them. Where two
    traces fall in one cell, `duplicates` says what happens: "refuse" (SurveyError), "first" or "mean". `trace`
    (gather, offset) holds the row of the first trace of each cell, -1 where empty. Raises SurveyError where the grid
    would exceed `max_gib`, or where recording delays differ. Dead traces count as missing.
    """
    if duplicates not in ("refuse", "first", "mean"):
        raise SurveyError(f"duplicates={duplicates!r} is unknown; expected refuse, first or mean")
    if offset_step is not None and not 0 < offset_step < np.inf:
        raise SurveyError(f"offset_step={offset_step:g}; expected more than 0 m")
    if "offset" not in survey:
        raise SurveyError("the survey has no offset; name its header word with --key offset=BYTE")
    if "delay" in survey:
        raise SurveyError("recording delays differ from trace to trace, and a grid has one time axis for all")
    dim = vertical_dim(survey)
    rows, columns, offsets = _grid_cells(survey, offset_step)
    shape = (survey.sizes["gather"], len(offsets), survey.sizes[dim])
    needed = float(np.prod(shape, dtype=float)) * survey["amplitude"].dtype.itemsize / 2**30
    if needed > max_gib:
        raise SurveyError(
            f"the grid {shape} needs {needed:.1f} GiB, more than {max_gib:g}; raise max_gib or offset_step"
        )
    live = np.flatnonzero(survey["live"].values) if "live" in survey else np.arange(len(rows))
    cells = rows[live], columns[live]
    first, count = _cell_members(cells, live, shape[:2], duplicates)
    grid = _fill_grid(survey["amplitude"].values, shape, cells, live, first, count if duplicates == "mean" else None)
    return xr.Dataset(
        {
            "amplitude": (("gather", "offset", dim), grid),
            "live": (("gather", "offset"), first >= 0),
            "trace": (("gather", "offset"), first),
        },
        coords={
            "gather": survey["gather"], "offset": ("offset", offsets), dim: survey[dim],
            **{name: survey[name] for name in survey.data_vars if survey[name].dims == ("gather",) and name != "fold"},
        },
        attrs={**survey.attrs, "history": list(survey.attrs["history"])},
    )  # fmt: skip


def _default_gathers(lead: tuple[int, ...]) -> np.ndarray:
    return np.zeros(lead, np.int64) if len(lead) == 1 else np.repeat(np.arange(1, lead[0] + 1), lead[1]).reshape(lead)


def _per_trace(name: str, value: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(value)
    if len(lead) == 2 and value.shape == lead[:1] and name == "gather":
        value = np.repeat(value, lead[1])
    if len(lead) == 2 and value.shape == lead[1:]:
        value = np.broadcast_to(value, lead)
    if value.shape not in (lead, (int(np.prod(lead)),)):
        raise SurveyError(f"{name} has shape {value.shape}; expected one value a trace, {lead}")
    value = value.reshape(-1)
    return value.astype(np.float64) if name == "offset" else value


def _missing(survey: xr.Dataset) -> list[str]:
    faults = [f"no variable {name}" for name in _REQUIRED if name not in survey.variables]
    version = survey.attrs.get("seisdiff_layout")
    if version != LAYOUT_VERSION:
        faults.append(f"attribute seisdiff_layout is {version!r}, expected {LAYOUT_VERSION}")
    return faults


def _wrong_shapes(survey: xr.Dataset) -> list[str]:
    faults = []
    if "amplitude" in survey and survey["amplitude"].dims not in (("trace", "time"), ("trace", "depth")):
        faults.append(f"amplitude has dims {survey['amplitude'].dims}, expected (trace, time) or (trace, depth)")
    for name, kind in {**_REQUIRED, **_TRACE_ARRAYS}.items():
        if name in survey.variables and survey[name].dtype.kind not in kind + ("u" if kind == "i" else ""):
            faults.append(f"{name} has dtype {survey[name].dtype}, expected kind {kind!r}")
    wrong = [name for name in _TRACE_ARRAYS if name in survey and survey[name].dims != ("trace",)]
    faults += [f"{name} has dims {survey[name].dims}, expected (trace)" for name in wrong]
    if "trace_header" in survey and survey.sizes.get("header_byte", 0) % 240:
        faults.append(f"trace_header is {survey.sizes['header_byte']} bytes wide, expected a multiple of 240")
    return faults


def _wrong_axis(survey: xr.Dataset) -> list[str]:
    if "amplitude" not in survey or vertical_dim(survey) not in survey.variables:
        return ["no vertical axis: time (ms) or depth (m)"]
    axis = survey[vertical_dim(survey)].values
    steps = np.diff(axis)
    if not np.all(np.isfinite(axis)) or (len(steps) and (steps.min() <= 0 or np.ptp(steps) > 1e-6 * steps.max())):
        return [f"{vertical_dim(survey)} does not grow in equal steps"]
    return []


def _wrong_folds(survey: xr.Dataset) -> list[str]:
    if "fold" not in survey or "amplitude" not in survey:
        return []
    if survey["fold"].dims != ("gather",):
        return [f"fold has dims {survey['fold'].dims}, expected (gather); choose gathers with seisdiff.select"]
    fold = survey["fold"].values
    faults = ["fold holds values below 1"] if len(fold) and fold.min() < 1 else []
    if fold.sum() != survey.sizes["trace"]:
        faults.append(
            f"fold adds up to {fold.sum()} traces, amplitude has {survey.sizes['trace']}; choose with seisdiff.select"
        )
    return faults


def _wrong_attrs(survey: xr.Dataset) -> list[str]:
    name = survey.attrs.get("sample_format")
    faults = (
        [] if name in SAMPLE_FORMATS else [f"sample_format is {name!r}, expected one of {', '.join(SAMPLE_FORMATS)}"]
    )
    if survey.attrs.get("byte_order") not in ("big", "little"):
        faults.append(f"byte_order is {survey.attrs.get('byte_order')!r}, expected big or little")
    return faults


def _grid_cells(survey: xr.Dataset, step: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.repeat(np.arange(survey.sizes["gather"]), survey["fold"].values)
    offset = survey["offset"].values
    if step is not None:
        offset = np.round(offset / step) * step
    offsets, columns = np.unique(offset, return_inverse=True)
    return rows, columns, offsets


def _cell_members(
    cells: tuple[np.ndarray, np.ndarray], live: np.ndarray, shape: tuple[int, int], duplicates: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first live trace of each cell, -1 where there is none, and how many there are."""
    count = np.zeros(shape, np.int64)
    np.add.at(count, cells, 1)
    if duplicates == "refuse" and count.max(initial=0) > 1:
        raise SurveyError(
            f"{int((count > 1).sum())} cells of the grid hold several traces; choose duplicates='first' or 'mean'"
        )
    first = np.full(shape, -1, np.int64)
    taken, at = np.unique(np.ravel_multi_index(cells, shape), return_index=True)
    first.flat[taken] = live[at]
    return first, count


def _fill_grid(
    samples: np.ndarray,
    shape: tuple[int, ...],
    cells: tuple[np.ndarray, np.ndarray],
    live: np.ndarray,
    first: np.ndarray,
    mean_of: np.ndarray | None,
) -> np.ndarray:
    """Return the samples (gather, offset, time): the first of each cell, or the mean of `mean_of` traces."""
    grid = np.zeros(shape, samples.dtype)
    if mean_of is not None:
        np.add.at(grid, cells, samples[live])
        grid /= np.maximum(mean_of, 1)[..., None]
    else:
        grid[first >= 0] = samples[first[first >= 0]]
    return grid
