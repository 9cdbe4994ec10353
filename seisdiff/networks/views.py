"""Views of a gather that a network is shown, and the passes that its answer takes.

A view is how many samples there are for each recorded one; with a minus, the sign of the gather is turned. More samples
are more of the network for each wave, and answers to several views err apart: their mean is better than each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BeforeValidator, Field


def _known(view: float) -> float:
    if abs(view) not in (1, 1.25, 1.5, 2):
        raise ValueError("expected 1, 1.25, 1.5 or 2, or minus one of them")
    return view


def _listed(value: object) -> object:
    """Return the list that is typed with commas, or that a single number stands for."""
    if isinstance(value, str):
        return value.split(",")
    return [value] if isinstance(value, int | float) else value


View = Annotated[float, AfterValidator(_known)]
Views = Annotated[tuple[View, ...], BeforeValidator(_listed), Field(min_length=1, max_length=8)]


def views_of(
    recipe: Mapping[str, Any], passes: int | None = None, views: Sequence[float] | None = None
) -> list[tuple[float, ...]]:
    """Return what a network is shown in each pass: one or more views, of the answers to which the mean is taken.

    A view is how many samples there are for each recorded one; with a minus, the gather's sign is turned. The recipe is
    that of its card; the others are asked for instead of what it tells.
    """
    last = tuple(map(float, views or recipe.get("views", (1,))))
    return [(1.0,)] * ((passes or int(recipe.get("passes", 1))) - 1) + [last]


def samples_shown(passes: list[tuple[float, ...]]) -> float:
    """Return how many samples a network is shown in all for each recorded one."""
    return sum(abs(view) for views in passes for view in views)


def answer_in_passes(
    network: Callable[[torch.Tensor, float], torch.Tensor], found: torch.Tensor, passes: list[tuple[float, ...]]
) -> torch.Tensor:
    """Return the answer (gather, trace, time) after all passes of a network, each shown what was `found` before.

    `network` takes that and a view.
    """
    for views in passes:
        answers = [network(found, view) for view in views]
        found = sum(answers[1:], answers[0]) / len(answers)
    return found
