"""The tables of a benchmark: rows of words, for the terminal and for a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.table import Column, Table
from rich.text import Text

from seisdiff.benchmark.reference import gains
from seisdiff.benchmark.report import BenchmarkReport, CaseResult, Figure
from seisdiff.scores import WATER_CLASSES

#: Part of the insertions that counts as kept, dB.
WITHIN_DB = 2.0
_LEVEL = re.compile(r"(.+?) (-?\d+(?:\.\d+)? dB)$")
_NOTHING = "-"
_QUARTILES = ("25 %", "median", "75 %")


@dataclass(frozen=True)
class Sheet:
    """One table; `best` holds the (row, column) of the cells that stand out."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    best: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    def as_table(self) -> Table:
        """Return it as a rich table."""
        columns = [
            Column(self.headings[0], no_wrap=True),
            *(Column(name, justify="right") for name in self.headings[1:]),
        ]
        table = Table(*columns, title=self.title)
        for at, row in enumerate(self.rows):
            table.add_row(*(Text(word, "bold" if (at, to) in self.best else "") for to, word in enumerate(row)))
        return table

    def as_markdown(self) -> str:
        """Return it as a Markdown table under its title."""
        rows = [
            [f"**{word}**" if (at, to) in self.best else word for to, word in enumerate(row)]
            for at, row in enumerate(self.rows)
        ]
        lines = [self.headings, ["---", *["---:"] * (len(self.headings) - 1)], *rows]
        return "\n".join([f"### {self.title}", "", *(f"| {' | '.join(words)} |" for words in lines)]) + "\n"


@dataclass(frozen=True)
class _Column:
    """A figure of a method: `value` takes the method's results by case; `before` is the same of the input."""

    heading: str
    value: Callable[[dict[str, CaseResult]], Figure]
    before: Callable[[dict[str, CaseResult]], Figure] | None = None
    form: str = ".1f"


def make_sheets(
    report: BenchmarkReport, reference: BenchmarkReport | None = None
) -> dict[tuple[str, str], list[Sheet]]:
    """Return the tables by task and source: figures are means over gathers; the best of a column stands out."""
    sheets = {}
    for task, source in report.groups():
        results = report.of(task, source)
        kinds = {"demultiple": _demultiple_sheets, "denoise": _denoise_sheets, "interpolate": _interpolate_sheets}
        sheets[task, source] = kinds[task](results)
        if reference is not None:
            sheets[task, source] += _gain_sheets(report, reference, results)
    return sheets


def _demultiple_sheets(results: Sequence[CaseResult]) -> list[Sheet]:
    cases, exact = _cases(results), _cases(results)[0]
    return [
        _sheet("Output SNR, dB", results, [*_case_columns(cases, "snr_db"), _time_column(cases)]),
        _sheet("Output SNR below the first multiple, dB", results, _case_columns(cases, "snr_below_db")),
        _sheet("Output SNR per second of record, dB", results, _case_columns(cases, "snr_per_second_db")),
        _sheet(f"Output SNR by water depth, dB ({exact})", results, _water_columns(results, exact, "snr_db")),
        _sheet(
            f"Output SNR below the first multiple by water depth, dB ({exact})",
            results,
            _water_columns(results, exact, "snr_below_db"),
        ),
        _sheet(f"Insertion loss, dB, and AVO errors ({exact})", results, _primary_columns(exact)),
        _sheet(f"Other figures ({exact})", results, _other_columns(exact)),
    ]


def _denoise_sheets(results: Sequence[CaseResult]) -> list[Sheet]:
    kinds: dict[str, dict[str, str]] = {}
    for case in _cases(results):
        found = _LEVEL.match(case)
        kind, level = found.groups() if found else ("other cases", case)
        kinds.setdefault(kind, {})[case] = level
    sheets = [
        _sheet(f"Output SNR, dB: {kind}", results, _case_columns(levels, "snr_db", levels))
        for kind, levels in kinds.items()
    ]
    levelled = [case for levels in kinds.values() for case, level in levels.items() if case != level]
    mean = _sheet("Mean over all levels of noise", results, _mean_columns(levelled, with_leakage=True))
    return [*sheets, mean] if levelled else sheets


def _interpolate_sheets(results: Sequence[CaseResult]) -> list[Sheet]:
    cases = _cases(results)
    return [
        _sheet("Output SNR of the removed traces, dB", results, _case_columns(cases, "snr_db")),
        _sheet("Mean over all cases", results, _mean_columns(cases, with_leakage=False)),
    ]


def _gain_sheets(report: BenchmarkReport, reference: BenchmarkReport, results: Sequence[CaseResult]) -> list[Sheet]:
    """Return how each method does against the best of the reference: dB, and share of gathers that are better."""
    found, first = gains(report, reference), results[0]
    known = [case for case in _cases(results) if (first.task, first.source, case, first.method) in found]
    if not known:
        return []
    rows = [["best of the reference", *(found[first.task, first.source, case, first.method].best for case in known)]]
    for method in _methods(results):
        each = [found.get((first.task, first.source, case, method)) for case in known]
        rows.append([method, *(f"{one.gain_db:+.1f} ({one.better:.0%})" if one else _NOTHING for one in each)])
    return [Sheet("Against the best of the reference: dB, and share of gathers better", ["method", *known], rows)]


