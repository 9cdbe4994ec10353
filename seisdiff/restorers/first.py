"""A first guess: what a quick classical method finds, which a network is shown beside the gather."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, model_validator

from seisdiff.networks.inputs import seen
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.first_radon import multiples_of_pairs
from seisdiff.restorers.fk import FkRestorer, FkSpec
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task

if TYPE_CHECKING:
    from seisdiff.tasks.pairs import Pair


class FirstSpec(BaseModel):
    """The method and its options, those of a restoration by that method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["radon", "fk"]
    options: dict[str, Any] = {}

    @property
    def spec(self) -> RadonSpec | FkSpec:
        """The options as that method takes them."""
        return RadonSpec(**self.options) if self.method == "radon" else FkSpec(**self.options)

    @model_validator(mode="after")
    def _options_are_those_of_the_method(self) -> FirstSpec:
        assert self.spec
        return self


class FirstGuess:
    """Finds multiples or noise (gather, trace, time) in a batch; nothing where no method is told."""

    def __init__(self, task: Task, first: FirstSpec | None, ref_offset_m: float) -> None:
        self.restorer: Restorer | None = None
        spec = None if first is None else first.spec
        if isinstance(spec, RadonSpec):
            self.restorer = RadonRestorer(task, spec, ref_offset_m)
        elif spec is not None:
            self.restorer = FkRestorer(task, spec, ref_offset_m)

    def found(self, batch: Batch) -> torch.Tensor:
        """Return what would be taken out of live traces."""
        if self.restorer is None:
            return torch.zeros_like(batch.data)
        return (batch.data - self.restorer.restore(batch).signal) * batch.live[..., None]


def with_first_guess(task: Task, first: FirstSpec | None, pair: Pair) -> Pair:
    """Return training pairs with what a quick method finds, if there is to be one."""
    return pair if first is None else replace(pair, found=first_guesses(task, first, pair) * seen(pair.degraded))


def first_guesses(task: Task, first: FirstSpec, pair: Pair) -> torch.Tensor:
    """Return what is found (pair, trace, time) in training pairs, each with a geometry and a sampling of its own."""
    spec = first.spec
    if task == "demultiple" and isinstance(spec, RadonSpec):
        return multiples_of_pairs(spec, pair)
    found = torch.zeros_like(pair.degraded)
    for (step_ms, largest), members in _alike(pair, isinstance(spec, RadonSpec)).items():
        number = torch.tensor(members, device=found.device)
        offset, start = pair.offset[number].double(), pair.start_ms[number, None].double()
        times = step_ms * torch.arange(found.shape[-1], dtype=torch.float64, device=found.device)
        batch = Batch(pair.degraded[number], offset, pair.live[number], times, start.expand_as(offset))
        found[number] = FirstGuess(task, first, largest).found(batch)
    return found


def _alike(pair: Pair, by_reference: bool) -> dict[tuple[float, float], list[int]]:
    """Return numbers of pairs by what a restorer's batch shares: the step (ms) and, if told, the reference offset."""
    largest = pair.largest if by_reference else torch.zeros_like(pair.largest)
    groups: dict[tuple[float, float], list[int]] = {}
    for number, (step_ms, reference) in enumerate(torch.stack([pair.step_ms, largest], dim=1).tolist()):
        groups.setdefault((step_ms, reference), []).append(number)
    return groups
