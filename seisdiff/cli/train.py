"""seisdiff train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from collections.abc import Callable

    from seisdiff.training import Tick

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A training recipe: a YAML file, as those in configs/.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where checkpoints, the log and the model go.")]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        "--max-minutes",
        metavar="MIN",
        min=0.01,
        help="Time to train. The first steps tell how many steps that is, and the learning rate falls accordingly.",
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", min=1, help="Steps to train, whatever they take.")]
InitFrom = Annotated[
    str | None, typer.Option("--init-from", metavar="MODEL", help="Begin with the weights of a model: fine-tuning.")
]
Resume = Annotated[
    bool,
    typer.Option("--resume", metavar="", help="Go on from the last checkpoint in DIR, to its end or another --steps."),
]


def train(
    recipe: Recipe,
    folder: Folder,
    max_minutes: MaxMinutes = None,
    steps: Steps = None,
    init_from: InitFrom = None,
    resume: Resume = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a network on synthetic scenes that are made while it trains.

    DIR gets log.jsonl (a line a step), checkpoint/ (replaced at every validation and when interrupted) and, at the end,
    model/, which the commands take as --model DIR/model. The length is that of the recipe, --steps or --max-minutes.
    A training that was stopped goes on with --resume to the same end, or to another that is given. On several GPUs:
    accelerate launch -m seisdiff train ...

    Examples:

      seisdiff train configs/demultiple-unet.yaml trained --max-minutes 60

      seisdiff train configs/demultiple-unet.yaml trained --resume
    """
    from seisdiff.pretrained import find_model
    from seisdiff.synthetic.recipe import load_scene_recipe
    from seisdiff.synthetic.surveys import find_recipe
    from seisdiff.training import load_train_recipe, train_model

    chosen = load_train_recipe(recipe)
    scenes = {name: load_scene_recipe(find_recipe(name)) for name in chosen.stream.recipes}
    model = train_model(
        chosen, scenes, folder, steps=steps, max_minutes=max_minutes, resume=resume,
        init_from=find_model(init_from) if init_from else None, progress=None if quiet else progress_line(),
    )  # fmt: skip
    if not quiet:
        print(f"model: {model}")


def progress_line() -> Callable[[Tick], None]:
    """Return what prints a line every few seconds, and one at each validation."""
    import sys
    import time

    last = [0.0]

    def show(tick: Tick) -> None:
        checked = tick.output_snr_db is not None
        if not checked and time.monotonic() - last[0] < 5:
            return
        last[0] = time.monotonic()
        of = f" of {tick.steps}" if tick.steps else ""
        snr = f", held-out SNR {tick.input_snr_db:.1f} -> {tick.output_snr_db:.2f} dB" if checked else ""
        print(
            f"step {tick.step}{of}: loss {tick.loss:.4f}, {tick.samples_per_second:.1f} samples/s{snr}", file=sys.stderr
        )

    return show
