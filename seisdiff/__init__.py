"""Multiples and noise out of seismic gathers, holes filled: SEG-Y in, SEG-Y out, xarray in between.

Public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seisdiff.config import RestoreRecipe
    from seisdiff.engine import restore, restore_file
    from seisdiff.errors import SeisdiffError
    from seisdiff.functions import demultiple, denoise, interpolate
    from seisdiff.grids import from_grid
    from seisdiff.passes import RunOptions, Summary
    from seisdiff.report import write_report
    from seisdiff.scores import compare
    from seisdiff.sources import ReadOptions, open, open_survey  # noqa: A004
    from seisdiff.survey import check_survey, make_survey, select, to_grid
    from seisdiff.transfer import export, ingest, to_segy

_HOME = {
    "ReadOptions": "sources",
    "RestoreRecipe": "config",
    "RunOptions": "passes",
    "SeisdiffError": "errors",
    "Summary": "passes",
    "check_survey": "survey",
    "compare": "scores",
    "demultiple": "functions",
    "denoise": "functions",
    "export": "transfer",
    "from_grid": "grids",
    "ingest": "transfer",
    "interpolate": "functions",
    "make_survey": "survey",
    "open": "sources",
    "open_survey": "sources",
    "restore": "engine",
    "restore_file": "engine",
    "select": "survey",
    "to_grid": "survey",
    "to_segy": "transfer",
    "write_report": "report",
}

__all__ = [
    "ReadOptions",
    "RestoreRecipe",
    "RunOptions",
    "SeisdiffError",
    "Summary",
    "check_survey",
    "compare",
    "demultiple",
    "denoise",
    "export",
    "from_grid",
    "ingest",
    "interpolate",
    "make_survey",
    "open",
    "open_survey",
    "restore",
    "restore_file",
    "select",
    "to_grid",
    "to_segy",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'seisdiff' has no attribute {name!r}")
    return getattr(import_module(f"seisdiff.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
