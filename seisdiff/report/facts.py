"""What a report says of the run that it is about: command, versions, method, model."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version

import xarray as xr

from seisdiff.config import RestoreRecipe
from seisdiff.pretrained import find_model, model_card, model_digest
from seisdiff.restorers.unet import UnetSpec
from seisdiff.segy import text_header

_HISTORY = re.compile(r"seisdiff \S+ (demultiple|denoise|interpolate)\b.*")
_NETWORK = re.compile(r"\b(unet|diffusion)\b")
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Facts:
    """The run: names of what was read and written, the command as typed, the task, and what decided its answer.

    `task` is None where it is not known. `start` and `nmo` are as in RestoreRecipe; `method` holds rows of name and
    value, `messages` what the run said.
    """

    before: str = "BEFORE"
    after: str = "AFTER"
    command: str = ""
    task: str | None = None
    start: str | None = None
    nmo: str | None = None
    protect_ms: float = 0.0
    method: tuple[tuple[str, str], ...] = ()
    messages: tuple[str, ...] = ()

    @property
    def by_network(self) -> bool:
        """Whether a network made the answer, as far as is known."""
        return any(name == "model" or _NETWORK.search(value) for name, value in self.method)


def recipe_facts(recipe: RestoreRecipe, before: str, after: str, command: str, messages: Sequence[str] = ()) -> Facts:
    """Return the facts of a run from its recipe."""
    given = recipe.spec.model_dump(mode="json", exclude_defaults=True)
    rows = [("task", recipe.task), ("method", recipe.method)]
    rows += [(name.replace("_", " "), str(value)) for name, value in given.items()]
    rows += [(name, value) for name, value in (("start", recipe.start), ("NMO velocities", recipe.nmo)) if value]
    rows += [("moveout protected", f"{recipe.protect_ms:g} ms")] if recipe.protect_ms else []
    return Facts(
        before=before,
        after=after,
        command=command,
        task=recipe.task,
        start=recipe.start,
        nmo=recipe.nmo,
        protect_ms=recipe.protect_ms,
        method=(*rows, *_model_rows(recipe)),
        messages=tuple(messages),
    )


def with_history(facts: Facts, after: xr.Dataset) -> Facts:
    """Return facts with the task, where it is not known, that AFTER's history names last."""
    lines = [*text_header(after).splitlines(), *after.attrs.get("history", [])]
    found = [match for line in lines if (match := _HISTORY.search(line))]
    if not found:
        return facts
    rows = tuple(("history of AFTER", match.group(0).strip()) for match in found)
    return replace(facts, task=facts.task or found[-1].group(1), method=(*facts.method, *rows))


def version_rows() -> list[tuple[str, str]]:
    """Return what the report was made with."""
    rows = [(name, version(name)) for name in ("seisdiff", "torch", "numpy", "scipy")]
    return [*rows, ("Python", platform.python_version()), ("machine", f"{platform.system()} {platform.machine()}")]


def _model_rows(recipe: RestoreRecipe) -> list[tuple[str, str]]:
    if not isinstance(recipe.spec, UnetSpec):
        return []
    folder = find_model(recipe.spec.model or f"{recipe.task}-{recipe.method}")
    card = model_card(folder)
    made = ", ".join(f"{name} {number}" for name, number in card.get("versions", {}).items())
    rows = [("model", folder.name), ("model digest (SHA-256)", model_digest(folder)[:_SHOWN_DIGITS])]
    return rows + ([("model made with", made)] if made else [])
