"""One restoration, prepared for a survey and applied to whole gathers: from recorded samples to what to write."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from seisdiff.config import RestoreRecipe
from seisdiff.errors import OptionError
from seisdiff.gathers import Gathers, Traces
from seisdiff.operators.nmo import MoveoutCorrection, VelocityModel, looks_uncorrected, parse_velocities
from seisdiff.padding import PaddedGathers, pad_gathers, time_axes
from seisdiff.restorers import restorer_class
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.scale import scale_up
from seisdiff.segy import header_values, quantise, resolve_field, set_live
from seisdiff.segy.columns import header_columns
from seisdiff.survey import vertical_dim
from seisdiff.tasks.start import StartTable, first_multiple, read_start_table
from seisdiff.tasks.zone import mute_weights, start_weights

Notify = Callable[[str], None]
Start = StartTable | float | str | None

#: Padded samples that a restorer is given at once: few enough to stay in the cache of a processor.
_BATCH_BYTES = 8 * 2**20
#: How many gathers, and traces of each, are looked at for signs that NMO is missing.
_LOOKED_AT, _LOOKED_AT_TRACES = 3, 32
_TORCH_DTYPES = {4: torch.float32, 8: torch.float64}


class Estimate(NamedTuple):
    """What a restorer says of some gathers: (trace, sample), its standard deviation, and starts (gather) it kept to.

    The change is what is to be taken out of live traces, for interpolate what is to be put into dead ones; it is zero
    wherever nothing may be changed. The spread is None where it was not asked for.
    """

    change: np.ndarray
    spread: np.ndarray | None
    starts: np.ndarray


@dataclass(frozen=True)
class Restoration:
    """A recipe made ready for one survey; `restore` is a function of the gathers it is given alone."""

    recipe: RestoreRecipe
    restorer: Restorer
    sample_format: str
    attrs: Mapping[str, Any]
    velocities: VelocityModel | None
    start: Start

    def estimate(self, gathers: Gathers, with_spread: bool = False) -> Estimate:
        """Return what the restorer says of some gathers."""
        estimate = np.zeros_like(gathers.amplitude)
        spread = np.zeros_like(gathers.amplitude) if with_spread else None
        starts = start_times(self.start, gathers, self.attrs)
        fold = int(np.diff(gathers.bounds).max(initial=1))
        for chosen in _batches(gathers, fold, self._wanted(gathers)):
            padded = pad_gathers(gathers, chosen, fold)
            change = self._change(padded, starts[padded.traces], gathers.number[chosen])
            for target, values in zip((estimate, spread), change, strict=True):
                if target is not None and values is not None:
                    scaled = scale_up(values.to(_TORCH_DTYPES[target.dtype.itemsize]), padded.exponents)
                    target[padded.traces] = padded.padding.take_samples(scaled, target.shape[1])
        return Estimate(estimate, spread, starts[gathers.bounds[:-1]])

    def _wanted(self, gathers: Gathers) -> np.ndarray:
        """Return bool (gather): whether a gather holds live traces, and for interpolate dead ones too."""
        some = np.logical_or.reduceat(gathers.live, gathers.bounds[:-1])
        every = np.logical_and.reduceat(gathers.live, gathers.bounds[:-1])
        return some & ~every if self.recipe.task == "interpolate" else some

    def compose(self, traces: Traces, estimate: np.ndarray) -> tuple[Traces, np.ndarray, int]:
        """Return the restored traces in the output's format, which were filled and how many samples were clipped.

        Samples that are not changed keep their recorded words; a filled trace becomes live, in its header too.
        """
        if self.recipe.task == "interpolate":
            filled = ~traces.live & estimate.any(axis=1)
            change, target = np.broadcast_to(filled[:, None], estimate.shape), estimate
        else:
            filled = np.zeros(len(estimate), bool)
            change = (estimate != 0) & traces.live[:, None]
            target = traces.amplitude - estimate
        if self.sample_format == self.attrs["sample_format"]:
            rounded, clipped = quantise(np.where(change, target, 0).astype(estimate.dtype), self.sample_format)
            kept = np.where(change, rounded, traces.amplitude)
        else:
            kept, clipped = quantise(np.where(change, target, traces.amplitude), self.sample_format)
        words = traces.raw_exception
        restored = Traces(
            amplitude=kept,
            raw_exception=None if words is None else np.where(change, 0, words),
            trace_header=_mark_live(traces.trace_header, filled, self.attrs["byte_order"]),
            live=traces.live | filled,
        )
        return restored, np.flatnonzero(filled), int(clipped)

    def _change(
        self, padded: PaddedGathers, starts: np.ndarray, number: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return what is to be subtracted from live traces, or put into dead ones, (gather, trace, time), scaled.

        And its standard deviation, where the restorer knows one.
        """
        batch, nmo = padded.batch, self._nmo(padded.batch, number)
        allowed = mute_weights(padded.first, padded.stop, batch.data.shape[-1])
        recorded = batch.data * allowed
        start = padded.padding.place(starts)
        shown = nmo.forward(recorded) if nmo else recorded
        numbers = torch.from_numpy(number.astype(np.int64))
        corrected = Batch(shown, batch.offset, batch.live, batch.times, start, numbers, batch.fold)
        signal, spread = self.restorer.restore(corrected)
        change = signal if self.recipe.task == "interpolate" else corrected.data - signal
        weights = start_weights(start, batch.times, self.recipe.taper_ms)

        def recorded_in(values: torch.Tensor) -> torch.Tensor:
            values = values * weights
            return (nmo.inverse(values) * (weights > 0) if nmo else values) * allowed

        return recorded_in(change), None if spread is None else recorded_in(spread).clamp_min(0)

    def _nmo(self, batch: Batch, number: np.ndarray) -> MoveoutCorrection | None:
        if self.velocities is None:
            return None
        velocity = torch.from_numpy(self.velocities.at(number, batch.times.numpy()))
        return MoveoutCorrection(batch.offset, velocity, batch.times)


