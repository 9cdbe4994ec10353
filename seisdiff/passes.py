"""One pass over a survey: units read, made into traces, written and entered in a ledger, here or elsewhere."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError, SeisdiffError
from seisdiff.gathers import Gathers, Traces, read_gathers
from seisdiff.ledger import Ledger
from seisdiff.new_geometry import Geometry
from seisdiff.outputs import Sink
from seisdiff.sources import ReadOptions, fingerprint
from seisdiff.store import is_local, locate
from seisdiff.survey import SAMPLE_FORMATS, gather_bounds, vertical_dim
from seisdiff.units import Unit, check_unit_sizes, gather_units, row_units, run_units, unit_bytes

#: Called with gathers done and gathers in all.
Progress = Callable[[int, int], None]
Notify = Callable[[str], None]
#: Runs units of an order in other processes, and yields each with its figures once it is written.
Elsewhere = Callable[["Order", Sequence[Unit], Ledger], Iterator[tuple[Unit, dict]]]


def silent(*_: object) -> None:
    """Say nothing: the default for progress and notices."""


def warn(text: str) -> None:
    """Turn notices that begin with "warning: " into Python's warnings, and leave the others out."""
    if text.startswith("warning: "):
        warnings.warn(text.removeprefix("warning: "), stacklevel=2)


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its work, which never changes its answer.

    `elsewhere` runs the units of a file or store in other processes, as `seisdiff.cluster.on_cluster` gives it. `share`
    (k, n) leaves all but every n-th unit, from the k-th on (1 to n), to other processes that do the same; the last of
    them completes the outputs.
    """

    memory_gib: float = 1.0
    resume: bool = False
    overwrite: bool = False
    history: bool = True
    progress: Progress = silent
    notify: Notify = silent
    elsewhere: Elsewhere | None = None
    share: tuple[int, int] | None = None


#: How surveys in memory are restored unless something else is asked for.
WARNING = RunOptions(notify=warn)


@dataclass(frozen=True)
class Summary:
    """What a run did; `start_ms` is the smallest, median and largest start time where one was estimated.

    `already_done` says that the output was complete before the run began, so that nothing was done, `left` how many
    units other processes have still to do.
    """

    gathers: int = 0
    traces: int = 0
    units: int = 0
    resumed_units: int = 0
    dead_traces: int = 0
    filled_traces: int = 0
    clipped_samples: int = 0
    nonfinite_samples: int = 0
    start_ms: tuple[float, float, float] | None = None
    seconds: float = 0.0
    already_done: bool = False
    left: int = 0


@contextmanager
def begin_run(
    source: str, targets: Sequence[str], reading: ReadOptions, options: Mapping[str, Any], run: RunOptions
) -> Iterator[Ledger]:
    """Give the ledger of a run, with `options` all that decides its answer; refused outputs are refused at once.

    Bad input that comes to light before any unit is done leaves nothing behind, unless others share the run.
    """
    sharing = run.share is not None
    if sharing:
        _check_share(run, targets)
    facts = fingerprint(source, reading, {**options, "memory": run.memory_gib, "history": run.history})
    begun = Ledger.begin(
        targets, facts, resume=run.resume or sharing, overwrite=run.overwrite, inputs=[source], patient=sharing
    )  # fmt: skip
    with begun as ledger:
        try:
            yield ledger
        except Exception as error:
            done = ledger.units_done()
            if not done and not sharing:
                ledger.discard()
            if not done or not isinstance(error, SeisdiffError):
                raise
            raise type(error)(f"{error}; {done} units are done and kept: --resume goes on from there") from error


class Order(Protocol):
    """A pass told in plain facts that can be pickled: names and options, nothing that is open."""

    def open(self, notify: Notify, resume: bool) -> Pass:
        """Open the input and the unfinished outputs; with `resume` they are there already, and are joined."""
        ...


class Make(Protocol):
    """What is done with a unit: one set of traces for each output, and figures for the ledger."""

    def __call__(self, unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]: ...


@dataclass(frozen=True)
class Pass:
    """A survey, the geometry of what comes out, the outputs, and what is done in between.

    `order` is what other processes open it by, None where they cannot.
    """

    survey: xr.Dataset
    geometry: Geometry
    sinks: tuple[Sink, ...]
    make: Make
    order: Order | None = None


def run_pass(work: Pass, options: RunOptions, ledger: Ledger | None) -> Summary:
    """Run all units of a pass that the ledger does not hold, complete the outputs and publish them."""
    began = time.monotonic()
    units = plan_units(work, options.memory_gib)
    done: dict[int, dict] = dict(ledger.finished) if ledger else {}
    resumed = len(done)
    pending = [unit for unit in _shared_out(units, options.share) if unit.number not in done]
    gathers_done = sum(unit.gathers.stop - unit.gathers.start for unit in units if unit.number in done)
    options.progress(gathers_done, work.survey.sizes["gather"])
    if options.share and ledger:
        ledger.close()
    with _collector_at_rest():
        for unit, figures in _finished(work, pending, options, ledger):
            done[unit.number] = figures
            gathers_done += unit.gathers.stop - unit.gathers.start
            options.progress(min(gathers_done, work.survey.sizes["gather"]), work.survey.sizes["gather"])
    if options.share and ledger:
        ledger.take_stock()
        if ledger.complete:
            return Summary(already_done=True)
        done |= ledger.finished
        if len(done) < len(units):
            return _summary(work, done, resumed, time.monotonic() - began, len(units) - len(done))
    for sink in work.sinks:
        sink.finish(_rows(done, "dead"), _rows(done, "filled"))
    if ledger:
        ledger.publish()
    return _summary(work, done, resumed, time.monotonic() - began)


def _check_share(run: RunOptions, targets: Sequence[str]) -> None:
    """Raise OptionError for a share that is none, and where others could not join in."""
    if not (run.share and 1 <= run.share[0] <= run.share[1]):
        raise OptionError(f"a share is K of N, with K from 1 to N; got {run.share}")
    if run.overwrite:
        raise OptionError("each share would discard what the others did: leave out --overwrite, and remove OUT first")
    if far := [target for target in targets if not is_local(locate(target)[0])]:
        raise OptionError(f"{far[0]}: shares need an output in a folder, whose lock they hold; or use --scheduler")


def _shared_out(units: list[Unit], share: tuple[int, int] | None) -> list[Unit]:
    return units if share is None else units[share[0] - 1 :: share[1]]


def plan_units(work: Pass, memory_gib: float) -> list[Unit]:
    """Cut a pass into units: whole shards where an output is a store, else runs of whole gathers."""
    trace_bytes = trace_size(work.survey)
    shard_rows = [sink.unit_rows for sink in work.sinks if sink.unit_rows]
    bounds = work.geometry.bounds
    if shard_rows:
        units = row_units(bounds, int(np.lcm.reduce(shard_rows)))
    else:
        units = gather_units(bounds, max(1, unit_bytes(memory_gib) // max(trace_bytes, 1)))
    check_unit_sizes(units, bounds, trace_bytes, memory_gib)
    return units


def trace_size(survey: xr.Dataset) -> int:
    """Return the bytes of a trace as recorded, header included, by which units are cut; alike with and without headers.

    Units decide which gathers are restored in one batch, and so the last bits of networks.
    """
    n_samples = survey.sizes[vertical_dim(survey)]
    return n_samples * SAMPLE_FORMATS[survey.attrs["sample_format"]][1] + survey.sizes.get("header_byte", 240)


def local_rows(unit: Unit, bounds: np.ndarray) -> slice:
    """Return the rows that a unit writes, counted from the first trace of its gathers."""
    first = int(bounds[unit.gathers.start])
    return slice(unit.rows.start - first, unit.rows.stop - first)


def read_unit(work: Pass) -> Callable[[Unit], Gathers]:
    """Return what reads a unit of a pass."""
    bounds = gather_bounds(work.survey)
    return lambda unit: read_gathers(work.survey, unit.gathers, bounds)


def write_unit(work: Pass, unit: Unit, made: tuple[list[Traces], dict]) -> dict:
    """Write what was made of a unit and return its figures for the ledger."""
    outputs, figures = made
    clipped = [sink.write(unit.rows, traces) for sink, traces in zip(work.sinks, outputs, strict=True)]
    dead = (np.flatnonzero(~outputs[0].live) + unit.rows.start).tolist()
    return figures | {"dead": dead, "clipped": figures.get("clipped", 0) + sum(clipped)}


def _finished(
    work: Pass, pending: Sequence[Unit], options: RunOptions, ledger: Ledger | None
) -> Iterator[tuple[Unit, dict]]:
    """Run units and yield each with its figures once it is written and entered in the ledger."""
    if ledger is None or options.elsewhere is None or work.order is None:
        yield from run_units(pending, read_unit(work), work.make, _writer(work, ledger))
        return
    for unit, figures in options.elsewhere(work.order, pending, ledger):
        ledger.commit(unit.number, figures)
        yield unit, figures


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep what is in memory already, mostly imported libraries, out of the garbage collector's rounds."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _writer(work: Pass, ledger: Ledger | None) -> Callable[[Unit, tuple[list[Traces], dict]], dict]:
    def write(unit: Unit, made: tuple[list[Traces], dict]) -> dict:
        figures = write_unit(work, unit, made)
        if ledger:
            ledger.commit(unit.number, figures)
        return figures

    return write


def _rows(done: Mapping[int, dict], name: str) -> np.ndarray:
    return np.array(sorted(row for figures in done.values() for row in figures.get(name, [])), dtype=np.int64)


def _summary(work: Pass, done: Mapping[int, dict], resumed: int, seconds: float, left: int = 0) -> Summary:
    def total(name: str) -> int:
        return sum(int(figures.get(name, 0)) for figures in done.values())

    starts = [start for figures in done.values() for start in figures.get("starts", [])]
    return Summary(
        gathers=work.survey.sizes["gather"],
        traces=int(work.geometry.bounds[-1]),
        units=len(done),
        resumed_units=resumed,
        dead_traces=len(_rows(done, "dead")),
        filled_traces=len(_rows(done, "filled")),
        clipped_samples=total("clipped"),
        nonfinite_samples=total("nonfinite"),
        start_ms=(min(starts), float(np.median(starts)), max(starts)) if starts else None,
        seconds=seconds,
        left=left,
    )
