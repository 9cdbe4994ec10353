"""The Zarr store: what goes in comes out, plain xarray reads it, and damage is told."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zarr.storage import LocalStore

from seisdiff import store_layout
from seisdiff.errors import FileFormatError, MissingExtraError, OutputError, SeisdiffError, SurveyError
from seisdiff.store import StoreWriter, is_store, locate, open_store
from seisdiff.survey import LAYOUT_VERSION, make_survey, survey_attrs

PLAIN_READER = """
import sys
sys.modules["dask"] = None
import numpy as np, xarray as xr
plain = xr.open_zarr(sys.argv[1], chunks=None)
auto = xr.open_zarr(sys.argv[1])
xr.testing.assert_identical(plain.load(), auto.load())
assert not any(name.startswith("seisdiff") for name in sys.modules)
import pickle
expected = pickle.load(open(sys.argv[2], "rb"))
assert dict(plain.attrs) == expected["attrs"], plain.attrs
assert set(plain.coords) == set(expected["coords"]), plain.coords
assert set(plain.variables) == set(expected["variables"])
for name, (dims, dtype, data, attrs) in expected["variables"].items():
    variable = plain.variables[name]
    assert variable.dims == dims and str(variable.dtype) == dtype and dict(variable.attrs) == attrs, name
    assert variable.values.tobytes() == data, name
"""


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 4 KiB made of chunks of 1 KiB, so that small surveys have many units."""
    monkeypatch.setattr(store_layout, "CHUNK_BYTES", 2**10)
    monkeypatch.setattr(store_layout, "SHARD_BYTES", 2**12)
    monkeypatch.setattr(store_layout, "MAX_SHARD_BYTES", 2**13)
    monkeypatch.setattr(store_layout, "TABLE_CHUNK_BYTES", 2**9)


def a_survey(
    gathers: int = 5,
    fold: int = 12,
    samples: int = 25,
    *,
    dtype: str = "float32",
    axis: str = "time",
    words: bool = True,
    exceptions: bool = False,
    several_keys: bool = False,
) -> xr.Dataset:
    """Return a survey with every kind of variable, samples that no fill value may touch, and odd attributes."""
    draw = np.random.default_rng(gathers * 1000 + fold * 10 + samples)
    amplitude = draw.standard_normal((gathers, fold, samples)).astype(dtype)
    odd = np.array([0x7FC12345, 0xFF800001, 0x80000000, 0x00000001, 0x7F800000], np.uint32)
    if dtype == "float32":
        amplitude.reshape(-1)[: len(odd)] = odd.view(np.float32)[: amplitude.size]
    survey = make_survey(amplitude, dt_ms=2.0, offset=25.0 * np.arange(fold), axis=axis)
    traces = survey.sizes["trace"]
    survey["offset"].attrs["units"] = "m"
    survey["amplitude"].attrs["long_name"] = "recorded amplitude"
    if words:
        survey["trace_header"] = ("trace", "header_byte"), draw.integers(0, 256, (traces, 240), np.uint8)
        survey["delay"] = ("trace", draw.choice([0.0, 4.0, np.nan], traces), {"units": "ms"})
        survey["file_header"] = "file_header_byte", draw.integers(0, 256, 3600, np.uint8)
        survey["file_trailer"] = "file_trailer_byte", np.empty(0, np.uint8)
    if exceptions:
        odd_words = draw.integers(0, 2**32, (traces, samples), np.uint32) * (draw.random((traces, 1)) < 0.1)
        survey["raw_exception"] = ("trace", axis), odd_words.astype(np.uint32)
    if several_keys:
        names = {
            "gather_inline": ("gather", np.arange(gathers)),
            "gather_crossline": ("gather", 7 - np.arange(gathers)),
        }
        survey = survey.assign_coords(names)
    return survey.assign_attrs(survey_attrs(gather_keys=["cdp"], sort_keys=["offset"], history=["made", "sorted"]))


def write_all(writer: StoreWriter, survey: xr.Dataset, numbers: range | None = None) -> None:
    for start in numbers or range(0, survey.sizes["trace"], writer.unit_rows):
        part = survey.isel(trace=slice(start, start + writer.unit_rows))
        words = {name: part[name].values for name in ("raw_exception", "trace_header") if name in part}
        writer.write(slice(start, min(start + writer.unit_rows, survey.sizes["trace"])), part.amplitude.values, **words)


