"""The documentation is true: its commands run, its options, files and defaults exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seisdiff.restorers.radon import RadonSpec
from tests.pages import Block, blocks, furnish, record, run_block, steps
from tests.sessions import COLUMNS, play

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "cli/README.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
]
ADDING = ROOT / "docs" / "adding.md"
FIELD_FILES = ("gom_cdp_nmo.su",)
COPIED = ("seisdiff", "tests", "synthetic", "configs", "pyproject.toml", "README.md")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def needs_field_data(block: Block) -> bool:
    return any(name in block.text for name in FIELD_FILES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that pages start from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", COLUMNS)
    furnish(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page != ADDING], ids=name_of)
def test_a_page_runs_as_written(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if not needs_field_data(block):
            run_block(block)


def test_commands_on_field_data_run_as_written(field_data: Path, folder: Path) -> None:
    for name in FIELD_FILES:
        shutil.copy(field_data / "prestack" / name, folder)
    found = [block for page in PAGES for block in blocks(page) if needs_field_data(block)]
    assert found
    for block in found:
        run_block(block)


def test_what_is_added_by_the_page_on_adding_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for block in blocks(ADDING):
        if block.language == "diff":
            add_lines(folder / block.title, block.text)
        else:
            run_block(block, player=in_a_shell)
    found = subprocess.run([sys.executable, "-m", "ruff", "check", "seisdiff", "tests"], capture_output=True, text=True)
    assert found.returncode == 0 or "No module named ruff" in found.stderr, found.stdout


def in_a_shell(command: str) -> str:
    """Type a command in processes of its own, which see the source in the current folder."""
    command = re.sub(r"^seisdiff", "python -m seisdiff", command)
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    return done.stdout + done.stderr + (f"[exit {done.returncode}]\n" if done.returncode else "")


def add_lines(path: Path, diff: str) -> None:
    """Put the lines of a diff that begin with + behind the line before them, which the file must hold just once."""
    lines, behind = path.read_text().splitlines(), -1
    for line in diff.splitlines():
        if line.startswith(" "):
            assert lines.count(line[1:]) == 1, f"{path}: {line[1:]}"
            behind = lines.index(line[1:])
        else:
            behind += 1
            lines.insert(behind, line[1:])
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_their_names_exist(page: Path) -> None:
    text = page.read_text()
    made = {block.title for block in blocks(page)}
    told = set(re.findall(r"`((?:seisdiff|tests|docs|configs|synthetic|benchmarks|cli)/[\w./-]*)`", text)) - made
    assert [name for name in told if not (ROOT / name).exists()] == []


def test_names_of_the_table_of_places_exist() -> None:
    rows = re.findall(r"^\| (`seisdiff/[^|]+) \| ([^|]+) \|", ADDING.read_text(), re.M)
    assert len(rows) > 8
    for files, names in rows:
        source = "".join((ROOT / name).read_text() for name in re.findall(r"`([^`]+)`", files))
        for name in re.findall(r"`([^`]+)`", names):
            assert re.search(rf"^\s*(def|class)? ?{name}\b", source, re.M), f"{files}: {name}"


def test_a_command_that_fails_is_noticed(folder: Path) -> None:
    with pytest.raises(AssertionError, match="missing"):
        run_block(Block("console", "", "$ seisdiff info missing.sgy\n"))
    with pytest.raises(AssertionError, match="version"):
        run_block(Block("console", "", "$ seisdiff --version\nseisdiff 77.0\n"))


def test_a_page_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", COLUMNS)
    page = tmp_path / "page.md"
    text = "# Page\n\n```console\n$ seisdiff models list\n...\n$ seisdiff models list\n```\n"
    page.write_text(text)
    record(page)
    assert page.read_text() == text.replace("...\n", play("seisdiff models list"))
    assert [command for command, _ in steps(blocks(page)[0].text)] == ["seisdiff models list"] * 2


def test_figures_of_the_choice_of_methods_are_those_of_the_benchmark() -> None:
    measured = set(re.findall(r"-?\d+\.\d+", (ROOT / "docs" / "benchmark.md").read_text()))
    told = re.findall(r"-?\d+\.\d+", (ROOT / "docs" / "how-to" / "which-method.md").read_text())
    assert len(told) > 60
    assert set(told) - measured == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    absent = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert absent == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
