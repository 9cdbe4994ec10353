"""Seismic Unix traces from a stream: byte order and lengths by content, whole gathers one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from seisdiff.errors import FileFormatError, OptionError, SurveyError
from seisdiff.segy.fields import FIELDS, Field
from seisdiff.segy.grouping import CANDIDATES, WHOLE, choose_keys, group
from seisdiff.segy.layout import TRACE_HEADER_BYTES, SegyLayout

#: What the first bytes of a text header are, in EBCDIC and ASCII: a SEG-Y file, not SU.
_TEXT_BEGINNINGS = (b"\xc3\xf0\xf1", b"\xc3\x40\xf1", b"\xc3\xf1", b"C01", b"C 1", b"C1 ")
_NAME = "standard input"


class SuStream:
    """Traces of an SU stream; `layout` is known once the first header has come, its number of traces never.

    Raises FileFormatError where nothing comes, for what is not SU and, while traces are read, for a stream that ends
    within a trace or changes its trace length.
    """

    def __init__(self, file: BinaryIO, dt_ms: float | None = None, layout: SegyLayout | None = None) -> None:
        self._file, self._count = file, 0
        self._header = file.read(TRACE_HEADER_BYTES)
        if not self._header:
            raise FileFormatError(f"{_NAME}: nothing came; expected Seismic Unix traces")
        if len(self._header) < TRACE_HEADER_BYTES:
            raise FileFormatError(f"{_NAME}: {len(self._header)} bytes came; an SU trace has a header of 240")
        refuse_segy(self._header)
        self.layout = layout or _layout(self._header, dt_ms)

    def traces(self) -> Iterator[bytes]:
        """Yield the bytes of every trace."""
        size, header = self.layout.trace_bytes, self._header
        while header:
            trace = header + self._file.read(size - len(header))
            self._count += 1
            if len(trace) < size:
                raise FileFormatError(
                    f"{_NAME}: the stream ends within trace {self._count}: expected {size} bytes, came {len(trace)}"
                )
            self._check_length(trace)
            yield trace
            header = self._file.read(TRACE_HEADER_BYTES)

    def _check_length(self, trace: bytes) -> None:
        samples = _word(trace, FIELDS["samples"], self.layout.byte_order)
        if samples != self.layout.n_samples:
            raise FileFormatError(
                f"{_NAME}: trace {self._count} says {samples} samples (bytes 115-116), the first one "
                f"{self.layout.n_samples}; the traces differ in length, or this is not SU"
            )


def refuse_segy(beginning: bytes) -> None:
    """Raise FileFormatError for the beginning of a SEG-Y file."""
    if beginning.startswith(_TEXT_BEGINNINGS):
        raise FileFormatError(f"{_NAME}: this is SEG-Y, not Seismic Unix; name the file instead of -, or segyread it")


def stream_keys(traces: Sequence[bytes], byte_order: str) -> tuple[str, ...]:
    """Return which header word forms the gathers of a stream that begins with some traces, as of a whole file.

    Raises SurveyError where none does, or its traces are apart.
    """
    fields = [FIELDS[name] for name in (*CANDIDATES, "offset")]
    columns = np.array([_values(trace, fields, byte_order) for trace in traces])
    by_name = {field.name: column for field, column in zip(fields, columns.T, strict=True)}
    keys = choose_keys(by_name, one_offset=len(np.unique(by_name["offset"])) == 1)
    if keys == (WHOLE,) or group(keys, by_name, len(traces)).order is not None:
        raise SurveyError(
            f"{_NAME}: neither cdp nor fldr has traces of a gather together; sort them (susort), or name the word with "
            "--gather KEY"
        )
    return keys


def stream_gathers(traces: Iterable[bytes], keys: Sequence[Field], byte_order: str, most: int) -> Iterator[list[bytes]]:
    """Yield runs of at most `most` traces with equal keys, or all traces as one run where there are no keys.

    Raises SurveyError where a gather comes a second time, OptionError for a longer one.
    """
    seen: set[tuple[int, ...]] = set()
    gather: list[bytes] = []
    current: tuple[int, ...] = ()
    for trace in traces:
        values = _values(trace, keys, byte_order)
        if gather and values != current:
            yield gather
            gather = []
        if not gather:
            if values in seen:
                named = ", ".join(f"{key.name} {value}" for key, value in zip(keys, values, strict=True))
                raise SurveyError(f"{_NAME}: traces of {named} are apart; sort the traces first (susort)")
            seen.add(values)
            current = values
        if len(gather) == most:
            raise OptionError(f"{_NAME}: a gather has more than {most} traces; give more --memory, or smaller gathers")
        gather.append(trace)
    if gather:
        yield gather


def _layout(header: bytes, dt_ms: float | None) -> SegyLayout:
    orders = [order for order in ("big", "little") if _word(header, FIELDS["samples"], order)]
    if not orders:
        raise FileFormatError(f"{_NAME}: the first trace says 0 samples at bytes 115-116; this is not Seismic Unix")
    order = min(orders, key=lambda order: _size(header, order))
    n_samples = _word(header, FIELDS["samples"], order)
    interval = _word(header, FIELDS["sample_interval"], order)
    if dt_ms is None and interval <= 0 and n_samples > 1:
        raise FileFormatError(f"{_NAME}: the sample interval is {interval} in the first header; give it with --dt-ms")
    return SegyLayout(
        path=_NAME,
        container="su",
        byte_order=order,
        sample_format="ieee32",
        n_samples=n_samples,
        dt_ms=dt_ms if dt_ms is not None else interval / 1000,
        header_bytes=TRACE_HEADER_BYTES,
        first_trace=0,
        trace_bytes=TRACE_HEADER_BYTES + 4 * n_samples,
        n_traces=0,
        trailer_bytes=0,
        revision=(0, 0),
        length_unit="m",
        text_encoding="",
    )


def _size(header: bytes, order: str) -> float:
    """Return how large the numbers of a header are in a byte order: those of the right one are the smaller."""
    words = np.frombuffer(header[:28], FIELDS["cdp"].dtype(order)).astype(np.float64)
    return (
        float(np.abs(words).sum())
        + abs(_word(header, FIELDS["sample_interval"], order))
        + _word(header, FIELDS["samples"], order)
    )


def _word(trace: bytes, field: Field, order: str) -> int:
    return int(np.frombuffer(trace[field.bytes], field.dtype(order))[0])


def _values(trace: bytes, fields: Sequence[Field], order: str) -> tuple[int, ...]:
    return tuple(_word(trace, field, order) for field in fields)
