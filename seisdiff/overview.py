"""What a survey is, at a glance: layout, gathers, header ranges, amplitudes, and what to look at or type next."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seisdiff.header_checks import Finding, check_headers
from seisdiff.segy.fields import FIELDS, Field, header_values
from seisdiff.survey import sample_interval, vertical_dim

#: Trace variables whose ranges are shown, in this order, where the survey has them.
MAIN_FIELDS = (
    *("cdp", "field_record", "channel", "shot_point", "trace_in_ensemble", "inline", "crossline", "offset", "angle"),
    *("trace_id_code", "delay", "mute_start", "mute_end", "source_coord_x", "source_coord_y", "group_coord_x"),
    *("group_coord_y", "cdp_x", "cdp_y", "source_elevation", "receiver_elevation", "source_depth"),
    *("source_water_depth", "receiver_water_depth"),
)
#: Header words that are read as recorded.
_RAW_FIELDS = ("coordinate_scalar", "elevation_scalar", "coordinate_unit")
_UNITS = {"delay": "ms", "mute_start": "ms", "mute_end": "ms", "offset": "m", "angle": "deg"}
_BLOCK_BYTES = 16 * 2**20
_SAMPLED_BLOCKS = 16
_NAMED_TRACES = 20

Progress = Callable[[int, int], None]


class HeaderRange(BaseModel):
    """The values of one header field: m, ms or a number, scalars applied; `zeros` counts traces."""

    name: str
    minimum: float
    maximum: float
    distinct: int
    zeros: int
    unit: str = ""


class Amplitudes(BaseModel):
    """Statistics of the finite samples of the traces read; trace numbers are positions in the file, from 1.

    `sampled` says that not all traces were read; then counts are of those that were. Trace lists name the first 20.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    traces_read: int
    sampled: bool
    minimum: float
    maximum: float
    rms: float
    zero_percent: float
    nonfinite_samples: int
    nonfinite_traces: list[int]
    zero_trace_count: int
    zero_traces: list[int]


class Fold(BaseModel):
    """Traces a gather."""

    minimum: int
    median: float
    maximum: int


