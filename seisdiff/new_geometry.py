"""The traces that come out of a restoration: those that went in, or the denser or regular ones that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError, SurveyError
from seisdiff.gathers import Gathers
from seisdiff.mute import data_start, data_stop
from seisdiff.segy import TracePlan, match_offsets, plan_headers, refine_offsets, renumber, resolve_field
from seisdiff.segy.columns import header_columns
from seisdiff.segy.traces import FOOT
from seisdiff.survey import gather_bounds

#: A recorded trace stands for a wanted offset that is no further away than this part of the step.
_TOLERANCE = 0.01
#: Recorded offsets are whole numbers of their unit, m or ft.
_ROUNDED = 0.51
_MOST_OFFSETS = 100_000
#: Gathers whose headers are made at once while the variables of the output are worked out.
_AT_ONCE = 1000

Plan = Callable[[np.ndarray], TracePlan]


@dataclass(frozen=True)
class Geometry:
    """The traces of an output: gather g has the rows bounds[g] to bounds[g + 1]; `template` is a survey of that shape.

    `plan` says what each trace of a gather is made of, from the gather's offsets; None where nothing new is made.
    """

    bounds: np.ndarray
    template: xr.Dataset
    plan: Plan | None = None

    def expand(self, gathers: Gathers, first_gather: int) -> tuple[Gathers, np.ndarray | None]:
        """Put the new traces, dead as yet, into some gathers; `first_gather` is the number of the first.

        Returns the gathers to restore and which of their traces come out, in order (None: all). Recorded traces that
        do not come out stay at the end of their gather, since new ones are made of them.
        """
        if self.plan is None:
            return gathers, None
        parts = []
        for number, (low, high) in enumerate(zip(gathers.bounds[:-1], gathers.bounds[1:], strict=True)):
            one = slice(int(low), int(high))
            parts.append(
                _expand_one(gathers, one, self.plan, int(self.bounds[first_gather + number]) + 1, self.template)
            )
        return _join(gathers, parts)


def plan_geometry(
    survey: xr.Dataset, refine: int = 1, to_offsets: str | None = None, *, with_columns: bool = True
) -> Geometry:
    """Return the geometry of an output: the survey's own, refined, or regularised to "A:B:STEP" (m).

    Without `with_columns` the template of a new geometry has sizes and headers' places but no header variables, which
    is all that a SEG-Y output needs. Raises OptionError for offsets that make no sense, SurveyError where none are
    recorded.
    """
    if refine == 1 and to_offsets is None:
        return Geometry(gather_bounds(survey), survey)
    if "offset" not in survey:
        raise SurveyError("new traces need offsets and the survey has none; name the word with --key offset=BYTE")
    plan = _planner(refine, to_offsets)
    offset, bounds = survey["offset"].values, gather_bounds(survey)
    folds = [len(plan(offset[low:high])) for low, high in pairwise(bounds)]
    fold = np.array(folds, dtype=np.int64)
    out = np.concatenate([[0], np.cumsum(fold)])
    geometry = Geometry(out, _template(survey, fold), plan)
    return replace(geometry, template=_with_columns(survey, geometry)) if with_columns else geometry


def wanted_offsets(text: str) -> tuple[np.ndarray, float]:
    """Return the offsets (m) of "A:B:STEP", both ends included where they lie on the step, and the step."""
    try:
        first, last, step = (float(word) for word in text.split(":"))
        if not np.isfinite([first, last, step]).all():
            raise ValueError
        count = int(np.floor((last - first) / step + 1e-9)) + 1
    except (ValueError, ZeroDivisionError, OverflowError):
        raise OptionError(f"--to-offsets {text!r}: expected A:B:STEP in m, such as 100:3000:25") from None
    if step <= 0 or not 1 <= count <= _MOST_OFFSETS:
        raise OptionError(f"--to-offsets {text!r}: expected A <= B and STEP > 0, at most {_MOST_OFFSETS} offsets")
    return first + step * np.arange(count), step


def _planner(refine: int, to_offsets: str | None) -> Plan:
    if to_offsets is None:
        return lambda offset: refine_offsets(offset, refine)
    targets, step = wanted_offsets(to_offsets)
    return lambda offset: match_offsets(offset, targets, _TOLERANCE * step)


def _template(survey: xr.Dataset, fold: np.ndarray) -> xr.Dataset:
    """A survey of the output's shape; its samples and headers are placeholders that take no memory."""
    total = int(fold.sum())
    kept = survey.drop_vars([str(name) for name, variable in survey.variables.items() if "trace" in variable.dims])
    columns = {}
    for name in ("amplitude", "raw_exception", "trace_header"):
        if name in survey:
            shape = (total, *survey[name].shape[1:])
            columns[name] = (survey[name].dims, np.broadcast_to(np.zeros((), survey[name].dtype), shape))
    columns["source_trace"] = ("trace", np.arange(total, dtype=np.int64))
    return kept.assign({**columns, "fold": ("gather", fold)})


def _with_columns(survey: xr.Dataset, geometry: Geometry) -> xr.Dataset:
    names = [str(n) for n in survey.data_vars if survey[n].dims == ("trace",) and n not in ("source_trace", "live")]
    bounds = gather_bounds(survey)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for low in range(0, len(bounds) - 1, _AT_ONCE):
        chosen = slice(low, min(low + _AT_ONCE, len(bounds) - 1))
        for name, values in _made_columns(survey, names, bounds[chosen.start : chosen.stop + 1], geometry, low).items():
            parts[name].append(values)
    columns = {name: ("trace", np.concatenate(values), survey[name].attrs) for name, values in parts.items() if values}
    return geometry.template.assign(columns)


