"""Whole files and stores: opened, ingested, exported and restored, with bounded memory, resumable, all or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import xarray as xr

from seisdiff.config import RestoreRecipe
from seisdiff.errors import OptionError, SeisdiffError
from seisdiff.gathers import Gathers, Traces, check_finite, cut_traces
from seisdiff.ledger import Ledger
from seisdiff.new_geometry import Geometry, plan_geometry
from seisdiff.outputs import container_of, open_sink
from seisdiff.passes import Notify, Pass, RunOptions, Summary, local_rows, run_pass
from seisdiff.restoration import Restoration, prepare, warn_if_uncorrected
from seisdiff.segy import Field, describe_gathers, open_segy
from seisdiff.store import open_store
from seisdiff.survey import check_survey, gather_bounds
from seisdiff.units import Unit

#: How much of a file's beginning and end goes into its fingerprint, with its size and time of change.
_FINGERPRINT_BYTES = 2**16


@dataclass(frozen=True)
class ReadOptions:
    """How a SEG-Y or SU file is to be understood, as `seisdiff.segy.open_segy` takes it; a store already is."""

    gather: tuple[str, ...] | None = None
    sort: tuple[str, ...] = ()
    keys: Mapping[str, Field] = field(default_factory=dict)
    units: str | None = None
    dt_ms: float | None = None
    axis: str = "time"


def open_survey(source: str | Path, reading: ReadOptions = ReadOptions()) -> xr.Dataset:
    """Open a SEG-Y or SU file or a Zarr store, told apart by name, as a lazy survey."""
    if container_of(str(source)) == "zarr":
        return open_store(str(source))
    return open_segy(
        source,
        gather=reading.gather,
        sort=reading.sort,
        keys=dict(reading.keys),
        units=reading.units,
        dt_ms=reading.dt_ms,
        axis=reading.axis,
    )


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


def restore_file(
    source: str,
    target: str,
    recipe: RestoreRecipe,
    *,
    removed: str | None = None,
    reading: ReadOptions = ReadOptions(),
    run: RunOptions = RunOptions(),
    sample_format: str | None = None,
) -> Summary:
    """Restore every gather of a file or store into another; see RestoreRecipe for what is done.

    `removed` names a second output: the input minus the written output. Raises a SeisdiffError for bad input; a run
    that was interrupted can be resumed.
    """
    survey = _usable(open_survey(source, reading), run.notify)
    run.notify(describe_gathers(survey))
    restoration = prepare(recipe, survey, _format_of(target, survey, sample_format), run.notify)
    told = recipe.model_dump(mode="json", exclude={"zero_nonfinite"}) | {"format": sample_format, "removed": removed}
    facts = _fingerprint(source, reading, told | _named_files(recipe), run)
    targets = [target, *([removed] if removed else [])]
    with _begin(targets, facts, run, source) as ledger:
        if ledger.complete:
            return Summary(already_done=True)
        geometry = plan_geometry(survey, recipe.refine, recipe.to_offsets, with_columns=_any_store(targets))
        history = history_line(recipe) if run.history else None
        sinks = [
            open_sink(
                ledger.partial(name),
                name,
                geometry.template,
                sample_format=sample_format,
                history=history,
                resume=ledger.resumed,
            )
            for name in targets
        ]
        make = _Restore(restoration, geometry, survey, gather_bounds(survey), run.notify, bool(removed))
        return run_pass(Pass(survey, geometry, tuple(sinks), make), run, ledger)


def restore(survey: xr.Dataset, recipe: RestoreRecipe, run: RunOptions = RunOptions()) -> xr.Dataset:
    """Restore a survey and return another, in memory; the one given is not changed."""
    survey = _usable(survey, run.notify)
    restoration = prepare(recipe, survey, survey.attrs["sample_format"], run.notify)
    geometry = plan_geometry(survey, recipe.refine, recipe.to_offsets)
    sink = MemorySink(geometry.template, history_line(recipe) if run.history else None)
    make = _Restore(restoration, geometry, survey, gather_bounds(survey), run.notify, False)
    run_pass(Pass(survey, geometry, (sink,), make), run, None)
    return sink.survey


def history_line(recipe: RestoreRecipe) -> str:
    """Return what is kept of a restoration in the output: tool, version, task, method and its main parameters."""
    words = [f"seisdiff {version('seisdiff')} {recipe.task}", recipe.method]
    if recipe.task == "demultiple":
        words.append(f"cut {recipe.radon.cut_ms} ms")
    words += [f"start {recipe.start}"] if recipe.start else []
    words += [f"protect {recipe.protect_ms:g} ms"] if recipe.protect_ms else []
    return " ".join(words)


class MemorySink:
    """An output in memory: `survey` is complete once `finish` has been called."""

    unit_rows: int | None = None
    _WRITTEN = ("amplitude", "raw_exception", "trace_header")

    def __init__(self, template: xr.Dataset, history: str | None) -> None:
        self._dims = {name: template[name].dims for name in self._WRITTEN if name in template}
        self._arrays = {name: np.empty(template[name].shape, template[name].dtype) for name in self._dims}
        self.survey = template.drop_vars([*self._WRITTEN, "live"], errors="ignore").copy(deep=True).load()
        self.survey.attrs["history"] = [*template.attrs.get("history", []), *([history] if history else [])]

    def write(self, rows: slice, traces: Traces) -> int:
        """Take some traces; nothing is clipped in memory."""
        for name, array in self._arrays.items():
            values = getattr(traces, name)
            array[rows] = 0 if values is None else values
        return 0

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray) -> None:
        """Put the traces into the survey."""
        if "trace_id_code" in self.survey:
            self.survey["trace_id_code"].values[filled_rows] = 1
        live = np.ones(self.survey.sizes["trace"], bool)
        live[dead_rows] = False
        columns = {name: (self._dims[name], array) for name, array in self._arrays.items()}
        self.survey = self.survey.assign(**columns, live=("trace", live))


@dataclass(frozen=True)
class _Restore:
    """What a restoration makes of a unit: the kept traces and, where wanted, what was taken out of them."""

    restoration: Restoration
    geometry: Geometry
    survey: xr.Dataset
    bounds: np.ndarray
    notify: Notify
    with_removed: bool

    def __call__(self, unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
        recipe = self.restoration.recipe
        gathers, bad = check_finite(gathers, self._source_trace(unit), recipe.zero_nonfinite)
        if unit.number == 0 and recipe.task == "demultiple" and recipe.nmo is None:
            warn_if_uncorrected(gathers, self.notify)
        gathers, out = self.geometry.expand(gathers, unit.gathers.start)
        estimate, starts = self.restoration.estimate(gathers)
        rows = local_rows(unit, self.geometry.bounds)
        chosen = rows if out is None else out[rows]
        traces = cut_traces(gathers, chosen)
        kept, filled, clipped = self.restoration.compose(traces, estimate[chosen])
        outputs = [kept]
        if self.with_removed:
            outputs.append(replace(kept, amplitude=traces.amplitude - kept.amplitude, raw_exception=None))
        figures = {"filled": (filled + unit.rows.start).tolist(), "clipped": clipped, "nonfinite": bad}
        if recipe.start == "auto":
            figures["starts"] = starts[np.isfinite(starts)].tolist()
        return outputs, figures

    def _source_trace(self, unit: Unit) -> np.ndarray:
        return self.survey["source_trace"][int(self.bounds[unit.gathers.start]) : int(self.bounds[unit.gathers.stop])].values


def _convert(source: str, target: str, reading: ReadOptions, run: RunOptions, sample_format: str | None) -> Summary:
    survey = open_survey(source, reading)
    check_survey(survey)
    run.notify(describe_gathers(survey))
    facts = _fingerprint(source, reading, {"task": "convert", "format": sample_format}, run)
    with _begin([target], facts, run, source) as ledger:
        if ledger.complete:
            return Summary(already_done=True)
        geometry = plan_geometry(survey)
        sink = open_sink(ledger.partial(target), target, survey, sample_format=sample_format, resume=ledger.resumed)

        def copy(unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
            return [cut_traces(gathers, local_rows(unit, geometry.bounds))], {}

        return run_pass(Pass(survey, geometry, (sink,), copy), run, ledger)


@contextmanager
def _begin(targets: Sequence[str], facts: Mapping[str, Any], run: RunOptions, source: str) -> Iterator[Ledger]:
    """Give the ledger of a run; bad input before any unit is done leaves nothing behind."""
    with Ledger.begin(targets, facts, resume=run.resume, overwrite=run.overwrite, inputs=[source]) as ledger:
        try:
            yield ledger
        except SeisdiffError as error:
            done = ledger.units_done()
            if not done:
                ledger.discard()
                raise
            raise type(error)(f"{error}; {done} units are done and kept: --resume goes on from there") from error


def _usable(survey: xr.Dataset, notify: Notify) -> xr.Dataset:
    """Check the layout, and leave out offsets that are all zero, so that trace numbers stand in for them."""
    check_survey(survey)
    if "offset" in survey and not survey["offset"].values.any() and survey.sizes["trace"] > 1:
        notify("warning: all offsets are zero: trace numbers stand in for them; name the word with --key offset=BYTE")
        return survey.drop_vars("offset")
    return survey


def _format_of(target: str, survey: xr.Dataset, sample_format: str | None) -> str:
    """Return the sample format of an output: SU knows only one."""
    return "ieee32" if container_of(target) == "su" else sample_format or survey.attrs["sample_format"]


def _any_store(targets: Sequence[str]) -> bool:
    return any(container_of(target) == "zarr" for target in targets)


def _fingerprint(source: str, reading: ReadOptions, options: Mapping[str, Any], run: RunOptions) -> dict[str, Any]:
    keys = {f"key {name}": [field.byte, field.type] for name, field in reading.keys.items()}
    reads = {name: getattr(reading, name) for name in ("gather", "sort", "units", "dt_ms", "axis")}
    facts = {"input": _identity(source), **reads, **keys, **options, "memory": run.memory_gib, "history": run.history}
    facts |= {f"version of {name}": version(name) for name in ("seisdiff", "torch", "numpy")}
    return dict(_flat(facts))


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield facts one by one, so that the one that differs can be named."""
    for name, fact in facts.items():
        if isinstance(fact, Mapping):
            yield from _flat(fact, f"{before}{name}.")
        else:
            yield f"{before}{name}", list(fact) if isinstance(fact, tuple) else fact


def _identity(source: str) -> dict[str, Any]:
    """Return what tells one input from another without reading it whole: size, time of change, both ends."""
    if container_of(source) == "zarr":
        fs, path = fsspec.core.url_to_fs(source)
        root = f"{path.rstrip('/')}/zarr.json"
        return {"store": hashlib.sha256(fs.cat_file(root)).hexdigest(), "changed": fs.info(root).get("mtime")}
    path = Path(source)
    facts = path.stat()
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_FINGERPRINT_BYTES))
        file.seek(max(0, facts.st_size - _FINGERPRINT_BYTES))
        digest.update(file.read())
    return {"bytes": facts.st_size, "changed": facts.st_mtime_ns, "ends": digest.hexdigest()}


def _named_files(recipe: RestoreRecipe) -> dict[str, str]:
    """Return the hash of each file that a recipe names, so that a changed file is a changed recipe."""
    names = {"nmo": recipe.nmo, "start": recipe.start}
    files = {name: Path(text) for name, text in names.items() if text and Path(text).is_file()}
    return {f"{name}_file": hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
