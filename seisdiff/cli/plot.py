"""seisdiff plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

Sources = Annotated[
    list[str],
    typer.Argument(metavar="IN", help="Surveys, one a panel, such as input, output and removed."),
]
Picture = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT.png", help="The picture to write: .png, .pdf, .svg or .jpg.")
]
Gathers = Annotated[
    str | None,
    typer.Option("--gathers", metavar="N[,N]", help="Ensemble numbers to draw, side by side, such as 1001,1010."),
]
Every = Annotated[int | None, typer.Option("--every", metavar="N", min=1, help="Draw every N-th gather instead.")]
Kind = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="gather|spectrum|fk|semblance|stack",
        help="Gathers; amplitude spectra of gathers; f-k or semblance of residual moveout of one gather; the stack.",
    ),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        metavar="density|wiggle|both",
        help="Gathers and stack: variable density (positive black), filled wiggles, or both.",
    ),
]
Difference = Annotated[
    bool, typer.Option("--difference", metavar="", help="Gathers of two surveys: add the first less the second.")
]
Clip = Annotated[
    float | None,
    typer.Option(
        "--clip", metavar="AMPLITUDE", help="Amplitude drawn black. Default: the first panel's 99th percentile."
    ),
]
Window = Annotated[
    str | None,
    typer.Option("--window", metavar="A:B", help="Part of the time axis in ms (or depth in m), such as 3000:6000."),
]
OverwritePicture = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace the picture if it exists.")]


def plot(
    sources: Sources,
    output: Picture,
    gathers: Gathers = None,
    every: Every = None,
    kind: Kind = "gather",
    style: Style = "density",
    difference: Difference = False,
    clip: Clip = None,
    window: Window = None,
    overwrite: OverwritePicture = False,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
) -> None:
    """Draw gathers, their spectra, f-k, residual moveout or stack, one panel for each survey.

    All panels show the same gathers at the same clip.
    Without --gathers or --every, three gathers spread over the survey are drawn, or one where there are several
    panels. Traces stand in survey order; the strip above shows their offsets.

    Examples:

      seisdiff plot line.sgy -o line.png --gathers 1001,1010
      seisdiff plot line.sgy clean.sgy multiples.sgy -o three.png
      seisdiff plot line.sgy clean.sgy -o zoom.png --window 2000:4000 --difference
      seisdiff plot line.sgy clean.sgy -o semblance.png --kind semblance --gathers 1001
    """
    from seisdiff.plots import check_picture_path, choose_gathers, save_figure
    from seisdiff.sources import open_survey

    check_picture_path(output, overwrite)
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    panels = {name: open_survey(source, reading) for name, source in zip(_names(sources), sources, strict=True)}
    numbers = _numbers(gathers, every)
    if every is not None:
        numbers = choose_gathers(next(iter(panels.values())), every)
    shown = {"style": style, "clip": clip, "window": _edges(window)}
    print(save_figure(_draw(kind, panels, numbers, difference, shown), output, overwrite=overwrite))


def _draw(
    kind: str, panels: dict[str, xr.Dataset], numbers: list[int] | None, difference: bool, shown: dict[str, Any]
) -> Figure:
    """Return the figure that is asked for; raises OptionError for an unknown kind and what does not go with it."""
    from seisdiff import plots
    from seisdiff.errors import OptionError

    if difference and (kind != "gather" or len(panels) != 2):
        raise OptionError("--difference is between the gathers of two surveys; give two, and no other --kind")
    if difference:
        return plots.plot_comparison(*panels.values(), gathers=numbers, names=list(panels), **shown)
    if kind == "gather":
        return plots.plot_gathers(panels, numbers, **shown)
    if kind == "spectrum":
        return plots.plot_spectra(panels, numbers)
    if kind == "stack":
        return plots.plot_stack(panels, **shown)
    if kind not in ("fk", "semblance"):
        raise OptionError(f"--kind {kind!r} is unknown; expected gather, spectrum, fk, semblance or stack")
    if numbers is not None and len(numbers) > 1:
        raise OptionError(f"--kind {kind} draws one gather; give one with --gathers")
    draw = plots.plot_fk if kind == "fk" else plots.plot_semblance
    return draw(panels, numbers[0] if numbers else None)


def _names(sources: list[str]) -> list[str]:
    """Return the file names of the sources, numbered where two are alike."""
    names = [Path(source.rstrip("/")).name for source in sources]
    return [name if names.count(name) == 1 else f"{at + 1}: {name}" for at, name in enumerate(names)]


def _numbers(gathers: str | None, every: int | None) -> list[int] | None:
    from seisdiff.errors import OptionError
    from seisdiff.sources import split_names

    if gathers is None:
        return None
    if every is not None:
        raise OptionError("--gathers and --every exclude each other; give one")
    try:
        return [int(number) for number in split_names(gathers)]
    except ValueError:
        raise OptionError(f"--gathers {gathers!r}: expected ensemble numbers such as 1001,1010") from None


def _edges(window: str | None) -> tuple[float, float] | None:
    from seisdiff.errors import OptionError

    if window is None:
        return None
    try:
        upper, lower = (float(edge) for edge in window.split(":"))
    except ValueError:
        raise OptionError(f"--window {window!r}: expected two numbers such as 3000:6000") from None
    return upper, lower
