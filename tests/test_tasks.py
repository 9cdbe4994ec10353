"""Where and from when a task may change samples: start times of every kind, ramps, protection, and NMO around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from seisdiff.engine import restore, restore_file
from seisdiff.errors import OptionError
from seisdiff.passes import RunOptions
from seisdiff.restorers.base import Batch, Restored
from seisdiff.restorers.radon import RadonRestorer
from seisdiff.survey import make_survey
from seisdiff.tasks.start import StartTable, first_multiple, read_start_table
from seisdiff.tasks.zone import mute_weights, start_weights
from tests.small_lines import RawFile, line_file, quick, small_line

TIMES = 4.0 * np.arange(250)


def db(truth: np.ndarray, estimate: np.ndarray) -> float:
    truth, estimate = truth.astype(np.float64), estimate.astype(np.float64)
    return float(10 * np.log10(np.sum(truth**2) / np.sum((truth - estimate) ** 2)))


def changed(survey: xr.Dataset, **values: object) -> np.ndarray:
    """Return bool (gather, trace, time): where a demultiple changes a survey of 4 gathers of 16 traces."""
    values.setdefault("taper_ms", 0.0)
    restored = restore(survey, quick("demultiple", **values))
    return (restored["amplitude"].values != survey["amplitude"].values).reshape(4, 16, -1)


def test_weights_are_a_cosine_ramp_from_the_start_time_on() -> None:
    weights = start_weights(
        torch.tensor([[100.0, -torch.inf]]), torch.tensor([0.0, 100.0, 125.0, 150.0, 200.0, 300.0]), 100.0
    )
    np.testing.assert_allclose(weights[0, 0], [0, 0, 0.5 - 0.5 * np.cos(np.pi / 4), 0.5, 1, 1], atol=1e-6)
    assert (weights[0, 1] == 1).all()
    sharp = start_weights(torch.tensor([[100.0]]), torch.tensor([96.0, 100.0, 104.0]), 0.0)
    assert sharp.flatten().tolist() == [0, 0, 1]


def test_mute_weights_span_the_data() -> None:
    weights = mute_weights(torch.tensor([[2, 0, 4, 0]]), torch.tensor([[4, 4, 4, 3]]), 4)
    assert weights[0].int().tolist() == [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]]


def test_a_start_time_holds_for_every_trace() -> None:
    where = changed(small_line().full, start="400")
    assert not where[..., TIMES <= 400].any()
    assert where[..., TIMES > 404].mean() > 0.99


def test_the_ramp_weights_what_is_taken_out() -> None:
    survey = small_line().full
    sharp, smooth = (
        survey["amplitude"].values
        - restore(survey, quick("demultiple", start="400", taper_ms=taper))["amplitude"].values
        for taper in (0.0, 100.0)
    )
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.clip((TIMES - 400) / 100, 0, 1))
    np.testing.assert_allclose(smooth, sharp * ramp, atol=1e-5 * np.abs(survey["amplitude"].values).max())


def test_a_file_of_start_times_is_linear_between_gathers(tmp_path: Path) -> None:
    table = tmp_path / "starts.txt"
    table.write_text("# gather ms\n1004, 700  # deep\n\n1001 400\n")
    assert read_start_table(table).at(np.array([990, 1001, 1002, 1004, 2000])).tolist() == [400, 400, 500, 700, 700]
    where = changed(small_line().full, start=str(table))
    for number, start in enumerate([400, 500, 600, 700]):
        assert not where[number][:, start >= TIMES].any()
        assert where[number][:, start + 4 < TIMES].mean() > 0.99


@pytest.mark.parametrize("text", ["", "# none\n", "1 2 3\n", "cdp start\n", "1 nan\n", "inf 400\n"])
def test_start_files_that_make_no_sense_are_refused_by_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "starts.txt").write_text(text)
    with pytest.raises(OptionError, match=r"starts\.txt"):
        read_start_table(tmp_path / "starts.txt")


@pytest.mark.parametrize("start", ["nan", "inf", "no_such_word", "no/such/file.txt"])
def test_start_times_that_are_none_are_refused(start: str, tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy")
    with pytest.raises(OptionError, match=r"\A[^\n]+\Z"):
        restore_file(str(source), str(tmp_path / "out.sgy"), quick("demultiple", start=start))
    assert [path.name for path in tmp_path.iterdir()] == ["in.sgy"]


@pytest.mark.parametrize(
    ("word", "byte", "kind", "factor"),
    [("lagb", 107, "i2", 10), ("233:i2", 233, "i2", 1), ("gather_end=233:i2", 233, "i2", 0)],
)
def test_a_header_word_holds_the_start_time_of_each_trace(
    word: str, byte: int, kind: str, factor: int, tmp_path: Path
) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    starts = 300 + 4 * np.arange(64)
    file.put(slice(None), 113, 10 * file.mute_ms, "i2").put(slice(None), 215, -10, "i2")  # times are in tenths
    file.put(slice(None), byte, factor * starts, kind).save()
    recipe, target = quick("demultiple", start=word, taper_ms=0.0), tmp_path / "out.sgy"
    if not factor:
        with pytest.raises(OptionError, match="gather_end"):
            restore_file(str(file.path), str(target), recipe)
        return
    restore_file(str(file.path), str(target), recipe)
    where = RawFile(target).samples != file.samples
    assert not where[starts[:, None] >= TIMES].any()
    assert where[starts[:, None] + 4 < TIMES].mean() > 0.99


def test_the_first_multiple_is_at_twice_the_time_of_the_first_strong_arrival() -> None:
    times = 4.0 * np.arange(500)
    amplitude = np.zeros((6, 500), np.float32)
    amplitude[:, 150:155] = [0.5, 1, 2, 1, 0.5]
    amplitude[:, 60] = 0.05
    amplitude[4:, 20] = 9
    offset, live = np.array([300.0, 100, 200, 50, 4000, 5000]), np.ones(6, bool)
    assert first_multiple(amplitude, offset, live, times) == pytest.approx(1200, abs=32)
    live[[0, 1, 2, 3]] = False
    assert first_multiple(amplitude, offset, live, times) == pytest.approx(160, abs=32)
    assert first_multiple(amplitude, offset, ~live & False, times) == -np.inf
    assert first_multiple(0 * amplitude, offset, live, times) == -np.inf


def test_auto_estimates_the_first_multiple_of_each_gather_and_tells(tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy")
    recipe = quick("demultiple", start="auto", taper_ms=0.0)
    summary = restore_file(str(source), str(tmp_path / "out.sgy"), recipe)
    assert summary.start_ms is not None
    low, _, high = summary.start_ms
    assert 330 < low <= high < 450
    where = RawFile(tmp_path / "out.sgy").samples != RawFile(source).samples
    assert not where[:, low >= TIMES].any()
    assert where[:, high + 4 < TIMES].mean() > 0.95


def test_protected_moveout_stays() -> None:
    offset, times = np.arange(100.0, 1700, 50), 4.0 * np.arange(400)
    bent = times - 800.0 - 90.0 * (offset[:, None] / offset[-1]) ** 2
    survey = make_survey(_ricker(bent).astype(np.float32), dt_ms=4.0, offset=offset)
    spec = {"moveout_ms": "-100:300:10"}
    without, with_protection = (
        restore(survey, quick("demultiple", radon=spec, protect_ms=protect), RunOptions())["amplitude"].values
        for protect in (0.0, 150.0)
    )
    assert np.square(without).sum() < 0.1 * np.square(survey["amplitude"].values).sum()
    assert db(survey["amplitude"].values, with_protection) > 25


def _ricker(times: np.ndarray, peak_hz: float = 25.0) -> np.ndarray:
    square = (np.pi * peak_hz * times * 1e-3) ** 2
    return (1 - 2 * square) * np.exp(-square)


@pytest.fixture(scope="module")
def velocity_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The velocities that the line was made with, every 40 ms."""
    velocity = small_line(2, 24, 400, nmo=False).velocity
    rows = [
        f"{gather} {time:g} {value:.1f}"
        for gather, row in zip(velocity["gather"].values, velocity.values, strict=True)
        for time, value in list(zip(velocity["time"].values, row, strict=True))[::10]
    ]
    path = tmp_path_factory.mktemp("velocities") / "velocities.txt"
    path.write_text("\n".join(["CDP time velocity", *rows]))
    return path


