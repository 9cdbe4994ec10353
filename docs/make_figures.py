"""Make the pictures of the documentation: `python docs/make_figures.py [NAME]...` from the root of the checkout.

The real gathers are looked for in the folder that SEISDIFF_FIELD_DATA names, or in ../shared/field: see docs/radon.md
for where they come from. Figures in titles are measured here, by `seisdiff.scores`.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from seisdiff import ReadOptions, RestoreRecipe, compare, open_survey, restore
from seisdiff.cli.app import main
from seisdiff.plots import plot_gathers
from seisdiff.scores import snr_db

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
FIELD = Path(os.environ.get("SEISDIFF_FIELD_DATA", ROOT.parent / "shared" / "field"))
_DPI = 80
_GREY_STEP = 5
_NOISE_SEED, _HOLES_SEED = 1, 2
_NOISE, _KILLED = 1.0, 0.5
_DENOISE = {"ssa": "SSA", "unet": "U-Net"}
_FILL = {"pocs": "POCS", "unet": "U-Net"}


def gom_demultiple(folder: Path) -> None:
    """Real CMP gather by Radon transform, as typed."""
    title = "Gulf of Mexico, CMP 1010: seisdiff demultiple --method radon"
    _save("gom_demultiple", _gom(folder, {"radon": ""}), title=title, window=(1600, 7000))


def gom_unet(folder: Path) -> None:
    """The same gather by the U-Net, beside Radon."""
    title = "Gulf of Mexico, CMP 1010: seisdiff demultiple by U-Net and by Radon, default options"
    _save("gom_unet", _gom(folder, {"unet": ": U-Net", "radon": ": Radon"}), title=title, window=(1600, 7000))


def _gom(folder: Path, methods: Mapping[str, str]) -> dict[str, xr.Dataset]:
    """Return the gather, and what each method leaves and takes out."""
    source = FIELD / "prestack" / "gom_cdp_nmo.su"
    panels = {"input": open_survey(source, ReadOptions(units="ft"))}
    for method, title in methods.items():
        names = {part: folder / f"{method}_{part}.su" for part in ("output", "removed")}
        _run("demultiple", source, names["output"], "--units", "ft", "--removed", names["removed"], "--method", method)
        panels |= {f"{part}{title}": open_survey(path, ReadOptions(units="ft")) for part, path in names.items()}
    return panels


def demo_demultiple(folder: Path) -> None:
    """Made line, of which the primaries are known."""
    _run("demo", folder / "demo", "--gathers", "6")
    files = {"input": "line", "output": "clean", "removed": "multiples", "truth: primaries": "primaries"}
    panels = {title: open_survey(folder / "demo" / f"{name}.sgy") for title, name in files.items()}
    scores = compare(panels["truth: primaries"], panels["output"], panels["input"]).overall
    figures = f"SNR {scores.input_snr_db:.1f} dB before, {scores.snr_db:.1f} dB after (6 gathers)"
    _save("demo_demultiple", panels, title=f"Made line, one CMP gather: seisdiff demo, {figures}", window=(500, 3996))


def viking_denoise(folder: Path) -> None:
    """Real shots with noise added, by U-Net and by the best classical method for that noise."""
    recorded = _viking()
    unmuted = recorded["time"].values > recorded["mute_end"].values[:, None]  # a restoration leaves the rest as it is
    noise = _with_noise(recorded["amplitude"].values) - recorded["amplitude"].values
    noisy = _with_samples(recorded, recorded["amplitude"].values + noise * unmuted)
    made = {title: restore(noisy, RestoreRecipe(task="denoise", method=name)) for name, title in _DENOISE.items()}
    truth = recorded["amplitude"].values
    panels = {"as recorded": recorded, f"noise added: {_snr(truth, noisy):.1f} dB": noisy}
    panels |= {f"{title}: {_snr(truth, clean):.1f} dB": clean for title, clean in made.items()}
    panels["removed: U-Net"] = _with_samples(noisy, noisy["amplitude"].values - made["U-Net"]["amplitude"].values)
    title = "Viking Graben, one of 4 marine shots: seisdiff denoise, default options; SNR against the shots as recorded"
    _save("viking_denoise", panels, title=title)


def viking_interpolate(folder: Path) -> None:
    """Real shots with traces killed, by U-Net and by the best classical method for such gaps."""
    recorded, killed, holes = _viking_holes()
    truth = recorded["amplitude"].values
    made = {title: restore(holes, RestoreRecipe(task="interpolate", method=name)) for name, title in _FILL.items()}
    panels = {"as recorded": recorded, f"{killed.sum()} of {len(killed)} traces killed": holes}
    panels |= {f"{title}: {_snr(truth, filled, killed):.1f} dB": filled for title, filled in made.items()}
    panels["as recorded minus U-Net"] = _with_samples(recorded, truth - made["U-Net"]["amplitude"].values)
    title = "Viking Graben, one of 4 marine shots: seisdiff interpolate, default options; SNR of the filled traces"
    _save("viking_interpolate", panels, title=title)


def gom_diffusion(folder: Path) -> None:
    """The real CMP gather by diffusion: a draw, the mean of eight, what that takes out, and the spread."""
    source, panels = FIELD / "prestack" / "gom_cdp_nmo.su", {}
    mean, removed, spread, draw = (folder / f"{name}.su" for name in ("mean", "removed", "spread", "draw"))
    words = ("demultiple", source, "--units", "ft", "--method", "diffusion")
    _run(*words[:2], mean, *words[2:], "--removed", removed, "--spread", spread)
    _run(*words[:2], draw, *words[2:], "--samples", 1)
    named = {
        "input": source,
        "one draw": draw,
        "mean of 8": mean,
        "removed: mean of 8": removed,
        "spread, 4 times": spread,
    }
    panels = {title: open_survey(path, ReadOptions(units="ft")) for title, path in named.items()}
    panels["spread, 4 times"] = panels["spread, 4 times"].load()
    panels["spread, 4 times"]["amplitude"] *= 4
    title = "Gulf of Mexico, CMP 1010: seisdiff demultiple --method diffusion"
    _save("gom_diffusion", panels, title=title, window=(1600, 7000))


def viking_diffusion(folder: Path) -> None:
    """Real shots with traces killed, filled by U-Net and by diffusion, and what that says of its errors."""
    recorded, killed, holes = _viking_holes()
    truth = recorded["amplitude"].values
    recipes = {"U-Net": ("unet", 0), "one draw": ("diffusion", 1), "mean of 8": ("diffusion", 8)}
    panels = {f"{killed.sum()} of {len(killed)} traces killed": holes}
    for title, (method, samples) in recipes.items():
        own = {method: {"samples": samples}} if samples else {}
        made = restore(holes, RestoreRecipe.model_validate({"task": "interpolate", "method": method, **own}))
        panels[f"{title}: {_snr(truth, made, killed):.1f} dB"] = made
    panels["as recorded minus mean"] = _with_samples(recorded, truth - made["amplitude"].values)
    panels["spread"] = _with_samples(recorded, made["spread"].values)
    title = "Viking Graben, one of 4 marine shots: seisdiff interpolate --method diffusion; SNR of the filled traces"
    _save("viking_diffusion", panels, title=title)


def _snr(truth: np.ndarray, estimate: xr.Dataset, where: np.ndarray | None = None) -> float:
    return snr_db(truth, estimate["amplitude"].values, where)


def _run(*words: object) -> None:
    code = main([str(word) for word in words])
    if code:
        raise SystemExit(code)


def _viking() -> xr.Dataset:
    survey = open_survey(FIELD / "prestack" / "viking_small.segy").load()
    return survey.drop_vars("raw_exception")


def _viking_holes() -> tuple[xr.Dataset, np.ndarray, xr.Dataset]:
    """Return the recorded shots, which traces (trace) are killed, and the shots without them."""
    recorded = _viking()
    killed = np.random.default_rng(_HOLES_SEED).random(recorded.sizes["trace"]) < _KILLED
    return recorded, killed, _with_samples(recorded, np.where(killed[:, None], 0, recorded["amplitude"].values))


def _with_samples(survey: xr.Dataset, samples: np.ndarray) -> xr.Dataset:
    return survey.assign(amplitude=(survey["amplitude"].dims, samples.astype(np.float32)))


def _with_noise(samples: np.ndarray) -> np.ndarray:
    """Add white noise, its RMS that of all the samples times _NOISE."""
    noise = np.random.default_rng(_NOISE_SEED).standard_normal(samples.shape)
    return samples + _NOISE * float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) * noise


def benchmark(_: Path) -> None:
    """The pictures that `seisdiff benchmark docs/benchmark.md` has drawn."""
    for path in sorted((ROOT / "docs").glob("benchmark_*.png")):
        _in_greys(Image.open(path), path)


def _save(
    name: str, panels: Mapping[str, xr.Dataset], *, title: str, window: tuple[float, float] | None = None
) -> None:
    """Draw one gather of every panel."""
    figure = plot_gathers(panels, window=window)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.95))  # type: ignore[union-attr]
    figure.suptitle(title, y=0.985, fontsize=14)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI)
    FIGURES.mkdir(exist_ok=True)
    _in_greys(Image.open(drawn), FIGURES / f"{name}.png")


def _in_greys(picture: Image.Image, path: Path) -> None:
    """Write a picture in few greys, which keeps the file small."""
    greys = [min(255, round(grey / _GREY_STEP) * _GREY_STEP) if grey < 250 else 255 for grey in range(256)]
    picture.convert("L").point(greys).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


FIGURE_MAKERS: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (
        gom_demultiple, gom_unet, gom_diffusion, demo_demultiple, viking_denoise, viking_interpolate, viking_diffusion,
        benchmark,
    )
}  # fmt: skip

if __name__ == "__main__":
    for wanted in sys.argv[1:] or FIGURE_MAKERS:
        with tempfile.TemporaryDirectory() as scratch:
            FIGURE_MAKERS[wanted](Path(scratch))
