"""Scores below a time, per second, by water depth, on AVO and on inserted primaries, against closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff import scores
from seisdiff.cli.app import main
from seisdiff.errors import OptionError
from seisdiff.segy import SegyWriter
from seisdiff.survey import make_survey
from seisdiff.tasks.start import StartTable

TIMES = 4.0 * np.arange(1000)
OFFSET = 150.0 + 50.0 * np.arange(40)
SQUARE = (OFFSET / OFFSET.max()) ** 2


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def ricker(at_ms: float, frequency: float = 25.0, times: np.ndarray = TIMES) -> np.ndarray:
    phase = (np.pi * frequency * (times - at_ms) / 1000) ** 2
    return (1 - 2 * phase) * np.exp(-phase) + 1e-9


# Below a time


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 3990), st.floats(-20, 20))
def test_snr_below_a_time_sees_nothing_earlier(from_ms, level):
    truth = noise(3, 1000)
    error = np.where(from_ms < TIMES, 10 ** (-level / 20), 7.0) * truth
    assert scores.snr_below_db(truth, truth + error, TIMES, from_ms) == pytest.approx(level, abs=1e-6)


def test_snr_below_takes_times_of_each_trace():
    truth = noise(2, 100)
    times = np.stack([4.0 * np.arange(100), 200 + 4.0 * np.arange(100)])
    estimate = np.where(times > 300, 0.9, 5.0) * truth
    assert scores.snr_below_db(truth, estimate, times, 300.0) == pytest.approx(20.0)


@pytest.mark.parametrize("from_ms", [np.nan, np.inf, 4000.0])
def test_without_samples_below_there_is_no_figure(from_ms):
    assert np.isnan(scores.snr_below_db(noise(2, 1000), noise(2, 1000, seed=1), TIMES, from_ms))


# Per second


def test_every_second_weighs_the_same():
    truth = noise(4, 1000) * np.repeat([100.0, 1.0, 10.0, 0.02], 250)
    error = truth * np.repeat(10 ** (-np.array([30.0, 10.0, 0.0, -6.0]) / 20), 250)
    assert scores.snr_per_second_db(truth, truth + error, TIMES) == pytest.approx((30 + 10 + 0 - 6) / 4)
    assert scores.snr_db(truth, truth + error) == pytest.approx(20.0, abs=0.1)


def test_a_window_counts_between_minus_40_and_40_db():
    truth = noise(4, 500)
    estimate = truth.copy()
    estimate[:, 250:] = 0.9 * truth[:, 250:]
    assert scores.snr_per_second_db(truth, estimate, TIMES[:500]) == pytest.approx((40 + 20) / 2)
    estimate[:, 250:] = 1e6 * truth[:, 250:]
    assert scores.snr_per_second_db(truth, estimate, TIMES[:500]) == pytest.approx(0.0)


@pytest.mark.parametrize("quiet", [0.0, 1e-5])
def test_windows_without_signal_are_left_out(quiet):
    truth = noise(4, 750)
    truth[:, :250] *= quiet
    estimate = truth * 0.9
    estimate[:, :250] = noise(4, 250, seed=1)
    assert scores.snr_per_second_db(truth, estimate, TIMES[:750]) == pytest.approx(20.0)
    assert np.isnan(scores.snr_per_second_db(0 * truth, estimate, TIMES[:750]))


@pytest.mark.parametrize(("samples", "windows"), [(374, 1), (375, 2), (100, 1), (625, 3)])
def test_a_short_last_window_belongs_to_the_one_before(samples, windows):
    truth = np.ones((1, samples))
    levels = np.array([20.0, 0.0, 10.0])[np.minimum(np.arange(samples) // 250, windows - 1)]
    error = 10 ** (-levels / 20)
    expected = {1: 20.0, 2: 10.0, 3: 10.0}[windows]
    assert scores.snr_per_second_db(truth, truth + error, TIMES[:samples]) == pytest.approx(expected)


def test_windows_begin_at_the_first_sample_and_traces_may_be_dead():
    truth = noise(3, 500)
    estimate = 0.9 * truth
    estimate[1] = 50
    live = np.array([True, False, True])
    assert scores.snr_per_second_db(truth, estimate, 333.0 + TIMES[:500], live) == pytest.approx(20.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_give_figures_that_are_none(bad):
    truth, estimate = noise(6, 300), noise(6, 300, seed=1)
    estimate[2, 30] = bad
    times = TIMES[:300]
    assert np.isnan(scores.snr_db(truth, estimate))
    assert np.isnan(scores.snr_db(estimate, truth))
    assert np.isnan(scores.snr_per_second_db(truth, estimate, times))
    assert np.isnan(scores.snr_below_db(truth, estimate, times, 0.0))
    assert np.isnan(scores.psnr_db(truth, estimate))
    assert np.isnan(scores.ssim(truth, estimate))
    assert np.isnan(scores.leakage(truth, estimate))
    assert np.isnan(scores.spectrum_error_db(truth, estimate))
    live = np.arange(6) != 2
    assert np.isfinite(scores.snr_db(truth, estimate, live))


# Scored traces


def test_only_scored_traces_count_but_their_neighbours_are_seen():
    truth = noise(12, 80)
    estimate = truth + 0.1 * noise(12, 80, seed=1)
    estimate[::2] = truth[::2]
    live, scored = np.ones(12, bool), np.arange(12) % 2 == 1
    one = scores.score_gather(5, [truth, estimate, np.where(scored[:, None], 0, truth)], live, scored=scored)
    assert (one.gather, one.traces) == (5, 6)
    assert one.snr_db == pytest.approx(scores.snr_db(truth[1::2], estimate[1::2]))
    assert one.input_snr_db == pytest.approx(0.0)
    assert one.ssim == pytest.approx(scores.ssim(truth, estimate, live, scored))
    assert one.ssim < scores.ssim(truth, estimate)
    assert scores.ssim(truth, estimate, live, live) == pytest.approx(scores.ssim(truth, estimate))
    assert one.snr_per_second_db is None


# Water depth


def test_classes_of_water_depth():
    shallow, middle, deep = scores.WATER_CLASSES
    depths = [0, 179.9, 180, 900, 900.1, 5000, None, np.nan]
    assert [scores.water_class(depth) for depth in depths] == [shallow, shallow, middle, middle, deep, deep, None, None]


# AVO


def primaries(*events: tuple[float, float, float]) -> np.ndarray:
    """Return flat primaries of (time, intercept, gradient)."""
    return sum((a + b * SQUARE)[:, None] * ricker(at) for at, a, b in events)  # type: ignore[return-value]


def test_avo_errors_are_those_put_in():
    truth = primaries((800, 2.0, -1.0), (1600, -0.5, 1.5), (2400, 0.1, 0.0))
    estimate = primaries((800, 1.8, -1.0), (1600, -0.5, 1.2), (2400, 0.13, -0.05))
    errors = scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([800.0, 1600.0, 2400.0]))
    np.testing.assert_allclose(errors, [[0.1, 0.0], [0.0, 0.6], [0.3, 0.5]], atol=2e-3)


def test_avo_intercept_and_gradient_of_a_fit():
    amplitude = 3.0 - 2.0 * SQUARE
    assert scores.fit_avo(amplitude, OFFSET, OFFSET.max()) == pytest.approx((3.0, -2.0))
    assert scores.fit_avo(amplitude[::-1], -OFFSET[::-1], OFFSET.max()) == pytest.approx((3.0, -2.0))
    assert np.isnan(scores.fit_avo(amplitude, 0 * OFFSET + 500, 500.0)).all()


def test_picks_move_to_the_peak_and_leave_out_mute_dead_and_lone_traces():
    truth = primaries((1000, 1.0, -0.5))
    truth[30:] = 0
    truth[:, TIMES > 2000] = 0
    estimate = 0.8 * primaries((1000, 1.0, -0.5))
    estimate[:3] = 1e3
    live = np.arange(40) >= 3
    errors = scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([984.0, 1020.0, 3000.0]), live)
    np.testing.assert_allclose(errors[:2], [[0.2, 0.1], [0.2, 0.1]], atol=1e-6)
    assert np.isnan(errors[2]).all()
    assert np.isnan(scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([1000.0]), np.arange(40) < 8)).any() == 0
    assert np.isnan(scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([1000.0]), np.arange(40) < 5)).all()
    estimate[10, 250] = np.nan
    assert np.isnan(scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([1000.0]), live)).all()
    assert scores.avo_errors(truth, estimate, OFFSET, TIMES, np.array([])).shape == (0, 2)


# Insertion loss


def insert(truth: np.ndarray, from_ms: float = 1000.0, live: np.ndarray | None = None):
    live = np.ones(len(truth), bool) if live is None else live
    at = scores.insertion_times(truth, TIMES, from_ms, live)
    return at, scores.flat_primaries(truth, truth, TIMES, at, live)


@settings(deadline=None, max_examples=20)
@given(st.floats(-50, 20))
def test_the_loss_of_a_gain_is_that_gain(gain_db):
    at, inserted = insert(primaries((600, 1.0, 0.0), (2000, 0.3, 0.0)))
    assert len(at) == 3
    losses = [scores.insertion_loss_db(10 ** (gain_db / 20) * each, each) for each in inserted]
    assert losses == pytest.approx([gain_db] * 3, abs=1e-6)


def test_a_loss_is_of_the_primary_alone():
    at, (first, second, third) = insert(primaries((600, 1.0, 0.0)))
    assert scores.insertion_loss_db(0.5 * first + 7 * second - 3 * third, first) == pytest.approx(-6.02, abs=0.01)
    assert scores.insertion_loss_db(0 * first, first) == -60
    assert scores.insertion_loss_db(-first, first) == -60
    assert np.isnan(scores.insertion_loss_db(first, 0 * first))
    assert np.isnan(scores.insertion_loss_db(first * np.nan, first))
    assert np.diff(at).min() >= 250


def test_an_inserted_primary_is_flat_and_20_db_below_the_strongest():
    truth = primaries((600, -4.0, 0.0), (2000, 0.3, 0.0))
    at, inserted = insert(truth)
    for time, each in zip(at, inserted, strict=True):
        assert np.ptp(each, axis=0).max() == 0
        assert each.max() == pytest.approx(0.4)
        assert TIMES[each[0].argmax()] == time


@pytest.mark.parametrize("frequency", [8.0, 25.0, 40.0])
def test_an_inserted_primary_has_the_frequencies_of_the_truth(frequency):
    truth = np.tile(ricker(700, frequency), (8, 1))
    _, inserted = insert(truth)
    np.testing.assert_allclose(inserted[0, 0], 0.1 * ricker(TIMES[inserted[0, 0].argmax()], frequency), atol=2e-3)


@pytest.mark.parametrize(
    ("from_ms", "expected"),
    [
        (1000.0, [1148, 2524, 3896]),
        (3390.0, [3540, 3896]),
        (3500.0, [3772]),
        (3800.0, []),
        (np.nan, []),
        (-np.inf, []),
    ],
)
def test_insertion_times_lie_below_the_first_multiple(from_ms, expected):
    at, inserted = insert(noise(10, 1000), from_ms)
    np.testing.assert_allclose(at, expected, atol=4)
    assert inserted.shape == (len(at), 10, 1000)


def test_nothing_is_inserted_into_mutes_and_dead_traces():
    truth = noise(12, 1000)
    truth[6:, TIMES < 2000] = 0
    truth[9:, TIMES > 3000] = 0
    live = np.arange(12) != 0
    at, inserted = insert(truth, 1000.0, live)
    assert at.min() > 2000
    assert not inserted[:, 0].any()
    assert not inserted[:, 6:, TIMES < 2000].any()
    assert not inserted[:, 9:, TIMES > 3000].any()
    assert inserted[:, 1, :].any(axis=1).all()


def test_without_energy_there_is_nothing_to_insert():
    at, inserted = insert(np.zeros((12, 1000)))
    assert not len(at)
    assert inserted.shape == (0, 12, 1000)


# Whole surveys


def survey_of(samples: np.ndarray, **keywords):
    offset = np.broadcast_to(OFFSET[: samples.shape[1]], samples.shape[:2])
    return make_survey(samples, dt_ms=4.0, offset=offset, **keywords)


def test_compare_below_a_time_and_per_second():
    truth = noise(3, 5, 500)
    shares = np.array([0.5, 0.1])[(TIMES[:500] > 1200).astype(int)]
    result = scores.compare(survey_of(truth), survey_of(truth * (1 - shares)), survey_of(0 * truth), from_ms=1200.0)
    assert result.overall.snr_below_db == pytest.approx(20.0, abs=1e-4)
    assert result.overall.input_snr_below_db == pytest.approx(0.0, abs=1e-4)
    assert result.quartiles["snr_below_db"] == pytest.approx((20, 20, 20), abs=1e-4)
    first = scores.snr_per_second_db(truth[0], truth[0] * (1 - shares), TIMES[:500])
    assert result.gathers[0].snr_per_second_db == pytest.approx(first, abs=1e-4)
    mean = np.mean([each.snr_per_second_db for each in result.gathers])
    assert result.overall.snr_per_second_db == pytest.approx(mean, abs=1e-4)
    without = scores.compare(survey_of(truth), survey_of(truth))
    assert without.overall.snr_below_db is None
    assert without.overall.input_snr_per_second_db is None
    assert without.overall.snr_per_second_db == 40.0


def test_compare_weighs_energies_below_a_time():
    truth = np.stack([noise(5, 500), 10 * noise(5, 500, seed=1)])
    estimate = np.stack([truth[0] * 0.5, truth[1] * 0.9])
    result = scores.compare(survey_of(truth), survey_of(estimate), from_ms=1000.0)
    assert result.overall.snr_below_db == pytest.approx(scores.snr_db(truth[..., 251:], estimate[..., 251:]), abs=1e-4)


def test_compare_takes_times_of_each_gather_and_delays():
    truth = noise(2, 5, 500)
    late = np.stack([TIMES[:500] > 400, TIMES[:500] > 800])[:, None]
    estimate = truth * np.where(late, 0.9, 3.0)
    table = StartTable(np.array([1.0, 2.0]), np.array([400.0, 800.0]))
    result = scores.compare(survey_of(truth), survey_of(estimate), from_ms=table)
    assert [each.snr_below_db for each in result.gathers] == pytest.approx([20, 20], abs=1e-4)
    delayed = [
        survey_of(part, trace_values={"delay": np.repeat([0.0, 400.0], 5)}) for part in (truth, estimate)
    ]  # fmt: skip
    result = scores.compare(*delayed, from_ms=table)
    assert result.gathers[1].snr_below_db == pytest.approx(
        scores.snr_db(truth[1, :, 101:], estimate[1, :, 101:]), abs=1e-4
    )


def test_a_depth_axis_has_no_seconds():
    truth = noise(2, 5, 300)
    result = scores.compare(survey_of(truth, axis="depth"), survey_of(truth, axis="depth"))
    assert result.overall.snr_per_second_db is None
    with pytest.raises(OptionError, match="in depth"):
        scores.compare(survey_of(truth, axis="depth"), survey_of(truth, axis="depth"), from_ms=500.0)


@pytest.fixture
def two_files(tmp_path: Path) -> list[str]:
    truth, names = noise(3, 5, 500), []
    for name, samples in (("truth", truth), ("estimate", truth * np.where(TIMES[:500] > 1000, 0.9, 0.5))):
        survey = survey_of(samples)
        names.append(str(tmp_path / f"{name}.sgy"))
        with SegyWriter(names[-1], survey) as writer:
            writer.write(slice(None), None, survey["amplitude"].values)
    return names


def test_compare_command_below_a_time(two_files, tmp_path, capsys):
    table = tmp_path / "starts.txt"
    table.write_text("1 1000\n3 1000\n")
    for start in ("1000", str(table)):
        assert main(["compare", *two_files, "--from-ms", start, "--json", "-q"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["overall"]["snr_below_db"] == pytest.approx(20.0, abs=1e-3)
        assert told["gathers"][2]["snr_below_db"] == pytest.approx(20.0, abs=1e-3)
        assert told["overall"]["snr_per_second_db"] < 15
    assert main(["compare", *two_files, "--from-ms", "1000"]) == 0
    assert "below" in capsys.readouterr().out


@pytest.mark.parametrize("start", ["nan", "inf", "soon", "no_such_file.txt"])
def test_compare_command_refuses_what_is_no_time(start, two_files, capsys):
    assert main(["compare", *two_files, "--from-ms", start]) == 2
    told = capsys.readouterr().err
    assert start in told
    assert len(told.splitlines()) == 1
