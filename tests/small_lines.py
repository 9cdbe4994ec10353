"""Small marine lines, quick recipes, and files read byte by byte without the code under test."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from seisdiff.config import RestoreRecipe, make_recipe
from seisdiff.segy import decode
from seisdiff.survey import SAMPLE_FORMATS
from seisdiff.synthetic.marine import MarineLine, marine_line
from tests.segy_files import write_segy

_FEW_MOVEOUTS = {"moveout_ms": "-50:200:25", "kind": "parabolic"}


@cache
def _line(n_gathers: int, n_traces: int, n_samples: int, nmo: bool) -> MarineLine:
    return marine_line(n_gathers, n_traces, n_samples, water_ms=200.0, nmo=nmo)


def small_line(n_gathers: int = 4, n_traces: int = 16, n_samples: int = 250, *, nmo: bool = True) -> MarineLine:
    """Return a line that is made once; copy before changing it."""
    return _line(n_gathers, n_traces, n_samples, nmo)


def quick(task: str, **values: Any) -> RestoreRecipe:
    """Return a recipe with few moveouts."""
    return make_recipe({"task": task, "method": "radon", "radon": _FEW_MOVEOUTS, **values})


def line_file(path: Path, survey: xr.Dataset | None = None, sample_format: str = "ieee32", gain: float = 1.0) -> Path:
    """Write a survey, times `gain`, to a file of some sample format."""
    survey = small_line().full if survey is None else survey
    survey = survey.assign(amplitude=survey["amplitude"] * np.float32(gain))
    survey.attrs = {**survey.attrs, "sample_format": sample_format}
    return write_segy(survey, path)


class RawFile:
    """The bytes of a big-endian SEG-Y (or SU) file with plain headers; `raw` and `headers` are views of `traces`."""

    def __init__(self, path: Path, sample_format: str = "ieee32") -> None:
        data = np.fromfile(path, np.uint8)
        first = 0 if path.suffix == ".su" else 3600
        self.width, self.path = SAMPLE_FORMATS[sample_format][1], path
        self.count = int(data[first + 114 : first + 116].view(">u2")[0])
        self.file_header = data[:first]
        self.traces = data[first:].reshape(-1, 240 + self.count * self.width)
        self._format = sample_format

    @property
    def headers(self) -> np.ndarray:
        """The trace headers (trace, byte)."""
        return self.traces[:, :240]

    @property
    def raw(self) -> np.ndarray:
        """The bytes of the samples (trace, sample, byte)."""
        return self.traces[:, 240:].reshape(len(self.traces), self.count, self.width)

    @property
    def samples(self) -> np.ndarray:
        """The samples as numbers, float64."""
        raw = np.ascontiguousarray(self.traces[:, 240:])
        return decode(raw, self._format, "big").astype(np.float64)

    def word(self, byte: int, kind: str = "i4") -> np.ndarray:
        """Return a header word (trace); `byte` counts from 1."""
        width = np.dtype(kind).itemsize
        return np.ascontiguousarray(self.headers[:, byte - 1 : byte - 1 + width]).view(f">{kind}")[:, 0].astype(int)

    @property
    def mute_ms(self) -> np.ndarray:
        """The end of the mute (trace), its scalar applied."""
        scalar = self.word(215, "i2")
        return self.word(113, "i2") * np.where(scalar > 0, scalar, 1) / np.where(scalar < 0, -scalar, 1)

    def put(self, rows: Any, byte: int, values: Any, kind: str = "i4") -> RawFile:
        """Set a header word of some traces."""
        width = np.dtype(kind).itemsize
        chosen = np.atleast_1d(np.arange(len(self.traces))[rows])
        words = np.broadcast_to(np.asarray(values), chosen.shape).astype(f">{kind}")
        self.traces[chosen, byte - 1 : byte - 1 + width] = words[:, None].view(np.uint8)
        return self

    def save(self, path: Path | None = None) -> Path:
        """Write the file, changed or not."""
        where = path or self.path
        where.write_bytes(self.file_header.tobytes() + self.traces.tobytes())
        return where
