"""What is read is written back byte for byte: real flavours, made files, and damaged ones that must be refused."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import segyio
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seisdiff.errors import FileFormatError, OptionError, OutputError, SeisdiffError, SurveyError
from seisdiff.segy import SegyWriter, detect_layout, new_headers, open_segy, text_header
from seisdiff.survey import SAMPLE_FORMATS, check_survey, make_survey
from tests.strategies import FileSpec, file_specs, make_file, write_file

_REFUSED = ("text.sgy", "broken.sgy")
_WITHOUT_INTERVAL = ("small.su", "small-lsb.su")
#: segyio refuses these.
_WITH_HEADER_EXTENSIONS = ("rotated-small-rev2.sgy", "trace-header-extension1.sgy")
#: Readings that leave traces in file order and readings that reorder them.
_READINGS: list[dict] = [
    {},
    {"gather": ["all"], "sort": ["offset"]},
    {"gather": ["cdp"], "sort": ["channel", "offset"]},
    {"gather": ["trace_in_ensemble", "fldr"]},
]
_quick = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _flavours(field_data: Path) -> list[Path]:
    folders = [field_data / name for name in ("flavours", "prestack", "stack")]
    return sorted(path for folder in folders for path in folder.iterdir() if path.name not in _REFUSED)


def _open(path: Path, **reading) -> xr.Dataset:
    return open_segy(path, dt_ms=4.0 if path.name in _WITHOUT_INTERVAL else None, **reading)


def _write_all(survey: xr.Dataset, path: Path, rows_at_once: int = 50, **options) -> SegyWriter:
    with SegyWriter(path, survey, **options) as writer:
        for start in range(0, survey.sizes["trace"], rows_at_once):
            part = survey.isel(trace=slice(start, start + rows_at_once))
            exceptions = part["raw_exception"].values if "raw_exception" in part else None
            rows = slice(start, start + part.sizes["trace"])
            assert writer.write(rows, part["trace_header"].values, part["amplitude"].values, exceptions) == 0
    return writer


def test_flavours_come_back_byte_for_byte(field_data, tmp_path):
    out = tmp_path / "out"
    for path in _flavours(field_data):
        for reading in _READINGS:
            survey = _open(path, **reading)
            check_survey(survey)
            _write_all(survey, out, 37)
            assert out.read_bytes() == path.read_bytes(), (path.name, reading)


def test_flavours_read_as_segyio_reads_them(field_data):
    read = 0
    for path in _flavours(field_data):
        survey = _open(path)
        if path.name in _WITH_HEADER_EXTENSIONS:
            continue
        opener = segyio.su.open if path.suffix == ".su" else segyio.open
        with opener(path, ignore_geometry=True, endian=survey.attrs["byte_order"]) as file:
            expected, times = file.trace.raw[:], file.samples
            offsets = file.attributes(segyio.TraceField.offset)[:]
        np.testing.assert_array_equal(survey["amplitude"].values, expected[survey["source_trace"]], path.name)
        foot = 0.3048 if survey.attrs["length_unit"] == "ft" else 1.0
        np.testing.assert_allclose(survey["offset"].values, offsets[survey["source_trace"]] * foot)
        if path.name not in (*_WITHOUT_INTERVAL, "long.sgy"):
            np.testing.assert_allclose(survey["time"].values, times, err_msg=path.name)
        read += 1
    assert read > 25


@pytest.mark.parametrize("name", _REFUSED)
def test_header_only_and_truncated_files_give_one_clear_line(field_data, name):
    with pytest.raises(FileFormatError) as error:
        open_segy(field_data / "flavours" / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert "no traces" in str(error.value) or "cut short" in str(error.value)


@given(spec=file_specs(), reading=st.sampled_from(_READINGS), rows=st.integers(1, 9))
@_quick
def test_made_files_come_back_byte_for_byte(tmp_path, spec, reading, rows):
    path, out = write_file(spec, tmp_path), tmp_path / "out"
    survey = open_segy(path, **reading)
    check_survey(survey)
    _write_all(survey, out, rows)
    assert out.read_bytes() == path.read_bytes()


@given(spec=file_specs())
@_quick
def test_made_files_are_laid_out_as_made(tmp_path, spec):
    layout = detect_layout(write_file(spec, tmp_path))
    assert layout.container == spec.container
    assert layout.byte_order == spec.byte_order
    assert layout.sample_format == spec.sample_format
    assert (layout.n_samples, layout.n_traces) == (spec.n_samples, spec.n_traces)
    assert layout.header_bytes == spec.header_bytes
    assert layout.revision == spec.revision
    assert layout.dt_ms == pytest.approx((spec.interval + 0.5 * spec.modern_words) / 1000)
    if spec.container == "segy":
        assert layout.text_encoding == ("ebcdic" if spec.seed % 2 else "ascii")


@given(spec=file_specs(), data=st.data())
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_or_read_in_bounded_memory(tmp_path, spec, data):
    content = bytearray(make_file(spec))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, min(len(content), 4200) - 1) | st.integers(3200, 3600))
        if place < len(content):
            content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    path = tmp_path / f"damaged{spec.suffix}"
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    tracemalloc.start()
    refusal = _refusal(lambda: _read_and_write(path, tmp_path / "out"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusal is None or "\n" not in refusal
    assert peak < 30e6


def _read_and_write(path: Path, out: Path) -> None:
    survey = open_segy(path).load()
    check_survey(survey)
    _write_all(survey, out)
    assert out.stat().st_size == path.stat().st_size


def _refusal(action: Callable[[], object]) -> str | None:
    try:
        action()
    except SeisdiffError as error:
        return str(error)
    return None


_WORDS = {
    "samples": (3221, b"\xff\xff"),
    "extended samples": (3269, b"\x7f\xff\xff\xff"),
    "text": (3505, b"\x7f\xff"),
    "trailer": (3529, b"\x7f\xff\xff\xff"),
    "traces": (3513, b"\xff" * 8),
    "extra headers": (3507, b"\x7f\xff"),
}


@pytest.mark.parametrize("name", sorted(_WORDS))
def test_absurd_counts_are_refused_or_passed_over(tmp_path, name):
    content = bytearray(make_file(FileSpec(revision=(2, 0), sample_format="int16")))
    byte, word = _WORDS[name]
    content[byte - 1 : byte - 1 + len(word)] = word
    path = tmp_path / "absurd.sgy"
    path.write_bytes(content)
    refusal = _refusal(lambda: detect_layout(path))
    if refusal is not None:
        assert "expected" in refusal
    else:
        layout = detect_layout(path)
        assert layout.end_of_traces + layout.trailer_bytes == len(content)


def test_files_that_are_not_seismic_are_named_so(tmp_path):
    cases = {
        "empty.sgy": b"",
        "short.sgy": b"x" * 100,
        "notes.sgy": b"these are notes " * 500,
        "notes.su": b"notes " * 500,
        "zero.su": bytes(4000),
        "zero.sgy": bytes(8000),
        "tiny.su": b"x" * 200,
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=re.escape(name)):
            detect_layout(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"absent\.sgy"):
        detect_layout(tmp_path / "absent.sgy")
    with pytest.raises(FileFormatError, match="directory"):
        detect_layout(tmp_path)


@pytest.mark.parametrize(("code", "name"), [(4, "gain"), (9, "8-byte integer"), (12, "8-byte unsigned")])
def test_formats_that_are_not_read_are_named(tmp_path, code, name):
    content = bytearray(make_file(FileSpec()))
    content[3224:3226] = code.to_bytes(2, "big")
    (tmp_path / "in.sgy").write_bytes(content)
    with pytest.raises(FileFormatError, match=name):
        detect_layout(tmp_path / "in.sgy")


def test_traces_of_different_length_are_named(tmp_path):
    parts = [make_file(FileSpec(container="su", n_samples=n, folds=(2,))) for n in (10, 20)]
    for name, head in {
        "in.su": b"",
        "in.sgy": make_file(FileSpec(sample_format="ieee32", n_samples=10))[:3600],
    }.items():
        (tmp_path / name).write_bytes(head + b"".join(parts))
        with pytest.raises(FileFormatError, match="length"):
            detect_layout(tmp_path / name)


def test_a_wrong_sample_count_in_the_file_header_yields_to_the_traces(tmp_path):
    spec = FileSpec(folds=(40, 30), n_samples=50, sample_format="ieee32")
    content = bytearray(make_file(spec))
    content[3220:3222] = (51).to_bytes(2, "big")
    path, out = tmp_path / "in.sgy", tmp_path / "out"
    path.write_bytes(content)
    survey = open_segy(path)
    assert survey.sizes["time"] == 50
    _write_all(survey, out)
    assert out.read_bytes() == content


def test_a_missing_interval_asks_for_one(tmp_path):
    path = write_file(FileSpec(container="su", interval=0), tmp_path)
    with pytest.raises(FileFormatError, match="--dt-ms"):
        open_segy(path)
    assert np.diff(open_segy(path, dt_ms=2.5)["time"].values) == pytest.approx(2.5)
    with pytest.raises(OptionError, match="dt-ms"):
        open_segy(path, dt_ms=-1.0)


def test_history_goes_into_the_last_blank_line_and_nowhere_else(tmp_path):
    for seed, encoding in ((1, "cp037"), (2, "ascii")):
        path, out = write_file(FileSpec(seed=seed), tmp_path), tmp_path / "out.sgy"
        writer = _write_all(open_segy(path), out, history="seisdiff 1.0 demultiple radon")
        assert writer.history_written
        old, new = path.read_bytes(), out.read_bytes()
        assert new[:3120] + new[3200:] == old[:3120] + old[3200:]
        assert new[3120:3200].decode(encoding).rstrip() == "C40 seisdiff 1.0 demultiple radon"
        assert text_header(open_segy(out)).splitlines()[39] == "C40 seisdiff 1.0 demultiple radon"


def test_history_stays_before_the_end_mark_and_needs_a_blank_line(tmp_path):
    path, out = write_file(FileSpec(seed=2), tmp_path), tmp_path / "out.sgy"
    content = bytearray(path.read_bytes())
    content[3120:3200] = b"C40 END TEXTUAL HEADER".ljust(80)
    path.write_bytes(content)
    _write_all(open_segy(path), out, history="one")
    assert out.read_bytes()[3040:3120].decode().rstrip() == "C39 one"
    content[:3120] = b"x" * 3120
    path.write_bytes(content)
    writer = _write_all(open_segy(path), out, history="one")
    assert not writer.history_written
    assert out.read_bytes() == content


def test_a_file_without_text_gets_its_history_and_keeps_everything_else(field_data, tmp_path):
    path, out = field_data / "prestack/land_two_lines_shot.sgy", tmp_path / "out.sgy"
    assert _write_all(open_segy(path), out, history="one").history_written
    assert out.read_bytes()[3200:] == path.read_bytes()[3200:]


def test_another_sample_format_changes_samples_and_code_only(tmp_path):
    path, out = write_file(FileSpec(folds=(4, 4), n_samples=30), tmp_path), tmp_path / "out.sgy"
    survey = open_segy(path).load()
    survey["amplitude"][:] = np.linspace(-1e4, 1e4, survey["amplitude"].size).reshape(survey["amplitude"].shape)
    for sample_format, (code, width, _) in SAMPLE_FORMATS.items():
        with SegyWriter(out, survey, sample_format=sample_format) as writer:
            clipped = writer.write(slice(None), None, survey["amplitude"].values, survey["raw_exception"].values * 0)
        again = open_segy(out)
        assert again.attrs["sample_format"] == sample_format
        np.testing.assert_array_equal(again["trace_header"], survey["trace_header"])
        assert out.read_bytes()[3224:3226] == code.to_bytes(2, "big")
        assert out.stat().st_size == 3600 + 8 * (240 + 30 * width)
        low = -128 if sample_format == "int8" else 0 if sample_format.startswith("uint") else -np.inf
        high = {"int8": 127, "uint8": 255}.get(sample_format, np.inf)
        values = survey["amplitude"].values
        tolerance = 0.5 if "int" in sample_format else 0.02
        np.testing.assert_allclose(again["amplitude"], np.clip(values, low, high), atol=tolerance)
        outside = (np.rint(values) < low) | (np.rint(values) > high)
        assert clipped == outside.sum()


def test_only_ieee_goes_into_su(tmp_path):
    survey = open_segy(write_file(FileSpec(), tmp_path))
    with pytest.raises(OptionError, match="ieee32"):
        SegyWriter(tmp_path / "out.su", survey, container="su", sample_format="ibm32")


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_segy_becomes_su_and_comes_back(tmp_path, byte_order):
    spec = FileSpec(byte_order=byte_order, sample_format="ieee32", n_samples=21, trace_samples_word=462)
    survey = open_segy(write_file(spec, tmp_path))
    _write_all(survey, tmp_path / "out.su", container="su")
    su = open_segy(tmp_path / "out.su")
    with segyio.su.open(tmp_path / "out.su", endian=byte_order, ignore_geometry=True) as file:
        np.testing.assert_array_equal(file.trace.raw[:], survey["amplitude"].values)
        assert (file.attributes(21)[:] == survey["cdp"].values).all()
    changed = np.ones(240, bool)
    changed[114:118] = False
    np.testing.assert_array_equal(su["trace_header"].values[:, changed], survey["trace_header"].values[:, changed])
    _write_all(su, tmp_path / "back.sgy", container="segy")
    back = open_segy(tmp_path / "back.sgy")
    np.testing.assert_array_equal(back["amplitude"], survey["amplitude"])
    np.testing.assert_array_equal(back["trace_header"], su["trace_header"])
    assert back.attrs["byte_order"] == byte_order


def test_some_traces_of_a_file_are_written_in_file_order(tmp_path):
    spec = FileSpec(revision=(2, 0), modern_words=True, folds=(5, 4, 3), shuffled=True)
    survey = open_segy(write_file(spec, tmp_path), gather=["cdp"], sort=["offset"])
    some = survey.isel(trace=[0, 2, 3, 7, 11]).assign(fold=("gather", [2, 2, 1]))
    out = tmp_path / "out.sgy"
    _write_all(some, out, 2)
    again, order = open_segy(out, gather=["all"]), np.argsort(some["source_trace"].values)
    assert again.sizes["trace"] == 5
    np.testing.assert_array_equal(again["trace_header"], some["trace_header"].values[order])
    np.testing.assert_array_equal(again["raw_exception"], some["raw_exception"].values[order])


def test_fewer_samples_are_said_in_every_header(tmp_path):
    survey = open_segy(write_file(FileSpec(n_samples=30, sample_format="int16"), tmp_path))
    _write_all(survey.isel(time=slice(0, 12)), tmp_path / "out.sgy")
    again = open_segy(tmp_path / "out.sgy")
    np.testing.assert_array_equal(again["amplitude"], survey["amplitude"].values[:, :12])
    with segyio.open(tmp_path / "out.sgy", ignore_geometry=True) as file:
        assert set(file.attributes(115)[:]) == {12}


def test_an_unfinished_file_is_gone_on_with(tmp_path):
    path, out = write_file(FileSpec(folds=(6,)), tmp_path), tmp_path / "out.sgy"
    survey = open_segy(path).load()
    with SegyWriter(out, survey) as writer:
        writer.write(slice(0, 2), None, survey["amplitude"].values[:2], survey["raw_exception"].values[:2])
    assert out.stat().st_size == path.stat().st_size
    with SegyWriter(out, survey, resume=True) as writer:
        writer.write(slice(2, 6), None, survey["amplitude"].values[2:], survey["raw_exception"].values[2:])
    assert out.read_bytes() == path.read_bytes()
    out.write_bytes(b"something else")
    with pytest.raises(OutputError, match="expected"):
        SegyWriter(out, survey, resume=True)
    with pytest.raises(OutputError, match="cannot be written"):
        SegyWriter(tmp_path / "absent" / "out.sgy", survey)


def test_wrong_shapes_are_refused(tmp_path):
    survey = open_segy(write_file(FileSpec(folds=(6,)), tmp_path)).load()
    with SegyWriter(tmp_path / "out.sgy", survey) as writer:
        with pytest.raises(SurveyError, match="amplitude"):
            writer.write(slice(0, 2), None, survey["amplitude"].values)
        with pytest.raises(SurveyError, match="headers"):
            writer.write(slice(0, 6), survey["trace_header"].values[:, :100], survey["amplitude"].values)


def _made_survey(dt_ms: float = 4.0) -> xr.Dataset:
    rng = np.random.default_rng(3)
    survey = make_survey(
        rng.standard_normal((3, 5, 40)).astype(np.float32),
        dt_ms=dt_ms,
        offset=np.arange(5) * 25.0 + 100,
        start_ms=100.0,
        trace_values={"source_coord_x": 456_789.25 + np.arange(15).reshape(3, 5), "mute_end": np.full((3, 5), 12.0)},
    )
    live = np.ones(15, bool)
    live[7] = False
    return survey.assign(live=("trace", live))


@pytest.mark.parametrize(("byte_order", "dt_ms"), [("big", 4.0), ("little", 4.0), ("big", 0.3125), ("big", 40.0)])
def test_a_survey_in_memory_becomes_a_file_that_says_what_it_held(tmp_path, byte_order, dt_ms):
    survey = _made_survey(dt_ms).assign_attrs(byte_order=byte_order)
    out = tmp_path / "out.sgy"
    with SegyWriter(out, survey, history="made") as writer:
        writer.write(slice(0, 9), None, survey["amplitude"].values[:9])
        writer.write(slice(9, 15), None, survey["amplitude"].values[9:])
    again = open_segy(out)
    assert again.attrs["gather_keys"] == ["cdp"]
    for name in ("amplitude", "offset", "cdp", "source_coord_x", "time", "gather", "fold", "mute_end"):
        np.testing.assert_allclose(again[name].values, survey[name].values, err_msg=name)
    assert (again["trace_id_code"].values == np.where(survey["live"], 1, 2)).all()
    assert detect_layout(out).revision == ((1, 0) if dt_ms == 4.0 else (2, 0))
    text = text_header(again)
    assert "made" in text
    assert text.splitlines()[39] == "C40 END TEXTUAL HEADER"
    if dt_ms == 4.0:
        with segyio.open(out, ignore_geometry=True, endian=byte_order) as file:
            np.testing.assert_array_equal(file.trace.raw[:], survey["amplitude"].values)
            assert segyio.tools.dt(file) == 4000


def test_numbers_that_fit_no_header_word_are_refused():
    survey = _made_survey()
    far = survey.assign(source_coord_x=("trace", np.full(15, 1e10)))
    with pytest.raises(OptionError, match="fits no SEG-Y header word"):
        new_headers(far, slice(0, 2))
    with pytest.raises(OptionError, match="cdp"):
        new_headers(survey.assign(cdp=("trace", np.full(15, 2**40))), slice(0, 2))


def test_many_threads_write_disjoint_rows(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    spec = FileSpec(folds=(30,) * 20, n_samples=500, sample_format="int8", shuffled=True)
    path, out = write_file(spec, tmp_path), tmp_path / "out.sgy"
    survey = open_segy(path, gather=["cdp"], sort=["offset"])
    headers, amplitude = survey["trace_header"].values, survey["amplitude"].values
    with SegyWriter(out, survey) as writer, ThreadPoolExecutor(4) as pool:
        parts = [slice(start, start + 30) for start in range(0, 600, 30)]
        assert sum(pool.map(lambda rows: writer.write(rows, headers[rows], amplitude[rows]), parts)) == 0
        writer.write(slice(0, 600), headers, amplitude)
    assert out.read_bytes() == path.read_bytes()


def test_blocks_in_blocks_do_not_wait_for_each_other(tmp_path):
    spec = replace(FileSpec(), sample_format="uint8", n_samples=3000, folds=(700,))
    path = write_file(spec, tmp_path)
    survey = open_segy(path)
    _write_all(survey, tmp_path / "out.sgy", 700)
    assert (tmp_path / "out.sgy").read_bytes() == path.read_bytes()
