"""Units cover every trace once, in order, and overlap reading, computing and writing."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff.errors import OptionError
from seisdiff.units import Unit, check_unit_sizes, gather_units, row_units, run_units

folds = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def bounds_of(fold: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(fold)])


@settings(deadline=None)
@given(folds, st.integers(1, 100))
def test_gather_units_are_whole_gathers_within_the_bound(fold: list[int], most: int) -> None:
    bounds = bounds_of(fold)
    units = gather_units(bounds, most)
    assert [row for unit in units for row in range(unit.rows.start, unit.rows.stop)] == list(range(sum(fold)))
    for unit in units:
        assert (unit.rows.start, unit.rows.stop) == (bounds[unit.gathers.start], bounds[unit.gathers.stop])
        assert unit.rows.stop - unit.rows.start <= most or unit.gathers.stop - unit.gathers.start == 1


@settings(deadline=None)
@given(folds, st.integers(1, 100))
def test_row_units_read_every_gather_that_they_touch_and_no_other(fold: list[int], size: int) -> None:
    bounds = bounds_of(fold)
    units = row_units(bounds, size)
    assert [row for unit in units for row in range(unit.rows.start, unit.rows.stop)] == list(range(sum(fold)))
    owner = np.repeat(np.arange(len(fold)), fold)
    for unit in units:
        touched = np.unique(owner[unit.rows])
        assert (unit.gathers.start, unit.gathers.stop) == (touched[0], touched[-1] + 1)


def test_a_unit_larger_than_memory_names_the_bound_that_would_do() -> None:
    bounds = bounds_of([100_000])
    with pytest.raises(OptionError, match=r"--memory \d+"):
        check_unit_sizes(gather_units(bounds, 10), bounds, 40_000, 1.0)


def test_run_units_overlaps_and_keeps_order() -> None:
    units = [Unit(number, slice(number, number + 1), slice(number, number + 1)) for number in range(5)]
    read_second, compute_first = threading.Event(), threading.Event()

    def read(unit: Unit) -> int:
        if unit.number == 1:
            read_second.set()
        return unit.number * 10

    def compute(unit: Unit, block: int) -> int:
        if unit.number == 0:
            assert read_second.wait(10), "the second unit is not read while the first is computed"
            compute_first.set()
        return block + 1

    done = list(run_units(units, read, compute, lambda unit, result: (unit.number, result)))
    assert [result for _, result in done] == [(number, number * 10 + 1) for number in range(5)]


@pytest.mark.parametrize("step", ["read", "compute", "write"])
def test_errors_of_any_step_reach_the_caller(step: str) -> None:
    units = [Unit(number, slice(number, number + 1), slice(number, number + 1)) for number in range(4)]

    def fail(name: str, unit: Unit) -> int:
        if name == step and unit.number == 2:
            raise ValueError(step)
        return unit.number

    with pytest.raises(ValueError, match=step):
        list(
            run_units(units, lambda u: fail("read", u), lambda u, _: fail("compute", u), lambda u, _: fail("write", u))
        )


def test_no_units() -> None:
    assert list(run_units([], lambda u: 0, lambda u, b: 0, lambda u, r: 0)) == []
