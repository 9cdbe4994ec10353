"""Draw synthetic scenes beside real gathers and compare them in numbers: `python docs/make_scene_figures.py [NAME]...`.

Run from the root of the checkout. Names are the recipes, "parts" and "table"; all of them without any. The real gathers
are looked for in the folder that SEISDIFF_FIELD_DATA names, or in ../shared/field. "table" measures scenes and real
gathers alike and puts the result between the markers of docs/synthetic.md.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter1d
from scipy.signal import resample_poly

from seisdiff import ReadOptions, open_survey
from seisdiff.survey import gather_bounds, sample_interval
from seisdiff.synthetic.recipe import SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import DOMAINS, Scenes, make_scenes
from seisdiff.synthetic.surveys import file_recipe, find_recipe

ROOT = Path(__file__).resolve().parents[1]
FIGURES, PAGE = ROOT / "docs" / "figures", ROOT / "docs" / "synthetic.md"
FIELD = Path(os.environ.get("SEISDIFF_FIELD_DATA", ROOT.parent / "shared" / "field"))
RECIPES = ("marine_shallow", "marine_deep", "marine_layered", "land", "stack")
SEED, SCENES = 1, 200
_DPI, _GREY_STEP, _AGC_MS, _CLIP = 64, 12, 1600.0, 2.0
_MEASURE_MS, _FLOOR = 600.0, 1e-4  # of the mean power: what is 40 dB weaker stays weak
_BEGIN, _END = "<!-- table: begin -->", "<!-- table: end -->"


@dataclass(frozen=True)
class Gather:
    """Samples (trace, sample), zero where muted or dead; `place` (trace) in m; times in ms."""

    title: str
    samples: np.ndarray
    place: np.ndarray
    dt_ms: float
    start_ms: float = 0.0
    depth: bool = False


def scene_gathers(scenes: Scenes, first: int = 0, part: str = "full") -> Iterator[Gather]:
    """Yield scenes as they would be recorded."""
    samples = (scenes.part(part) * scenes.live[..., None]).numpy()
    for k, domain in enumerate(scenes.domain.tolist()):
        name, step = DOMAINS[domain], float(scenes.step[k])
        yield Gather(
            f"{first + k}: {name}", samples[k], scenes.place[k].numpy(), step, float(scenes.start[k]), name == "depth"
        )


def field_gathers(recipe: str) -> list[Gather]:
    """Return the real gathers that a recipe is to look like."""
    pre = FIELD / "prestack"
    if recipe in ("marine_deep", "marine_layered"):
        return [_field(pre / "gom_cdp_nmo.su", "Gulf of Mexico, CMP 1010, NMO", units="ft")]
    if recipe == "marine_shallow":
        return [_field(pre / "viking_small.segy", f"Viking Graben, shot {k + 1}", number=k) for k in range(4)]
    if recipe == "land":
        roll = _field(pre / "ground_roll_raw.su", "Ground roll (Seismic Unix)", gather="all")
        lines = [_field(pre / "land_two_lines_shot.sgy", f"Land, line {k + 1}", gather="all") for k in range(2)]
        halves = [_at_2_ms(_cut(line, slice(48 * k, 48 * k + 48))) for k, line in enumerate(lines)]
        return [_field(pre / "land_split_spread_shot.su", "Land, split spread", gather="all"), roll, *halves]
    line = _field(FIELD / "stack" / "npra_31_81_stack.sgy", "NPRA 31-81, stack", gather="all")
    return [_cut(line, slice(start, start + 128)) for start in (0, 130, 260, 400)]


def _field(path: Path, title: str, number: int = 0, gather: str | None = None, units: str | None = None) -> Gather:
    survey = open_survey(path, ReadOptions(gather=(gather,) if gather else None, units=units))
    bounds = gather_bounds(survey)
    part = survey.isel(trace=slice(int(bounds[number]), int(bounds[number + 1])))
    samples = part["amplitude"].values.astype(np.float32)
    place = part["offset"].values if "offset" in part else np.arange(len(samples), dtype=float)
    if (place <= 0).all() and place.any():
        order = np.argsort(-place, kind="stable")
        samples, place = samples[order], -place[order]
    return Gather(title, samples, place, sample_interval(part), float(part["time"].values[0]))


def _at_2_ms(gather: Gather) -> Gather:
    """Return an oversampled gather at 2 ms."""
    less = resample_poly(gather.samples.astype(np.float64), 1, round(2 / gather.dt_ms), axis=1)
    return Gather(f"{gather.title}, at 2 ms", less, gather.place, 2.0, gather.start_ms)


def _cut(gather: Gather, traces: slice) -> Gather:
    return Gather(gather.title, gather.samples[traces], gather.place[traces], gather.dt_ms, gather.start_ms)


def automatic_gain(samples: np.ndarray, length: int) -> np.ndarray:
    """Return samples (trace, sample) over their root mean square in running windows of `length` samples."""
    there = uniform_filter1d((samples != 0).astype(np.float64), length, axis=1)
    power = uniform_filter1d(samples.astype(np.float64) ** 2, length, axis=1) / np.maximum(there, 1e-3)
    return samples / np.sqrt(np.maximum(power, _FLOOR * power.mean() + 1e-30))


# measures ----------------------------------------------------------------------------------------


def spectrum_band(gather: Gather) -> tuple[float, float, float]:
    """Return peak and the ends of the -10 dB band of the mean amplitude spectrum, in cycles per 1000 samples."""
    alive = gather.samples[np.abs(gather.samples).max(1) > 0]
    even = automatic_gain(alive, max(3, round(_MEASURE_MS / 4)))
    size = np.sqrt(np.mean(np.abs(np.fft.rfft(even, axis=1)) ** 2, axis=0))
    frequency = np.fft.rfftfreq(alive.shape[1])
    smooth = gaussian_filter(size, 0.008 * alive.shape[1])
    inside = np.flatnonzero(smooth > smooth.max() * 10**-0.5)
    return tuple(1e3 * frequency[at] for at in (int(smooth.argmax()), inside[0], inside[-1]))  # type: ignore[return-value]


def slopes(gather: Gather) -> tuple[float, float]:
    """Return the 10 and 90 % of local slopes, weighted by energy, in samples a trace (structure tensor)."""
    even = automatic_gain(gather.samples, max(3, round(_MEASURE_MS / 4)))
    down, across = np.gradient(even, axis=1), np.gradient(even, axis=0)
    steep, mixed = gaussian_filter(down**2, (1.5, 8)), gaussian_filter(down * across, (1.5, 8))
    slope, weight = -mixed / np.maximum(steep, 1e-6 * steep.max()), steep
    order = np.argsort(slope, axis=None)
    mass = np.cumsum(weight.flat[order])
    return tuple(float(slope.flat[order[np.searchsorted(mass, share * mass[-1])]]) for share in (0.1, 0.9))  # type: ignore[return-value]


def coherent_to_noise_db(gather: Gather) -> float:
    """Return 10 log10 c/(1 - c), c the median correlation of neighbouring traces in windows at the best of few lags."""
    alive = gather.samples[np.abs(gather.samples).max(1) > 0]
    length, found = 100, []
    for start in range(0, alive.shape[1] - length + 1, length // 2):
        window = alive[:, start : start + length]
        use = window[(window != 0).mean(1) > 0.9]
        if len(use) > 1:
            found.append(_correlation(use))
    c = float(np.median(np.concatenate(found))) if found else 0.0
    return 10 * np.log10(max(c, 1e-2) / max(1 - c, 1e-4))


def _correlation(window: np.ndarray, lags: int = 10) -> np.ndarray:
    """Return the largest normalised correlation of each trace with the next one."""
    spectrum = np.fft.rfft(window - window.mean(1, keepdims=True), 2 * window.shape[1], axis=1)
    spectrum /= np.sqrt(np.mean(np.abs(spectrum) ** 2, axis=1, keepdims=True) * 1.0) + 1e-30
    cross = np.fft.irfft(spectrum[1:] * spectrum[:-1].conj(), axis=1)
    near = np.concatenate([cross[:, : lags + 1], cross[:, -lags:]], axis=1)
    return near.max(1) / np.fft.irfft(np.abs(spectrum[:1]) ** 2, axis=1)[0, 0]


def muted_share(gather: Gather) -> float:
    """Return the percentage of samples before the first and after the last one that is not zero, of live traces."""
    there = gather.samples[np.abs(gather.samples).max(1) > 0] != 0
    inside = np.logical_or.accumulate(there, axis=1) & np.logical_or.accumulate(there[:, ::-1], axis=1)[:, ::-1]
    return 100 * float(1 - inside.mean())


def slopes_ms(gather: Gather) -> tuple[float, float]:
    """Return the slopes in ms per 100 m of offset; not a number where there are no offsets."""
    step = float(np.median(np.abs(np.diff(gather.place))))
    low, high = slopes(gather)
    scale = 100 * gather.dt_ms / step if step > 0 else np.nan
    low, high = (scale * value * np.sign(np.median(np.diff(gather.place))) for value in (low, high))
    return min(low, high), max(low, high)


def at_4_ms(gather: Gather, metres: float) -> float:
    """Return a length as it would be at a sample interval of 4 ms; not a number where there are no offsets."""
    return metres * 4 / gather.dt_ms if np.ptp(gather.place) > 0 else np.nan


MEASURES: dict[str, Callable[[Gather], float]] = {
    "spectral peak, cycles / 1000 samples": lambda g: spectrum_band(g)[0],
    "-10 dB, low end": lambda g: spectrum_band(g)[1],
    "-10 dB, high end": lambda g: spectrum_band(g)[2],
    "slopes, 10 %, samples / trace": lambda g: slopes(g)[0],
    "slopes, 90 %, samples / trace": lambda g: slopes(g)[1],
    "slopes, 10 %, ms / 100 m": lambda g: slopes_ms(g)[0],
    "slopes, 90 %, ms / 100 m": lambda g: slopes_ms(g)[1],
    "coherent over incoherent, dB": coherent_to_noise_db,
    "muted, % of samples": muted_share,
    "nearest offset, m at 4 ms": lambda g: at_4_ms(g, float(np.abs(g.place).min())),
    "farthest offset, m at 4 ms": lambda g: at_4_ms(g, float(np.abs(g.place).max())),
}

#: What the table compares: scenes of this domain, with as many samples as the real gathers have.
COMPARED = {
    "marine_shallow": ("shot", 600),
    "marine_deep": ("nmo", 1751),
    "marine_layered": ("nmo", 1751),
    "land": ("shot", 1000),
    "stack": ("stack", 1501),
}


def table(name: str) -> str:
    """Return, as Markdown, the measures of real gathers and of SCENES scenes of the same domain; outliers are bold."""
    domain, samples = COMPARED[name]
    recipe = _at_4_ms(file_recipe(load_scene_recipe(find_recipe(name)), domain=domain, samples=samples))
    batches = (make_scenes(recipe, SEED, range(start, start + 8)) for start in range(0, SCENES, 8))
    scenes = [measured(gather) for batch in batches for gather in scene_gathers(batch)]
    real = field_gathers(name)
    low, high = np.nanpercentile(np.array(scenes), [1, 99], axis=0)
    rows = [f"| {name}: {domain}, {samples} samples | scenes | " + " | ".join(gather.title for gather in real) + " |"]
    rows.append("|---" * (2 + len(real)) + "|")
    for what, a, b, found in zip(MEASURES, low, high, np.array([measured(g) for g in real]).T, strict=True):
        if np.isfinite(found).any() and not (name == "stack" and " m" in what):
            shown = " | ".join(_shown(value, a, b) for value in found)
            rows.append(f"| {what} | {_figure(a)} to {_figure(b)} | {shown} |")
    sizes = " | ".join(str(len(gather.samples)) for gather in real)
    return "\n".join([*rows, f"| traces | {recipe.spread.traces}; any of 2 to 1024 by `--traces` | {sizes} |"])


def measured(gather: Gather) -> list[float]:
    """Return all measures of a gather."""
    return [measure(gather) for measure in MEASURES.values()]


def _shown(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "-"
    return _figure(value) if low <= value <= high else f"**{_figure(value)}**"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.2g}"


def write_tables() -> None:
    """Measure, and put the tables between the markers of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(_BEGIN)[0], text.partition(_END)[2]
    tables = "\n\n".join(table(name) for name in RECIPES)
    print(tables)
    PAGE.write_text(f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}", encoding="utf-8")


