"""Records sampled more finely than their signal needs, at a rate that networks have learnt from, and back.

Networks see samples, not milliseconds: a signal that fills a small part of the band is slower than any that they know.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from seisdiff.networks.inputs import seen

BANDS = 6  # above a quarter of the band, in which the spectrum is compared
FLAT = 1.25  # times the median of these bands: none of them may have more power
STANDS_OUT = 4.0  # times the median: the power of the lowest quarter
FEWEST = 64  # frequencies of a band that may be halved
GUARD = 16  # coarse samples of silence at the end, for what comes round


def surplus(data: torch.Tensor) -> list[int]:
    """Return by which power of two the samples of each gather (gather, trace, time) may be farther apart.

    A band is halved as long as there is nothing but a floor of noise above its lowest quarter: none where there is no
    noise, or no signal.
    """
    spectrum = torch.fft.rfft(data)
    power = (spectrum.real.square() + spectrum.imag.square()).sum(1)
    factor, narrow = torch.ones(len(data), dtype=torch.int64), torch.ones(len(data), dtype=torch.bool)
    width = power.shape[1]
    while width >= FEWEST:
        bands = torch.stack([part.mean(1) for part in power[:, width // 4 : width].chunk(BANDS, dim=1)], dim=1)
        floor = bands.median(dim=1).values
        low = power[:, 1 : width // 4].mean(1)
        narrow = narrow & (floor > 0) & (bands.amax(1) < FLAT * floor) & (low > STANDS_OUT * floor)
        factor, width = torch.where(narrow, 2 * factor, factor), width // 2
    return factor.tolist()


def coarser(data: torch.Tensor, factor: int) -> torch.Tensor:
    """Return traces (gather, trace, time) at every `factor`-th time, without what that cannot hold; mutes stay zero."""
    length = -(-data.shape[-1] // factor) + GUARD
    spectrum = torch.fft.rfft(data, n=length * factor)[..., : length // 2 + 1]
    there = functional.pad(seen(data), (0, length * factor - data.shape[-1]))[..., ::factor]
    return torch.fft.irfft(spectrum, n=length) / factor * there


def finer(data: torch.Tensor, factor: int, count: int) -> torch.Tensor:
    """Return the first `count` samples of traces (..., time) `factor` times as fine."""
    return factor * torch.fft.irfft(torch.fft.rfft(data), n=data.shape[-1] * factor)[..., :count]
