"""seisdiff info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from seisdiff.overview import Overview
    from seisdiff.sources import ReadOptions

Full = Annotated[bool, typer.Option("--full", metavar="", help="Read every sample, however large the file is.")]
WithText = Annotated[bool, typer.Option("--text", metavar="", help="Print the text header too.")]
WriteMapping = Annotated[
    Path | None,
    typer.Option(
        "--write-mapping",
        metavar="FILE.yaml",
        help="Write where the main header words lie, to edit and give back with --mapping FILE.yaml.",
    ),
]


def info(
    source: opt.Input,
    json: opt.Json = False,
    full: Full = False,
    text: WithText = False,
    write_mapping: WriteMapping = None,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
) -> None:
    """Show what a file holds: format, gathers, header ranges, amplitudes, and what looks wrong.

    Whatever deserves a look is said in words with the option to type, such as --units ft for offsets that look like
    feet. Nothing is written but the mapping.

    Examples:

      seisdiff info line.sgy
      seisdiff info line.sgy --text
      seisdiff info line.sgy --key offset=37 --gather inline,crossline
      seisdiff info line.sgy --write-mapping words.yaml
    """
    from rich.console import Console

    from seisdiff.overview import main_fields
    from seisdiff.segy import dump_mapping

    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    typed = _typed(gather=gather, sort=sort, key=key, mapping=mapping, units=units, dt_ms=dt_ms)
    overview = describe_source(source, reading, typed=typed, full=full)
    if write_mapping:
        dump_mapping(write_mapping, main_fields(overview.container, reading.keys))
    if json:
        print(overview.model_dump_json(indent=2))
    else:
        Console(soft_wrap=True).print(overview.as_rich(with_text=text))


def describe_source(source: str, reading: ReadOptions, *, typed: str = "", full: bool = False) -> Overview:
    """Return the overview of a file or store."""
    from seisdiff.overview import describe
    from seisdiff.segy import detect_layout, text_header
    from seisdiff.sources import open_survey
    from seisdiff.store import is_store

    survey = open_survey(source, reading)
    layout = None if is_store(source) else detect_layout(source, reading.dt_ms)
    segy = layout is not None and layout.container == "segy"
    return describe(
        survey,
        source,
        revision="{}.{}".format(*layout.revision) if layout and segy else "",
        text_encoding=layout.text_encoding if layout else "",
        text=text_header(survey),
        typed=typed,
        full=full,
    )


def _typed(**options: object) -> str:
    """Return reading options as they are typed, those that were not given left out."""
    from shlex import quote

    given = {name.replace("_", "-"): value for name, value in options.items() if value}
    pairs = [(name, part) for name, value in given.items() for part in (value if isinstance(value, list) else [value])]
    return " ".join(f"--{name} {quote(str(part))}" for name, part in pairs)
