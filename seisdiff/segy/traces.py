"""The traces of a file as lazy arrays over a memory map: samples, header bytes, header values, and their scan."""

from __future__ import annotations

import functools
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from seisdiff.errors import FileFormatError, OptionError
from seisdiff.segy.blocks import run_blocks
from seisdiff.segy.fields import FIELDS, Field
from seisdiff.segy.layout import SegyLayout
from seisdiff.segy.samples import decode, exceptions, sample_format_of
from seisdiff.survey import SAMPLE_FORMATS

FOOT = 0.3048
#: What SEG-Y allows as a time scalar; older files keep other things in its bytes.
_TIME_SCALARS = (1, 10, 100, 1000, 10000)
_SCAN_ROWS = 8192
_SCALAR_OF = {"coordinate": "coordinate_scalar", "elevation": "elevation_scalar", "time": "time_scalar"}
#: Seismic Unix keeps floats of its own from byte 181 on, where SEG-Y has coordinates and a time scalar.
SU_LAST_COMMON_BYTE = 180


class TraceSource:
    """The traces of a file in the order of the survey: `order` holds file positions, None for the file's own order.

    `traces`, uint8 (trace, byte), are those of the layout where they are in memory and not in a file. Can be pickled;
    the memory map is made on first use.
    """

    def __init__(self, layout: SegyLayout, order: np.ndarray | None = None, traces: np.ndarray | None = None) -> None:
        self.layout = layout
        self.order = order
        self._given = traces

    def reordered(self, order: np.ndarray | None) -> TraceSource:
        """Return the same traces in another order of the survey."""
        return TraceSource(self.layout, order, self._given)

    @functools.cached_property
    def traces(self) -> np.ndarray:
        """The traces in file order, uint8 (trace, byte): those given, or the file's, mapped and read-only."""
        if self._given is not None:
            return self._given
        layout = self.layout
        try:
            with open(layout.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < layout.end_of_traces:
                    raise FileFormatError(f"{layout.path}: the file became shorter while it was in use")
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise FileFormatError(f"{layout.path}: cannot be read: {error.strerror}") from error
        flat = np.frombuffer(mapped, np.uint8, layout.n_traces * layout.trace_bytes, layout.first_trace)
        return flat.reshape(layout.n_traces, layout.trace_bytes)

    def __len__(self) -> int:
        return self.layout.n_traces if self.order is None else len(self.order)

    def __getstate__(self) -> dict:
        return {"layout": self.layout, "order": self.order, "_given": self._given}

    def place(self, rows: slice | np.ndarray) -> slice | np.ndarray:
        """Return file positions of survey rows: a slice where they follow one another, else int64."""
        if isinstance(rows, slice) and self.order is None:
            return rows
        places = np.asarray(rows) if self.order is None else self.order[rows]
        if len(places) and np.array_equal(places, np.arange(places[0], places[0] + len(places))):
            return slice(int(places[0]), int(places[0]) + len(places))
        return places


class Part(Protocol):
    """What of a trace an array holds: `width` values a trace (None: a single one) of a dtype."""

    @property
    def width(self) -> int | None: ...

    @property
    def dtype(self) -> np.dtype: ...

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        """Return the values of the traces at file positions, and of a run of columns where there are several."""
        ...


@dataclass(frozen=True)
class Samples:
    """The samples as numbers."""

    width: int
    sample_format: str
    byte_order: str

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(SAMPLE_FORMATS[self.sample_format][2])

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        raw, rows = _sample_bytes(source, places, columns, self.sample_format)
        return decode(raw, self.sample_format, self.byte_order, rows=rows)


@dataclass(frozen=True)
class Exceptions:
    """What IBM words differ by from those that their numbers encode to: one zero, seen many times, where none does."""

    width: int
    byte_order: str

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint32)

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        raw, rows = _sample_bytes(source, places, columns, "ibm32")
        found = exceptions(raw, "ibm32", self.byte_order, rows=rows)
        count = len(raw) if rows is None else len(rows)
        return np.broadcast_to(np.uint32(0), (count, raw.shape[1] // 4)) if found is None else found


@dataclass(frozen=True)
class HeaderBytes:
    """The trace header, verbatim."""

    width: int

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint8)

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        return np.array(source.traces[:, columns][places])


@dataclass(frozen=True)
class HeaderValues:
    """A header field in SI units, its scalar applied; `foot` says that the file's lengths are in feet."""

    field: Field
    byte_order: str
    container: str
    foot: bool
    width: None = None

    @property
    def dtype(self) -> np.dtype:
        plain = self.field.dtype(self.byte_order).newbyteorder("=")
        return plain if self.field.kind in ("number", "code", "scalar") else np.dtype(np.float64)

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        numbers = _numbers(source.traces, self.field, self.byte_order, places)
        if self.dtype != np.float64 or self.field.kind == "number":
            return numbers
        return self._in_feet(source, places, self._scaled(source, places, numbers.astype(np.float64)))

    def _scaled(self, source: TraceSource, places: slice | np.ndarray, values: np.ndarray) -> np.ndarray:
        scalar = FIELDS[_SCALAR_OF[self.field.kind]] if self.field.kind in _SCALAR_OF else None
        if scalar is None or (self.container == "su" and scalar.last_byte > SU_LAST_COMMON_BYTE):
            return values
        factors = _numbers(source.traces, scalar, self.byte_order, places)
        return apply_scalar(values, time_scalars(factors) if self.field.kind == "time" else factors)

    def _in_feet(self, source: TraceSource, places: slice | np.ndarray, values: np.ndarray) -> np.ndarray:
        if not self.foot or self.field.kind not in ("length", "elevation", "coordinate"):
            return values
        if self.field.kind != "coordinate":
            return values * FOOT
        units = _numbers(source.traces, FIELDS["coordinate_unit"], self.byte_order, places)
        return np.where((units == 0) | (units == 1), values * FOOT, values)


@dataclass(frozen=True)
class Distances:
    """Offsets worked out from source and group coordinates, m: distances, negative where the group lies on one side.

    The sides are told along `axis` ("x" or "y"); `sign` is -1 where groups of smaller coordinates are positive.
    """

    axis: str
    sign: int
    byte_order: str
    container: str
    foot: bool
    width: None = None

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float64)

    def read(self, source: TraceSource, places: slice | np.ndarray, columns: slice) -> np.ndarray:
        ends = [
            HeaderValues(FIELDS[f"{end}_coord_{axis}"], self.byte_order, self.container, self.foot).read(
                source, places, columns
            )
            for axis in ("x", "y")
            for end in ("group", "source")
        ]
        x, y = ends[0] - ends[1], ends[2] - ends[3]
        return np.where(self.sign * (x if self.axis == "x" else y) < 0, -1.0, 1.0) * np.hypot(x, y)


