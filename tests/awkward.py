"""Files as they come, each awkward in one way: written by `write_awkward`, judged by the parts that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from seisdiff.survey import make_survey
from seisdiff.synthetic.marine import MarineLine, marine_line
from tests.segy_files import write_segy
from tests.small_lines import RawFile

FOOT = 0.3048
_OFFSET, _CDP, _COORDINATES = 37, 21, (73, 77, 81, 85)
_LINES, _RECEIVERS, _SPACING, _SHOT = 2, 48, 10.0, 240.0


def write_awkward(folder: Path) -> None:
    """Write the files that the sessions called awkward_* begin with."""
    folder.mkdir()
    line = awkward_line().full
    plain = write_segy(line, folder / "no_offsets.sgy")
    RawFile(plain).put(slice(None), _OFFSET, 0).save()
    bare = RawFile(plain)
    for byte in _COORDINATES:
        bare.put(slice(None), byte, 0)
    bare.save(folder / "no_coordinates.sgy")
    RawFile(write_segy(line, folder / "no_cdp.sgy")).put(slice(None), _CDP, 0).save()
    feet = RawFile(write_segy(in_feet(line), folder / "feet.sgy"))
    feet.file_header[3255] = 2  # bytes 3255-3256: feet
    feet.save(folder / "feet_declared.sgy")
    write_segy(split_spread(line), folder / "split_spread.sgy")
    write_segy(two_lines()[0], folder / "two_lines.sgy")


def awkward_line() -> MarineLine:
    """Return the line that all files but the land shot are made of."""
    return marine_line(4, 40, 500, water_ms=400.0)


def in_feet(line: xr.Dataset) -> xr.Dataset:
    """Return a line whose lengths are feet, which nothing tells."""
    names = [name for name in line.data_vars if str(name).endswith(("_x", "_y")) or name == "offset"]
    return line.assign({name: line[name] / FOOT for name in names})


def split_spread(line: xr.Dataset) -> xr.Dataset:
    """Return a line with the odd traces of every gather on the other side of the source."""
    fold = int(line["fold"][0])
    side = np.where(np.arange(line.sizes["trace"]) % fold % 2, -1, 1)
    ends = {name: line[name].values for name in ("source_coord_x", "group_coord_x")}
    swapped = {
        "source_coord_x": np.where(side < 0, ends["group_coord_x"], ends["source_coord_x"]),
        "group_coord_x": np.where(side < 0, ends["source_coord_x"], ends["group_coord_x"]),
    }
    columns = {name: ("trace", values) for name, values in swapped.items()}
    return line.assign(offset=line["offset"] * side, **columns)


def two_lines() -> tuple[xr.Dataset, np.ndarray]:
    """Return a land shot into two receiver lines, at 0.25 ms, with noise, and what it is without the noise.

    Layers dip along the lines, and the ground under the second line is slower by a static of 9 ms.
    """
    x = np.tile(_SPACING * np.arange(_RECEIVERS), _LINES)
    y = np.repeat([30.0, 230.0], _RECEIVERS)
    offset, times = np.hypot(x - _SHOT, y), 0.25e-3 * np.arange(1000)
    late = 60e-6 * (x - _SHOT) + np.where(y > 100, 9e-3, 0.0)
    arrivals = [(0.0, 1600.0, 0.6), (0.06, 1500.0, 1.0), (0.11, 1800.0, -0.8), (0.17, 2100.0, 0.9)]
    signal = np.zeros((len(x), len(times)))
    for zero, speed, size in arrivals:
        signal += size * _ricker(times - (np.sqrt(zero**2 + (offset / speed) ** 2) + late)[:, None])
    noise = np.random.default_rng(5).normal(0, 0.25, signal.shape)
    ends = {"source_coord_x": np.full(len(x), _SHOT), "source_coord_y": np.zeros(len(x))}
    shot = make_survey(
        signal + noise,
        dt_ms=0.25,
        offset=offset,
        gather=np.full(len(x), 3234),
        gather_key="field_record",
        trace_values={**ends, "group_coord_x": x, "group_coord_y": y},
    )
    return shot, signal.astype(np.float32)


def _ricker(seconds: np.ndarray, frequency: float = 60.0) -> np.ndarray:
    phase = (np.pi * frequency * seconds) ** 2
    return (1 - 2 * phase) * np.exp(-phase)
