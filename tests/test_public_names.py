"""Exactly the public names, and a start that costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import seisdiff

NAMES = [
    "ReadOptions", "RestoreRecipe", "RunOptions", "SeisdiffError", "Summary", "check_survey", "compare", "demultiple",
    "denoise", "export", "from_grid", "ingest", "interpolate", "make_survey", "open", "open_survey", "restore",
    "restore_file", "select", "to_grid", "to_segy", "write_report",
]  # fmt: skip
COMMANDS = ["demultiple", "denoise", "interpolate", "info", "plot", "report", "compare", "ingest", "export", "demo"]
_HEAVY = "torch xarray zarr matplotlib scipy pydantic numpy segyio"


def test_the_public_names_are_these_and_can_be_used() -> None:
    assert sorted(seisdiff.__all__) == sorted(NAMES)
    assert set(NAMES) <= set(dir(seisdiff))
    for name in NAMES:
        assert getattr(seisdiff, name).__doc__, name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = seisdiff.no_such_name


@pytest.mark.parametrize("code", ["import seisdiff", "from seisdiff.cli.app import main; main(['--help'])"])
def test_neither_the_package_nor_its_help_imports_what_is_heavy(code: str) -> None:
    check = f"import sys; {code}; found = set('{_HEAVY}'.split()) & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture) -> None:
    from seisdiff.cli.app import main

    assert main([*command, "--help"]) == 0
    printed = capsys.readouterr()
    assert "Usage: seisdiff" in printed.out
    assert not printed.err
    if not command:
        assert all(name in printed.out for name in COMMANDS)
