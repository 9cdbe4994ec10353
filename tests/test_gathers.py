"""Gathers of every awkward kind are read, padded and put back; nothing is dropped and file order is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seisdiff.engine import restore, restore_file
from seisdiff.errors import SurveyError
from seisdiff.gathers import check_finite, cut_traces, read_gathers
from seisdiff.padding import pad_gathers
from seisdiff.passes import RunOptions
from seisdiff.sources import ReadOptions, open_survey
from seisdiff.survey import make_survey
from seisdiff.transfer import export, ingest
from tests.small_lines import RawFile, line_file, quick, small_line


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), min_size=6, max_size=6),
    st.integers(0, 3),
    st.data(),
)
def test_padded_traces_come_back(folds: list[int], delays: list[int], extra: int, data: st.DataObject) -> None:
    gather = np.repeat(np.arange(len(folds)), folds)
    rng = np.random.default_rng(sum(folds))
    survey = make_survey(
        rng.standard_normal((len(gather), 9)), dt_ms=2.0, gather=gather, offset=rng.uniform(-9, 9, len(gather))
    )
    if any(delays):
        survey["delay"] = "trace", 2.0 * np.resize(delays, len(gather)) + 0.7
    gathers = read_gathers(survey, slice(0, len(folds)))
    low = data.draw(st.integers(0, len(folds) - 1))
    chosen = slice(low, data.draw(st.integers(low + 1, len(folds))))
    padded = pad_gathers(gathers, chosen, max(folds) + extra)
    assert padded.batch.data.shape[:2] == (chosen.stop - chosen.start, max(folds) + extra)
    assert int(padded.batch.live.sum()) == sum(folds[chosen])
    back = padded.padding.take_samples(padded.batch.data, 9)
    exponents = np.repeat(padded.exponents.numpy(), folds[chosen])
    assert np.array_equal(np.ldexp(back, exponents[:, None]), gathers.amplitude[padded.traces].astype(np.float32))
    place = padded.padding.shift
    np.testing.assert_allclose(padded.batch.times.numpy()[place], gathers.delay[padded.traces], atol=1e-9)


def test_gathers_of_other_delays_do_not_move_a_gather() -> None:
    rng = np.random.default_rng(2)
    survey = make_survey(rng.standard_normal((5, 12, 60)), dt_ms=4.0, offset=np.arange(100.0, 1300, 100))
    survey["delay"] = "trace", np.repeat([0.0, 3.0, 3.0, 5000.0, 2e6], 12) + np.resize([0, 7, 9, 30], 60)
    whole = restore(survey, quick("denoise"))["amplitude"].values.reshape(5, 12, 60)
    for number in range(5):
        rows = slice(12 * number, 12 * number + 12)
        alone = survey.isel(trace=rows, gather=slice(number, number + 1))
        gathers = read_gathers(alone, slice(0, 1))
        padded = pad_gathers(gathers, slice(0, 1), 12)
        assert np.abs(padded.batch.times.numpy()[padded.padding.shift] - gathers.delay).max() <= 2.0
        np.testing.assert_allclose(restore(alone, quick("denoise"))["amplitude"].values, whole[number], atol=1e-5)


def test_delays_that_no_recorder_made_are_refused() -> None:
    survey = make_survey(np.ones((2, 5)), dt_ms=4.0)
    survey["delay"] = "trace", np.array([0.0, 1e9])
    with pytest.raises(SurveyError, match="--key delay=BYTE"):
        pad_gathers(read_gathers(survey, slice(0, 1)), slice(0, 1), 2)


def test_nonfinite_samples_are_named_or_zeroed_with_their_words(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy", sample_format="ibm32"), "ibm32")
    file.raw[7, 100] = [0x7F, 0xFF, 0x12, 0x34]
    file.raw[9, 100:102] = [0xFF, 0xFF, 0xFF, 0xFF]
    file.save()
    gathers = read_gathers(open_survey(file.path), slice(0, 1))
    with pytest.raises(SurveyError, match=r"non-finite samples \(3\) in trace 8, 10 of the file"):
        check_finite(gathers, np.arange(16), False)
    clean, count = check_finite(gathers, np.arange(16), True)
    assert count == 3
    assert np.isfinite(clean.amplitude).all()
    recipe = quick("denoise", start="900", zero_nonfinite=True)
    summary = restore_file(str(file.path), str(tmp_path / "out.sgy"), recipe, run=RunOptions(history=False))
    assert summary.nonfinite_samples == 3
    raw = RawFile(tmp_path / "out.sgy", "ibm32").raw
    assert not raw[7, 100].any()
    assert not raw[9, 100:102].any()
    early = 4.0 * np.arange(file.count) <= 900
    file.raw[7, 100] = file.raw[9, 100:102] = 0
    assert np.array_equal(raw[:, early], file.raw[:, early])


def shuffled(path: Path, to: Path, seed: int = 3) -> np.ndarray:
    """Write the traces of a file in another order, and return it."""
    file = RawFile(path)
    order = np.random.default_rng(seed).permutation(len(file.traces))
    file.traces = file.traces[order]
    file.save(to)
    return order


@pytest.mark.parametrize("task", ["demultiple", "denoise", "interpolate"])
def test_a_shuffled_file_gives_the_same_traces_in_its_own_order(task: str, tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    file.raw[[3, 30]] = 0
    file.save()
    order = shuffled(file.path, tmp_path / "mixed.sgy")
    reading = ReadOptions(gather=("cdp",), sort=("offset",))
    for source, target in (("in.sgy", "out.sgy"), ("mixed.sgy", "mixed_out.sgy")):
        restore_file(
            str(tmp_path / source), str(tmp_path / target), quick(task), reading=reading, run=RunOptions(history=False)
        )
    straight, mixed = (RawFile(tmp_path / name) for name in ("out.sgy", "mixed_out.sgy"))
    assert np.array_equal(straight.traces[order], mixed.traces)
    assert (straight.raw != file.raw).any()


def irregular_file(path: Path) -> RawFile:
    """Write gathers of fold 16, 1, 7 and 5, one of zeros, with duplicate offsets."""
    file = RawFile(line_file(path, small_line(5).full))
    keep = np.concatenate([np.arange(16), [20], np.arange(32, 39), np.arange(48, 53), np.arange(64, 80)])
    file.traces = file.traces[keep]
    file.save()
    file = RawFile(path)
    file.raw[29:] = 0
    return file.put([2, 3, 4], 37, 300).put([18, 19], 37, 0)


@pytest.mark.parametrize("task", ["demultiple", "denoise"])
def test_irregular_fold_duplicates_single_traces_and_zeros_are_processed(task: str, tmp_path: Path) -> None:
    file = irregular_file(tmp_path / "in.sgy")
    file.save()
    survey = open_survey(file.path)
    assert survey["fold"].values.tolist() == [16, 1, 7, 5, 16]
    summary = restore_file(str(file.path), str(tmp_path / "out.sgy"), quick(task), run=RunOptions(history=False))
    assert (summary.gathers, summary.traces, summary.dead_traces) == (5, 45, 16)
    out = RawFile(tmp_path / "out.sgy")
    assert np.array_equal(out.headers, file.headers)
    assert not out.raw[29:].any()
    different = (out.raw != file.raw).any(axis=(1, 2))
    assert different[:16].all()
    assert different[17:24].all()
    assert np.isfinite(out.samples).all()
    if task == "demultiple":
        assert not different[16]


def delayed(delays: np.ndarray, tmp_path: Path) -> tuple[RawFile, RawFile]:
    """Write a line, and again with each trace cut to begin at its delay (ms) and the same last part of zeros."""
    full = RawFile(line_file(tmp_path / "full.sgy"))
    full.raw[:, -20:] = 0
    steps = np.floor(delays / 4).astype(int)
    full.raw[np.arange(full.count)[None, :] < steps[:, None]] = 0
    full.save()
    cut = RawFile(line_file(tmp_path / "cut.sgy", small_line(4, 16, 230).full))
    for trace, step in enumerate(steps):
        cut.raw[trace] = full.raw[trace, step : step + 230]
    cut.put(slice(None), 215, -10, "i2").put(slice(None), 109, 10 * delays, "i2")
    fraction = np.unique(delays - 4 * steps)
    mute = full.mute_ms + (fraction[0] if len(fraction) == 1 else 0)
    cut.put(slice(None), 113, 10 * mute, "i2").save()
    return full, cut


@pytest.mark.parametrize("fraction", [0.0, 1.5])
def test_varying_delays_place_traces_in_time(fraction: float, tmp_path: Path) -> None:
    delays = 4.0 * np.random.default_rng(0).integers(0, 20, 64) + fraction
    delays[::16], delays[1::16] = fraction, 80 + fraction
    full, cut = delayed(delays, tmp_path)
    assert "delay" in open_survey(cut.path)
    for path in (full.path, cut.path):
        restore_file(str(path), str(path.with_suffix(".out.sgy")), quick("demultiple"))
    expected, got = (RawFile(path.with_suffix(".out.sgy")).samples for path in (full.path, cut.path))
    assert rms(expected - full.samples) > 0.05 * rms(full.samples)
    for trace, step in enumerate((delays // 4).astype(int)):
        np.testing.assert_allclose(got[trace], expected[trace, step : step + 230], atol=1e-5 * rms(expected))


def test_start_times_hold_in_recorded_time_with_delays(tmp_path: Path) -> None:
    delays = np.resize([0.0, 40.0, 12.0, 7.0], 64)
    _, cut = delayed(delays, tmp_path)
    target = tmp_path / "out.sgy"
    restore_file(str(cut.path), str(target), quick("demultiple", start="400", taper_ms=0.0))
    times = delays[:, None] + 4.0 * np.arange(230)
    different = RawFile(target).samples != cut.samples
    assert not different[times <= 398].any()
    assert different[(times > 406) & (cut.samples != 0)].mean() > 0.99


def test_zero_offsets_are_replaced_by_trace_numbers_with_a_warning(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy")).put(slice(None), 37, 0)
    file.save()
    told: list[str] = []
    restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("demultiple"), run=RunOptions(notify=told.append))
    assert sum(line.startswith("warning: all offsets are zero") and "'seisdiff info'" in line for line in told) == 1
    out = RawFile(tmp_path / "out.sgy")
    assert np.array_equal(out.headers, file.headers)
    assert (out.samples != file.samples).mean() > 0.5
    survey = small_line().full.drop_vars("offset")
    again = restore(survey, quick("demultiple"))
    np.testing.assert_allclose(again["amplitude"].values, out.samples, atol=1e-5 * rms(out.samples))


def test_several_gather_keys_form_gathers_and_come_back(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    file.put(slice(None), 189, np.repeat([7, 7, 8, 8], 16)).put(
        slice(None), 193, np.tile(np.repeat([1, 2], 16), 2)
    ).save()
    reading = ReadOptions(gather=("inline", "crossline"))
    survey = open_survey(file.path, reading)
    assert survey.sizes["gather"] == 4
    for name, chosen in (("keys.sgy", reading), ("cdp.sgy", ReadOptions())):
        restore_file(
            str(file.path), str(tmp_path / name), quick("demultiple"), reading=chosen, run=RunOptions(history=False)
        )
    assert (tmp_path / "keys.sgy").read_bytes() == (tmp_path / "cdp.sgy").read_bytes()
    ingest(str(file.path), str(tmp_path / "keys.zarr"), reading)
    restore_file(
        str(tmp_path / "keys.zarr"), str(tmp_path / "out.zarr"), quick("demultiple"), run=RunOptions(history=False)
    )
    export(str(tmp_path / "out.zarr"), str(tmp_path / "again.sgy"))
    assert (tmp_path / "again.sgy").read_bytes() == (tmp_path / "cdp.sgy").read_bytes()


def test_a_depth_axis_is_restored_like_a_time_axis_of_the_same_numbers(tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy")
    for axis in ("time", "depth"):
        restore_file(
            str(source),
            str(tmp_path / f"{axis}.sgy"),
            quick("demultiple"),
            reading=ReadOptions(axis=axis),
            run=RunOptions(history=False),
        )
    assert (tmp_path / "time.sgy").read_bytes() == (tmp_path / "depth.sgy").read_bytes() != source.read_bytes()
    restore_file(str(source), str(tmp_path / "depth.zarr"), quick("demultiple"), reading=ReadOptions(axis="depth"))
    assert open_survey(str(tmp_path / "depth.zarr"))["depth"].attrs["units"] == "m"


def test_one_gather_of_the_whole_file(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    summary = restore_file(
        str(file.path), str(tmp_path / "out.sgy"), quick("denoise"), reading=ReadOptions(gather=("all",))
    )
    assert (summary.gathers, summary.traces) == (1, 64)


def test_a_trace_of_ones_is_cut_by_rows() -> None:
    survey = make_survey(np.arange(24.0).reshape(2, 3, 4), dt_ms=4.0)
    gathers = read_gathers(survey, slice(1, 2))
    assert cut_traces(gathers, slice(1, 3)).amplitude.tolist() == [[16, 17, 18, 19], [20, 21, 22, 23]]
    assert gathers.offset.tolist() == [0, 1, 2]
    assert gathers.number.tolist() == [2]
