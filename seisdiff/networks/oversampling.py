"""Records sampled more finely than their signal needs, at a rate that networks have learnt from, and back.

Networks see samples, not milliseconds: a signal that fills a small part of the band is slower than any that they know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from seisdiff.networks.inputs import seen

FULL = 0.95  # of the power of a gather: what reaches so far
REACH = {"demultiple": 0.24, "denoise": 0.2, "interpolate": 0.12}  # of the band: less than networks have learnt from
LOST = {"demultiple": 5e-3, "denoise": 5e-4, "interpolate": 2e-3}  # of the power, at most, by halving the band
EDGE = 0.45  # of the band, above which samples twice as far apart hold little
BANDS = 6  # above a quarter of the band, in which the spectrum is compared
FLAT = 1.25  # times the median of these bands: none of them may have more power
STANDS_OUT = 4.0  # times the median: the power of the lowest quarter
FEWEST = 64  # frequencies of a band that may be halved
GUARD = 16  # coarse samples of silence at the end, for what comes round


def surplus(data: torch.Tensor, task: str) -> list[int]:
    """Return by which power of two the samples of each gather (gather, trace, time) may be farther apart.

    A band is halved as long as nearly all power lies in its lowest part and nearly none is lost; and, of a gather to
    denoise, as long as there is nothing but a floor of noise above its lowest quarter.
    """
    spectrum = torch.fft.rfft(data)
    power = (spectrum.real.square() + spectrum.imag.square()).sum(1)
    factor, narrow = torch.ones(len(data), dtype=torch.int64), power.sum(1) > 0
    width = power.shape[1]
    while width >= FEWEST:
        enough = _reaches_little(power[:, :width], REACH[task], LOST[task])
        narrow = narrow & (enough | (_is_a_floor(power[:, :width]) if task == "denoise" else False))
        factor, width = torch.where(narrow, 2 * factor, factor), width // 2
    return factor.tolist()


def _reaches_little(power: torch.Tensor, reach: float, lost: float) -> torch.Tensor:
    """Return bool (gather): most of the power (gather, frequency) lies below a part of the band, little at its top."""
    sums, width = power.cumsum(1), power.shape[1]
    total = sums[:, -1]
    return (sums[:, int(reach * width)] > FULL * total) & (total - sums[:, int(EDGE * width)] < lost * total)


def _is_a_floor(power: torch.Tensor) -> torch.Tensor:
    """Return bool (gather): all above the lowest quarter is flat, and that quarter stands out."""
    quarter = power.shape[1] // 4
    bands = torch.stack([part.mean(1) for part in power[:, quarter:].chunk(BANDS, dim=1)], dim=1)
    floor = bands.median(dim=1).values
    low = power[:, 1:quarter].mean(1)
    return (floor > 0) & (bands.amax(1) < FLAT * floor) & (low > STANDS_OUT * floor)


def coarser(data: torch.Tensor, factor: int) -> torch.Tensor:
    """Return traces (gather, trace, time) at every `factor`-th time, without what that cannot hold; mutes stay zero."""
    length = -(-data.shape[-1] // factor) + GUARD
    spectrum = torch.fft.rfft(data, n=length * factor)[..., : length // 2 + 1]
    there = functional.pad(seen(data), (0, length * factor - data.shape[-1]))[..., ::factor]
    return torch.fft.irfft(spectrum, n=length) / factor * there


def finer(data: torch.Tensor, factor: int, count: int) -> torch.Tensor:
    """Return the first `count` samples of traces (..., time) `factor` times as fine."""
    spectrum = torch.fft.rfft(data)
    if data.shape[-1] % 2 == 0:
        spectrum[..., -1] *= 0.5  # of the Nyquist frequency: it has a mirror image now
    return factor * torch.fft.irfft(spectrum, n=data.shape[-1] * factor)[..., :count]


def finer_traces(data: torch.Tensor, answer: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return traces and an answer for them (gather, trace, time), both `factor` times as fine; mutes stay zero."""
    if factor == 1:
        return data, answer
    count = factor * data.shape[-1]
    there = seen(data).repeat_interleave(factor, dim=-1)
    nothing = answer.device.type == "cpu" and not bool(answer.any())  # a GPU would have to be asked
    fine = answer.new_zeros(*answer.shape[:-1], count) if nothing else finer(answer, factor, count)
    return finer(data, factor, count) * there, fine


def finer_times(times: torch.Tensor, factor: int) -> tuple[torch.Tensor, float]:
    """Return sample times (time) `factor` times as fine, and how far apart they are; a single one stands for 1 ms."""
    step = (float(times[1] - times[0]) if len(times) > 1 else 1.0) / factor
    return times if factor == 1 else times[0] + step * torch.arange(factor * len(times)), step


def rates_of(recipe: Mapping[str, Any], passes: int | None = None, scales: int | None = None) -> list[tuple[int, ...]]:
    """Return how many samples a network is shown for each, in each pass; of several answers the mean is taken.

    The recipe is that of its card; the others are asked for instead of what it tells.
    """
    last = int(recipe.get("finer", 1))
    both = (last, 3 - last)[: scales or int(recipe.get("scales", 1))]
    return [(1,)] * ((passes or int(recipe.get("passes", 1))) - 1) + [both]


def answer_in_passes(
    network: Callable[[torch.Tensor, int], torch.Tensor], found: torch.Tensor, rates: list[tuple[int, ...]]
) -> torch.Tensor:
    """Return the answer (gather, trace, time) after all passes of a network, each shown what was `found` before.

    `network` takes that and how many samples it is shown for each.
    """
    for each_pass in rates:
        answers = [network(found, rate) for rate in each_pass]
        found = sum(answers[1:], answers[0]) / len(answers)
    return found
