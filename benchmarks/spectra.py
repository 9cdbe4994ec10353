"""What is left of the truth's amplitude spectrum where little is known: in gaps, and in noise of -5 dB.

    python benchmarks/spectra.py                       shipped models
    python benchmarks/spectra.py --model trained/model --split dev

The signal band is where the truth's mean spectrum is within 20 dB of its largest value. In its upper half the error is
the RMS difference in dB of the mean amplitude spectra of estimate and truth, over the traces that are scored: of all
gathers of a case together, each over its truth's root mean square, and of each gather by itself, averaged. The second
has a floor: spectra of few traces differ by chance, those of a perfect draw too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from seisdiff.config import make_recipe
from seisdiff.engine import restore
from seisdiff.judge import Case, open_judge
from seisdiff.pretrained import find_model, model_card, shipped_models
from seisdiff.survey import gather_bounds

ROOT = Path(__file__).resolve().parents[1]
LITTLE_KNOWN = {"interpolate": ("50 %", "70 %", "block"), "denoise": ("-5 dB",), "demultiple": ("exact",)}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "U-Net": ("unet", {}),
    "one draw": ("diffusion", {"samples": 1}),
    "mean of 8": ("diffusion", {"samples": 8}),
}


def mean_spectrum(traces: np.ndarray) -> np.ndarray:
    """Return the mean amplitude spectrum of traces (trace, time)."""
    return np.abs(np.fft.rfft(traces.astype(np.float64), axis=-1)).mean(axis=0)


def upper_half_error_db(truth: np.ndarray, estimate: np.ndarray) -> tuple[float, float]:
    """Return the RMS and the mean difference (dB) of two mean spectra in the upper half of the first's band."""
    band = np.flatnonzero(truth >= 0.1 * truth.max())
    upper = band[len(band) // 2 :]
    off = 20 * np.log10(np.maximum(estimate[upper], 1e-6 * truth.max()) / truth[upper])
    return float(np.sqrt(np.mean(off**2))), float(np.mean(off))


def measured(case: Case, method: str, options: dict[str, Any]) -> tuple[float, float, float]:
    """Return the error and the mean difference (dB) of all gathers together, and the mean error of each by itself."""
    told = {"task": case.task, "method": method, method: options}
    start = {"start": "auto"} if case.task == "demultiple" else {}
    estimate = restore(case.degraded, make_recipe(told | start))["amplitude"].values
    truth = case.truth["amplitude"].values
    spectra = []
    for low, high in pairwise(gather_bounds(case.truth)):
        row = np.arange(low, high)[case.scored[low:high]]
        size = np.sqrt(np.mean(truth[row].astype(np.float64) ** 2))
        spectra.append([mean_spectrum(part[row] / size) for part in (truth, estimate)])
    together = upper_half_error_db(*np.mean(spectra, axis=0))
    return *together, float(np.mean([upper_half_error_db(*pair)[0] for pair in spectra]))


def cases_of(task: str, split: str) -> Iterator[Case]:
    """Yield the judge's cases in which little is known."""
    for case in open_judge(ROOT / "benchmarks" / "judge").cases(task, split):
        if any(word in case.name for word in LITTLE_KNOWN[task]):
            yield case


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--steps", type=int, help="passes of a draw; by default those of the model")
    options = parser.parse_args()
    for model in options.model or [find_model(name) for name in shipped_models() if name.endswith("-diffusion")]:
        for case in cases_of(model_card(model)["task"], options.split):
            told = []
            for name, (method, own) in METHODS.items():
                more = {"model": str(model), "steps": options.steps} if method == "diffusion" else {}
                error, mean, apart = measured(case, method, own | more)
                told.append(f"{name} {error:.2f} ({mean:+.2f}), {apart:.2f}")
            print(f"{case.task} {case.name:18s} RMS error (mean), by gather, dB: " + "; ".join(told), flush=True)


if __name__ == "__main__":
    main()
