"""Where traces go: a SEG-Y or SU file or a Zarr store behind one small interface."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.gathers import Traces
from seisdiff.segy import SegyWriter
from seisdiff.sources import container_of
from seisdiff.store import StoreWriter


class Sink(Protocol):
    """An output being written; `unit_rows` is how many traces one unit writes, None where any number will do."""

    unit_rows: int | None

    def write(self, rows: slice, traces: Traces) -> int:
        """Write the traces `rows` and return how many samples the format clipped; safe for disjoint rows at once."""
        ...

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray) -> None:
        """Complete the output; `dead_rows` are the traces that are not live, `filled_rows` those that became so."""
        ...


def open_sink(
    where: str,
    name: str,
    template: xr.Dataset,
    *,
    sample_format: str | None = None,
    history: str | None = None,
    resume: bool = False,
) -> Sink:
    """Create (or go on with) the output `name` at the place `where`; `template` tells sizes, headers and formats."""
    container = container_of(name)
    if container == "zarr":
        return StoreSink(where, template, sample_format=sample_format, history=history, resume=resume)
    return SegySink(where, template, container, sample_format=sample_format, history=history, resume=resume)


class SegySink:
    """A SEG-Y or SU file of its final size, whose traces are written at their places."""

    unit_rows: int | None = None

    def __init__(
        self,
        where: str,
        template: xr.Dataset,
        container: str,
        *,
        sample_format: str | None,
        history: str | None,
        resume: bool,
    ) -> None:
        begun = resume and Path(where).stat().st_size > 0
        self._writer = SegyWriter(
            where, template, container=container, sample_format=sample_format, history=history, resume=begun
        )
        self.without_history = bool(history) and container == "segy" and not self._writer.history_written

    def write(self, rows: slice, traces: Traces) -> int:
        return self._writer.write(rows, traces.trace_header, traces.amplitude, traces.raw_exception)

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray) -> None:
        self._writer.close()


class StoreSink:
    """A Zarr store, written in whole shards."""

    def __init__(
        self, where: str, template: xr.Dataset, *, sample_format: str | None, history: str | None, resume: bool
    ) -> None:
        if sample_format and sample_format != template.attrs["sample_format"]:
            raise OptionError("--format is for SEG-Y and SU outputs; a store keeps the format that its survey came in")
        self._writer = StoreWriter(where, template, history=history, resume=resume)
        self.unit_rows: int | None = self._writer.unit_rows

    def write(self, rows: slice, traces: Traces) -> int:
        self._writer.write(rows, traces.amplitude, traces.raw_exception, traces.trace_header)
        return 0

    def finish(self, dead_rows: np.ndarray, filled_rows: np.ndarray) -> None:
        self._writer.finish(dead_rows, filled_rows)
