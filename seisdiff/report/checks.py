"""What was done to the samples, counted, and said in words: what kept to the rules, and what deserves a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seisdiff.report.reading import GatherPair
from seisdiff.segy import quantise

#: A trace that holds its largest amplitude this often, sample after sample, was clipped before it came here.
_FLAT_SAMPLES = 4


@dataclass(frozen=True)
class Remark:
    """One line of the report; `level` is "good", "look" (deserves a look) or "bad" (a rule was broken)."""

    level: str
    text: str


@dataclass(frozen=True)
class Rules:
    """What the task promises: `filling` changes dead and new traces alone; nothing before a `start` changes."""

    filling: bool
    start: bool
    sample_format: str


def count_changes(pair: GatherPair, rules: Rules) -> dict[str, float]:
    """Return counts of one gather, which add up; `earliest`, `start_first` and `start_last` are samples."""
    live = pair.live_before
    changed = pair.before != pair.after
    sample = np.arange(changed.shape[1])
    muted = (sample < pair.first[:, None]) | (sample >= pair.stop[:, None])
    early = sample < pair.start[:, None]
    where = np.flatnonzero(changed[live].any(axis=0))
    return {
        "gathers": 1,
        "traces": len(live),
        "samples": changed.size,
        "live_traces": int(live.sum()),
        "live_samples": int(live.sum()) * changed.shape[1],
        "dead_before": int((~live & ~pair.new).sum()),
        "dead_after": int((~pair.after.any(axis=1) & ~live).sum()),
        "new": int(pair.new.sum()),
        "lost": pair.lost,
        "filled": int(pair.filled.sum()),
        "bad_before": pair.bad[0],
        "bad_after": pair.bad[1],
        "changed": int(changed[live].sum()),
        "changed_traces": int(changed[live].any(axis=1).sum()),
        "muted_changed": int((changed & muted)[live].sum()),
        "early_changed": int((changed & early)[live].sum()),
        "early": int(early[live].sum()),
        "headers_changed": -1 if pair.headers_differ is None else int((pair.headers_differ & ~pair.filled).sum()),
        "at_limit": _at_limit(pair, rules.sample_format),
        "flat_traces": _flat_traces(pair.before[live]),
        "earliest": int(where[0]) if len(where) else np.inf,
        "start_first": int(pair.start.min(initial=changed.shape[1])),
        "start_last": int(pair.start.max(initial=0)),
    }


def add_counts(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the counts of all gathers together."""
    total = {name: sum(row[name] for row in rows) for name in rows[0]}
    return total | {
        "earliest": min(row["earliest"] for row in rows),
        "start_first": min(row["start_first"] for row in rows),
        "start_last": max(row["start_last"] for row in rows),
    }


def remarks(counts: Mapping[str, float], rules: Rules, first_ms: float, step: float, unit: str) -> list[Remark]:
    """Return what the counts say; `first_ms` is the time of the first sample."""
    return [
        *_changes(counts, rules),
        *_zones(counts, rules, lambda sample: f"{first_ms + step * sample:.0f} {unit}"),
        *_samples(counts),
        *_traces(counts, rules),
    ]


def _changes(counts: Mapping[str, float], rules: Rules) -> list[Remark]:
    if rules.filling:
        if counts["changed_traces"]:
            return [_bad(f"{_many(counts['changed_traces'], 'recorded trace')} changed; interpolate must not do that")]
        return [_good(f"all {counts['live_traces']:,.0f} recorded traces came back bit for bit")]
    if not counts["changed"] and not counts["filled"]:
        return [_look("nothing was changed: BEFORE and AFTER hold the same samples")]
    return []


def _zones(counts: Mapping[str, float], rules: Rules, at: Callable[[float], str]) -> list[Remark]:
    found = []
    if rules.start:
        times = " to ".join(dict.fromkeys([at(counts["start_first"]), at(counts["start_last"])]))
        broken = counts["early_changed"]
        found.append(
            _bad(f"{_many(broken, 'sample')} before the start time ({times}) changed") if broken else
            _good(f"none of the {counts['early']:,.0f} samples before the start time ({times}) changed")
        )  # fmt: skip
    if counts["changed"]:
        found.append(_good(f"the earliest change lies at {at(counts['earliest'])}"))
        broken = counts["muted_changed"]
        words = "above the first and below the last sample that is not zero"
        found.append(_bad(f"{_many(broken, 'muted sample')} changed, {words}") if broken else
                     _good(f"muted samples stayed as they were, {words}"))  # fmt: skip
    return found


def _samples(counts: Mapping[str, float]) -> list[Remark]:
    found = []
    if counts["bad_before"] or counts["bad_after"]:
        numbers = f"{counts['bad_before']:,.0f} in BEFORE, {counts['bad_after']:,.0f} in AFTER"
        found.append(_look(f"samples that are NaN or infinite, taken as zeros here: {numbers}"))
    else:
        found.append(_good("every sample is a finite number"))
    if counts["at_limit"]:
        found.append(_look(f"{_many(counts['at_limit'], 'sample')} of AFTER reached the limit of the sample format and "
                           "may be clipped; BEFORE did not"))  # fmt: skip
    if counts["flat_traces"]:
        found.append(_look(f"{_many(counts['flat_traces'], 'trace')} of BEFORE may be clipped: the largest amplitude "
                           f"of the trace comes {_FLAT_SAMPLES} times or more in a row"))  # fmt: skip
    return found


def _traces(counts: Mapping[str, float], rules: Rules) -> list[Remark]:
    found = []
    if counts["filled"]:
        says = _good if rules.filling else _bad
        found.append(
            says(f"{_many(counts['filled'], 'trace')} filled: {counts['new']:,.0f} new, the others dead before")
        )
    if counts["dead_after"]:
        found.append(
            _look(f"{_many(counts['dead_after'], 'trace')} dead in AFTER ({counts['dead_before']:,.0f} dead in BEFORE)")
        )
    if counts["lost"]:
        found.append(_look(f"{_many(counts['lost'], 'trace')} of BEFORE have no counterpart in AFTER"))
    if counts["headers_changed"] > 0:
        found.append(_bad(f"{_many(counts['headers_changed'], 'trace header')} changed"))
    elif counts["headers_changed"] == 0:
        words = ", but for the words that make filled traces live" if counts["filled"] else ""
        found.append(_good(f"trace headers are the same, byte for byte{words}"))
    return found  # fmt: skip


def _at_limit(pair: GatherPair, sample_format: str) -> int:
    """Count samples of AFTER at the limits of an integer format that BEFORE was not at."""
    if "int" not in sample_format:
        return 0
    low, high = quantise(np.array([[-1e30, 1e30]]), sample_format)[0][0]
    return int((((pair.after <= low) & (pair.before > low)) | ((pair.after >= high) & (pair.before < high))).sum())


def _flat_traces(samples: np.ndarray) -> int:
    """Count traces that hold their largest amplitude in several samples in a row."""
    size = np.abs(samples)
    top = (size == size.max(axis=1, initial=0.0)[:, None]) & (size > 0)
    run = top[:, : max(top.shape[1] - _FLAT_SAMPLES + 1, 0)].copy()
    for shift in range(1, _FLAT_SAMPLES):
        run &= top[:, shift : shift + run.shape[1]]
    return int(run.any(axis=1).sum())


def _many(count: float, what: str) -> str:
    return f"{count:,.0f} {what}" + ("" if count == 1 else "s")


def _good(text: str) -> Remark:
    return Remark("good", text)


def _look(text: str) -> Remark:
    return Remark("look", text)


def _bad(text: str) -> Remark:
    return Remark("bad", text)
