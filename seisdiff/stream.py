"""Seismic Unix streams restored on their way: the samples of the file command, within the same memory."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from typing import BinaryIO, NamedTuple

import numpy as np
import xarray as xr

from seisdiff.config import RestoreRecipe
from seisdiff.engine import maker, usable
from seisdiff.errors import FileFormatError, OptionError, SurveyError
from seisdiff.gathers import Traces, read_gathers
from seisdiff.new_geometry import plan_geometry
from seisdiff.passes import Notify, RunOptions, Summary
from seisdiff.restoration import Restoration, largest_offset, prepare
from seisdiff.restorers import AT_REFERENCE_OFFSET
from seisdiff.segy import detect_layout, encode, resolve_field
from seisdiff.segy.grouping import WHOLE
from seisdiff.segy.layout import SegyLayout
from seisdiff.segy.read import survey_of_traces
from seisdiff.segy.stream import SuStream, refuse_segy, stream_gathers, stream_keys
from seisdiff.segy.traces import TraceSource
from seisdiff.sources import ReadOptions
from seisdiff.units import Unit, most_rows, unit_bytes

#: Traces that are looked at, if memory allows, for the key that forms gathers; a unit, where that is more.
_LOOKED_AT = 1000


@dataclass(frozen=True)
class _Facts:
    """What a restoration must know of all gathers before the first: of a whole file, else of what comes first."""

    ref_offset_m: float
    has_offsets: bool
    whole: bool


class _File(NamedTuple):
    """An input that is a file: its survey, and how it is laid out."""

    survey: xr.Dataset
    layout: SegyLayout


@dataclass(frozen=True)
class _Place:
    """How many units, gathers and traces were read, and traces written, before a unit."""

    units: int = 0
    gathers: int = 0
    read: int = 0
    written: int = 0


def restore_stream(
    source: BinaryIO,
    target: BinaryIO,
    recipe: RestoreRecipe,
    reading: ReadOptions = ReadOptions(),
    run: RunOptions = RunOptions(),
) -> Summary:
    """Restore a stream of SU traces into another: gathers in the order in which they come, headers as they are.

    Units of work are those of the file command, so that samples are the same to the last bit; every gather is flushed.
    Without a reference offset in the recipe it is the largest of the input where that is a regular file, else the
    largest of the first unit, and a later gather that goes beyond is refused. Raises a SeisdiffError for bad input and
    for gathers that are not together; the units before are written by then.
    """
    if any(field.kind == "distance" for field in reading.keys.values()):
        raise OptionError("offset=coordinates needs to see the whole file, not a stream; name the file instead of -")
    began, file = time.monotonic(), _whole_file(source, reading)
    keys, layout, units = _units(source, file, reading, run)
    facts = None if file is None else _facts(usable(file.survey, run.notify), whole=True)
    restoration, place, figures = None, _Place(), []
    for records in units:
        survey = _survey(layout, records, keys, reading, place)
        if restoration is None:
            facts = facts or _facts(usable(survey, run.notify), whole=False)
            restoration = _prepared(recipe, survey if file is None else file.survey, facts, run.notify)
        assert facts is not None
        place, done = _restore(_checked(survey, facts, recipe), restoration, place, target, run.notify)
        figures.append(done)
        run.progress(place.gathers, 0)
    return _summary(place, figures, time.monotonic() - began)


def _whole_file(source: BinaryIO, reading: ReadOptions) -> _File | None:
    """Return an input that is a regular file from its beginning, of which headers alone are read."""
    try:
        if not (stat.S_ISREG(os.fstat(source.fileno()).st_mode) and source.tell() == 0):
            return None
    except OSError:
        return None
    beginning, path = os.pread(source.fileno(), 240, 0), f"/dev/fd/{source.fileno()}"
    refuse_segy(beginning)
    if not beginning:
        return None
    try:
        layout = detect_layout(path, reading.dt_ms, su=True)
    except FileFormatError as error:
        raise FileFormatError(str(error).replace(path, "standard input")) from None
    traces = TraceSource(layout)
    survey = survey_of_traces(traces, reading.gather, (), reading.keys, reading.units, reading.axis)
    if not np.array_equal(survey["source_trace"].values, np.arange(survey.sizes["trace"])):
        keys = ", ".join(survey.attrs["gather_keys"])
        raise SurveyError(f"standard input: the traces of a gather ({keys}) are apart; sort them first (susort)")
    return _File(survey, layout)


def _units(
    source: BinaryIO, file: _File | None, reading: ReadOptions, run: RunOptions
) -> tuple[tuple[str, ...], SegyLayout, Iterator[list[bytes]]]:
    """Return the gather keys, the layout, and the traces of each unit: as many whole gathers as memory allows."""
    stream = SuStream(source, reading.dt_ms, None if file is None else file.layout)
    layout, traces = stream.layout, stream.traces()
    rows = max(1, unit_bytes(run.memory_gib) // layout.trace_bytes)
    most = most_rows(layout.trace_bytes, run.memory_gib)
    head: list[bytes] = []
    if file is not None:
        keys = tuple(file.survey.attrs["gather_keys"])
    elif reading.gather:
        keys = reading.gather
    else:
        head = list(islice(traces, max(rows, min(most, _LOOKED_AT))))
        keys = stream_keys(head, layout.byte_order)
    fields = [reading.keys.get(field.name, field) for field in map(resolve_field, keys if keys != (WHOLE,) else ())]
    gathers = stream_gathers(chain(head, traces), fields, layout.byte_order, most)
    return keys, layout, _packed(gathers, rows)


def _packed(gathers: Iterable[list[bytes]], rows: int) -> Iterator[list[bytes]]:
    """Yield the traces of as many whole gathers as have `rows` traces at most, but of one at least."""
    unit: list[bytes] = []
    for gather in gathers:
        if unit and len(unit) + len(gather) > rows:
            yield unit
            unit = []
        unit = unit + gather
    if unit:
        yield unit


def _survey(
    layout: SegyLayout, records: Sequence[bytes], keys: Sequence[str], reading: ReadOptions, place: _Place
) -> xr.Dataset:
    """Return the survey of some traces; gathers and traces are numbered through the stream."""
    traces = np.frombuffer(b"".join(records), np.uint8).reshape(len(records), layout.trace_bytes)
    source = TraceSource(replace(layout, n_traces=len(records)), traces=traces)
    survey = survey_of_traces(source, keys, reading.sort, reading.keys, reading.units, reading.axis)
    if len(keys) > 1:
        survey = survey.assign_coords(gather=survey["gather"] + place.gathers)
    return survey.assign(source_trace=survey["source_trace"] + place.read)


def _facts(survey: xr.Dataset, whole: bool) -> _Facts:
    return _Facts(largest_offset(survey), "offset" in survey, whole)


def _prepared(recipe: RestoreRecipe, survey: xr.Dataset, facts: _Facts, notify: Notify) -> Restoration:
    survey = survey if facts.has_offsets else survey.drop_vars("offset", errors="ignore")
    if recipe.ref_offset_m is None and not facts.whole and recipe.method in AT_REFERENCE_OFFSET:
        notify(
            f"the reference offset is {facts.ref_offset_m:g} m, the largest of the gathers that came first: give the "
            "largest of the whole stream with --ref-offset M (surange key=offset tells)"
        )
    recipe = recipe.model_copy(update={"ref_offset_m": recipe.ref_offset_m or facts.ref_offset_m})
    return prepare(recipe, survey, "ieee32", notify)


def _checked(survey: xr.Dataset, facts: _Facts, recipe: RestoreRecipe) -> xr.Dataset:
    """Return the survey of a unit if what was taken for the whole stream holds for it."""
    if not facts.has_offsets:
        if survey["offset"].values.any():
            raise SurveyError("standard input: the first gathers have no offsets and later ones do; check the headers")
        survey = survey.drop_vars("offset")
    if recipe.ref_offset_m is None and recipe.method in AT_REFERENCE_OFFSET:
        largest = largest_offset(survey)
        if largest > facts.ref_offset_m:
            raise OptionError(
                f"standard input: an offset of {largest:g} m comes after the reference offset {facts.ref_offset_m:g} m "
                "was taken from the gathers that came first; add --ref-offset M, the largest of the whole stream"
            )
    return survey


def _restore(
    survey: xr.Dataset, restoration: Restoration, place: _Place, target: BinaryIO, notify: Notify
) -> tuple[_Place, dict]:
    """Restore and write one unit; return where the next one begins, and figures."""
    recipe, count = restoration.recipe, survey.sizes["gather"]
    geometry = plan_geometry(survey, recipe.refine, recipe.to_offsets, with_columns=False)
    geometry = replace(geometry, bounds=geometry.bounds + place.written)
    unit = Unit(place.units, slice(place.written, int(geometry.bounds[-1])), slice(0, count))
    make = maker(restoration, geometry, survey, notify)
    outputs, figures = make(unit, read_gathers(survey, slice(0, count)))
    order = np.argsort(geometry.template["source_trace"].values, kind="stable")
    _write(target, outputs[0], order, geometry.bounds - place.written, survey.attrs["byte_order"])
    figures |= {"dead": int((~outputs[0].live).sum())}
    return _Place(place.units + 1, place.gathers + count, place.read + survey.sizes["trace"], unit.rows.stop), figures


def _write(target: BinaryIO, traces: Traces, order: np.ndarray, bounds: np.ndarray, byte_order: str) -> None:
    """Write traces in an order, gather by gather."""
    assert traces.trace_header is not None
    records = np.empty((len(order), traces.trace_header.shape[1] + 4 * traces.amplitude.shape[1]), np.uint8)
    records[:, : traces.trace_header.shape[1]] = traces.trace_header[order]
    encode(traces.amplitude[order], "ieee32", byte_order, out=records[:, traces.trace_header.shape[1] :])
    for low, high in pairwise(bounds):
        target.write(records[low:high].data)
        target.flush()


def _summary(place: _Place, figures: Sequence[dict], seconds: float) -> Summary:
    starts = [start for each in figures for start in each.get("starts", [])]
    return Summary(
        gathers=place.gathers,
        traces=place.written,
        units=place.units,
        dead_traces=sum(each["dead"] for each in figures),
        filled_traces=sum(len(each["filled"]) for each in figures),
        clipped_samples=sum(each["clipped"] for each in figures),
        nonfinite_samples=sum(each["nonfinite"] for each in figures),
        start_ms=(min(starts), float(np.median(starts)), max(starts)) if starts else None,
        seconds=seconds,
    )
