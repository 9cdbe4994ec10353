"""The command line where standard streams are closed, full, unread or of another encoding, and where it is stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_lines import line_file

_INTERRUPTED = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
import seisdiff.__main__
"""


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return line_file(tmp_path / "in.sgy")


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a folder, `seisdiff` being the command; output is buffered as it usually is."""
    command = command.replace("seisdiff", f"{sys.executable} -m seisdiff")
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | variables
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=folder, env=surroundings)


@pytest.mark.parametrize(
    "streams", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", "2>&1 | true; exit ${PIPESTATUS[0]}"]
)
def test_a_run_ends_well_whatever_becomes_of_its_messages(streams: str, line: Path) -> None:
    done = shell(f"seisdiff denoise in.sgy out.sgy --method median {streams}", line.parent)
    assert done.returncode == 0, done.stderr
    assert (line.parent / "out.sgy").stat().st_size == line.stat().st_size
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["info in.sgy", "info in.sgy --json", "--version"])
def test_output_that_cannot_be_written_is_said_once(command: str, line: Path) -> None:
    done = shell(f"seisdiff {command} >/dev/full", line.parent)
    assert (done.returncode, done.stderr) == (2, "seisdiff: No space left on device\n")


@pytest.mark.parametrize("command", ["info in.sgy", "info in.sgy --json"])
def test_output_that_nobody_reads_ends_quietly(command: str, line: Path) -> None:
    done = shell(f"seisdiff {command} | true; exit ${{PIPESTATUS[0]}}", line.parent)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_stream_from_a_closed_input_is_refused_in_one_line(tmp_path: Path) -> None:
    done = shell("seisdiff denoise - - --method median <&-", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_printed_as_question_marks(encoding: str, line: Path) -> None:
    data = bytearray(line.read_bytes())
    data[3840:3844] = b"\x7f\xc0\x00\x00"
    line.write_bytes(data)
    done = shell("seisdiff info in.sgy", line.parent, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert "? add --zero-nonfinite" in done.stdout


def test_an_interrupt_while_python_imports_leaves_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
