"""Records sampled more finely than their signal needs, at a rate that networks have learnt from, and back.

Networks see samples, not milliseconds: a signal that fills a small part of the band is slower than any that they know.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch.nn import functional

from seisdiff.networks.inputs import seen

FULL = 0.95  # of the power of a gather: what reaches so far
REACH = {"demultiple": 0.24, "denoise": 0.2, "interpolate": 0.12}  # of the band: less than networks have learnt from
LOST = {"demultiple": 5e-3, "denoise": 5e-4, "interpolate": 2e-3}  # of the power, at most, by halving the band
EDGE = 0.45  # of the band, above which samples twice as far apart hold little
BANDS = 6  # above a quarter of the band, in which the spectrum is compared
FLAT = 1.25  # times the median of these bands: none of them may have more power
STANDS_OUT = 2.0  # times the median: the power of the lowest quarter
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


def finer(data: torch.Tensor, rate: float, count: int) -> torch.Tensor:
    """Return the first `count` samples of traces (..., time), `rate` samples for each; rates are quarters of one."""
    length = _even(data.shape[-1], rate)
    spectrum = torch.fft.rfft(data, n=length)
    if length % 2 == 0:
        spectrum[..., -1] *= 0.5  # of the Nyquist frequency: it has a mirror image now
    return rate * torch.fft.irfft(spectrum, n=round(length * rate))[..., :count]


def as_recorded(data: torch.Tensor, rate: float, count: int) -> torch.Tensor:
    """Return the `count` samples of traces (..., time) of which there are `rate` for each, as `finer_traces` has it."""
    if rate == 1:
        return data
    length = _even(count, rate)
    spectrum = torch.fft.rfft(data)[..., : length // 2 + 1] / rate
    if length % 2 == 0:
        spectrum[..., -1] *= 2
    return torch.fft.irfft(spectrum, n=length)[..., :count]


def finer_count(count: int, rate: float) -> int:
    """Return how many samples `finer_traces` makes of so many."""
    return count if rate == 1 else round(_even(count, rate) * rate)


def finer_traces(data: torch.Tensor, answer: torch.Tensor, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return traces and an answer for them (gather, trace, time) at `rate` samples for each; mutes stay zero."""
    if rate == 1:
        return data, answer
    count = finer_count(data.shape[-1], rate)
    before = (torch.arange(count, device=data.device) / rate).long()
    there = functional.pad(seen(data), (0, _even(data.shape[-1], rate) - data.shape[-1]))[..., before]
    nothing = answer.device.type == "cpu" and not bool(answer.any())  # a GPU would have to be asked
    fine = answer.new_zeros(*answer.shape[:-1], count) if nothing else finer(answer, rate, count)
    return finer(data, rate, count) * there, fine


def finer_times(times: torch.Tensor, rate: float) -> tuple[torch.Tensor, float]:
    """Return sample times (time) of `finer_traces`, and how far apart they are; a single one stands for 1 ms."""
    step = (float(times[1] - times[0]) if len(times) > 1 else 1.0) / rate
    return times if rate == 1 else times[0] + step * torch.arange(finer_count(len(times), rate)), step


def _even(count: int, rate: float) -> int:
    """Return the least number of samples from `count` on of which `rate` for each are a whole number."""
    whole = Fraction(rate).denominator
    return -(-count // whole) * whole
