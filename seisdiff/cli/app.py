"""The Typer application and its one way out: results, one-line errors, and exit codes that scripts can rely on."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TextIO, cast

try:
    import inspect

    import typer

    from seisdiff.cli.benchmark import benchmark
    from seisdiff.cli.compare import compare
    from seisdiff.cli.demo import demo
    from seisdiff.cli.demultiple import demultiple
    from seisdiff.cli.denoise import denoise
    from seisdiff.cli.export import export
    from seisdiff.cli.files import os_message
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
except KeyboardInterrupt:  # imports take a third of a second
    sys.exit(130)

_WORKFLOW = "Restore"
_DATA = "Look and convert"
#: What a shell calls the end of a command whose output nobody reads any more.
_UNREAD = 128 + signal.SIGPIPE

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
        return _fail(os_message(error), 2)
    except SystemExit as error:  # Typer's: 1 where nobody reads the output any more
        return _UNREAD if error.code == 1 else int(error.code or 0)
    except MemoryError:
        return _fail("out of memory; use a smaller --memory or smaller gathers", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    return _fail(_interrupted(words), 130) if code == 130 else code


def run() -> None:
    """Entry point of the `seisdiff` script."""
    keep_freed_memory()
    _prepare_streams()
    code = _end_output(main())
    gc.freeze()  # or Python looks through all modules once more before it ends, for half a second
    sys.exit(code)


class _Messages:
    """Standard error, on which a message that cannot be written is lost: no run ends for want of a reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def _prepare_streams() -> None:
    """Give closed standard streams the null device, and print what an encoding lacks as question marks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it lasts as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.stderr = cast(TextIO, _Messages(sys.stderr))


def _end_output(code: int) -> int:
    """Write what is left of the output; return the exit code, which tells where that cannot be done."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again, and says so
        if isinstance(error, BrokenPipeError):
            return _UNREAD
        return code or _fail(os_message(error), 2)
    return code


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


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
