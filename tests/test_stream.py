"""SU streams: the samples and headers of the file command, within bounded memory, and one line for what cannot be."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seisdiff.config import make_recipe, recipe_values
from seisdiff.engine import restore_file
from seisdiff.errors import FileFormatError, OptionError, SeisdiffError, SurveyError
from seisdiff.passes import RunOptions
from seisdiff.sources import reading_options
from seisdiff.stream import restore_stream
from tests.segy_files import write_segy
from tests.small_lines import RawFile, small_line

_TRACES, _RECORD = 16, 240 + 4 * 250
TASKS = [
    ("demultiple", "unet", {"start_ms": "auto"}, {}),
    ("demultiple", "radon", {"moveout_ms": "-50:200:25", "kind": "parabolic"}, {"sort": "offset"}),
    ("denoise", "fx", {}, {"gather": "cdp"}),
    ("interpolate", "unet", {}, {}),
    ("interpolate", "pocs", {"refine": 2}, {}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Four gathers as an SU file, the ninth trace of each dead."""
    line = small_line().full.copy(deep=True)
    line["amplitude"].values[8::_TRACES] = 0
    return write_segy(line, tmp_path / "line.su")


def recipe_of(task: str = "demultiple", method: str = "radon", **options):
    return make_recipe(recipe_values(task, method, options))


def streamed(data: bytes, recipe=None, reading: dict | None = None, **run) -> bytes:
    """Return what comes out where some bytes go in, as through a pipe."""
    out = io.BytesIO()
    options = reading_options(**(reading or {}))
    restore_stream(io.BytesIO(data), out, recipe or recipe_of(moveout_ms="-50:200:25"), options, RunOptions(**run))
    return out.getvalue()