def prepare(recipe: RestoreRecipe, survey: xr.Dataset, sample_format: str, notify: Notify) -> Restoration:
    """Read what the recipe names, find the reference offset and build the restorer; says what it chose."""
    if vertical_dim(survey) == "depth" and (recipe.nmo or recipe.start == "auto"):
        raise OptionError("--nmo and --start-ms auto are for times, and the gathers are in depth; leave them out")
    ref_offset = recipe.ref_offset_m or largest_offset(survey)
    if recipe.task == "demultiple":
        unit = "" if "offset" in survey else " (trace numbers: no offsets are recorded)"
        notify(f"moveout is measured at the reference offset {ref_offset:g} m{unit}")
    return Restoration(
        recipe=recipe,
        restorer=_restorer(recipe, ref_offset),
        sample_format=sample_format,
        attrs=survey.attrs,
        velocities=parse_velocities(recipe.nmo) if recipe.nmo else None,
        start=read_start(recipe.start, survey),
    )


def start_times(start: Start, gathers: Gathers, attrs: Mapping[str, Any]) -> np.ndarray:
    """Return float64 (trace): the time before which nothing is touched, minus infinity where everything may be.

    `start` is what `read_start` gives, `attrs` are the survey's.
    """
    folds = np.diff(gathers.bounds)
    if isinstance(start, StartTable):
        return np.repeat(start.at(gathers.number), folds)
    if start == "auto":
        return np.repeat([_first_multiple(gathers, number) for number in range(len(folds))], folds)
    if isinstance(start, str):
        assert gathers.trace_header is not None
        return _header_times(gathers.trace_header, start, attrs)
    return np.full(len(gathers.live), -np.inf if start is None else start)


def _restorer(recipe: RestoreRecipe, ref_offset_m: float) -> Restorer:
    return restorer_class(recipe.method)(recipe.task, recipe.spec, ref_offset_m, recipe.protect_ms)


