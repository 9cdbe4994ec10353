"""The Typer application and its one way out: results, one-line errors, and exit codes that scripts can rely on."""

from __future__ import annotations

import gc
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from seisdiff.cli.benchmark import benchmark
from seisdiff.cli.compare import compare
from seisdiff.cli.demo import demo
from seisdiff.cli.demultiple import demultiple
from seisdiff.cli.denoise import denoise
from seisdiff.cli.export import export
from seisdiff.cli.info import info
from seisdiff.cli.ingest import ingest
from seisdiff.cli.interpolate import interpolate
from seisdiff.cli.models import models
from seisdiff.cli.plot import plot
from seisdiff.cli.report import report
from seisdiff.cli.synth import synth
from seisdiff.cli.train import train
from seisdiff.errors import SeisdiffError
from seisdiff.heap import keep_freed_memory

_WORKFLOW = "Restore"
_DATA = "Look and convert"

app = typer.Typer(
    name="seisdiff",
    help="Take multiples and noise out of seismic gathers, and fill their holes: SEG-Y in, SEG-Y out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _help_text(command: Callable[..., None]) -> str:
    """Return a command's docstring with its paragraphs on one line each, so that any width wraps them well."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else " ".join(part.split()) for part in paragraphs)


for _command in (demultiple, denoise, interpolate):
    app.command(rich_help_panel=_WORKFLOW, help=_help_text(_command))(_command)
for _command in (info, plot, report, compare, benchmark, ingest, export, synth, train, demo):
    app.command(rich_help_panel=_DATA, help=_help_text(_command))(_command)
app.add_typer(models, name="models", rich_help_panel=_DATA)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"seisdiff {version('seisdiff')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take multiples and noise out of seismic gathers, and fill their holes: SEG-Y in, SEG-Y out."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad input or usage, 130 interrupted, 1 a defect of ours."""
    signal.signal(signal.SIGTERM, _interrupt)
    usage_error: type[Exception] = next(
        kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
    )
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = typer.main.get_command(app)(args=words, prog_name="seisdiff", standalone_mode=False, obj=words) or 0
    except SeisdiffError as error:
        return _fail(str(error), 2)
    except usage_error as error:
        return _fail_usage(error)
    except OSError as error:
        return _fail(_os_message(error), 2)
    except MemoryError:
        return _fail("out of memory; use a smaller --memory or smaller gathers", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    return _fail(_interrupted(words), 130) if code == 130 else code


def run() -> None:
    """Entry point of the `seisdiff` script."""
    keep_freed_memory()
    code = main()
    sys.stdout.flush()
    gc.freeze()  # or Python looks through all modules once more before it ends, for half a second
    sys.exit(code)


def _fail(message: str, code: int) -> int:
    print("seisdiff: " + " ".join(message.split()), file=sys.stderr)
    return code


def _interrupted(words: list[str]) -> str:
    """Return what is said after an interrupt: how to go on, where the command can."""
    commands = getattr(typer.main.get_command(app), "commands", {})
    command = commands.get(words[0]) if words else None
    resumes = command is not None and any(option.name == "resume" for option in command.params)
    return "interrupted; the same command with --resume goes on" if resumes else "interrupted; nothing was written"


def _fail_usage(error: Exception) -> int:
    """Say what was typed wrong and which help to read; nothing where the help has just been printed."""
    message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    if not message:
        return 2
    context = getattr(error, "ctx", None)
    return _fail(f"{message} (see '{context.command_path if context else 'seisdiff'} --help')", 2)


def _os_message(error: OSError) -> str:
    named = f"{error.filename}: " if error.filename else ""
    return f"{named}{error.strerror or os.strerror(error.errno or 0) if error.errno else error}"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
