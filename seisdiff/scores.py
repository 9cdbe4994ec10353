"""How close an estimate is to the truth: figures for one gather, and for two surveys gather by gather."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict
from rich.table import Column, Table
from scipy.ndimage import gaussian_filter

from seisdiff.errors import SurveyError
from seisdiff.survey import gather_bounds, vertical_dim
from seisdiff.units import gather_units

#: Standard deviations of the windows, in traces and samples: SSIM (Wang et al., 2004) and local similarity.
_SSIM_SIGMA = 1.5
_LEAKAGE_SIGMA = (3.0, 8.0)
_BLOCK_BYTES = 64 * 2**20

_HEADINGS = {
    "snr_db": "SNR dB",
    "input_snr_db": "input dB",
    "gain_db": "gain dB",
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "spectrum_error_db": "spec. dB",
    "leakage": "leakage",
}


class Scores(BaseModel):
    """Figures of one gather or of a whole survey; those that need the input are None without it.

    `snr_db`, `psnr_db`, `ssim`, `spectrum_error_db` compare estimate and truth; `input_snr_db` compares input and
    truth, `gain_db` is the difference of the two; `leakage` compares what was removed (input - estimate) and what was
    kept. A perfect estimate has an infinite SNR, which JSON holds as the string "Infinity".
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    snr_db: float
    psnr_db: float
    ssim: float
    spectrum_error_db: float
    input_snr_db: float | None = None
    gain_db: float | None = None
    leakage: float | None = None


class GatherScores(Scores):
    """The figures of one gather, with its ensemble number and count of live traces."""

    gather: int
    traces: int


class Comparison(BaseModel):
    """An estimate against the truth: each gather, all of it, and the quartiles (25 %, median, 75 %) over gathers.

    In `overall`, SNR and PSNR are of the summed energies of all gathers; the other figures are means over gathers
    weighted by their live traces. Gathers in which a figure is no number (the truth is zero throughout) are left out
    of its mean and quartiles.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    overall: Scores
    quartiles: dict[str, tuple[float, float, float]]
    gathers: list[GatherScores]

    def as_table(self) -> Table:
        """Return the figures as a rich table: a row for the whole and one for each quartile."""
        names = [name for name in _HEADINGS if getattr(self.overall, name) is not None]
        table = Table(
            Column("", no_wrap=True),
            *(_HEADINGS[name] for name in names),
            title=f"{len(self.gathers)} gather{'s' if len(self.gathers) != 1 else ''}",
        )
        table.add_row("all", *(f"{getattr(self.overall, name):.3g}" for name in names))
        for position, label in enumerate(("25 %", "median", "75 %")):
            shown = [self.quartiles[name][position] if name in self.quartiles else np.nan for name in names]
            table.add_row(label, *(f"{value:.3g}" for value in shown))
        return table


def snr_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return 10 log10(|s|^2 / |s - e|^2) over live traces; infinite where the estimate is exact.

    Arrays are (..., trace, time), `live` (..., trace). It is NaN where truth and estimate are both zero, and minus
    infinity where only the truth is.
    """
    signal, error = _energies(_live(truth, live), _live(estimate, live))
    return _ratio_db(signal, error)


def psnr_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return 10 log10(peak^2 / mean |s - e|^2) over live traces; the peak is the largest |s|, not the range."""
    s, e = _live(truth, live), _live(estimate, live)
    if not s.size:
        return np.nan
    return _ratio_db(float(np.abs(s).max()) ** 2, _energies(s, e)[1] / s.size)


def ssim(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return the mean structural similarity of one gather (trace, time), at most 1.

    Amplitudes are divided by the truth's range (largest minus smallest), so that L = 1; constants (0.01 L)^2 and
    (0.03 L)^2; a Gaussian window of 1.5 traces and samples standard deviation, cut at 11 x 11, mirrored at the edges.
    The mean is over samples of live traces at which truth or estimate is not zero: mutes do not count. Dead traces
    are left out, so that their neighbours adjoin (Wang et al., IEEE Trans. Image Processing, 2004, eq. 13).
    """
    s, e = _live(truth, live), _live(estimate, live)
    scale = float(np.ptp(s)) if s.size else 0.0
    counted = (s != 0) | (e != 0)
    if scale == 0 or not counted.any():
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
    r, k = _live(removed, live), _live(kept, live)
    both = np.abs(_similarity_window(r * k)).sum()
    weight = np.sqrt(np.maximum(_similarity_window(r * r), 0) * np.maximum(_similarity_window(k * k), 0)).sum()
    return float(both / weight) if weight > 0 else np.nan


