"""The sampling of traces: what an acquisition with dead or missing traces keeps of a gather."""

from __future__ import annotations

import torch


class TraceSampling:
    """Restriction to live traces as an operator on gathers (gather, trace, time); it is its own adjoint.

    `live` is (gather, trace), bool.
    """

    def __init__(self, live: torch.Tensor) -> None:
        self.live = live

    def forward(self, model: torch.Tensor) -> torch.Tensor:
        """Return the gathers with the traces that are not live set to zero."""
        return model * self.live[..., None]

    def adjoint(self, data: torch.Tensor) -> torch.Tensor:
        """Return the same as `forward`."""
        return self.forward(data)
