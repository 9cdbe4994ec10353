"""Restorations of whole files and stores, with bounded memory, resumable, all or nothing; and of surveys in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.config import RestoreRecipe
from seisdiff.errors import OptionError, SurveyError
from seisdiff.gathers import Gathers, Traces, check_finite, cut_traces
from seisdiff.header_checks import feet_suspicion
from seisdiff.lazy import is_chunked, lazy_pass
from seisdiff.new_geometry import Geometry, plan_geometry
from seisdiff.outputs import SegySink, Sink, open_sink
from seisdiff.passes import WARNING, Notify, Pass, RunOptions, Summary, begin_run, local_rows, run_pass
from seisdiff.pretrained import find_model, model_card, model_digest
from seisdiff.restoration import Restoration, prepare, warn_if_uncorrected
from seisdiff.restorers.diffusion import DiffusionOptions
from seisdiff.restorers.unet import UnetSpec
from seisdiff.segy import describe_gathers, quantise
from seisdiff.sources import ReadOptions, container_of, open_survey
from seisdiff.survey import SAMPLE_FORMATS, check_order, check_survey, gather_bounds, sample_interval, vertical_dim
from seisdiff.units import Unit

#: Sample intervals below this, in ms, look like seconds.
_SECONDS_MS = 0.02
#: Characters of a line of the text header that its number leaves.
LONGEST_HISTORY = 76


def restore_file(
    source: str,
    target: str,
    recipe: RestoreRecipe,
    *,
    removed: str | None = None,
    spread: str | None = None,
    reading: ReadOptions = ReadOptions(),
    run: RunOptions = RunOptions(),
    sample_format: str | None = None,
) -> Summary:
    """Restore every gather of a file or store into another; see RestoreRecipe for what is done.

    `removed` names a second output: the input minus the written output; `spread` one more: the standard deviation that
    the error is expected to have, which diffusion knows of two samples or more. Raises a SeisdiffError for bad input; a
    run that was interrupted can be resumed.
    """
    if spread and not knows_spread(recipe):
        raise OptionError("a spread needs --method diffusion and --samples of 2 or more")
    told = recipe.model_dump(mode="json", exclude={"zero_nonfinite"}) | {
        "format": sample_format, "removed": bool(removed), "spread": bool(spread),
    }  # fmt: skip
    targets = [name for name in (target, removed, spread) if name]
    for name in targets:
        container_of(name)
    with begin_run(source, targets, reading, told | _named_files(recipe), run) as ledger:
        if ledger.complete:
            return Summary(already_done=True)
        places = {name: ledger.partial(name) for name in targets}
        history = history_line(recipe) if run.history else None
        order = _Order(source, places, recipe, reading, sample_format, history, bool(removed), bool(spread))
        return run_pass(order.open(run.notify, ledger.resumed), run, ledger)


def spread_format(sample_format: str) -> str:
    """Return the sample format of spreads: integers, which would round them away, become floats."""
    if "int" not in sample_format:
        return sample_format
    return {"float32": "ieee32", "float64": "ieee64"}[SAMPLE_FORMATS[sample_format][2]]


def knows_spread(recipe: RestoreRecipe) -> bool:
    """Return whether a restoration knows how uncertain it is."""
    return isinstance(recipe.spec, DiffusionOptions) and recipe.spec.samples > 1


def restore(survey: xr.Dataset, recipe: RestoreRecipe, run: RunOptions = WARNING) -> xr.Dataset:
    """Restore a survey and return another, in memory; the one given is not changed and is read unit by unit.

    Where dask holds the samples the result is lazy: each unit is restored when its samples are asked for, to the same
    bits. Diffusion of two samples or more adds `spread` (trace, time), the standard deviation expected of the error.
    """
    survey = usable(survey, run.notify)
    check_order(survey)
    survey = survey.drop_vars("spread", errors="ignore")  # of an earlier answer
    restoration = prepare(recipe, survey, survey.attrs["sample_format"], run.notify)
    geometry = plan_geometry(survey, recipe.refine, recipe.to_offsets)
    history = history_line(recipe) if run.history else None
    if is_chunked(survey):
        light, places = replace(geometry, template=survey[[]]), survey[["source_trace", "fold"]].compute()
        make = maker(restoration, light, places, run.notify, with_spread=knows_spread(recipe))
        return lazy_pass(Pass(survey, geometry, (), make), run.memory_gib, history, 1 + knows_spread(recipe))
    make = maker(restoration, geometry, survey, run.notify, with_spread=knows_spread(recipe))
    sinks = tuple(MemorySink(geometry.template, history) for _ in range(1 + knows_spread(recipe)))
    run_pass(Pass(survey, geometry, sinks, make), run, None)
    restored = sinks[0].survey
    return restored if len(sinks) == 1 else restored.assign(spread=sinks[1].survey["amplitude"])


def history_line(recipe: RestoreRecipe) -> str:
    """Return what is kept of a restoration in the output: tool, version, task, method and its main parameters.

    Those are the cut, the start, the protection and what was set by name; what is too long for a line of the text
    header is left out, which dots tell.
    """
    given = recipe.spec.model_dump(include=recipe.spec.model_fields_set, exclude_defaults=True)
    cut = getattr(recipe.spec, "cut_ms", None) if recipe.task == "demultiple" else None
    words = [f"seisdiff {version('seisdiff')} {recipe.task}", recipe.method]
    words += [f"cut {_plain(cut)} ms"] if cut is not None else []
    words += [f"start {recipe.start}"] if recipe.start else []
    words += [f"protect {recipe.protect_ms:g} ms"] if recipe.protect_ms else []
    words += [f"{name} {_plain(value)}" for name, value in given.items() if name != "cut_ms"]
    return _fitting(words, LONGEST_HISTORY)


def _plain(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ":".join(_plain(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fitting(words: list[str], length: int) -> str:
    """Return as many of the words as fit into a line."""
    whole = " ".join(words)
    if len(whole) <= length:
        return whole
    ends = [len(" ".join(words[:count])) for count in range(1, len(words))]
    count = max((count for count, end in enumerate(ends, 1) if end + 4 <= length), default=0)
    return f"{' '.join(words[:count])} ..." if count else whole[:length]


class MemorySink:
    """An output in memory: `survey` is complete once `finish` has been called."""

    unit_rows: int | None = None
    _WRITTEN = ("amplitude", "raw_exception", "trace_header")

    def __init__(self, template: xr.Dataset, history: str | None) -> None:
        self._dims = {name: template[name].dims for name in self._WRITTEN if name in template}
        self._attrs = {name: template[name].attrs for name in self._dims}
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
        columns: dict[str, Any] = {
            name: (self._dims[name], array, self._attrs[name]) for name, array in self._arrays.items()
        }
        self.survey = self.survey.assign({**columns, "live": ("trace", live)})


@dataclass(frozen=True)
class _Order:
    """A restoration of a file; `places` says where each output is written until it is complete, the first one first."""

    source: str
    places: Mapping[str, str]
    recipe: RestoreRecipe
    reading: ReadOptions
    sample_format: str | None
    history: str | None
    with_removed: bool
    with_spread: bool

    def open(self, notify: Notify, resume: bool) -> Pass:
        recipe, targets = self.recipe, list(self.places)
        survey = usable(open_survey(self.source, self.reading), notify)
        notify(describe_gathers(survey))
        restoration = prepare(recipe, survey, _format_of(targets[0], survey, self.sample_format), notify)
        geometry = plan_geometry(survey, recipe.refine, recipe.to_offsets, with_columns=_any_store(targets))
        told = {"sample_format": self.sample_format, "history": self.history, "resume": resume}
        sinks = tuple(
            self._sink(name, where, geometry.template, restoration.sample_format, told)
            for name, where in self.places.items()
        )
        if any(isinstance(sink, SegySink) and sink.without_history for sink in sinks):
            notify("the text header has no blank line left: what was done is not told there")
        make = maker(restoration, geometry, survey, notify, self.with_removed, self.with_spread)
        return Pass(survey, geometry, sinks, make, self)

    def _sink(self, name: str, where: str, template: xr.Dataset, sample_format: str, told: Mapping[str, Any]) -> Sink:
        """Open an output: of spreads in a format that holds them, of what is removed in one that is signed."""
        targets, store = list(self.places), container_of(name) == "zarr"
        own = _format_of(name, template, self.sample_format)
        if self.with_removed and name == targets[1] and own.startswith("uint") and not store:
            raise OptionError(
                f"what is removed may be negative, which {own} cannot hold; add --format ieee32, or leave --removed out"
            )
        if self.history is None and not store:
            template = template.assign_attrs(history=[])  # the text header is to stay as it is
        if self.with_spread and name == targets[-1]:
            chosen = spread_format(sample_format)
            if store:
                return open_sink(where, name, template.assign_attrs(sample_format=chosen), **told)
            return open_sink(where, name, template, **{**told, "sample_format": chosen})
        return open_sink(where, name, template, **told)


@dataclass(frozen=True)
class Restore:
    """What a restoration makes of a unit: the kept traces and, where wanted, what was taken out of them.

    `recorded` (gather + 1) are the traces at which the gathers of the survey begin, `source_trace` their positions.
    """

    restoration: Restoration
    geometry: Geometry
    source_trace: xr.DataArray
    recorded: np.ndarray
    notify: Notify
    with_removed: bool
    with_spread: bool

    def __call__(self, unit: Unit, gathers: Gathers) -> tuple[list[Traces], dict]:
        recipe = self.restoration.recipe
        gathers, bad = check_finite(gathers, self._positions(unit, gathers), recipe.zero_nonfinite)
        if unit.number == 0 and recipe.task == "demultiple" and recipe.nmo is None:
            warn_if_uncorrected(gathers, self.notify)
        gathers, out = self.geometry.expand(gathers, unit.gathers.start)
        estimate, spread, starts = self.restoration.estimate(gathers, self.with_spread)
        rows = local_rows(unit, self.geometry.bounds)
        chosen = rows if out is None else out[rows]
        traces = cut_traces(gathers, chosen)
        kept, filled, clipped = self.restoration.compose(traces, estimate[chosen])
        outputs = [kept]
        if self.with_removed:
            outputs.append(replace(kept, amplitude=traces.amplitude - kept.amplitude, raw_exception=None))
        if spread is not None:
            written, _ = quantise(spread[chosen], spread_format(self.restoration.sample_format))
            outputs.append(replace(kept, amplitude=written, raw_exception=None))
        figures = {"filled": (filled + unit.rows.start).tolist(), "clipped": clipped, "nonfinite": bad}
        if recipe.start == "auto":
            figures["starts"] = starts[np.isfinite(starts)].tolist()
        return outputs, figures

    def _positions(self, unit: Unit, gathers: Gathers) -> np.ndarray:
        """Return where the traces of a unit are in the file that they came from."""
        first = int(self.recorded[unit.gathers.start])
        return self.source_trace[first : first + len(gathers.live)].values


def maker(
    restoration: Restoration,
    geometry: Geometry,
    survey: xr.Dataset,
    notify: Notify,
    with_removed: bool = False,
    with_spread: bool = False,
) -> Restore:
    """Return what a restoration makes of the units of a survey."""
    return Restore(
        restoration, geometry, survey["source_trace"], gather_bounds(survey), notify, with_removed, with_spread
    )


def usable(survey: xr.Dataset, notify: Notify) -> xr.Dataset:
    """Check the layout, and leave out offsets that are all zero, so that trace numbers stand in for them.

    Says so, and where offsets look like feet that are taken for metres.
    """
    check_survey(survey)
    for name, unit in (("offset", "m"), ("delay", "ms")):
        if name in survey:
            survey = survey.assign({name: survey[name].compute()})  # it is looked at more than once
            if not np.isfinite(survey[name].values).all():
                raise SurveyError(f"some values of {name} are no numbers; expected one ({unit}) a trace")
    if "offset" in survey and not survey["offset"].values.any() and survey.sizes["trace"] > 1:
        notify("warning: all offsets are zero: trace numbers stand in for them; 'seisdiff info' tells more")
        return survey.drop_vars("offset")
    if vertical_dim(survey) == "time" and 0 < sample_interval(survey) < _SECONDS_MS:
        notify(f"warning: samples are {sample_interval(survey):.3g} ms apart: expected ms; are these seconds?")
    if suspicion := feet_suspicion(survey):
        notify(f"warning: {suspicion.what}; {suspicion.advice}")
    return survey


def _format_of(target: str, survey: xr.Dataset, sample_format: str | None) -> str:
    """Return the sample format of an output: SU knows only one."""
    return "ieee32" if container_of(target) == "su" else sample_format or survey.attrs["sample_format"]


def _any_store(targets: Sequence[str]) -> bool:
    return any(container_of(target) == "zarr" for target in targets)


def _named_files(recipe: RestoreRecipe) -> dict[str, str]:
    """Return the hash of each file that a recipe names and of its model, so that changed ones are a changed recipe."""
    names = {"nmo": recipe.nmo, "start": recipe.start}
    files = {name: Path(text) for name, text in names.items() if text and Path(text).is_file()}
    hashes = {f"{name}_file": hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    if isinstance(recipe.spec, UnetSpec):
        model = find_model(recipe.spec.model or f"{recipe.task}-{recipe.method}")
        hashes["model"] = model_digest(model)
        if guide := model_card(model)["recipe"].get("guide"):
            hashes["guide"] = model_digest(find_model(guide))
    return hashes
