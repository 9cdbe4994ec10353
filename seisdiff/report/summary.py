"""The survey and the line in words and figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seisdiff.report.checks import Remark
from seisdiff.report.curves import OUTLIER_DEVIATIONS, OUTLIER_SPAN
from seisdiff.report.facts import Facts
from seisdiff.report.line import Line, Survey
from seisdiff.report.reading import PairReader

_NAMED = 8
#: Mean frequencies, cycles per sample, of all but one in a hundred of the gathers of the shipped networks' trainings.
TRAINED_CYCLES = (0.023, 0.26)

Rows = list[tuple[str, str]]


def key_name(survey: xr.Dataset) -> str:
    """Return the name of what numbers the gathers."""
    keys = survey.attrs.get("gather_keys", [])
    return keys[0] if len(keys) == 1 and keys[0] != "all" else "gather"


def gather_labels(survey: xr.Dataset) -> list[str]:
    """Return the name of every gather, such as "cdp 1001"."""
    keys = [key for key in survey.attrs.get("gather_keys", []) if f"gather_{key}" in survey]
    if len(keys) < 2:
        return [f"{key_name(survey)} {number}" for number in survey["gather"].values]
    columns = [survey[f"gather_{key}"].values for key in keys]
    return [
        " ".join(f"{key} {value}" for key, value in zip(keys, row, strict=True)) for row in zip(*columns, strict=True)
    ]


def survey_rows(reader: PairReader, unit: str) -> Rows:
    """Return what the survey is."""
    before, after = reader.surveys[:2]
    fold, keys = before["fold"].values, ", ".join(before.attrs.get("gather_keys", [])) or "nothing"
    numbers = before["gather"].values
    rows = [
        ("gathers", f"{reader.count:,} by {keys}, {_range(numbers)}"),
        ("traces", _pair_of(before.sizes["trace"], after.sizes["trace"])),
        ("fold", _range(fold)),
        ("samples", f"{len(reader.axis):,}, {reader.axis[0]:g} to {reader.axis[-1]:g} every {reader.step:g} {unit}"),
    ]  # fmt: skip
    if "offset" in before:
        offset = before["offset"].values
        rows.append(("offset", f"{offset.min():.0f} to {offset.max():.0f} m"))
    formats = [f"{survey.attrs['sample_format']} {survey.attrs['byte_order']}-endian" for survey in (before, after)]
    return [*rows, ("sample format", formats[0] if formats[0] == formats[1] else " → ".join(formats))]


def figure_rows(line: Line, survey: Survey) -> Rows:
    """Return the figures of the line: medians and extremes over gathers."""
    known = [curve for curve in line.curves if np.isfinite(line.figures[curve.name]).any()]
    rows = [(curve.title.lower(), _spread_words(line.figures[curve.name], curve.unit)) for curve in known]
    counts = line.counts
    if survey.rules.filling:
        return [*rows, ("traces filled", f"{counts['filled']:,.0f} of {counts['traces']:,.0f}")]
    share = 100 * counts["changed"] / max(counts["live_samples"], 1)
    energy = line.figures["removed_db"]
    if np.isfinite(energy).any():
        rows[0] = (rows[0][0], f"{rows[0][1]}; {100 * 10 ** (np.nanmedian(energy) / 10):.0f} % of the input's energy")
    return [*rows, ("samples changed", f"{share:.1f} % of those of live traces"),
            ("live traces changed", f"{counts['changed_traces']:,.0f} of {counts['live_traces']:,.0f}")]  # fmt: skip


def line_remarks(line: Line, facts: Facts, labels: Sequence[str]) -> list[Remark]:
    """Return remarks on gathers that stand out, and on what the run itself said."""
    found = [Remark("look", message) for message in facts.messages]
    if facts.protect_ms:
        found.append(Remark("good", f"moveout up to {facts.protect_ms:g} ms at the reference offset was protected"))
    if facts.by_network:
        found.append(_strange_frequencies(line, labels))
    for curve in line.curves:
        far = np.flatnonzero(line.outlying[curve.name])
        if len(far):
            named = _named(far, labels)
            found.append(
                Remark("look", f"{curve.title.lower()} is unusual in {len(far)} of {len(labels)} gathers: {named}")
            )
    if not line.furthest.any() and len(labels) > OUTLIER_SPAN:
        words = f"no gather lies {OUTLIER_DEVIATIONS:g} robust standard deviations from its neighbours in any curve"
        found.append(Remark("good", words))
    return found


def _strange_frequencies(line: Line, labels: Sequence[str]) -> Remark:
    """Say which gathers have frequencies, for their sample interval, that the networks have hardly seen."""
    cycles, (low, high) = line.figures["mean_cycles"], TRAINED_CYCLES
    strange = np.flatnonzero((cycles < low) | (cycles > high))
    hertz = 2 * float(line.frequency[-1])
    seen = f"{low * hertz:.0f} to {high * hertz:.0f} Hz, which the networks have learnt from at this sample interval"
    if not len(strange):
        return Remark("good", f"mean frequencies of the input lie within {seen}")
    where = f"in {len(strange)} of {len(labels)} gathers: {_named(strange, labels)}"
    closely = "look closely at what was removed or filled"
    return Remark("look", f"the input's mean frequency is not within {seen}, {where}; {closely}")


def _named(gathers: np.ndarray, labels: Sequence[str]) -> str:
    return ", ".join(str(labels[at]) for at in gathers[:_NAMED].tolist()) + (", ..." if len(gathers) > _NAMED else "")


def gather_words(line: Line, position: int) -> str:
    """Return the figures of one gather in a line."""
    words = []
    for curve in line.curves:
        value = line.figures[curve.name][position]
        if np.isfinite(value):
            words.append(f"{curve.title.lower()} {value:.3g} {curve.unit}".strip())
    return " · ".join(words)


def _range(values: np.ndarray) -> str:
    return f"{values.min()}" if values.min() == values.max() else f"{values.min()} to {values.max()}"


def _pair_of(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} in the input, {after:,} in the output"


def _spread_words(values: np.ndarray, unit: str) -> str:
    known = values[np.isfinite(values)]
    if len(known) == 1:
        return f"{known[0]:.3g} {unit}".strip()
    return f"{np.median(known):.3g} {unit}".strip() + f" (median; {known.min():.3g} to {known.max():.3g})"
