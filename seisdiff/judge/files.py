"""The judge's files: gathers before moveout correction with the earths they were modelled in.

Samples are coded for size. Each trace is multiplied by a gain of its gather that evens out its decay with time, taken
to its cosine transform, divided by a step of its part and rounded to 16 bits; high and low bytes stand apart. Undone,
the error is spread evenly over the gained trace, so that weak late arrivals keep their precision.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.fft import idct

from seisdiff.errors import FileFormatError

FORMAT = 1
_COMMON = ("format", "dt_ms", "samples", "parts", "fold", "offset", "high", "low", "step", "log_gain")
_EARTHS = ("layers", "thickness", "velocity", "density", "wavelet", "kind", "seed", "source_m", "receiver_m")


@dataclass(frozen=True)
class Earth:
    """Layers from the sea surface down: thickness (m), velocity (m/s), density (kg/m3); the first is water.

    Under a shot of a bent earth these are the layers before they were bent.
    """

    thickness: np.ndarray
    velocity: np.ndarray
    density: np.ndarray

    @property
    def water_m(self) -> float:
        """Depth of the water, m."""
        return float(self.thickness[0])

    @property
    def first_multiple_ms(self) -> float:
        """Zero-offset time of the first water-bottom multiple."""
        return 4000 * self.water_m / float(self.velocity[0])

    def interface_ms(self) -> np.ndarray:
        """Return the two-way vertical times of the interfaces, the water bottom first."""
        return np.cumsum(2000 * self.thickness / self.velocity)[:-1]

    def reflection(self) -> np.ndarray:
        """Return the normal reflection coefficients of pressure at the interfaces."""
        impedance = self.velocity * self.density
        return np.diff(impedance) / (impedance[1:] + impedance[:-1])

    def rms_velocity(self, times_ms: np.ndarray) -> np.ndarray:
        """Return the RMS velocities (m/s) down to two-way vertical times, exact within layers too (Dix, 1955)."""
        ends = np.concatenate([[0.0], self.interface_ms(), [1e9]])
        squares = np.concatenate([[0.0], np.cumsum(np.diff(ends) * self.velocity**2)])
        times = np.maximum(times_ms, 1e-6)
        return np.sqrt(np.interp(times, ends, squares) / times)


@dataclass(frozen=True)
class Recorded:
    """Gathers as modelled, one entry a gather: the full field and, where it was modelled, that of the primaries.

    Samples are (trace, time), every `dt_ms`, from the time of the source; `offset` is (trace) in m.
    """

    full: tuple[np.ndarray, ...]
    primaries: tuple[np.ndarray, ...] | None
    offset: tuple[np.ndarray, ...]
    earths: tuple[Earth, ...]
    wavelet: tuple[str, ...]
    kind: tuple[str, ...]
    dt_ms: float


def read_recorded(path: str | Path) -> Recorded:
    """Read one of the judge's files; raises FileFormatError where it is absent, damaged or of another format."""
    arrays = _read_arrays(Path(path))
    fold = arrays["fold"]
    edges = np.cumsum(fold)[:-1]
    parts = _decode(arrays)
    earths = [
        Earth(*columns)
        for columns in zip(
            *(
                np.split(arrays[name], np.cumsum(arrays["layers"])[:-1])
                for name in ("thickness", "velocity", "density")
            ),
            strict=True,
        )
    ]
    return Recorded(
        full=tuple(gather.sum(axis=0) for gather in parts),
        primaries=tuple(gather[0] for gather in parts) if arrays["parts"] == 2 else None,
        offset=tuple(np.split(arrays["offset"].astype(np.float64), edges)),
        earths=tuple(earths),
        wavelet=tuple(arrays["wavelet"].tolist()),
        kind=tuple(arrays["kind"].tolist()),
        dt_ms=float(arrays["dt_ms"]),
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in (*_COMMON, *_EARTHS)}
    except FileNotFoundError:
        raise FileFormatError(f"no judge in {path.parent}: expected {path.name}; see docs/judge.md") from None
    except KeyError as error:
        raise FileFormatError(f"{path} is not one of the judge's files: it holds no {str(error).split()[0]}") from None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileFormatError(f"{path} is damaged or not one of the judge's files: {error}") from None
    if int(arrays["format"]) != FORMAT:
        raise FileFormatError(f"{path} has format {int(arrays['format'])}; this version reads {FORMAT}")
    count = int(arrays["fold"].sum() * arrays["parts"] * arrays["samples"])
    if arrays["high"].size != count or arrays["low"].size != count:
        raise FileFormatError(f"{path} is damaged: {arrays['low'].size} coded samples; expected {count}")
    return arrays


def _decode(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return the parts (part, trace, time) of each gather, float32: primaries and multiples, or the full field."""
    codes = ((arrays["high"].astype(np.uint16) << 8) | arrays["low"]).view(np.int16)
    parts, samples = int(arrays["parts"]), int(arrays["samples"])
    decoded, start = [], 0
    for fold, step, log_gain in zip(arrays["fold"], arrays["step"], arrays["log_gain"], strict=True):
        stop = start + parts * samples * int(fold)
        coded = codes[start:stop].reshape(samples, parts, int(fold)).transpose(1, 2, 0)
        traces = np.asarray(idct(coded * step[:, None, None], norm="ortho")) / gain_curve(log_gain, samples)
        decoded.append(traces.astype(np.float32))
        start = stop
    return decoded


def gain_curve(log_gain: np.ndarray, samples: int) -> np.ndarray:
    """Return the gain of each sample from its logarithm at equally spaced knots, the first and last sample included."""
    return np.exp(np.interp(np.linspace(0, len(log_gain) - 1, samples), np.arange(len(log_gain)), log_gain))
