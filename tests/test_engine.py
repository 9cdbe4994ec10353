"""Restoration of whole files: amplitudes are conserved, and nothing but input and recipe decides the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from seisdiff.engine import restore, restore_file
from seisdiff.errors import OptionError
from seisdiff.passes import RunOptions
from seisdiff.sources import open_survey
from seisdiff.transfer import export, ingest
from tests.small_lines import RawFile, line_file, quick, small_line

PLAIN = RunOptions(history=False)
TASKS = ["demultiple", "denoise"]


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def test_demultiple_moves_the_line_towards_its_primaries() -> None:
    line = small_line(2, 40, 500)
    restored = restore(line.full, quick("demultiple", start="250", radon={"moveout_ms": "-50:400:10"}))
    before, after = (
        rms(survey["amplitude"].values - line.primaries["amplitude"].values) for survey in (line.full, restored)
    )
    assert after < 0.5 * before


def awkward_file(path: Path) -> Path:
    """Write an IBM file with unnormalised words everywhere, words in the mute, and two kinds of dead traces."""
    file = RawFile(line_file(path, sample_format="ibm32"), "ibm32")
    rng = np.random.default_rng(1)
    places = rng.random(file.raw.shape[:2]) < 0.02
    file.raw[places] = np.frombuffer(bytes([0x44, 0x00, 0x12, 0x34]), np.uint8)
    file.raw[rng.random(file.raw.shape[:2]) < 0.02] = np.frombuffer(bytes([0x45, 0, 0, 0]), np.uint8)
    file.raw[5], file.raw[20, :, 3] = 0, 7
    return file.put(20, 29, 2, "i2").save()


@pytest.mark.parametrize("task", TASKS)
def test_only_samples_in_the_zone_change_and_everything_else_is_the_same_bytes(task: str, tmp_path: Path) -> None:
    source, target, removed = awkward_file(tmp_path / "in.sgy"), tmp_path / "out.sgy", tmp_path / "removed.sgy"
    summary = restore_file(str(source), str(target), quick(task, start="400"), removed=str(removed), run=PLAIN)
    before, after, taken = (RawFile(path, "ibm32") for path in (source, target, removed))
    assert np.array_equal(before.headers, after.headers)
    assert np.array_equal(before.headers, taken.headers)
    assert np.array_equal(before.file_header, after.file_header)
    same = (before.raw == after.raw).all(axis=2)
    times = 4.0 * np.arange(before.count)
    zone = (times > 400) & (times >= before.mute_ms[:, None])
    zone[[5, 20]] = False
    assert same[~zone].all()
    assert np.array_equal(same, taken.samples == 0)
    assert (~same).mean() > 0.3
    assert summary.dead_traces == 2
    assert np.isfinite(after.samples).all()


@pytest.mark.parametrize("task", TASKS)
def test_kept_is_the_rounded_difference_and_removed_is_input_minus_what_was_written(task: str, tmp_path: Path) -> None:
    for sample_format, suffix in (("ieee32", "sgy"), ("ieee32", "su"), ("ibm32", "sgy"), ("ieee64", "sgy")):
        source = line_file(tmp_path / f"in_{sample_format}.{suffix}", sample_format=sample_format)
        target, removed = (tmp_path / f"{name}_{sample_format}.{suffix}" for name in ("out", "removed"))
        restore_file(str(source), str(target), quick(task), removed=str(removed), run=PLAIN)
        before, after, taken = (RawFile(path, sample_format).samples for path in (source, target, removed))
        assert np.abs(taken).max() > 0.01 * np.abs(before).max()
        if sample_format == "ibm32":
            np.testing.assert_allclose(taken, before - after, rtol=2**-20)
        else:
            assert np.array_equal(
                taken, (before - after).astype(np.float64 if sample_format == "ieee64" else np.float32)
            )


def test_integers_are_rounded_and_clipping_is_counted(tmp_path: Path) -> None:
    peak = float(np.abs(small_line().full["amplitude"].values).max())
    source = line_file(tmp_path / "in.sgy", sample_format="int16", gain=4 * 32767 / peak)
    target = tmp_path / "out.sgy"
    exact = restore(_as_float(open_survey(source)), quick("demultiple"))["amplitude"].values.astype(np.float64)
    summary = restore_file(str(source), str(target), quick("demultiple"), run=PLAIN)
    limits = np.iinfo(np.int16)
    assert summary.clipped_samples == ((np.rint(exact) > limits.max) | (np.rint(exact) < limits.min)).sum() > 0
    assert np.array_equal(RawFile(target, "int16").samples, np.clip(np.rint(exact), limits.min, limits.max))


def _as_float(survey: xr.Dataset) -> xr.Dataset:
    return survey.assign_attrs(sample_format="ieee32")


@pytest.mark.parametrize("suffix", ["sgy", "su"])
def test_a_run_into_another_format_keeps_the_precision_of_that_format(suffix: str, tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy", sample_format="int16", gain=100.0)
    target, removed = tmp_path / f"out.{suffix}", tmp_path / f"removed.{suffix}"
    given = None if suffix == "su" else "ieee32"
    restore_file(str(source), str(target), quick("demultiple"), removed=str(removed), run=PLAIN, sample_format=given)
    exact = restore(_as_float(open_survey(source)), quick("demultiple"))["amplitude"].values
    assert np.array_equal(RawFile(target).samples, exact)
    assert np.array_equal(RawFile(removed).samples, (RawFile(source, "int16").samples - exact).astype(np.float32))


def test_removed_is_input_minus_output_where_the_output_is_coarser(tmp_path: Path) -> None:
    source, target, removed = line_file(tmp_path / "in.sgy", gain=3.3), tmp_path / "out.sgy", tmp_path / "removed.zarr"
    restore_file(
        str(source), str(target), quick("demultiple"), run=PLAIN, sample_format="int16", removed=str(tmp_path / "r.sgy")
    )
    before, after, taken = (
        RawFile(source).samples,
        RawFile(target, "int16").samples,
        RawFile(tmp_path / "r.sgy", "int16"),
    )
    assert np.array_equal(taken.samples, np.rint(before - after))
    with pytest.raises(OptionError, match="a store keeps the format"):
        restore_file(
            str(source), str(tmp_path / "x.sgy"), quick("demultiple"), removed=str(removed), sample_format="int16"
        )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("power", [-20, 3])
def test_the_input_times_a_power_of_two_gives_the_output_times_it(task: str, power: int) -> None:
    survey = small_line().full
    scaled = survey.assign(amplitude=survey["amplitude"] * np.float32(2.0**power))
    one, other = (restore(each, quick(task))["amplitude"].values for each in (survey, scaled))
    assert np.array_equal(np.ldexp(one, power), other)


@pytest.mark.parametrize("sample_format", ["ibm32", "ieee32"])
def test_every_road_through_files_and_stores_gives_the_same_bytes(sample_format: str, tmp_path: Path) -> None:
    source = awkward_file(tmp_path / "in.sgy") if sample_format == "ibm32" else line_file(tmp_path / "in.sgy")
    name = {road: str(tmp_path / road) for road in ("a.sgy", "b0.zarr", "b1.zarr", "b.sgy", "c.zarr", "c.sgy", "d.sgy")}
    recipe = quick("demultiple", start="auto")
    restore_file(str(source), name["a.sgy"], recipe, run=PLAIN)
    ingest(str(source), name["b0.zarr"])
    restore_file(name["b0.zarr"], name["b1.zarr"], recipe, run=PLAIN)
    export(name["b1.zarr"], name["b.sgy"])
    restore_file(str(source), name["c.zarr"], recipe, run=PLAIN)
    export(name["c.zarr"], name["c.sgy"])
    restore_file(name["b0.zarr"], name["d.sgy"], recipe, run=PLAIN)
    expected = Path(name["a.sgy"]).read_bytes()
    for road in ("b.sgy", "c.sgy", "d.sgy"):
        assert Path(name[road]).read_bytes() == expected, road
    assert expected != source.read_bytes()


@pytest.mark.parametrize("sample_format", ["ieee32", "ibm32"])
def test_the_answer_in_memory_is_that_of_the_file_and_the_given_survey_is_not_changed(
    sample_format: str, tmp_path: Path
) -> None:
    source, target = line_file(tmp_path / "in.sgy", sample_format=sample_format), tmp_path / "out.sgy"
    survey = open_survey(source).load()
    copy = survey.copy(deep=True)
    restored = restore(survey, quick("denoise"))
    xr.testing.assert_identical(survey, copy)
    restore_file(str(source), str(target), quick("denoise"))
    assert np.array_equal(restored["amplitude"].values, open_survey(target)["amplitude"].values)
    assert np.array_equal(restored["trace_header"].values, RawFile(target, sample_format).headers)
    assert restored["live"].values.all()
    assert "denoise" in restored.attrs["history"][-1]


def test_options_of_the_run_leave_the_bytes_alone(tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy")
    told: list[str] = []
    counts: list[tuple[int, int]] = []
    runs = [
        PLAIN,
        RunOptions(history=False, progress=lambda done, total: counts.append((done, total)), notify=told.append),
        RunOptions(history=False, overwrite=True),
        RunOptions(history=False, resume=True),
    ]
    outputs = []
    for number, run in enumerate(runs):
        target = tmp_path / f"{number}.sgy"
        restore_file(str(source), str(target), quick("demultiple"), run=run)
        outputs.append(target.read_bytes())
    assert outputs[1:] == outputs[:1] * 3
    assert counts[0] == (0, 4)
    assert counts[-1] == (4, 4)
    assert any("reference offset 900 m" in line for line in told)


def test_history_is_the_only_other_difference_and_stands_in_the_text_header(tmp_path: Path) -> None:
    source, target = line_file(tmp_path / "in.sgy"), tmp_path / "out.sgy"
    restore_file(str(source), str(target), quick("demultiple", start="400"))
    before, after = RawFile(source).file_header, RawFile(target).file_header
    assert np.array_equal(before[3200:], after[3200:])
    changed = [
        line
        for line in range(40)
        if not np.array_equal(*(header[80 * line : 80 * line + 80] for header in (before, after)))
    ]
    assert len(changed) == 1
    text = after[80 * changed[0] : 80 * changed[0] + 80].tobytes()
    assert any("demultiple radon" in text.decode(code, "replace").lower() for code in ("cp037", "ascii"))


@pytest.mark.parametrize("task", [*TASKS, "interpolate"])
def test_other_units_agree_within_a_hundred_thousandth(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy", small_line(6, 12, 250).full))
    file.raw[17] = 0
    file.put(slice(24, 48), 109, 12, "i2").put(slice(60, None), 109, 5, "i2").save()
    recipe = quick(task)
    restore_file(str(tmp_path / "in.sgy"), str(tmp_path / "one.sgy"), recipe)
    monkeypatch.setattr("seisdiff.passes.unit_bytes", lambda _: 14 * 1240)
    summary = restore_file(str(tmp_path / "in.sgy"), str(tmp_path / "six.sgy"), recipe)
    assert summary.units == 6
    one, six = (RawFile(tmp_path / name).samples for name in ("one.sgy", "six.sgy"))
    assert np.abs(one - six).max() <= 1e-5 * rms(one)


def test_units_of_a_store_that_cut_gathers_agree_with_units_of_whole_gathers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = line_file(tmp_path / "in.sgy", small_line(6, 13, 250).full)
    restore_file(str(source), str(tmp_path / "whole.sgy"), quick("demultiple"))
    for name, size in (("CHUNK_BYTES", 2**11), ("SHARD_BYTES", 2**14), ("MAX_SHARD_BYTES", 2**15)):
        monkeypatch.setattr(f"seisdiff.store_layout.{name}", size)
    summary = restore_file(
        str(source), str(tmp_path / "cut.zarr"), quick("demultiple"), removed=str(tmp_path / "removed.sgy")
    )
    assert summary.units > 3
    whole, cut = RawFile(tmp_path / "whole.sgy").samples, open_survey(str(tmp_path / "cut.zarr"))["amplitude"].values
    assert np.abs(whole - cut).max() <= 1e-5 * rms(whole)
    taken = RawFile(tmp_path / "removed.sgy").samples
    assert np.array_equal(taken, (RawFile(source).samples - cut).astype(np.float32))


def test_every_step_is_told_in_the_text_header_whatever_lies_between(tmp_path: Path) -> None:
    source, told = line_file(tmp_path / "in.sgy"), ("denoise fx", "demultiple radon")
    restore_file(str(source), str(tmp_path / "one.zarr"), quick("denoise", method="fx"))
    restore_file(str(tmp_path / "one.zarr"), str(tmp_path / "two.zarr"), quick("demultiple"))
    export(str(tmp_path / "two.zarr"), str(tmp_path / "two.sgy"))
    restore_file(str(tmp_path / "one.zarr"), str(tmp_path / "three.sgy"), quick("demultiple"))
    for name in ("two.sgy", "three.sgy"):
        text = (tmp_path / name).read_bytes()[:3200].decode("cp037")
        assert all(words in text for words in told), name
    restore_file(str(tmp_path / "one.zarr"), str(tmp_path / "four.sgy"), quick("demultiple"), run=PLAIN)
    assert (tmp_path / "four.sgy").read_bytes()[:3200] == source.read_bytes()[:3200]


def test_removed_samples_that_do_not_fit_are_counted_or_refused(tmp_path: Path) -> None:
    line = small_line().full
    line = line.assign(amplitude=np.sign(line["amplitude"]) * 32_700)
    source = line_file(tmp_path / "in.sgy", line, "int16")
    out, removed = str(tmp_path / "out.sgy"), str(tmp_path / "removed.sgy")
    recipe = quick("denoise", method="median", median={"mode": "spike", "threshold": 1.5})
    summary = restore_file(str(source), out, recipe, removed=removed, run=PLAIN)
    before, kept, taken = (open_survey(name)["amplitude"].values for name in (str(source), out, removed))
    lost = int((before != kept + taken).sum())
    assert summary.clipped_samples >= lost > 0
    again = RunOptions(overwrite=True)
    with pytest.raises(OptionError, match="which uint8 cannot hold"):
        restore_file(str(source), out, recipe, removed=removed, sample_format="uint8", run=again)
    bytes_only = line_file(tmp_path / "bytes.sgy", line.assign(amplitude=150.0 * (line["amplitude"] > 0)), "uint8")
    for name in ("removed.su", "removed.zarr"):
        restore_file(str(bytes_only), out, recipe, removed=str(tmp_path / name), run=again)
        assert open_survey(str(tmp_path / name))["amplitude"].values.min() < 0


@pytest.mark.parametrize("name", ["spread.sgy", "spread.zarr"])
@pytest.mark.parametrize("sample_format", ["int8", "int32"])
def test_spreads_of_integers_are_not_rounded_away(tmp_path: Path, name: str, sample_format: str) -> None:
    line = small_line(1).full
    line = line.assign(amplitude=20 * line["amplitude"] / np.abs(line["amplitude"]).max())
    source, spread = line_file(tmp_path / "in.sgy", line, sample_format), str(tmp_path / name)
    recipe = quick("denoise", method="diffusion", diffusion={"samples": 2})
    restore_file(str(source), str(tmp_path / "out.sgy"), recipe, spread=spread)
    values = open_survey(spread)["amplitude"].values
    assert (values[values > 0] % 1 != 0).mean() > 0.9
    assert open_survey(str(tmp_path / "out.sgy")).attrs["sample_format"] == sample_format
    made = restore(open_survey(str(source)), recipe)["spread"].values
    np.testing.assert_allclose(values, made, rtol=1e-6)


def test_a_bound_of_memory_that_cannot_be_leaves_nothing(tmp_path: Path) -> None:
    source = line_file(tmp_path / "in.sgy")
    for memory in (np.inf, 1e300, 0.0, np.nan):
        with pytest.raises(OptionError, match="expected GiB"):
            restore_file(str(source), str(tmp_path / "out.sgy"), quick("denoise"), run=RunOptions(memory_gib=memory))
    assert [path.name for path in tmp_path.iterdir()] == ["in.sgy"]


def test_whatever_goes_wrong_before_the_first_unit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = line_file(tmp_path / "in.sgy")
    monkeypatch.setattr("seisdiff.engine.prepare", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore_file(str(source), str(tmp_path / "out.sgy"), quick("denoise"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.sgy"]


def test_new_traces_that_are_not_filled_are_dead(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy", small_line(2).full))
    file.raw[: len(file.raw) // 2] = 0
    file.save()
    restore_file(str(tmp_path / "in.sgy"), str(tmp_path / "out.sgy"), quick("interpolate", method="pocs", refine=2))
    out = open_survey(str(tmp_path / "out.sgy"))
    codes, some = out["trace_id_code"].values, out["amplitude"].values.any(axis=1)
    new = np.arange(len(codes)) % 31 % 2 == 1
    assert (codes[new & ~some] == 2).all()
    assert (new & ~some).any()
    assert (codes[some] == 1).all()


def test_offsets_of_two_spacings_are_taken(tmp_path: Path) -> None:
    line = small_line(2, 13, 250).full
    offsets = np.tile(100 + np.cumsum([25.0] * 6 + [50.0] * 7), 2)
    source = line_file(tmp_path / "in.sgy", line.assign(offset=("trace", offsets)))
    for task in ("denoise", "demultiple"):
        assert restore_file(str(source), str(tmp_path / f"{task}.sgy"), quick(task)).gathers == 2


def test_a_text_header_without_room_is_told(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    file.file_header[:3200] = 0xC1  # A
    file.save()
    told: list[str] = []
    restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("denoise"), run=RunOptions(notify=told.append))
    assert any("no blank line left" in line for line in told)
    assert (RawFile(tmp_path / "out.sgy").file_header[:3200] == 0xC1).all()
