"""What the distributions hold, and house rules that a machine can check."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|home|root|Users|mnt|scratch)/\w")


def project_files() -> list[Path]:
    """Return the text files of the project: those that git knows, or all of its folders where there is no git."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        paths = [ROOT / name for name in done.stdout.splitlines()]
    else:
        folders = ("seisdiff", "tests", "benchmarks", "docs", "cli")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in paths if path.is_file() and path.suffix in (".py", ".md", ".toml", ".txt", ".yaml", "")]


def test_the_wheel_holds_the_package_alone() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert build["wheel"]["packages"] == ["seisdiff"]
    assert {"seisdiff", "tests", "README.md", "LICENSE", "constraints.txt"} <= set(build["sdist"]["include"])


def test_every_dependency_has_its_reason_and_a_lower_bound() -> None:
    text = (ROOT / "pyproject.toml").read_text().partition("dependencies = [\n")[2].partition("\n]")[0]
    for line in text.splitlines():
        assert re.fullmatch(r'\s+"[\w.-]+>=[\d.]+",\s+# \S.*', line), line


def test_constraints_are_within_the_bounds_of_the_dependencies() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().lower().split() if "==" in line)
    for requirement in map(Requirement, project["dependencies"]):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_no_file_names_a_machine() -> None:
    found = [path for path in project_files() if _MACHINE_PATHS.search(path.read_text(errors="replace"))]
    assert [path.relative_to(ROOT) for path in found if path != Path(__file__)] == []


def test_modules_are_short() -> None:
    long = {
        path.name: count for path in (ROOT / "seisdiff").rglob("*.py") if (count := path.read_text().count("\n")) > 410
    }
    assert not long


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "Makefile", "constraints.txt"])
def test_the_usual_files_are_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0