def _made_columns(
    survey: xr.Dataset, names: list[str], bounds: np.ndarray, geometry: Geometry, first: int
) -> dict[str, np.ndarray]:
    """The header variables of some output gathers: read from their new headers, or of the nearest trace without any."""
    assert geometry.plan is not None
    part = survey[[*names, *(["trace_header"] if "trace_header" in survey else [])]]
    part = part.isel(trace=slice(int(bounds[0]), int(bounds[-1]))).load()
    spans = [slice(int(low - bounds[0]), int(high - bounds[0])) for low, high in pairwise(bounds)]
    plans = [geometry.plan(part["offset"].values[span]) for span in spans]
    nearest = np.concatenate([plan.nearest + span.start for plan, span in zip(plans, spans, strict=True)])
    made = {name: part[name].values[nearest] for name in names}
    made["offset"] = np.concatenate([plan.offset for plan in plans])
    if "trace_header" in part:
        check_offsets(part["trace_header"].values, part["offset"].values, survey.attrs)
        starts = geometry.bounds[first : first + len(plans)] + 1
        headers = [
            _headers(part["trace_header"].values[span], plan, int(start), survey)
            for plan, span, start in zip(plans, spans, starts, strict=True)
        ]
        recorded = survey.attrs.get("header_fields", {"offset": ""})
        read = [name for name in names if name != "offset" or name in recorded]
        made |= header_columns(np.concatenate(headers), survey.attrs, read)
    return made


def check_offsets(header: np.ndarray, offset: np.ndarray, attrs: Mapping[str, Any]) -> None:
    """Raise SurveyError where offsets (trace) are not those of the recorded headers, uint8 (trace, byte)."""
    if "offset" not in attrs.get("header_fields", {}):
        return  # worked out from coordinates
    recorded = header_columns(header, attrs, ["offset"])["offset"]
    changed = np.flatnonzero(np.abs(recorded - offset) > _ROUNDED)
    if len(changed):
        raise SurveyError(
            f"the offset of a trace is {offset[changed[0]]:g} m and {recorded[changed[0]]:g} m in its recorded header, "
            "which is written; drop trace_header and file_header from the survey to have new headers made"
        )


def _headers(header: np.ndarray, plan: TracePlan, first: int, survey: xr.Dataset) -> np.ndarray:
    attrs = survey.attrs
    fields = {name: resolve_field(f"{name}={place}") for name, place in attrs.get("header_fields", {}).items()}
    made = plan_headers(
        header,
        plan,
        attrs["byte_order"],
        fields=fields,
        container=attrs["container"] or "segy",
        offset_words=np.rint(plan.offset / (FOOT if attrs["length_unit"] == "ft" else 1.0)),
    )
    return renumber(made, attrs["byte_order"], first)


@dataclass(frozen=True)
class _Expanded:
    """One gather with its new traces: recorded rows (-1: new) and what a trace has besides samples."""

    recorded: np.ndarray
    header: np.ndarray | None
    offset: np.ndarray
    delay: np.ndarray
    live: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    comes_out: np.ndarray


def _expand_one(gathers: Gathers, one: slice, plan_of: Plan, first_number: int, template: xr.Dataset) -> _Expanded:
    plan = plan_of(gathers.offset[one])
    spare = np.setdiff1d(np.flatnonzero(gathers.live[one]), plan.recorded)
    recorded = np.append(plan.recorded, spare)
    nearest = np.append(plan.nearest, spare) + one.start
    offset = np.append(plan.offset, gathers.offset[one][spare])
    live = (recorded >= 0) & gathers.live[nearest]
    header = None
    if gathers.trace_header is not None:
        check_offsets(gathers.trace_header[one], gathers.offset[one], template.attrs)
        made = _headers(gathers.trace_header[one], plan, first_number, template)
        header = np.concatenate([made, gathers.trace_header[one][spare]])
    return _Expanded(
        recorded=np.where(recorded >= 0, recorded + one.start, -1),
        header=header,
        offset=offset,
        delay=gathers.delay[nearest],
        live=live,
        first=data_start(gathers.first[nearest], gathers.amplitude.shape[1], offset, live),
        stop=data_stop(gathers.stop[nearest], gathers.amplitude.shape[1], offset, live),
        comes_out=np.arange(len(recorded)) < len(plan),
    )


def _join(gathers: Gathers, parts: list[_Expanded]) -> tuple[Gathers, np.ndarray]:
    recorded = np.concatenate([part.recorded for part in parts])
    known = recorded >= 0
    amplitude = np.where(known[:, None], gathers.amplitude[recorded], 0).astype(gathers.amplitude.dtype)
    words = gathers.raw_exception
    joined = replace(
        gathers,
        amplitude=amplitude,
        raw_exception=None if words is None else np.where(known[:, None], words[recorded], 0).astype(words.dtype),
        trace_header=None
        if gathers.trace_header is None
        else np.concatenate([part.header for part in parts if part.header is not None]),
        offset=np.concatenate([part.offset for part in parts]),
        delay=np.concatenate([part.delay for part in parts]),
        live=np.concatenate([part.live for part in parts]),
        first=np.concatenate([part.first for part in parts]),
        stop=np.concatenate([part.stop for part in parts]),
        bounds=np.concatenate([[0], np.cumsum([len(part.recorded) for part in parts])]),
    )
    return joined, np.flatnonzero(np.concatenate([part.comes_out for part in parts]))