def spectrum_error_db(truth: np.ndarray, estimate: np.ndarray, live: np.ndarray | None = None) -> float:
    """Return the RMS difference in dB of the mean amplitude spectra of live traces (trace, time).

    It is taken over the frequencies at which the truth's spectrum is within 20 dB of its largest value.
    """
    s, e = (np.abs(np.fft.rfft(_live(part, live), axis=-1)).mean(axis=0) for part in (truth, estimate))
    if not s.size or not s.max() > 0:
        return np.nan
    band = s >= 0.1 * s.max()
    floor = 1e-6 * s.max()
    return float(np.sqrt(np.mean((20 * np.log10(np.maximum(e[band], floor) / s[band])) ** 2)))


def compare(
    truth: xr.Dataset,
    estimate: xr.Dataset,
    before: xr.Dataset | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two surveys, or three with the input that the estimate was made from (`before`), gather by gather.

    Traces are matched by order and checked by fold, gather number and offset (to half a metre); dead traces are those
    of the truth. `progress` is called with gathers done and gathers in all. Reads a few tens of MB at a time. Raises
    SurveyError saying what differs, and where samples are not finite.
    """
    surveys = {"TRUTH": truth, "ESTIMATE": estimate} | ({"INPUT": before} if before is not None else {})
    for name, other in list(surveys.items())[1:]:
        _check_match(truth, other, name)
    gathers, energies = [], []
    for number, parts, live in _read_gathers(surveys):
        gathers.append(_score(number, parts, live))
        energies.append(_gather_energies(parts, live))
        if progress:
            progress(len(gathers), truth.sizes["gather"])
    return Comparison(overall=_overall(gathers, energies), quartiles=_quartiles(gathers), gathers=gathers)


def _live(samples: np.ndarray, live: np.ndarray | None) -> np.ndarray:
    """Return float64 samples of live traces (trace, time)."""
    flat = np.asarray(samples, np.float64).reshape(-1, np.shape(samples)[-1])
    return flat if live is None else flat[np.asarray(live, bool).reshape(-1)]


def _energies(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    return float((truth**2).sum()), float(((truth - estimate) ** 2).sum())


def _ratio_db(above: float, below: float) -> float:
    if above == 0 or below == 0:
        return np.nan if above == below else (np.inf if below == 0 else -np.inf)
    return float(10 * np.log10(above / below))


def _ssim_window(samples: np.ndarray) -> np.ndarray:
    return gaussian_filter(samples, _SSIM_SIGMA, radius=5, mode="mirror")


def _similarity_window(samples: np.ndarray) -> np.ndarray:
    return gaussian_filter(samples, _LEAKAGE_SIGMA, truncate=3.0, mode="constant")


def _check_match(truth: xr.Dataset, other: xr.Dataset, name: str) -> None:
    for dim, words in (("trace", "traces"), ("gather", "gathers")):
        if truth.sizes[dim] != other.sizes[dim]:
            raise SurveyError(
                f"TRUTH has {truth.sizes[dim]} {words}, {name} has {other.sizes[dim]}; they must be the same"
            )
    axis, other_axis = vertical_dim(truth), vertical_dim(other)
    mine, theirs = truth[axis].values, other[other_axis].values
    if axis != other_axis or len(mine) != len(theirs) or np.abs(mine - theirs).max(initial=0.0) > 1e-3:
        raise SurveyError(f"TRUTH has {_axis_words(truth)}, {name} has {_axis_words(other)}; they must be the same")
    for key, tolerance, owner in (("gather", 0.0, "gather"), ("fold", 0.0, "gather"), ("offset", 0.51, "trace")):
        if key in truth and key in other:
            _check_equal(truth[key].values, other[key].values, tolerance, f"{key} of {owner}", name)


def _axis_words(survey: xr.Dataset) -> str:
    dim = vertical_dim(survey)
    axis, unit = survey[dim].values, "m" if dim == "depth" else "ms"
    return f"{len(axis)} samples from {axis[0]:g} to {axis[-1]:g} {unit}" if len(axis) else "no samples"


def _check_equal(mine: np.ndarray, theirs: np.ndarray, tolerance: float, what: str, name: str) -> None:
    differs = np.flatnonzero(~(np.abs(mine - theirs) <= tolerance))
    if len(differs):
        at = differs[0]
        raise SurveyError(
            f"TRUTH and {name} differ in {len(differs)} places: {what} number {at + 1} is {mine[at]:g} and "
            f"{theirs[at]:g}; compare surveys with the same traces in the same order"
        )


def _read_gathers(surveys: dict[str, xr.Dataset]) -> Iterator[tuple[int, list[np.ndarray], np.ndarray]]:
    """Yield gather number, samples (trace, time) of each survey and which traces of the truth are live."""
    truth = next(iter(surveys.values()))
    bounds = gather_bounds(truth)
    trace_bytes = 8 * truth.sizes[vertical_dim(truth)] * len(surveys)
    for unit in gather_units(bounds, max(1, _BLOCK_BYTES // max(1, trace_bytes))):
        blocks = {name: survey["amplitude"][unit.rows].values for name, survey in surveys.items()}
        known = truth["live"][unit.rows].values if "live" in truth else None
        for at in range(unit.gathers.start, unit.gathers.stop):
            rows = slice(int(bounds[at] - unit.rows.start), int(bounds[at + 1] - unit.rows.start))
            parts = [block[rows] for block in blocks.values()]
            number = int(truth["gather"].values[at])
            _check_finite(list(blocks), parts, number)
            yield number, parts, known[rows] if known is not None else (parts[0] != 0).any(axis=-1)


def _check_finite(names: Sequence[str], parts: Sequence[np.ndarray], number: int) -> None:
    for name, part in zip(names, parts, strict=True):
        bad = int((~np.isfinite(part)).sum())
        if bad:
            raise SurveyError(f"{name} holds {bad} non-finite samples in gather {number}; no figure is possible")


def _score(number: int, parts: Sequence[np.ndarray], live: np.ndarray) -> GatherScores:
    truth, estimate = parts[:2]
    quality = snr_db(truth, estimate, live)
    further = {}
    if len(parts) == 3:
        before = snr_db(truth, parts[2], live)
        alike = leakage(parts[2] - estimate, estimate, live)
        further = {"input_snr_db": before, "gain_db": _difference(quality, before), "leakage": alike}
    return GatherScores(
        gather=number,
        traces=int(live.sum()),
        snr_db=quality,
        psnr_db=psnr_db(truth, estimate, live),
        ssim=ssim(truth, estimate, live),
        spectrum_error_db=spectrum_error_db(truth, estimate, live),
        **further,
    )


def _difference(after: float, before: float) -> float:
    """Return after - before; NaN, not an error, where both are infinite."""
    return np.nan if np.isinf(after) and np.isinf(before) else after - before


def _gather_energies(parts: Sequence[np.ndarray], live: np.ndarray) -> tuple[float, float, float, float, float]:
    """Return the energy of the truth, of the estimate's and the input's error, the peak and the count of samples."""
    truth = _live(parts[0], live)
    signal, error = _energies(truth, _live(parts[1], live))
    input_error = _energies(truth, _live(parts[2], live))[1] if len(parts) == 3 else np.nan
    return signal, error, input_error, float(np.abs(truth).max(initial=0.0)), float(truth.size)


def _overall(gathers: Sequence[GatherScores], energies: Sequence[tuple[float, ...]]) -> Scores:
    table = np.array(energies, float).reshape(-1, 5)
    signal, error, input_error, _, count = table.sum(axis=0)
    quality = _ratio_db(signal, error)
    means = {name: _weighted_mean(gathers, name) for name in ("ssim", "spectrum_error_db", "leakage")}
    if gathers and gathers[0].input_snr_db is not None:
        before = _ratio_db(signal, input_error)
        means |= {"input_snr_db": before, "gain_db": _difference(quality, before)}
    peak = table[:, 3].max(initial=0.0)
    return Scores(snr_db=quality, psnr_db=_ratio_db(peak**2, error / max(count, 1.0)), **means)  # type: ignore[arg-type]


def _weighted_mean(gathers: Sequence[GatherScores], name: str) -> float | None:
    """Return the mean weighted by live traces over gathers that have the figure; None where none can have it."""
    values = [getattr(part, name) for part in gathers]
    if values and values[0] is None:
        return None
    pairs = np.array([(value, part.traces) for value, part in zip(values, gathers, strict=True)], float).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs[:, 0])]
    return float(np.average(pairs[:, 0], weights=pairs[:, 1])) if pairs[:, 1].sum() > 0 else np.nan


def _quartiles(gathers: Sequence[GatherScores]) -> dict[str, tuple[float, float, float]]:
    """Return quartiles of each figure over the gathers in which it is a number, infinite ones included."""
    result = {}
    for name in _HEADINGS:
        values = np.array([getattr(part, name) for part in gathers if getattr(part, name) is not None], float)
        values = np.sort(values[~np.isnan(values)])
        if len(values):
            q1, q2, q3 = (float(np.quantile(values, share, method="lower")) for share in (0.25, 0.5, 0.75))
            result[name] = (q1, q2, q3)
    return result
