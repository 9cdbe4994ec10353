"""Restorers by name: how damage is undone, and which tasks each can do. Listing them imports no numerical library."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

from seisdiff.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from seisdiff.restorers.base import Restorer

RESTORERS = {
    "radon": "seisdiff.restorers.radon:RadonRestorer",
    "predictive": "seisdiff.restorers.predictive:PredictiveRestorer",
    "fx": "seisdiff.restorers.fx:FxRestorer",
    "ssa": "seisdiff.restorers.ssa:SsaRestorer",
    "fk": "seisdiff.restorers.fk:FkRestorer",
    "median": "seisdiff.restorers.median:MedianRestorer",
    "pocs": "seisdiff.restorers.pocs:PocsRestorer",
    "unet": "seisdiff.restorers.unet:UnetRestorer",
    "diffusion": "seisdiff.restorers.diffusion:DiffusionRestorer",
}

TASKS_OF: dict[str, tuple[str, ...]] = {
    "radon": ("demultiple", "denoise", "interpolate"),
    "predictive": ("demultiple",),
    "fx": ("denoise", "interpolate"),
    "ssa": ("denoise",),
    "fk": ("denoise",),
    "median": ("denoise",),
    "pocs": ("interpolate",),
    "unet": ("demultiple", "denoise", "interpolate"),
    "diffusion": ("demultiple", "denoise", "interpolate"),
}

WORDS_OF = {
    "radon": "moveout",
    "predictive": "periodicity, then Radon; shallow water",
    "fx": "prediction",
    "ssa": "rank",
    "fk": "dip",
    "median": "spikes",
    "pocs": "projections",
    "unet": "a trained network",
    "diffusion": "draws of a trained network, and their spread",
}

#: Methods whose answer depends on the reference offset, which is the survey's largest where none is given.
AT_REFERENCE_OFFSET = ("radon", "predictive", "unet", "diffusion")

DEFAULT_METHOD = "unet"


def methods_for(task: str) -> list[str]:
    """Return the names of the methods that can do a task."""
    return [name for name, tasks in TASKS_OF.items() if task in tasks]


def check_method(name: str, task: str | None = None) -> None:
    """Raise OptionError, which names the methods there are (for the task, where one is given), for any other."""
    known = list(RESTORERS) if task is None else methods_for(task)
    if name in known:
        return
    available = f"available: {', '.join(known)}"
    if name in RESTORERS:
        raise OptionError(f"method '{name}' does not {task}; {available}")
    near = get_close_matches(name.lower(), known, n=1)
    nearest = f"the nearest is {near[0]}; " if near else ""
    raise OptionError(f"no method is called '{name}'; {nearest}{available}")


def method_named(text: str, task: str) -> str:
    """Return the method of a task that is called so, in whatever case; raises OptionError where there is none."""
    check_method(text.lower(), task)
    return text.lower()


def restorer_class(name: str) -> Callable[..., Restorer]:
    """Return the class of the restorer of that name; raises OptionError for one that does not exist."""
    check_method(name)
    module, attribute = RESTORERS[name].split(":")
    return getattr(import_module(module), attribute)
