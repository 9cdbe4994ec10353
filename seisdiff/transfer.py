"""Surveys copied as they are between files and stores: ingest and export."""

from __future__ import annotations

from dataclasses import dataclass

from seisdiff.errors import OptionError
from seisdiff.gathers import Gathers, Traces, cut_traces
from seisdiff.new_geometry import plan_geometry
from seisdiff.outputs import open_sink
from seisdiff.passes import Notify, Pass, RunOptions, Summary, begin_run, local_rows, run_pass
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

        def copy(unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
            return [cut_traces(gathers, local_rows(unit, geometry.bounds))], {}

        return Pass(survey, geometry, (sink,), copy, self)
