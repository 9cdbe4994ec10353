"""Find out what a SEG-Y or SU file is: byte order, sample format, sizes, and where its traces begin and end."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from seisdiff.errors import FileFormatError, OptionError
from seisdiff.segy.binary import (
    FILE_HEADER_BYTES,
    BinaryHeader,
    find_binary_header,
    read_binary_header,
    recorded_format,
)
from seisdiff.segy.text import TEXT_BYTES, begins_stanza, ends_text, text_encoding
from seisdiff.survey import SAMPLE_FORMATS

TRACE_HEADER_BYTES = 240
#: How many trace headers are looked at to see whether they agree.
_PROBES = 64
#: How far a walk over traces of different length goes, and how many records a text without a count may have.
_MAX_STEPS = 1_000_000
_MAX_TEXT_RECORDS = 32_767
_STANZA_BYTES = 128
_MAX_TEXT_BYTES = TEXT_BYTES * _MAX_TEXT_RECORDS


@dataclass(frozen=True)
class SegyLayout:
    """What a file is: `first_trace` and the `*_bytes` are bytes, `dt_ms` the sample interval (0: a single sample).

    `container` is "segy" or "su", `byte_order` "big" or "little", `sample_format` a key of SAMPLE_FORMATS,
    `revision` (major, minor), `length_unit` "m" or "ft", `text_encoding` "ebcdic", "ascii" or "" (SU).
    """

    path: str
    container: str
    byte_order: str
    sample_format: str
    n_samples: int
    dt_ms: float
    header_bytes: int
    first_trace: int
    trace_bytes: int
    n_traces: int
    trailer_bytes: int
    revision: tuple[int, int]
    length_unit: str
    text_encoding: str

    @property
    def end_of_traces(self) -> int:
        """The byte after the last trace."""
        return self.first_trace + self.n_traces * self.trace_bytes


@dataclass(frozen=True)
class _Trial:
    """One way to read a file, and what is left over after whole traces."""

    n_samples: int
    header_bytes: int
    first_trace: int
    trace_bytes: int
    n_traces: int
    trailer_bytes: int
    rest: int

    @property
    def fits(self) -> bool:
        return self.rest == 0 and self.n_traces > 0


def detect_layout(path: str | os.PathLike, dt_ms: float | None = None, *, su: bool = False) -> SegyLayout:
    """Find out what a SEG-Y file, or an SU file (by its suffix .su, or told so), is.

    `dt_ms` overrides its sample interval (ms).

    Raises FileFormatError for a file that is not what its name says, is truncated, holds no traces, has traces of
    different length or a sample format that is not read; OptionError for an impossible `dt_ms`.
    """
    if dt_ms is not None and not (math.isfinite(dt_ms) and 0 < dt_ms <= 1e6):
        raise OptionError(f"--dt-ms {dt_ms:g} is not possible; expected a sample interval in ms, greater than 0")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise FileFormatError(f"{path}: the file is empty; expected SEG-Y or SU")
            detect = _detect_su if su or Path(path).suffix.lower() == ".su" else _detect_segy
            layout = detect(file, str(path), size)
            return replace(layout, dt_ms=dt_ms if dt_ms is not None else _interval(file, layout))
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}; expected a SEG-Y or SU file") from error


def _detect_segy(file: BinaryIO, path: str, size: int) -> SegyLayout:
    if size < FILE_HEADER_BYTES:
        raise FileFormatError(f"{path}: {size} bytes came; a SEG-Y file has a header of {FILE_HEADER_BYTES}; not SEG-Y")
    header = _read(file, 0, FILE_HEADER_BYTES)
    binary = find_binary_header(header, path)
    sample_format = recorded_format(binary, path)
    if size == FILE_HEADER_BYTES:
        raise FileFormatError(f"{path}: the file holds a header and no traces; expected at least one trace")
    trial = _fitting_trial(file, path, size, binary, SAMPLE_FORMATS[sample_format][1])
    _check_equal_lengths(file, path, size, trial, binary.byte_order, SAMPLE_FORMATS[sample_format][1])
    return SegyLayout(
        path=path,
        container="segy",
        byte_order=binary.byte_order,
        sample_format=sample_format,
        n_samples=trial.n_samples,
        dt_ms=0.0,
        header_bytes=trial.header_bytes,
        first_trace=trial.first_trace,
        trace_bytes=trial.trace_bytes,
        n_traces=trial.n_traces,
        trailer_bytes=trial.trailer_bytes,
        revision=binary.revision,
        length_unit="ft" if binary.length_code == 2 else "m",
        text_encoding=text_encoding(header[:TEXT_BYTES]),
    )


def _fitting_trial(file: BinaryIO, path: str, size: int, binary: BinaryHeader, sample_bytes: int) -> _Trial:
    best: _Trial | None = None
    for trial in _trials(file, size, binary, sample_bytes):
        if trial.fits:
            return _check_trace_count(trial, binary, path)
        best = best or trial
    if best is None:
        raise FileFormatError(f"{path}: neither the file header nor the first trace says how many samples a trace has")
    raise FileFormatError(
        f"{path}: expected traces of {best.trace_bytes} bytes ({best.header_bytes} + {best.n_samples} samples of "
        f"{sample_bytes}) after byte {best.first_trace}, came {best.n_traces} of them and {best.rest} bytes; "
        "the file is cut short, or its sample count is wrong, or its traces differ in length"
    )


def _trials(file: BinaryIO, size: int, binary: BinaryHeader, sample_bytes: int) -> Iterator[_Trial]:
    """Every way to read the file, the likeliest first."""
    starts = [
        start
        for start in _trace_starts(file, size, binary)
        if FILE_HEADER_BYTES <= start < min(size, FILE_HEADER_BYTES + _MAX_TEXT_BYTES + 1)
    ]
    counts = [TRACE_HEADER_BYTES * (1 + extra) for extra in (*binary.extra_headers, 0) if 0 <= extra < 100]
    samples = [count for count in (binary.extended_samples, binary.samples) if count > 0]
    for n_samples in dict.fromkeys(samples):
        for start in dict.fromkeys(starts):
            for header_bytes in dict.fromkeys(counts):
                yield _trial(file, size, binary, n_samples, start, header_bytes, sample_bytes)
    for start in dict.fromkeys(starts):
        n_samples = _sample_word(file, start, binary.byte_order)
        if n_samples and n_samples not in samples:
            trial = _trial(file, size, binary, n_samples, start, TRACE_HEADER_BYTES, sample_bytes)
            agreed = trial.fits and _sample_words(file, trial, binary.byte_order) == {n_samples}
            yield trial if agreed or not trial.fits else replace(trial, rest=trial.trace_bytes)


def _trace_starts(file: BinaryIO, size: int, binary: BinaryHeader) -> Iterator[int]:
    if binary.first_trace:
        yield binary.first_trace
    if binary.text_records == -1:
        yield _end_of_text(file, size)
    elif binary.text_records >= 0:
        yield FILE_HEADER_BYTES + TEXT_BYTES * binary.text_records
    yield FILE_HEADER_BYTES


def _end_of_text(file: BinaryIO, size: int) -> int:
    records = min(_MAX_TEXT_RECORDS, (size - FILE_HEADER_BYTES) // TEXT_BYTES)
    for number in range(records):
        start = FILE_HEADER_BYTES + number * TEXT_BYTES
        if ends_text(_read(file, start, TEXT_BYTES)):
            return start + TEXT_BYTES
    return FILE_HEADER_BYTES


def _trial(
    file: BinaryIO,
    size: int,
    binary: BinaryHeader,
    n_samples: int,
    start: int,
    header_bytes: int,
    sample_bytes: int,
) -> _Trial:
    trace_bytes = header_bytes + n_samples * sample_bytes
    trials = []
    for trailer in _trailers(file, size, binary, start, trace_bytes):
        n_traces, rest = divmod(size - start - trailer, trace_bytes)
        trials.append(_Trial(n_samples, header_bytes, start, trace_bytes, n_traces, trailer, rest))
    return next((trial for trial in trials if trial.fits), trials[0])


def _trailers(file: BinaryIO, size: int, binary: BinaryHeader, start: int, trace_bytes: int) -> Iterator[int]:
    """The lengths that the trailer may have, the likeliest first."""
    room = size - start
    if 0 < binary.trailer_records <= _MAX_TEXT_RECORDS and binary.trailer_records * TEXT_BYTES < room:
        yield binary.trailer_records * TEXT_BYTES
    if binary.trailer_records == -1 and binary.traces and 0 <= room - binary.traces * trace_bytes <= _MAX_TEXT_BYTES:
        yield room - binary.traces * trace_bytes
    if binary.trailer_records == -1:
        yield from _stanzas(file, size, room)
    yield 0


def _stanzas(file: BinaryIO, size: int, room: int) -> Iterator[int]:
    """Lengths of the trailers that begin with a stanza, the longest first: a trailer may hold several."""
    for number in range(min(_MAX_TEXT_RECORDS, room // TEXT_BYTES), 0, -1):
        if begins_stanza(_read(file, size - number * TEXT_BYTES, _STANZA_BYTES)):
            yield number * TEXT_BYTES


def _check_trace_count(trial: _Trial, binary: BinaryHeader, path: str) -> _Trial:
    if binary.traces > trial.n_traces:
        raise FileFormatError(
            f"{path}: expected {binary.traces} traces (bytes 3513-3520), came {trial.n_traces}; the file is cut short"
        )
    return trial


def _check_equal_lengths(
    file: BinaryIO, path: str, size: int, trial: _Trial, byte_order: str, sample_bytes: int
) -> None:
    """Refuse traces of different length: walking by each trace's own sample count ends exactly at the end of file."""
    if len(_sample_words(file, trial, byte_order)) == 1:
        return
    position, counts = trial.first_trace, set()
    for _ in range(_MAX_STEPS):
        n_samples = _sample_word(file, position, byte_order)
        if not n_samples or position >= size:
            break
        counts.add(n_samples)
        position += trial.header_bytes + n_samples * sample_bytes
    if position == size - trial.trailer_bytes and len(counts) > 1:
        raise FileFormatError(
            f"{path}: expected traces of one length, came traces of {min(counts)} to {max(counts)} samples; "
            "resample or pad them to one length first"
        )


