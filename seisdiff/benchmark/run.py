"""The benchmark itself: each method on each case of the judge, through the engine that users run."""

from __future__ import annotations

import itertools
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
import xarray as xr

from seisdiff.benchmark.methods import Method, method_recipe, plan_methods
from seisdiff.benchmark.report import BenchmarkReport, CaseResult, case_result
from seisdiff.config import RestoreRecipe
from seisdiff.engine import restore
from seisdiff.errors import OptionError
from seisdiff.restorers import restorer_class
from seisdiff.scores import (
    avo_errors,
    check_finite,
    flat_primaries,
    insertion_loss_db,
    insertion_times,
    score_gather,
)
from seisdiff.survey import gather_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seisdiff.judge import Case

SPLITS = ("dev", "test")


class CaseSource(Protocol):
    """Where cases come from: the judge."""

    def cases(self, task: str, split: str, *, field: Path | None = None) -> Iterator[Case]:
        """Yield the cases of a task."""
        ...


def run_benchmark(
    judge: CaseSource,
    *,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    split: str = "dev",
    field: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BenchmarkReport:
    """Measure methods on the cases of the judge, gather by gather.

    `methods` are NAME or NAME:KEY=VALUE,KEY=VALUE (see `parse_method`), by default all; `tasks` by default all that
    they can do. `split` is "dev", for choices, or "test", for final figures. `field` is a folder of field data, for
    cases that need it. `progress` is called with gathers done and gathers in all, counted once a method. Raises
    OptionError for unknown names, SurveyError where a method returns samples that are no numbers.
    """
    if split not in SPLITS:
        raise OptionError(f"split {split!r} is unknown; expected dev or test")
    plan = plan_methods(methods, tasks)
    cases = [case for task in plan for case in judge.cases(task, split, field=field)]
    total = sum(case.truth.sizes["gather"] * len(plan[case.task]) for case in cases)
    results: list[CaseResult] = []
    done = 0
    for case in cases:
        for method in plan[case.task]:
            results.append(run_case(case, method))
            done += case.truth.sizes["gather"]
            if progress:
                progress(done, total)
    return BenchmarkReport(
        split=split,
        versions=_versions(),
        threads=torch.get_num_threads(),
        settings=_settings(plan),
        results=results,
    )


def run_case(case: Case, method: Method) -> CaseResult:
    """Restore a case with a method and measure the output; for demultiple, also with primaries inserted."""
    recipe = method_recipe(method, case.task)
    restorer_class(method.name)
    began = time.perf_counter()
    estimate = restore(case.degraded, recipe)["amplitude"].values
    seconds = time.perf_counter() - began
    gathers = _gathers(case, estimate, f"the output of {method.label}")
    losses = _insertion_losses(case, gathers, estimate, recipe) if case.task == "demultiple" else [[] for _ in gathers]
    return case_result(
        names=(case.task, case.name, case.source, method.label),
        seconds=seconds,
        gathers=[one.number for one in gathers],
        water_m=[float(depth) for depth in case.water_m],
        rows=[one.figures(case) for one in gathers],
        insertion_db=losses,
    )


@dataclass(frozen=True)
class _Gather:
    """One gather of a case, number and position, with the estimate of it.

    Samples are (trace, time), `offset` (m), `live` and `scored` (trace), `times` (time) and `from_ms` in ms.
    """

    number: int
    position: int
    rows: slice
    truth: np.ndarray
    degraded: np.ndarray
    estimate: np.ndarray
    offset: np.ndarray
    live: np.ndarray
    scored: np.ndarray
    times: np.ndarray
    from_ms: float

    def figures(self, case: Case) -> dict[str, float]:
        """Return the figures of the gather by name."""
        parts = [self.truth, self.estimate, self.degraded]
        scores = score_gather(
            self.number, parts, self.live, times=self.times, from_ms=self.from_ms, scored=self.scored
        ).model_dump(exclude={"gather", "traces"}, exclude_none=True)
        if case.task == "demultiple":
            return scores | self._avo_errors(case)
        not_meant = {"leakage"} if case.task == "interpolate" else set()
        unknown = {name for name in scores if "below" in name}
        return {name: value for name, value in scores.items() if name not in not_meant | unknown}

    def _avo_errors(self, case: Case) -> dict[str, float]:
        picks = np.asarray(case.primaries_ms[self.position], float)
        if np.isfinite(self.from_ms):
            picks = picks[picks > self.from_ms]
        errors = avo_errors(self.truth, self.estimate, self.offset, self.times, picks, self.live)
        errors = errors[np.isfinite(errors).all(axis=1)]
        if not len(errors):
            return {}
        intercept, gradient = np.median(errors, axis=0)
        return {"avo_intercept_error": float(intercept), "avo_gradient_error": float(gradient)}


def _gathers(case: Case, estimate: np.ndarray, name: str) -> list[_Gather]:
    """Cut a case into gathers; raises SurveyError where the estimate, called `name`, is not finite."""
    truth, degraded = case.truth["amplitude"].values, case.degraded["amplitude"].values
    live = case.truth["live"].values if "live" in case.truth else (truth != 0).any(axis=1)
    gathers = []
    for position, (low, high) in enumerate(itertools.pairwise(gather_bounds(case.truth).tolist())):
        rows = slice(low, high)
        one = _Gather(
            number=int(case.truth["gather"].values[position]),
            position=position,
            rows=rows,
            truth=truth[rows],
            degraded=degraded[rows],
            estimate=estimate[rows],
            offset=case.truth["offset"].values[rows],
            live=live[rows],
            scored=np.asarray(case.scored, bool)[rows],
            times=case.truth["time"].values.astype(np.float64),
            from_ms=float(case.first_multiple_ms[position]),
        )
        check_finite([name], [one.estimate], one.number)
        gathers.append(one)
    return gathers


def _insertion_losses(
    case: Case, gathers: Sequence[_Gather], estimate: np.ndarray, recipe: RestoreRecipe
) -> list[list[float]]:
    """Return the insertion losses of each gather: one more restoration for the first primaries, the second, the third.

    Primaries go in one at a time: several at once would help each other in methods that look for flat events.
    """
    primaries = [_primaries(one) for one in gathers]
    losses: list[list[float]] = [[] for _ in gathers]
    for number in range(max((len(each) for each in primaries), default=0)):
        chosen = [at for at, each in enumerate(primaries) if len(each) > number]
        amplitude = case.degraded["amplitude"].values.copy()
        for at in chosen:
            amplitude[gathers[at].rows] += primaries[at][number].astype(amplitude.dtype)
        again = restore(_with_samples(case.degraded, amplitude), recipe)["amplitude"].values
        survived = again.astype(np.float64) - estimate
        for at in chosen:
            losses[at].append(insertion_loss_db(survived[gathers[at].rows], primaries[at][number]))
    return losses


def _primaries(one: _Gather) -> np.ndarray:
    at = insertion_times(one.degraded, one.times, one.from_ms, one.live)
    return flat_primaries(one.truth, one.degraded, one.times, at, one.live)


def _with_samples(survey: xr.Dataset, amplitude: np.ndarray) -> xr.Dataset:
    return survey.assign(amplitude=(survey["amplitude"].dims, amplitude))


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("seisdiff", "torch", "numpy")} | {"python": platform.python_version()}


def _settings(plan: dict[str, list[Method]]) -> dict[str, dict[str, dict]]:
    settings: dict[str, dict[str, dict]] = {}
    for task, methods in plan.items():
        for method in methods:
            dumped = method_recipe(method, task).model_dump(mode="json")
            told = {"start": dumped["start"], "taper_ms": dumped["taper_ms"]} if task == "demultiple" else {}
            settings.setdefault(method.label, {})[task] = told | {method.name: dumped[method.name]}
    return settings
