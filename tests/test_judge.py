"""The judge: its files, its cases, its noise; its physics where deepwave is installed."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import seisdiff.judge
from seisdiff import RestoreRecipe, restore
from seisdiff.errors import FileFormatError, OptionError
from seisdiff.judge import SPLITS, Case, Earth, Judge, open_judge, read_recorded
from seisdiff.judge.cases import isolated_primaries
from seisdiff.judge.noise import HOLES, NOISES, block, decimated, random_holes, scaled, seeded
from seisdiff.survey import check_survey, gather_bounds

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "judge"
DEMULTIPLE = ["exact", "3 % slow", "3 % fast", "noise 10 dB", "primaries only"]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return open_judge(FOLDER)


@pytest.fixture(scope="module")
def demultiple() -> dict[str, Case]:
    """The cases of every fourth gather."""
    few = open_judge(FOLDER)
    every = few.recorded("dev", "gathers")
    parts = {name: value[::4] for name, value in vars(every).items() if isinstance(value, tuple)}
    few.recorded = lambda split, kind: dataclasses.replace(every, **parts)  # type: ignore[assignment]
    return {case.name: case for case in few.cases("demultiple", "dev")}


@pytest.fixture(scope="module")
def denoise(judge: Judge) -> dict[str, Case]:
    return {case.name: case for case in judge.cases("denoise", "dev")}


def by_gather(survey: xr.Dataset) -> list[np.ndarray]:
    return np.split(survey["amplitude"].values.astype(np.float64), gather_bounds(survey)[1:-1])


def snr_db(signal: np.ndarray, error: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(signal**2) / np.sum(error**2)))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_gathers_are_what_the_page_says(judge: Judge, split: str) -> None:
    recorded = judge.recorded(split, "gathers")
    water = np.array([earth.water_m for earth in recorded.earths])
    assert recorded.dt_ms == 4.0
    assert recorded.primaries is not None
    assert [gather.shape for gather in recorded.full] == [(60, 1000)] * 20
    assert all(np.array_equal(offset, 150 + 50 * np.arange(60)) for offset in recorded.offset)
    assert 60 <= water.min() < 66
    assert 1050 < water.max() <= 1200
    assert np.mean((water >= 180) & (water <= 900)) >= 0.5
    assert all(15 <= len(earth.velocity) - 1 <= 60 for earth in recorded.earths)
    assert all(earth.velocity.min() >= 1490 and earth.velocity.max() <= 4500 for earth in recorded.earths)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_the_shots_are_what_the_page_says(judge: Judge, split: str) -> None:
    recorded = judge.recorded(split, "shots")
    assert recorded.primaries is None
    assert len(recorded.full) == 8
    assert {float(np.diff(offset)[0]) for offset in recorded.offset} == {25.0, 50.0}
    assert all(60 <= len(shot) <= 96 and shot.shape[1] == 875 for shot in recorded.full)


def test_no_earth_is_in_both_splits(judge: Judge) -> None:
    for kind in ("gathers", "shots"):
        dev, test = ({earth.thickness.tobytes() for earth in judge.recorded(split, kind).earths} for split in SPLITS)
        assert len(dev) == len(test) == {"gathers": 20, "shots": 8}[kind]
        assert not dev & test


def test_the_files_are_small() -> None:
    size = {kind: sum(path.stat().st_size for path in FOLDER.glob(f"*_{kind}.npz")) for kind in ("gathers", "shots")}
    assert 1e6 < size["gathers"] < 8e6
    assert 2e5 < size["shots"] < 3e6


def test_nothing_is_recorded_above_100_hz(judge: Judge) -> None:
    frequency = np.fft.rfftfreq(1000, 0.004)
    for gather in judge.recorded("dev", "gathers").full:
        energy = np.sum(np.abs(np.fft.rfft(gather * np.hanning(1000))) ** 2, axis=0)
        assert energy[frequency > 100].sum() < 1e-4 * energy.sum()


@pytest.mark.parametrize("split", ["dev", "test"])
def test_field_and_primaries_agree_before_the_first_multiple(judge: Judge, split: str) -> None:
    """Up to offsets of half the water's depth nothing outruns the reflected multiple."""
    recorded = judge.recorded(split, "gathers")
    assert recorded.primaries is not None
    times = 0.004 * np.arange(1000)
    compared = 0
    for full, primaries, offset, earth in zip(
        recorded.full, recorded.primaries, recorded.offset, recorded.earths, strict=True
    ):
        arrival = np.hypot(4 * earth.water_m, offset) / earth.velocity[0]
        early = (times < arrival[:, None] - 0.1) & (offset < 0.5 * earth.water_m)[:, None]
        if early.any() and np.sum((primaries * early) ** 2) > 0:
            compared += 1
            assert np.sqrt(np.sum(((full - primaries) * early) ** 2) / np.sum((primaries * early) ** 2)) < 0.01
    assert compared >= 8


