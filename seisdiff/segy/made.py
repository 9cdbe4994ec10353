"""Headers for a survey that never was a SEG-Y file: trace headers and a file header from its variables."""

from __future__ import annotations

import struct

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.segy.fields import FIELDS, set_header_values
from seisdiff.segy.layout import TRACE_HEADER_BYTES
from seisdiff.segy.text import encode_text
from seisdiff.survey import SAMPLE_FORMATS, gather_bounds, sample_interval, vertical_dim

_LARGEST_INT, _LARGEST_SHORT, _LARGEST_WORD = 2**31 - 1, 2**15 - 1, 2**16 - 1
_NUMBERS = ("field_record", "channel", "shot_point", "cdp", "inline", "crossline")
_COORDINATES = ("source_coord_x", "source_coord_y", "group_coord_x", "group_coord_y", "cdp_x", "cdp_y")
_ELEVATIONS = ("receiver_elevation", "source_elevation")
_TIMES = ("delay", "mute_start", "mute_end")
_SORTING = {"cdp": 2, "field_record": 5}


def new_headers(survey: xr.Dataset, rows: slice) -> np.ndarray:
    """Return trace headers, uint8 (trace, 240), of the survey rows, made from its variables, in its byte order.

    Lengths are m (offset rounded to whole metres), coordinates and elevations scaled by 100 or 10 where they fit,
    traces numbered in the order of the survey, dead traces get identification code 2. Raises OptionError where a
    number fits no header word.
    """
    rows = slice(*rows.indices(survey.sizes["trace"]))
    part = survey.isel(trace=rows)
    headers = np.zeros((part.sizes["trace"], TRACE_HEADER_BYTES), np.uint8)
    for name, values in _header_numbers(survey, part, rows).items():
        headers = set_header_values(headers, FIELDS[name], survey.attrs["byte_order"], values)
    return headers


def new_file_header(survey: xr.Dataset, sample_format: str) -> bytes:
    """Return a file header of 3600 bytes: text in EBCDIC, revision 1, or 2 where interval or length need its words."""
    n_samples, interval = survey.sizes[vertical_dim(survey)], sample_interval(survey) * 1000
    whole = abs(interval - round(interval)) < 1e-6 and interval <= _LARGEST_SHORT
    revision = 1 if whole and n_samples <= _LARGEST_WORD else 2
    mark = ">" if survey.attrs["byte_order"] == "big" else "<"
    header = bytearray(encode_text(_text(survey, sample_format, revision)) + bytes(400))

    def put(byte: int, kind: str, value: float) -> None:
        struct.pack_into(mark + kind, header, byte - 1, value)

    put(3217, "h", min(round(interval), _LARGEST_SHORT))
    put(3221, "H", n_samples if n_samples <= _LARGEST_WORD else 0)
    put(3225, "h", SAMPLE_FORMATS[sample_format][0])
    put(3227, "h", min(int(survey["fold"].max()) if survey.sizes["gather"] else 0, _LARGEST_SHORT))
    put(3229, "h", _SORTING.get(next(iter(survey.attrs["gather_keys"]), ""), 0))
    put(3255, "h", 2 if "trace_header" in survey and survey.attrs.get("length_unit") == "ft" else 1)
    put(3501, "B", revision)
    put(3503, "h", 1)
    if revision == 2:
        put(3269, "i", n_samples)
        put(3273, "d", interval)
        put(3297, "I", 0x01020304)
        put(3513, "Q", survey.sizes["trace"])
        put(3521, "Q", len(header))
    return bytes(header)


def _text(survey: xr.Dataset, sample_format: str, revision: int) -> str:
    dim = vertical_dim(survey)
    known = {
        1: f"TRACES {survey.sizes['trace']}, GATHERS {survey.sizes['gather']}, {sample_format.upper()}",
        2: f"SAMPLES {survey.sizes[dim]}, INTERVAL {sample_interval(survey):g} {'M' if dim == 'depth' else 'MS'}",
        39: f"SEG Y REV{revision}",
        40: "END TEXTUAL HEADER",
    }
    return "\n".join(f"C{number:2d} {known.get(number, '')}" for number in range(1, 41))


def _header_numbers(survey: xr.Dataset, part: xr.Dataset, rows: slice) -> dict[str, np.ndarray | int]:
    numbers: dict[str, np.ndarray | int] = {
        "trace_seq_line": np.arange(rows.start, rows.stop) + 1,
        "trace_seq_file": np.arange(rows.start, rows.stop) + 1,
        "trace_in_ensemble": _place_in_gather(survey, rows),
        "trace_id_code": np.where(part["live"].values, 1, 2) if "live" in part else 1,
        "coordinate_unit": 1,
        "samples": min(survey.sizes[vertical_dim(survey)], _LARGEST_WORD),
        "sample_interval": min(round(sample_interval(survey) * 1000), _LARGEST_SHORT),
    }
    numbers |= {name: part[name].values for name in _NUMBERS if name in part}
    if "offset" in part:
        numbers["offset"] = part["offset"].values
    numbers |= _scaled(survey, part, _COORDINATES, "coordinate_scalar", _LARGEST_INT)
    numbers |= _scaled(survey, part, _ELEVATIONS, "elevation_scalar", _LARGEST_INT)
    return numbers | _times(survey, part)


def _place_in_gather(survey: xr.Dataset, rows: slice) -> np.ndarray:
    bounds, traces = gather_bounds(survey), np.arange(rows.start, rows.stop)
    return traces - bounds[np.searchsorted(bounds, traces, side="right") - 1] + 1


def _scaled(
    survey: xr.Dataset, part: xr.Dataset, names: tuple[str, ...], scalar: str, largest: int
) -> dict[str, np.ndarray | int]:
    """Header numbers of some lengths under the finest of the scalars 100, 10, 1 that holds the whole survey."""
    present = [name for name in names if name in part]
    extent = max((float(np.abs(survey[name].values).max(initial=0)) for name in present), default=0.0)
    factor = next((factor for factor in (100, 10, 1) if extent * factor <= largest), None)
    if factor is None:
        raise OptionError(f"{present[0]} to {present[-1]}: {extent:g} m fits no SEG-Y header word")
    values: dict[str, np.ndarray | int] = {name: part[name].values * factor for name in present}
    return values | {scalar: -factor if factor > 1 else 1}


def _times(survey: xr.Dataset, part: xr.Dataset) -> dict[str, np.ndarray | int]:
    values = {name: part[name].values for name in _TIMES if name in part}
    if "delay" not in part and vertical_dim(survey) == "time" and survey.sizes["time"]:
        values["delay"] = np.full(part.sizes["trace"], survey["time"].values[0])
    everything = [survey[name].values if name in survey else value for name, value in values.items()]
    tenths = any(np.any(value != np.rint(value)) for value in everything)
    fits = all(np.abs(value).max(initial=0) * 10 <= _LARGEST_SHORT for value in everything)
    factor = 10 if tenths and fits else 1
    return {name: value * factor for name, value in values.items()} | {"time_scalar": -10 if factor == 10 else 1}
