"""A benchmark as files: a Markdown page with its pictures, and JSON; each appears complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seisdiff.benchmark.pictures import draw_tasks
from seisdiff.benchmark.report import LIMIT_DB, BenchmarkReport
from seisdiff.benchmark.run import CaseSource
from seisdiff.benchmark.sheets import WITHIN_DB, make_sheets
from seisdiff.errors import OptionError, OutputError

_SPLITS = {"dev": "the gathers on which choices are made", "test": "gathers on which no choice was made"}
_NOTES = {
    "demultiple": "The gathers are NMO-corrected. SNR is 10 log10(|s|² / |s - e|²) of truth s and output e over live "
    "samples; per second of record, each window of one second counts alike, at most 40 dB. Insertion loss is what a "
    "weak flat primary loses when it is added to the input: 0 dB where all of it survives; the share is of those "
    f"within {WITHIN_DB:g} dB. AVO errors are medians, relative to the truth's intercept, on primaries below the first "
    "multiple.",
    "denoise": "The level is the SNR of the input as the noise was made.",
    "interpolate": "Figures are over the traces that were removed.",
}


def page_outputs(page: Path | None, json: Path | None, tasks: Sequence[str], *, overwrite: bool) -> dict[str, Path]:
    """Return the pictures' paths by task; raises where anything that will be written exists or has no folder.

    Raises OutputError, or OptionError where the page's name does not end in .md.
    """
    if page is not None and page.suffix.lower() != ".md":
        raise OptionError(f"{page.name}: a page's name ends in .md")
    pictures = {task: page.with_name(f"{page.stem}_{task}.png") for task in tasks} if page else {}
    for path in (*([page] if page else []), *([json] if json else []), *pictures.values()):
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists already; add --overwrite to replace it")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent} is not a folder; make it first")
    return pictures


def write_json(report: BenchmarkReport, path: Path) -> None:
    """Write a report as JSON, which `load_report` reads: a line for each result."""
    head = report.model_dump_json(exclude={"results"}, indent=1).removesuffix("\n}")
    lines = ",\n".join(f"  {result.model_dump_json()}" for result in report.results)
    _write(path, f'{head},\n "results": [\n{lines}\n ]\n}}\n')


def write_page(
    judge: CaseSource,
    report: BenchmarkReport,
    page: Path,
    pictures: dict[str, Path],
    *,
    field: Path | None = None,
    reference: BenchmarkReport | None = None,
    overwrite: bool = False,
) -> None:
    """Write the pictures, and then the page that shows them among its tables."""
    done = {task: path for task, path in pictures.items() if any(result.task == task for result in report.results)}
    captions = draw_tasks(judge, report, done, field, overwrite=overwrite)
    parts = [_introduction(report)]
    for (task, source), sheets in make_sheets(report, reference).items():
        parts.append(f"## {task.capitalize()}: {source}\n\n{_NOTES[task]}\n")
        parts += [sheet.as_markdown() for sheet in sheets]
        if task in captions:
            caption = captions.pop(task)
            parts.append(f"![{caption}]({done[task].name})\n\n{caption}\n")
    _write(page, "\n".join(parts))


def _introduction(report: BenchmarkReport) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in report.versions.items())
    return (
        "# Benchmark\n\n"
        f"Made by `seisdiff benchmark` on the {report.split} split, {_SPLITS[report.split]}; {versions}; "
        f"{report.threads} thread{'s' if report.threads != 1 else ''}. Figures are means over gathers, each held "
        f"within {LIMIT_DB:g} dB; the best of a column is in bold. Methods run at their defaults unless parameters are "
        "shown.\n"
    )


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text)
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
