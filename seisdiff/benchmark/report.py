"""What a benchmark found: every figure of every gather, and their means and quartiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from seisdiff.errors import OptionError
from seisdiff.scores import WATER_CLASSES, water_class

#: In means and quartiles a figure in dB counts with at most this, and at least its negative.
LIMIT_DB = 60.0
_DIGITS = 4
Figure = float | None


class Spread(BaseModel):
    """Mean and quartiles (25 %, median, 75 %) of a figure over `count` gathers in which it is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    quartiles: tuple[float, float, float]
    count: int


class CaseResult(BaseModel):
    """One method on one case: lists hold one value a gather, None where the figure is no number.

    `figures` are those of `seisdiff.scores.GatherScores` by name, and for demultiple `avo_intercept_error` and
    `avo_gradient_error`; `insertion_db` holds the insertion losses of each gather. `overall` and `by_water` (class of
    water depth) are over gathers, or insertions; there, dB count between -60 and 60.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    task: str
    case: str
    source: str
    method: str
    seconds_per_gather: float
    gathers: list[int]
    water_m: list[Figure]
    figures: dict[str, list[Figure]]
    insertion_db: list[list[float]]
    overall: dict[str, Spread]
    by_water: dict[str, dict[str, Spread]]

    def mean(self, name: str, water: str | None = None) -> Figure:
        """Return the mean of a figure, over all gathers or those of a class of water depth; None where there is none.

        "seconds_per_gather" is the time taken.
        """
        if name == "seconds_per_gather":
            return self.seconds_per_gather
        spreads = self.overall if water is None else self.by_water.get(water, {})
        return spreads[name].mean if name in spreads else None


class BenchmarkReport(BaseModel):
    """All results of one run; `settings` holds the parameters of each method (label) on each task."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    seisdiff_benchmark: int = 1
    split: str
    versions: dict[str, str]
    threads: int
    settings: dict[str, dict[str, dict]]
    results: list[CaseResult]

    def groups(self) -> list[tuple[str, str]]:
        """Return the (task, source) pairs in the order in which they were measured."""
        return list(dict.fromkeys((result.task, result.source) for result in self.results))

    def of(self, task: str, source: str) -> list[CaseResult]:
        """Return the results of a task on the cases of a source."""
        return [result for result in self.results if (result.task, result.source) == (task, source)]


def case_result(
    *,
    names: tuple[str, str, str, str],
    seconds: float,
    gathers: Sequence[int],
    water_m: Sequence[float],
    rows: Sequence[dict[str, float]],
    insertion_db: Sequence[Sequence[float]],
) -> CaseResult:
    """Return a result from one dict of figures a gather; `names` are task, case, source and method."""
    columns = {
        name: [_rounded(row.get(name)) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)
    }
    losses = [[round(float(loss), _DIGITS) for loss in each] for each in insertion_db]
    depths = [_rounded(depth) for depth in water_m]
    classes = [water_class(depth) for depth in depths]
    chosen = {label: [at for at, each in enumerate(classes) if each == label] for label in WATER_CLASSES}
    return CaseResult(
        **dict(zip(("task", "case", "source", "method"), names, strict=True)),
        seconds_per_gather=round(seconds / max(len(gathers), 1), _DIGITS),
        gathers=list(gathers),
        water_m=depths,
        figures=columns,
        insertion_db=losses,
        overall=_spreads(columns, losses, range(len(gathers))),
        by_water={label: _spreads(columns, losses, at) for label, at in chosen.items() if at},
    )


def load_report(path: str | Path) -> BenchmarkReport:
    """Read a report that was written as JSON; raises OptionError where the file is none."""
    try:
        return BenchmarkReport.model_validate_json(Path(path).read_text())
    except UnicodeDecodeError:
        raise OptionError(f"{path} is no report of seisdiff benchmark: it is not text") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        told = f"{place}: {fault['msg']}" if place else fault["msg"]
        raise OptionError(f"{path} is no report of seisdiff benchmark: {told}") from None


def spread(values: Iterable[Figure], limit: float = np.inf) -> Spread | None:
    """Return mean and quartiles of the values that are numbers, each held within the limit; None where none is."""
    numbers = np.array([value for value in values if value is not None and not np.isnan(value)], float)
    if not len(numbers):
        return None
    numbers = np.clip(numbers, -limit, limit)
    low, middle, high = (round(float(value), _DIGITS) for value in np.quantile(numbers, (0.25, 0.5, 0.75)))
    return Spread(mean=round(float(numbers.mean()), _DIGITS), quartiles=(low, middle, high), count=len(numbers))


def _spreads(
    columns: dict[str, list[Figure]], losses: Sequence[Sequence[float]], chosen: Iterable[int]
) -> dict[str, Spread]:
    chosen = list(chosen)
    found = {
        name: spread((column[at] for at in chosen), LIMIT_DB if name.endswith("_db") else np.inf)
        for name, column in columns.items()
    }
    found["insertion_db"] = spread(loss for at in chosen for loss in losses[at])
    return {name: value for name, value in found.items() if value is not None}


def _rounded(value: Figure) -> Figure:
    return None if value is None or np.isnan(value) else round(float(value), _DIGITS)