def _detect_su(file: BinaryIO, path: str, size: int) -> SegyLayout:
    if size <= TRACE_HEADER_BYTES:
        raise FileFormatError(f"{path}: {size} bytes came; an SU trace has a header of 240 and at least one sample")
    trials = {order: _su_trial(file, size, order) for order in ("big", "little")}
    fitting = {order: trial for order, trial in trials.items() if trial.fits}
    agreeing = {order: trial for order, trial in fitting.items() if len(_sample_words(file, trial, order)) == 1}
    orders = list(agreeing or fitting)
    if not orders:
        raise FileFormatError(_su_fault(path, trials))
    order = min(orders, key=lambda order: _header_size(file, order)) if len(orders) > 1 else orders[0]
    trial = trials[order]
    _check_su_lengths(file, path, trial, order)
    return SegyLayout(
        path=path,
        container="su",
        byte_order=order,
        sample_format="ieee32",
        n_samples=trial.n_samples,
        dt_ms=0.0,
        header_bytes=TRACE_HEADER_BYTES,
        first_trace=0,
        trace_bytes=trial.trace_bytes,
        n_traces=trial.n_traces,
        trailer_bytes=0,
        revision=(0, 0),
        length_unit="m",
        text_encoding="",
    )


def _su_trial(file: BinaryIO, size: int, order: str) -> _Trial:
    n_samples = _sample_word(file, 0, order)
    trace_bytes = TRACE_HEADER_BYTES + 4 * n_samples
    n_traces, rest = divmod(size, trace_bytes)
    return _Trial(n_samples, TRACE_HEADER_BYTES, 0, trace_bytes, n_traces, 0, rest if n_samples else trace_bytes)


