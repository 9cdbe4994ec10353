"""Which traces of a file form gathers, and in which order a survey holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError

#: The word that stands for "the whole file is one gather".
WHOLE = "all"
#: Keys that are tried where none is asked for, the likelier first.
CANDIDATES = ("cdp", "field_record")


@dataclass(frozen=True)
class Grouping:
    """The gathers of a file: `order` (file positions; None: as in the file), `fold` and each key's value, by gather."""

    keys: tuple[str, ...]
    order: np.ndarray | None
    fold: np.ndarray
    values: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Runs:
    """Runs of equal numbers: where they begin, how many different ones there are, and whether each forms one run."""

    starts: np.ndarray
    contiguous: bool
    mean_fold: float


def choose_keys(columns: Mapping[str, np.ndarray], one_offset: bool = False) -> tuple[str, ...]:
    """Choose the gather key of a file from its header numbers (all traces, by name; see CANDIDATES).

    Keys that are all zero are out. Of the keys whose values each form one run, with two or more traces a gather, the
    one with more gathers wins, then cdp; of those with fewer the larger fold. If no key is contiguous, the first with
    two or more traces a gather is sorted by. Else, and where every gather would be one trace, the file is one gather.
    So is a stack, in which every trace has a cdp of its own and the same offset (`one_offset`).
    """
    runs = {name: _runs([columns[name]]) for name in CANDIDATES if name in columns and columns[name].any()}
    if one_offset and "cdp" in runs and runs["cdp"].mean_fold == 1:
        return (WHOLE,)
    contiguous = {name: run for name, run in runs.items() if run.contiguous and run.mean_fold > 1}
    multiple = {name: run for name, run in contiguous.items() if run.mean_fold >= 2}
    if multiple:
        return (max(multiple, key=lambda name: len(multiple[name].starts)),)
    if contiguous:
        return (max(contiguous, key=lambda name: contiguous[name].mean_fold),)
    scattered = [name for name, run in runs.items() if not run.contiguous and run.mean_fold >= 2]
    return (scattered[0],) if scattered else (WHOLE,)


def group(
    keys: Sequence[str], columns: Mapping[str, np.ndarray], n_traces: int, sort: Sequence[np.ndarray] = ()
) -> Grouping:
    """Form gathers of the traces with equal `keys`, in file order where each is one run of traces, else sorted by key.

    Inside a gather traces stay in file order, or are sorted by the numbers `sort` (each one a trace), stably.
    """
    if tuple(keys) == (WHOLE,):
        numbers, starts, order = [], np.zeros(1, np.int64), None
    else:
        numbers = [columns[key] for key in keys]
        for key, column in zip(keys, numbers, strict=True):
            if column.dtype.kind == "f" and not (np.isfinite(column).all() and (column == np.rint(column)).all()):
                raise OptionError(
                    f"gathers by {key}: some of its values are no whole numbers; expected ensemble numbers"
                )
        runs = _runs(numbers)
        order = None if runs.contiguous else np.lexsort(numbers[::-1])
        starts = runs.starts if order is None else _starts([column[order] for column in numbers])
    fold = np.diff(np.append(starts, n_traces)).astype(np.int64)
    first = starts if order is None else order[starts]
    values = {key: column[first].astype(np.int64) for key, column in zip(keys, numbers, strict=False)}
    return Grouping(tuple(keys), _sorted_inside(order, fold, sort), fold, values)


def describe_gathers(survey: xr.Dataset) -> str:
    """Return one line that says by which keys the traces of a survey form gathers, and how many."""
    fold = survey["fold"].values
    keys, sorted_by = survey.attrs.get("gather_keys", []), survey.attrs.get("sort_keys", [])
    by = "the whole survey as one gather" if list(keys) == [WHOLE] else f"gathers by {', '.join(keys)}: {len(fold)}"
    folds = f"fold {fold.min()}" if len(fold) and fold.min() == fold.max() else f"fold {fold.min()} to {fold.max()}"
    return f"{by}, {folds}, {fold.sum()} traces" + (f", sorted by {', '.join(sorted_by)}" if len(sorted_by) else "")


def _starts(numbers: Sequence[np.ndarray]) -> np.ndarray:
    changes = np.zeros(max(len(numbers[0]) - 1, 0), bool)
    for column in numbers:
        changes |= column[1:] != column[:-1]
    return np.append(0, np.flatnonzero(changes) + 1)


def _runs(numbers: Sequence[np.ndarray]) -> _Runs:
    starts = _starts(numbers)
    firsts = np.stack([column[starts] for column in numbers], axis=1)
    distinct = len(np.unique(firsts, axis=0)) if len(numbers) > 1 else len(np.unique(firsts[:, 0]))
    return _Runs(starts, distinct == len(starts), len(numbers[0]) / distinct)


def _sorted_inside(order: np.ndarray | None, fold: np.ndarray, sort: Sequence[np.ndarray]) -> np.ndarray | None:
    if sort:
        columns = [column if order is None else column[order] for column in sort]
        gather = np.repeat(np.arange(len(fold)), fold)
        inside = np.lexsort([*columns[::-1], gather])
        order = inside if order is None else order[inside]
    return None if order is None or np.array_equal(order, np.arange(len(order))) else order