def test_nmo_keeps_uncorrected_primaries_and_takes_multiples_out(velocity_file: Path) -> None:
    line = small_line(2, 24, 400, nmo=False)
    primaries, full = (survey["amplitude"].values for survey in (line.primaries, line.full))
    for nmo, kept_db, gain_db in ((str(velocity_file), 20.0, 1.5), ("1500,0.5", 18.0, 0.1)):
        recipe = quick("demultiple", nmo=nmo, start="300", radon={"moveout_ms": "-100:800:20"})
        kept, restored = (restore(survey, recipe)["amplitude"].values for survey in (line.primaries, line.full))
        assert db(primaries, kept) > kept_db
        assert db(primaries, restored) > db(primaries, full) + gain_db


def test_nmo_changes_nothing_before_the_start_nor_where_nothing_is_taken_out() -> None:
    survey = small_line(4, 16, 250, nmo=False).full
    where = changed(survey, nmo="1500,0.5", start="400")
    assert not where[..., TIMES <= 400].any()
    assert where[..., TIMES > 600].mean() > 0.5
    recipe = quick("demultiple", nmo="1500,0.5", protect_ms=5000.0)
    xr.testing.assert_equal(restore(survey, recipe)["amplitude"], survey["amplitude"])


def test_uncorrected_gathers_raise_one_warning_and_corrected_ones_none() -> None:
    for survey, nmo, count in (
        (small_line(2, 24, 400, nmo=False).full, None, 1),
        (small_line(2, 24, 400, nmo=False).full, "1500,0.5", 0),
        (small_line(2, 24, 400).full, None, 0),
    ):
        told: list[str] = []
        restore(survey, quick("demultiple", nmo=nmo), RunOptions(notify=told.append))
        assert sum("do not look NMO-corrected" in line for line in told) == count