def test_rms_velocities_are_exact() -> None:
    earth = Earth(np.array([300.0, 500.0, 1000.0]), np.array([1500.0, 2000.0, 3000.0]), np.full(3, 2000.0))
    assert earth.interface_ms() == pytest.approx([400.0, 900.0])
    expected = np.sqrt([1500**2, 1500**2, (400 * 1500**2 + 500 * 2000**2) / 900])
    assert earth.rms_velocity(np.array([0.0, 400.0, 900.0])) == pytest.approx(expected, rel=1e-6)
    later = np.sqrt((400 * 1500**2 + 500 * 2000**2 + 300 * 3000**2) / 1200)
    assert earth.rms_velocity(np.array([1200.0])) == pytest.approx([later])
    assert earth.reflection() == pytest.approx([1 / 7, 1 / 5])
    assert earth.first_multiple_ms == pytest.approx(800.0)


def test_isolated_primaries_stand_alone() -> None:
    velocity = np.array([1500.0, 2000, 2600, 1900, 2000, 2500])
    earth = Earth(np.array([300.0, 400, 20, 600, 800, 100]), velocity, np.full(6, 2000.0))
    times = earth.interface_ms()
    assert isolated_primaries(earth, 3500.0) == pytest.approx(times[[0, 3, 4]])
    assert isolated_primaries(earth, 1700.0) == pytest.approx(times[[0, 3]])


def test_demultiple_cases(demultiple: dict[str, Case]) -> None:
    assert list(demultiple) == DEMULTIPLE
    for case in demultiple.values():
        for survey in (case.degraded, case.truth):
            check_survey(survey)
            assert survey["fold"].values.tolist() == [60] * 5
        assert case.scored.all()
        assert case.velocity is not None
        assert case.velocity.shape == (5, 1000)
        assert case.first_multiple_ms == pytest.approx(4000 * case.water_m / 1490)
        assert len(case.primaries_ms) == 5
        assert min(map(len, case.primaries_ms)) >= 1
    exact, slow = demultiple["exact"].velocity, demultiple["3 % slow"].velocity
    assert exact is not None
    assert slow == pytest.approx(0.97 * exact)
    only = demultiple["primaries only"]
    assert np.array_equal(only.degraded["amplitude"], only.truth["amplitude"])


def test_exact_velocities_flatten_the_water_bottom(demultiple: dict[str, Case]) -> None:
    """The water bottom's peak stays where it is over the offsets that the mute keeps; wrong velocities move it."""

    def moveout_ms(case: Case) -> float:
        gather = by_gather(case.truth)[3]
        at = round(case.first_multiple_ms[3] / 2 / 4)
        window = gather[:7, at - 20 : at + 21]
        lags = [np.argmax(np.correlate(trace, window[0], "full")) - 40 for trace in window]
        return 4.0 * lags[-1]

    assert abs(moveout_ms(demultiple["exact"])) <= 4
    assert moveout_ms(demultiple["3 % slow"]) < 0 < moveout_ms(demultiple["3 % fast"])


def test_noise_of_gathers_is_10_db_below_them(demultiple: dict[str, Case]) -> None:
    clean, noisy = demultiple["exact"], demultiple["noise 10 dB"]
    assert np.array_equal(clean.truth["amplitude"], noisy.truth["amplitude"])
    for quiet, loud in zip(by_gather(clean.degraded), by_gather(noisy.degraded), strict=True):
        assert snr_db(quiet, loud - quiet) == pytest.approx(10, abs=0.1)


def test_denoise_cases_have_the_levels_that_they_name(denoise: dict[str, Case]) -> None:
    levels = [f"{kind} {snr} dB" for kind in NOISES for snr in (-5, 0, 5)]
    assert list(denoise) == [*levels, "clean"]
    for name in levels:
        asked = float(name.split()[1])
        for truth, noisy in zip(by_gather(denoise[name].truth), by_gather(denoise[name].degraded), strict=True):
            assert snr_db(truth, noisy - truth) == pytest.approx(asked, abs=0.1)
    assert np.array_equal(denoise["clean"].degraded["amplitude"], denoise["clean"].truth["amplitude"])


