"""SEG-Y and SU files made for tests from surveys in memory."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from seisdiff.segy import SegyWriter


def write_segy(survey: xr.Dataset, path: Path) -> Path:
    """Write a survey in memory to a .sgy or .su file and return its path."""
    writer = SegyWriter(path, survey, container="su" if path.suffix == ".su" else "segy")
    writer.write(slice(0, survey.sizes["trace"]), None, survey["amplitude"].values)
    writer.close()
    return path