def stored(url: str, survey: xr.Dataset, dead: list[int] | None = None, history: str | None = None) -> xr.Dataset:
    """Write a survey and return what the store is expected to hold."""
    writer = StoreWriter(url, survey, history=history)
    write_all(writer, survey)
    writer.finish(np.array(dead or [], dtype=np.int64))
    live = np.ones(survey.sizes["trace"], bool)
    live[dead or []] = False
    lines = [*survey.attrs["history"], *([history] if history else [])]
    return survey.assign(live=("trace", live)).assign_attrs(history=lines)


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Compare structure, dtypes, attributes and every bit."""
    xr.testing.assert_identical(found.load(), expected)
    for name, variable in expected.variables.items():
        assert found[name].dtype == variable.dtype, name
        assert found[name].values.tobytes() == variable.values.tobytes(), name


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gathers=st.integers(1, 6),
    fold=st.integers(1, 20),
    samples=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64"]),
    axis=st.sampled_from(["time", "depth"]),
    words=st.booleans(),
    exceptions=st.booleans(),
    several_keys=st.booleans(),
    remote=st.booleans(),
    data=st.data(),
)
@pytest.mark.usefixtures("small_units")
def test_what_goes_in_comes_out(tmp_path: Path, remote: bool, data: st.DataObject, **shape) -> None:
    survey = a_survey(**shape)
    dead = data.draw(st.lists(st.integers(0, survey.sizes["trace"] - 1), unique=True, max_size=5))
    name = f"{uuid.uuid4().hex}.zarr"
    url = f"memory://{name}" if remote else str(tmp_path / name)
    expected = stored(url, survey, dead, data.draw(st.sampled_from([None, "one line more"])))
    assert_same(open_store(url), expected)
    assert_same(xr.open_zarr(url, chunks=None), expected)


@pytest.mark.usefixtures("small_units")
def test_plain_xarray_in_a_fresh_process_reads_it(tmp_path: Path) -> None:
    import pickle

    path, told = tmp_path / "plain.zarr", tmp_path / "expected.pickle"
    expected = stored(str(path), a_survey(exceptions=True, several_keys=True), [2, 5])
    told.write_bytes(
        pickle.dumps(
            {
                "attrs": dict(expected.attrs),
                "coords": [str(name) for name in expected.coords],
                "variables": {
                    str(name): (variable.dims, str(variable.dtype), variable.values.tobytes(), dict(variable.attrs))
                    for name, variable in expected.variables.items()
                },
            }
        )
    )
    command = [sys.executable, "-W", "error", "-I", "-c", PLAIN_READER, str(path), str(told)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_survey_without_traces_or_values_round_trips(tmp_path: Path) -> None:
    survey = a_survey(1, 1, 3).isel(trace=slice(0, 0), gather=slice(0, 0))
    expected = stored(str(tmp_path / "none.zarr"), survey)
    assert_same(open_store(tmp_path / "none.zarr"), expected)


@pytest.mark.parametrize(
    ("traces", "samples", "width", "dtype"),
    [(60_000, 500, 240, "f4"), (30_000, 1500, 240, "f4"), (20_000, 2500, 480, "f4"), (9000, 2000, 240, "f8")],
)
def test_chunks_and_shards_have_the_sizes_that_were_promised(
    tmp_path: Path, traces: int, samples: int, width: int, dtype: str
) -> None:
    survey = make_survey(np.broadcast_to(np.zeros(1, dtype), (traces, samples)), dt_ms=4, offset=np.zeros(traces))
    header = np.broadcast_to(np.zeros(1, np.uint8), (traces, width))
    survey["trace_header"] = ("trace", "header_byte"), header
    survey["raw_exception"] = ("trace", "time"), np.broadcast_to(np.zeros(1, np.uint32), (traces, samples))
    writer = StoreWriter(tmp_path / "s.zarr", survey)
    arrays = {name: zarr.open_array(tmp_path / "s.zarr" / name, mode="r") for name in map(str, survey.variables)}
    amplitude = arrays["amplitude"]
    row = samples * np.dtype(dtype).itemsize
    assert amplitude.chunks[1] == amplitude.shards[1] == samples
    assert 2**19 < amplitude.chunks[0] * row <= 2**20
    assert 2**24 <= amplitude.shards[0] * row <= 2**26
    assert amplitude.shards[0] % amplitude.chunks[0] == 0
    assert (arrays["raw_exception"].shards, arrays["raw_exception"].chunks) == (amplitude.shards, amplitude.chunks)
    assert writer.unit_rows % amplitude.shards[0] == writer.unit_rows % arrays["trace_header"].chunks[0] == 0
    headers = arrays["trace_header"].chunks[0]
    assert headers * width >= 2**20 or (headers == writer.unit_rows and headers * row > 0.95 * 2**26)
    for name in ("offset", "cdp", "source_trace"):
        assert arrays[name].chunks[0] * arrays[name].dtype.itemsize >= 2**20 or arrays[name].chunks == (traces,)
    for name, array in arrays.items():
        assert array.metadata.dimension_names == survey[name].dims
        assert [codec.to_dict() for codec in array.compressors] == [
            {"name": "zstd", "configuration": {"level": -1, "checksum": True}}
        ]


@pytest.mark.usefixtures("small_units")
def test_shards_of_zero_exceptions_cost_nothing(tmp_path: Path) -> None:
    survey = a_survey(20, 10, 25, exceptions=True)
    survey["raw_exception"].values[:] = 0
    stored(str(tmp_path / "a.zarr"), survey)
    assert sorted(path.name for path in (tmp_path / "a.zarr/raw_exception").iterdir()) == ["shards.json", "zarr.json"]
    survey["raw_exception"].values[57, 3] = 9
    expected = stored(str(tmp_path / "b.zarr"), survey)
    assert len([path for path in (tmp_path / "b.zarr/raw_exception/c").rglob("*") if path.is_file()]) == 1
    assert_same(open_store(tmp_path / "b.zarr"), expected)


@pytest.mark.usefixtures("small_units")
def test_exceptions_left_out_are_zero(tmp_path: Path) -> None:
    survey = a_survey(exceptions=True)
    writer = StoreWriter(tmp_path / "a.zarr", survey)
    for start in range(0, 60, writer.unit_rows):
        part = survey.isel(trace=slice(start, start + writer.unit_rows))
        rows = slice(start, start + part.sizes["trace"])
        writer.write(rows, part.amplitude.values, trace_header=part.trace_header.values)
    writer.finish(np.array([], int))
    assert not open_store(tmp_path / "a.zarr").raw_exception.values.any()


def test_a_few_rows_do_not_read_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(1).standard_normal((6000, 800)).astype(np.float32)
    stored(str(tmp_path / "a.zarr"), make_survey(samples, dt_ms=4))
    amplitude, taken, get = open_store(tmp_path / "a.zarr").amplitude, [], LocalStore.get

    async def counted(self, key, prototype, byte_range=None):
        found = await get(self, key, prototype, byte_range)
        taken.append(len(found))
        return found

    monkeypatch.setattr(LocalStore, "get", counted)
    np.testing.assert_array_equal(amplitude[100:104].values, samples[100:104])
    assert 0 < sum(taken) < 2**20 + 2**16 < samples.nbytes / 10


@pytest.mark.usefixtures("small_units")
def test_lazy_rows_can_be_picked_in_any_way(tmp_path: Path) -> None:
    survey = a_survey(10, 12, 30)
    stored(str(tmp_path / "a.zarr"), survey)
    found, samples = open_store(tmp_path / "a.zarr").amplitude, survey.amplitude.values
    assert not found._in_memory
    np.testing.assert_array_equal(found[::-7, 3].values, samples[::-7, 3])
    np.testing.assert_array_equal(found[[90, 2, 2, 40], 20:4:-3].values, samples[[90, 2, 2, 40]][:, 20:4:-3])
    np.testing.assert_array_equal(found[50:, 1:][10:20][:, 5].values, samples[60:70, 6])
    np.testing.assert_array_equal(found.isel(trace=survey.cdp.values == 3).values, samples[survey.cdp.values == 3])
    with pytest.raises(IndexError):
        found[10_000].values  # noqa: B018


@pytest.mark.usefixtures("small_units")
def test_threads_write_different_units(tmp_path: Path) -> None:
    survey = a_survey(40, 12, 25, exceptions=True)
    writer = StoreWriter(tmp_path / "a.zarr", survey)
    further = StoreWriter(tmp_path / "a.zarr", survey, resume=True)
    starts = list(range(0, survey.sizes["trace"], writer.unit_rows))
    assert len(starts) > 8
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(write_all, (writer, further)[start % 2], survey, range(start, start + 1)) for start in starts
        ]
        assert [job.result() for job in jobs] == [None] * len(starts)
    further.finish(np.array([1]))
    assert_same(open_store(tmp_path / "a.zarr"), survey.assign(live=("trace", np.arange(480) != 1)))


@pytest.mark.usefixtures("small_units")
def test_resume_keeps_what_is_there_and_fills_the_rest(tmp_path: Path) -> None:
    survey, path = a_survey(10, 12, 25), tmp_path / "a.zarr"
    first = StoreWriter(path, survey)
    write_all(first, survey, range(0, 60, first.unit_rows))
    kept = {each: each.stat().st_mtime_ns for each in path.rglob("*") if each.is_file()}
    lost = path / "cdp/c/0"
    lost.unlink()
    del kept[lost]
    (path / "amplitude/c/0/0.1234.partial").write_bytes(b"what a killed process left")
    second = StoreWriter(path, survey, resume=True)
    assert lost.exists()
    with pytest.raises(OutputError, match="chunks of amplitude are not written yet"):
        second.finish(np.array([], int))
    write_all(second, survey, range(60 // first.unit_rows * first.unit_rows, 120, first.unit_rows))
    second.finish(np.array([], int))
    changed = {each.relative_to(path).parts[0] for each, when in kept.items() if each.stat().st_mtime_ns != when}
    assert changed <= {"cdp", "amplitude", "trace_header"}
    assert not list(path.rglob("*.partial"))
    assert_same(open_store(path), survey.assign(live=("trace", np.ones(120, bool))))


def test_resume_refuses_another_survey_and_a_new_store_what_exists(tmp_path: Path) -> None:
    StoreWriter(tmp_path / "a.zarr", a_survey())
    with pytest.raises(OutputError, match="unfinished store of another survey"):
        StoreWriter(tmp_path / "a.zarr", a_survey(samples=26), resume=True)
    with pytest.raises(OutputError, match="exists already"):
        StoreWriter(tmp_path / "a.zarr", a_survey())


@pytest.mark.usefixtures("small_units")
def test_writes_that_would_harm_are_refused(tmp_path: Path) -> None:
    survey = a_survey(10, 12, 25)
    writer = StoreWriter(tmp_path / "a.zarr", survey)
    unit = writer.unit_rows
    samples, header = survey.amplitude.values, survey.trace_header.values
    for rows in (slice(1, unit), slice(0, unit - 1), slice(0, 0), slice(0, 2 * unit, 2)):
        with pytest.raises(SurveyError, match="not whole units"):
            writer.write(rows, samples[rows], trace_header=header[rows])
    rows = slice(0, unit)
    with pytest.raises(SurveyError, match="amplitude is float64"):
        writer.write(rows, np.zeros((unit, 25)), trace_header=header[rows])
    with pytest.raises(SurveyError, match="expected float32"):
        writer.write(rows, samples[: unit - 1], trace_header=header[rows])
    with pytest.raises(SurveyError, match="trace_header is nothing"):
        writer.write(rows, samples[rows])
    with pytest.raises(SurveyError, match="raw_exception is given"):
        writer.write(rows, samples[rows], np.ones((unit, 25), np.uint32), header[rows])
    with pytest.raises(SurveyError, match="cannot be stored"):
        StoreWriter(tmp_path / "b.zarr", survey.assign(name=("trace", np.full(120, "x"))))
    with pytest.raises(SurveyError, match="kept as JSON"):
        StoreWriter(tmp_path / "c.zarr", survey.assign_attrs(thing=object()))


def edit_root(path: Path, **attributes: object) -> None:
    root = json.loads((path / "zarr.json").read_text())
    root["attributes"] |= attributes
    (path / "zarr.json").write_text(json.dumps(root))


def drop_layout(path: Path) -> None:
    root = json.loads((path / "zarr.json").read_text())
    del root["attributes"]["seisdiff_layout"]
    (path / "zarr.json").write_text(json.dumps(root))


def cut(path: Path, keep: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])


def first_shard(path: Path) -> Path:
    return path / "amplitude/c/0/0"


@pytest.mark.parametrize(
    ("harm", "kind", "line"),
    [
        (lambda path: (path / "zarr.json").unlink(), OutputError, "an unfinished store"),
        (lambda path: cut(path / "zarr.json", 0.5), FileFormatError, "metadata is damaged"),
        (lambda path: (path / "zarr.json").write_text("[]"), FileFormatError, "metadata is damaged"),
        (lambda path: (path / "zarr.json").write_bytes(b"\xff\xfe"), FileFormatError, "metadata is damaged"),
        (lambda path: edit_root(path, seisdiff_layout=LAYOUT_VERSION + 1), FileFormatError, "newer than"),
        (lambda path: edit_root(path, sample_format="ibm33"), SurveyError, "sample_format is 'ibm33'"),
        (drop_layout, FileFormatError, "no survey"),
        (lambda path: first_shard(path).unlink(), FileFormatError, "1 chunks of amplitude are missing"),
        (lambda path: first_shard(path).write_bytes(b""), FileFormatError, "1 chunks of amplitude are missing"),
        (lambda path: (path / "cdp/c/0").unlink(), FileFormatError, "1 chunks of cdp are missing"),
        (lambda path: (path / "time/c/0").write_bytes(b"abc"), FileFormatError, "a chunk of time is damaged"),
        (lambda path: (path / "raw_exception/c/0/0").unlink(), FileFormatError, "1 chunks of raw_exception"),
        (lambda path: (path / "raw_exception/shards.json").unlink(), FileFormatError, "metadata is damaged"),
    ],
)
def test_each_damage_has_its_line(tmp_path: Path, harm, kind: type[SeisdiffError], line: str) -> None:
    survey = a_survey(exceptions=True)
    survey["raw_exception"].values[0, 0] = 1
    path = tmp_path / "a.zarr"
    stored(str(path), survey)
    harm(path)
    with pytest.raises(kind, match=line) as told:
        open_store(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("small_units")
@pytest.mark.parametrize("name", ["amplitude/c/0/0", "trace_header/c/0/0", "offset/c/0"])
def test_no_flipped_byte_and_no_cut_goes_unnoticed(tmp_path: Path, name: str) -> None:
    survey = a_survey(20, 12, 25)
    stored(str(tmp_path / "a.zarr"), survey)
    file = tmp_path / "a.zarr" / name
    whole = file.read_bytes()
    variable, draw = name.split("/")[0], np.random.default_rng(3)
    expected = survey[variable].values.tobytes()
    damaged = [whole[: int(len(whole) * part)] for part in (0.02, 0.5, 0.99)]
    flips = [(place, 1 << draw.integers(8)) for place in draw.integers(0, len(whole), 40)]
    damaged += [whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :] for place, flip in flips]
    told = []
    for content in damaged:
        file.write_bytes(content)
        try:
            assert open_store(tmp_path / "a.zarr")[variable].values.tobytes() == expected
        except FileFormatError as error:
            told.append(str(error))
    assert all(f"a chunk of {variable} is damaged" in line for line in told)
    assert len(told) >= len(damaged) - 3  # a bit of zstd's frame header may be unused
    file.write_bytes(whole)
    assert open_store(tmp_path / "a.zarr")[variable].values.tobytes() == expected


def test_what_is_no_survey_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("text")
    zarr.create_array(tmp_path / "array.zarr", shape=(3,), dtype="f4")
    zarr.create_group(tmp_path / "old.zarr", zarr_format=2)
    zarr.create_group(tmp_path / "mdio.zarr", attributes={"apiVersion": "1.0.0"})
    lines = {
        "empty": "holds no Zarr store", "file": "a file; expected", "array": "no survey", "old": "version 2",
        "mdio": "no survey", "gone": "no such store",
    }  # fmt: skip
    for name, line in lines.items():
        with pytest.raises(FileFormatError, match=line):
            open_store(tmp_path / f"{name}.zarr")
    with pytest.raises(FileFormatError, match="no such store"):
        open_store("memory://gone.zarr")
    with pytest.raises(FileFormatError, match="URL that fsspec knows"):
        open_store("nonsense://a.zarr")
    with pytest.raises(MissingExtraError, match="gcsfs"):
        locate("gs://bucket/a.zarr")


def test_a_store_is_known_by_its_name() -> None:
    assert all(map(is_store, ["a.zarr", "a.zarr/", "s3://b/a.ZARR", Path("x/a.zarr")]))
    assert not any(map(is_store, ["a.sgy", "zarr", "a.zarr/c.sgy", "a.zarr.su"]))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        StoreWriter(tmp_path / "file" / "a.zarr", a_survey())
