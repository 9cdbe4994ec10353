"""Dead traces are filled and new ones made; recorded traces come back bit for bit, and every header is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from seisdiff.engine import restore, restore_file
from seisdiff.errors import OptionError, SurveyError
from seisdiff.new_geometry import plan_geometry, wanted_offsets
from seisdiff.passes import RunOptions
from seisdiff.sources import ReadOptions, open_survey
from seisdiff.transfer import export
from tests.small_lines import RawFile, line_file, quick, small_line

PLAIN = RunOptions(history=False)
TIMES = 4.0 * np.arange(250)


def damaged_file(path: Path, sample_format: str = "ibm32") -> RawFile:
    """Write a line with two zeroed traces (one without an identification code) and one dead by its code only."""
    file = RawFile(line_file(path, sample_format=sample_format), sample_format)
    file.raw[[5, 22]] = 0
    file.put(22, 29, 0, "i2").put(40, 29, 2, "i2").save()
    return file


@pytest.mark.parametrize("sample_format", ["ibm32", "ieee32", "int16"])
def test_dead_traces_are_filled_below_the_mute_and_nothing_else_changes(sample_format: str, tmp_path: Path) -> None:
    gain = 20_000.0 if sample_format == "int16" else 1.0
    clean = RawFile(line_file(tmp_path / "clean.sgy", sample_format=sample_format, gain=gain), sample_format)
    file = RawFile(line_file(tmp_path / "in.sgy", sample_format=sample_format, gain=gain), sample_format)
    file.raw[[5, 22]] = 0
    file.put(22, 29, 0, "i2").put(40, 29, 2, "i2").save()
    summary = restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("interpolate"), run=PLAIN)
    assert (summary.filled_traces, summary.dead_traces) == (3, 0)
    out = RawFile(tmp_path / "out.sgy", sample_format)
    recorded = np.setdiff1d(np.arange(64), [5, 22, 40])
    assert np.array_equal(out.traces[recorded], file.traces[recorded])
    assert np.array_equal(out.file_header, file.file_header)
    expected = file.put([5, 22, 40], 29, 1, "i2").headers
    assert np.array_equal(out.headers, expected)
    for trace in (5, 22, 40):
        begin = (clean.mute_ms[trace - 1] + clean.mute_ms[trace + 1]) / 2
        assert not out.samples[trace][begin - 8 > TIMES].any()
        late = TIMES > 500
        error = out.samples[trace][late] - clean.samples[trace][late]
        assert np.sum(error**2) < 0.5 * np.sum(clean.samples[trace][late] ** 2)


def test_filled_traces_are_live_in_stores_and_in_memory_too(tmp_path: Path) -> None:
    file = damaged_file(tmp_path / "in.sgy")
    restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("interpolate"), run=PLAIN)
    restore_file(str(file.path), str(tmp_path / "out.zarr"), quick("interpolate"), run=PLAIN)
    again, stored = open_survey(tmp_path / "out.sgy").load(), open_survey(str(tmp_path / "out.zarr")).load()
    in_memory = restore(open_survey(file.path), quick("interpolate"), PLAIN)
    for survey in (stored, in_memory):
        assert survey["live"].values.all()
        for name in again.data_vars:
            assert np.array_equal(survey[name].values, again[name].values), name
    export(str(tmp_path / "out.zarr"), str(tmp_path / "export.sgy"))
    assert (tmp_path / "export.sgy").read_bytes() == (tmp_path / "out.sgy").read_bytes()


def test_a_gather_without_live_traces_stays_dead(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    file.raw[16:32] = 0
    file.save()
    summary = restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("interpolate"), run=PLAIN)
    assert (summary.filled_traces, summary.dead_traces) == (0, 16)
    assert (tmp_path / "out.sgy").read_bytes() == file.path.read_bytes()


@pytest.mark.parametrize("n", [2, 3])
def test_refining_puts_traces_between_and_keeps_the_recorded_ones(n: int, tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    removed = tmp_path / "removed.sgy"
    summary = restore_file(
        str(file.path), str(tmp_path / "out.sgy"), quick("interpolate", refine=n), removed=str(removed), run=PLAIN
    )
    fold = 15 * n + 1
    assert (summary.gathers, summary.traces) == (4, 4 * fold)
    assert summary.filled_traces == 4 * (fold - 16)
    out = RawFile(tmp_path / "out.sgy")
    kept = np.flatnonzero(np.tile(np.arange(fold) % n == 0, 4))
    assert np.array_equal(out.raw[kept], file.raw)
    assert np.array_equal(out.headers[kept][:, 8:24], file.headers[:, 8:24])
    assert np.array_equal(out.headers[kept][:, 28:], file.headers[:, 28:])
    offset = 150 + 50 / n * np.arange(fold)
    assert np.array_equal(out.word(37), np.tile(np.rint(offset), 4))
    assert np.array_equal(out.word(1), np.arange(4 * fold) + 1)
    assert np.array_equal(out.word(5), np.arange(4 * fold) + 1)
    assert np.array_equal(out.word(25), np.tile(np.arange(fold) + 1, 4))
    assert np.array_equal(out.word(21), np.repeat(file.word(21)[::16], fold))
    assert (out.word(29, "i2") == 1).all()
    sx, scalar = file.word(73), -file.word(71, "i2")[0]
    lines = np.concatenate([np.interp(offset, 150 + 50 * np.arange(16), sx[16 * g : 16 * g + 16]) for g in range(4)])
    assert np.abs(out.word(73) - lines).max() <= 0.5
    assert scalar > 0
    new = np.setdiff1d(np.arange(4 * fold), kept)
    assert (np.abs(out.samples[new]).max(axis=1) > 0).all()
    assert not RawFile(removed).raw[kept].any()
    assert np.array_equal(RawFile(removed).samples[new], -out.samples[new])


@pytest.mark.parametrize(
    "task", [{"refine": 2}, {"refine": 3}, {"to_offsets": "150:900:25"}, {"to_offsets": "170:890:60"}]
)
def test_new_traces_are_the_same_in_files_stores_and_memory(task: dict, tmp_path: Path) -> None:
    file = damaged_file(tmp_path / "in.sgy")
    recipe = quick("interpolate", **task)
    for name in ("out.sgy", "out.zarr"):
        restore_file(str(file.path), str(tmp_path / name), recipe, run=PLAIN)
    again, stored = open_survey(tmp_path / "out.sgy").load(), open_survey(str(tmp_path / "out.zarr")).load()
    in_memory = restore(open_survey(file.path), recipe, PLAIN)
    for survey in (stored, in_memory):
        assert survey["live"].values.all()
        assert set(again.data_vars) <= set(survey.data_vars)
        for name in again.data_vars:
            assert np.array_equal(survey[name].values, again[name].values), name
    export(str(tmp_path / "out.zarr"), str(tmp_path / "export.sgy"))
    assert (tmp_path / "export.sgy").read_bytes() == (tmp_path / "out.sgy").read_bytes()


def test_every_gather_gets_the_offsets_that_are_asked_for(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    file.traces = np.delete(file.traces, [3, 4, 20, 33], axis=0)
    file.save()
    restore_file(str(file.path), str(tmp_path / "out.sgy"), quick("interpolate", to_offsets="200:850:25"), run=PLAIN)
    out, wanted = RawFile(tmp_path / "out.sgy"), np.arange(200, 851, 25)
    assert np.array_equal(out.word(37), np.tile(wanted, 4))
    assert np.array_equal(out.word(1), np.arange(len(out.traces)) + 1)
    for gather in range(4):
        before = np.flatnonzero(file.word(21) == 1001 + gather)
        after = np.flatnonzero(out.word(21) == 1001 + gather)
        known = dict(zip(file.word(37)[before], before, strict=True))
        for row in after:
            if (offset := out.word(37)[row]) in known:
                assert np.array_equal(out.raw[row], file.raw[known[offset]])
            else:
                assert out.raw[row].any()


def test_new_traces_resemble_those_that_were_left_out(tmp_path: Path) -> None:
    survey = small_line(4, 17, 250).full
    every_other = survey.isel(trace=np.arange(68).reshape(4, 17)[:, ::2].ravel())
    every_other = every_other.assign(fold=("gather", np.full(4, 9)))
    dense = restore(
        every_other, quick("interpolate", refine=2, radon={"moveout_ms": "-100:400:10", "kind": "parabolic"})
    )
    late = TIMES > 400
    truth = survey["amplitude"].values.reshape(4, 17, 250)[:, 1::2][..., late]
    made = dense["amplitude"].values.reshape(4, 17, 250)[:, 1::2][..., late]
    assert np.square(made - truth).sum() < 0.3 * np.square(truth).sum()
    assert np.array_equal(dense["offset"].values, survey["offset"].values)


def test_feet_stay_feet(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "in.sgy"))
    reading = ReadOptions(units="ft")
    recipe = quick("interpolate", to_offsets=f"{150 * 0.3048}:{900 * 0.3048}:{25 * 0.3048}")
    restore_file(str(file.path), str(tmp_path / "out.sgy"), recipe, reading=reading, run=PLAIN)
    out = RawFile(tmp_path / "out.sgy")
    assert np.array_equal(out.word(37), np.tile(np.arange(150, 901, 25), 4))
    assert np.array_equal(out.raw[::2][:16], file.raw[:16])


def test_offsets_are_read_with_both_ends() -> None:
    offsets, step = wanted_offsets("100:300:50")
    assert (offsets.tolist(), step) == ([100, 150, 200, 250, 300], 50)
    assert wanted_offsets("-100:120:100")[0].tolist() == [-100, 0, 100]
    assert wanted_offsets("0:0.3:0.1")[0].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    "text", ["", "1:2", "a:b:c", "5:1:1", "1:5:-1", "1:5:0", "0:1e9:1", "nan:5:1", "0:inf:1", "-inf:0:1"]
)
def test_offsets_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"A:B:STEP|A <= B"):
        wanted_offsets(text)


def test_new_traces_need_offsets() -> None:
    survey = small_line().full.drop_vars("offset")
    with pytest.raises(SurveyError, match="--key offset=BYTE"):
        plan_geometry(survey, 2)


def test_without_new_traces_the_geometry_is_the_survey_itself() -> None:
    survey = small_line().full
    geometry = plan_geometry(survey)
    xr.testing.assert_identical(geometry.template, survey)
    assert geometry.bounds.tolist() == [0, 16, 32, 48, 64]