def _sheet(title: str, results: Sequence[CaseResult], columns: Sequence[_Column]) -> Sheet:
    """Return a table of a row for the input, where columns have it, and one for each method."""
    by_method = {
        method: {result.case: result for result in results if result.method == method} for method in _methods(results)
    }
    first = next(iter(by_method.values()))
    rows = [["input", *(_word(column.before(first), column.form) if column.before else _NOTHING for column in columns)]]
    rows = rows if any(column.before for column in columns) else []
    best = set()
    for to, column in enumerate(columns, 1):
        values = {
            at: value
            for at, mine in enumerate(by_method.values(), len(rows))
            if (value := column.value(mine)) is not None
        }
        top = max(values.values(), default=0.0)
        if column.before and len(values) > 1:
            best |= {(at, to) for at, value in values.items() if _word(value, column.form) == _word(top, column.form)}
    for method, mine in by_method.items():
        rows.append([method, *(_word(column.value(mine), column.form) for column in columns)])
    return Sheet(title, ["method", *(column.heading for column in columns)], rows, frozenset(best))


def _case_columns(
    cases: Sequence[str] | dict[str, str], name: str, headings: dict[str, str] | None = None
) -> list[_Column]:
    return [
        _Column((headings or {}).get(case, case), _mean_of(case, name), _mean_of(case, f"input_{name}"))
        for case in cases
    ]


def _water_columns(results: Sequence[CaseResult], case: str, name: str) -> list[_Column]:
    counts = next(result.by_water for result in results if result.case == case)
    return [
        _Column(
            f"{label}, n = {counts[label]['snr_db'].count}",
            _mean_of(case, name, label),
            _mean_of(case, f"input_{name}", label),
        )
        for label in WATER_CLASSES
        if label in counts and "snr_db" in counts[label]
    ]


def _primary_columns(case: str) -> list[_Column]:
    return [
        *(_Column(heading, _quartile_of(case, "insertion_db", at)) for at, heading in enumerate(_QUARTILES)),
        _Column(f"within {WITHIN_DB:g} dB, %", _kept_share(case), form=".0f"),
        _Column("AVO intercept", _quartile_of(case, "avo_intercept_error", 1), form=".3f"),
        _Column("AVO gradient", _quartile_of(case, "avo_gradient_error", 1), form=".3f"),
    ]


def _other_columns(case: str) -> list[_Column]:
    names = [("PSNR, dB", "psnr_db", ".1f"), ("SSIM", "ssim", ".3f"), ("spectrum, dB", "spectrum_error_db", ".2f")]
    names += [("leakage", "leakage", ".3f")]
    return [_Column(heading, _mean_of(case, name), form=form) for heading, name, form in names]


def _mean_columns(cases: Sequence[str], *, with_leakage: bool) -> list[_Column]:
    names = [("SNR, dB", "snr_db", ".1f"), ("per second, dB", "snr_per_second_db", ".1f")]
    columns = [
        _Column(heading, _mean_over(cases, name), _mean_over(cases, f"input_{name}"), form)
        for heading, name, form in names
    ]
    others = [("PSNR, dB", "psnr_db", ".1f"), ("SSIM", "ssim", ".3f"), ("spectrum, dB", "spectrum_error_db", ".2f")]
    others += [("leakage", "leakage", ".3f")] if with_leakage else []
    columns += [_Column(heading, _mean_over(cases, name), form=form) for heading, name, form in others]
    return [*columns, _time_column(cases)]


def _time_column(cases: Sequence[str]) -> _Column:
    return _Column("s per gather", _mean_over(cases, "seconds_per_gather"), form=".3g")


def _mean_of(case: str, name: str, water: str | None = None) -> Callable[[dict[str, CaseResult]], Figure]:
    return lambda mine: mine[case].mean(name, water) if case in mine else None


def _mean_over(cases: Sequence[str], name: str) -> Callable[[dict[str, CaseResult]], Figure]:
    def mean(mine: dict[str, CaseResult]) -> Figure:
        values = [value for case in cases if case in mine and (value := mine[case].mean(name)) is not None]
        return sum(values) / len(values) if values else None

    return mean


def _quartile_of(case: str, name: str, at: int) -> Callable[[dict[str, CaseResult]], Figure]:
    return lambda mine: mine[case].overall[name].quartiles[at] if name in mine[case].overall else None


def _kept_share(case: str) -> Callable[[dict[str, CaseResult]], Figure]:
    def share(mine: dict[str, CaseResult]) -> Figure:
        losses = [loss for each in mine[case].insertion_db for loss in each]
        return 100 * sum(abs(loss) <= WITHIN_DB for loss in losses) / len(losses) if losses else None

    return share


def _cases(results: Sequence[CaseResult]) -> list[str]:
    return list(dict.fromkeys(result.case for result in results))


def _methods(results: Sequence[CaseResult]) -> list[str]:
    return list(dict.fromkeys(result.method for result in results))


def _word(value: Figure, form: str) -> str:
    return _NOTHING if value is None else format(value, form)
