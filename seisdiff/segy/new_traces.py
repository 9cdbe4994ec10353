"""New traces between recorded ones: where they lie, and the header bytes they get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seisdiff.errors import OptionError
from seisdiff.segy.fields import FIELDS, Field, header_values, set_header_values
from seisdiff.segy.traces import SU_LAST_COMMON_BYTE

#: Fields of a new trace that lie between those of its neighbours, and the scalar that two neighbours must share.
_INTERPOLATED = {
    "offset": None,
    **dict.fromkeys(("source_coord_x", "source_coord_y", "group_coord_x", "group_coord_y"), "coordinate_scalar"),
    **dict.fromkeys(("cdp_x", "cdp_y"), "coordinate_scalar"),
    **dict.fromkeys(("receiver_elevation", "source_elevation", "source_depth"), "elevation_scalar"),
}


@dataclass(frozen=True)
class TracePlan:
    """What each output trace of a gather is, in output order, one value a trace.

    `recorded` is the row of the recorded trace that it is, -1 where it is new; a new trace lies between the rows `left`
    (the smaller offset) and `right`, at `left + weight * (right - left)`; weights outside 0 to 1 extrapolate. `offset`
    is its signed offset, m.
    """

    recorded: np.ndarray
    left: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    offset: np.ndarray

    def __len__(self) -> int:
        return len(self.recorded)

    @property
    def new(self) -> np.ndarray:
        """True where an output trace is not a recorded one."""
        return self.recorded < 0

    @property
    def nearest(self) -> np.ndarray:
        """The row of the recorded trace itself, or of the neighbour nearer to a new one."""
        return np.where(self.new, np.where(self.weight > 0.5, self.right, self.left), self.recorded)


def refine_offsets(offsets: np.ndarray, n: int) -> TracePlan:
    """Put n - 1 new traces, equally spaced, between each two neighbours in offset order (offsets signed, m).

    Recorded traces keep their order; new ones follow the neighbour that comes first in the gather, so that gathers
    sorted by offset, rising or falling, stay sorted. Of equal offsets the last trace is the neighbour, and nothing lies
    between them. Raises OptionError for n < 1.
    """
    if n < 1:
        raise OptionError(f"--refine {n} is not possible; expected 1 (no new traces) or more")
    offsets = np.asarray(offsets, np.float64)
    last = len(offsets) - 1 - np.unique(offsets[::-1], return_index=True)[1]
    low, high = np.repeat(last[:-1], n - 1), np.repeat(last[1:], n - 1)
    weight = np.tile(np.arange(1, n) / n, max(len(last) - 1, 0))
    first = np.minimum(low, high)
    away = np.where(first == low, weight, 1 - weight)
    rows = np.arange(len(offsets))
    order = np.lexsort((np.append(np.zeros(len(rows)), away), np.append(rows, first)))
    none = np.full(len(low), -1)
    return TracePlan(
        recorded=np.append(rows, none)[order],
        left=np.append(rows, low)[order],
        right=np.append(rows, high)[order],
        weight=np.append(np.zeros(len(rows)), weight)[order],
        offset=np.append(offsets, offsets[low] + weight * (offsets[high] - offsets[low]))[order],
    )


def match_offsets(offsets: np.ndarray, targets: np.ndarray, tolerance: float) -> TracePlan:
    """Say for each target offset which recorded trace it is, or between which two it lies (offsets signed, m).

    A recorded trace serves at most one target, the nearest, and only within `tolerance`; of several traces that
    are equally near the first of the gather is taken. Targets beyond the recorded offsets are extrapolated from the two
    outermost; a gather with a single offset serves all targets. Raises OptionError for an empty gather.
    """
    offsets, targets = np.asarray(offsets, np.float64), np.asarray(targets, np.float64)
    if not len(offsets):
        raise OptionError("--to-offsets: the gather holds no traces to interpolate from")
    distinct, rows = np.unique(offsets, return_index=True)
    right = np.clip(np.searchsorted(distinct, targets, side="left"), min(1, len(distinct) - 1), len(distinct) - 1)
    left = np.maximum(right - 1, 0)
    gap = distinct[right] - distinct[left]
    weight = np.where(gap > 0, (targets - distinct[left]) / np.where(gap > 0, gap, 1), 0.0)
    recorded = _nearest_within(distinct, targets, tolerance)
    return TracePlan(
        recorded=np.where(recorded >= 0, rows[recorded], -1),
        left=np.where(recorded >= 0, rows[recorded], rows[left]),
        right=np.where(recorded >= 0, rows[recorded], rows[right]),
        weight=np.where(recorded >= 0, 0.0, weight),
        offset=np.where(recorded >= 0, distinct[recorded], targets),
    )


def plan_headers(
    headers: np.ndarray,
    plan: TracePlan,
    byte_order: str,
    *,
    fields: dict[str, Field] | None = None,
    container: str = "segy",
    offset_words: np.ndarray | None = None,
) -> np.ndarray:
    """Return the headers, uint8 (output trace, header_byte), of a plan from those of the recorded traces of a gather.

    Recorded traces keep every byte. A new trace has the words of the nearest, identification code 2 (dead, for it holds
    nothing yet), and offset, coordinates and elevations interpolated in the file's own integers (of the nearest where
    scalars differ). `fields` says where fields lie if not at their standard bytes; `offset_words` are offset numbers,
    as recorded, to be set in the new traces instead of interpolated ones, one an output trace.
    """
    chosen = headers[plan.nearest]
    fresh = np.flatnonzero(plan.new)
    if not len(fresh):
        return chosen
    made = set_header_values(chosen[fresh], FIELDS["trace_id_code"], byte_order, 2)
    for name, scalar in _INTERPOLATED.items():
        field = (fields or {}).get(name, FIELDS[name])
        if container == "su" and field.last_byte > SU_LAST_COMMON_BYTE:
            continue
        numbers = _between(headers, plan, fresh, field, FIELDS[scalar] if scalar else None, byte_order)
        if name == "offset" and offset_words is not None:
            numbers = np.asarray(offset_words)[fresh]
        made = set_header_values(made, field, byte_order, _within(field, numbers))
    chosen[fresh] = made
    return chosen


def renumber(headers: np.ndarray, byte_order: str, first: int, first_in_line: int | None = None) -> np.ndarray:
    """Return headers of one gather with its traces numbered: in the file from `first`, in the ensemble from 1.

    `first_in_line` begins the number within the line; without it both run alike.
    """
    count = np.arange(len(headers))
    starts = {
        "trace_seq_line": first if first_in_line is None else first_in_line,
        "trace_seq_file": first,
        "trace_in_ensemble": 1,
    }
    for name, start in starts.items():
        headers = set_header_values(headers, FIELDS[name], byte_order, start + count)
    return headers


def set_live(headers: np.ndarray, byte_order: str) -> np.ndarray:
    """Return a copy of trace headers with trace identification code 1: seismic data."""
    return set_header_values(headers, FIELDS["trace_id_code"], byte_order, 1)


def _nearest_within(distinct: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
    """The place in `distinct` of the offset that each target takes, -1 where none; each goes to its nearest target."""
    right = np.clip(np.searchsorted(distinct, targets), 0, len(distinct) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(targets - distinct[left]) <= np.abs(targets - distinct[right]), left, right)
    distance = np.abs(targets - distinct[nearest])
    order = np.lexsort((np.arange(len(targets)), distance, nearest))
    taken = np.append(True, np.diff(nearest[order]) != 0)[: len(order)]
    winner = np.zeros(len(targets), bool)
    winner[order[taken]] = True
    return np.where(winner & (distance <= tolerance), nearest, -1)


def _between(
    headers: np.ndarray,
    plan: TracePlan,
    fresh: np.ndarray,
    field: Field,
    scalar: Field | None,
    byte_order: str,
) -> np.ndarray:
    values = header_values(headers, field, byte_order).astype(np.float64)
    left, right, weight = plan.left[fresh], plan.right[fresh], plan.weight[fresh]
    numbers = values[left] + weight * (values[right] - values[left])
    if scalar is None:
        return numbers
    scalars = header_values(headers, scalar, byte_order)
    return np.where(scalars[left] == scalars[right], numbers, values[plan.nearest[fresh]])


def _within(field: Field, numbers: np.ndarray) -> np.ndarray:
    if field.type[0] not in "iu":
        return numbers
    limits = np.iinfo(field.type)
    return np.clip(np.rint(numbers), limits.min, limits.max)
