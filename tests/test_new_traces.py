"""New traces: where they lie between recorded ones, and what their headers say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seisdiff.errors import OptionError
from seisdiff.segy import (
    FIELDS,
    header_values,
    match_offsets,
    plan_headers,
    refine_offsets,
    renumber,
    resolve_field,
    set_header_values,
    set_live,
)

_OFFSETS = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=12)


def _headers(byte_order: str = "big", **words: list[int]) -> np.ndarray:
    count = len(next(iter(words.values())))
    headers = np.random.default_rng(1).integers(0, 256, (count, 240)).astype(np.uint8)
    for name in ("coordinate_scalar", "elevation_scalar"):
        headers = set_header_values(headers, FIELDS[name], byte_order, -10)
    for name, values in words.items():
        headers = set_header_values(headers, FIELDS[name], byte_order, np.array(values))
    return headers


def _word(headers: np.ndarray, name: str, byte_order: str = "big") -> list[int]:
    return header_values(headers, FIELDS[name], byte_order).tolist()


def test_refining_halves_and_thirds_the_spacing():
    assert refine_offsets(np.array([100.0, 200, 400]), 2).offset.tolist() == [100, 150, 200, 300, 400]
    thirds = refine_offsets(np.array([0.0, 30]), 3)
    np.testing.assert_allclose(thirds.offset, [0, 10, 20, 30])
    assert thirds.recorded.tolist() == [0, -1, -1, 1]
    np.testing.assert_allclose(thirds.weight, [0, 1 / 3, 2 / 3, 0])


def test_refining_keeps_falling_gathers_falling_and_unsorted_ones_in_order():
    falling = refine_offsets(np.array([300.0, 200, 100]), 3)
    assert (np.diff(falling.offset) < 0).all()
    assert falling.recorded[~falling.new].tolist() == [0, 1, 2]
    mixed = refine_offsets(np.array([200.0, 100, 300]), 2)
    assert mixed.offset.tolist() == [200, 150, 250, 100, 300]
    assert mixed.recorded.tolist() == [0, -1, -1, 1, 2]


def test_refining_leaves_duplicates_and_single_traces_alone():
    doubled = refine_offsets(np.array([100.0, 100, 200, 200]), 2)
    assert doubled.offset.tolist() == [100, 100, 150, 200, 200]
    assert len(refine_offsets(np.array([5.0]), 4)) == 1
    assert not refine_offsets(np.array([1.0, 2, 3]), 1).new.any()
    with pytest.raises(OptionError, match="--refine 0"):
        refine_offsets(np.array([1.0]), 0)


@given(_OFFSETS, st.integers(1, 5))
def test_refined_gathers_hold_every_trace_once_and_the_offsets_between(offsets, n):
    plan = refine_offsets(np.array(offsets), n)
    assert plan.recorded[~plan.new].tolist() == list(range(len(offsets)))
    distinct = np.unique(offsets)
    assert plan.new.sum() == (n - 1) * (len(distinct) - 1)
    known = np.array(offsets)
    np.testing.assert_allclose(plan.offset, known[plan.left] + plan.weight * (known[plan.right] - known[plan.left]))
    if offsets == sorted(offsets):
        assert (np.diff(plan.offset) >= 0).all()
    if offsets == sorted(offsets, reverse=True):
        assert (np.diff(plan.offset) <= 0).all()


def test_targets_take_recorded_traces_within_the_tolerance():
    plan = match_offsets(np.array([300.0, 100, 205]), np.array([100.0, 200, 250, 300]), tolerance=10)
    assert plan.recorded.tolist() == [1, 2, -1, 0]
    assert plan.offset.tolist() == [100, 205, 250, 300]
    assert (plan.left[2], plan.right[2]) == (2, 0)
    assert plan.weight[2] == pytest.approx(45 / 95)


def test_a_recorded_trace_serves_one_target_and_duplicates_the_first():
    plan = match_offsets(np.array([100.0, 100]), np.array([98.0, 101, 104]), tolerance=5)
    assert plan.recorded.tolist() == [-1, 0, -1]
    assert plan.offset.tolist() == [98, 100, 104]


def test_targets_outside_are_extrapolated():
    plan = match_offsets(np.array([100.0, 200]), np.array([50.0, 300]), tolerance=1)
    assert plan.weight.tolist() == [-0.5, 2.0]
    assert plan.nearest.tolist() == [0, 1]
    with pytest.raises(OptionError, match="no traces"):
        match_offsets(np.array([]), np.array([1.0]), 1)


@given(_OFFSETS, _OFFSETS, st.floats(0, 5))
def test_every_target_is_met(offsets, targets, tolerance):
    known, wanted = np.array(offsets), np.array(targets)
    plan = match_offsets(known, wanted, tolerance)
    assert len(plan) == len(wanted)
    assert (np.abs(plan.offset - wanted) <= tolerance).all()
    used = plan.recorded[~plan.new]
    assert len(set(used)) == len(used)
    np.testing.assert_array_equal(plan.offset[~plan.new], known[used])
    if len(set(offsets)) > 1:
        between = known[plan.left] + plan.weight * (known[plan.right] - known[plan.left])
        np.testing.assert_allclose(between[plan.new], wanted[plan.new], atol=1e-9)


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_headers_of_new_traces_lie_between_their_neighbours(byte_order):
    headers = _headers(
        byte_order, offset=[100, 200], group_coord_x=[1000, 1101], receiver_elevation=[50, 70], cdp=[7, 8]
    )
    plan = refine_offsets(np.array([100.0, 200]), 4)
    made = plan_headers(headers, plan, byte_order)
    assert _word(made, "offset", byte_order) == [100, 125, 150, 175, 200]
    assert _word(made, "group_coord_x", byte_order) == [1000, 1025, 1050, 1076, 1101]
    assert _word(made, "receiver_elevation", byte_order) == [50, 55, 60, 65, 70]
    assert _word(made, "cdp", byte_order) == [7, 7, 7, 8, 8]
    assert _word(made, "trace_id_code", byte_order)[1:4] == [2, 2, 2]
    np.testing.assert_array_equal(made[[0, 4]], headers)
    changed = np.flatnonzero(made[1] != headers[0])
    allowed = [FIELDS[name].bytes for name in ("offset", "trace_id_code", "source_coord_x", "source_coord_y",
               "group_coord_x", "group_coord_y", "cdp_x", "cdp_y", "receiver_elevation", "source_elevation",
               "source_depth")]  # fmt: skip
    assert all(any(part.start <= byte < part.stop for part in allowed) for byte in changed)


def test_different_scalars_give_the_words_of_the_nearest():
    headers = _headers(offset=[0, 100], source_coord_x=[500, 60], coordinate_scalar=[1, 10], source_elevation=[10, 20])
    made = plan_headers(headers, refine_offsets(np.array([0.0, 100]), 4), "big")
    assert _word(made, "source_coord_x") == [500, 500, 500, 60, 60]
    assert _word(made, "source_elevation") == [10, 12, 15, 18, 20]


def test_su_floats_and_moved_fields_are_respected():
    headers = _headers(offset=[0, 100], cdp_x=[11, 99])
    plan = refine_offsets(np.array([0.0, 100]), 2)
    assert _word(plan_headers(headers, plan, "big", container="su"), "cdp_x") == [11, 11, 99]
    assert _word(plan_headers(headers, plan, "big"), "cdp_x") == [11, 55, 99]
    moved = resolve_field("offset=233")
    headers = set_header_values(headers, moved, "big", np.array([40, 60]))
    made = plan_headers(headers, plan, "big", fields={"offset": moved})
    assert header_values(made, moved, "big").tolist() == [40, 50, 60]


def test_one_trace_serves_all_targets_with_their_offsets():
    headers = _headers(offset=[100], cdp=[5])
    plan = match_offsets(np.array([100.0]), np.array([50.0, 100, 150]), 1)
    made = plan_headers(headers, plan, "big", offset_words=np.rint(plan.offset))
    assert _word(made, "offset") == [50, 100, 150]
    assert _word(made, "cdp") == [5, 5, 5]


def test_extrapolated_words_stay_inside_their_type():
    headers = _headers(offset=[0, 100], source_coord_x=[0, 2**31 - 1])
    made = plan_headers(headers, match_offsets(np.array([0.0, 100]), np.array([900.0]), 1), "big")
    assert _word(made, "source_coord_x") == [2**31 - 1]


def test_traces_are_numbered_and_nothing_else_changes():
    headers = _headers(offset=[1, 2, 3])
    made = renumber(headers, "big", 41, first_in_line=7)
    assert _word(made, "trace_seq_line") == [7, 8, 9]
    assert _word(made, "trace_seq_file") == [41, 42, 43]
    assert _word(made, "trace_in_ensemble") == [1, 2, 3]
    numbers = [byte for name in ("trace_seq_line", "trace_seq_file", "trace_in_ensemble")
               for byte in range(FIELDS[name].byte - 1, FIELDS[name].last_byte)]  # fmt: skip
    np.testing.assert_array_equal(np.delete(made, numbers, axis=1), np.delete(headers, numbers, axis=1))
    assert _word(renumber(headers, "big", 5), "trace_seq_line") == [5, 6, 7]


def test_live_traces_say_so_and_the_given_headers_are_not_changed():
    headers = _headers(offset=[1, 2], trace_id_code=[2, 1])
    before = headers.copy()
    assert _word(set_live(headers, "big"), "trace_id_code") == [1, 1]
    np.testing.assert_array_equal(headers, before)
