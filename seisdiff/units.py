"""Units of work: runs of traces that are read, computed and written as one, and the loop that runs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from seisdiff.errors import OptionError

Block = TypeVar("Block")
Result = TypeVar("Result")

#: Blocks that are in memory at once (one being read, computed and written) times the copies that each step makes.
_COPIES_IN_FLIGHT = 30
_MOST_GIB = 2**20
#: Units that are read ahead of the one that is computed, and that may be waiting to be written.
_AHEAD = 2


@dataclass(frozen=True)
class Unit:
    """A unit writes the traces `rows` and reads those of the whole gathers `gathers` that they belong to."""

    number: int
    rows: slice
    gathers: slice


def unit_bytes(memory_gib: float) -> int:
    """Return how many bytes of samples a unit may hold so that a run stays within `memory_gib`."""
    if not 0 < memory_gib <= _MOST_GIB:
        raise OptionError(f"--memory {memory_gib:g}: expected GiB, more than 0 and at most {_MOST_GIB}")
    return int(memory_gib * 2**30 / _COPIES_IN_FLIGHT)


def gather_units(bounds: np.ndarray, max_rows: int) -> list[Unit]:
    """Cut a survey into runs of whole gathers of at most `max_rows` traces (at least one gather).

    `bounds` (gather + 1) are the rows at which gathers begin and end.
    """
    units, low = [], 0
    while low < len(bounds) - 1:
        high = int(np.searchsorted(bounds, bounds[low] + max_rows, side="right")) - 1
        high = max(high, low + 1)
        units.append(Unit(len(units), slice(int(bounds[low]), int(bounds[high])), slice(low, high)))
        low = high
    return units


def row_units(bounds: np.ndarray, unit_rows: int) -> list[Unit]:
    """Cut a survey into runs of exactly `unit_rows` traces, the last one shorter, whatever gathers they cut."""
    total = int(bounds[-1])
    starts = range(0, total, unit_rows)
    return [_row_unit(bounds, number, start, min(start + unit_rows, total)) for number, start in enumerate(starts)]


def most_rows(trace_bytes: int, memory_gib: float) -> int:
    """Return how many traces may be in memory at once within `memory_gib`: more than a unit has, for large gathers."""
    return max(1, int(max(memory_gib, 0.25) * 4 * 2**30 / (trace_bytes * _COPIES_IN_FLIGHT)))


def check_unit_sizes(units: Sequence[Unit], bounds: np.ndarray, trace_bytes: int, memory_gib: float) -> None:
    """Raise OptionError where a unit reads more than the memory bound allows, naming the bound that would do."""
    rows = max((int(bounds[unit.gathers.stop] - bounds[unit.gathers.start]) for unit in units), default=0)
    needed = rows * trace_bytes * _COPIES_IN_FLIGHT / 2**30
    if needed > max(memory_gib, 0.25) * 4:
        raise OptionError(
            f"{rows} traces must be in memory at once, which --memory {memory_gib:g} does not allow; "
            f"use --memory {np.ceil(needed / 4):g}, or smaller gathers (--gather)"
        )


def run_units(
    units: Iterable[Unit],
    read: Callable[[Unit], Block],
    compute: Callable[[Unit, Block], Result],
    write: Callable[[Unit, Result], Any],
) -> Iterator[tuple[Unit, Any]]:
    """Read, compute and write every unit, overlapped, and yield each with what `write` returned, in order.

    While one unit is computed the next ones are read and the last ones written, `_AHEAD` of each. What any step raises
    is raised here, after the writing under way has ended.
    """
    with ThreadPoolExecutor(_AHEAD, "read") as reader, ThreadPoolExecutor(_AHEAD, "write") as writer:
        writing: deque[tuple[Unit, Future]] = deque()
        for unit, block in _read_ahead(units, read, reader):
            result = compute(unit, block)
            del block
            if len(writing) == _AHEAD:
                written, future = writing.popleft()
                yield written, future.result()
            writing.append((unit, writer.submit(write, unit, result)))
            del result
        for written, future in writing:
            yield written, future.result()


def _row_unit(bounds: np.ndarray, number: int, start: int, stop: int) -> Unit:
    low = int(np.searchsorted(bounds, start, side="right")) - 1
    high = int(np.searchsorted(bounds, stop, side="left"))
    return Unit(number, slice(start, stop), slice(low, high))


def _read_ahead(
    units: Iterable[Unit], read: Callable[[Unit], Block], reader: ThreadPoolExecutor
) -> Iterator[tuple[Unit, Block]]:
    ahead: deque[tuple[Unit, Future[Block]]] = deque()
    for unit in units:
        ahead.append((unit, reader.submit(read, unit)))
        if len(ahead) > _AHEAD:
            first, future = ahead.popleft()
            yield first, future.result()
            del future
    while ahead:
        first, future = ahead.popleft()
        yield first, future.result()
