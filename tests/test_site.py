"""The documentation as a site: it is built without a warning, holds all that the code can tell, and loads nothing."""

from __future__ import annotations

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

import seisdiff
from seisdiff.cli.app import app
from seisdiff.config import RestoreRecipe
from seisdiff.restorers import RESTORERS

ROOT = Path(__file__).resolve().parents[1]
_LOADED = re.compile(
    r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?(https?:)?//"
    r"|<link\b(?=[^>]*\brel=\"?(?:stylesheet|icon|preload|preconnect|prefetch))[^>]*\bhref=\"?(https?:)?//"
    r"|url\(['\"]?(https?:)?//|@import"
)


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """The part of the site that is made from the code."""
    spec = importlib.util.spec_from_file_location("site_hook", ROOT / "docs" / "site_hook.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly."""
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip('mkdocs is not installed: pip install -c constraints.txt -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").glob("**/*.md")]
    assert [str(page) for page in pages if not (site / page).is_file()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    found = [
        path for path in site.glob("**/*") if path.suffix in (".html", ".css") and _LOADED.search(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        "body { background: url(https://x.example/a.png) }",
    ],
)
def test_what_would_be_loaded_is_noticed(text: str) -> None:
    assert _LOADED.search(text)


def test_links_between_pages_lead_to_files(site: Path) -> None:
    absent = []
    for page in site.glob("**/*.html"):
        targets = re.findall(r"(?:href|src)=\"?([^\"\s>#?]+)", page.read_text())
        local = [html.unescape(target) for target in targets if "//" not in target and not target.startswith("data:")]
        absent += [
            (page.name, target) for target in local if page.name != "404.html" and not place(page, target).exists()
        ]
    assert absent == []


def place(page: Path, target: str) -> Path:
    return (page.parent / target).resolve()


def test_the_python_reference_holds_every_public_name(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text()
    assert [name for name, home in seisdiff._HOME.items() if f'id="seisdiff.{home}.{name}"' not in page] == []


def test_the_reference_of_commands_holds_every_option(hook: ModuleType) -> None:
    told = hook.commands()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for each in getattr(command, "commands", {name: command}).values():
            words = [word for parameter in each.params if parameter.name != "help" for word in parameter.opts]
            assert f"seisdiff {name}" in told
            assert [word for word in words if word.startswith("--") and f"`{word}" not in told] == []


def test_the_reference_of_parameters_holds_every_one(hook: ModuleType) -> None:
    told = hook.parameters()
    for name in RESTORERS:
        _, _, part = told.partition(f"## {name}\n")
        fields = RestoreRecipe.model_fields[name].annotation.model_fields  # type: ignore[union-attr]
        assert [field for field in fields if f"| `{field}` |" not in part.partition("\n## ")[0]] == []


def test_recipes_are_told_to_the_last_part(hook: ModuleType) -> None:
    assert "| `water_m` | `[60, 1200]` | depth of the sea; null on land |" in re.sub(
        r" +\| +\|", " |", hook.scene_recipe()
    )
    assert "### stream" in hook.train_recipe()


def test_links_out_of_the_documentation_become_words(hook: ModuleType) -> None:
    text = "[a](../configs) [b](../radon.md) [c](../../cli/sessions) ![d](../figures/e.png) [f](../make_figures.py)"
    assert hook.without_links_out(text, "how-to/x.md") == (
        "[a](../configs) [b](../radon.md) c ![d](../figures/e.png) f"
    )
    assert hook.without_links_out("[a](../configs) [b](radon.md#x)", "x.md") == "a [b](radon.md#x)"
