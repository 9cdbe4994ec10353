"""Surveys in memory: made, checked for every fault at once, and seen as a grid."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seisdiff.errors import SurveyError
from seisdiff.survey import (
    check_order,
    check_survey,
    gather_bounds,
    make_survey,
    sample_interval,
    select,
    to_grid,
    vertical_dim,
)


def a_survey() -> xr.Dataset:
    """Three gathers of fold 3, 1 and 2, sample s of trace t being 10 t + s."""
    samples = 10.0 * np.arange(6)[:, None] + np.arange(4)
    return make_survey(
        samples, dt_ms=2.0, gather=np.array([7, 7, 7, 9, 8, 8]), offset=np.array([100, 200, 300, 200, 100, 300])
    )


def test_gathers_of_equal_fold_come_from_an_array_of_three_axes() -> None:
    survey = make_survey(np.zeros((3, 4, 5)), dt_ms=2.0, offset=[10, 20, 30, 40], gather=[5, 6, 9], start_ms=100.0)
    assert survey["gather"].values.tolist() == [5, 6, 9]
    assert survey["fold"].values.tolist() == [4, 4, 4]
    assert survey["cdp"].values.tolist() == [5] * 4 + [6] * 4 + [9] * 4
    assert survey["offset"].values.tolist() == [10, 20, 30, 40] * 3
    assert survey["time"].values.tolist() == [100, 102, 104, 106, 108]
    assert (vertical_dim(survey), sample_interval(survey)) == ("time", 2.0)


def test_gathers_of_any_fold_come_from_traces_in_a_row() -> None:
    survey = a_survey()
    assert gather_bounds(survey).tolist() == [0, 3, 4, 6]
    assert survey["gather"].values.tolist() == [7, 9, 8]
    assert make_survey(np.zeros((4, 5)), dt_ms=2.0)["fold"].values.tolist() == [4]
    depth = make_survey(np.zeros((4, 5), np.float64), dt_ms=5.0, axis="depth", gather_key="field_record")
    assert (vertical_dim(depth), depth["depth"].attrs["units"], depth["amplitude"].dtype) == ("depth", "m", np.float64)
    assert depth.attrs["gather_keys"] == ["field_record"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amplitude": np.zeros(4)},
        {"offset": np.zeros(5)},
        {"offset": np.zeros((4, 3))},
        {"gather": np.zeros(7)},
        {"gather": np.repeat([1, 2, 1], 4)},
        {"dt_ms": 0.0},
        {"dt_ms": -2.0},
        {"dt_ms": np.nan},
        {"trace_values": {"cdp_x": np.zeros(3)}},
        {"trace_values": {"live": np.zeros(12)}},
    ],
)
def test_what_makes_no_survey_is_refused(wrong: dict) -> None:
    given = {"amplitude": np.zeros((3, 4, 5)), "dt_ms": 2.0} | wrong
    with pytest.raises(SurveyError, match=r"\A[^\n]+\Z"):
        make_survey(**given)


def test_every_fault_is_told_at_once() -> None:
    survey = a_survey().drop_vars("source_trace")
    survey["fold"] = "gather", np.array([3, 0, 2])
    survey = survey.assign_coords(time=[0.0, 2.0, 5.0, 6.0]).assign(offset=("trace", np.arange(6)))
    survey.attrs |= {"sample_format": "float", "byte_order": "middle", "seisdiff_layout": 99}
    survey["trace_header"] = ("trace", "header_byte"), np.zeros((6, 200), np.uint8)
    with pytest.raises(SurveyError) as caught:
        check_survey(survey)
    message = str(caught.value)
    for word in (
        "source_trace",
        "fold adds up to 5",
        "below 1",
        "equal steps",
        "offset",
        "'float'",
        "'middle'",
        "99",
        "200 bytes",
    ):
        assert word in message
    assert "\n" not in message
    check_survey(a_survey())


def test_the_grid_holds_every_trace_at_its_place() -> None:
    grid = to_grid(a_survey())
    assert grid["amplitude"].dims == ("gather", "offset", "time")
    assert grid["offset"].values.tolist() == [100, 200, 300]
    assert grid["trace"].values.tolist() == [[0, 1, 2], [-1, 3, -1], [4, -1, 5]]
    assert np.array_equal(grid["live"].values, grid["trace"].values >= 0)
    for place, trace in np.ndenumerate(grid["trace"].values):
        expected = np.zeros(4) if trace < 0 else a_survey()["amplitude"].values[trace]
        assert np.array_equal(grid["amplitude"].values[place], expected)


def test_duplicates_are_refused_or_chosen_or_averaged() -> None:
    survey = a_survey().assign(offset=("trace", np.array([100.0, 104, 300, 200, 100, 100])))
    with pytest.raises(SurveyError, match="1 cells"):
        to_grid(survey)
    with pytest.raises(SurveyError, match="2 cells"):
        to_grid(survey, offset_step=50.0)
    first, mean = (to_grid(survey, offset_step=50.0, duplicates=how) for how in ("first", "mean"))
    assert first["offset"].values.tolist() == [100, 200, 300]
    assert first["amplitude"].values[:, :, 0].tolist() == [[0, 0, 20], [0, 30, 0], [40, 0, 0]]
    assert mean["amplitude"].values[:, :, 0].tolist() == [[5, 0, 20], [0, 30, 0], [45, 0, 0]]
    assert first["trace"].values.tolist() == mean["trace"].values.tolist() == [[0, -1, 2], [-1, 3, -1], [4, -1, -1]]


def test_dead_traces_do_not_count_in_the_grid() -> None:
    survey = a_survey().assign(
        offset=("trace", np.array([100.0, 100, 300, 200, 100, 300])),
        live=("trace", np.array([False, True, True, False, True, True])),
    )
    for how in ("refuse", "first", "mean"):
        grid = to_grid(survey, duplicates=how)
        assert grid["amplitude"].values[:, :, 0].tolist() == [[10, 0, 20], [0, 0, 0], [40, 0, 50]]
        assert grid["trace"].values.tolist() == [[1, -1, 2], [-1, -1, -1], [4, -1, 5]]


def test_grids_that_cannot_be_are_refused() -> None:
    with pytest.raises(SurveyError, match="max_gib"):
        to_grid(a_survey(), max_gib=1e-8)
    with pytest.raises(SurveyError, match="refuse, first or mean"):
        to_grid(a_survey(), duplicates="last")
    with pytest.raises(SurveyError, match="--key offset=BYTE"):
        to_grid(a_survey().drop_vars("offset"))
    for step in (0.0, -5.0, np.nan):
        with pytest.raises(SurveyError, match="offset_step"):
            to_grid(a_survey(), offset_step=step)


def test_part_of_a_survey_is_one() -> None:
    survey = make_survey(np.arange(60.0).reshape(4, 5, 3), dt_ms=4, offset=np.arange(5.0), gather=np.arange(4) + 7)
    some = select(survey, gather=[2, 0])
    check_survey(some)
    assert some["gather"].values.tolist() == [7, 9]
    assert np.array_equal(some["amplitude"].values, survey["amplitude"].values[[*range(5), *range(10, 15)]])
    near = select(survey, gather=slice(1, None), trace=survey["offset"].values < 2)
    assert near["fold"].values.tolist() == [2, 2, 2]
    assert near["offset"].values.tolist() == [0, 1] * 3
    assert select(survey, trace=slice(5, 10))["gather"].values.tolist() == [8]
    check_order(near)
    with pytest.raises(SurveyError, match="cannot choose from 4"):
        select(survey, gather=[4])


def test_traces_that_are_not_gather_by_gather_are_told() -> None:
    survey = make_survey(np.ones((3, 5, 4)), dt_ms=4, offset=np.arange(5.0), gather=np.arange(3) + 7)
    check_order(survey)
    with pytest.raises(SurveyError, match="trace 2 has cdp 8 and lies in a gather of cdp 7"):
        check_order(survey.isel(trace=[0, 5, 1, *range(6, 10), *range(2, 5), *range(10, 15)]))
    check_order(survey.assign_coords(gather=[1, 2, 3]))
    cdps = {"cdp": np.arange(15) + 1000}
    check_order(make_survey(np.ones((3, 5, 4)), dt_ms=4, offset=np.arange(5.0), trace_values=cdps))
