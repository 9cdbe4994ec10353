"""SEG-Y and Seismic Unix files for `xarray.open_dataset(..., engine="seisdiff")`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import xarray as xr
from xarray.backends import BackendEntrypoint

from seisdiff.sources import open_survey, reading_options
from seisdiff.survey import vertical_dim

_SUFFIXES = (".sgy", ".segy", ".su")
#: Bytes of samples in the chunks that `chunks={}` makes.
_CHUNK_BYTES = 32 * 2**20


class SeisdiffBackend(BackendEntrypoint):
    """Opens a file as a survey, its samples and headers lazy; options are those of `seisdiff.open`."""

    description: ClassVar[str] = "SEG-Y and Seismic Unix files as surveys, by seisdiff"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        *("filename_or_obj", "drop_variables", "gather", "sort", "key", "mapping", "units", "dt_ms", "axis"),
    )

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        gather: str | Sequence[str] | None = None,
        sort: str | Sequence[str] | None = None,
        key: Mapping[str, int | str] | Sequence[str] | None = None,
        mapping: str | Path | None = None,
        units: str | None = None,
        dt_ms: float | None = None,
        axis: str = "time",
    ) -> xr.Dataset:
        """Open a file as `seisdiff.open` does; `chunks={}` gives chunks of about 32 MiB of samples to dask."""
        reading = reading_options(
            gather=gather, sort=sort, key=key, mapping=mapping, units=units, dt_ms=dt_ms, axis=axis
        )
        survey = open_survey(os.fspath(filename_or_obj), reading)
        dim = vertical_dim(survey)
        rows = max(1, _CHUNK_BYTES // max(1, survey["amplitude"].dtype.itemsize * survey.sizes[dim]))
        for variable in survey.variables.values():
            if "trace" in variable.dims:
                variable.encoding["preferred_chunks"] = {"trace": rows}
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return survey.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether a name ends in .sgy, .segy or .su."""
        return isinstance(filename_or_obj, str | os.PathLike) and str(filename_or_obj).lower().endswith(_SUFFIXES)