def test_each_noise_is_what_its_name_says() -> None:
    shape = (80, 1000)
    made = {kind: make(seeded("test", kind), shape, 4.0) for kind, make in NOISES.items()}
    frequency = np.fft.rfftfreq(1000, 0.004)
    spectra = {kind: np.mean(np.abs(np.fft.rfft(noise)) ** 2, axis=0) for kind, noise in made.items()}
    share = {kind: power / power.sum() for kind, power in spectra.items()}
    assert share["swell"][frequency <= 10].sum() > 0.99
    low, high = ((frequency > a) & (frequency < b) for a, b in ((8, 12), (40, 60)))
    assert share["white"][low].mean() == pytest.approx(share["white"][high].mean(), rel=0.25)
    assert share["coloured"][low].mean() > 10 * share["coloured"][high].mean()
    levels = np.sqrt(np.mean(made["swell"] ** 2, axis=1))
    assert np.quantile(levels, 0.9) > 3 * np.quantile(levels, 0.3)
    kurtosis = {kind: np.mean(noise**4) / np.mean(noise**2) ** 2 for kind, noise in made.items()}
    assert kurtosis["white"] < 3.5
    assert kurtosis["erratic"] > 30


def test_noise_is_the_same_each_time_and_different_by_name() -> None:
    first, again = (NOISES["white"](seeded("dev", "white", 0), (3, 50), 4.0) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, NOISES["white"](seeded("test", "white", 0), (3, 50), 4.0))


def test_scaling_refuses_silence() -> None:
    with pytest.raises(OptionError, match="not all zero"):
        scaled(np.zeros((2, 3)), np.ones((2, 3)), 0.0)


