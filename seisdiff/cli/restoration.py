"""What the commands demultiple, denoise and interpolate share: their options and how they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seisdiff.config import RestoreRecipe
    from seisdiff.passes import RunOptions, Summary
    from seisdiff.sources import ReadOptions

ZONE = "What may be changed"
METHOD = "Method"

Method = Annotated[
    str,
    typer.Option("--method", metavar="NAME", rich_help_panel=METHOD, help="radon (unet and diffusion: not there yet)."),
]
Removed = Annotated[
    str | None,
    typer.Option("--removed", metavar="OUT2", help="Also write what was taken out: input minus written output."),
]
SampleFormat = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="NAME", help="Sample format of a SEG-Y OUT: ibm32, ieee32 ... (default: as read)."
    ),
]
NoHistory = Annotated[
    bool,
    typer.Option("--no-history", metavar="", help="Leave the text header as it is: no line that says what was done."),
]
StartMs = Annotated[
    str | None,
    typer.Option(
        "--start-ms",
        metavar="MS|HEADER|FILE|auto",
        rich_help_panel=ZONE,
        help="Nothing earlier is touched. A time, a header word that holds one, a file of 'gather ms' lines, or auto: "
        "the estimated first water-bottom multiple.",
    ),
]
TaperMs = Annotated[
    float,
    typer.Option(
        "--taper-ms",
        metavar="MS",
        min=0,
        rich_help_panel=ZONE,
        help="Ramp after the start time over which changes set in.",
    ),
]
RefOffset = Annotated[
    float | None,
    typer.Option(
        "--ref-offset",
        metavar="M",
        rich_help_panel=METHOD,
        help="Offset (m) at which moveouts are given, one for the whole survey. Default: its largest offset.",
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind",
        metavar="NAME",
        rich_help_panel=METHOD,
        help="Radon: shape of events: parabolic, linear or hyperbolic. Default: parabolic for demultiple, else linear "
        "in windows.",
    ),
]
Solver = Annotated[
    str,
    typer.Option(
        "--solver",
        metavar="sparse|ls",
        rich_help_panel=METHOD,
        help="Radon: high resolution, or least squares: quicker.",
    ),
]
MoveoutMs = Annotated[
    str | None,
    typer.Option(
        "--moveout-ms",
        metavar="A:B[:STEP]",
        rich_help_panel=METHOD,
        help="Radon: range of moveout modelled, ms at the reference offset.",
    ),
]
ZeroNonfinite = Annotated[
    bool,
    typer.Option("--zero-nonfinite", metavar="", rich_help_panel=ZONE, help="Take NaN and infinite samples as zeros."),
]


def radon_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Radon options that were given, for RadonSpec to check."""
    return {name: value for name, value in given.items() if value is not None}


def run_restoration(
    source: str,
    target: str,
    recipe: Mapping[str, Any],
    reading: ReadOptions,
    *,
    removed: str | None,
    sample_format: str | None,
    memory: float,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    no_history: bool,
) -> None:
    """Check the recipe, run it over the input with progress, and say what came of it."""
    from seisdiff.cli.progress import run_options
    from seisdiff.cli.summary import print_summary
    from seisdiff.config import make_recipe
    from seisdiff.engine import restore_file

    checked = make_recipe(recipe)
    options = run_options(
        checked.task, memory=memory, resume=resume, overwrite=overwrite, quiet=quiet, history=not no_history
    )
    with options as run:
        summary = restore_file(
            source, target, checked, removed=removed, reading=reading, run=run, sample_format=sample_format
        )
        print_summary(summary, target, quiet)
        _warn_if_nothing_filled(checked, summary, run)


def _warn_if_nothing_filled(recipe: RestoreRecipe, summary: Summary, run: RunOptions) -> None:
    makes_new = recipe.refine > 1 or recipe.to_offsets
    if recipe.task == "interpolate" and not (makes_new or summary.filled_traces or summary.already_done):
        run.notify("warning: no trace is dead, so none was filled; --refine and --to-offsets make new ones")
