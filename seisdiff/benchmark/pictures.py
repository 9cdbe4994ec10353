"""One picture a task: a typical gather, what its best methods make of it, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from seisdiff.benchmark.methods import method_recipe, parse_method
from seisdiff.benchmark.report import BenchmarkReport, CaseResult
from seisdiff.benchmark.run import CaseSource
from seisdiff.engine import restore
from seisdiff.plots import clip_level, plot_gathers, save_figure
from seisdiff.restoration import largest_offset
from seisdiff.survey import gather_bounds

if TYPE_CHECKING:
    from seisdiff.judge import Case

MOST_METHODS = 3


def draw_tasks(
    judge: CaseSource, report: BenchmarkReport, paths: dict[str, Path], field: Path | None, *, overwrite: bool
) -> dict[str, str]:
    """Draw the picture of each task to its path and return what each shows."""
    captions = {}
    for task, path in paths.items():
        first = next(result for result in report.results if result.task == task)
        case = next(
            case for case in judge.cases(task, report.split, field=field)
            if (case.name, case.source) == (first.case, first.source)
        )  # fmt: skip
        captions[task] = draw_case(case, report, path, overwrite=overwrite)
    return captions


def draw_case(case: Case, report: BenchmarkReport, path: Path, *, overwrite: bool) -> str:
    """Draw input, up to three methods and truth of the gather of median output SNR; return what the picture shows."""
    results = [each for each in report.of(case.task, case.source) if each.case == case.name]
    ranked = sorted(results, key=lambda each: each.mean("snr_db") or -np.inf, reverse=True)[:MOST_METHODS]
    at = _typical(ranked[0])
    panels = {f"input, {_snr(results[0], 'input_snr_db', at)}": _one_gather(case.degraded, at)}
    for result in ranked:
        panels[f"{result.method}, {_snr(result, 'snr_db', at)}"] = _restored(case, result.method, at)
    panels["truth"] = _one_gather(case.truth, at)
    clip = clip_level(panels["truth"]["amplitude"].values, 98.0)
    number = results[0].gathers[at]
    save_figure(plot_gathers(panels, [number], clip=clip), path, overwrite=overwrite, dpi=80)
    depth = results[0].water_m[at]
    water = f", water {depth:.0f} m" if depth is not None else ""
    return (
        f"{case.source}, {case.name}, gather {number}{water}: input, the methods of highest mean output SNR, and the "
        "truth, all at one clip. It is the gather of median output SNR of the best method."
    )


def _typical(result: CaseResult) -> int:
    """Return the position of the gather of median output SNR."""
    values = [(-np.inf if value is None else value, at) for at, value in enumerate(result.figures["snr_db"])]
    return sorted(values)[len(values) // 2][1]


def _restored(case: Case, label: str, at: int) -> xr.Dataset:
    recipe = method_recipe(parse_method(label), case.task, largest_offset(case.degraded))
    return restore(_one_gather(case.degraded, at), recipe)


def _one_gather(survey: xr.Dataset, at: int) -> xr.Dataset:
    bounds = gather_bounds(survey)
    return survey.isel(trace=slice(int(bounds[at]), int(bounds[at + 1])), gather=slice(at, at + 1))


def _snr(result: CaseResult, name: str, at: int) -> str:
    value: Sequence[float | None] = result.figures[name]
    return "no SNR" if value[at] is None else f"SNR {value[at]:.1f} dB"
