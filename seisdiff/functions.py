"""The three tasks as functions: surveys, gridded datasets and arrays in, the same kind out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from seisdiff.config import RestoreRecipe, make_recipe, recipe_values
from seisdiff.engine import restore
from seisdiff.errors import OptionError, SurveyError
from seisdiff.grids import find_grid, is_survey, onto_grid, survey_of
from seisdiff.passes import WARNING, RunOptions
from seisdiff.restorers import DEFAULT_METHOD
from seisdiff.survey import make_survey

Data = TypeVar("Data", xr.Dataset, np.ndarray)


def demultiple(
    data: Data,
    *,
    method: str = DEFAULT_METHOD,
    start_ms: float | str | Path | None = None,
    taper_ms: float | None = None,
    protect_ms: float | None = None,
    ref_offset: float | None = None,
    nmo: str | Path | tuple[float, float] | None = None,
    zero_nonfinite: bool = False,
    dt_ms: float | None = None,
    offsets: np.ndarray | None = None,
    run: RunOptions = WARNING,
    **parameters: Any,
) -> Data:
    """Take multiples out of NMO-corrected gathers, as the command of that name does, with its options.

    `data` is a survey, a gridded dataset (see `from_grid`), or an array (trace, time) or (gather, trace, time) with
    `dt_ms` and `offsets` (m; one a trace, or shared by the gathers); the same kind comes back, samples alone changed,
    lazy where dask holds the samples. Times are ms, `protect_ms` at the reference offset `ref_offset` (m); `nmo` is a
    velocity file or (v0, k), m/s and 1/s. `parameters` are those of the method. Raises a SeisdiffError for data or
    options that do not fit.
    """
    options = {
        "start_ms": start_ms, "taper_ms": taper_ms, "protect_ms": protect_ms, "ref_offset": ref_offset, "nmo": nmo,
        "zero_nonfinite": zero_nonfinite, **parameters,
    }  # fmt: skip
    return _restored(data, "demultiple", method, options, dt_ms, offsets, run)


def denoise(
    data: Data,
    *,
    method: str = DEFAULT_METHOD,
    start_ms: float | str | Path | None = None,
    taper_ms: float | None = None,
    ref_offset: float | None = None,
    zero_nonfinite: bool = False,
    dt_ms: float | None = None,
    offsets: np.ndarray | None = None,
    run: RunOptions = WARNING,
    **parameters: Any,
) -> Data:
    """Take noise out of gathers, as the command of that name does, with its options; data as for `demultiple`."""
    options = {
        "start_ms": start_ms, "taper_ms": taper_ms, "ref_offset": ref_offset, "zero_nonfinite": zero_nonfinite,
        **parameters,
    }  # fmt: skip
    return _restored(data, "denoise", method, options, dt_ms, offsets, run)


def interpolate(
    data: Data,
    *,
    method: str = DEFAULT_METHOD,
    refine: int | None = None,
    to_offsets: str | tuple[float, float, float] | None = None,
    ref_offset: float | None = None,
    zero_nonfinite: bool = False,
    dt_ms: float | None = None,
    offsets: np.ndarray | None = None,
    run: RunOptions = WARNING,
    **parameters: Any,
) -> Data:
    """Fill dead traces or make new ones, as the command of that name does, with its options; data as for `demultiple`.

    Dead are traces that are zero throughout and, of a grid, the empty cells of gathers that hold any trace. `refine`
    and `to_offsets` ("A:B:STEP" or three numbers, m) make traces for which a grid has no place: they take surveys and
    arrays.
    """
    options = {
        "refine": refine, "to_offsets": to_offsets, "ref_offset": ref_offset, "zero_nonfinite": zero_nonfinite,
        **parameters,
    }  # fmt: skip
    return _restored(data, "interpolate", method, options, dt_ms, offsets, run)


def _restored(
    data: Data,
    task: str,
    method: str,
    options: Mapping[str, Any],
    dt_ms: float | None,
    offsets: np.ndarray | None,
    run: RunOptions,
) -> Data:
    recipe = make_recipe(recipe_values(task, method, options))
    if isinstance(data, np.ndarray):
        return _restored_array(data, recipe, dt_ms, offsets, run)
    if not isinstance(data, xr.Dataset):
        raise SurveyError(
            f"expected a survey, a gridded xarray.Dataset or a numpy array, came {type(data).__name__}; "
            "put what dask holds into a dataset"
        )
    if dt_ms is not None or offsets is not None:
        raise OptionError("dt_ms and offsets are for arrays; a dataset has its own")
    if is_survey(data):
        return restore(data, recipe, run)
    return _restored_grid(data, recipe, run)


def _restored_grid(data: xr.Dataset, recipe: RestoreRecipe, run: RunOptions) -> xr.Dataset:
    if recipe.refine > 1 or recipe.to_offsets:
        raise OptionError("a grid has no place for new traces: give from_grid(dataset) instead, or leave out refine")
    grid = find_grid(data, with_missing=recipe.task == "interpolate")
    return onto_grid(restore(survey_of(grid), recipe, run), grid)


def _restored_array(
    data: np.ndarray, recipe: RestoreRecipe, dt_ms: float | None, offsets: np.ndarray | None, run: RunOptions
) -> np.ndarray:
    if dt_ms is None or offsets is None:
        needs = {"dt_ms (the sample interval in ms)": dt_ms, "offsets (m, one a trace)": offsets}
        raise OptionError(f"an array needs {' and '.join(name for name, value in needs.items() if value is None)}")
    survey = restore(make_survey(data, dt_ms=dt_ms, offset=np.asarray(offsets, np.float64)), recipe, run)
    samples = survey["amplitude"].values
    if data.ndim == 2:
        return samples
    folds = set(survey["fold"].values.tolist())
    if len(folds) > 1:
        raise OptionError(f"the gathers end up with {min(folds)} to {max(folds)} traces each; give them one by one")
    return samples.reshape(len(data), -1, samples.shape[-1])
