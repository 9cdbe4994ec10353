"""What a finished run tells its user."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seisdiff.passes import Summary


def print_summary(summary: Summary, target: str, quiet: bool) -> None:
    """Print where the result is and what deserves a word, on standard error."""
    if quiet:
        return
    for line in summary_lines(summary, target):
        print(line, file=sys.stderr)


def summary_lines(summary: Summary, target: str) -> list[str]:
    """Return the result in one line and one more for each thing that was unusual."""
    if summary.already_done:
        return [f"{target} is complete: nothing to do"]
    if summary.left:
        return [f"{target}: {summary.units} units are done, {summary.left} are left to other shares"]
    rate = summary.gathers / max(summary.seconds, 1e-3)
    gathers = f"{summary.gathers} gather" + ("" if summary.gathers == 1 else "s")
    lines = [f"{target}: {gathers}, {summary.traces} traces, {summary.seconds:.1f} s, {rate:.1f} gathers/s"]
    if summary.start_ms:
        low, middle, high = summary.start_ms
        lines.append(f"estimated first multiple: {middle:.0f} ms (from {low:.0f} to {high:.0f})")
    counts = {
        "units kept of the interrupted run": summary.resumed_units,
        "dead or new traces filled": summary.filled_traces,
        "traces left dead": summary.dead_traces,
    }
    return [*lines, *(f"{what}: {count}" for what, count in counts.items() if count), *bad_samples(summary)]


def bad_samples(summary: Summary) -> list[str]:
    """Return a line for samples that were clipped, and one for those that were no numbers, where there are any."""
    counts = {
        "samples clipped to the range of the output's format": summary.clipped_samples,
        "non-finite samples taken as zeros": summary.nonfinite_samples,
    }
    return [f"{what}: {count}" for what, count in counts.items() if count]
