"""Results held against those of a frozen report: the best of its methods, case by case."""

from __future__ import annotations

from typing import NamedTuple

from seisdiff.benchmark.report import BenchmarkReport, CaseResult
from seisdiff.errors import OptionError

#: Input SNRs of the same gather on two machines agree to this, dB.
_SAME_INPUT_DB = 0.1


class Gain(NamedTuple):
    """How a method does against the best method of a reference on one case.

    `gain_db` is the difference of the mean output SNRs, `better` the share of gathers whose output SNR is higher.
    """

    best: str
    gain_db: float
    better: float


def gains(report: BenchmarkReport, reference: BenchmarkReport) -> dict[tuple[str, str, str, str], Gain]:
    """Return the gain of each result, by task, source, case and method; cases that the reference lacks have none.

    Raises OptionError where the two were not measured on the same split and gathers, or share no case.
    """
    check_reference(reference, report.split)
    found = {}
    for result in report.results:
        best = _best(reference, result)
        if best is not None:
            _check_same(result, best)
            found[result.task, result.source, result.case, result.method] = _gain(result, best)
    if report.results and not found:
        raise OptionError("the reference holds none of the cases measured")
    return found


def check_reference(reference: BenchmarkReport, split: str) -> None:
    """Raise OptionError where a reference is of another split."""
    if reference.split != split:
        raise OptionError(f"the reference was measured on the {reference.split} split; this is {split}")


def _best(reference: BenchmarkReport, result: CaseResult) -> CaseResult | None:
    """Return the reference's result of the highest mean output SNR on a case."""
    rivals = [
        each
        for each in reference.of(result.task, result.source)
        if each.case == result.case and "snr_db" in each.overall
    ]
    return max(rivals, key=lambda each: each.overall["snr_db"].mean, default=None)


def _check_same(result: CaseResult, best: CaseResult) -> None:
    where = f"{result.task} {result.source} '{result.case}'"
    if result.gathers != best.gathers:
        raise OptionError(f"the reference holds other gathers of {where}; measure it anew")
    for number, mine, theirs in zip(
        result.gathers, result.figures["input_snr_db"], best.figures.get("input_snr_db", []), strict=False
    ):
        if mine != theirs and not (mine is not None and theirs is not None and abs(mine - theirs) <= _SAME_INPUT_DB):
            raise OptionError(
                f"gather {number} of {where} has an input SNR of {mine} dB here and of {theirs} dB in the reference; "
                "it was measured on another judge: measure it anew"
            )


def _gain(result: CaseResult, best: CaseResult) -> Gain:
    pairs = zip(result.figures["snr_db"], best.figures["snr_db"], strict=True)
    better = [mine > theirs for mine, theirs in pairs if mine is not None and theirs is not None]
    mean = result.mean("snr_db")
    return Gain(
        best.method,
        float("nan") if mean is None else mean - best.overall["snr_db"].mean,
        sum(better) / len(better) if better else float("nan"),
    )
