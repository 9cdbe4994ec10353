"""Tensors on their way to a GPU and back, while it computes; on a CPU they stay where they are.

Copies go through pinned memory on a stream of their own, so the processor prepares the next batch, and its copy runs,
while the last one is computed. What comes back may be read after `settle`.
"""

from __future__ import annotations

from functools import cache

import torch


def to_device(inputs: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return (batch, channel, trace, time) on a device, channels last; nothing waits for the copy but the device."""
    if device.type != "cuda":
        return inputs.to(device, dtype, memory_format=torch.channels_last)
    pinned = inputs.to(dtype).contiguous(memory_format=torch.channels_last).pin_memory()
    copying, computing = _copies(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(copying):
        there = pinned.to(device, non_blocking=True)
    computing.wait_stream(copying)
    there.record_stream(computing)
    return there


def to_host(outputs: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the memory of the host, from a GPU before its samples have arrived."""
    if outputs.device.type != "cuda":
        return outputs.cpu()
    pinned = torch.empty(outputs.shape, dtype=outputs.dtype, pin_memory=True)
    return pinned.copy_(outputs, non_blocking=True)


def settle(device: torch.device) -> None:
    """Wait until everything that was sent to the host has arrived."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


@cache
def _copies(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
