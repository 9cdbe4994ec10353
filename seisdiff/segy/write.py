"""Write a survey as a SEG-Y or SU file: every trace at its place in a file of its final size."""

from __future__ import annotations

import itertools
import os
import struct
import threading

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError, OutputError, SurveyError
from seisdiff.segy.binary import read_binary_header
from seisdiff.segy.blocks import run_blocks
from seisdiff.segy.fields import FIELDS, header_values, resolve_field, set_header_values
from seisdiff.segy.layout import TRACE_HEADER_BYTES
from seisdiff.segy.made import header_scales, new_file_header, new_headers
from seisdiff.segy.samples import apply_exceptions, encode, sample_format_of
from seisdiff.segy.text import TEXT_BYTES, with_history
from seisdiff.segy.traces import apply_scalar, time_scalars
from seisdiff.survey import sample_interval, vertical_dim

_BLOCK_BYTES = 1 << 19
_LARGEST_WORD, _LARGEST_SHORT = 2**16 - 1, 2**15 - 1


class SegyWriter:
    """A SEG-Y or SU file under way; `template` tells its sizes, headers, formats and the place of every trace.

    The trace with the smallest `source_trace` is the first of the file, and so on. `container` ("segy" or "su") and
    `sample_format` are the template's where not given; the history of the template and `history` are put in the last
    blank lines of the textual header (`history_written` tells whether there was one). With `resume` an existing file of
    the right size is gone on with. Raises OptionError for what a container cannot hold, OutputError where the file
    cannot be written.
    """

    _file = -1

    def __init__(
        self,
        path: str | os.PathLike,
        template: xr.Dataset,
        *,
        container: str | None = None,
        sample_format: str | None = None,
        history: str | None = None,
        resume: bool = False,
    ) -> None:
        self.path = str(path)
        self.container = container or template.attrs["container"] or "segy"
        self.byte_order = template.attrs["byte_order"]
        self.sample_format = _output_format(template, self.container, sample_format)
        self.history_written = False
        self._putting = threading.Lock()
        self._template = template
        self._n_traces, self._n_samples = template.sizes["trace"], template.sizes[vertical_dim(template)]
        self._header_bytes = _header_bytes(template, self.container)
        self._trace_bytes = self._header_bytes + self._n_samples * sample_format_of(self.sample_format)[1]
        self._ranks = _ranks(template["source_trace"].values)
        cut = "trace_header" in template and _is_cut(template, self._n_samples)
        self._words = _changed_words(template, self.container, self._n_samples, cut)
        self._recut = cut and vertical_dim(template) == "time"
        self._scales = None if "trace_header" in template else header_scales(template, self.container)
        header, trailer = self._file_header(history), self._file_trailer()
        self._first_trace = len(header)
        self._file = self._open(len(header) + self._n_traces * self._trace_bytes + len(trailer), resume)
        self._put(header, 0)
        self._put(trailer, self._first_trace + self._n_traces * self._trace_bytes)

    def write(
        self,
        rows: slice,
        headers: np.ndarray | None,
        amplitude: np.ndarray,
        raw_exception: np.ndarray | None = None,
    ) -> int:
        """Write survey rows at their places and return how many samples the format clipped.

        `headers` is uint8 (trace, header_byte), None for the template's own (or new ones); `amplitude` is
        (trace, sample); `raw_exception` counts only where the sample format is the recorded one. May be called from
        several threads for different rows. Raises SurveyError for shapes that do not match the template.
        """
        rows = slice(*rows.indices(self._n_traces))
        headers = self._checked_headers(rows, headers, amplitude)
        exceptions = raw_exception if self.sample_format == self._template.attrs["sample_format"] == "ibm32" else None
        places = np.arange(rows.start, rows.stop) if self._ranks is None else self._ranks[rows]
        order = None if self._ranks is None else np.argsort(places)

        def block(part: slice) -> int:
            chosen = part if order is None else order[part]
            return self._write_block(
                places[chosen],
                headers[chosen],
                amplitude[chosen],
                None if exceptions is None else exceptions[chosen],
            )

        return sum(run_blocks(block, len(places), max(1, _BLOCK_BYTES // self._trace_bytes)))

    def close(self) -> None:
        """Close the file; it may be closed again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> SegyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _open(self, size: int, resume: bool) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC | (0 if resume else os.O_CREAT | os.O_TRUNC)
        try:
            file = os.open(self.path, flags, 0o666)
            found = os.fstat(file).st_size
            if not resume:
                os.ftruncate(file, size)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error
        if resume and found != size:
            os.close(file)
            raise OutputError(
                f"{self.path}: expected {size} bytes of an unfinished output, came {found}; use --overwrite"
            )
        return file

    def _checked_headers(self, rows: slice, headers: np.ndarray | None, amplitude: np.ndarray) -> np.ndarray:
        shape = (rows.stop - rows.start, self._n_samples)
        if amplitude.shape != shape:
            raise SurveyError(f"amplitude has shape {amplitude.shape}; expected {shape}")
        if headers is None:
            headers = (
                new_headers(self._template, rows, self._scales)
                if self._scales
                else self._template["trace_header"][rows].values
            )
        if headers.shape[0] != shape[0] or headers.shape[1] < self._header_bytes:
            raise SurveyError(f"trace headers have shape {headers.shape}; expected ({shape[0]}, {self._header_bytes})")
        headers = headers[:, : self._header_bytes]
        for name, value in self._words.items():
            headers = set_header_values(headers, FIELDS[name], self.byte_order, value)
        if self.container == "su" and self._template.attrs["container"] == "segy":
            headers = self._in_whole_ms(headers)
        return self._with_start(headers, rows) if self._recut else headers

    def _in_whole_ms(self, headers: np.ndarray) -> np.ndarray:
        """Return headers whose delays and mutes are ms: SU knows no scalar of times."""
        scalar = time_scalars(header_values(headers, FIELDS["time_scalar"], self.byte_order))
        if (scalar == 1).all():
            return headers
        for name in ("delay", "mute_start", "mute_end"):
            times = apply_scalar(header_values(headers, FIELDS[name], self.byte_order), scalar)
            if name == "delay" and (np.any(times != np.rint(times)) or np.abs(times).max(initial=0) > _LARGEST_SHORT):
                raise OptionError("traces begin at times that an SU file cannot tell, in whole ms; write SEG-Y instead")
            words = np.clip(np.rint(times), -_LARGEST_SHORT, _LARGEST_SHORT)
            headers = set_header_values(headers, FIELDS[name], self.byte_order, words)
        return headers

    def _with_start(self, headers: np.ndarray, rows: slice) -> np.ndarray:
        """Return headers whose delay words tell the time at which the samples begin that are left of the traces."""
        start = np.full(len(headers), self._template["time"].values[0])
        if "delay" in self._template:
            start += self._template["delay"][rows].values
        words = start
        if self.container != "su":
            scalar = time_scalars(header_values(headers, FIELDS["time_scalar"], self.byte_order))
            words = start / apply_scalar(np.ones(len(headers)), scalar)
        wrong = np.flatnonzero((np.abs(words - np.rint(words)) > 1e-3) | (np.abs(words) > _LARGEST_SHORT))
        if len(wrong):
            raise OptionError(
                f"a trace that begins at {start[wrong[0]]:g} ms fits no delay word; begin at another sample"
            )
        place = self._template.attrs.get("header_fields", {}).get("delay")
        field = resolve_field(f"delay={place}") if place else FIELDS["delay"]
        return set_header_values(headers, field, self.byte_order, np.rint(words))

    def _write_block(
        self, places: np.ndarray, headers: np.ndarray, amplitude: np.ndarray, exceptions: np.ndarray | None
    ) -> int:
        records = np.empty((len(places), self._trace_bytes), np.uint8)
        records[:, : self._header_bytes] = headers
        samples = records[:, self._header_bytes :]
        _, clipped = encode(amplitude, self.sample_format, self.byte_order, out=samples)
        if exceptions is not None:
            apply_exceptions(samples, exceptions, amplitude, self.byte_order)
            clipped = int((~np.isfinite(amplitude) & (exceptions == 0)).sum()) if clipped else 0
        edges = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        for low, high in itertools.pairwise(edges):
            self._put(records[low:high], self._first_trace + int(places[low]) * self._trace_bytes)
        return clipped

    def _put(self, data: bytes | np.ndarray, position: int) -> None:
        left = memoryview(data if isinstance(data, bytes) else data.data).cast("B")
        try:
            with self._putting:  # the kernel lets one writer at a file in; others would spin for it
                while len(left):
                    written = os.pwrite(self._file, left, position)
                    left, position = left[written:], position + written
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _file_header(self, history: str | None) -> bytes:
        if self.container == "su":
            return b""
        if "file_header" in self._template:
            header = self._updated_header(self._template["file_header"].values.tobytes())
        else:
            header = new_file_header(self._template, self.sample_format)
        lines = [*self._template.attrs.get("history", []), *([history] if history else [])]
        for line in lines:
            text = with_history(header[:TEXT_BYTES], line)
            self.history_written = text is not None
            header = header if text is None else text + header[TEXT_BYTES:]
        return header

    def _updated_header(self, header: bytes) -> bytes:
        """The recorded file header with the sample format, sample count and trace count of this file."""
        binary, changed = read_binary_header(header, self.byte_order), bytearray(header)
        mark = ">" if self.byte_order == "big" else "<"
        if self.sample_format != self._template.attrs["sample_format"]:
            struct.pack_into(mark + "h", changed, 3224, sample_format_of(self.sample_format)[0])
        if "samples" in self._words:
            if self._n_samples > _LARGEST_WORD and not binary.extended_samples:
                raise OptionError(f"{self._n_samples} samples do not fit the file header, which holds {_LARGEST_WORD}")
            struct.pack_into(mark + "H", changed, 3220, min(self._n_samples, _LARGEST_WORD))
            if binary.extended_samples:
                struct.pack_into(mark + "i", changed, 3268, self._n_samples)
            if "sample_interval" in self._words:
                struct.pack_into(mark + "h", changed, 3216, self._words["sample_interval"])
            if binary.extended_interval and self._n_samples > 1:
                struct.pack_into(mark + "d", changed, 3272, 1000 * sample_interval(self._template))
        if binary.traces:
            struct.pack_into(mark + "Q", changed, 3512, self._n_traces)
        return bytes(changed)

    def _file_trailer(self) -> bytes:
        stored = self.container == "segy" and "file_trailer" in self._template
        return self._template["file_trailer"].values.tobytes() if stored else b""


def _output_format(template: xr.Dataset, container: str, sample_format: str | None) -> str:
    if container not in ("segy", "su"):
        raise OptionError(f"container {container!r} is unknown; expected segy or su")
    if container == "su" and sample_format not in (None, "ieee32"):
        raise OptionError(f"--format {sample_format}: an SU file holds ieee32 samples only; write SEG-Y instead")
    chosen = "ieee32" if container == "su" else sample_format or template.attrs["sample_format"]
    sample_format_of(chosen)
    return chosen


def _header_bytes(template: xr.Dataset, container: str) -> int:
    stored = "trace_header" in template and container == "segy"
    return template.sizes["header_byte"] if stored else TRACE_HEADER_BYTES


def _ranks(source_trace: np.ndarray) -> np.ndarray | None:
    """The place of every survey row in the file, None where they are in order."""
    if np.all(source_trace[1:] > source_trace[:-1]):
        return None
    order = np.argsort(source_trace, kind="stable")
    in_order = source_trace[order]
    if np.any(in_order[1:] == in_order[:-1]):
        return None  # traces of several files stay as they come
    ranks = np.empty(len(source_trace), np.int64)
    ranks[order] = np.arange(len(source_trace))
    return ranks


def _changed_words(template: xr.Dataset, container: str, n_samples: int, cut: bool) -> dict[str, int]:
    """Trace header words that must be set because the recorded ones do not say what the file will hold."""
    if "trace_header" not in template or not template.sizes["trace"]:
        return {}
    if container == "su":
        return _su_words(template, n_samples, cut)
    return {"samples": min(n_samples, _LARGEST_WORD), **_interval_word(template)} if cut else {}


def _is_cut(template: xr.Dataset, n_samples: int) -> bool:
    """Tell whether a survey has another number of samples than its recorded headers say.

    Raises OptionError where it was cut in depth and begins deeper, which no header tells.
    """
    if not template.sizes["trace"] or not n_samples:
        return False
    order = template.attrs["byte_order"]
    counts = {int(header_values(template["trace_header"][:1].values, FIELDS["samples"], order)[0])}
    if "file_header" in template and template.attrs["container"] == "segy":
        binary = read_binary_header(template["file_header"].values.tobytes(), order)
        counts |= {binary.samples, binary.extended_samples}
    if n_samples in counts:
        return False
    if vertical_dim(template) == "depth" and template["depth"].values[0] != 0:
        raise OptionError(
            f"depths begin at {template['depth'].values[0]:g} m, which no header tells; write a .zarr store"
        )
    return True


def _interval_word(template: xr.Dataset) -> dict[str, int]:
    interval = round(sample_interval(template) * 1000)
    return {"sample_interval": interval} if 0 < interval < 2**15 else {}


def _su_words(template: xr.Dataset, n_samples: int, cut: bool) -> dict[str, int]:
    """SU has no file header: its readers need the sample count and interval in the trace headers."""
    if n_samples > _LARGEST_WORD:
        raise OptionError(
            f"an SU file holds at most {_LARGEST_WORD} samples a trace, not {n_samples}; write SEG-Y instead"
        )
    if template.attrs["container"] == "su" and not cut:
        return {}
    return {"samples": n_samples, **_interval_word(template)}
