"""seisdiff report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from seisdiff.report import Facts
    from seisdiff.sources import ReadOptions

Before = Annotated[str, typer.Argument(metavar="BEFORE", help="What a command was given: .sgy, .segy, .su or .zarr.")]
After = Annotated[str, typer.Argument(metavar="AFTER", help="What it made of it.")]
Page = Annotated[Path, typer.Argument(metavar="OUT.html", help="The report to write.")]
SpreadOf = Annotated[
    str | None, typer.Option("--spread", metavar="SPREAD", help="What --spread of the command wrote: one more panel.")
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="demultiple|denoise|interpolate", help="What was done. Default: what AFTER's history says."
    ),
]  # fmt: skip
StartMs = Annotated[
    str | None,
    typer.Option(
        "--start-ms", metavar="MS|HEADER|FILE|auto", help="As the command had it: checks that nothing earlier changed."
    ),
]
Evenly = Annotated[
    int, typer.Option("--gathers", metavar="N", min=0, max=200, help="Gathers to show evenly along the line.")
]
OverwritePage = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace the report if it exists.")]


def report(
    context: typer.Context,
    before: Before,
    after: After,
    output: Page,
    spread: SpreadOf = None,
    task: Task = None,
    start_ms: StartMs = None,
    gathers: Evenly = 5,
    memory: opt.Memory = 1.0,
    overwrite: OverwritePage = False,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
    quiet: opt.Quiet = False,
) -> None:
    """Make a QC report, one HTML file, of what a restoration did.

    It shows gathers chosen by rule with input, output and what was removed at the same clip, their spectra, f-k and
    residual moveout, the stack, curves along the line with the gathers that stand out, and what deserves a look. It
    needs no network and prints. The same report comes of --report OUT.html on demultiple, denoise and interpolate.

    Examples:

      seisdiff report line.sgy clean.sgy qc.html
      seisdiff report line.sgy clean.sgy qc.html --start-ms auto --gathers 9
    """
    from seisdiff.report import Facts, check_report_path

    check_report_path(output, overwrite)
    facts = Facts(
        before=Path(before).name,
        after=Path(after).name,
        command=opt.typed_command(context),
        task=check_task(task),
        start=start_ms,
    )
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    make_report((before, after, spread), output, facts, reading, gathers, memory, overwrite, quiet)


def make_report(
    sources: tuple[str, str, str | None],
    output: Path,
    facts: Facts,
    reading: ReadOptions,
    gathers: int,
    memory: float,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write the report of BEFORE, AFTER and the spread, with progress, and say where it is.

    What a store holds has been read already: the reading options are for files alone.
    """
    from seisdiff.cli.progress import run_options
    from seisdiff.report import write_report
    from seisdiff.sources import ReadOptions, container_of, open_survey

    before, after, spread = (
        open_survey(name, ReadOptions() if container_of(name) == "zarr" else reading) if name else None
        for name in sources
    )
    assert before is not None
    assert after is not None
    with run_options("report", memory=memory, resume=False, overwrite=overwrite, quiet=quiet) as run:
        page = write_report(
            before, after, output,
            spread=spread, facts=facts, gathers=gathers, memory_gib=memory, overwrite=overwrite, progress=run.progress,
        )  # fmt: skip
        if not quiet:
            run.notify(f"report: {page}, {page.stat().st_size / 1e6:.1f} MB")


def check_task(task: str | None) -> str | None:
    """Return the task; raises OptionError for one that does not exist."""
    from seisdiff.errors import OptionError

    if task not in (None, "demultiple", "denoise", "interpolate"):
        raise OptionError(f"--task {task!r} is unknown; expected demultiple, denoise or interpolate")
    return task
