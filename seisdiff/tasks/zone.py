"""Where a task may change samples: not in the mute, not on traces it must not touch, not before the start time."""

from __future__ import annotations

import torch


def mute_weights(first: torch.Tensor, stop: torch.Tensor, n_samples: int) -> torch.Tensor:
    """Return bool (gather, trace, time): true from sample `first` to before `stop` (both gather, trace)."""
    sample = torch.arange(n_samples, device=first.device)
    return (sample >= first[..., None]) & (sample < stop[..., None])


def start_weights(start: torch.Tensor, times: torch.Tensor, taper: float) -> torch.Tensor:
    """Return float32 (gather, trace, time): 0 up to `start`, a cosine ramp over `taper`, then 1.

    `start` (gather, trace) and `taper` are in the unit of `times` (time): ms, or m for a depth axis. Where `start` is
    minus infinity the weight is 1 everywhere.
    """
    run = (times - start[..., None]) / max(taper, 1e-9)
    return (0.5 - 0.5 * torch.cos(torch.pi * run.clamp(0, 1))).to(torch.float32)
