"""What every restorer is: one method on padded gathers, whatever stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch


@dataclass(frozen=True)
class Batch:
    """Gathers padded to one shape, as the engine hands them to a restorer.

    `data` is (gather, trace, time), float32, scaled so that values are of order one; padding traces, dead
    traces and samples in the mute are zero. `offset` is (gather, trace), float64, signed, in m (or whatever
    the survey's spatial axis is), zero where padded. `live` is (gather, trace): false for padding and for dead or
    missing traces. `times` is (time), float64, in ms, of equal steps; for a depth axis it is in m. `start`
    (gather, trace), in the unit of `times`, is the zero-offset time before which there is nothing to take out, minus
    infinity where it is unknown; the engine leaves what is earlier alone in any case. `number` (gather), int64, is what
    tells the gather from others of the survey, and from which random numbers are made. `fold` (gather), int64, is how
    many traces it has without the padding.
    """

    data: torch.Tensor
    offset: torch.Tensor
    live: torch.Tensor
    times: torch.Tensor
    start: torch.Tensor | None = None
    number: torch.Tensor | None = None
    fold: torch.Tensor | None = None

    @property
    def there(self) -> torch.Tensor:
        """Bool (gather, trace): false for padding, which without a fold follows the last live trace or offset."""
        if self.fold is not None:
            return torch.arange(self.live.shape[1], device=self.live.device) < self.fold.to(self.live.device)[:, None]
        known = self.live | (self.offset != 0)
        return known.flip(1).to(torch.int8).cummax(dim=1).values.flip(1) > 0

    def take(self, gathers: torch.Tensor | slice) -> Batch:
        """Return some of the gathers: a run of them, or by number or bool (gather)."""
        told = (None if part is None else part[gathers] for part in (self.start, self.number, self.fold))
        return Batch(self.data[gathers], self.offset[gathers], self.live[gathers], self.times, *told)


class Restored(NamedTuple):
    """The restored gathers, of the shape of the input, and their standard deviation where one is known."""

    signal: torch.Tensor
    spread: torch.Tensor | None = None


@runtime_checkable
class Restorer(Protocol):
    """Takes a batch of degraded gathers and returns them restored; it knows nothing of files or units."""

    def restore(self, batch: Batch) -> Restored:
        """Return the signal, of the shape of `batch.data`, for every trace, dead ones too."""
        ...