def _su_fault(path: str, trials: dict[str, _Trial]) -> str:
    trial = min(trials.values(), key=lambda trial: trial.n_samples or 1 << 30)
    if not trial.n_samples:
        return f"{path}: the first trace says 0 samples at bytes 115-116; not an SU file"
    return (
        f"{path}: expected traces of {trial.trace_bytes} bytes (240 + {trial.n_samples} samples of 4), came "
        f"{trial.n_traces} of them and {trial.rest} bytes; the file is cut short, or its traces differ in length, "
        "or it is not SU"
    )


def _check_su_lengths(file: BinaryIO, path: str, trial: _Trial, order: str) -> None:
    words = _sample_words(file, trial, order)
    if len(words) > 1:
        raise FileFormatError(
            f"{path}: expected {trial.n_samples} samples in every trace, came {min(words)} to {max(words)} "
            "(bytes 115-116); the traces differ in length, or the file is damaged"
        )


def _header_size(file: BinaryIO, order: str) -> int:
    """How large the numbers of the first header are in a byte order: those of the right one are the smaller."""
    mark, header = ">" if order == "big" else "<", _read(file, 0, TRACE_HEADER_BYTES)
    return sum(abs(word) for word in struct.unpack_from(mark + "7i", header)) + abs(
        struct.unpack_from(mark + "h", header, 116)[0]
    )


def _sample_word(file: BinaryIO, position: int, order: str) -> int:
    word = _read(file, position + 114, 2)
    return int.from_bytes(word, "big" if order == "big" else "little") if len(word) == 2 else 0


def _sample_words(file: BinaryIO, trial: _Trial, order: str) -> set[int]:
    """The different sample counts that trace headers spread over the file have."""
    step = max(1, trial.n_traces // _PROBES)
    traces = {*range(0, trial.n_traces, step), min(1, trial.n_traces - 1), trial.n_traces - 1}
    return {_sample_word(file, trial.first_trace + trace * trial.trace_bytes, order) for trace in sorted(traces)}


def _interval(file: BinaryIO, layout: SegyLayout) -> float:
    """The sample interval, ms: of the file header, else of the first trace; a negative word counts as missing."""
    if layout.container == "segy":
        binary = read_binary_header(_read(file, 0, FILE_HEADER_BYTES), layout.byte_order)
        if math.isfinite(binary.extended_interval) and 0 < binary.extended_interval <= 1e9:
            return binary.extended_interval / 1000
        if binary.interval > 0:
            return binary.interval / 1000
    word = _read(file, layout.first_trace + 116, 2)
    interval = int.from_bytes(word, "big" if layout.byte_order == "big" else "little", signed=True)
    if interval > 0:
        return interval / 1000
    if layout.n_samples == 1:
        return 0.0
    raise FileFormatError(
        f"{layout.path}: the sample interval is {interval} in the headers; give it with --dt-ms, such as --dt-ms 4"
    )


def _read(file: BinaryIO, position: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, position)
