"""A residual U-Net on gathers of any size, in one file.

Nothing normalises in it, nor looks at a whole gather at once: amplitudes run through in proportion, as in DRUNet (Zhang
et al., IEEE TPAMI, 2021), and features of padding are set to zero wherever the network's own edges would be. So an
answer depends on what is near, not on the window, the padding or the batch.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn
from torch.nn import functional

from seisdiff.networks.pooling import Pooling, make_pooling

Mask = torch.Tensor | int | None  # (batch, 1, trace, 1), or how many traces come before those that are masked
BRANCH = 0.2  # of the variance-keeping weights: how much a residual block adds at first


class UNetSpec(BaseModel):
    """Shape of a U-Net: `widths` are channels at each depth; `strides` (trace, time) lead from one to the next.

    `time_fold` samples in time become channels on the way in: signals fill less than half of what 4 ms can hold.
    `deep_kernel` is the length in time of the convolutions at the bottom, where one sample stands for
    `time_fold` times all strides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_channels: int = Field(default=6, ge=1, le=64)
    out_channels: int = Field(default=1, ge=1, le=8)
    widths: tuple[int, ...] = Field(default=(32, 56, 80, 112, 128), min_length=1, max_length=8)
    strides: tuple[tuple[int, int], ...] = ((2, 2), (2, 2), (2, 2), (2, 2))
    blocks: int = Field(default=1, ge=1, le=8)
    kernel: int = Field(default=3, ge=1, le=15)
    deep_kernel: int = Field(default=5, ge=1, le=63)
    time_fold: int = Field(default=2, ge=1, le=8)
    pooling: Pooling = "average"
    noise_level: bool = Field(default=False, description="takes the noise level of diffusion as a further input")

    @model_validator(mode="after")
    def _shapes_agree(self) -> UNetSpec:
        if len(self.strides) != len(self.widths) - 1:
            raise ValueError(f"strides lead between widths: {len(self.widths)} widths need {len(self.widths) - 1}")
        if self.kernel % 2 == 0 or self.deep_kernel % 2 == 0:
            raise ValueError("kernels must be odd")
        return self

    @property
    def multiple(self) -> tuple[int, int]:
        """What the numbers of traces and samples must be multiples of."""
        return math.prod(s[0] for s in self.strides), self.time_fold * math.prod(s[1] for s in self.strides)


