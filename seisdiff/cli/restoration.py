"""What the commands demultiple, denoise and interpolate share: their options and how they run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisdiff.restorers import RESTORERS, WORDS_OF, methods_for

if TYPE_CHECKING:
    from seisdiff.config import RestoreRecipe
    from seisdiff.passes import RunOptions, Summary
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
        help="Diffusion: passes of a draw. Default: that of the model.",
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
        help="Diffusion: also write the standard deviation of what was restored, sample by sample.",
    ),
]  # fmt: skip
ZeroNonfinite = Annotated[
    bool,
    typer.Option("--zero-nonfinite", metavar="", rich_help_panel=ZONE, help="Take NaN and infinite samples as zeros."),
]


def method_values(method: str, options: Mapping[str, Any], settings: list[str] | None) -> dict[str, Any]:
    """Return the method and, under its name, the parameters that options and --set give it, for its spec to check."""
    from seisdiff.errors import OptionError

    values = {name: value for name, value in options.items() if value is not None}
    _check_options(method, values)
    for text in settings or []:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise OptionError(f"--set {text!r} sets nothing; expected NAME=VALUE, such as damping=0.02")
        if name in values:
            raise OptionError(f"--set {text!r} gives {name} a second value; {values[name]!r} is given already")
        values[name] = _listed(value) if value.startswith("[") else value
    return {"method": method, method: values} if method in RESTORERS else {"method": method}


def _check_options(method: str, names: Iterable[str]) -> None:
    """Raise OptionError for options that the method does not have: they are Radon's, or a network's."""
    from seisdiff.config import RestoreRecipe
    from seisdiff.errors import OptionError

    if method not in RESTORERS:
        return
    known = {
        each: getattr(RestoreRecipe.model_fields[each].annotation, "model_fields", {})
        for each in (method, "radon", "unet", "diffusion")
    }
    for name in names:
        if name not in known[method]:
            option, other = f"--{name.replace('_', '-')}", next(each for each in known if name in known[each])
            raise OptionError(
                f"{option} says nothing to the method {method}; add --method {other}, or leave {option} out"
            )


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
    sample_format: str | None,
    memory: float,
    cluster: str | None,
    scheduler: str | None,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    no_history: bool,
) -> None:
    """Check the recipe, run it over one input or several with progress, and say what came of each."""
    from seisdiff.cli.files import output_of, run_files
    from seisdiff.cli.progress import run_options
    from seisdiff.cli.summary import print_summary
    from seisdiff.config import make_recipe
    from seisdiff.engine import restore_file

    checked = make_recipe(recipe)
    shown = partial(
        run_options, checked.task, memory=memory, resume=resume, overwrite=overwrite, quiet=quiet,
        history=not no_history,
    )  # fmt: skip

    def restore_one(source: str, target: str, removed: str | None, spread: str | None, on: RunOptions) -> Summary:
        with shown() as run:
            run = replace(run, elsewhere=on.elsewhere)
            summary = restore_file(
                source, target, checked, removed=removed, spread=spread, reading=reading, run=run,
                sample_format=sample_format,
            )  # fmt: skip
            print_summary(summary, target, quiet)
            _warn_if_nothing_filled(checked, summary, run)
        return summary

    def restore_into(source: str, on: RunOptions) -> Summary:
        for folder in filter(None, (removed, spread)):
            Path(folder).mkdir(exist_ok=True)
        taken, deviation = (output_of(source, folder) if folder else None for folder in (removed, spread))
        return restore_one(source, output_of(source, str(out_dir)), taken, deviation, on)

    with shown(cluster=cluster, scheduler=scheduler) as on:
        if out_dir is None:
            restore_one(source, _only(target), removed, spread, on)
        else:
            inputs = [source, *(target or [])]
            run_files(inputs, out_dir, lambda name: restore_into(name, on), resume=resume, overwrite=overwrite)


def _only(target: list[str] | None) -> str:
    usage_error = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
    if not target:
        raise usage_error("Missing argument 'OUT'")
    if len(target) > 1:
        raise usage_error(f"expected IN and OUT, came {len(target) + 1} names; several inputs need --out-dir")
    return target[0]


def _warn_if_nothing_filled(recipe: RestoreRecipe, summary: Summary, run: RunOptions) -> None:
    makes_new = recipe.refine > 1 or recipe.to_offsets
    if recipe.task == "interpolate" and not (makes_new or summary.filled_traces or summary.already_done):
        run.notify("warning: no trace is dead, so none was filled; --refine and --to-offsets make new ones")
