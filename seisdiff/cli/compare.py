"""seisdiff compare."""

from __future__ import annotations

from typing import Annotated

import typer

from seisdiff.cli import options as opt

Truth = Annotated[str, typer.Argument(metavar="TRUTH", help="What the estimate should be.")]
Estimate = Annotated[str, typer.Argument(metavar="ESTIMATE", help="What is measured.")]
Before = Annotated[
    str | None,
    typer.Argument(metavar="INPUT", help="What the estimate was made from: adds its SNR, the gain and the leakage."),
]


def compare(
    truth: Truth,
    estimate: Estimate,
    before: Before = None,
    json: opt.Json = False,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
    quiet: opt.Quiet = False,
) -> None:
    """Measure an estimate against the truth: SNR, PSNR, SSIM and spectra, of all gathers and their quartiles.

    Both hold the same traces in the same order. Leakage, given INPUT, tells how alike what was removed and what was
    kept are: a few per cent where they have nothing in common, 1 where they are the same. --json adds the figures of
    each gather.

    Examples:

      seisdiff compare primaries.sgy clean.sgy
      seisdiff compare primaries.sgy clean.sgy line.sgy
    """
    from rich.console import Console

    from seisdiff import scores
    from seisdiff.cli.progress import run_options
    from seisdiff.sources import open_survey

    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    surveys = [open_survey(source, reading) for source in (truth, estimate, *([before] if before else []))]
    with run_options("compare", memory=1.0, resume=False, overwrite=False, quiet=quiet) as run:
        comparison = scores.compare(*surveys, progress=run.progress)
    if json:
        print(comparison.model_dump_json(indent=2))
    else:
        Console().print(comparison.as_table())
