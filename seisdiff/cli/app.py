"""The Typer application and its one way out: results, one-line errors, and exit codes that scripts can rely on."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from seisdiff.cli.compare import compare
from seisdiff.cli.demo import demo
from seisdiff.cli.demultiple import demultiple
from seisdiff.cli.denoise import denoise
from seisdiff.cli.export import export
from seisdiff.cli.info import info
from seisdiff.cli.ingest import ingest
from seisdiff.cli.interpolate import interpolate
from seisdiff.cli.plot import plot
from seisdiff.errors import SeisdiffError

_WORKFLOW = "Restore"
_DATA = "Look and convert"

app = typer.Typer(
    name="seisdiff",
    help="Take multiples and noise out of seismic gathers, and fill their holes: SEG-Y in, SEG-Y out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for _command in (demultiple, denoise, interpolate):
    app.command(rich_help_panel=_WORKFLOW)(_command)
for _command in (info, plot, compare, ingest, export, demo):
    app.command(rich_help_panel=_DATA)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"seisdiff {version('seisdiff')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Take multiples and noise out of seismic gathers, and fill their holes: SEG-Y in, SEG-Y out."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input or usage, 130 interrupted, 1 a defect of ours."""
    signal.signal(signal.SIGTERM, _interrupt)
    usage_error = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
    try:
        return typer.main.get_command(app)(args=arguments, prog_name="seisdiff", standalone_mode=False) or 0
    except SeisdiffError as error:
        return _fail(str(error), 2)
    except usage_error as error:
        return _fail(f"{error.format_message()} (see 'seisdiff --help')", 2)  # type: ignore[attr-defined]
    except OSError as error:
        return _fail(_os_message(error), 2)
    except MemoryError:
        return _fail("out of memory; use a smaller --memory or smaller gathers", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; the same command with --resume goes on", 130)


def run() -> None:
    """Entry point of the `seisdiff` script."""
    code = main()
    sys.stdout.flush()
    sys.exit(code)


def _fail(message: str, code: int) -> int:
    print("seisdiff: " + " ".join(message.split()), file=sys.stderr)
    return code


def _os_message(error: OSError) -> str:
    named = f"{error.filename}: " if error.filename else ""
    return f"{named}{error.strerror or os.strerror(error.errno or 0) if error.errno else error}"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
