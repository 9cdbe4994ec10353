"""The marine line against closed forms: travel times, polarities, moveout, mutes and geometry."""

from __future__ import annotations

import numpy as np
import pytest
import segyio
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from seisdiff.cli.app import main
from seisdiff.errors import OptionError
from seisdiff.scores import compare
from seisdiff.segy import SegyWriter, open_segy
from seisdiff.survey import check_survey
from seisdiff.synthetic.marine import (
    WATER_VELOCITY,
    Earth,
    layered_earth,
    marine_line,
    multiple_events,
    primary_events,
    rms_velocity,
    trace_rays,
)

OFFSET = 100.0 + 50.0 * np.arange(60)


def layers(depth: list[float], velocity: list[float], coefficient: list[float]) -> Earth:
    """One gather over flat layers that reflect at their bases, without AVO."""
    tops = np.concatenate([[0.0], depth[:-1]])[None]
    return Earth(tops, np.array(velocity), np.array([depth]), np.array(coefficient), np.zeros(len(depth)))


def snell_time(depth: list[float], velocity: list[float], offset: float) -> float:
    """The two-way time through layers, by a root search for the ray parameter."""
    height, v = np.diff([0.0, *depth]), np.array(velocity)

    def reach(p: float) -> float:
        return float((2 * height * p * v / np.sqrt(1 - (p * v) ** 2)).sum()) - offset

    p = brentq(reach, 0.0, (1 - 1e-12) / v.max(), xtol=1e-18)
    return float((2 * height / (v * np.sqrt(1 - (p * v) ** 2))).sum())


@pytest.fixture(scope="module")
def line():
    return marine_line(8, 40, 700)


def test_sea_floor_arrives_on_its_hyperbola():
    earth = layers([450.0], [WATER_VELOCITY], [0.3])
    time = primary_events(earth, trace_rays(earth, OFFSET[-1]), OFFSET).time[0, 0]
    np.testing.assert_allclose(time, np.sqrt((900 / WATER_VELOCITY) ** 2 + (OFFSET / WATER_VELOCITY) ** 2), atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.floats(80, 900), st.floats(1500, 4500)), min_size=2, max_size=6))
def test_rays_bend_by_snells_law(stack):
    depth = np.cumsum([height for height, _ in stack]).tolist()
    velocity = [WATER_VELOCITY, *(v for _, v in stack[1:])]
    earth = layers(depth, velocity, [0.1] * len(depth))
    time = primary_events(earth, trace_rays(earth, OFFSET[-1]), OFFSET).time[0, -1]
    expected = [snell_time(depth, velocity, float(x)) for x in OFFSET[::15]]
    np.testing.assert_allclose(time[::15], expected, atol=2e-4)


def test_sea_floor_multiples_have_their_times_and_signs():
    earth = layers([450.0], [WATER_VELOCITY], [0.3])
    rays = trace_rays(earth, OFFSET[-1])
    events = multiple_events(earth, rays, OFFSET, 10.0)
    primary = primary_events(earth, rays, OFFSET)
    assert events.time.shape[1] == 3
    for order, time, amplitude in zip((1, 2, 3), events.time[0], events.amplitude[0], strict=True):
        period = (order + 1) * 900 / WATER_VELOCITY
        np.testing.assert_allclose(time, np.hypot(period, OFFSET / WATER_VELOCITY), atol=1e-5)
        spreading = primary.time[0, 0] / time
        np.testing.assert_allclose(amplitude, primary.amplitude[0, 0] * (-0.3) ** order * spreading, rtol=1e-3)


def test_peg_leg_is_doubled_and_delayed_by_the_water_layer():
    depth, velocity = [300.0, 900.0], [WATER_VELOCITY, 2200.0]
    earth = layers(depth, velocity, [0.3, 0.1])
    near = np.array([1.0, 2.0])
    rays = trace_rays(earth, 3000.0)
    primary, events = primary_events(earth, rays, near), multiple_events(earth, rays, near, 10.0)
    delay = events.time[0, :, 0] - primary.time[0, 1, 0]
    leg = int(np.argmin(np.abs(delay - 600 / WATER_VELOCITY)))
    assert abs(delay[leg] - 600 / WATER_VELOCITY) < 1e-5
    same_spreading = events.amplitude[0, leg, 0] * events.time[0, leg, 0] * _squared_velocity(events, leg)
    reference = primary.amplitude[0, 1, 0] * primary.time[0, 1, 0] * _squared_velocity(primary, 1)
    assert same_spreading == pytest.approx(-2 * 0.3 * reference, rel=1e-2)


