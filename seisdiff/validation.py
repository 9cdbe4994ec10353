"""Recipes from YAML files, and what pydantic found wrong with one, in one line."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from seisdiff.errors import OptionError

Recipe = TypeVar("Recipe", bound=BaseModel)


def read_recipe(kind: type[Recipe], source: str | Path, example: str) -> Recipe:
    """Return the recipe of a YAML file, named after it; raises OptionError with every fault in one line."""
    try:
        values = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read the recipe {source}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{source} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise OptionError(f"{source} holds no recipe; expected rows of 'name: value', such as '{example}'")
    try:
        return kind.model_validate({"name": Path(source).stem, **values})
    except ValidationError as error:
        raise OptionError(f"{source}: {validation_message(error, kind)}") from None


def validation_message(error: ValidationError, kind: type[BaseModel] | None = None) -> str:
    """Return every fault with its place and what came; for an unknown name also the nearest that `kind` has."""
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        text = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden" and kind is not None:
            text = _unknown(kind, fault["loc"])
        told = "" if not place or "got" in text else f" (got {fault['input']!r})"
        faults.append(f"{place}: {text}{told}" if place and not text.startswith(str(fault["loc"][-1])) else text + told)
    return "; ".join(faults)


def _unknown(kind: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Return that a name is unknown, and the nearest known one at its place."""
    fields = kind.model_fields
    for part in place[:-1]:
        inner = getattr(fields.get(str(part)), "annotation", None)
        fields = inner.model_fields if isinstance(inner, type) and issubclass(inner, BaseModel) else {}
    near = get_close_matches(str(place[-1]), fields, n=1, cutoff=0.0)
    return "there is no such name" + (f"; the nearest to {place[-1]} is {near[0]}" if near else "")
