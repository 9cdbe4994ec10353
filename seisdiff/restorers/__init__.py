"""Restorers by name: how damage is undone. Listing the names imports no numerical library."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from seisdiff.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seisdiff.restorers.base import Restorer

RESTORERS = {"radon": "seisdiff.restorers.radon:RadonRestorer"}

PLANNED = ("unet", "diffusion")


def restorer_class(name: str) -> Callable[..., Restorer]:
    """Return the class of the restorer of that name; OptionError names the ones that exist."""
    if name in RESTORERS:
        module, attribute = RESTORERS[name].split(":")
        return getattr(import_module(module), attribute)
    known = ", ".join(RESTORERS)
    if name in PLANNED:
        raise OptionError(f"method '{name}' is not in this version yet; available: {known}")
    raise OptionError(f"no method is called '{name}'; available: {known}")
