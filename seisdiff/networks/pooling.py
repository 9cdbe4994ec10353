"""Halving a feature map along traces and time: averages, strides, or the low frequencies alone."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Pooling = Literal["average", "strided", "lowcut"]


def make_pooling(kind: Pooling, channels: int, stride: tuple[int, int]) -> nn.Module:
    """Return a layer that takes (batch, channel, trace, time) to sizes divided by `stride`."""
    if kind == "average":
        return nn.AvgPool2d(stride)
    if kind == "strided":
        return nn.Conv2d(channels, channels, stride, stride, groups=channels, bias=False)
    return FrequencyLowCut(stride)


class FrequencyLowCut(nn.Module):
    """Down-sampling without aliasing: the spectrum is cropped to what the coarser grid can hold.

    Grabinski et al., FrequencyLowCut pooling, 2022 (arXiv 2204.00491). Edges are those of a periodic map.
    """

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features on the coarser grid."""
        traces, times = (size // step for size, step in zip(features.shape[-2:], self.stride, strict=True))
        spectrum = torch.fft.rfft2(features.float())
        rows = torch.fft.fftfreq(traces, 1 / traces).to(torch.int64).to(features.device) % features.shape[-2]
        cropped = spectrum[..., rows, : times // 2 + 1] / (self.stride[0] * self.stride[1])
        return torch.fft.irfft2(cropped, s=(traces, times)).to(features)
