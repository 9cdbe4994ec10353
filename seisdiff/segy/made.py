"""Headers for a survey that never was a SEG-Y file: trace headers and a file header from its variables."""

from __future__ import annotations

import struct
from dataclasses import dataclass

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
_MUTES = ("mute_start", "mute_end")
#: What header numbers are over lengths and over times, the most wanted ones first; SU has no scalar for times.
_LENGTH_FACTORS, _TIME_FACTORS = (100, 10, 1), (1.0, 10.0, 100.0, 1000.0, 1e4, 0.1, 0.01, 1e-3, 1e-4)
#: A start time may be off by this part of the sample interval, which is that much of a shift.
_LEAST_SHIFT = 1e-3
_SORTING = {"cdp": 2, "field_record": 5}


@dataclass(frozen=True)
class Scales:
    """What the numbers in new headers are over the survey's m and ms, the same for all of its traces."""

    coordinate: float
    elevation: float
    time: float


def header_scales(survey: xr.Dataset, container: str = "segy") -> Scales:
    """Return the finest scales of lengths that hold the whole survey, and that of times which shifts the samples least.

    Raises OptionError where a length, a mute or the time of the first sample fits no header word; a depth that is not
    zero there fits none.
    """
    coordinate, elevation = _length_factor(survey, _COORDINATES), _length_factor(survey, _ELEVATIONS)
    return Scales(coordinate, elevation, _time_factor(survey, container))


def new_headers(survey: xr.Dataset, rows: slice, scales: Scales | None = None) -> np.ndarray:
    """Return trace headers, uint8 (trace, 240), of the survey rows, made from its variables, in its byte order.

    Lengths are m (offset rounded to whole metres), coordinates and elevations scaled by 100 or 10 where they fit,
    traces numbered in the order of the survey, dead traces get identification code 2. Who asks for rows again and again
    gives `scales`, which are looked for in the whole survey. Raises OptionError where a number fits no header word.
    """
    rows = slice(*rows.indices(survey.sizes["trace"]))
    part = survey.isel(trace=rows)
    headers = np.zeros((part.sizes["trace"], TRACE_HEADER_BYTES), np.uint8)
    for name, values in _header_numbers(survey, part, rows, scales or header_scales(survey)).items():
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


def _header_numbers(survey: xr.Dataset, part: xr.Dataset, rows: slice, scales: Scales) -> dict[str, np.ndarray | int]:
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
    numbers |= {name: part[name].values * scales.coordinate for name in _COORDINATES if name in part}
    numbers |= {name: part[name].values * scales.elevation for name in _ELEVATIONS if name in part}
    numbers |= {name: part[name].values * scales.time for name in _MUTES if name in part}
    if vertical_dim(survey) == "time":
        numbers["delay"] = np.broadcast_to(_starts(part) * scales.time, part.sizes["trace"])
    return numbers | {f"{kind}_scalar": _scalar(factor) for kind, factor in vars(scales).items()}


def _place_in_gather(survey: xr.Dataset, rows: slice) -> np.ndarray:
    bounds, traces = gather_bounds(survey), np.arange(rows.start, rows.stop)
    return traces - bounds[np.searchsorted(bounds, traces, side="right") - 1] + 1


def _scalar(factor: float) -> int:
    """Return the word for a factor: negative divides what stands in the header, positive multiplies it."""
    return 1 if factor == 1 else -round(factor) if factor > 1 else round(1 / factor)


def _length_factor(survey: xr.Dataset, names: tuple[str, ...]) -> float:
    present = [name for name in names if name in survey]
    extent = max((float(np.abs(survey[name].values).max(initial=0)) for name in present), default=0.0)
    factor = next((factor for factor in _LENGTH_FACTORS if extent * factor <= _LARGEST_INT), None)
    if factor is None:
        raise OptionError(f"{present[0]} to {present[-1]}: {extent:g} m fits no SEG-Y header word")
    return factor


def _time_factor(survey: xr.Dataset, container: str) -> float:
    """Return the factor under which start times are exact, or as good as, and mutes then as near as may be."""
    starts, least = _starts(survey), _LEAST_SHIFT * (sample_interval(survey) or 1.0)
    mutes = np.concatenate([np.zeros(1), *(survey[name].values for name in _MUTES if name in survey)])
    if vertical_dim(survey) == "depth":
        if np.abs(starts).max(initial=0) > least:
            raise OptionError(f"depths begin at {starts[0]:.9g} m, and no header word tells that; write a .zarr store")
        starts = np.zeros(1)
    word = "an SU header word" if container == "su" else "a SEG-Y header word, however scaled"
    factors = _TIME_FACTORS[:1] if container == "su" else _TIME_FACTORS
    held = [factor for factor in factors if _misfit(starts, factor) <= least]
    if not held:
        odd = starts[np.argmax(np.abs(np.rint(starts) - starts) + (np.abs(starts) > _LARGEST_SHORT))]
        raise OptionError(f"traces that begin at {odd:.9g} ms do not fit {word}; write a .zarr store")
    fitting = [factor for factor in held if _misfit(mutes, factor) < np.inf]
    if not fitting:
        raise OptionError(
            f"mutes of up to {np.abs(mutes).max():g} ms do not fit {word}, beside start times that need finer steps; "
            f"leave {' and '.join(_MUTES)} out"
        )
    return min(fitting, key=lambda factor: (_misfit(starts, factor), _misfit(mutes, factor)))


def _starts(survey: xr.Dataset) -> np.ndarray:
    """Return where traces begin, (trace) or one for all of them."""
    axis = survey[vertical_dim(survey)].values
    return survey["delay"].values if "delay" in survey else axis[:1] if len(axis) else np.zeros(1)


def _misfit(values: np.ndarray, factor: float) -> float:
    """Return by how much numbers are off as whole multiples of 1 / factor; infinite where one fits no word."""
    wanted = np.asarray(values, np.float64) * factor
    if np.abs(wanted).max(initial=0) > _LARGEST_SHORT:
        return np.inf
    return round(float(np.abs(np.rint(wanted) - wanted).max(initial=0)) / factor, 7)
