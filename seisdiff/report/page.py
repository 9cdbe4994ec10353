"""The page: one HTML file that needs nothing but itself, written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
from markupsafe import Markup

from seisdiff.errors import OptionError
from seisdiff.whole_files import appearing, check_free

SUFFIXES = (".html", ".htm")
_COLOURS = {"grey": "gray_r", "colour": "RdBu_r", "share": "viridis"}


def check_report_path(path: str | os.PathLike, overwrite: bool) -> Path:
    """Return `path` where a report may be written to it.

    Raises OptionError for a name that does not end in .html, and OutputError where it exists or has no folder.
    """
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{target.name}: a report's name ends in .html")
    check_free(target, overwrite)
    return target


def render(content: Mapping[str, Any], drawn: Mapping[str, Any]) -> str:
    """Return the page; `content` are the template's values, `drawn` is what the script draws."""
    style, script = (_asset(name) for name in ("report.css", "report.js"))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("template.html")).render(
        **content,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        drawn=Markup(_json({**drawn, "colours": _colours()})),
    )


def write_page(text: str, target: Path) -> None:
    """Write the page, which appears complete or not at all; raises OutputError where it cannot be written."""
    with appearing(target) as partial:
        partial.write_text(text, encoding="utf-8")


@cache
def _asset(name: str) -> str:
    return resources.files("seisdiff.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a content security policy under which nothing but this style, this script and data URIs is used."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(values: Mapping[str, Any]) -> str:
    """Return JSON that ends no script element, whatever strings it holds."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _colours() -> dict[str, list[int]]:
    return {
        name: matplotlib.colormaps[colours](np.arange(256), bytes=True)[:, :3].ravel().tolist()
        for name, colours in _COLOURS.items()
    }
