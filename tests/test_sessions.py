"""Every recorded terminal session prints today what it printed when it was recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sessions import SESSIONS, commands, masked, play


@pytest.mark.parametrize("session", sorted(SESSIONS.glob("*.txt")), ids=lambda path: path.stem)
def test_session(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    for command, printed in commands(session):
        assert masked(play(command)) == masked(printed), f"$ {command}"


def test_every_command_has_a_session() -> None:
    from typer.main import get_command

    from seisdiff.cli.app import app

    typed = {command.split()[1] for path in SESSIONS.glob("*.txt") for command, _ in commands(path) if "seisdiff" in command}
    assert set(get_command(app).commands) <= typed  # type: ignore[attr-defined]
