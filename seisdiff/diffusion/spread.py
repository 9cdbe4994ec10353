"""How far off an answer may be, sample by sample, and draws that stray from it as far as that.

What a network expects of its own error is right on average, but too sure in some places and too unsure in others. It is
shrunk towards what it expects around, kept above a share of what it expects of the whole gather at that time and of the
amplitude there, and below some times what was taken out or put in there; traces further out than those recorded are the
less certain the further out they are. What of each was fitted once, and stands in the model's card.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from seisdiff.networks.inputs import smooth

NEAR = (5, 31)  # traces and samples
AROUND = 61  # samples
BINS = 13  # frequencies over which spectra are smoothed, twice


class SpreadSpec(BaseModel):
    """What is made of the error that a network expects, and what draws are like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(default=1.0, gt=0, description="by which the error that is expected is multiplied")
    around: float = Field(default=0.0, ge=0, le=1, description="how much that of neighbours counts instead of its own")
    floor: float = Field(default=0.0, ge=0, le=2, description="times that of all traces at the time: no less than that")
    least: float = Field(
        default=0.0, ge=0, le=1, description="times the amplitude around, recorded or put in: no less than that"
    )
    ceiling: float | None = Field(
        default=None, gt=0, description="times the amplitude of what is changed around: no more than that"
    )
    beyond: float = Field(
        default=0.0, ge=0, le=4, description="how much it grows with every trace further out than those recorded"
    )
    width: float = Field(default=1.0, gt=0, description="root mean square of a draw's deviations, in spreads")
    tint: float = Field(
        default=0.5, ge=0, le=1, description="0: the spectrum of deviations as drawn; 1: that of the answer"
    )


def steadied(error: torch.Tensor, where: torch.Tensor, around: float) -> torch.Tensor:
    """Return expected errors (gather, trace, time), traces in order, moved towards those of 5 traces and 31 samples.

    They count where `where` (the same) is 1.
    """
    if around == 0:
        return error
    power, counted = (
        functional.avg_pool2d(part[:, None], NEAR, stride=1, padding=(NEAR[0] // 2, NEAR[1] // 2))[:, 0]
        for part in (error.square() * where, where)
    )
    near = (power / counted.clamp_min(1e-6)).sqrt()
    return torch.where(where > 0, error ** (1 - around) * near**around, error)


def growth(offset: torch.Tensor, live: torch.Tensor, spec: SpreadSpec) -> torch.Tensor:
    """Return by what spreads of traces (gather, trace, 1) are larger that lie further out than the outermost live ones.

    Draws do not stray further there: what amplitudes do beyond the recorded offsets is a doubt, no texture.
    """
    place = offset.argsort(dim=1, stable=True).argsort(dim=1)
    count = place.shape[1]
    first = torch.where(live, place, count).amin(dim=1, keepdim=True)
    last = torch.where(live, place, -1).amax(dim=1, keepdim=True)
    beyond = torch.maximum(first - place, place - last).clamp_min(0) * live.any(dim=1, keepdim=True)
    return (1 + spec.beyond * beyond)[..., None]


def spread_of(error: torch.Tensor, change: torch.Tensor, recorded: torch.Tensor, spec: SpreadSpec) -> torch.Tensor:
    """Return the standard deviation (gather, trace, time) of an answer.

    `error` is what a network expects, zero where nothing is uncertain, `change` what it takes out of what is `recorded`
    or puts in, all of that shape.
    """
    where = (error > 0).to(error.dtype)
    own = error.square() + spec.floor**2 * _of_all(error.square(), where) * where
    if spec.ceiling is not None:
        most = spec.ceiling**2 * _around(change.square())
        own = own * most / (own + most).clamp_min(1e-30)
    if spec.least > 0:
        own = own + spec.least**2 * _around(recorded.square() + change.square()) * where
    return spec.temperature * own.sqrt()


def deviation(drawn: torch.Tensor, spread: torch.Tensor, signal: torch.Tensor, spec: SpreadSpec) -> torch.Tensor:
    """Return deviations (gather, trace, time) of draws from their mean, as large at each time as the spread is.

    `drawn` are those of a few passes, of which the waveforms are right rather than the size; their spectrum is moved
    towards that of the restored `signal`.
    """
    where = (spread > 0).to(drawn.dtype)
    tinted = _tinted(drawn, signal, spec.tint) * where
    wanted, found = (_of_all(part.square(), where) for part in (spec.width * spread, tinted))
    return tinted * (wanted / found.clamp_min(1e-30)).sqrt() * (found > 0)


def _around(power: torch.Tensor) -> torch.Tensor:
    """Return the mean of powers over 61 samples."""
    return functional.avg_pool1d(power, AROUND, stride=1, padding=AROUND // 2, count_include_pad=False).clamp_min(0)


def _of_all(power: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Return the mean of powers (gather, 1, time) over the traces and times around that count."""
    above, below = smooth((power * where).sum(1, keepdim=True)), smooth(where.sum(1, keepdim=True))
    return above.clamp_min(0) / below.clamp_min(1e-6)


def _tinted(drawn: torch.Tensor, signal: torch.Tensor, tint: float) -> torch.Tensor:
    spectrum = torch.fft.rfft(drawn)
    own, wanted = (_smoothed(part.abs().square().sum(1, keepdim=True)) for part in (spectrum, torch.fft.rfft(signal)))
    least = [1e-12 * part.amax(-1, keepdim=True) + 1e-30 for part in (own, wanted)]
    factor = (wanted.clamp_min(least[1]) / own.clamp_min(least[0])) ** (tint / 2)
    return torch.fft.irfft(spectrum * factor, n=drawn.shape[-1])


def _smoothed(power: torch.Tensor) -> torch.Tensor:
    for _ in range(2):
        power = functional.avg_pool1d(power, BINS, stride=1, padding=BINS // 2, count_include_pad=False)
    return power
