"""What the page draws, as plain values for JSON: the panels of a gather, its spectra, f-k and semblance; the stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seisdiff.operators.semblance import MOVEOUTS, moveout_semblance
from seisdiff.operators.spectra import FK_DB, SPECTRUM_DB, fk_spectrum
from seisdiff.report.line import Line, Survey, corrected, mean_spectrum
from seisdiff.report.panels import amplitude_levels, data_uri, share_levels
from seisdiff.report.reading import GatherPair, PairReader

View = dict[str, Any]

#: The clip of a gather: this percentile of the absolute samples of the input that are not zero.
CLIP_PERCENTILE = 98.0
_SPECTRUM_POINTS = 300
_SEMBLANCE_ROWS = 400
#: f-k is shown up to the last frequency at which it exceeds this part of its largest value.
_LEAST_AMPLITUDE = 0.01


def gather_view(
    pair: GatherPair, reader: PairReader, survey: Survey, label: str, reasons: Sequence[str], ref_offset: float
) -> View:
    """Return all that is drawn of one gather."""
    parts = _parts(pair, survey)
    clip = clip_level(pair.before[pair.live_before])
    view = {
        "position": pair.position,
        "label": label,
        "reasons": list(reasons),
        "clip": f"{clip:.4g}",
        "strip": _rounded(pair.offset),
        "y": _edges(reader.axis, reader.step),
        "panels": [_panel(name, samples, clip) for name, samples in parts.items()],
        "spectra": _spectra(parts, reader.step),
        "fk": _fk(parts, pair, reader.step),
    }
    if survey.flat:
        view["semblance"] = _semblance(pair, reader, survey, ref_offset)
    return view


def stack_view(line: Line, reader: PairReader, survey: Survey) -> View:
    """Return the stacks (or nearest traces) of input and output, and what is between them."""
    before, after = line.stack
    clip = clip_level(before)
    third = {"filled": after - before} if survey.rules.filling else {"removed": before - after}
    parts = {"input": before, "output": after, **third}
    return {
        "position": -1,
        "label": "",
        "reasons": [],
        "clip": f"{clip:.4g}",
        "strip": line.numbers[line.stacked].tolist(),
        "y": _edges(reader.axis, reader.step),
        "panels": [_panel(name, samples, clip) for name, samples in parts.items()],
    }


def clip_level(samples: np.ndarray) -> float:
    """Return the clip of samples: a percentile of their absolute values that are not zero; 1 where all are."""
    size = np.abs(samples[samples != 0])
    return float(np.percentile(size, CLIP_PERCENTILE)) or 1.0 if size.size else 1.0


def line_spectra(line: Line) -> View:
    """Return the mean spectra of the line."""
    return _decibels(line.frequency, line.spectra)


def _parts(pair: GatherPair, survey: Survey) -> dict[str, np.ndarray]:
    third = {"filled": -pair.removed} if survey.rules.filling else {"removed": pair.removed}
    parts = {"input": pair.before, "output": pair.after, **third}
    return parts if pair.spread is None else parts | {"spread": pair.spread}


def _panel(name: str, samples: np.ndarray, clip: float) -> View:
    return {"name": name, "png": data_uri(amplitude_levels(samples, clip).T)}


def _edges(axis: np.ndarray, step: float) -> list[float]:
    return [float(axis[0] - step / 2), float(axis[-1] + step / 2)]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in values]


def _spectra(parts: dict[str, np.ndarray], step: float) -> View:
    found = [mean_spectrum(samples[samples.any(axis=1)], step) for samples in list(parts.values())[:3]]
    return _decibels(found[0][0], np.stack([amplitude for _, amplitude in found]))


def _decibels(frequency: np.ndarray, spectra: np.ndarray) -> View:
    """Return spectra in dB below the largest value of the first, in a few hundred points."""
    most = float(spectra[0].max(initial=0.0)) or float(spectra.max(initial=0.0)) or 1.0
    bins = np.unique(np.linspace(0, len(frequency), min(_SPECTRUM_POINTS, len(frequency)) + 1).astype(int))[:-1]
    width = np.diff([*bins, len(frequency)])
    rows = np.sqrt(np.add.reduceat(spectra**2, bins, axis=1) / width)
    decibels = 20 * np.log10(np.maximum(rows / most, 10 ** (-SPECTRUM_DB / 20)))
    centre = np.add.reduceat(frequency, bins) / width
    return {"x": np.round(centre, 2).tolist(), "lines": np.round(decibels, 1).tolist(), "floor": -SPECTRUM_DB}


def _fk(parts: dict[str, np.ndarray], pair: GatherPair, step: float) -> View:
    away = np.abs(pair.offset) if pair.offset.max() <= 0 else pair.offset
    spectra = {name: fk_spectrum(samples, away, step) for name, samples in list(parts.items())[:3]}
    first = next(iter(spectra.values()))
    most = float(max(spectrum.amplitude.max() for spectrum in spectra.values())) or 1.0
    told = np.flatnonzero((first.amplitude > _LEAST_AMPLITUDE * most).any(axis=1))
    kept = slice(0, int(told[-1]) + 2 if len(told) else len(first.frequency))
    return {
        "x": [float(first.wavenumber[0]), float(first.wavenumber[-1])],
        "y": [0.0, float(first.frequency[kept][-1])],
        "panels": [
            {"name": name, "png": data_uri(_fk_levels(spectrum.amplitude[kept] / most))}
            for name, spectrum in spectra.items()
        ],
    }


def _fk_levels(share: np.ndarray) -> np.ndarray:
    return share_levels(20 * np.log10(np.maximum(share, 1e-12)), -FK_DB, 0.0)


def _semblance(pair: GatherPair, reader: PairReader, survey: Survey, ref_offset: float) -> View:
    every = max(1, len(reader.axis) // _SEMBLANCE_ROWS)
    panels = []
    for name, samples in (("input", pair.before), ("output", pair.after)):
        flat = corrected(samples, pair, reader, survey.velocities)
        panel = moveout_semblance(
            flat[pair.live_before], pair.offset[pair.live_before], reader.step, MOVEOUTS, ref_offset
        )
        panels.append({"name": name, "png": data_uri(share_levels(panel[:, ::every].T, 0.0, 1.0))})
    half = (MOVEOUTS[1] - MOVEOUTS[0]) / 2
    return {
        "x": [float(MOVEOUTS[0] - half), float(MOVEOUTS[-1] + half)],
        "y": _edges(reader.axis, reader.step),
        "panels": panels,
    }