class UNet(nn.Module):
    """The network: (batch, channel, trace, time) to (batch, out channel, trace, time)."""

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        widths, blocks, kernel = spec.widths, spec.blocks, (spec.kernel, spec.kernel)
        condition = widths[-1] if spec.noise_level else 0
        self.level = LevelEmbedding(condition) if condition else None
        self.enter = nn.Conv2d(spec.in_channels * spec.time_fold, widths[0], (3, 5), padding=(1, 2))
        self.down, self.pools, self.ups, self.merge = (nn.ModuleList() for _ in range(4))
        for width, deeper, stride in zip(widths[:-1], widths[1:], spec.strides, strict=True):
            self.down.append(Blocks(width, blocks, kernel, condition))
            self.pools.append(nn.Sequential(make_pooling(spec.pooling, width, stride), nn.Conv2d(width, deeper, 1)))
            self.merge.append(nn.Conv2d(deeper, width, 1))
            self.ups.append(Blocks(width, blocks, kernel, condition))
        self.bottom = Blocks(widths[-1], blocks + 1, (spec.kernel, spec.deep_kernel), condition)
        self.leave = nn.Conv2d(widths[0], spec.out_channels * spec.time_fold, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    @property
    def multiple(self) -> tuple[int, int]:
        """What the numbers of traces and samples are padded to a multiple of."""
        return self.spec.multiple

    def forward(
        self, inputs: torch.Tensor, valid: torch.Tensor | None = None, noise_level: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return what the network makes of `inputs`.

        `valid` (batch, trace) is false for padding traces; None where there are none. Traces and samples must be
        multiples of `multiple`. `noise_level` (batch) is between 0 and 1.
        """
        fold = self.spec.time_fold
        mask = None if valid is None else _mask_of(valid, inputs.dtype)
        embedded = None if self.level is None else self.level(noise_level)
        features = _masked(self.enter(_fold_time(inputs, fold)), mask)
        skips = []
        for blocks, pool in zip(self.down, self.pools, strict=True):
            features = blocks(features, mask, embedded)
            skips.append((features, mask))
            features = pool(features)
            mask = _fewer(mask, skips[-1][0].shape[2] // features.shape[2])
            features = _masked(features, mask)
        features = self.bottom(features, mask, embedded)
        for blocks, merge, (skip, mask) in zip(reversed(self.ups), reversed(self.merge), reversed(skips), strict=True):
            up = functional.interpolate(merge(features), size=skip.shape[-2:], mode="nearest")
            features = blocks(_masked(skip + up, mask), mask, embedded)
        return _unfold_time(self.leave(features), fold)


class Blocks(nn.Module):
    """Residual blocks of one width."""

    def __init__(self, width: int, count: int, kernel: tuple[int, int], condition: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, kernel, condition) for _ in range(count))

    def forward(self, features: torch.Tensor, mask: Mask, embedded: torch.Tensor | None) -> torch.Tensor:
        """Return the features after all blocks, zero where `mask` is."""
        for block in self.blocks:
            features = block(features, mask, embedded)
        return features


class Block(nn.Module):
    """features + conv(relu(conv(features))); a noise level scales and shifts what is between the two."""

    def __init__(self, width: int, kernel: tuple[int, int], condition: int) -> None:
        super().__init__()
        around = (kernel[0] // 2, kernel[1] // 2)
        self.first = nn.Conv2d(width, width, kernel, padding=around)
        self.second = nn.Conv2d(width, width, kernel, padding=around)
        self.modulate = nn.Linear(condition, 2 * width) if condition else None
        if self.modulate is not None:  # a level says nothing at first, so that a network may begin as one without
            nn.init.zeros_(self.modulate.weight)
            nn.init.zeros_(self.modulate.bias)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight *= BRANCH

    def forward(self, features: torch.Tensor, mask: Mask, embedded: torch.Tensor | None) -> torch.Tensor:
        """Return the changed features."""
        change = self.first(features)
        if self.modulate is not None and embedded is not None:
            scale, shift = self.modulate(embedded)[..., None, None].chunk(2, dim=1)
            change = change * (1 + scale) + shift
        change = _masked(self.second(_masked(functional.relu_(change), mask)), mask)
        return change + features if torch.is_grad_enabled() else change.add_(features)


class LevelEmbedding(nn.Module):
    """Sines and cosines of a noise level, and two layers on top of them."""

    frequency: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequency", math.pi * 2.0 ** torch.arange(8), persistent=False)
        self.layers = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, level: torch.Tensor | None) -> torch.Tensor:
        """Return (batch, width) for levels (batch)."""
        if level is None:
            raise ValueError("this network needs a noise level")
        phase = level[:, None] * self.frequency
        return self.layers(torch.cat([phase.sin(), phase.cos()], dim=1).to(self.frequency.dtype))


def _mask_of(valid: torch.Tensor, dtype: torch.dtype) -> Mask:
    """Return a mask of `valid` traces (batch, trace); only their number, where a CPU finds it the same everywhere."""
    if valid.device.type == "cpu" and not torch.is_grad_enabled():
        count = int(valid[0].sum())
        if bool((valid == (torch.arange(valid.shape[1]) < count)).all()):
            return count
    return valid[:, None, :, None].to(dtype)


def _fewer(mask: Mask, stride: int) -> Mask:
    """Return the mask at every `stride`-th trace: zero where all traces before were."""
    if isinstance(mask, int):
        return -(-mask // stride)
    return None if mask is None else functional.max_pool2d(mask, (stride, 1))


def _masked(features: torch.Tensor, mask: Mask) -> torch.Tensor:
    """Return features, which nothing else needs as they are, zero where the mask is."""
    if mask is None:
        return features
    if isinstance(mask, int):
        features[:, :, mask:] = 0
        return features
    return features * mask if torch.is_grad_enabled() else features.mul_(mask)


def _fold_time(inputs: torch.Tensor, fold: int) -> torch.Tensor:
    """Return (batch, channel x fold, trace, time / fold): neighbouring samples as channels."""
    batch, channels, traces, times = inputs.shape
    folded = inputs.reshape(batch, channels, traces, times // fold, fold).permute(0, 1, 4, 2, 3)
    return folded.reshape(batch, channels * fold, traces, times // fold)


def _unfold_time(features: torch.Tensor, fold: int) -> torch.Tensor:
    batch, channels, traces, times = features.shape
    split = features.reshape(batch, channels // fold, fold, traces, times).permute(0, 1, 3, 4, 2)
    return split.reshape(batch, channels // fold, traces, times * fold)
