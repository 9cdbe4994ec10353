"""seisdiff export."""

from __future__ import annotations

from typing import Annotated

import typer

from seisdiff.cli import options as opt

SampleFormat = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="Sample format to write: ibm32, ieee32, int16, ... (default: as read)."
    ),
]


def export(
    source: Annotated[str, typer.Argument(metavar="IN.zarr", help="A store that 'seisdiff ingest' made.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The .sgy, .segy or .su file to write.")],
    sample_format: SampleFormat = None,
    memory: opt.Memory = 1.0,
    cluster: opt.Cluster = None,
    scheduler: opt.Scheduler = None,
    resume: opt.Resume = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write a Zarr store to a SEG-Y or SU file.

    Traces come back in the order of the file they were read from; unchanged samples are the same bytes. A SEG-Y or SU
    file may stand for the store, to change its sample format or container.

    Examples:

      seisdiff export line.zarr line.sgy
      seisdiff export line.zarr line.sgy --format ieee32
    """
    from seisdiff import transfer
    from seisdiff.cli.progress import run_options
    from seisdiff.cli.summary import print_summary

    options = run_options(
        "export", memory=memory, resume=resume, overwrite=overwrite, quiet=quiet, cluster=cluster, scheduler=scheduler
    )
    with options as run:
        print_summary(transfer.export(source, target, run, sample_format=opt.lower_case(sample_format)), target, quiet)