# pictures ----------------------------------------------------------------------------------------


def draw_gather(axes: Axes, gather: Gather, shade: str = "black", longest: float = 1e9) -> None:
    """Draw one gather in grey with the gain that all pictures share: its axis in s or km."""
    length = max(3, round(_AGC_MS / (4.0 if gather.depth else gather.dt_ms)))
    samples = gather.samples[:, : int(longest / gather.dt_ms)]
    shown = np.clip(automatic_gain(samples, length) / _CLIP, -1, 1)
    end = gather.start_ms + gather.dt_ms * samples.shape[1]
    extent = (0, len(shown), end / 1000, gather.start_ms / 1000)
    axes.imshow(shown.T, cmap="gray_r", vmin=-1, vmax=1, aspect="auto", extent=extent, interpolation="bilinear")
    low, high = gather.place.min(), gather.place.max()
    axes.set_title(f"{gather.title}, {low:.0f} .. {high:.0f}", fontsize=9, color=shade, parse_math=False)
    axes.set_xticks([])
    axes.tick_params(labelsize=8)


def draw_recipe(name: str) -> None:
    """Twelve scenes as they come, and real gathers."""
    recipe = _at_4_ms(load_scene_recipe(find_recipe(name)))
    scenes = [*scene_gathers(make_scenes(recipe, SEED, range(12)))]
    real = field_gathers(name) if FIELD.is_dir() else []
    figure = Figure(figsize=(17, 15.5), layout="constrained")
    axes = figure.subplots(4, 4).flatten()
    for number, (at, gather) in enumerate(zip(axes, [*scenes, *real[:4]], strict=False)):
        if number < 12:
            draw_gather(at, gather)
        else:
            draw_gather(at, gather, "darkred", 1.2 * recipe.samples * recipe.dt_ms[0])
    for at in axes[12 + len(real[:4]) :]:
        at.set_visible(False)
    title = f"{name}, seed {SEED}: scene: domain, offsets or places; real gathers below; gain: rms in {_AGC_MS:g} ms"
    figure.suptitle(title, fontsize=12)
    save(figure, f"scenes_{name}")