class Overview(BaseModel):
    """All that `info` tells of a survey; times in ms, lengths in m (`length_unit` is that of the file)."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    source: str
    container: str
    revision: str
    sample_format: str
    byte_order: str
    length_unit: str
    text_encoding: str
    traces: int
    samples: int
    axis: str
    axis_start: float
    sample_interval: float
    record_length: float
    gather_keys: list[str]
    sort_keys: list[str]
    gathers: int
    fold: Fold
    headers: list[HeaderRange]
    amplitudes: Amplitudes
    findings: list[Finding]
    next_command: str
    text: str
    history: list[str]

    def as_rich(self, *, with_text: bool = False) -> RenderableType:
        """Return the overview for a terminal; the text header only `with_text`."""
        parts = [_facts_table(self), _headers_table(self), _amplitude_lines(self), *_finding_lines(self)]
        if with_text:
            parts.append(Text("\nText header\n", style="bold") + Text(self.text or "(none)"))
        if self.next_command:
            parts.append(Text("\nTry next: ", style="bold") + Text(self.next_command, style="cyan"))
        return Group(*parts)


def describe(
    survey: xr.Dataset,
    source: str = "",
    *,
    revision: str = "",
    text_encoding: str = "",
    text: str = "",
    typed: str = "",
    full: bool = False,
    progress: Progress | None = None,
) -> Overview:
    """Return an overview of a survey, read in blocks of 16 MiB.

    Of surveys beyond 256 MiB of samples 16 blocks are read, spread evenly, unless `full`. `source` is its name, for
    the command that is proposed, in which the reading options `typed` are repeated; revision, text encoding and text
    header come from the reader. `progress` is called with blocks done and blocks in all.
    """
    dim, survey = vertical_dim(survey), _with_trace_values(survey)
    axis = survey[dim].values
    amplitudes = amplitude_statistics(survey, full=full, progress=progress)
    findings = check_headers(survey, _distinct_words(survey, _RAW_FIELDS[:2])) + _sample_findings(amplitudes)
    return Overview(
        source=source,
        container=survey.attrs["container"],
        revision=revision,
        sample_format=survey.attrs["sample_format"],
        byte_order=survey.attrs["byte_order"],
        length_unit=survey.attrs.get("length_unit", "m"),
        text_encoding=text_encoding,
        traces=survey.sizes["trace"],
        samples=survey.sizes[dim],
        axis=dim,
        axis_start=float(axis[0]) if len(axis) else 0.0,
        sample_interval=sample_interval(survey),
        record_length=float(axis[-1] - axis[0]) if len(axis) else 0.0,
        gather_keys=list(survey.attrs.get("gather_keys", [])),
        sort_keys=list(survey.attrs.get("sort_keys", [])),
        gathers=survey.sizes["gather"],
        fold=_fold(survey["fold"].values),
        headers=header_ranges(survey),
        amplitudes=amplitudes,
        findings=findings,
        next_command=suggest_command(survey, source, findings, typed),
        text=text,
        history=list(survey.attrs.get("history", [])),
    )


def main_fields(container: str, overrides: Mapping[str, Field]) -> dict[str, Field]:
    """Return where the main header words lie, with a user's `overrides`, as a mapping file holds them.

    SU keeps words of its own after byte 180, so what SEG-Y has there is left out; so is angle, which shares the bytes
    of offset.
    """
    last = 180 if container == "su" else 240
    standard = {name: FIELDS[name] for name in MAIN_FIELDS if name != "angle" and FIELDS[name].last_byte <= last}
    return standard | dict(overrides)


def header_ranges(survey: xr.Dataset) -> list[HeaderRange]:
    """Return the ranges of the main header fields that are not zero throughout, and of scalar and unit words."""
    ranges = []
    for name in MAIN_FIELDS:
        if name in survey and survey[name].dims == ("trace",) and survey[name].values.any():
            unit = _UNITS.get(name, "m" if name in FIELDS and FIELDS[name].kind in ("coordinate", "elevation") else "")
            ranges.append(_range(name, survey[name].values, unit))
    for name, words in _distinct_words(survey, _RAW_FIELDS).items():
        if any(words):
            ranges.append(HeaderRange(name=name, minimum=min(words), maximum=max(words), distinct=len(words), zeros=0))
    return ranges


def amplitude_statistics(survey: xr.Dataset, *, full: bool = False, progress: Progress | None = None) -> Amplitudes:
    """Return statistics of the samples, read block by block; see `describe` for which blocks."""
    blocks, sampled = _blocks(survey, full)
    tally = _Tally()
    for done, rows in enumerate(blocks, 1):
        tally.add(survey["amplitude"][rows].values, survey["source_trace"][rows].values)
        if progress:
            progress(done, len(blocks))
    return tally.result(sampled)


def suggest_command(survey: xr.Dataset, source: str, findings: Sequence[Finding], typed: str = "") -> str:
    """Return the command that a processor would most likely type next; outputs lie in the working folder.

    It has the options that the `findings` call for. "" without a `source` or without traces.
    """
    if not source or not survey.sizes["trace"]:
        return ""
    path = PurePath(source)
    names = (source, f"{path.stem}_out{path.suffix}", f"{path.stem}_removed{path.suffix}", f"{path.stem}.png")
    named = [shlex.quote(f"./{name}" if name.startswith("-") else name) for name in names]
    needed = dict.fromkeys(finding.options for finding in findings if finding.options)
    options = "".join(f" {words}" for words in (typed, *needed) if words)
    keys = survey.attrs.get("gather_keys", [])
    if np.median(survey["fold"].values) <= 1:
        return f"seisdiff plot {named[0]}{options} -o {named[3]}"
    shots = "field_record" in keys or not keys
    task = next((finding.task for finding in findings if finding.task), "denoise" if shots else "demultiple")
    return f"seisdiff {task} {named[0]} {named[1]}{options} --removed {named[2]}"


def _with_trace_values(survey: xr.Dataset) -> xr.Dataset:
    """Return a survey whose values of one a trace are in memory, so that each is read once."""
    names = [name for name, variable in survey.variables.items() if variable.dims == ("trace",)]
    return survey.assign({name: ("trace", survey[name].values, survey[name].attrs) for name in names})


class _Tally:
    """Sums over blocks of samples."""

    def __init__(self) -> None:
        self.traces = self.samples = self.zeros = self.bad = 0
        self.low, self.high, self.energy = np.inf, -np.inf, 0.0
        self.bad_traces: list[int] = []
        self.zero_traces: list[int] = []

    def add(self, samples: np.ndarray, source_trace: np.ndarray) -> None:
        finite = np.isfinite(samples)
        self.traces += len(samples)
        self.samples += samples.size
        self.bad_traces += (source_trace[~finite.all(axis=1)] + 1).tolist()
        self.zero_traces += (source_trace[~samples.any(axis=1)] + 1).tolist()
        self.bad += int((~finite).sum())
        self.zeros += int((samples == 0).sum())
        if finite.any():
            values = samples if finite.all() else samples[finite]
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            self.energy += float(np.square(values, dtype=np.float64).sum())

    def result(self, sampled: bool) -> Amplitudes:
        count = self.samples - self.bad
        return Amplitudes(
            traces_read=self.traces,
            sampled=sampled,
            minimum=self.low if count else np.nan,
            maximum=self.high if count else np.nan,
            rms=float(np.sqrt(self.energy / count)) if count else np.nan,
            zero_percent=100 * self.zeros / self.samples if self.samples else 0.0,
            nonfinite_samples=self.bad,
            nonfinite_traces=sorted(self.bad_traces)[:_NAMED_TRACES],
            zero_trace_count=len(self.zero_traces),
            zero_traces=sorted(self.zero_traces)[:_NAMED_TRACES],
        )


def _blocks(survey: xr.Dataset, full: bool) -> tuple[list[slice], bool]:
    amplitude = survey["amplitude"]
    total = len(amplitude)
    rows = max(1, _BLOCK_BYTES // max(1, amplitude.dtype.itemsize * amplitude.shape[1]))
    starts = list(range(0, total, rows))
    sampled = not full and len(starts) > _SAMPLED_BLOCKS
    if sampled:
        starts = np.linspace(0, total - rows, _SAMPLED_BLOCKS).round().astype(int).tolist()
    return [slice(start, min(start + rows, total)) for start in starts], sampled


def _distinct_words(survey: xr.Dataset, names: tuple[str, ...]) -> dict[str, list[int]]:
    """Return the distinct recorded values of header words, read in blocks; empty for a survey without raw headers."""
    if "trace_header" not in survey:
        return {}
    words: dict[str, set[int]] = {name: set() for name in names}
    for block in _header_blocks(survey):
        for name in names:
            words[name].update(np.unique(header_values(block, FIELDS[name], survey.attrs["byte_order"])).tolist())
    return {name: sorted(values) for name, values in words.items()}


def _header_blocks(survey: xr.Dataset) -> Iterator[np.ndarray]:
    rows = max(1, _BLOCK_BYTES // max(1, survey.sizes["header_byte"]))
    for start in range(0, survey.sizes["trace"], rows):
        yield survey["trace_header"][start : start + rows].values


def _range(name: str, values: np.ndarray, unit: str) -> HeaderRange:
    return HeaderRange(
        name=name,
        minimum=float(values.min()),
        maximum=float(values.max()),
        distinct=len(np.unique(values)),
        zeros=int((values == 0).sum()),
        unit=unit,
    )


def _fold(fold: np.ndarray) -> Fold:
    if not len(fold):
        return Fold(minimum=0, median=0.0, maximum=0)
    return Fold(minimum=int(fold.min()), median=float(np.median(fold)), maximum=int(fold.max()))


def _sample_findings(amplitudes: Amplitudes) -> list[Finding]:
    findings = []
    if amplitudes.nonfinite_samples:
        traces = ", ".join(str(trace) for trace in amplitudes.nonfinite_traces)
        what = f"{amplitudes.nonfinite_samples} samples are NaN or infinite, in traces {traces}"
        findings.append(
            Finding(what=what, advice="add --zero-nonfinite to take them as zeros", options="--zero-nonfinite")
        )
    if amplitudes.traces_read and amplitudes.zero_trace_count == amplitudes.traces_read:
        findings.append(Finding(what="every sample read is zero", advice="check the file; there is nothing to restore"))
    return findings


def _facts_table(view: Overview) -> Table:
    table = Table.grid(padding=(0, 2))
    unit = "m" if view.axis == "depth" else "ms"
    kind = {"segy": "SEG-Y", "su": "Seismic Unix", "": "no file"}.get(view.container, view.container)
    revision = f" revision {view.revision}" if view.revision else ""
    encoding = f", text {view.text_encoding}" if view.text_encoding else ""
    keys = ", ".join(view.gather_keys) or "nothing"
    kind = f"{kind}{revision}, {view.sample_format} {view.byte_order}-endian{encoding}"
    end = view.axis_start + view.record_length
    rows = {
        "file": view.source,
        "format": f"{kind}, lengths taken as {view.length_unit}",
        "traces": f"{view.traces:,} of {view.samples:,} samples",
        view.axis: f"{view.axis_start:g} to {end:g} {unit}, every {view.sample_interval:g} {unit}",
        "gathers": f"{view.gathers:,} by {keys}; {_fold_words(view.fold)}",
        "history": "\n".join(view.history),
    }
    for name, words in rows.items():
        if words:
            table.add_row(Text(name, style="bold"), Text(words))
    return table


def _fold_words(fold: Fold) -> str:
    if fold.minimum == fold.maximum:
        return f"fold {fold.minimum}"
    return f"fold {fold.minimum} to {fold.maximum}, median {fold.median:g}"


def _headers_table(view: Overview) -> Table:
    table = Table("header", "min", "max", "unit", "distinct", "zero", title_justify="left", box=None, padding=(0, 2))
    for name in ("min", "max", "distinct", "zero"):
        next(column for column in table.columns if column.header == name).justify = "right"
    for row in view.headers:
        table.add_row(
            row.name, f"{row.minimum:,.10g}", f"{row.maximum:,.10g}", row.unit, f"{row.distinct:,}", f"{row.zeros:,}"
        )
    return table


def _amplitude_lines(view: Overview) -> Text:
    seen = view.amplitudes
    how = (
        f"a sample of {seen.traces_read:,} traces; --full reads all"
        if seen.sampled
        else f"all {seen.traces_read:,} traces"
    )
    line = f"{seen.minimum:.5g} to {seen.maximum:.5g}, RMS {seen.rms:.4g}, {seen.zero_percent:.1f} % zeros ({how})"
    if seen.zero_trace_count:
        more = ", ..." if seen.zero_trace_count > len(seen.zero_traces) else ""
        line += f"\n{seen.zero_trace_count:,} traces are zero throughout: {', '.join(map(str, seen.zero_traces))}{more}"
    return Text("\namplitudes  ", style="bold") + Text(line, style="not bold")


def _finding_lines(view: Overview) -> list[Text]:
    return [
        Text("\nLook at: " if number == 0 else "         ", style="bold yellow")
        + Text(f"{finding.what}\n         → {finding.advice}", style="not bold default")
        for number, finding in enumerate(view.findings)
    ]
