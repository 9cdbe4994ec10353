"""Random wavelets as spectra: shape, phase, bubble, ghosts."""

from __future__ import annotations

import math

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.earth import WATER_VELOCITY
from seisdiff.synthetic.recipe import WaveletSpec

KINDS = ("ricker", "ormsby", "klauder", "airgun")
PHASES = ("zero", "minimum", "rotated")
CUT_HZ = (85.0, 120.0)  # of recording filters, at 4 ms
FLOOR = 1e-3
LOWEST_HZ = 4.0


def ricker_spectrum(frequency: torch.Tensor, peak_hz: torch.Tensor) -> torch.Tensor:
    """Return the amplitude spectrum (f/fp)^2 exp(1 - (f/fp)^2), 1 at the peak (Ricker, 1953)."""
    ratio = (frequency / peak_hz).square()
    return ratio * torch.exp(1 - ratio)


def band_spectrum(frequency: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Return a band that rises and falls smoothly between four corner frequencies (scene, 4), after Ormsby."""
    f1, f2, f3, f4 = (corners[:, k : k + 1] for k in range(4))
    up = ((frequency - f1) / (f2 - f1)).clamp(0, 1)
    down = ((f4 - frequency) / (f4 - f3)).clamp(0, 1)
    return up.square() * (3 - 2 * up) * down.square() * (3 - 2 * down)


def draw_wavelet(draws: Draws, spec: WaveletSpec, frequency: torch.Tensor) -> torch.Tensor:
    """Return complex spectra (scene, frequency) of random wavelets at evenly spaced frequencies (Hz) from 0.

    Their largest amplitude is 1. A phase of exp(-2 pi i f t) is a delay by t.
    """
    peak = draws.log_uniform("peak", 1, low=spec.peak_hz[0], high=spec.peak_hz[1])
    kind = draws.choice("kind", spec.kinds, KINDS)[:, None]
    amplitude = _amplitude(draws, frequency, peak, kind) * _high_cut(draws, frequency)
    phase = draws.choice("phase", spec.phases, PHASES)[:, None]
    minimum = minimum_phase(amplitude)
    turned = math.pi * draws.uniform("rotation", 1, low=-1.0, high=1.0)
    angle = torch.where(phase == 1, minimum, torch.where(phase == 2, turned, 0.0))
    spectrum = torch.polar(amplitude, angle.expand_as(amplitude).contiguous())
    spectrum = spectrum * _bubble(draws, frequency, kind == KINDS.index("airgun")) * _ghosts(draws, spec, frequency)
    spectrum = spectrum * (frequency > 0)
    return spectrum / spectrum.abs().amax(1, keepdim=True).clamp_min(1e-9)


def minimum_phase(amplitude: torch.Tensor) -> torch.Tensor:
    """Return the phase (scene, frequency) of the minimum-phase wavelet of an amplitude spectrum, by its cepstrum."""
    log = torch.log(amplitude.clamp_min(FLOOR * amplitude.amax(1, keepdim=True)))
    count = 2 * (amplitude.shape[1] - 1)
    cepstrum = torch.fft.irfft(log.to(torch.complex64), n=count)
    fold = torch.zeros(count, device=amplitude.device)
    late = torch.linspace(0, math.pi, count // 2, device=amplitude.device)
    fold[: count // 2] = 1 + torch.cos(
        late
    )  # 2, faded: what a spectrum on so coarse a grid says of late times is wrong
    fold[0] = 1.0
    return torch.fft.rfft(cepstrum * fold).imag


def _amplitude(draws: Draws, frequency: torch.Tensor, peak: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
    low = (peak * draws.uniform("corner.low", 1, low=0.1, high=0.5)).clamp_min(LOWEST_HZ)
    high = peak * draws.uniform("corner.high", 1, low=1.2, high=2.2)
    corners = torch.cat([0.3 * low, low, high, high * draws.uniform("corner.fall", 1, low=1.15, high=1.6)], dim=1)
    band = band_spectrum(frequency, corners)
    tilt = (frequency / peak).clamp_min(0.05) ** draws.uniform("tilt", 1, low=-0.8, high=0.4)
    gun = (frequency / (frequency + 0.3 * peak)) * torch.exp(-((frequency / (1.6 * peak)) ** 2))
    shapes = (ricker_spectrum(frequency, peak), band, band.sqrt() * tilt, gun)
    amplitude = torch.zeros_like(band)
    for number, shape in enumerate(shapes):
        amplitude = torch.where(kind == number, shape, amplitude)
    return amplitude


def _high_cut(draws: Draws, frequency: torch.Tensor) -> torch.Tensor:
    corner = draws.uniform("cut", 1, low=CUT_HZ[0] * 0.7, high=CUT_HZ[0])
    fall = ((frequency - corner) / (CUT_HZ[1] - corner)).clamp(0, 1)
    return torch.cos(0.5 * math.pi * fall)


def _bubble(draws: Draws, frequency: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return 1 + b e^(-iwT) + ...: an air gun's bubble, period 60 to 150 ms, mostly tuned away."""
    size = draws.uniform("bubble.size", 1, low=0.0, high=0.35) * wanted
    period = 1e-3 * draws.uniform("bubble.period", 1, low=60.0, high=150.0)
    echo = size * torch.exp(-((frequency / 25.0) ** 2))
    return 1 / (1 + torch.polar(echo, -2 * math.pi * frequency * period))


def _ghosts(draws: Draws, spec: WaveletSpec, frequency: torch.Tensor) -> torch.Tensor:
    """Return (1 - r e^(-iwT)) of source and receiver, T the two-way time in the water above them."""
    there = draws.chance("ghosts", spec.ghosts)[:, None]
    spectrum = torch.ones(1, dtype=torch.complex64, device=frequency.device)
    for side in ("source", "receiver"):
        depth = draws.uniform(f"ghost.{side}", 1, low=spec.ghost_m[0], high=spec.ghost_m[1])
        size = draws.uniform(f"ghost.{side}.size", 1, low=0.7, high=1.0) * there
        delay = 2 * depth / WATER_VELOCITY
        spectrum = spectrum * (1 - torch.polar(size.expand(-1, len(frequency)), -2 * math.pi * frequency * delay))
    return spectrum
