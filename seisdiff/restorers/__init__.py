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


def check_method(name: str) -> None:
    """Raise OptionError, which names the methods there are, for any other."""
    if name in RESTORERS:
        return
    known = ", ".join(RESTORERS)
    if name in PLANNED:
        raise OptionError(f"method '{name}' is not in this version yet; available: {known}")
    raise OptionError(f"no method is called '{name}'; available: {known}")


def restorer_class(name: str) -> Callable[..., Restorer]:
    """Return the class of the restorer of that name; raises OptionError for one that does not exist."""
    check_method(name)
    module, attribute = RESTORERS[name].split(":")
    return getattr(import_module(module), attribute)
