"""A pass over a survey that dask holds: nothing is computed before samples are asked for, then unit by unit."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.gathers import GATHER_VARIABLES, Traces, read_gathers
from seisdiff.passes import Make, Pass, plan_units
from seisdiff.survey import gather_bounds
from seisdiff.units import Unit

#: One unit at a time is restored in a process, by all of its threads, so that memory holds one.
_AT_WORK = threading.Lock()


def is_chunked(survey: xr.Dataset) -> bool:
    """Tell whether dask holds the samples of a survey."""
    return "amplitude" in survey and survey["amplitude"].chunks is not None


def lazy_pass(work: Pass, memory_gib: float, history: str | None, outputs: int = 1) -> xr.Dataset:
    """Return what a pass makes as a survey whose samples, headers and live traces dask computes, unit by unit.

    Units are those that the same pass has in memory, so that its bits are the same. A second output is `spread`.
    """
    from dask.delayed import delayed

    template, units = work.geometry.template, plan_units(work, memory_gib)
    bounds, read = gather_bounds(work.survey), _readable(work.survey)
    make = delayed(work.make, pure=False, traverse=False)
    made = []
    for unit in units:
        traces = slice(int(bounds[unit.gathers.start]), int(bounds[unit.gathers.stop]))
        codes = template["trace_id_code"][unit.rows].values if "trace_id_code" in template else None
        made.append(delayed(_made)(make, unit, read.isel(trace=traces, gather=unit.gathers), codes))
    names = [name for name in ("amplitude", "raw_exception", "trace_header", "trace_id_code") if name in template]
    columns: dict[str, Any] = {
        name: (template[name].dims, _joined(made, units, name, template[name]), template[name].attrs) for name in names
    }
    columns["live"] = ("trace", _joined(made, units, "live", np.empty(template.sizes["trace"], bool)))
    if outputs > 1:
        columns["spread"] = (
            template["amplitude"].dims, _joined(made, units, "spread", template["amplitude"]),
            template["amplitude"].attrs,
        )  # fmt: skip
    result = template.assign(columns)
    result.attrs["history"] = [*template.attrs.get("history", []), *([history] if history else [])]
    return result


def _readable(survey: xr.Dataset) -> xr.Dataset:
    """Return what reading gathers looks at, values of one a trace in memory."""
    chosen = survey[[name for name in GATHER_VARIABLES if name in survey]]
    small = [name for name, variable in chosen.data_vars.items() if variable.dims == ("trace",)]
    return chosen.assign(chosen[small].compute()).assign(fold=survey["fold"]).assign_coords(gather=survey["gather"])


def _made(make: Make, unit: Unit, block: xr.Dataset, codes: np.ndarray | None) -> dict[str, np.ndarray | None]:
    """Run one unit and return its columns by name."""
    with _AT_WORK:
        outputs, figures = make(unit, read_gathers(block, slice(0, block.sizes["gather"])))
    kept, columns = outputs[0], {}
    if codes is not None:
        columns["trace_id_code"] = codes.copy()
        columns["trace_id_code"][np.asarray(figures["filled"], np.int64) - unit.rows.start] = 1
    if len(outputs) > 1:
        columns["spread"] = outputs[1].amplitude
    return {**_columns(kept), **columns}


def _columns(traces: Traces) -> dict[str, np.ndarray | None]:
    return {name: getattr(traces, name) for name in ("amplitude", "raw_exception", "trace_header", "live")}


def _joined(made: list[Any], units: list[Unit], name: str, like: Any) -> Any:
    """Return a dask array of one column of all units, of the type and width of `like`."""
    import dask.array as da
    from dask.delayed import delayed

    def part(one: Any, unit: Unit) -> Any:
        shape = (unit.rows.stop - unit.rows.start, *like.shape[1:])
        return da.from_delayed(delayed(_column)(one, name, shape, like.dtype), shape, like.dtype)

    parts = [part(one, unit) for one, unit in zip(made, units, strict=True)]
    return da.concatenate(parts) if parts else da.zeros(like.shape, like.dtype)


def _column(columns: dict[str, np.ndarray | None], name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    values = columns[name]
    return np.zeros(shape, dtype) if values is None else np.asarray(values, dtype)
