"""Source wavelets, by name, with no energy beyond 95 Hz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAD_S = 0.16
LENGTH_S = 0.8
_PASS_HZ, _STOP_HZ = 70.0, 95.0
_PERIOD_S = 8.0


@dataclass(frozen=True)
class Wavelet:
    """Ricker of one frequency (Hz), or Ormsby of four corners (Hz); zero, constant (degrees) or minimum phase."""

    corners: tuple[float, ...]
    phase: float | None = 0.0

    @property
    def name(self) -> str:
        """What the wavelet is called in the judge's files."""
        shape = "ricker" if len(self.corners) == 1 else "ormsby"
        phase = "minimum phase" if self.phase is None else f"{self.phase:.0f} degrees"
        return f"{shape} {'-'.join(f'{corner:.0f}' for corner in self.corners)} Hz, {phase}"

    def spectrum(self, frequency: np.ndarray) -> np.ndarray:
        """Return the complex spectrum at frequencies (Hz) from 0 in equal steps."""
        size = self._amplitude(frequency) * _fall(frequency, _PASS_HZ, _STOP_HZ)
        if self.phase is None:
            return size * np.exp(1j * _minimum_phase(size))
        return size * np.exp(1j * np.radians(self.phase))

    def _amplitude(self, frequency: np.ndarray) -> np.ndarray:
        if len(self.corners) == 1:
            part = (frequency / self.corners[0]) ** 2
            return part * np.exp(1 - part)
        low, full, high, end = self.corners
        return (1 - _fall(frequency, low, full)) * _fall(frequency, high, end)


def random_wavelet(rng: np.random.Generator) -> Wavelet:
    """Return a Ricker of 18 to 30 Hz or an Ormsby of 4 to 80 Hz, most of them zero phase."""
    phase = [0.0, 0.0, float(rng.integers(-90, 91)), None][rng.integers(4)]
    if rng.random() < 0.6:
        return Wavelet((float(rng.uniform(18, 30)),), phase)
    corners = rng.uniform([3, 9, 35, 60], [6, 14, 50, 80])
    return Wavelet(tuple(float(corner) for corner in corners), phase)


def line_source(wavelet: Wavelet, dt_s: float) -> np.ndarray:
    """Return injected volume rates, every dt_s, that a line source turns into `wavelet` far away, at LEAD_S.

    The field of a line source is the half-derivative of what is injected, so the half-integral is injected.
    """
    count = round(_PERIOD_S / dt_s)
    frequency = np.fft.rfftfreq(count, dt_s)
    half = np.zeros(len(frequency), complex)
    half[1:] = (2j * np.pi * frequency[1:]) ** -0.5
    shifted = wavelet.spectrum(frequency) * half * np.exp(-2j * np.pi * frequency * LEAD_S)
    samples = np.fft.irfft(shifted, count)[: round(LENGTH_S / dt_s)]
    ramp = min(round(0.02 / dt_s), len(samples))
    taper = np.ones(len(samples))
    taper[:ramp] = 0.5 - 0.5 * np.cos(np.pi * np.arange(ramp) / ramp)
    taper[-8 * ramp :] = 0.5 + 0.5 * np.cos(np.pi * np.arange(8 * ramp) / (8 * ramp))
    return samples * taper / np.abs(samples).max()


def _fall(frequency: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return 1 up to `start`, 0 from `end` on."""
    return 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - start) / (end - start), 0, 1))


def _minimum_phase(size: np.ndarray) -> np.ndarray:
    """Return the phase that goes with an amplitude spectrum (Kolmogorov's method, -60 dB floor)."""
    log = np.log(np.maximum(size, 1e-3 * size.max()))
    cepstrum = np.fft.irfft(log)
    cepstrum[1 : len(cepstrum) // 2] *= 2
    cepstrum[len(cepstrum) // 2 + 1 :] = 0
    return np.fft.rfft(cepstrum).imag
