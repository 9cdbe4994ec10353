"""A first guess: what a quick classical method finds, which a network is shown beside the gather."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, model_validator

from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.fk import FkRestorer, FkSpec
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task


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
