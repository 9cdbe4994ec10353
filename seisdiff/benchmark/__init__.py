"""Methods measured on the judge: tasks x methods x cases through the engine, as tables, a page and JSON."""

from seisdiff.benchmark.methods import Method, parse_method, plan_methods
from seisdiff.benchmark.page import page_outputs, write_json, write_page
from seisdiff.benchmark.reference import Gain, check_reference, gains
from seisdiff.benchmark.report import BenchmarkReport, CaseResult, Spread, load_report
from seisdiff.benchmark.run import run_benchmark
from seisdiff.benchmark.sheets import Sheet, make_sheets

__all__ = [
    "BenchmarkReport",
    "CaseResult",
    "Gain",
    "Method",
    "Sheet",
    "Spread",
    "check_reference",
    "gains",
    "load_report",
    "make_sheets",
    "page_outputs",
    "parse_method",
    "plan_methods",
    "run_benchmark",
    "write_json",
    "write_page",
]