class TraceArray(BackendArray):
    """A lazy array (trace) or (trace, column) of one part of every trace, for xarray; slices and integer arrays."""

    def __init__(self, source: TraceSource, part: Part) -> None:
        self.source = source
        self.part = part
        self.dtype = part.dtype
        self.shape = (len(source),) if part.width is None else (len(source), part.width)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._outer)

    def _outer(self, key: tuple) -> np.ndarray:
        rows, *others = key
        columns = others[0] if others else slice(None)
        places = self.source.place(slice(rows, rows + 1) if isinstance(rows, int | np.integer) else rows)
        hull, inside = _hull(columns, self.part.width or 1)
        values = self.part.read(self.source, places, hull)
        values = values[:, inside] if others and not _is_everything(inside) else values
        return values[0] if isinstance(rows, int | np.integer) else values


def time_scalars(words: np.ndarray) -> np.ndarray:
    """Return the words that SEG-Y allows as scalars of times, 1 where there is something else."""
    return np.where(np.isin(np.abs(words.astype(np.int32)), _TIME_SCALARS), words, 1)


def apply_scalar(values: np.ndarray, scalar: np.ndarray) -> np.ndarray:
    """Return float64 values under a SEG-Y scalar: positive multiplies, negative divides, 0 counts as 1."""
    factor = scalar.astype(np.float64)
    return np.where(factor < 0, values / np.where(factor < 0, -factor, 1), values * np.where(factor > 0, factor, 1))


