"""What a network is shown of a gather, in training and at work alike: amplitudes, live traces, offsets, mute."""

from __future__ import annotations

import torch
from torch.nn import functional

BALANCE_SAMPLES = 97  # of each of two running means
QUIETEST = 1e-3  # of the loudest level of a gather, below which levels are not followed
CHANNELS = 4


def levels(data: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """Return the level (gather, 1, time) of amplitudes at each time, smooth, moved less by bursts than a power is.

    It is the mean |amplitude| over samples of live traces that are not muted, under two running means of 97 samples,
    times a factor that gives the balanced gather a root mean square of 1. Dividing by it makes late and early events
    alike to a network; multiplying undoes it.
    """
    used = (seen(data) & live[..., None]).to(data.dtype)
    size = data.abs() * used
    window = torch.ones(1, 1, BALANCE_SAMPLES, device=data.device, dtype=data.dtype) / BALANCE_SAMPLES
    above, below = size.sum(1, keepdim=True), used.sum(1, keepdim=True)
    for _ in range(2):
        above = functional.conv1d(above, window, padding=BALANCE_SAMPLES // 2)
        below = functional.conv1d(below, window, padding=BALANCE_SAMPLES // 2)
    level = above / below.clamp_min(1e-6)
    loudest = level.amax(-1, keepdim=True)
    level = level.clamp_min(QUIETEST * loudest) + (loudest == 0).to(data.dtype)
    power = (data / level * used).square().sum((1, 2), keepdim=True) / used.sum((1, 2), keepdim=True).clamp_min(1)
    return level * torch.where(power > 0, power.sqrt(), 1.0)


def seen(data: torch.Tensor) -> torch.Tensor:
    """Return bool (gather, trace, time): true from a trace's first sample that is not zero to its last."""
    there = data != 0
    begun = there.to(torch.int8).cummax(-1).values
    ended = there.flip(-1).to(torch.int8).cummax(-1).values.flip(-1)
    return (begun * ended) > 0


def network_inputs(
    data: torch.Tensor, live: torch.Tensor, offset: torch.Tensor, largest_offset: torch.Tensor | float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs (gather, channel, trace, time) and the levels by which amplitudes were divided.

    Channels are the balanced amplitudes, 1 on live traces, the absolute offset over the largest one of the survey (the
    same whatever the unit of length is), and 1 where a trace is not muted.
    """
    level = levels(data, live)
    place = (offset.abs() / largest_offset).clamp(0, 2).to(data.dtype)
    shape = data.shape
    channels = (
        data / level * live[..., None],
        live[..., None].to(data.dtype).expand(shape),
        place[..., None].expand(shape),
        seen(data).to(data.dtype),
    )
    return torch.stack(channels, dim=1), level
