"""Figures of one estimate against the truth; a sample that is no number makes a figure NaN."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

#: Standard deviations of the windows, in traces and samples: SSIM (Wang et al., 2004) and local similarity.
_SSIM_SIGMA = 1.5
_LEAKAGE_SIGMA = (3.0, 8.0)

#: A window of a second counts with at most this SNR, dB: beyond it nobody sees a difference.
WINDOW_LIMIT_DB = 40.0
_WINDOW_MS = 1000.0
#: Windows whose mean energy is less than this part of the strongest window's hold no signal.
_NO_SIGNAL = 1e-8


def snr_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return 10 log10(|s|^2 / |s - e|^2) over live traces; infinite where the estimate is exact.

    Arrays are (..., trace, time), `live` (..., trace). It is NaN where truth and estimate are both zero, and minus
    infinity where only the truth is.
    """
    return ratio_db(*energies(live_samples(truth, live), live_samples(estimate, live)))


def snr_below_db(
    truth: np.ndarray, estimate: np.ndarray, times: np.ndarray, from_ms: float, live: np.ndarray | None = None
) -> float:
    """Return the SNR of the samples later than `from_ms` (ms); NaN where there are none or the time is not known.

    Arrays are (trace, time), `times` (time) or (trace, time) in ms: recorded or, after NMO, zero-offset time.
    """
    after = np.broadcast_to(np.asarray(times) > from_ms, np.shape(truth))
    return snr_db(np.where(after, truth, 0), np.where(after, estimate, 0), live)


def snr_per_second_db(
    truth: np.ndarray, estimate: np.ndarray, times: np.ndarray, live: np.ndarray | None = None
) -> float:
    """Return the mean of the SNRs of windows of one second, so that every second of record weighs the same.

    Arrays are (trace, time), `times` (time) in ms. Windows follow each other from the first sample; a last one of less
    than half a second belongs to the one before. A window counts with at most 40 dB and at least -40 dB. Windows in
    which the truth has no energy (mean square below 1e-8 of the strongest window's) are left out; NaN where all are.
    """
    s, e = live_samples(truth, live), live_samples(estimate, live)
    if not s.size or not finite(s, e):
        return np.nan
    starts = _window_starts(np.asarray(times, np.float64))
    length = np.diff([*starts, s.shape[1]])
    signal, error = (np.add.reduceat((part**2).sum(axis=0), starts) for part in (s, s - e))
    counted = (signal > 0) & (signal / length >= _NO_SIGNAL * (signal / length).max())
    ratios = [ratio_db(*pair) for pair in zip(signal[counted], error[counted], strict=True)]
    return float(np.mean(np.clip(ratios, -WINDOW_LIMIT_DB, WINDOW_LIMIT_DB))) if ratios else np.nan


