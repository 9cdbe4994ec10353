"""QC reports: what a restoration did to a line, as one HTML file that opens anywhere."""

from seisdiff.report.facts import Facts, recipe_facts
from seisdiff.report.page import check_report_path
from seisdiff.report.write import write_report

__all__ = ["Facts", "check_report_path", "recipe_facts", "write_report"]