def test_a_start_table_takes_any_gather() -> None:
    table = StartTable(np.array([5.0]), np.array([250.0]))
    assert table.at(np.array([1, 5, 9])).tolist() == [250, 250, 250]


def test_a_muted_water_bottom_is_found_by_its_multiples() -> None:
    """The sea floor at 120 ms is muted; the first strong arrival that is left comes much later."""
    times, rng = 4.0 * np.arange(1000), np.random.default_rng(0)
    legs = [(-0.5) ** order * (order + 1) for order in range(8)]
    trace = np.zeros(1000)
    for start in np.arange(300, 3900, 65) + 30 * rng.random(56):
        strength = rng.standard_normal() * (3 if start > 900 else 0.3)
        trace += strength * sum(leg * _ricker(times - start - 120 * order) for order, leg in enumerate(legs))
    amplitude = np.repeat(trace[None].astype(np.float32), 8, axis=0)
    offset, live = 100.0 + 50 * np.arange(8), np.ones(8, bool)
    assert first_multiple(amplitude, offset, live, times) == pytest.approx(2 * (120 - 20), abs=8)
    assert first_multiple(amplitude[::-1], offset[::-1], live, times) == pytest.approx(2 * (120 - 20), abs=8)


def test_the_restorer_is_told_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[torch.Tensor | None] = []
    original = RadonRestorer.restore

    def listen(self: RadonRestorer, batch: Batch) -> Restored:
        told.append(batch.start)
        return original(self, batch)

    monkeypatch.setattr(RadonRestorer, "restore", listen)
    restore(small_line().full, quick("demultiple", start="400"))
    restore(small_line().full, quick("demultiple"))
    with_start, without = (start for start in told if start is not None)
    assert with_start.shape == (4, 16)
    assert bool((with_start == 400).all())
    assert bool((without == -torch.inf).all())
