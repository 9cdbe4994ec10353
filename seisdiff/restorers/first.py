"""A first guess: what a quick classical method finds, which a network is shown beside the gather."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.fk import FkRestorer, FkSpec
from seisdiff.restorers.radon import RadonRestorer, RadonSpec, Task


class FirstSpec(BaseModel):
    """The method and its options, those of a restoration by that method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["radon", "fk"]
    options: dict[str, Any] = {}


class FirstGuess:
    """Finds multiples or noise (gather, trace, time) in a batch; nothing where no method is told."""

    def __init__(self, task: Task, spec: FirstSpec | None, ref_offset_m: float) -> None:
        self.restorer: Restorer | None = None
        if spec is not None and spec.method == "radon":
            self.restorer = RadonRestorer(task, RadonSpec(**spec.options), ref_offset_m)
        elif spec is not None:
            self.restorer = FkRestorer(task, FkSpec(**spec.options), ref_offset_m)

    def found(self, batch: Batch) -> torch.Tensor:
        """Return what would be taken out of live traces."""
        if self.restorer is None:
            return torch.zeros_like(batch.data)
        return (batch.data - self.restorer.restore(batch).signal) * batch.live[..., None]
