"""seisdiff benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from seisdiff.benchmark import BenchmarkReport

Page = Annotated[
    Path | None,
    typer.Argument(metavar="OUT.md", help="A page with all tables; pictures, OUT_TASK.png, are written beside it."),
]
JudgeFolder = Annotated[
    Path,
    typer.Option("--judge", metavar="DIR", help="The judge: benchmarks/judge of the source repository."),
]
Field = Annotated[
    Path | None, typer.Option("--field", metavar="DIR", help="Folder of field data; adds the cases made from it.")
]
Split = Annotated[
    str,
    typer.Option("--split", metavar="dev|test", help="dev for every choice, test for final figures only."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="NAME", help="demultiple, denoise or interpolate. Repeatable. Default: all."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        metavar="NAME[:KEY=VALUE,...]",
        help="A method, with parameters of its own where wanted, such as radon:cut_ms=45,solver=ls. Repeatable. "
        "Default: all.",
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="OUT.json", help="Also write every figure of every gather.")
]
Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        metavar="FILE",
        help="JSON of an earlier run, such as benchmarks/judge/baselines.json: adds the gain over its best method in "
        "each case, and the share of gathers that are better.",
    ),
]
OverwriteFiles = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace OUT files that exist.")]


def benchmark(
    page: Page = None,
    judge: JudgeFolder = Path("benchmarks/judge"),
    field: Field = None,
    split: Split = "dev",
    task: Tasks = None,
    method: Methods = None,
    json: JsonFile = None,
    reference: Reference = None,
    overwrite: OverwriteFiles = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure methods on the judge: gathers whose truth is known, made by solving the wave equation.

    Each method runs on each case of each task that it can do, through the same engine as the commands. The tables show
    means over gathers.

    Examples:

      seisdiff benchmark --task demultiple --method radon --method radon:cut_ms=45
      seisdiff benchmark benchmark.md --json figures.json
      seisdiff benchmark --method radon --reference benchmarks/judge/baselines.json
    """
    from seisdiff.benchmark import check_reference, load_report, page_outputs, plan_methods, run_benchmark, write_json
    from seisdiff.benchmark import write_page as write
    from seisdiff.cli.progress import run_options

    pictures = page_outputs(page, json, list(plan_methods(method, task)), overwrite=overwrite)
    against = load_report(reference) if reference else None
    if against:
        check_reference(against, split)
    source = open_folder(judge, field)
    with run_options("benchmark", memory=1.0, resume=False, overwrite=overwrite, quiet=quiet) as run:
        report = run_benchmark(source, tasks=task, methods=method, split=split, field=field, progress=run.progress)
    if json:
        write_json(report, json)
    show_tables(report, against)
    if page:
        write(source, report, page, pictures, field=field, reference=against, overwrite=overwrite)


def open_folder(judge: Path, field: Path | None):
    """Return the judge in a folder; raises OptionError where there is none, or the folder of field data is none."""
    from seisdiff.errors import OptionError
    from seisdiff.judge import open_judge

    if not judge.is_dir():
        raise OptionError(f"no judge at {judge}: it is benchmarks/judge of the source repository; name it with --judge")
    if field is not None and not field.is_dir():
        raise OptionError(f"--field {field} is not a folder; name the folder that holds the field data")
    return open_judge(judge)


def show_tables(report: BenchmarkReport, reference: BenchmarkReport | None) -> None:
    """Print all tables."""
    from rich.console import Console

    from seisdiff.benchmark import make_sheets

    console = Console()
    for (task, source), sheets in make_sheets(report, reference).items():
        console.print(f"\n{task}, {source}, {report.split}", style="bold", highlight=False)
        for sheet in sheets:
            console.print(sheet.as_table())