def _squared_velocity(events, number: int) -> float:
    time = events.time[0, number]
    return 3.0 / (time[1] ** 2 - time[0] ** 2)


def test_pair_of_reflectors_meets_both_legs():
    depth, velocity = [300.0, 900.0, 1500.0], [WATER_VELOCITY, 2200.0, 3000.0]
    earth = layers(depth, velocity, [0.0, 0.1, 0.1])
    rays = trace_rays(earth, 200.0)
    events = multiple_events(earth, rays, np.array([0.0, 100.0]), 20.0)
    vertical = primary_events(earth, rays, np.array([0.0])).time[0, :, 0]
    expected = sorted([2 * vertical[1], vertical[1] + vertical[2], 2 * vertical[2]])
    np.testing.assert_allclose(np.sort(events.time[0, :, 0]), expected, atol=1e-9)
    assert (events.amplitude < 0).all()


def test_rms_velocity_is_dix():
    earth = layers([450.0, 1450.0], [1500.0, 2500.0], [0.3, 0.1])
    times = np.array([0.0, 0.3, 0.6, 1.0, 1.4])
    expected = [1500.0, 1500.0, 1500.0, *(np.sqrt((0.6 * 1500**2 + (t - 0.6) * 2500**2) / t) for t in (1.0, 1.4))]
    np.testing.assert_allclose(rms_velocity(earth, times)[0], expected)


def test_corrected_primaries_are_flat_and_multiples_curve_down(line):
    sea_floor = _peaks(line.primaries)
    live = sea_floor[:, :5]
    assert np.ptp(live, axis=1).max() <= 4.0
    first, offset = _peaks(line.multiples)[:, :26], line.full["offset"].values[:26]
    velocity = np.stack([np.interp(at, line.velocity["time"], line.velocity[row]) for row, at in enumerate(first)])
    recorded = np.hypot(first, 1e3 * offset / velocity)
    np.testing.assert_allclose(recorded, np.hypot(2 * live[:, :1], 1e3 * offset / WATER_VELOCITY), atol=7)
    assert (first[:, 25] - first[:, 0] > 40).all()
    assert (np.diff(first[:, ::6], axis=1) > 0).all()


def _peaks(survey) -> np.ndarray:
    """Time (ms) of the strongest sample (gather, trace) of each trace."""
    samples = np.abs(survey["amplitude"].values)
    return survey["time"].values[samples.argmax(axis=1)].reshape(survey.sizes["gather"], -1)


def test_first_multiple_is_reversed(line):
    rows = np.arange(line.full.sizes["gather"]) * 40
    primary, multiple = (part["amplitude"].values[rows] for part in (line.primaries, line.multiples))
    assert (_extreme(primary) > 0).all()
    assert (_extreme(multiple) < 0).all()


def _extreme(samples: np.ndarray) -> np.ndarray:
    return samples[np.arange(len(samples)), np.abs(samples).argmax(axis=1)]


def test_full_is_the_sum_of_its_parts(line):
    parts = line.primaries["amplitude"].values + line.multiples["amplitude"].values
    np.testing.assert_array_equal(line.full["amplitude"].values, parts)


def test_mute_words_end_the_zeros(line):
    end, samples = line.full["mute_end"].values, line.full["amplitude"].values
    muted = line.full["time"].values < end[:, None]
    assert not samples[muted].any()
    first = np.argmax(samples != 0, axis=1) * 4.0
    late = end > 800
    assert late.any()
    assert (first[late] - end[late] <= 8.0).all()
    assert (np.diff(end.reshape(8, 40), axis=1) >= 0).all()


def test_uncorrected_line_is_where_the_hyperbola_is():
    line = marine_line(2, 40, 900, nmo=False)
    peaks = _peaks(line.primaries)[0]
    offset = line.primaries["offset"].values[:40]
    moveout = np.sqrt(peaks[0] ** 2 - (1e3 * offset[0] / WATER_VELOCITY) ** 2)
    expected = np.hypot(moveout, 1e3 * offset / WATER_VELOCITY)
    np.testing.assert_allclose(peaks[:20], expected[:20], atol=6)
    assert "mute_end" not in line.full


