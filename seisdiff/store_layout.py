"""How a survey's arrays lie in a Zarr store: attributes, chunks and shards."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.errors import SurveyError

CHUNK_BYTES = 2**20
SHARD_BYTES = 2**25
MAX_SHARD_BYTES = 2**26
TABLE_CHUNK_BYTES = 2**22


def root_attributes(template: xr.Dataset, history: str | None) -> dict[str, Any]:
    """Return the attributes of a store's root: those of the survey, one more line of history, names of coordinates."""
    attrs = dict(template.attrs)
    if history is not None:
        attrs["history"] = [*attrs.get("history", []), history]
    further = sorted(str(name) for name in template.coords if name not in template.dims)
    return _plain(attrs | ({"coordinates": " ".join(further)} if further else {}))


def _plain(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(attrs), default=lambda value: value.tolist()))
    except (TypeError, ValueError, AttributeError) as error:
        raise SurveyError(f"attributes {list(attrs)} cannot be kept as JSON: {error}") from error


def array_specs(template: xr.Dataset) -> tuple[dict[str, dict[str, Any]], int]:
    """Return how each array is laid out, and the traces of a unit; `live` is left out."""
    inner, unit_rows = _shard_rows(template)
    specs = {str(name): table_spec(variable) for name, variable in template.variables.items() if name != "live"}
    samples = max(1, template["amplitude"].shape[1])
    for name in {"amplitude", "raw_exception"} & specs.keys():
        specs[name] |= {"chunks": (inner, samples), "shards": (unit_rows, samples)}
    if "trace_header" in specs:
        width = max(1, template.sizes["header_byte"])
        specs["trace_header"]["chunks"] = (_header_rows(inner, unit_rows, width), width)
    return specs, unit_rows


def table_spec(variable: xr.Variable) -> dict[str, Any]:
    """Return the keywords with which zarr creates the array of a variable, in plain chunks of 4 MiB at most."""
    if variable.dtype.kind not in "biuf" or not variable.ndim:
        raise SurveyError(
            f"a variable {variable.dims} of {variable.dtype} cannot be stored; expected arrays of numbers"
        )
    row_bytes = max(1, math.prod(variable.shape[1:]) * variable.dtype.itemsize)
    rows = max(1, min(variable.shape[0], TABLE_CHUNK_BYTES // row_bytes))
    return {
        "shape": variable.shape,
        "dtype": variable.dtype.newbyteorder("="),
        "chunks": (rows, *(max(1, size) for size in variable.shape[1:])),
        "shards": None,
        "fill_value": np.nan if variable.dtype.kind == "f" else variable.dtype.type(0),
        "attributes": _plain(variable.attrs),
        "dimension_names": [str(dim) for dim in variable.dims],
    }


def _shard_rows(template: xr.Dataset) -> tuple[int, int]:
    """Return the traces of an inner chunk and of a shard, which holds at least 1 MiB of headers where that fits."""
    amplitude = template["amplitude"]
    row_bytes = max(1, amplitude.shape[1] * amplitude.dtype.itemsize)
    traces = max(1, amplitude.shape[0])
    inner = min(traces, max(1, CHUNK_BYTES // row_bytes))
    for_headers = -(-CHUNK_BYTES // (inner * max(1, template.sizes.get("header_byte", CHUNK_BYTES))))
    count = min(max(SHARD_BYTES // (inner * row_bytes), for_headers), MAX_SHARD_BYTES // (inner * row_bytes))
    return inner, inner * max(1, min(count, -(-traces // inner)))


def _header_rows(inner: int, unit_rows: int, width: int) -> int:
    """Return the traces of a header chunk: the least whole part of a unit that holds 1 MiB, or the unit."""
    parts = [rows for rows in range(inner, unit_rows + 1, inner) if unit_rows % rows == 0]
    return next((rows for rows in parts if rows * width >= CHUNK_BYTES), unit_rows)