def psnr_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return 10 log10(peak^2 / mean |s - e|^2) over live traces; the peak is the largest |s|, not the range."""
    s, e = live_samples(truth, live), live_samples(estimate, live)
    if not s.size or not finite(s, e):
        return np.nan
    return ratio_db(float(np.abs(s).max()) ** 2, energies(s, e)[1] / s.size)


def ssim(
    truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None, scored: np.ndarray | None = None
) -> float:
    """Return the mean structural similarity of one gather (trace, time), at most 1.

    Amplitudes are divided by the truth's range (largest minus smallest), so that L = 1; constants (0.01 L)^2 and
    (0.03 L)^2; a Gaussian window of 1.5 traces and samples standard deviation, cut at 11 x 11, mirrored at the edges.
    The mean is over samples of live traces (of those in `scored` where given; windows see the other live ones too) at
    which truth or estimate is not zero: mutes do not count. Dead traces are left out, so that their neighbours adjoin
    (Wang et al., IEEE Trans. Image Processing, 2004, eq. 13).
    """
    s, e = live_samples(truth, live), live_samples(estimate, live)
    scale = float(np.ptp(s)) if s.size else 0.0
    counted = (s != 0) | (e != 0)
    if scored is not None:
        counted &= np.asarray(scored, bool)[slice(None) if live is None else np.asarray(live, bool)][:, None]
    if scale == 0 or not counted.any() or not finite(s, e):
        return np.nan
    s, e = s / scale, e / scale
    mean_s, mean_e = _ssim_window(s), _ssim_window(e)
    var_s, var_e = _ssim_window(s * s) - mean_s**2, _ssim_window(e * e) - mean_e**2
    covariance = _ssim_window(s * e) - mean_s * mean_e
    above = (2 * mean_s * mean_e + 0.01**2) * (2 * covariance + 0.03**2)
    below = (mean_s**2 + mean_e**2 + 0.01**2) * (var_s + var_e + 0.03**2)
    return float((above / below)[counted].mean())


def leakage(removed: np.ndarray, kept: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return how alike the removed and the kept part of one gather (trace, time) are, 0 to 1.

    It is the windowed normalised correlation |<r k>| / sqrt(<r r> <k k>), where <> is a Gaussian window of 3 traces and
    8 samples standard deviation, averaged with the weights sqrt(<r r> <k k>), so that it counts where both are strong.
    Signal that leaked into the removed part raises it; parts that have nothing in common keep a floor of a few per
    cent, set by the window. It serves the end of the local similarity of Chen and Fomel (Geophysics, 2015), with a
    window in place of their smooth division. NaN where either part is zero.
    """
    r, k = live_samples(removed, live), live_samples(kept, live)
    if not finite(r, k):
        return np.nan
    both = np.abs(_similarity_window(r * k)).sum()
    weight = np.sqrt(np.maximum(_similarity_window(r * r), 0) * np.maximum(_similarity_window(k * k), 0)).sum()
    return float(both / weight) if weight > 0 else np.nan


def spectrum_error_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return the RMS difference in dB of the mean amplitude spectra of live traces (trace, time).

    It is taken over the frequencies at which the truth's spectrum is within 20 dB of its largest value.
    """
    truth, estimate = live_samples(truth, live), live_samples(estimate, live)
    if not truth.size or not finite(truth, estimate):
        return np.nan
    s, e = (np.abs(np.fft.rfft(part, axis=-1)).mean(axis=0) for part in (truth, estimate))
    if not s.max() > 0:
        return np.nan
    band = s >= 0.1 * s.max()
    floor = 1e-6 * s.max()
    return float(np.sqrt(np.mean((20 * np.log10(np.maximum(e[band], floor) / s[band])) ** 2)))


def live_samples(samples: np.ndarray, live: np.ndarray | None) -> np.ndarray:
    """Return float64 samples of live traces (trace, time)."""
    flat = np.asarray(samples, np.float64).reshape(-1, np.shape(samples)[-1])
    return flat if live is None else flat[np.asarray(live, bool).reshape(-1)]


def finite(*parts: np.ndarray) -> bool:
    """Return whether all samples are numbers."""
    return all(bool(np.isfinite(part).all()) for part in parts)


def energies(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    """Return the energy of the truth and that of the error; both NaN where a sample is no number."""
    if not finite(truth, estimate):
        return np.nan, np.nan
    return float((truth**2).sum()), float(((truth - estimate) ** 2).sum())


def ratio_db(above: float, below: float) -> float:
    """Return 10 log10(above / below); infinite where one is zero, NaN where both are."""
    if above == 0 or below == 0:
        return np.nan if above == below else (np.inf if below == 0 else -np.inf)
    return float(10 * np.log10(above / below))


def _window_starts(times: np.ndarray) -> np.ndarray:
    """Return the samples at which windows of a second begin."""
    step = float(times[1] - times[0]) if len(times) > 1 else _WINDOW_MS
    window = np.floor((times - times[0] + 1e-6 * step) / _WINDOW_MS).astype(np.int64)
    starts = np.flatnonzero(np.diff(window, prepend=-1))
    if len(starts) > 1 and (len(times) - starts[-1]) * step < _WINDOW_MS / 2:
        starts = starts[:-1]
    return starts


def _ssim_window(samples: np.ndarray) -> np.ndarray:
    return gaussian_filter(samples, _SSIM_SIGMA, radius=5, mode="mirror")


def _similarity_window(samples: np.ndarray) -> np.ndarray:
    return gaussian_filter(samples, _LEAKAGE_SIGMA, truncate=3.0, mode="constant")