def draw_parts() -> None:
    """The parts of one scene, at one gain."""
    recipe = _at_4_ms(file_recipe(load_scene_recipe(find_recipe("marine_deep")), domain="nmo"))
    scenes = make_scenes(recipe, SEED, range(9, 10))
    wanted = ("full", "primaries", "interbed", "multiples", "noise")
    figure = Figure(figsize=(17, 6), layout="constrained")
    clip = float(np.percentile(np.abs(scenes.full.numpy()), 96))
    for at, part in zip(figure.subplots(1, 5), wanted, strict=True):
        gather = next(scene_gathers(scenes, part=part))
        extent = (0, len(gather.samples), gather.dt_ms * gather.samples.shape[1] / 1000, gather.start_ms / 1000)
        at.imshow(gather.samples.T, cmap="gray_r", vmin=-clip, vmax=clip, aspect="auto", extent=extent)
        at.set(title=part, xticks=[])
    figure.suptitle("marine_deep, one scene: its parts at one clip, no gain", fontsize=12)
    save(figure, "scenes_parts")


def draw_both() -> None:
    """Primaries and multiples of the same earths, event by event and as whole fields."""
    recipe = _at_4_ms(load_scene_recipe(find_recipe("marine_layered"))).model_copy(update={"samples": 800})
    figure = Figure(figsize=(17, 8), layout="constrained")
    axes = figure.subplots(2, 8)
    for row, (title, layered) in enumerate((("events", 0.0), ("whole field", 1.0))):
        scenes = make_scenes(recipe.model_copy(update={"layered": layered}), SEED, range(4))
        for column, part in enumerate(("primaries", "multiples")):
            for number, gather in enumerate(scene_gathers(scenes, part=part)):
                draw_gather(axes[row, 2 * number + column], gather)
                axes[row, 2 * number + column].set_title(f"{title}: {part}", fontsize=9)
    figure.suptitle(f"marine_layered, seed {SEED}: the same four earths made in both ways", fontsize=12)
    save(figure, "scenes_both")


def save(figure: Figure, name: str) -> None:
    """Write a picture in few greys, which keeps the file small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI)
    path = FIGURES / f"{name}.png"
    greys = [min(255, round(grey / _GREY_STEP) * _GREY_STEP) if grey < 250 else 255 for grey in range(256)]
    Image.open(drawn).convert("L").point(greys).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def _at_4_ms(recipe: SceneRecipe) -> SceneRecipe:
    return recipe.model_copy(update={"dt_ms": (4.0,)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    others = {"parts": draw_parts, "both": draw_both, "table": write_tables}
    for wanted in sys.argv[1:] or [*RECIPES, *others]:
        if wanted in others:
            others[wanted]()
        else:
            draw_recipe(wanted)
