"""Surveys copied as they are between files and stores: ingest and export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.gathers import Gathers, Traces, cut_traces
from seisdiff.grids import as_survey
from seisdiff.ledger import Ledger
from seisdiff.new_geometry import Geometry, check_offsets, plan_geometry
from seisdiff.outputs import open_sink
from seisdiff.passes import Make, Notify, Pass, RunOptions, Summary, begin_run, local_rows, run_pass
from seisdiff.segy import describe_gathers
from seisdiff.sources import ReadOptions, container_of, open_survey
from seisdiff.survey import check_survey
from seisdiff.units import Unit


def ingest(source: str, target: str, reading: ReadOptions = ReadOptions(), run: RunOptions = RunOptions()) -> Summary:
    """Read a SEG-Y or SU file into a Zarr store, from which `export` gives back the same bytes."""
    if container_of(target) != "zarr":
        raise OptionError(f"{target}: ingest writes a store; expected a name that ends in .zarr")
    return _convert(source, target, reading, run, None)


def export(source: str, target: str, run: RunOptions = RunOptions(), *, sample_format: str | None = None) -> Summary:
    """Write a store to a SEG-Y or SU file: the recorded bytes wherever samples are as recorded."""
    if container_of(target) == "zarr":
        raise OptionError(f"{target}: export writes SEG-Y or SU; expected a name that ends in .sgy, .segy or .su")
    return _convert(source, target, ReadOptions(), run, sample_format)


def to_segy(
    survey: xr.Dataset,
    target: str | Path,
    *,
    sample_format: str | None = None,
    overwrite: bool = False,
    run: RunOptions = RunOptions(),
) -> Summary:
    """Write a survey, or a gridded dataset (see `from_grid`), to a .sgy or .su file.

    What it was read from comes back: recorded headers, and recorded words of samples that did not change; a survey
    that never was a file gets new headers. Samples are computed and written gather by gather, and the file gets its
    name when it is complete. `sample_format` is ibm32, ieee32, ... (default: as read). Raises OutputError where the
    file exists and not `overwrite`, SurveyError for a dataset that is no survey.
    """
    name = str(target)
    if container_of(name) == "zarr":
        raise OptionError(f"{name}: to_segy writes SEG-Y or SU; a dataset writes its own store: survey.to_zarr(...)")
    traces = as_survey(survey)
    check_survey(traces)
    traces = traces if run.history else traces.assign_attrs(history=[])
    geometry = plan_geometry(traces)
    with Ledger.begin([name], {"task": "write"}, resume=False, overwrite=overwrite or run.overwrite) as ledger:
        try:
            sink = open_sink(ledger.partial(name), name, traces, sample_format=sample_format)
            return run_pass(Pass(traces, geometry, (sink,), _copier(geometry)), run, ledger)
        finally:
            ledger.discard()


def _copier(geometry: Geometry) -> Make:
    """Return what copies the traces of units as they are."""
    template = geometry.template

    def copy(unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
        if gathers.trace_header is not None and "offset" in template:
            check_offsets(gathers.trace_header, gathers.offset, template.attrs)
        return [cut_traces(gathers, local_rows(unit, geometry.bounds))], {}

    return copy


def _convert(source: str, target: str, reading: ReadOptions, run: RunOptions, sample_format: str | None) -> Summary:
    with begin_run(source, [target], reading, {"task": "convert", "format": sample_format}, run) as ledger:
        if ledger.complete:
            return Summary(already_done=True)
        order = _Order(source, target, ledger.partial(target), reading, sample_format)
        return run_pass(order.open(run.notify, ledger.resumed), run, ledger)


@dataclass(frozen=True)
class _Order:
    """A copy of a file or store; it is written to `place` until it is complete."""

    source: str
    target: str
    place: str
    reading: ReadOptions
    sample_format: str | None

    def open(self, notify: Notify, resume: bool) -> Pass:
        survey = open_survey(self.source, self.reading)
        check_survey(survey)
        notify(describe_gathers(survey))
        geometry = plan_geometry(survey)
        sink = open_sink(self.place, self.target, survey, sample_format=self.sample_format, resume=resume)
        return Pass(survey, geometry, (sink,), _copier(geometry), self)
