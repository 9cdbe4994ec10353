"""The documentation is true: its commands run, its options, files and defaults exist."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from seisdiff.restorers.radon import RadonSpec
from tests.sessions import COLUMNS, differences, play, prepare

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "cli" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FIELD_FILES = ("gom_cdp_nmo.su",)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language that a page holds."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S)


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with the output that the page shows."""
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, shown = step.partition("\n")
        yield command, shown


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files of the demonstration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    prepare(tmp_path)
    return tmp_path


def run_console(block: str) -> None:
    for command, shown in steps(block):
        printed = play(command)
        if shown.strip():
            assert differences(shown, printed) == [], f"$ {command}"
        else:
            assert "[exit" not in printed, f"$ {command}\n{printed}"


@pytest.mark.parametrize("page", pages_with("console"), ids=lambda page: page.name)
def test_commands_run_as_written(page: Path, folder: Path) -> None:
    for block in blocks(page, "console"):
        if not any(name in block for name in FIELD_FILES):
            run_console(block)


def test_commands_on_field_data_run_as_written(field_data: Path, folder: Path) -> None:
    for name in FIELD_FILES:
        shutil.copy(field_data / "prestack" / name, folder)
    found = [block for page in PAGES for block in blocks(page, "console") if any(name in block for name in FIELD_FILES)]
    assert found
    for block in found:
        run_console(block)


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: page.name)
def test_python_runs_as_written(page: Path, folder: Path) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, "documentation", "exec"), {"__name__": "documentation"})


def test_a_command_that_fails_is_noticed(folder: Path) -> None:
    with pytest.raises(AssertionError, match="missing"):
        run_console("$ seisdiff info missing.sgy\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    absent = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert absent == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_exist(page: Path) -> None:
    from typer.main import get_command

    from seisdiff.cli.app import app

    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    known = {name for command in commands for parameter in command.params for name in parameter.opts} | {"--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text())) <= known


def test_folders_of_the_map_exist() -> None:
    folders = re.findall(r"^\| `([\w.]+/?)` \|", (ROOT / "README.md").read_text(), re.M)
    assert "seisdiff/" in folders
    assert [
        name for name in folders if name not in ("demultiple", "denoise", "interpolate") and not (ROOT / name).exists()
    ] == []


def test_make_targets_exist() -> None:
    rules = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"make (demo|test|check|bench|\w+)(?=`|  )", (ROOT / "README.md").read_text()))
    assert {"demo", "test"} <= named <= rules


def test_defaults_of_the_radon_page() -> None:
    page = (ROOT / "docs" / "radon.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", page[page.index("## In Python") :], re.M))
    assert list(rows) == list(RadonSpec.model_fields)
    for name, field in RadonSpec.model_fields.items():
        if field.default is None:
            assert rows[name].startswith("of the "), name
        else:
            assert rows[name] == f"{field.default:g}" if isinstance(field.default, float) else str(field.default), name


def test_figures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "figures").iterdir()}
    assert sizes
    assert max(sizes.values()) < 400_000