def scan_headers(layout: SegyLayout, fields: Sequence[Field]) -> dict[str, np.ndarray]:
    """Return the recorded numbers of some header fields, all traces in file order, by name; no scalar applied.

    Raises OptionError where a field lies beyond the header.
    """
    return scan(TraceSource(layout), fields, ())[0]


def scan(
    source: TraceSource, keep: Sequence[Field], ranges: Sequence[Field]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[float, float]]]:
    """Read the headers once: return the numbers of the fields `keep` and (smallest, largest) of the fields `ranges`."""
    layout = source.layout
    for field in (*keep, *ranges):
        check_field(layout, field)
    order = layout.byte_order
    columns = {field.name: np.empty(layout.n_traces, field.dtype(order).newbyteorder("=")) for field in keep}

    def block(rows: slice) -> list[tuple[float, float]]:
        traces = source.traces[rows]
        for field in keep:
            columns[field.name][rows] = _view(traces, field, order)
        return [_range(_view(traces, field, order)) for field in ranges]

    blocks = run_blocks(block, layout.n_traces, _SCAN_ROWS)
    limits = [(min(low for low, _ in found), max(high for _, high in found)) for found in zip(*blocks, strict=True)]
    return columns, dict(zip((field.name for field in ranges), limits, strict=True))


def check_field(layout: SegyLayout, field: Field) -> None:
    """Raise OptionError where a field lies beyond the trace header of a file."""
    if field.last_byte > layout.header_bytes:
        raise OptionError(
            f"{field.name}: bytes {field.byte}-{field.last_byte} lie beyond the trace header of {layout.header_bytes}"
        )


def _view(traces: np.ndarray, field: Field, byte_order: str) -> np.ndarray:
    return traces[:, field.bytes].view(field.dtype(byte_order))[:, 0]


def _range(numbers: np.ndarray) -> tuple[float, float]:
    native = numbers.astype(numbers.dtype.newbyteorder("="))
    return native.min().item(), native.max().item()


def _numbers(traces: np.ndarray, field: Field, byte_order: str, places: slice | np.ndarray) -> np.ndarray:
    """The recorded numbers of a field, in blocks, so that threads share the page faults."""
    if not isinstance(places, slice):
        chosen = np.ascontiguousarray(traces[:, field.bytes][places])
        return _view_all(chosen, field, byte_order)
    traces = traces[places]
    numbers = np.empty(len(traces), field.dtype(byte_order).newbyteorder("="))

    def block(rows: slice) -> None:
        numbers[rows] = _view(traces[rows], field, byte_order)

    run_blocks(block, len(traces), _SCAN_ROWS)
    return numbers


def _view_all(chosen: np.ndarray, field: Field, byte_order: str) -> np.ndarray:
    words = chosen.view(field.dtype(byte_order))[:, 0]
    return words.astype(words.dtype.newbyteorder("="))


def _sample_bytes(
    source: TraceSource, places: slice | np.ndarray, columns: slice, sample_format: str
) -> tuple[np.ndarray, np.ndarray | None]:
    width = sample_format_of(sample_format)[1]
    first = source.layout.header_bytes
    raw = source.traces[:, first + columns.start * width : first + columns.stop * width]
    return (raw[places], None) if isinstance(places, slice) else (raw, places)


def _hull(columns: int | slice | np.ndarray, width: int) -> tuple[slice, int | slice | np.ndarray]:
    """The run of columns that covers those asked for, and where they are inside it."""
    if isinstance(columns, slice) and columns.indices(width)[2] == 1:
        start, stop, _ = columns.indices(width)
        return slice(start, max(start, stop)), slice(None)
    if isinstance(columns, int | np.integer):
        return slice(int(columns), int(columns) + 1), 0
    wanted = np.arange(width)[columns]
    if not len(wanted):
        return slice(0, 0), wanted
    low = int(wanted.min())
    return slice(low, int(wanted.max()) + 1), wanted - low


def _is_everything(inside: int | slice | np.ndarray) -> bool:
    return isinstance(inside, slice) and inside == slice(None)
