"""Recorded terminal sessions: run again, compared, or recorded anew with `python -m tests.sessions`.

A session is a text file in cli/sessions: lines that begin with "$ " are typed, what follows is printed. Figures that
differ from run to run (seconds, rates) are masked before comparing; an exit code other than 0 ends the output as
"[exit CODE]".
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

SESSIONS = Path(__file__).resolve().parents[1] / "cli" / "sessions"
_CHANGING = [
    (re.compile(r"\b\d+(\.\d+)?(e[+-]\d+)? s\b"), "_ s"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]\d+)? gathers/s"), "_ gathers/s"),
    (re.compile(r"[ \t]+$", re.M), ""),
]


def commands(session: Path) -> list[tuple[str, str]]:
    """Return the commands of a session, each with what it printed."""
    steps: list[tuple[str, str]] = []
    for line in session.read_text().splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], ""))
        elif steps:
            steps[-1] = (steps[-1][0], steps[-1][1] + line + "\n")
    return steps


def play(command: str) -> str:
    """Run one command in the current folder and return what it printed, standard error after standard output."""
    words = shlex.split(command)
    if words[0] != "seisdiff":
        done = subprocess.run(command, shell=True, capture_output=True, text=True)
        return _printed(done.stdout + done.stderr, done.returncode)
    from seisdiff.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words[1:])
    return _printed(out.getvalue() + err.getvalue(), code)


def masked(text: str) -> str:
    """Return a text with the figures that differ from run to run masked."""
    for pattern, mask in _CHANGING:
        text = pattern.sub(mask, text)
    return text.strip("\n")


def record(session: Path) -> None:
    """Run a session's commands in an empty folder and write down what they print."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        lines = [f"$ {command}\n{masked(play(command))}\n" for command, _ in commands(session)]
    session.write_text("\n".join(lines).replace("\n\n\n", "\n\n"))


def _printed(text: str, code: int) -> str:
    return text + (f"[exit {code}]\n" if code else "")


if __name__ == "__main__":
    os.environ["COLUMNS"] = "110"
    for one in sorted(SESSIONS.glob("*.txt")):
        print(f"recording {one.name}")
        record(one)
