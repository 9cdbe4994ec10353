"""What the commands demultiple, denoise and interpolate share: their options and how they run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisdiff.cli.options import share_of
from seisdiff.heap import importing
from seisdiff.restorers import WORDS_OF, methods_for

if TYPE_CHECKING:
    from seisdiff.passes import Summary
    from seisdiff.sources import ReadOptions

ZONE = "What may be changed"
METHOD = "Method"


def method_option(task: str) -> Any:
    """Return the --method option of a task's command; its help tells the methods there are, with a word each."""
    told = "; ".join(f"{name} ({WORDS_OF[name]})" for name in methods_for(task))
    return typer.Option("--method", metavar="NAME", rich_help_panel=METHOD, help=f"{told}.")


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        rich_help_panel=METHOD,
        help="A parameter of the method that has no option of its own, such as damping=0.02 or "
        "slowness_ms_m=[-0.5,0.5]. Repeatable.",
    ),
]
Removed = Annotated[
    str | None,
    typer.Option("--removed", metavar="OUT2", help="Also write what was taken out: input minus written output."),
]
Report = Annotated[
    Path | None,
    typer.Option("--report", metavar="OUT.html", help="Also write a QC report of the run, one HTML file."),
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
    str | None,
    typer.Option(
        "--solver",
        metavar="sparse|ls",
        rich_help_panel=METHOD,
        help="Radon: high resolution, the default, or least squares: quicker.",
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
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|DIR",
        rich_help_panel=METHOD,
        help="Network: a shipped model (seisdiff models list) or a folder that seisdiff train made. Default: that of "
        "the task.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda",
        rich_help_panel=METHOD,
        help="Network: where it runs; by default on a GPU where there is one.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", metavar="N", min=1, rich_help_panel=METHOD,
        help="Diffusion: noise levels that a draw passes. Default: that of the model.",
    ),
]  # fmt: skip
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples", metavar="N", min=1, rich_help_panel=METHOD,
        help="Diffusion: draws of which the mean is returned, 8 by default; 1 returns a single draw.",
    ),
]  # fmt: skip
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, rich_help_panel=METHOD, help="Diffusion: decides which draws."),
]
Spread = Annotated[
    str | None,
    typer.Option(
        "--spread", metavar="OUT3",
        help="Diffusion: also write the standard deviation that the error is expected to have, sample by sample.",
    ),
]  # fmt: skip
ZeroNonfinite = Annotated[
    bool,
    typer.Option("--zero-nonfinite", metavar="", rich_help_panel=ZONE, help="Take NaN and infinite samples as zeros."),
]


def recipe_of(task: str, method: str, options: Mapping[str, Any], settings: list[str] | None) -> dict[str, Any]:
    """Return the fields of the recipe that the options of a command and --set ask for."""
    with importing():
        from seisdiff.config import recipe_values
    from seisdiff.errors import OptionError

    parameters: dict[str, Any] = {}
    for text in settings or []:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise OptionError(f"--set {text!r} sets nothing; expected NAME=VALUE, such as damping=0.02")
        if name in parameters:
            raise OptionError(f"--set {text!r} gives {name} a second value; {parameters[name]!r} is given already")
        parameters[name] = _listed(value) if value.startswith("[") else value
    return recipe_values(task, method, options, parameters)


def _listed(text: str) -> Any:
    """Return the list that [A,B,...] holds, or the text where it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def run_restoration(
    source: str,
    target: list[str] | None,
    out_dir: Path | None,
    recipe: Mapping[str, Any],
    reading: ReadOptions,
    *,
    removed: str | None,
    spread: str | None,
    report: Path | None,
    sample_format: str | None,
    memory: float,
    cluster: str | None,
    scheduler: str | None,
    share: str | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    no_history: bool,
    command: str,
) -> None:
    """Check the recipe, and run it over one input, several, or a stream."""
    from seisdiff.cli.files import output_of, run_files
    from seisdiff.cli.jobs import Beside, Job
    from seisdiff.cli.streaming import run_stream
    from seisdiff.config import make_recipe
    from seisdiff.errors import OptionError

    checked, beside = make_recipe(recipe), Beside(removed, spread, report)
    job = Job(
        checked, reading, sample_format, command, memory, resume, overwrite, quiet, not no_history, share_of(share)
    )  # fmt: skip
    if out_dir is not None:
        if share:
            raise OptionError("--share is of one output; for many files use --out-dir alone, or an array over files")
        with job.options(cluster=cluster, scheduler=scheduler) as on:

            def run_one(name: str) -> Summary:
                return job.run(name, output_of(name, out_dir), beside.of(name), on)

            names, pages = [source, *(target or [])], report is not None
            return run_files(names, out_dir, run_one, resume=resume, overwrite=overwrite, pages=pages)
    only = _only(target)
    if "-" in (source, only):
        refused = {**vars(beside), "format": sample_format, "cluster": cluster, "scheduler": scheduler}
        refused |= {"resume": resume, "overwrite": overwrite, "share": share}
        return run_stream(source, only, checked, reading, refused, memory=memory, quiet=quiet)
    with job.options(cluster=cluster, scheduler=scheduler) as on:
        job.run(source, only, beside, on)


def _only(target: list[str] | None) -> str:
    usage_error = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
    if not target:
        raise usage_error("Missing argument 'OUT'")
    if len(target) > 1:
        raise usage_error(f"expected IN and OUT, came {len(target) + 1} names; several inputs need --out-dir")
    return target[0]
