"""seisdiff demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import xarray as xr

    from seisdiff.scores import Comparison

_HISTORY = "SYNTHETIC MARINE LINE, NMO-CORRECTED, STRETCH MUTE"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where the demonstration's files go.")]
Gathers = Annotated[
    int, typer.Option("--gathers", metavar="N", min=1, max=2000, help="How many CMP gathers the line has.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Write into DIR though it exists.")]


def demo(folder: Folder = Path("demo"), gathers: Gathers = 40, overwrite: Overwrite = False) -> None:
    """Make a small marine line, take its multiples out, and measure and draw the result.

    DIR then holds the line (line.sgy) and its true primaries (primaries.sgy), what the U-Net made of the
    line (clean.sgy), what was removed (multiples.sgy), and a picture of the four (demo.png). The commands that do the
    same by hand are printed on the way.

    Examples:

      seisdiff demo
      seisdiff demo trial --gathers 6
    """
    from rich.console import Console

    paths, show = demo_paths(folder, overwrite), Console(soft_wrap=True, highlight=False).print
    show(f"a marine line of {gathers} NMO-corrected CMP gathers, with multiples: {paths['input']}")
    make_line(paths, gathers)
    show("$ seisdiff demultiple {input} {output} --removed {removed} --start-ms auto".format(**paths))
    remove_multiples(paths)
    show("$ seisdiff compare {truth} {output} {input}".format(**paths))
    show(measure(paths).as_table())
    show("$ seisdiff plot {input} {output} {removed} {truth} -o {picture}".format(**paths))
    draw(paths)
    show("result   {output}\nremoved  {removed}\npicture  {picture}".format(**paths))


def demo_paths(folder: Path, overwrite: bool) -> dict[str, Path]:
    """Make the folder and return the names of its files; raises OutputError where it exists, unless `overwrite`."""
    from seisdiff.errors import OutputError

    if folder.exists() and not (overwrite and folder.is_dir()):
        raise OutputError(f"{folder} exists already; add --overwrite to write into it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        "input": "line.sgy",
        "truth": "primaries.sgy",
        "output": "clean.sgy",
        "removed": "multiples.sgy",
    }
    return {part: folder / name for part, name in names.items()} | {"picture": folder / "demo.png"}


def make_line(paths: dict[str, Path], n_gathers: int) -> None:
    """Write the line and its primaries as SEG-Y."""
    from seisdiff.synthetic.marine import marine_line

    line = marine_line(n_gathers, noise_db=26.0)
    write_segy(line.full, paths["input"], f"{_HISTORY}, ALL WAVES AND NOISE")
    write_segy(line.primaries, paths["truth"], f"{_HISTORY}, PRIMARIES")


def write_segy(survey: xr.Dataset, path: Path, history: str) -> None:
    """Write a survey in memory to a SEG-Y file of IBM floats, which appears when it is complete."""
    from seisdiff.segy import SegyWriter

    partial = path.with_name(f".{path.name}.partial")
    with SegyWriter(partial, survey, container="segy", sample_format="ibm32", history=history) as writer:
        writer.write(slice(None), None, survey["amplitude"].values)
    partial.replace(path)


def remove_multiples(paths: dict[str, Path]) -> None:
    """Run demultiple with its default method, from the first multiple on."""
    from seisdiff.cli.progress import run_options
    from seisdiff.config import make_recipe
    from seisdiff.engine import restore_file

    recipe = make_recipe({"task": "demultiple", "start": "auto"})
    with run_options("demultiple", memory=1.0, resume=False, overwrite=True, quiet=False) as run:
        restore_file(str(paths["input"]), str(paths["output"]), recipe, removed=str(paths["removed"]), run=run)


def measure(paths: dict[str, Path]) -> Comparison:
    """Compare the result with the true primaries."""
    from seisdiff.scores import compare
    from seisdiff.sources import open_survey

    return compare(*(open_survey(str(paths[part])) for part in ("truth", "output", "input")))


def draw(paths: dict[str, Path]) -> None:
    """Draw one gather of input, output, removed part and truth at the same clip."""
    from seisdiff.plots import plot_gathers, save_figure
    from seisdiff.sources import open_survey

    titles = {"input": "input", "output": "output", "removed": "removed", "truth": "truth: primaries"}
    panels = {title: open_survey(str(paths[part])) for part, title in titles.items()}
    save_figure(plot_gathers(panels), paths["picture"], overwrite=True)
