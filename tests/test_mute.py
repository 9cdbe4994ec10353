"""Dead traces and mutes are told apart."""

from __future__ import annotations

import numpy as np

from seisdiff.mute import data_start, data_stop, find_live, first_nonzero, neighbour_mute


def muted_gather(offset: np.ndarray, n_samples: int, slope: float) -> np.ndarray:
    """Ones below a straight mute of `slope` samples a metre."""
    return (np.arange(n_samples) >= slope * np.abs(offset)[:, None]).astype(np.float32)


def test_first_nonzero_is_the_length_for_a_trace_of_zeros() -> None:
    amplitude = np.array([[0, 0, 3.0], [0, 0, 0], [1, 0, 0]], np.float32)
    assert first_nonzero(amplitude).tolist() == [2, 3, 0]


def test_a_far_trace_muted_to_zero_is_live_and_a_near_one_is_dead() -> None:
    offset = np.arange(0, 2000, 100.0)
    amplitude = muted_gather(offset, 150, 0.1)
    assert not amplitude[-3:].any()
    amplitude[5] = 0
    live = find_live(first_nonzero(amplitude), 150, offset)
    assert np.flatnonzero(~live).tolist() == [5]


def test_split_spread_mutes_are_extended_on_both_sides() -> None:
    offset = np.arange(-2000, 2001, 100.0)
    amplitude = muted_gather(offset, 150, 0.1)
    amplitude[20] = 0
    assert np.flatnonzero(~find_live(first_nonzero(amplitude), 150, offset)).tolist() == [20]


def test_a_trace_zeroed_without_any_mute_is_dead_at_the_far_end_too() -> None:
    amplitude = np.ones((6, 50), np.float32)
    amplitude[-1] = 0
    assert find_live(first_nonzero(amplitude), 50, np.arange(6.0)).tolist() == [True] * 5 + [False]


def test_mute_word_to_the_end_of_the_record_means_muted_not_dead() -> None:
    amplitude = np.ones((3, 50), np.float32)
    amplitude[1] = 0
    words = np.array([0, 50, 0])
    assert find_live(first_nonzero(amplitude), 50, np.arange(3.0), None, words).all()


def test_identification_code_2_is_dead_whatever_the_samples() -> None:
    first = np.zeros(3, np.int64)
    assert find_live(first, 50, np.arange(3.0), np.array([1, 2, 1])).tolist() == [True, False, True]


def test_all_zero_gather_is_dead() -> None:
    assert not find_live(np.full(4, 50), 50, np.arange(4.0)).any()


def test_mute_is_interpolated_at_dead_traces_to_the_sample() -> None:
    offset = np.arange(0, 1000, 100.0)
    first = first_nonzero(muted_gather(offset, 200, 0.1))
    live = np.ones(10, bool)
    live[[4, 9]] = False
    broken = np.where(live, first, 200)
    assert data_start(broken, 200, offset, live).tolist() == first.tolist()


def test_mute_word_later_than_the_first_sample_wins_where_it_ends_inside() -> None:
    start = data_start(np.array([3, 3, 3]), 50, np.arange(3.0), np.ones(3, bool), np.array([10, 0, 60]))
    assert start.tolist() == [10, 3, 3]


def test_neighbour_mute_never_shrinks_outwards() -> None:
    offset = np.array([0.0, 100, 200, 300])
    mute = neighbour_mute(np.array([30, 20, 10, 0]), offset, np.array([True, True, True, False]))
    assert mute[3] == 10


def test_the_end_of_the_data_is_interpolated_at_dead_traces() -> None:
    offset = np.arange(5.0)
    stop = np.array([90, 85, 0, 75, 100])
    live = np.array([True, True, False, True, True])
    assert data_stop(stop, 100, offset, live).tolist() == [90, 85, 80, 75, 100]
