"""Open a SEG-Y or SU file as a survey, lazily."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from xarray.core.indexing import LazilyIndexedArray

from seisdiff.errors import OptionError
from seisdiff.segy.fields import FIELDS, Field, resolve_field
from seisdiff.segy.grouping import CANDIDATES, WHOLE, Grouping, choose_keys, group
from seisdiff.segy.layout import SegyLayout, detect_layout
from seisdiff.segy.traces import (
    SU_LAST_COMMON_BYTE,
    Distances,
    Exceptions,
    HeaderBytes,
    HeaderValues,
    Part,
    Samples,
    TraceArray,
    TraceSource,
    scan,
)
from seisdiff.survey import survey_attrs

#: Header fields that a survey carries as variables; those outside _ALWAYS only where they are not all zero.
VARIABLES = (
    "offset", "cdp", "trace_id_code", "field_record", "channel", "shot_point", "trace_in_ensemble", "inline",
    "crossline", "cdp_x", "cdp_y", "source_coord_x", "source_coord_y", "group_coord_x", "group_coord_y",
    "receiver_elevation", "source_elevation", "mute_start", "mute_end",
)  # fmt: skip
_ALWAYS = ("offset", "cdp", "trace_id_code")
#: A start of more samples than this would round the steps of the axis; it is kept as `delay`.
_LARGEST_START = 1e8
_UNITS = {"distance": "m", "length": "m", "coordinate": "m", "elevation": "m", "time": "ms", "angle": "degree"}


def open_segy(
    path: str | os.PathLike,
    *,
    gather: Sequence[str] | None = None,
    sort: Sequence[str] = (),
    keys: Mapping[str, Field] | None = None,
    units: str | None = None,
    dt_ms: float | None = None,
    axis: str = "time",
) -> xr.Dataset:
    """Open a SEG-Y or SU (.su) file as a survey whose samples, headers and header values are read when asked for.

    `gather` names the header fields whose equal values form gathers (["all"]: the file is one gather; None: chosen, see
    `grouping.choose_keys`), `sort` those that order traces inside a gather. `keys` puts fields at other bytes. `units`
    ("m" or "ft") overrides the file's length unit, `dt_ms` its sample interval. `axis="depth"` takes the interval as m
    times 1000. A recording delay that is the same everywhere is in `time`; one that varies is `delay` (trace), and
    `time` begins at 0. Raises FileFormatError for a file that is not SEG-Y or SU, or damaged, and OptionError for
    fields, units or an axis that do not exist.
    """
    _check_options(units, axis)
    return survey_of_traces(TraceSource(detect_layout(path, dt_ms)), gather, sort, keys, units, axis)


def survey_of_traces(
    file: TraceSource,
    gather: Sequence[str] | None = None,
    sort: Sequence[str] = (),
    keys: Mapping[str, Field] | None = None,
    units: str | None = None,
    axis: str = "time",
) -> xr.Dataset:
    """Return the survey of the traces of a file, in file order, or of some that are in memory; see `open_segy`."""
    layout = file.layout
    fields = _fields(layout, keys or {})
    gather_fields, sort_fields = (
        _named_fields(gather or CANDIDATES, keys or {}),
        _named_fields(sort, keys or {}),
    )
    for name, field in zip(gather or (), gather_fields, strict=False):  # 'all' has no field
        if field.kind == "distance":
            raise OptionError(
                f"--gather {name}: offsets worked out from coordinates cannot number gathers; name a header word"
            )
    asked = {field.name: field for field in (*(gather_fields if gather else ()), *sort_fields)}
    variables = {**fields, **asked}
    foot = (units or layout.length_unit) == "ft"
    columns, ranges = scan(file, gather_fields, [*variables.values(), *_delay_fields(layout, keys or {})])
    one_offset = "offset" in ranges and ranges["offset"][0] == ranges["offset"][1]
    one_offset = one_offset and fields["offset"].kind != "distance"
    distances = _distances(layout, ranges, foot)
    names = [field.name for field in gather_fields] if gather else choose_keys(columns, one_offset)
    grouping = group(names or [WHOLE], columns, layout.n_traces, _sort_columns(file, sort_fields, foot, distances))
    source = file.reordered(grouping.order)
    always = {*_ALWAYS, *asked, *(keys or {})}
    kept = {name: field for name, field in variables.items() if name in always or ranges[name] != (0, 0)}
    start, delay = _delay(source, _delay_fields(layout, keys or {}), ranges, axis)
    return xr.Dataset(
        {
            **_trace_parts(source, axis),
            **{name: _header_variable(source, field, foot, distances) for name, field in kept.items()},
            **delay,
            "source_trace": ("trace", _source_trace(source)),
            "fold": ("gather", grouping.fold),
            **_key_variables(grouping),
            **_file_parts(layout),
        },
        coords={axis: _axis(layout, axis, start), "gather": ("gather", _gather_numbers(grouping))},
        attrs=_attrs(
            layout,
            grouping,
            [field.name for field in sort_fields],
            "ft" if foot else "m",
            kept | {name: field for name, field in (keys or {}).items() if name == "delay"},
        ),
    )


def _check_options(units: str | None, axis: str) -> None:
    if units not in (None, "m", "ft"):
        raise OptionError(f"--units {units!r} is unknown; expected m or ft")
    if axis not in ("time", "depth"):
        raise OptionError(f"axis {axis!r} is unknown; expected time or depth")


def _fields(layout: SegyLayout, keys: Mapping[str, Field]) -> dict[str, Field]:
    """The fields that become variables; SU has other things than SEG-Y in its last 60 bytes."""
    known = [FIELDS[name] for name in VARIABLES]
    if layout.container == "su":
        known = [field for field in known if field.last_byte <= SU_LAST_COMMON_BYTE]
    renamed = {name: replace(field, name=name) for name, field in keys.items() if name != "delay"}
    return {field.name: field for field in known} | renamed


def _named_fields(names: Sequence[str], keys: Mapping[str, Field]) -> list[Field]:
    if list(names) == [WHOLE]:
        return []
    if WHOLE in names:
        raise OptionError(
            f"--gather {','.join(names)}: {WHOLE!r} is the whole file as one gather, and goes with no other key"
        )
    fields = [resolve_field(name) for name in names]
    return [
        keys.get(field.name, field) if "=" not in name else field for name, field in zip(names, fields, strict=True)
    ]


def _sort_columns(source: TraceSource, fields: Sequence[Field], foot: bool, distances: Distances) -> list[np.ndarray]:
    parts = [distances if field.kind == "distance" else _values(source.layout, field, foot) for field in fields]
    return [part.read(source, slice(None), slice(0, 1)) for part in parts]


def _distances(layout: SegyLayout, ranges: Mapping[str, tuple[float, float]], foot: bool) -> Distances:
    """Return how offsets are worked out: signed along the longer axis, positive towards where most groups lie."""
    spans = {axis: np.ptp(ranges[f"group_coord_{axis}"]) for axis in ("x", "y")}
    axis = max(spans, key=lambda axis: spans[axis])
    behind = sum(ranges[f"group_coord_{axis}"]) < sum(ranges[f"source_coord_{axis}"])
    return Distances(axis, -1 if behind else 1, layout.byte_order, layout.container, foot)


def _values(layout: SegyLayout, field: Field, foot: bool) -> HeaderValues:
    return HeaderValues(field, layout.byte_order, layout.container, foot)


def _variable(source: TraceSource, part: Part, dims: tuple[str, ...], attrs: dict | None = None) -> xr.Variable:
    return xr.Variable(dims, LazilyIndexedArray(TraceArray(source, part)), attrs)


def _header_variable(source: TraceSource, field: Field, foot: bool, distances: Distances | None = None) -> xr.Variable:
    attrs = {"units": _UNITS[field.kind]} if field.kind in _UNITS else {}
    part = distances if distances and field.kind == "distance" else _values(source.layout, field, foot)
    return _variable(source, part, ("trace",), attrs)


def _trace_parts(source: TraceSource, axis: str) -> dict[str, xr.Variable]:
    layout = source.layout
    parts = {
        "amplitude": _variable(
            source, Samples(layout.n_samples, layout.sample_format, layout.byte_order), ("trace", axis)
        ),
        "trace_header": _variable(source, HeaderBytes(layout.header_bytes), ("trace", "header_byte")),
    }
    if layout.sample_format == "ibm32":
        parts["raw_exception"] = _variable(source, Exceptions(layout.n_samples, layout.byte_order), ("trace", axis))
    return parts


def _source_trace(source: TraceSource) -> np.ndarray:
    return np.arange(len(source), dtype=np.int64) if source.order is None else source.order.astype(np.int64, copy=False)


def _delay_fields(layout: SegyLayout, keys: Mapping[str, Field]) -> list[Field]:
    delay = keys.get("delay", FIELDS["delay"])
    return [delay] if layout.container == "su" else [delay, FIELDS["time_scalar"]]


def _delay(
    source: TraceSource, fields: Sequence[Field], ranges: Mapping[str, tuple[float, float]], axis: str
) -> tuple[float, dict[str, xr.Variable]]:
    """The time at which every trace begins, ms, or 0 and the variable that holds each trace's."""
    if axis == "depth":
        return 0.0, {}
    constant = ranges["delay"][0] == ranges["delay"][1]
    if constant and (ranges["delay"] == (0, 0) or all(ranges[f.name][0] == ranges[f.name][1] for f in fields)):
        start = float(_values(source.layout, fields[0], False).read(source, slice(0, 1), slice(0, 1))[0])
        if abs(start) <= _LARGEST_START * source.layout.dt_ms or source.layout.n_samples == 1:
            return start, {}
    return 0.0, {"delay": _header_variable(source, fields[0], False)}