def test_geometry_is_one_that_could_be_shot(line):
    survey = line.full
    check_survey(survey)
    distance = survey["source_coord_x"].values - survey["group_coord_x"].values
    np.testing.assert_allclose(distance, survey["offset"].values)
    np.testing.assert_allclose((survey["source_coord_x"] + survey["group_coord_x"]) / 2, survey["cdp_x"])
    keys = np.stack([survey["field_record"].values, survey["channel"].values], axis=1)
    assert len(np.unique(keys, axis=0)) == survey.sizes["trace"]
    for shot in np.unique(survey["field_record"].values)[:20]:
        assert np.ptp(survey["source_coord_x"].values[survey["field_record"].values == shot]) == 0


def test_structure_changes_gently_along_the_line():
    times = _peaks(marine_line(40, 2, 500).primaries)[:, 0]
    assert 8 < np.ptp(times) < 200
    assert np.abs(np.diff(times)).max() <= 8


def test_same_seed_same_line_and_noise_at_its_level():
    again, other = (marine_line(2, 12, 300, seed=seed).full["amplitude"].values for seed in (3, 4))
    noisy = marine_line(2, 12, 300, seed=3, noise_db=6.0, stretch_mute=9.0)
    np.testing.assert_array_equal(marine_line(2, 12, 300, seed=3).full["amplitude"].values, again)
    assert not np.array_equal(again, other)
    clean = (noisy.primaries["amplitude"] + noisy.multiples["amplitude"]).values
    noise = noisy.full["amplitude"].values - clean
    assert 20 * np.log10(np.std(clean) / np.std(noise)) == pytest.approx(6.0, abs=0.3)


def test_earth_reaches_below_the_record():
    earth = layered_earth(np.arange(3) * 25.0, 4.0, 0.5, np.random.default_rng(0))
    assert (trace_rays(earth, 3000.0)[2][:, -1, 0] > 4.0).all()
    assert (np.diff(earth.depth, axis=1) > 0).all()
    assert (np.diff(earth.tops, axis=1) > 0).all()


@pytest.mark.parametrize(
    ("sizes", "dt_ms"), [((0, 5, 100), 4.0), ((1, 0, 100), 4.0), ((1, 5, 3), 4.0), ((1, 5, 100), 0)]
)
def test_impossible_sizes_are_refused(sizes, dt_ms):
    with pytest.raises(OptionError, match=r"expected|needs"):
        marine_line(*sizes, dt_ms)


@pytest.mark.parametrize(("sizes", "dt_ms", "water"), [((1, 1, 16), 4.0, 600.0), ((2, 3, 200), 8.0, 60.0)])
def test_small_lines_work(sizes, dt_ms, water):
    line = marine_line(*sizes, dt_ms, water_ms=water)
    assert line.full["amplitude"].shape == (sizes[0] * sizes[1], sizes[2])
    assert np.isfinite(line.full["amplitude"].values).all()


@pytest.fixture
def line_file(line, tmp_path):
    with SegyWriter(tmp_path / "line.sgy", line.full, sample_format="ieee32") as writer:
        writer.write(slice(None), None, line.full["amplitude"].values)
    return tmp_path / "line.sgy"


def test_segy_made_of_the_line_holds_its_values(line, line_file):
    survey = open_segy(line_file)
    assert survey.attrs["gather_keys"] == ["cdp"]
    np.testing.assert_array_equal(survey["fold"], line.full["fold"])
    np.testing.assert_array_equal(survey["amplitude"], line.full["amplitude"])
    for name in ("cdp", "offset", "source_coord_x", "group_coord_x", "cdp_x", "cdp_y", "field_record", "mute_end"):
        np.testing.assert_allclose(survey[name], line.full[name], err_msg=name)


def test_another_reader_agrees(line, line_file):
    with segyio.open(line_file, ignore_geometry=True) as file:
        assert file.bin[segyio.BinField.Interval] == 4000
        assert file.bin[segyio.BinField.Format] == 5
        np.testing.assert_array_equal(file.attributes(segyio.TraceField.offset)[:40], line.full["offset"].values[:40])
        np.testing.assert_array_equal(file.trace[41], line.full["amplitude"].values[41])


def test_demo_command_improves_the_line(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert main(["demo", str(folder), "--gathers", "3"]) == 0
    out = capsys.readouterr().out
    files = {"line.sgy", "primaries.sgy", "clean.sgy", "multiples.sgy", "demo.png"}
    assert files <= {path.name for path in folder.iterdir()}
    assert str(folder / "demo.png") in out.replace("\n", "")
    parts = [open_segy(folder / name) for name in ("primaries.sgy", "clean.sgy", "line.sgy")]
    assert compare(*parts).overall.gain_db > 6
    assert main(["demo", str(folder)]) == 2
    assert "add --overwrite" in capsys.readouterr().err
