"""The period of the water layer, from the multiples that it makes."""

from __future__ import annotations

import math

import torch

SHORTEST_MS, LONGEST_MS = 48.0, 480.0
NEAR_TRACES = 8
STANDS_OUT = 4.2  # standard deviations
BALANCE_MS = 400.0  # of the gain that evens out the decay with time
SMOOTHED_HZ = 12.0  # of the spectrum that is divided out


def estimate_period(data: torch.Tensor, step: float) -> float | None:
    """Return the two-way vertical time in the water (ms) from one gather (trace, time), or None where none stands out.

    `data` is in order of absolute offset, of which the nearest traces count; `step` is in ms. A bounce in the water
    changes the sign, so the period is the deepest trough of the autocorrelation, once the decay with time is balanced
    and the wavelet's smooth spectrum divided out (after Robinson, 1957). Below 48 ms and beyond 480 ms none is sought.
    """
    low, high = math.ceil(SHORTEST_MS / step), math.floor(LONGEST_MS / step)
    n_time = data.shape[-1]
    if not len(data) or high <= low + 2 or n_time < 4 * low:
        return None
    lags = _whitened_autocorrelation(data[:NEAR_TRACES], step)[: min(3 * high, n_time)]
    if not lags.any():
        return None
    lags[: low // 2] = 0  # the wavelet's own
    lags = lags - _running_mean(lags[None], 2 * low + 1)[0]
    scale = lags[low:].std()
    trough = int(lags[low : high + 1].argmin()) + low
    return trough * step if float(-lags[trough]) > STANDS_OUT * float(scale) else None


def _whitened_autocorrelation(data: torch.Tensor, step: float) -> torch.Tensor:
    points = 2 * data.shape[-1]
    power = torch.fft.rfft(_balanced(data.double(), round(BALANCE_MS / step)), n=points).abs().square().sum(0)
    smooth = _running_mean(power[None], max(1, round(SMOOTHED_HZ * points * step / 1000)))[0]
    return torch.fft.irfft(power / (smooth + 1e-2 * smooth.amax()).clamp_min(1e-300), n=points)


def _balanced(data: torch.Tensor, width: int) -> torch.Tensor:
    level = _running_mean(data.square(), width).sqrt()
    return data / (level + 1e-3 * level.amax(-1, keepdim=True)).clamp_min(1e-150)


def _running_mean(values: torch.Tensor, width: int) -> torch.Tensor:
    """Return means over about `width` samples of (row, sample), of those there are at the ends."""
    half = min(width // 2, values.shape[-1] - 1)
    return torch.nn.functional.avg_pool1d(values[:, None], 2 * half + 1, 1, half, count_include_pad=False)[:, 0]