def test_holes_have_the_share_that_they_name(judge: Judge) -> None:
    cases = {case.name: case for case in judge.cases("interpolate", "test")}
    assert list(cases) == list(HOLES)
    for name, case in cases.items():
        live = case.degraded["live"].values
        assert np.array_equal(case.scored, ~live)
        assert not case.degraded["amplitude"].values[~live].any()
        assert np.array_equal(case.degraded["amplitude"].values[live], case.truth["amplitude"].values[live])
        assert case.truth["live"].values.all()
        for part in np.split(live, gather_bounds(case.truth)[1:-1]):
            expected = {
                "random 30 %": 0.3 * len(part),
                "random 50 %": 0.5 * len(part),
                "random 70 %": 0.7 * len(part),
                "every second kept": len(part) // 2,
                "every third kept": len(part) - -(-len(part) // 3),
                "block of 8": 8,
            }[name]
            assert (~part).sum() == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("traces", [13, 60, 96])
def test_masks(traces: int) -> None:
    gap = np.flatnonzero(block(seeded(traces), traces, 5))
    assert np.array_equal(gap, np.arange(gap[0], gap[0] + 5))
    assert gap[0] >= 4
    assert gap[-1] <= traces - 5
    assert np.flatnonzero(~decimated(traces, 3)).tolist() == list(range(0, traces, 3))
    assert random_holes(seeded(traces), traces, 0.5).sum() == round(0.5 * traces)


def test_restore_runs_on_every_task(judge: Judge, demultiple: dict[str, Case], denoise: dict[str, Case]) -> None:
    first = next(iter(judge.cases("interpolate", "dev")))
    for case in (demultiple["exact"], denoise["white 0 dB"], first):
        rows = np.arange(case.truth["fold"].values[0])
        one = dataclasses.replace(case, degraded=_first_gather(case.degraded), truth=_first_gather(case.truth))
        restored = restore(one.degraded, RestoreRecipe(task=case.task))  # type: ignore[arg-type]
        assert np.array_equal(restored["offset"], one.truth["offset"])
        truth, before = one.truth["amplitude"].values, one.degraded["amplitude"].values
        scored = case.scored[rows]
        after = restored["amplitude"].values
        assert snr_db(truth[scored], (after - truth)[scored]) > snr_db(truth[scored], (before - truth)[scored]) + 1


def _first_gather(survey: xr.Dataset) -> xr.Dataset:
    return survey.isel(trace=slice(0, int(survey["fold"].values[0])), gather=slice(0, 1))


def test_field_cases(judge: Judge, field_data: Path) -> None:
    cases = [case for case in judge.cases("denoise", "dev", field=field_data) if case.source != "judge"]
    assert {case.source for case in cases} == {"viking", "land"}
    assert [case.name for case in cases if case.source == "land"] == [f"ground roll {snr} dB" for snr in (-5, 0, 5)]
    for case in cases:
        asked = float(case.name.split()[-2])
        for truth, noisy in zip(by_gather(case.truth), by_gather(case.degraded), strict=True):
            assert snr_db(truth, noisy - truth) == pytest.approx(asked, abs=0.1)
    holes = [case for case in judge.cases("interpolate", "test", field=field_data) if case.source == "viking"]
    assert [case.name for case in holes] == list(HOLES)
    assert all(case.truth["fold"].values.tolist() == [120, 120] for case in holes)


def test_noise_stands_well_above_that_of_the_recorded_shots(field_data: Path) -> None:
    from seisdiff.judge.field import marine_shots, own_noise_db

    samples, _, step = marine_shots(field_data)
    assert min(own_noise_db(shot, step) for shot in samples) > 5 + 10


def test_ground_roll_is_low_and_slow(field_data: Path) -> None:
    from seisdiff.judge.field import ground_roll

    for side in (-1, 1):
        roll, step = ground_roll(field_data, side)
        power = np.mean(np.abs(np.fft.rfft(roll)) ** 2, axis=0)
        frequency = np.fft.rfftfreq(roll.shape[1], step / 1000)
        assert power[frequency < 20].sum() > 0.98 * power.sum()
        assert not roll[100, : round(1000 / step)].any()
    with pytest.raises(FileFormatError, match="no recorded data"):
        ground_roll(field_data / "nowhere", 1)


def test_bad_requests_are_refused(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="task 'dereverb' is unknown"):
        judge.cases("dereverb", "dev")
    with pytest.raises(OptionError, match="split 'train' is unknown"):
        judge.cases("denoise", "train")
    with pytest.raises(OptionError, match="gathers and shots"):
        judge.recorded("dev", "stacks")
    with pytest.raises(FileFormatError, match="no judge in"):
        open_judge(tmp_path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = (FOLDER / "dev_shots.npz").read_bytes()
    path = tmp_path / "dev_shots.npz"
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    for content in (
        single.getvalue(),
        b"",
        b"not a file",
        whole[:1000],
        whole[: len(whole) // 2],
        whole[:4000] + bytes(4000) + whole[8000:],
    ):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"dev_shots\.npz"):
            read_recorded(path)
    path.unlink()
    with pytest.raises(FileFormatError, match="no judge in"):
        read_recorded(path)


@pytest.mark.parametrize(
    ("name", "value", "told"), [("format", 9, "format 9"), ("low", np.zeros(3, np.uint8), "3 coded")]
)
def test_files_of_another_make_are_refused(tmp_path: Path, name: str, value: object, told: str) -> None:
    with np.load(FOLDER / "dev_shots.npz") as archive:
        arrays = dict(archive)
    path = tmp_path / "other.npz"
    np.savez(path, **(arrays | {name: np.asarray(value)}))  # type: ignore[arg-type]
    with pytest.raises(FileFormatError, match=told):
        read_recorded(path)
    np.savez(path, amplitude=np.zeros(3))
    with pytest.raises(FileFormatError, match="holds no"):
        read_recorded(path)


def test_the_judge_shares_nothing_with_the_generator() -> None:
    package = Path(seisdiff.judge.__file__).parent
    folders = {package: ("deepwave", "seisdiff.synthetic", "benchmarks"), FOLDER: ("seisdiff.synthetic",)}
    for folder, strangers in folders.items():
        files = sorted(folder.glob("*.py"))
        assert len(files) >= 4
        for path in files:
            imports = re.findall(r"^\s*(?:from|import) (\S+)", path.read_text(), re.M)
            assert not [name for name in imports if name.startswith(strangers)], path.name


def test_the_first_multiple_has_the_right_time_sign_and_size() -> None:
    """Water over a half-space: the multiple is -R times the primary, later by the water's two-way time, and smaller
    by the square root of the distance (a line source)."""
    pytest.importorskip("deepwave", reason="the modelling needs deepwave: install the extra bench")
    from benchmarks.judge.earths import Layers
    from benchmarks.judge.wavelets import Wavelet
    from benchmarks.judge.waves import Layout, shot_pair

    layers = Layers(np.array([297.5, 300.0]), np.array([1490.0, 1800.0]), np.array([1025.0, 1900.0]), "two")
    layout = Layout(5.0, 6.25, 10.0, 5.0, np.array([0.0, 50.0]), 250)
    velocity, density = (np.repeat(a[:, None], layout.columns, axis=1) for a in layers.nodes(100, 5.0))
    full, primaries = shot_pair(velocity, density, layout, Wavelet((22.0,)))
    delay = 2 * 297.5 / 1490
    fine = np.arange(0, 0.16, 1e-4) - 0.08
    primary, multiple = (np.interp(at + fine, 0.004 * np.arange(250), full[0]) for at in (delay, 2 * delay))
    lags = np.correlate(multiple, primary, "full")
    assert abs(np.argmax(np.abs(lags)) - (len(fine) - 1)) * 1e-4 < 0.001
    reflection = (1800 * 1900 - 1490 * 1025) / (1800 * 1900 + 1490 * 1025)
    assert np.dot(multiple, primary) / np.dot(primary, primary) == pytest.approx(-reflection / np.sqrt(2), rel=0.02)
    early = 0.004 * np.arange(250) < 2 * delay - 0.09
    assert np.abs((full - primaries)[:, early]).max() < 0.01 * np.abs(primaries).max()
    late = 0.004 * np.arange(250) > 2 * delay - 0.09
    assert np.abs(primaries[0, late]).max() < 0.01 * np.abs(primaries[0]).max()
