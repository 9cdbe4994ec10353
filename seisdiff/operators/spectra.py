"""Amplitude spectra of traces, and of gathers in frequency and wavenumber."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seisdiff.operators.fft import fast_length

#: How far below their largest value spectra of traces, and of gathers, are shown, dB.
SPECTRUM_DB, FK_DB = 60.0, 48.0
#: Cosine ramps at the edges of a gather, as a part of its width: without them the edges smear over all wavenumbers.
_RAMP = 0.1


@dataclass(frozen=True)
class FkSpectrum:
    """`amplitude` (frequency, wavenumber), `frequency` in Hz from 0, `wavenumber` in cycles per km, negative first.

    On a depth axis read cycles per km for Hz. A positive wavenumber is that of events that come later with offset.
    """

    amplitude: np.ndarray
    frequency: np.ndarray
    wavenumber: np.ndarray


def amplitude_spectrum(samples: np.ndarray, step_ms: float, n_fft: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (Hz) and the mean amplitude spectrum of traces (trace, time), zeros where there is none."""
    count = n_fft or samples.shape[1]
    frequency = np.fft.rfftfreq(count, (step_ms or 1.0) / 1000)
    if not len(samples):
        return frequency, np.zeros(len(frequency))
    return frequency, np.abs(np.fft.rfft(samples, count, axis=1)).mean(axis=0)


def fk_spectrum(samples: np.ndarray, offset: np.ndarray, step_ms: float) -> FkSpectrum:
    """Return the f-k amplitude spectrum of one gather (trace, time) at `offset` (trace) in m.

    Traces are taken in the order of their offsets, as if they lay apart by the median of their spacings; a tenth of
    the width is tapered at either edge.
    """
    order = np.argsort(offset, kind="stable")
    n_traces, n_time = samples.shape
    shape = (fast_length(max(2 * n_traces, 64)), fast_length(n_time))
    tapered = samples[order] * _edge_taper(n_traces)[:, None]
    # The transform over offset runs backwards in sign, so that later with offset is a positive wavenumber.
    spectrum = np.abs(np.fft.ifft(np.fft.rfft(tapered, shape[1], axis=1), shape[0], axis=0)) * shape[0]
    wavenumber = np.fft.fftfreq(shape[0], _spacing(offset) / 1000)
    return FkSpectrum(
        amplitude=np.fft.fftshift(spectrum, axes=0).T,
        frequency=np.fft.rfftfreq(shape[1], (step_ms or 1.0) / 1000),
        wavenumber=np.fft.fftshift(wavenumber),
    )


def _spacing(offset: np.ndarray) -> float:
    """Return the median distance (m) of neighbouring distinct offsets; 1 where there are no two."""
    steps = np.diff(np.unique(offset))
    return float(np.median(steps)) if len(steps) else 1.0


def _edge_taper(count: int) -> np.ndarray:
    ramp = max(1, round(_RAMP * count))
    from_edge = np.minimum(np.arange(count), np.arange(count)[::-1]) + 1
    return np.sin(0.5 * np.pi * np.minimum(from_edge / (ramp + 1), 1.0)) ** 2
