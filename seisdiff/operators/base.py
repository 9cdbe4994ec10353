"""Linear operators on torch tensors, batch first, and the test that an adjoint is one."""

from __future__ import annotations

from typing import Protocol

import torch


class Operator(Protocol):
    """A linear map from model to data; both are tensors whose leading axes are batch axes."""

    def forward(self, model: torch.Tensor) -> torch.Tensor:
        """Return the data that `model` predicts."""
        ...

    def adjoint(self, data: torch.Tensor) -> torch.Tensor:
        """Return the adjoint of `forward` applied to `data`."""
        ...


def dot_test(operator: Operator, model: torch.Tensor, data: torch.Tensor) -> float:
    """Return the relative mismatch of <forward(model), data> and <model, adjoint(data)>.

    `model` and `data` are random tensors of the operator's two shapes, float64 or complex128. An exact adjoint gives
    rounding error, below 1e-12 or so in double precision (Claerbout, Earth Soundings Analysis, 1992).
    """
    left = torch.vdot(operator.forward(model).flatten(), data.flatten())
    right = torch.vdot(model.flatten(), operator.adjoint(data).flatten())
    return float((left - right).abs() / torch.maximum(left.abs(), right.abs()))
