"""Recorded terminal sessions: played again and compared, or recorded anew with `python -m tests.sessions [NAME]...`.

A session is a text file in cli/sessions. Lines that begin with "$ " are typed, what follows is printed, lines that
begin with "# " are remarks; printed lines with such a beginning are indented. A session starts in a folder that holds
`demo/`, which `seisdiff demo --gathers 2` made, and `awkward/`, which tests/awkward.py writes. Commands of seisdiff run
in this process, others and those that read standard input in a shell; an exit code other than 0 ends the output as
"[exit CODE]".

Seconds and rates are masked. Whole numbers must come back exactly, decimal ones within 1 %, words as they are; the
width of columns does not count.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

import torch

from tests.awkward import write_awkward

SESSIONS = Path(__file__).resolve().parents[1] / "cli" / "sessions"
COLUMNS = "110"
_MASKS = [
    (re.compile(r"\b\d+(\.\d+)? s\b"), "_ s"),
    (re.compile(r"\b\d+(\.\d+)? gathers/s"), "_ gathers/s"),
    (re.compile(r"[ \t]+$", re.M), ""),
]
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_PROMPT = re.compile(r"^([$#]) ", re.M)
_FILLING = re.compile(r"[ ─━]+")
_TOLERANCE = 0.01


def commands(session: Path) -> list[tuple[str, str]]:
    """Return the commands of a session, each with what it printed."""
    return [(line[2:], printed) for line, printed in _lines(session) if line.startswith("$ ")]


def play(command: str) -> str:
    """Run one command in the current folder and return what it printed, as a terminal shows it.

    Of a pipeline the first command may be one of seisdiff.
    """
    first, bar, rest = command.partition(" | ")
    if not first.startswith("seisdiff") or " < " in first:
        return _shell(command)
    printed = io.StringIO()
    errors = io.StringIO() if bar else printed
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        code = _main(shlex.split(first)[1:])
    if bar:
        return errors.getvalue() + _shell(rest, printed.getvalue())
    return _ended(printed.getvalue(), code)


def masked(text: str) -> str:
    """Return a text without what differs from run to run: seconds, rates, the current folder."""
    text = text.replace(os.getcwd(), "/data")
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text.strip("\n")


def differences(recorded: str, printed: str) -> list[str]:
    """Return the lines that do not agree, recorded and printed; none where all do."""
    pairs = zip_longest(masked(recorded).splitlines(), masked(printed).splitlines(), fillvalue="(nothing)")
    return [f"recorded: {old}\nprinted:  {new}" for old, new in pairs if not _agree(old, new)]


def prepare(folder: Path) -> None:
    """Put the files that sessions start from into a folder."""
    for name in ("demo", "awkward"):
        shutil.copytree(_first_files() / name, folder / name)


def record(session: Path) -> None:
    """Run a session's commands in a fresh folder and write down what they print."""
    parts = []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        prepare(Path(folder))
        for line, _ in _lines(session):
            printed = _PROMPT.sub(r" \1 ", masked(play(line[2:]))) if line.startswith("$ ") else ""
            parts.append(f"{line}\n{printed}\n" if printed else f"{line}\n")
    text = "".join("\n" + part if part.startswith("# ") and at else part for at, part in enumerate(parts))
    session.write_text(text, encoding="utf-8")


def _lines(session: Path) -> list[tuple[str, str]]:
    """Return the typed lines and remarks of a session, each with the lines that follow it."""
    steps: list[tuple[str, str]] = []
    for line in session.read_text(encoding="utf-8").splitlines():
        if line.startswith(("$ ", "# ")):
            steps.append((line, ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
    return steps


def _main(arguments: list[str]) -> int:
    from seisdiff.cli.app import main

    return main(arguments)


def _shell(command: str, given: str = "") -> str:
    """Run a command in a shell in which `seisdiff` and `python` are those of this environment, on as many threads."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    surroundings = os.environ | {"LC_ALL": "C.UTF-8", "PATH": path, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, shell=True, input=given, capture_output=True, text=True, env=surroundings)
    return _ended(done.stdout + done.stderr, done.returncode)


def _ended(text: str, code: int) -> str:
    return text + (f"[exit {code}]\n" if code else "")


def _agree(recorded: str, printed: str) -> bool:
    if _words(recorded) != _words(printed):
        return False
    return all(_same_number(old, new) for old, new in zip(_numbers(recorded), _numbers(printed), strict=True))


def _words(line: str) -> str:
    return _FILLING.sub(" ", _NUMBER.sub("N", line)).strip()


def _numbers(line: str) -> list[str]:
    return _NUMBER.findall(line)


def _same_number(recorded: str, printed: str) -> bool:
    if recorded.lstrip("-").isdigit() and printed.lstrip("-").isdigit():
        return recorded == printed
    old, new = float(recorded), float(printed)
    return abs(old - new) <= _TOLERANCE * abs(old)


@functools.cache
def _first_files() -> Path:
    """Make the files that sessions start from once; they are removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="seisdiff-sessions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = _main(["demo", str(folder / "demo"), "--gathers", "2"])
    if code:
        raise RuntimeError(f"seisdiff demo ended with exit code {code}")
    write_awkward(folder / "awkward")
    return folder


if __name__ == "__main__":
    os.environ["COLUMNS"] = COLUMNS
    chosen = [SESSIONS / f"{name}.txt" for name in sys.argv[1:]] or sorted(SESSIONS.glob("*.txt"))
    for one in chosen:
        print(f"recording {one.name}")
        record(one)
