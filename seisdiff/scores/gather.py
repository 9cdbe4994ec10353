"""The figures that any estimate of one gather has, together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from seisdiff.scores.figures import leakage, psnr_db, snr_below_db, snr_db, snr_per_second_db, spectrum_error_db, ssim


class Scores(BaseModel):
    """Figures of one gather or of a whole survey; those that need what is not given are None.

    `snr_db`, `psnr_db`, `ssim`, `spectrum_error_db` compare estimate and truth; `snr_below_db` is the SNR below the
    time asked for, `snr_per_second_db` that with equal weight of every second of record (None on a depth axis). The
    figures that begin with `input_` compare input and truth, and `gain_db` is `snr_db` less `input_snr_db`; `leakage`
    compares what was removed (input - estimate) and what was kept. A perfect estimate has an infinite SNR, which JSON
    holds as the string "Infinity".
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    snr_db: float
    psnr_db: float
    ssim: float
    spectrum_error_db: float
    snr_below_db: float | None = None
    snr_per_second_db: float | None = None
    input_snr_db: float | None = None
    input_snr_below_db: float | None = None
    input_snr_per_second_db: float | None = None
    gain_db: float | None = None
    leakage: float | None = None


class GatherScores(Scores):
    """The figures of one gather, with its ensemble number and count of live traces."""

    gather: int
    traces: int


def score_gather(
    number: int,
    parts: Sequence[np.ndarray],
    live: np.ndarray,
    *,
    times: np.ndarray | None = None,
    from_ms: float | None = None,
    scored: np.ndarray | None = None,
) -> GatherScores:
    """Return the figures of one gather from `parts`: truth, estimate and, where there is one, the input.

    Parts are (trace, time), `live` and `scored` (trace), `times` (time) or (trace, time) in ms. Figures are over the
    traces `scored`, by default the live ones. Without `times` there is no SNR below `from_ms` or per second.
    """
    truth, estimate = parts[:2]
    counted = live if scored is None else live & scored
    figures = _signal_to_noise(truth, estimate, counted, times, from_ms)
    if len(parts) == 3:
        before = _signal_to_noise(truth, parts[2], counted, times, from_ms)
        figures |= {f"input_{name}": value for name, value in before.items()}
        figures["gain_db"] = difference(figures["snr_db"], before["snr_db"])
        figures["leakage"] = leakage(parts[2] - estimate, estimate, counted)
    return GatherScores(
        gather=number,
        traces=int(counted.sum()),
        psnr_db=psnr_db(truth, estimate, counted),
        ssim=ssim(truth, estimate, live, counted),
        spectrum_error_db=spectrum_error_db(truth, estimate, counted),
        **figures,
    )


def difference(after: float, before: float) -> float:
    """Return after - before; NaN, not an error, where both are infinite."""
    return np.nan if np.isinf(after) and np.isinf(before) else after - before


def _signal_to_noise(
    truth: np.ndarray, estimate: np.ndarray, live: np.ndarray, times: np.ndarray | None, from_ms: float | None
) -> dict[str, float]:
    figures = {"snr_db": snr_db(truth, estimate, live)}
    if times is not None:
        axis = times if times.ndim == 1 else times[0]
        figures["snr_per_second_db"] = snr_per_second_db(truth, estimate, axis, live)
    if times is not None and from_ms is not None:
        figures["snr_below_db"] = snr_below_db(truth, estimate, times, from_ms, live)
    return figures
