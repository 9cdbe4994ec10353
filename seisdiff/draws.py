"""Random numbers that have an address: the same (seed, index, name) gives the same ones on any device and in any order.

They come from a counter-based hash, not from a generator that is used up (Salmon et al., SC11, 2011): two rounds of a
32-bit integer mixer (the constants are those of C. Wellons, 2018). Torch's own streams differ between CPU and CUDA and
depend on the batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import torch

_MASK_32 = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9


class Draws:
    """Random numbers of some scenes: `index` (scene) are their numbers, whole and of any size.

    Every method takes the name of what is drawn; two names never share numbers, and a number does not depend on which
    others are drawn or on the other scenes of the batch. Results are (scene, *shape), float32.
    """

    def __init__(self, seed: int, index: torch.Tensor, prefix: str = "") -> None:
        self.seed = seed
        self.index = index.to(torch.int64)
        self.prefix = prefix

    @property
    def device(self) -> torch.device:
        """The device on which numbers are drawn."""
        return self.index.device

    def __len__(self) -> int:
        return len(self.index)

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on another device."""
        return Draws(self.seed, self.index.to(device), self.prefix)

    def take(self, scenes: torch.Tensor) -> Draws:
        """Return the draws of some of the scenes."""
        return Draws(self.seed, self.index[scenes], self.prefix)

    def within(self, prefix: str) -> Draws:
        """Return draws whose names all stand behind a prefix."""
        return Draws(self.seed, self.index, f"{self.prefix}{prefix}.")

    def bits(self, name: str, *shape: int) -> torch.Tensor:
        """Return random bits as int32."""
        first, second = self._keys(name)
        counter = torch.arange(math.prod(shape), dtype=torch.int32, device=self.device)
        lead = (len(self.index), -1)
        mixed = _mixed(counter * _signed(_GOLDEN) + first.reshape(lead))
        return _mixed(mixed + second.reshape(lead)).reshape(len(self.index), *shape)

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return numbers evenly between `low` and `high`, neither of them included."""
        unit = (((self.bits(name, *shape) >> 9) & 0x7FFFFF).to(torch.float32) + 0.5) * 2.0**-23
        return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit

    def log_uniform(self, name: str, *shape: int, low: float, high: float) -> torch.Tensor:
        """Return numbers whose logarithm is even between those of `low` and `high`."""
        return torch.exp(self.uniform(name, *shape, low=math.log(low), high=math.log(high)))

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        """Return normal numbers of mean 0 and variance 1 (Box and Muller, 1958)."""
        count = math.prod(shape)
        half = (count + 1) // 2
        both = self.uniform(name, 2 * half)
        radius, angle = torch.sqrt(-2 * torch.log(both[:, :half])), 2 * math.pi * both[:, half:]
        pairs = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
        return pairs[:, :count].reshape(len(self.index), *shape)

    def chance(self, name: str, probability: float) -> torch.Tensor:
        """Return bool (scene): true with the given probability."""
        return self.uniform(name) < probability

    def curve(self, name: str, *shape: int, count: int) -> torch.Tensor:
        """Return normal numbers at the nodes of the last axis, interpolated linearly to `count` places along it."""
        nodes = self.normal(name, *shape).reshape(len(self.index), -1, shape[-1])
        smooth = torch.nn.functional.interpolate(nodes, size=count, mode="linear", align_corners=True)
        return smooth.reshape(len(self.index), *shape[:-1], count)

    def choice(self, name: str, weights: Mapping[Any, float], order: Sequence[str] = ()) -> torch.Tensor:
        """Return int64 (scene): the place in `order`, or else among the keys, of one drawn with its weight.

        What is in `order` and has no weight is never drawn.
        """
        shares = [weights.get(key, 0.0) for key in order or weights]
        edges = torch.tensor(shares, dtype=torch.float64).cumsum(0)
        edges = (edges / edges[-1]).to(torch.float32).to(self.device)
        return torch.searchsorted(edges, self.uniform(name)).clamp_max(len(shares) - 1)

    def _keys(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return two 32-bit keys for each scene."""
        word = crc32(f"{self.prefix}{name}".encode())
        low, high = _words(self.index)
        key = _mixed(low ^ _signed(word))
        key = _mixed(key + high * _signed(0x85EBCA6B) + _signed(self.seed & _MASK_32))
        key = _mixed(key ^ _signed((self.seed >> 32) & _MASK_32))
        return key, _mixed(key + _signed(word ^ 0xC2B2AE35))


def _signed(word: int) -> int:
    """Return the int32 of the same bits."""
    word &= _MASK_32
    return word - (1 << 32) if word >= 1 << 31 else word


def _words(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the low and the high half of int64 numbers as int32."""
    low = index & _MASK_32
    low = torch.where(low >= 1 << 31, low - (1 << 32), low)
    return low.to(torch.int32), (index >> 32).to(torch.int32)


def _mixed(word: torch.Tensor) -> torch.Tensor:
    """Return a bijection of int32 words in which every bit depends on every bit."""
    word = word ^ ((word >> 16) & 0xFFFF)
    word = word * _signed(0x7FEB352D)
    word = word ^ ((word >> 15) & 0x1FFFF)
    word = word * _signed(0x846CA68B)
    return word ^ ((word >> 16) & 0xFFFF)
