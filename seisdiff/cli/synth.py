"""seisdiff synth."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from seisdiff.cli import options as opt

WHAT = "What is made"

Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A YAML file, or marine_shallow, marine_deep, marine_layered, land, stack or tiny."
    ),
]
Part = Annotated[
    str,
    typer.Option(
        "--part",
        metavar="NAME",
        rich_help_panel=WHAT,
        help="full, signal (all waves), primaries (interbed multiples included), multiples (those of the surface), "
        "interbed or noise. Parts of one seed add up: primaries + multiples + noise = full.",
    ),
]
Gathers = Annotated[int, typer.Option("--gathers", metavar="N", min=1, rich_help_panel=WHAT, help="How many gathers.")]
Seed = Annotated[
    int, typer.Option("--seed", metavar="S", rich_help_panel=WHAT, help="Another seed makes other gathers.")
]
First = Annotated[
    int,
    typer.Option(
        "--first", metavar="INDEX", min=0, rich_help_panel=WHAT, help="Number of the first scene of the seed, from 0."
    ),
]
Domain = Annotated[
    str | None,
    typer.Option(
        "--domain",
        metavar="NAME",
        rich_help_panel=WHAT,
        help="cmp, nmo, shot, stack, angle or depth: one that the recipe has. A file holds one; default: the one that "
        "is most frequent in the recipe.",
    ),
]
Traces = Annotated[
    int | None,
    typer.Option("--traces", metavar="N", rich_help_panel=WHAT, help="Traces of a gather (default: the recipe's)."),
]
Samples = Annotated[
    int | None,
    typer.Option("--samples", metavar="N", rich_help_panel=WHAT, help="Samples of a trace (default: the recipe's)."),
]
DtMs = Annotated[
    float | None,
    typer.Option(
        "--dt-ms",
        metavar="MS",
        rich_help_panel=WHAT,
        help="Which of the recipe's sample intervals (default: its first); times and lengths scale with it.",
    ),
]
SampleFormat = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Sample format of SEG-Y: ieee32 (default) or ibm32."),
]


def synth(
    recipe: Recipe,
    target: opt.Output,
    part: Part = "full",
    gathers: Gathers = 100,
    seed: Seed = 0,
    first: First = 0,
    domain: Domain = None,
    traces: Traces = None,
    samples: Samples = None,
    dt_ms: DtMs = None,
    sample_format: SampleFormat = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Make a synthetic survey whose primaries, multiples and noise are known apart.

    Every gather is of an earth of its own: there is no line that could be migrated or stacked across gathers. The same
    recipe, seed and number give the same gather in any file. Headers (offset, coordinates, water depth, delay, mute,
    dead traces) are true.

    Examples:

      seisdiff synth marine_shallow line.sgy

      seisdiff synth marine_shallow primaries.sgy --part primaries

      seisdiff synth synthetic/land.yaml shots.zarr --domain shot --gathers 1000 --seed 7
    """
    from seisdiff.cli.progress import run_options
    from seisdiff.synthetic.files import write_scenes
    from seisdiff.synthetic.recipe import load_scene_recipe
    from seisdiff.synthetic.surveys import find_recipe

    chosen = load_scene_recipe(find_recipe(recipe))
    with run_options("synth", memory=1.0, resume=False, overwrite=overwrite, quiet=quiet) as run:
        made = write_scenes(
            chosen, target, part=part, gathers=gathers, seed=seed, first=first, domain=domain, dt_ms=dt_ms,
            traces=traces, samples=samples,
            sample_format=opt.lower_case(sample_format), overwrite=overwrite, progress=run.progress,
        )  # fmt: skip
    if not quiet:
        print(f"{target}: {made.told()}", file=sys.stderr)
