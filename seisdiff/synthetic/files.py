"""Scenes as files: one part, one domain and one axis each, made block by block and put in place whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.ledger import Ledger
from seisdiff.segy import FIELDS, Scales, SegyWriter, header_scales, new_file_header, new_headers, set_header_values
from seisdiff.segy.text import TEXT_BYTES, encode_text
from seisdiff.sources import container_of
from seisdiff.store import StoreWriter
from seisdiff.survey import sample_interval, vertical_dim
from seisdiff.synthetic.recipe import SceneRecipe
from seisdiff.synthetic.scene import make_scenes
from seisdiff.synthetic.surveys import PARTS, assemble, file_recipe, header_columns, live_samples

FORMATS = ("ieee32", "ibm32")
_BLOCK_SAMPLES = 2**19  # of a batch of scenes: some 0.3 GiB while it is made
_MOST_SCENES = 16
_PARTS = {
    "full": "ALL WAVES AND ALL NOISE",
    "signal": "ALL WAVES, NO NOISE",
    "primaries": "PRIMARIES AND INTERBED MULTIPLES",
    "multiples": "SURFACE MULTIPLES",
    "interbed": "INTERBED MULTIPLES",
    "noise": "NOISE",
}
_DOMAINS = {
    "cmp": "CMP GATHERS BEFORE MOVEOUT CORRECTION",
    "nmo": "CMP GATHERS AFTER MOVEOUT CORRECTION AND MUTE",
    "shot": "SHOT GATHERS",
    "stack": "STACKED SECTIONS, FIELD RECORD = SECTION",
    "angle": "ANGLE GATHERS, BYTES 37-40 = 0.01 DEGREES",
    "depth": "DEPTH GATHERS, SAMPLE INTERVAL IN MM",
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SceneFile:
    """What a file of scenes holds; `step` is the sample interval in ms, or m of depth gathers."""

    recipe: str
    part: str
    domain: str
    gathers: int
    traces: int
    samples: int
    step: float
    dead_traces: int

    def told(self) -> str:
        """Return it in a line."""
        size = f"{self.gathers} gathers, {self.traces} traces ({self.dead_traces} dead)"
        unit = "m" if self.domain == "depth" else "ms"
        return f"{self.recipe}, {self.domain}, {self.part}: {size}, {self.samples} samples of {self.step:g} {unit}"


def write_scenes(
    recipe: SceneRecipe,
    target: str | Path,
    *,
    part: str = "full",
    gathers: int = 100,
    seed: int = 0,
    first: int = 0,
    domain: str | None = None,
    dt_ms: float | None = None,
    traces: int | None = None,
    samples: int | None = None,
    sample_format: str | None = None,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> SceneFile:
    """Write one part of the scenes `first` to `first + gathers` of a seed as SEG-Y, SU or Zarr, told by name.

    The file appears when it is complete. See `file_recipe` for what one file holds and `scene_survey` for its headers;
    `sample_format` is "ieee32" or, in SEG-Y only, "ibm32". Raises SeisdiffError for bad input.
    """
    fitting = file_recipe(recipe, domain=domain, dt_ms=dt_ms, traces=traces, samples=samples)
    container = container_of(str(target))
    _check(part, gathers, first, sample_format, container)
    facts = {"recipe": fitting.model_dump(mode="json"), "part": part, "gathers": gathers, "seed": seed, "first": first}
    with Ledger.begin([target], facts, resume=False, overwrite=overwrite) as ledger:
        try:
            with _scratch(ledger.targets[0].path, ledger.targets[0].local) as scratch:
                survey = _spooled(scratch, fitting, seed, range(first, first + gathers), part, progress)
                told = _told(fitting, survey, part, seed, first)
                _write(ledger.partial(target), survey, container, told, sample_format or "ieee32")
            ledger.publish()
        except BaseException:
            ledger.discard()
            raise
    return _facts(fitting, survey, part)


def _check(part: str, gathers: int, first: int, sample_format: str | None, container: str) -> None:
    if part not in PARTS:
        raise OptionError(f"part {part!r} is unknown; expected one of {', '.join(PARTS)}")
    if gathers < 1 or first < 0:
        raise OptionError(f"gathers={gathers}, first={first}; expected at least 1 gather and a first number from 0")
    if sample_format not in (None, *FORMATS):
        raise OptionError(f"--format {sample_format!r} is unknown; expected {' or '.join(FORMATS)}")
    if container == "zarr" and sample_format is not None:
        raise OptionError("--format is for SEG-Y and SU outputs; a store holds ieee32")


def _spooled(
    scratch: BinaryIO, recipe: SceneRecipe, seed: int, index: range, part: str, progress: Progress
) -> xr.Dataset:
    """Make scenes block by block and return their survey, whose samples lie in a scratch file."""
    domain, columns = next(iter(recipe.processing.domains)), []
    progress(0, len(index))
    for block in _blocks(recipe, index):
        scenes = make_scenes(recipe, seed, block)
        scratch.write(live_samples(scenes, part).data)
        columns.append(header_columns(scenes, block.start))
        progress(block.stop - index.start, len(index))
    scratch.flush()
    samples = np.memmap(scratch, np.float32, "r", shape=(len(index) * recipe.spread.traces, recipe.samples))
    joined = {name: np.concatenate([block[name] for block in columns]) for name in columns[0]}
    return assemble(samples, joined, domain, recipe.dt_ms[0])


def _blocks(recipe: SceneRecipe, index: range) -> Iterator[range]:
    size = max(1, min(_MOST_SCENES, _BLOCK_SAMPLES // (recipe.spread.traces * recipe.samples)))
    return (index[start : start + size] for start in range(0, len(index), size))


def _scratch(path: str, local: bool) -> BinaryIO:
    """Return a nameless file beside a local output, else where temporary files go."""
    return tempfile.TemporaryFile(dir=str(Path(path).parent) if local else None)  # type: ignore[return-value]


def _told(recipe: SceneRecipe, survey: xr.Dataset, part: str, seed: int, first: int) -> dict[int, str]:
    """Return what the text header says, by line."""
    domain, dim = next(iter(recipe.processing.domains)), vertical_dim(survey)
    count, unit = survey.sizes["gather"], "M" if dim == "depth" else "MS"
    return {
        1: f"SEISDIFF {version('seisdiff')} SYNTH, RECIPE {recipe.name}",
        2: f"SEED {seed}, SCENES {first} TO {first + count - 1}",
        3: f"PART {part}: {_PARTS[part]}",
        4: f"DOMAIN {domain}: {_DOMAINS[domain]}",
        5: "SYNTHETIC: EVERY GATHER IS OF AN EARTH OF ITS OWN",
        6: f"GATHERS {count}, TRACES {survey.sizes['trace']}, SAMPLES {survey.sizes[dim]}, "
        f"INTERVAL {sample_interval(survey):g} {unit}",
        7: "UNITS: TIMES MS, LENGTHS M, COORDINATES IN BYTES 73-88 AND 181-188",
        8: "OFFSET = RECEIVER MINUS SOURCE, ALONG A LINE TO THE EAST",
        9: "DEAD AND MISSING TRACES HAVE IDENTIFICATION CODE 2 AND ZERO SAMPLES",
        39: "SEG Y REV1",
        40: "END TEXTUAL HEADER",
    }


def _write(where: str, survey: xr.Dataset, container: str, told: dict[int, str], sample_format: str) -> None:
    if container == "zarr":
        _write_store(where, survey, "; ".join(told[line] for line in (1, 2, 3, 4)))
        return
    header = new_file_header(survey, sample_format)
    text = encode_text("\n".join(f"C{line:2d} {told.get(line, '')}" for line in range(1, 41)))
    whole = np.frombuffer(text + header[TEXT_BYTES:], np.uint8)
    survey = survey.assign(file_header=("file_header_byte", whole))
    survey.attrs["sample_format"] = sample_format
    rows = max(1, _BLOCK_SAMPLES // survey.sizes[vertical_dim(survey)])
    scales = header_scales(survey, container)
    with SegyWriter(where, survey, container=container, sample_format=sample_format) as writer:
        for start in range(0, survey.sizes["trace"], rows):
            part = slice(start, min(start + rows, survey.sizes["trace"]))
            writer.write(part, _headers(survey, part, scales), survey["amplitude"][part].values)


def _headers(survey: xr.Dataset, rows: slice, scales: Scales) -> np.ndarray:
    """Return new trace headers, with the water depth and the angle that the project's own leave out."""
    headers, order = new_headers(survey, rows, scales), survey.attrs["byte_order"]
    if "source_water_depth" in survey:
        scaled = 100 * survey["source_water_depth"][rows].values
        headers = set_header_values(headers, FIELDS["source_water_depth"], order, scaled)
        headers = set_header_values(headers, FIELDS["elevation_scalar"], order, -100)
    if "angle" in survey:
        headers = set_header_values(headers, FIELDS["angle"], order, 100 * survey["angle"][rows].values)
    return headers


def _write_store(where: str, survey: xr.Dataset, history: str) -> None:
    writer = StoreWriter(where, survey, history=history)
    for start in range(0, survey.sizes["trace"], writer.unit_rows):
        rows = slice(start, min(start + writer.unit_rows, survey.sizes["trace"]))
        writer.write(rows, survey["amplitude"][rows].values)
    writer.finish(np.flatnonzero(~survey["live"].values))


def _facts(recipe: SceneRecipe, survey: xr.Dataset, part: str) -> SceneFile:
    return SceneFile(
        recipe=recipe.name,
        part=part,
        domain=next(iter(recipe.processing.domains)),
        gathers=survey.sizes["gather"],
        traces=survey.sizes["trace"],
        samples=survey.sizes[vertical_dim(survey)],
        step=sample_interval(survey),
        dead_traces=int((~survey["live"].values).sum()),
    )
