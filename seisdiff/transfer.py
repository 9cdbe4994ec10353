"""Surveys copied as they are between files and stores: ingest and export."""

from __future__ import annotations

from seisdiff.errors import OptionError
from seisdiff.gathers import Gathers, Traces, cut_traces
from seisdiff.new_geometry import plan_geometry
from seisdiff.outputs import open_sink
from seisdiff.passes import Pass, RunOptions, Summary, begin_run, local_rows, run_pass
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


def _convert(source: str, target: str, reading: ReadOptions, run: RunOptions, sample_format: str | None) -> Summary:
    with begin_run(source, [target], reading, {"task": "convert", "format": sample_format}, run) as ledger:
        if ledger.complete:
            return Summary(already_done=True)
        survey = open_survey(source, reading)
        check_survey(survey)
        run.notify(describe_gathers(survey))
        geometry = plan_geometry(survey)
        sink = open_sink(ledger.partial(target), target, survey, sample_format=sample_format, resume=ledger.resumed)

        def copy(unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
            return [cut_traces(gathers, local_rows(unit, geometry.bounds))], {}

        return run_pass(Pass(survey, geometry, (sink,), copy), run, ledger)
