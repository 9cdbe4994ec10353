"""What a network is shown of a gather, in training and at work alike: amplitudes, mute, offsets, first guesses."""

from __future__ import annotations

import torch
from torch.nn import functional

BALANCE_SAMPLES = 97  # of each of two running means
QUIETEST = 1e-3  # of the loudest level of a gather, below which levels are not followed
RIDGE = 0.1  # of the squared width, that steadies slopes of levels along traces
REACH, FAR_WEIGHT = 64, 1e-6  # traces on either side that levels along traces are made of; what the farthest count
STEEPEST = 3.0  # natural logarithm of the largest level of a trace over that of all
FLATTER = 0.3  # in likeness: by how much neighbours must be more alike without linear moveout to be left alone
AMPLITUDE, LIVE, OFFSET, SEEN, FOUND, LATE = range(6)  # the channels


def levels(data: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return the level (gather, 1, time) of amplitudes at each time, smooth, moved less by bursts than a power is.

    It is the mean |amplitude| over samples that are `counted` (gather, trace, time), under two running means of 97
    samples, times a factor that gives the balanced gather a root mean square of 1. Dividing by it makes late and early
    events alike to a network; multiplying undoes it.
    """
    used = counted.to(data.dtype)
    above, below = smooth((data.abs() * used).sum(1, keepdim=True)), smooth(used.sum(1, keepdim=True))
    level = above / below.clamp_min(1e-6)
    loudest = level.amax(-1, keepdim=True)
    level = level.clamp_min(QUIETEST * loudest) + (loudest == 0).to(data.dtype)
    power = (data / level * used).square().sum((1, 2), keepdim=True) / used.sum((1, 2), keepdim=True).clamp_min(1)
    return level * torch.where(power > 0, power.sqrt(), 1.0)


def trace_levels(data: torch.Tensor, counted: torch.Tensor, level: torch.Tensor, width: float) -> torch.Tensor:
    """Return the level (gather, trace, 1) of traces over that of all, smooth along the gather, for dead traces as well.

    Logarithms of the root mean squares of what is `counted` (gather, trace, time), over the `level` (gather, 1, time)
    of all traces, are fitted by a straight line around each trace, with normal weights of a standard deviation of
    `width` traces (locally weighted regression; Cleveland, 1979). Near offsets of recorded shots are many times as
    strong as others; what fills them is to be so too.
    """
    samples = counted.sum(-1, dtype=torch.float64)  # which autocast leaves as they are
    power = (data / level * counted).square().sum(-1, dtype=torch.float64) / samples.clamp_min(1)
    told = ((power > 0) & (2 * samples >= BALANCE_SAMPLES)).double()
    size = 0.5 * torch.log(power.clamp_min(1e-12)) * told
    away = torch.arange(-REACH, REACH + 1, dtype=torch.float64, device=data.device)
    weight = torch.exp(-0.5 * (away / width).square()) + FAR_WEIGHT

    def moment(values: torch.Tensor, order: int) -> torch.Tensor:
        return functional.conv1d(values[:, None], (weight * away**order)[None, None], padding=REACH)[:, 0]

    count, first, second = (moment(told, order) for order in (0, 1, 2))
    second = second + RIDGE * width**2 * count
    fitted = second * moment(size, 0) - first * moment(size, 1)
    fitted = torch.where(count > 0, fitted / (count * second - first.square()).clamp_min(1e-30), 0.0)
    mean = (fitted * told).sum(-1, keepdim=True) / told.sum(-1, keepdim=True).clamp_min(1)
    return torch.exp((fitted - mean).clamp(-STEEPEST, STEEPEST)).to(data.dtype)[..., None]


def smooth(series: torch.Tensor) -> torch.Tensor:
    """Return series (gather, 1, time) under two running means of 97 samples."""
    half = BALANCE_SAMPLES // 2
    for _ in range(2):
        sums = functional.pad(series.double(), (half + 1, half)).cumsum(-1)
        series = ((sums[..., BALANCE_SAMPLES:] - sums[..., :-BALANCE_SAMPLES]) / BALANCE_SAMPLES).to(series.dtype)
    return series


def seen(data: torch.Tensor) -> torch.Tensor:
    """Return bool (gather, trace, time): true from a trace's first sample that is not zero to its last."""
    there, length = data != 0, data.shape[-1]
    place = torch.arange(length, device=data.device, dtype=torch.int32)
    first = torch.where(there, place, length).amin(-1, keepdim=True)
    last = torch.where(there, place, -1).amax(-1, keepdim=True)
    return (place >= first) & (place <= last)


def advance_of(
    data: torch.Tensor, live: torch.Tensor, offset: torch.Tensor, step_ms: torch.Tensor | float, reduction_m_s: float
) -> torch.Tensor | None:
    """Return by how many samples (gather, trace) traces at offsets (m) are advanced by linear moveout.

    A gather whose live traces are more like their neighbours without it, as events that are flat already are, is left
    as it is. None where `reduction_m_s` is 0: no gather is advanced.
    """
    if reduction_m_s <= 0:
        return None
    ahead = 1000 * offset.abs() / reduction_m_s / step_ms
    data = data * live[..., None]
    return ahead * (likeness(data, live) < likeness(advance(data, ahead), live) + FLATTER)[:, None]


def likeness(data: torch.Tensor, live: torch.Tensor) -> torch.Tensor:
    """Return how alike neighbouring live traces are (gather): their products over their powers, 1 where equal."""
    order = torch.where(live, 0, 1).argsort(dim=1, stable=True)
    ordered = data.gather(1, order[..., None].expand_as(data))
    return (ordered[:, 1:] * ordered[:, :-1]).sum((1, 2)) / ordered.square().sum((1, 2)).clamp_min(1e-30)


def advance(data: torch.Tensor, samples: torch.Tensor | None) -> torch.Tensor:
    """Return traces (gather, trace, time) that begin `samples` (gather, trace) later; what comes first goes last.

    The other way round with `-samples`; fractions of a sample are exact for what has no energy at Nyquist. With None,
    traces stay as they are.
    """
    if samples is None or (samples.device.type == "cpu" and not bool(samples.any())):  # a GPU would have to be asked
        return data
    length = data.shape[-1]
    turns = torch.arange(length // 2 + 1, device=data.device) / length * samples.to(data.dtype)[..., None]
    return torch.fft.irfft(torch.fft.rfft(data) * torch.polar(torch.ones_like(turns), 2 * torch.pi * turns), n=length)


def advance_mask(mask: torch.Tensor, samples: torch.Tensor | None) -> torch.Tensor:
    """Return a mask (gather, trace, time) advanced by the nearest whole number of samples; as it is with None."""
    if samples is None:
        return mask
    length = mask.shape[-1]
    place = torch.arange(length, device=mask.device) + samples.round().long()[..., None]
    return mask.gather(-1, place % length)


def network_inputs(
    data: torch.Tensor, live: torch.Tensor, offset: torch.Tensor, largest_offset: torch.Tensor | float,
    advanced: torch.Tensor | None, found: torch.Tensor, late: torch.Tensor, level_traces: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Return inputs (gather, channel, trace, time) and the levels by which amplitudes were divided.

    Dead traces are zero. Traces are shown `advanced` (gather, trace) samples earlier, or as they are with None, and so
    the answer comes back. Channels are the balanced amplitudes, 1 on live traces, the absolute offset over the largest
    one of the survey (the same whatever the unit of length is), 1 where a trace is not muted, what was `found` of the
    answer beforehand, in the balance of the amplitudes, and 1 where it is `late` (gather, trace, time) enough for
    something to be found. Levels follow the times and, smoothly over `level_traces`, the traces too unless that is 0.
    """
    there = advance_mask(seen(data), advanced)
    data = advance(data, advanced) * there
    counted = there & live[..., None]
    level = levels(data, counted)
    if level_traces > 0:
        along = trace_levels(data, counted, level, level_traces)
        level = along * levels(data / along, counted)
    place = (offset.abs() / largest_offset).clamp(0, 2).to(data.dtype)
    shape = data.shape
    channels = (
        data / level,
        live[..., None].to(data.dtype).expand(shape),
        place[..., None].expand(shape),
        there.to(data.dtype),
        advance(found, advanced) / level,
        advance_mask(late.expand(shape), advanced).to(data.dtype),
    )
    return torch.stack(channels, dim=-1).permute(0, 3, 1, 2), level  # channels last in memory, as networks want them
