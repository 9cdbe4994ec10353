"""The commands as links of a Seismic Unix flow: `-` for IN and OUT."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from seisdiff.config import RestoreRecipe
    from seisdiff.sources import ReadOptions


def run_stream(
    source: str,
    target: str,
    recipe: RestoreRecipe,
    reading: ReadOptions,
    refused: Mapping[str, Any],
    *,
    memory: float,
    quiet: bool,
) -> None:
    """Restore standard input into standard output; all that is not data goes to standard error.

    `refused` are options that a stream cannot follow, by name. Raises OptionError for those, for a file beside the
    stream and for a terminal in its place; ends quietly, as Unix tools do, where nobody reads the output any more.
    """
    from seisdiff.cli.progress import run_options
    from seisdiff.cli.summary import print_summary
    from seisdiff.stream import restore_stream

    _check(source, target, [name for name, value in refused.items() if value])
    options = run_options(recipe.task, memory=memory, resume=False, overwrite=False, quiet=quiet)
    with options as run:
        try:
            summary = restore_stream(sys.stdin.buffer, sys.stdout.buffer, recipe, reading, run)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + signal.SIGPIPE) from None
        print_summary(summary, "standard output", quiet)


def _check(source: str, target: str, refused: list[str]) -> None:
    from seisdiff.errors import OptionError

    if (source, target) != ("-", "-"):
        raise OptionError("- stands for a Seismic Unix stream in and out: give - - or two files")
    if refused:
        named = ", ".join(f"--{name}" for name in refused)
        raise OptionError(f"{named}: not with a stream; leave it out, or give files instead of - -")
    for stream, what in ((sys.stdin, "in.su"), (sys.stdout, "out.su")):
        if stream.isatty():
            raise OptionError(f"{what} is missing: a stream needs a file or pipe on both sides, - - < in.su > out.su")
