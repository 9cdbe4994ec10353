"""seisdiff compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from seisdiff.tasks.start import StartTable

Truth = Annotated[str, typer.Argument(metavar="TRUTH", help="What the estimate should be.")]
Estimate = Annotated[str, typer.Argument(metavar="ESTIMATE", help="What is measured.")]
Before = Annotated[
    str | None,
    typer.Argument(metavar="INPUT", help="What the estimate was made from: adds its SNR, the gain and the leakage."),
]
FromMs = Annotated[
    str | None,
    typer.Option(
        "--from-ms",
        metavar="MS|FILE",
        help="Adds the SNR of what is later than this: a time, or a file of lines 'gather ms', such as the times of "
        "the first multiple.",
    ),
]


def compare(
    truth: Truth,
    estimate: Estimate,
    before: Before = None,
    from_ms: FromMs = None,
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

    Both hold the same traces in the same order. 'per s' is the SNR with equal weight of every second of record, at most
    40 dB each. Leakage, given INPUT, tells how alike what was removed and what was kept are: a few per cent where they
    have nothing in common, 1 where they are the same. --json adds the figures of each gather.

    Examples:

      seisdiff compare primaries.sgy clean.sgy
      seisdiff compare primaries.sgy clean.sgy line.sgy
      seisdiff compare primaries.sgy clean.sgy line.sgy --from-ms 1200
    """
    from rich.console import Console

    from seisdiff import scores
    from seisdiff.cli.progress import run_options
    from seisdiff.sources import open_survey

    start = read_start(from_ms)
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    surveys = [open_survey(source, reading) for source in (truth, estimate, *([before] if before else []))]
    with run_options("compare", memory=1.0, resume=False, overwrite=False, quiet=quiet) as run:
        comparison = scores.compare(*surveys, from_ms=start, progress=run.progress)
    if json:
        print(comparison.model_dump_json(indent=2))
    else:
        Console().print(comparison.as_table())


def read_start(text: str | None) -> StartTable | float | None:
    """Return the time in ms, or the table of times that a file holds; raises OptionError for neither."""
    from math import isfinite

    from seisdiff.errors import OptionError
    from seisdiff.tasks.start import read_start_table

    if text is None:
        return None
    if Path(text).is_file():
        return read_start_table(text)
    try:
        time = float(text)
        if not isfinite(time):
            raise ValueError
    except ValueError:
        raise OptionError(f"--from-ms {text!r} is neither a time in ms nor a file of lines 'gather ms'") from None
    return time
