"""Random numbers that have an address: the same (seed, index, name) gives the same ones on any device and in any order.

They come from a counter-based hash, not from a generator that is used up (Salmon et al., SC11, 2011): two rounds of a
32-bit integer mixer (the constants are those of C. Wellons, 2018). Torch's own streams differ between CPU and CUDA and
depend on the batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import torch

_MASK_32 = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
_FEW = 2**12  # numbers that are made on the host, whatever the device: a launch for each step would cost more

_Words = TypeVar("_Words", np.ndarray, torch.Tensor)


class Draws:
    """Random numbers of some scenes: `index` (scene) are their numbers, whole and of any size.

    Every method takes the name of what is drawn; two names never share numbers, and a number does not depend on which
    others are drawn or on the other scenes of the batch. Results are (scene, *shape), float32, on the device of `index`
    or the one that `to` tells.
    """

    def __init__(self, seed: int, index: torch.Tensor) -> None:
        self.seed, self.prefix, self.device = seed, "", index.device
        self._index = index.to("cpu", torch.int64).numpy()

    def __len__(self) -> int:
        return len(self._index)

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on another device."""
        return self._changed(device=torch.device(device))

    def take(self, scenes: torch.Tensor) -> Draws:
        """Return the draws of some of the scenes."""
        return self._changed(_index=self._index[scenes.cpu().numpy()])

    def within(self, prefix: str) -> Draws:
        """Return draws whose names all stand behind a prefix."""
        return self._changed(prefix=f"{self.prefix}{prefix}.")

    def _changed(self, **changes: Any) -> Draws:
        other = copy.copy(self)
        other.__dict__.update(changes)
        return other

    def bits(self, name: str, *shape: int) -> torch.Tensor:
        """Return random bits as int32."""
        return self._there(self._bits(name, *shape))

    def uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return numbers evenly between `low` and `high`, neither of them included."""
        return self._there(self._uniform(name, *shape, low=low, high=high))

    def log_uniform(self, name: str, *shape: int, low: float, high: float) -> torch.Tensor:
        """Return numbers whose logarithm is even between those of `low` and `high`."""
        return self._there(torch.exp(self._uniform(name, *shape, low=math.log(low), high=math.log(high))))

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        """Return normal numbers of mean 0 and variance 1 (Box and Muller, 1958)."""
        count = math.prod(shape)
        half = (count + 1) // 2
        both = self._uniform(name, 2 * half)
        radius, angle = torch.sqrt(-2 * torch.log(both[:, :half])), 2 * math.pi * both[:, half:]
        pairs = torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
        return self._there(pairs[:, :count].reshape(len(self), *shape))

    def chance(self, name: str, probability: float) -> torch.Tensor:
        """Return bool (scene): true with the given probability."""
        return self._there(self._uniform(name) < probability)

    def curve(self, name: str, *shape: int, count: int) -> torch.Tensor:
        """Return normal numbers at the nodes of the last axis, interpolated linearly to `count` places along it."""
        nodes = self.normal(name, *shape).reshape(len(self), -1, shape[-1])
        smooth = torch.nn.functional.interpolate(nodes, size=count, mode="linear", align_corners=True)
        return smooth.reshape(len(self), *shape[:-1], count)

    def choice(self, name: str, weights: Mapping[Any, float], order: Sequence[str] = ()) -> torch.Tensor:
        """Return int64 (scene): the place in `order`, or else among the keys, of one drawn with its weight.

        What is in `order` and has no weight is never drawn.
        """
        shares = [weights.get(key, 0.0) for key in order or weights]
        edges = torch.tensor(shares, dtype=torch.float64).cumsum(0)
        unit = self._uniform(name)
        edges = (edges / edges[-1]).to(unit)
        return self._there(torch.searchsorted(edges, unit).clamp_max(len(shares) - 1))

    def _there(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers.to(self.device, non_blocking=True)

    def _uniform(self, name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Return numbers on the host where they are few, else on the device."""
        unit = (((self._bits(name, *shape) >> 9) & 0x7FFFFF).to(torch.float32) + 0.5) * 2.0**-23
        return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit

    def _bits(self, name: str, *shape: int) -> torch.Tensor:
        """Return bits on the host where they are few, else on the device."""
        first, second = self._keys(name)
        count = math.prod(shape)
        if len(self) * count <= _FEW:
            counter = np.arange(count, dtype=np.int32) * np.int32(_signed(_GOLDEN))
            mixed = torch.from_numpy(_mixed(_mixed(counter + first[:, None]) + second[:, None]))
        else:
            keys = self._there(torch.from_numpy(np.stack([first, second])[..., None]))
            counter = torch.arange(count, dtype=torch.int32, device=self.device) * _signed(_GOLDEN)
            mixed = _mixed(_mixed(counter + keys[0]) + keys[1])
        return mixed.reshape(len(self), *shape)

    def _keys(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return two 32-bit keys for each scene."""
        word = crc32(f"{self.prefix}{name}".encode())
        low, high = self._index.astype(np.int32), (self._index >> 32).astype(np.int32)
        key = _mixed(low ^ np.int32(_signed(word)))
        key = _mixed(key + high * np.int32(_signed(0x85EBCA6B)) + np.int32(_signed(self.seed)))
        key = _mixed(key ^ np.int32(_signed(self.seed >> 32)))
        return key, _mixed(key + np.int32(_signed(word ^ 0xC2B2AE35)))


def _signed(word: int) -> int:
    """Return the int32 of the same bits."""
    word &= _MASK_32
    return word - (1 << 32) if word >= 1 << 31 else word


def _mixed(word: _Words) -> _Words:
    """Return a bijection of int32 words in which every bit depends on every bit."""
    word = word ^ ((word >> 16) & 0xFFFF)
    word = word * _signed(0x7FEB352D)
    word = word ^ ((word >> 15) & 0x1FFFF)
    word = word * _signed(0x846CA68B)
    return word ^ ((word >> 16) & 0xFFFF)
