"""Scenes as surveys: the recipes that come with seisdiff, one domain and interval, headers along a straight line."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from pydantic import ValidationError
from scipy.interpolate import CubicSpline

from seisdiff.errors import OptionError
from seisdiff.survey import make_survey
from seisdiff.synthetic.earth import WATER_VELOCITY
from seisdiff.synthetic.recipe import NOMINAL_DT_MS, SceneRecipe
from seisdiff.synthetic.scene import DOMAINS, Scenes
from seisdiff.validation import validation_message

PARTS = ("full", "signal", "primaries", "multiples", "interbed", "noise")
#: Metres at 4 ms; they scale with the sample interval, as all lengths of scenes do.
DEPTH_STEP_M, CDP_STEP_M, LINE_STEP_M = 5.0, 25.0, 1000.0
_EASTING, _NORTHING, _FIRST_CDP = 500_000.0, 6_500_000.0, 100_001
_RECIPES = (Path(__file__).parent / "recipes", Path(__file__).parents[2] / "synthetic")


def find_recipe(name_or_path: str | Path) -> Path:
    """Return the file of a scene recipe, told by path or as the name of one that comes with seisdiff.

    Raises OptionError that names the known recipes.
    """
    known, path = known_recipes(), Path(name_or_path)
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return path
    near = difflib.get_close_matches(str(name_or_path), known, n=1)
    told = f"{str(name_or_path)!r} is no recipe" + (f", perhaps {near[0]}" if near else "")
    raise OptionError(f"{told}; expected a YAML file or one of {', '.join(known)}")


def known_recipes() -> dict[str, Path]:
    """Return the recipes that come with seisdiff, by name."""
    folder = next((folder for folder in _RECIPES if folder.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder else {}


def file_recipe(
    recipe: SceneRecipe,
    *,
    domain: str | None = None,
    dt_ms: float | None = None,
    traces: int | None = None,
    samples: int | None = None,
) -> SceneRecipe:
    """Return a recipe whose scenes fit one file: one domain and one sample interval.

    They are the recipe's most frequent domain and first interval where not given; depth gathers all begin at the
    surface. Raises OptionError for a domain or interval that the recipe does not have, and sizes out of bounds.
    """
    weights = {str(name): weight for name, weight in recipe.processing.domains.items() if weight > 0}
    values = recipe.model_dump()
    chosen = domain or max(weights, key=lambda name: weights[name])
    interval = recipe.dt_ms[0] if dt_ms is None else dt_ms
    _check_choice("domain", chosen, list(weights), recipe)
    _check_choice("dt_ms", f"{interval:g}", [f"{value:g}" for value in recipe.dt_ms], recipe)
    values["dt_ms"] = (interval,)
    values["samples"] = recipe.samples if samples is None else samples
    values["spread"]["traces"] = recipe.spread.traces if traces is None else traces
    values["processing"]["domains"] = {chosen: 1.0}
    if chosen == "depth":
        values["processing"]["late_start"] = 0.0
    try:
        return SceneRecipe.model_validate(values)
    except ValidationError as error:
        raise OptionError(validation_message(error)) from None


def scene_survey(scenes: Scenes, part: str = "full", first: int = 0) -> xr.Dataset:
    """Return scenes as a survey, one gather each, numbered from `first` + 1; traces that are not live are zero.

    `part` is one of PARTS. CMP, angle and depth gathers are `cdp`s in steps of 25 m along a line to the east, shots are
    `field_record`s along it, stacked sections are `field_record`s on lines of their own. Source, receiver and midpoint
    coordinates (m) agree with the signed offset, receiver minus source; angle gathers have `angle` (degrees) in place
    of `offset`. `mute_end` (ms) of corrected gathers is where a trace begins, `source_water_depth` (m) that of marine
    scenes. Depth gathers are brought to one step, 5 m at 4 ms. Raises OptionError where scenes differ in domain or
    sample interval, or the part is unknown.
    """
    domain, dt_ms = common_axis(scenes)
    return assemble(live_samples(scenes, part), header_columns(scenes, first), domain, dt_ms)


def common_axis(scenes: Scenes) -> tuple[str, float]:
    """Return the domain and the sample interval (ms) of scenes; raises OptionError where they differ."""
    domains, intervals = scenes.domain.unique().tolist(), scenes.dt_ms.unique().tolist()
    if len(domains) > 1 or len(intervals) > 1:
        names = ", ".join(DOMAINS[number] for number in domains)
        told = ", ".join(f"{value:g} ms" for value in intervals)
        raise OptionError(f"scenes of {names} at {told} fit no one survey; make them from one file_recipe")
    return DOMAINS[domains[0]], intervals[0]


def live_samples(scenes: Scenes, part: str) -> np.ndarray:
    """Return one part of scenes as recorded, (scene * trace, sample): zero where traces are not live."""
    if part not in PARTS:
        raise OptionError(f"part {part!r} is unknown; expected one of {', '.join(PARTS)}")
    gathers = scenes.part(part).cpu().numpy()
    if common_axis(scenes)[0] == "depth":
        gathers = _at_even_depths(gathers, scenes)
    gathers = np.where(scenes.live.cpu().numpy()[..., None], gathers, np.float32(0))
    return gathers.reshape(-1, gathers.shape[-1])


def header_columns(scenes: Scenes, first: int) -> dict[str, np.ndarray]:
    """Return the headers of scenes of one domain and interval, each (scene, trace); `start` is of the first sample."""
    domain, dt_ms = common_axis(scenes)
    shape = tuple(scenes.offset.shape)
    number, trace = np.indices(shape)
    columns = _places(scenes, domain, first + number, dt_ms / NOMINAL_DT_MS)
    columns |= {"channel": 1 + trace, "live": scenes.live.cpu().numpy()}
    columns["trace_id_code"] = np.where(columns["live"], 1, 2)
    if bool(scenes.earth.marine.all()):
        columns["source_water_depth"] = np.broadcast_to(_of(scenes.water_ms)[:, None] * WATER_VELOCITY / 2000, shape)
    if domain != "depth":
        columns["start"] = np.broadcast_to(_of(scenes.start)[:, None], shape)
    if domain in ("nmo", "angle"):
        muted = (scenes.mute == 0).to(torch.int32).cumprod(-1).sum(-1).cpu().numpy()
        columns["mute_start"] = np.zeros(shape)
        columns["mute_end"] = np.where(muted > 0, columns["start"] + dt_ms * muted, 0.0)
    return columns


def assemble(samples: np.ndarray, columns: dict[str, np.ndarray], domain: str, dt_ms: float) -> xr.Dataset:
    """Return the survey of samples (trace, sample), which are not copied, and header columns of as many values."""
    rows = {name: values.reshape(-1) for name, values in columns.items()}
    start = rows.pop("start", np.zeros(1))
    key = "field_record" if domain in ("shot", "stack") else "cdp"
    if np.ptp(start) > 0:
        rows["delay"] = start
    return make_survey(
        samples,
        dt_ms=_step(domain, dt_ms),
        offset=rows.pop("offset", None),
        gather=rows.pop(key),
        gather_key=key,
        start_ms=float(start.min()),
        axis="depth" if domain == "depth" else "time",
        trace_values=rows,
    )


def _check_choice(name: str, chosen: str, there: list[str], recipe: SceneRecipe) -> None:
    if chosen not in there:
        raise OptionError(f"{name} {chosen!r} is not in the recipe {recipe.name}; expected one of {', '.join(there)}")


def _at_even_depths(gathers: np.ndarray, scenes: Scenes) -> np.ndarray:
    """Return gathers (scene, trace, sample) at depths from 0 in equal steps, by cubic splines; 0 below the last one."""
    count = gathers.shape[-1]
    wanted = _step("depth", float(scenes.dt_ms[0])) * np.arange(count)
    out = np.zeros_like(gathers)
    for scene, (start, step) in enumerate(zip(scenes.start.tolist(), scenes.step.tolist(), strict=True)):
        depth = start + step * np.arange(count)
        inside = (wanted >= depth[0]) & (wanted <= depth[-1])
        out[scene][:, inside] = CubicSpline(depth, gathers[scene], axis=1)(wanted[inside])
    return out


def _step(domain: str, dt_ms: float) -> float:
    return DEPTH_STEP_M * dt_ms / NOMINAL_DT_MS if domain == "depth" else dt_ms


def _places(scenes: Scenes, domain: str, number: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    """Return ensemble numbers, offsets or angles, and coordinates."""
    offset, place, step = _of(scenes.offset), _of(scenes.place), CDP_STEP_M * scale
    at = _EASTING + step * number
    if domain == "stack":
        cdp = np.broadcast_to(1 + np.arange(offset.shape[1]), offset.shape)
        where = _point("cdp", _EASTING + place, _NORTHING + LINE_STEP_M * scale * number)
        return {"field_record": 1 + number, "cdp": cdp, "offset": offset, **where}
    if domain == "angle":
        return {"cdp": 1 + number, "angle": place, **_point("cdp", at)}
    source = at if domain == "shot" else at - offset / 2
    middle = source + offset / 2
    ends = _point("source_coord", source) | _point("group_coord", source + offset) | _point("cdp", middle)
    if domain == "shot":
        cdp = _FIRST_CDP + np.round((middle - _EASTING) / (step / 2)).astype(np.int64)
        return {"field_record": 1 + number, "cdp": cdp, "offset": offset, **ends}
    return {"cdp": 1 + number, "offset": offset, **ends}


def _point(name: str, easting: np.ndarray, northing: np.ndarray | float = _NORTHING) -> dict[str, np.ndarray]:
    return {f"{name}_x": easting, f"{name}_y": np.broadcast_to(northing, easting.shape)}


def _of(values: torch.Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.float64)