def largest_offset(survey: xr.Dataset) -> float:
    """Return the largest absolute offset of the survey in m, or of its trace numbers where it has no offset."""
    if "offset" in survey:
        return float(np.abs(survey["offset"].values).max(initial=0.0)) or 1.0
    return float(max(1, int(survey["fold"].values.max(initial=1)) - 1))


def warn_if_uncorrected(gathers: Gathers, notify: Notify) -> None:
    """Say once that demultiple is given gathers that look like shots or lack NMO correction."""
    batches = (
        _batches(gathers, 1, np.logical_or.reduceat(gathers.live, gathers.bounds[:-1])) if len(gathers.number) else []
    )
    if not batches:
        return
    chosen = slice(batches[0].start, min(batches[0].start + _LOOKED_AT, batches[0].stop))
    fold = int(np.diff(gathers.bounds)[chosen].max(initial=1))
    batch = pad_gathers(gathers, chosen, fold).batch
    some = slice(None, None, -(-fold // _LOOKED_AT_TRACES))
    if looks_uncorrected(batch.data[:, some], batch.offset[:, some], batch.live[:, some], batch.times):
        notify(
            "warning: the gathers do not look NMO-corrected; demultiple expects flat primaries: give --nmo FILE or V0,K"
        )


def _mark_live(header: np.ndarray | None, filled: np.ndarray, byte_order: str) -> np.ndarray | None:
    if header is None or not filled.any():
        return header
    header = header.copy()
    header[filled] = set_live(header[filled], byte_order)
    return header


def _header_times(header: np.ndarray, name: str, attrs: Mapping[str, Any]) -> np.ndarray:
    """Return the times (ms) in a header word: under the scalar of times where it is one of them, else as it stands."""
    field = resolve_field(name)
    if field.kind != "time":
        return header_values(header, field, attrs["byte_order"]).astype(np.float64)
    places = {**attrs.get("header_fields", {}), **({field.name: f"{field.byte}:{field.type}"} if "=" in name else {})}
    return header_columns(header, {**attrs, "header_fields": places}, [field.name])[field.name]


def _batches(gathers: Gathers, fold: int, wanted: np.ndarray) -> list[slice]:
    """Cut the wanted gathers into runs of equal time axes that are padded and restored as one."""
    size = max(1, _BATCH_BYTES // max(1, 4 * fold * gathers.amplitude.shape[1]))
    axes = time_axes(gathers)
    breaks = (axes[1:] != axes[:-1]).any(axis=1) | (wanted[1:] != wanted[:-1])
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(axes)]
    runs = [(start, stop) for start, stop in itertools.pairwise(edges) if wanted[start:stop].any()]
    return [slice(low, min(low + size, stop)) for start, stop in runs for low in range(start, stop, size)]


def _first_multiple(gathers: Gathers, number: int) -> float:
    one = slice(int(gathers.bounds[number]), int(gathers.bounds[number + 1]))
    times = gathers.delay[one].min() + gathers.step * np.arange(gathers.amplitude.shape[1])
    return first_multiple(gathers.amplitude[one], gathers.offset[one], gathers.live[one], times)


def read_start(text: str | None, survey: xr.Dataset) -> Start:
    """Return what `--start-ms` says: a time (ms), a table of times, "auto", the name of a header word, or None.

    Raises OptionError where it is none of these.
    """
    if text is None or text == "auto":
        return text
    try:
        start = float(text)
    except ValueError:
        start = None
    if start is not None:
        if not math.isfinite(start):
            raise OptionError(f"start {text!r} is no time; expected ms, a header word, a file or auto")
        return start
    if Path(text).is_file():
        return read_start_table(text)
    if "trace_header" not in survey:
        raise OptionError(f"start {text!r} is neither a time in ms nor a file, and the survey has no trace headers")
    resolve_field(text)
    return text
