"""Every recorded terminal session prints today what it printed when it was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sessions import COLUMNS, SESSIONS, commands, differences, play, prepare


@pytest.mark.parametrize("session", sorted(SESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_session(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    prepare(tmp_path)
    for command, recorded in commands(session):
        differing = differences(recorded, play(command))
        assert not differing, f"$ {command}\n" + "\n".join(differing)


def test_every_command_has_a_session() -> None:
    from typer.main import get_command

    from seisdiff.cli.app import app

    typed = {
        command.split()[1] for path in SESSIONS.glob("*.txt") for command, _ in commands(path) if "seisdiff" in command
    }
    assert set(get_command(app).commands) <= typed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("SNR 16.5 dB", "SNR 16.4 dB"),
        ("3 gathers, 2.1 s, 1.4 gathers/s", "3 gathers, 0.3 s, 9.9 gathers/s"),
        ("│ all │ 9.99 │", "│ all │ 10.01 │"),
        ("header   min", "header  min  "),
    ],
)
def test_what_differs_between_machines_is_tolerated(recorded: str, printed: str) -> None:
    assert differences(recorded, printed) == []


@pytest.mark.parametrize(
    ("recorded", "printed"),
    [
        ("SNR 16.5 dB", "SNR 16.2 dB"),
        ("180 traces", "181 traces"),
        ("RMS 0.015", "RMS -0.015"),
        ("RMS 0.015", "RMS"),
        ("unit m", "unit ms"),
        ("one line", "one line\nand another"),
        ("done", "done\n[exit 2]"),
        ("inf", "12.5"),
    ],
)
def test_what_matters_is_not_tolerated(recorded: str, printed: str) -> None:
    assert len(differences(recorded, printed)) == 1