def _axis(layout: SegyLayout, axis: str, start: float) -> tuple[str, np.ndarray, dict]:
    return (
        axis,
        start + layout.dt_ms * np.arange(layout.n_samples),
        {"units": "m" if axis == "depth" else "ms"},
    )


def _gather_numbers(grouping: Grouping) -> np.ndarray:
    """The value of the key; 0 for a whole file; with several keys numbers from 1."""
    if len(grouping.values) == 1:
        return next(iter(grouping.values.values()))
    return np.arange(len(grouping.fold), dtype=np.int64) + (1 if grouping.values else 0)


def _key_variables(grouping: Grouping) -> dict[str, tuple[str, np.ndarray]]:
    if len(grouping.values) < 2:
        return {}
    return {f"gather_{key}": ("gather", values) for key, values in grouping.values.items()}


def _file_parts(layout: SegyLayout) -> dict[str, tuple[str, np.ndarray]]:
    if not (layout.first_trace or layout.trailer_bytes):
        return {}
    with open(layout.path, "rb") as file:
        header = np.frombuffer(file.read(layout.first_trace), np.uint8)
        file.seek(layout.end_of_traces)
        trailer = np.frombuffer(file.read(layout.trailer_bytes), np.uint8)
    parts = {"file_header": ("file_header_byte", header), "file_trailer": ("file_trailer_byte", trailer)}
    return {name: part for name, part in parts.items() if len(part[1])}


def _attrs(
    layout: SegyLayout, grouping: Grouping, sort: Sequence[str], length_unit: str, fields: Mapping[str, Field]
) -> dict:
    attrs = survey_attrs(
        container=layout.container,
        sample_format=layout.sample_format,
        byte_order=layout.byte_order,
        gather_keys=grouping.keys,
        sort_keys=sort,
        length_unit=length_unit,
    )
    places = {name: f"{field.byte}:{field.type}" for name, field in fields.items() if field.kind != "distance"}
    return attrs | {"header_fields": places}