@pytest.mark.parametrize(("task", "method", "options", "reading"), TASKS)
@pytest.mark.parametrize("memory", [1.0, 0.05])
def test_bytes_are_those_of_the_file_command(
    path: Path, task: str, method: str, options: dict, reading: dict, memory: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if memory < 1:
        monkeypatch.setattr("seisdiff.units._COPIES_IN_FLIGHT", 2000)  # two units
    recipe, run = recipe_of(task, method, **options), RunOptions(memory_gib=memory)
    out = path.with_name("out.su")
    summary = restore_file(str(path), str(out), recipe, reading=reading_options(**reading), run=run)
    assert (summary.units > 1) == (memory < 1)
    assert streamed(path.read_bytes(), recipe, reading, memory_gib=memory) == out.read_bytes()
    if not options.get("refine"):
        headers = RawFile(path).headers.copy()
        headers[8::_TRACES, 28:30] = RawFile(out).headers[8::_TRACES, 28:30]  # a filled trace becomes live
        np.testing.assert_array_equal(RawFile(out).headers, headers)


def test_byte_order_is_kept(path: Path) -> None:
    little = small_line().full.copy()
    little.attrs = {**little.attrs, "byte_order": "little"}
    data = write_segy(little, path.with_name("little.su")).read_bytes()
    assert data[114:116] == (250).to_bytes(2, "little")
    big = write_segy(small_line().full, path.with_name("big.su")).read_bytes()
    out = [np.frombuffer(streamed(each), np.uint8).reshape(-1, _RECORD)[:, 240:] for each in (data, big)]
    np.testing.assert_array_equal(out[0].copy().view("<f4"), out[1].copy().view(">f4"))


def test_a_file_in_the_place_of_a_pipe_tells_its_largest_offset(path: Path) -> None:
    short_first = RawFile(path)
    short_first.traces = np.concatenate([short_first.traces[:8], short_first.traces[_TRACES:]])
    short_first.save()
    out, by_name, said = path.with_name("out.su"), path.with_name("by_name.su"), []
    restore_file(str(path), str(by_name), recipe_of())
    with path.open("rb") as source, out.open("wb") as target:
        restore_stream(source, target, recipe_of(), run=RunOptions(notify=said.append))
    assert out.read_bytes() == by_name.read_bytes()
    assert said == ["moveout is measured at the reference offset 900 m"]


def test_a_pipe_says_what_it_took_and_refuses_what_goes_beyond(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisdiff.units._COPIES_IN_FLIGHT", 4000)  # a gather is a unit
    traces = RawFile(path).traces
    data = np.concatenate([traces[:8], traces[_TRACES:]]).tobytes()
    said: list[str] = []
    with pytest.raises(OptionError, match=r"900 m comes after the reference offset 500 m .* add --ref-offset"):
        streamed(data, memory_gib=0.05, notify=said.append)
    assert said[0].startswith("the reference offset is 500 m, the largest of the gathers that came first")
    told = streamed(data, recipe_of(ref_offset=900, moveout_ms="-50:200:25"), memory_gib=0.05)
    assert len(told) == len(data)
    assert len(streamed(data, recipe_of("denoise", "fx"), memory_gib=0.05)) == len(data)


def test_keys_are_chosen_as_of_a_file_and_gathers_must_be_together(path: Path) -> None:
    file = RawFile(path)
    file.traces = file.traces[np.argsort(file.word(9), kind="stable")]  # shots
    assert len(streamed(file.traces.tobytes())) == file.traces.size
    with pytest.raises(SurveyError, match=r"cdp 1001 are apart; sort the traces first"):
        streamed(file.traces.tobytes(), reading={"gather": "cdp"})
    file.put(slice(None), 9, 0).put(slice(None), 21, 0)
    with pytest.raises(SurveyError, match=r"neither cdp nor fldr .* --gather KEY"):
        streamed(file.traces.tobytes())
    assert len(streamed(file.traces.tobytes(), reading={"gather": "all"})) == file.traces.size


def test_a_gather_beyond_the_memory_bound_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisdiff.units._COPIES_IN_FLIGHT", 60_000)
    with pytest.raises(OptionError, match="a gather has more than 14 traces; give more --memory"):
        streamed(path.read_bytes(), memory_gib=0.05)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda data: b"", FileFormatError, "nothing came"),
        (lambda data: data[:100], FileFormatError, "100 bytes came"),
        (lambda data: data[: 3 * _RECORD + 7], FileFormatError, "within trace 4: expected 1240 bytes, came 7"),
        (lambda data: data[:-8], FileFormatError, "within trace 64: expected 1240 bytes, came 1232"),
        (lambda data: b"C 1 CLIENT" + data, FileFormatError, "this is SEG-Y"),
        (lambda data: bytes(_RECORD), FileFormatError, "0 samples"),
        (lambda data: data[:116] + b"\0\0" + data[118:], FileFormatError, "give it with --dt-ms"),
        (lambda data: data[:_RECORD] + data[_RECORD + 4 :], FileFormatError, "trace 2 says .* differ in length"),
    ],
)
def test_damage_is_one_line(path: Path, change, kind: type[SeisdiffError], words: str) -> None:
    with pytest.raises(kind, match=words) as raised:
        streamed(change(path.read_bytes()))
    assert "\n" not in str(raised.value)


def test_offsets_from_coordinates_need_the_file(path: Path) -> None:
    with pytest.raises(OptionError, match="name the file instead of -"):
        streamed(path.read_bytes(), reading={"key": {"offset": "coordinates"}})


def command(*words: str, **options) -> subprocess.CompletedProcess:
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "seisdiff", *words], capture_output=True, env=surroundings, **options)


def test_the_command_keeps_data_and_words_apart(path: Path) -> None:
    done = command("demultiple", "-", "-", "--method", "radon", input=path.read_bytes())
    assert done.returncode == 0
    assert done.stdout == streamed(path.read_bytes(), recipe_of())
    assert b"standard output: 4 gathers" in done.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-", "out.su"), b"give - - or two files"),
        (("-", "-", "--removed", "a.su"), b"--removed: not with a stream"),
        (("-", "-", "--resume", "--overwrite"), b"--resume, --overwrite: not with a stream"),
        (("-", "-"), b"nothing came"),
    ],
)
def test_the_command_fails_in_one_line(words: tuple[str, ...], line: bytes) -> None:
    done = command("denoise", *words, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, b"")
    assert line in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_closed_output_ends_the_command_quietly(path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "seisdiff", "denoise", "-", "-", "--method", "fx", "--quiet"],
        input=path.read_bytes(), stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_is_no_stream(path: Path) -> None:
    terminal, end = os.openpty()
    done = command("denoise", "-", "-", stdin=end)
    os.close(terminal)
    os.close(end)
    assert done.returncode == 2
    assert b"- - < in.su > out.su" in done.stderr
