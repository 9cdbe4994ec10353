"""The documentation's pages, played block by block; `python -m tests.pages PAGE...` records what their commands print.

The blocks of a page share a folder, in the order of the page. A console block is typed, and what it shows must be
printed; a block with a title is a file of that name; a Python block without one is run. A command that shows a line of
three dots shows what it prints once it has been recorded; commands that show nothing stay so.

The folder holds `demo/` and the files that how-to pages are about, which `awkward_files` makes.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.sessions import COLUMNS, differences, play, prepare

_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
_FILE_HEADER, _TRACE = 3600, 4240
FOOT = 0.3048


class Block(NamedTuple):
    """A fenced block of a page: its language, its title (a file's name, or empty) and what it holds."""

    language: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with the output that the page shows."""
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, shown = step.partition("\n")
        yield command, shown


def run_block(block: Block, player: Callable[[str], str] = play) -> None:
    """Write, type or run a block in the current folder; raises AssertionError where a page is not true."""
    if block.language == "console":
        for command, shown in steps(block.text):
            check_step(command, shown, player(command))
    elif block.title:
        Path(block.title).write_text(block.text, encoding="utf-8")
    elif block.language == "python":
        exec(compile(block.text, "documentation", "exec"), {"__name__": "documentation"})


def check_step(command: str, shown: str, printed: str) -> None:
    """Raise AssertionError where a command prints something else than the page shows, or fails unannounced."""
    if shown.strip():
        assert differences(shown, printed) == [], f"$ {command}"
    else:
        assert "[exit" not in printed, f"$ {command}\n{printed}"


def furnish(folder: Path) -> None:
    """Put the files that pages start from into a folder."""
    prepare(folder)
    awkward_files(folder / "demo" / "line.sgy", folder)


def awkward_files(line: Path, folder: Path) -> None:
    """Make of a line whose headers are right others: words elsewhere, no sample interval, feet untold, holes."""
    recorded = np.fromfile(line, np.uint8)
    moved, no_interval, feet = (recorded.copy() for _ in range(3))
    for byte, place in ((37, 233), (21, 237)):
        set_words(moved, place, words(moved, byte))
        set_words(moved, byte, 0)
    no_interval[3216:3218] = 0
    set_words(no_interval, 117, 0, ">i2")
    feet[3254:3256] = 0
    set_words(feet, 37, np.rint(words(feet, 37) / FOOT))
    for byte in (73, 77, 81, 85, 181, 185):
        set_words(feet, byte, np.rint(words(feet, byte) / FOOT))
    set_words(feet, 89, 0, ">i2")
    holes = feet.copy()
    holes[_FILE_HEADER:].reshape(-1, _TRACE)[1::2, 240:] = 0
    for name, made in (("moved", moved), ("no_interval", no_interval), ("feet", feet), ("feet_holes", holes)):
        made.tofile(folder / f"{name}.sgy")


def words(file: np.ndarray, byte: int, kind: str = ">i4") -> np.ndarray:
    """Return the header word at a byte (from 1) of all traces."""
    size = np.dtype(kind).itemsize
    return _headers(file)[:, byte - 1 : byte - 1 + size].copy().view(kind)[:, 0]


def set_words(file: np.ndarray, byte: int, values: np.ndarray | int, kind: str = ">i4") -> None:
    """Write a header word of all traces into the bytes of a file."""
    headers = _headers(file)
    cells = np.broadcast_to(values, len(headers)).astype(kind).reshape(-1, 1).view(np.uint8)
    headers[:, byte - 1 : byte - 1 + cells.shape[1]] = cells


def _headers(file: np.ndarray) -> np.ndarray:
    return file[_FILE_HEADER:].reshape(-1, _TRACE)


def record(page: Path) -> None:
    """Run a page's blocks in a fresh folder and write down what the commands that show something print."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        furnish(Path(folder))
        for block in blocks(page):
            if block.language == "console":
                text = text.replace(block.text, "".join(_played(block.text)), 1)
            else:
                run_block(block)
    page.write_text(text, encoding="utf-8")


def _played(block: str) -> Iterator[str]:
    for command, shown in steps(block):
        printed = re.sub(r"[ \t]+$", "", play(command), flags=re.M).strip("\n")
        yield f"$ {command}\n" + (f"{printed}\n" if shown.strip() and printed else "")


if __name__ == "__main__":
    os.environ["COLUMNS"] = COLUMNS
    for one in sys.argv[1:]:
        print(f"recording {one}")
        record(Path(one).resolve())
