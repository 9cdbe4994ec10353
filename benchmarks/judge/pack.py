"""Pack gathers as modelled into the judge's files; `seisdiff.judge.files` says how they are coded, and reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d

from seisdiff.judge.files import FORMAT, gain_curve, read_recorded

if TYPE_CHECKING:
    from benchmarks.judge.make import Plan

KNOTS = 41
#: The step of rounding, over the RMS of the gained primaries: uniform errors are then 66 dB below it. It is larger
#: where 16 bits do not hold the strongest.
STEP = 0.00175
_WEAKEST = 1e-4
WINDOW_S = 0.5


def pack(folder: Path, name: str, plans: Sequence[Plan], read: Callable[[int], dict[str, np.ndarray]]) -> None:
    """Write `name`.npz of modelled gathers, and print its size and precision."""
    path = folder / f"{name}.npz"
    parts = [_parts(read(number)) for number in range(len(plans))]
    coded = [_encode(gather) for gather in parts]
    codes = np.concatenate([codes for codes, _, _ in coded])
    np.savez_compressed(
        path,
        format=FORMAT,
        dt_ms=1000 * plans[0].layout.dt_s,
        samples=parts[0].shape[-1],
        parts=parts[0].shape[0],
        fold=np.array([gather.shape[1] for gather in parts]),
        offset=np.concatenate([plan.layout.offset for plan in plans]).astype(np.float32),
        high=(codes.view(np.uint16) >> 8).astype(np.uint8),
        low=(codes.view(np.uint16) & 255).astype(np.uint8),
        step=np.stack([step for _, step, _ in coded]),
        log_gain=np.stack([log_gain for _, _, log_gain in coded]),
        **_earths(plans),
    )
    precision = _precision(path, parts)
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.2f} MB; precision in windows of {WINDOW_S:g} s: "
        f"median {np.median(precision):.0f} dB, worst {precision.min():.0f} dB",
        flush=True,
    )


def _parts(modelled: dict[str, np.ndarray]) -> np.ndarray:
    """Return primaries and multiples, or the full field alone, (part, trace, time), scaled to an RMS of 1 in sum."""
    full = modelled["full"]
    parts = [modelled["primaries"], full - modelled["primaries"]] if "primaries" in modelled else [full]
    return np.stack(parts) / np.sqrt(np.mean(full**2))


def _encode(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return codes (a flat array of time, part, trace), the step of each part and the gain's logarithm at its knots."""
    level = np.sqrt(np.mean(parts[0] ** 2, axis=0))
    level = gaussian_filter1d(np.log(np.maximum(level, _WEAKEST * level.max())), 12)
    knots = -np.interp(np.linspace(0, len(level) - 1, KNOTS), np.arange(len(level)), level)
    gained = parts * gain_curve(knots, parts.shape[-1])
    coefficients = np.asarray(dct(gained, norm="ortho"))
    fitting = np.abs(coefficients).max(axis=(1, 2)) / np.iinfo(np.int16).max
    step = np.maximum(STEP * np.sqrt(np.mean(gained[0] ** 2)), fitting)
    codes = np.round(coefficients / step[:, None, None]).transpose(2, 0, 1)
    return codes.astype(np.int16).ravel(), step, knots


def _earths(plans: Sequence[Plan]) -> dict[str, Any]:
    """Return what the gathers were modelled in: exact layers, wavelet, depths, seeds."""
    layers = [plan.layers for plan in plans]
    columns = {name: np.concatenate([getattr(one, name) for one in layers]) for name in _COLUMNS}
    return {
        **columns,
        "layers": np.array([len(one.velocity) for one in layers]),
        "wavelet": np.array([plan.wavelet.name for plan in plans]),
        "kind": np.array([one.kind for one in layers]),
        "seed": np.array([plan.seed for plan in plans]),
        "source_m": np.array([plan.layout.source_m for plan in plans]),
        "receiver_m": np.array([plan.layout.receiver_m for plan in plans]),
    }


_COLUMNS = ("thickness", "velocity", "density")


def _precision(path: Path, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return energy over that of the coding's error, dB, in windows of all gathers that hold any energy."""
    recorded = read_recorded(path)
    read_back = recorded.full if recorded.primaries is None else recorded.primaries
    figures = []
    for original, decoded in zip(parts, read_back, strict=True):
        width = round(1000 * WINDOW_S / recorded.dt_ms)
        for start in range(0, original.shape[-1] - width + 1, width):
            window = original[0][:, start : start + width]
            signal = np.sum(window**2)
            if signal > 1e-8 * np.sum(original[0] ** 2):
                figures.append(10 * np.log10(signal / np.sum((window - decoded[:, start : start + width]) ** 2)))
    return np.array(figures)
