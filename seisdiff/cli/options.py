"""The options that several commands share, and what turns them into the library's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seisdiff.heap import importing

if TYPE_CHECKING:
    from seisdiff.sources import ReadOptions

READING = "How the input is read"
RUNNING = "How the run goes"

Input = Annotated[str, typer.Argument(metavar="IN", help="A .sgy, .segy or .su file, or a .zarr store.")]
Output = Annotated[str, typer.Argument(metavar="OUT", help="What to write: .sgy, .segy, .su or .zarr.")]
Store = Annotated[str, typer.Argument(metavar="OUT", help="The store to write: a name that ends in .zarr.")]
Outputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OUT", help="What to write: .sgy, .segy, .su or .zarr. With --out-dir there is none: all are inputs."
    ),
]
OutDir = Annotated[
    Path | None,
    typer.Option(
        "--out-dir",
        metavar="DIR",
        help="Take several inputs and write each to DIR under its own name, with a line for each in "
        "DIR/manifest.jsonl; --removed, --spread and --report then name folders too.",
    ),
]

GatherKeys = Annotated[
    str | None,
    typer.Option(
        "--gather",
        metavar="KEY[,KEY]",
        rich_help_panel=READING,
        help="Header word(s) that number the gathers: cdp, fldr, or inline,crossline; 'all' takes the whole file for "
        "one gather. Default: whichever of cdp and fldr is contiguous in the file.",
    ),
]
SortKeys = Annotated[
    str | None,
    typer.Option("--sort", metavar="KEY[,KEY]", rich_help_panel=READING, help="Order within a gather, such as offset."),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="NAME=BYTE[:TYPE]",
        rich_help_panel=READING,
        help="Where a header word lies, such as offset=37 or cdp=21:i4 (types i1 i2 i4 u2 u4 f4 ...). Repeatable.",
    ),
]
Mapping = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        rich_help_panel=READING,
        help="A YAML file of header words, as 'seisdiff info IN --write-mapping FILE' makes it.",
    ),
]
Units = Annotated[
    str | None,
    typer.Option(
        "--units",
        metavar="m|ft",
        rich_help_panel=READING,
        help="Length unit of the headers, where the file does not say it or says it wrong.",
    ),
]
DtMs = Annotated[
    float | None,
    typer.Option(
        "--dt-ms", metavar="MS", rich_help_panel=READING, help="Sample interval, where the file's is missing or wrong."
    ),
]
Axis = Annotated[
    str,
    typer.Option(
        "--axis",
        metavar="time|depth",
        rich_help_panel=READING,
        help="What the vertical axis is; a depth axis takes the interval as m.",
    ),
]
Memory = Annotated[
    float,
    typer.Option(
        "--memory",
        metavar="GIB",
        min=0.05,
        max=2**20,
        rich_help_panel=RUNNING,
        help="Memory that gathers under way may take.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        rich_help_panel=RUNNING,
        help="Go on with an interrupted run of the same command, or start it.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", rich_help_panel=RUNNING, help="Replace OUT once the new one is complete."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", metavar="", rich_help_panel=RUNNING, help="No progress and no notices.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="local[:N]",
        rich_help_panel=RUNNING,
        help="Run on N processes of this machine; by default one for each GPU, or for every four cores. --memory is "
        "that of each.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        rich_help_panel=RUNNING,
        help="Run on the workers of a Dask scheduler, which share the folders of IN and OUT.",
    ),
]
Share = Annotated[
    str | None,
    typer.Option(
        "--share",
        metavar="K/N",
        rich_help_panel=RUNNING,
        help="Do part K of N, for arrays of jobs, which may run at any time and on any machine that shares the folder; "
        "the last to finish completes OUT. A part that was killed goes on when its command is run again.",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON instead of a table.")]


def share_of(text: str | None) -> tuple[int, int] | None:
    """Return (k, n) of "K/N"; raises OptionError for anything else."""
    from seisdiff.errors import OptionError

    if text is None:
        return None
    words = text.split("/")
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        raise OptionError(f"--share {text!r} is no share; expected K/N, such as 3/16")
    return int(words[0]), int(words[1])


def lower_case(name: str | None) -> str | None:
    """Return a name as it is known, in whatever case it is typed."""
    return name.lower() if name else name


def typed_command(context: typer.Context) -> str:
    """Return the command line that led here, as a shell would take it."""
    return shlex.join(["seisdiff", *(context.find_root().obj or [])])


def reading_options(
    gather: str | None,
    sort: str | None,
    key: list[str] | None,
    mapping: Path | None,
    units: str | None,
    dt_ms: float | None,
    axis: str = "time",
) -> ReadOptions:
    """Return what the reading options say; raises OptionError for unknown words, units and axes."""
    with importing():
        from seisdiff import sources

    return sources.reading_options(
        gather=gather, sort=sort, key=key, mapping=mapping, units=units, dt_ms=dt_ms, axis=axis
    )
