"""What trace headers suggest is wrong with them: units, scalars, empty words, garbage; in words, with what to do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict

from seisdiff.survey import gather_bounds, sample_interval, vertical_dim

FOOT = 0.3048
#: Trace spacings that are usual in feet and not in metres: metric ones converted, and fractions of a mile.
_FEET_STEPS = (
    41.01,
    82.02,
    123.03,
    164.04,
    246.06,
    328.08,
    55.0,
    110.0,
    165.0,
    220.0,
    330.0,
    440.0,
    660.0,
    87.5,
    175.0,
)
#: Values of a scalar word that the SEG-Y standard knows (0 is taken as 1).
_SCALARS = [0] + [sign * 10**power for power in range(5) for sign in (1, -1)]
_COORDINATES = ("source_coord_x", "source_coord_y", "group_coord_x", "group_coord_y", "cdp_x", "cdp_y")
_NUMBERS = ("cdp", "inline", "crossline", "field_record", "channel", "trace_in_ensemble")
#: Words that may form gathers where cdp and field_record do not, and what is done with those.
_SPARE_KEYS = {
    "cdp_x": "demultiple", "cdp_y": "demultiple", "inline": "demultiple", "crossline": "demultiple",
    "shot_point": "denoise", "source_coord_x": "denoise", "source_coord_y": "denoise",
}  # fmt: skip
#: Traces that make a run, a side or a line.
_FEWEST = 4
_SU_WORDS = ("cdp_x", "cdp_y", "inline", "crossline")


class Finding(BaseModel):
    """Something about a survey that deserves a look: what it is and what to type or check.

    `options` are those of the command that is to be typed next, and `task` the task that it then is, where known.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    advice: str
    options: str = ""
    task: str = ""


def check_headers(survey: xr.Dataset, scalars: dict[str, list[int]] | None = None) -> list[Finding]:
    """Return what looks wrong with the headers of a survey; reads per-trace variables, no samples.

    `scalars` maps "coordinate_scalar" and "elevation_scalar" to the distinct recorded words.
    """
    odd = _odd_scalars(scalars or {})
    checks = [
        feet_suspicion(survey),
        *odd,
        _offset_against_coordinates(survey, scalars or {}),
        _no_offset(survey),
        _no_sides(survey),
        _other_key(survey) or _no_key(survey),
        _several_lines(survey),
        _single_traces(survey),
        _odd_interval(survey),
        *_garbage(survey, () if odd else _COORDINATES),
    ]
    return [finding for finding in checks if finding]


def feet_suspicion(survey: xr.Dataset) -> Finding | None:
    """Return a finding where offsets that are taken as metres look like feet, else None.

    Two signs: the trace spacing is one that is usual in feet but not in metres (82.02 = 25 m, 110, 165, 175, 220 ...),
    or the farthest offset exceeds 12 km at a spacing that is no multiple of 6.25 or 10 m. Files whose headers (or
    user) said feet are in metres by now and raise no suspicion.
    """
    if survey.attrs.get("length_unit") == "ft" or "offset" not in survey or vertical_dim(survey) == "depth":
        return None
    step, far = trace_spacing(survey), float(np.abs(survey["offset"].values).max(initial=0.0))
    if step is None:
        return None
    usual = min(abs(step - feet) for feet in _FEET_STEPS) < 0.3
    metric = min(abs(step / unit - round(step / unit)) for unit in (6.25, 10.0)) < 0.01
    if not usual and (far < 12_000 or metric):
        return None
    signs = [f"they advance by {step:.4g}, {'usual in feet' if usual else 'unusual in metres'} ({step * FOOT:.4g} m)"]
    signs += [f"the farthest is {far:.0f}, as metres {far / 1000:.1f} km"] if far > 10_000 else []
    return Finding(
        what=f"offsets look like feet: {'; '.join(signs)}", advice="add --units ft if they are", options="--units ft"
    )


def trace_spacing(survey: xr.Dataset) -> float | None:
    """Return the usual step between neighbouring offsets of a gather, in their unit; None where there is none."""
    bounds, offset = gather_bounds(survey)[:51], survey["offset"].values
    steps = []
    for low, high in pairwise(bounds):
        step = np.diff(np.unique(offset[low:high]))
        if len(step) > 4:
            near = step[np.abs(step - np.sort(step)[len(step) // 2]) <= 1.01]
            steps.append(float(near.mean()))
    return float(np.median(steps)) if steps else None


def _odd_scalars(scalars: dict[str, list[int]]) -> list[Finding]:
    findings = []
    for name, words in scalars.items():
        odd = [word for word in words if word not in _SCALARS]
        if odd:
            findings.append(
                Finding(
                    what=f"{name} is {odd[0]}; expected 0, 1, 10, 100, 1000, 10000 or a negative of these",
                    advice="it was applied as it stands: the values that it scales are in doubt, offsets are not",
                )
            )
    return findings


def _distance(survey: xr.Dataset) -> np.ndarray | None:
    if any(name not in survey for name in ("source_coord_x", "group_coord_x")):
        return None
    ends = {name: survey[name].values if name in survey else 0.0 for name in _COORDINATES[:4]}
    x = ends["source_coord_x"] - ends["group_coord_x"]
    return np.hypot(x, ends["source_coord_y"] - ends["group_coord_y"])


def _offset_against_coordinates(survey: xr.Dataset, scalars: dict[str, list[int]]) -> Finding | None:
    distance = _distance(survey)
    if distance is None or "offset" not in survey:
        return None
    offset = np.abs(survey["offset"].values)
    known = (distance > 0) & (offset > 0)
    if known.sum() < 3:
        return None
    ratio = float(np.median(offset[known] / distance[known]))
    if 0.9 < ratio < 1.1:
        return None
    return Finding(
        what=f"offsets are {ratio:.4g} times the distances between source and group coordinates"
        + _ratio_reason(ratio, scalars.get("coordinate_scalar", [])),
        advice="moveout depends on offsets only: check those; coordinates are kept as recorded",
    )


def _ratio_reason(ratio: float, scalars: list[int]) -> str:
    factors = [abs(word) if word < 0 else 1 / word for word in scalars if word not in (0, 1, -1)]
    if any(abs(ratio / factor - 1) < 0.02 for factor in factors):
        return ": they agree if the coordinate scalar is not applied"
    for words, factor in ((": one of the two is in feet", FOOT), (": one of the two is in feet", 1 / FOOT)):
        if abs(ratio / factor - 1) < 0.02:
            return words
    power = np.log10(ratio)
    return ": a scalar was not applied, or is wrong" if abs(power - round(power)) < 0.01 else ""


def _no_offset(survey: xr.Dataset) -> Finding | None:
    if "offset" in survey and survey["offset"].values.any():
        return None
    if survey["fold"].values.max(initial=1) == 1:
        return None
    distance, what = _distance(survey), "offset is zero or missing in every trace"
    if distance is None or not distance.any():
        return Finding(
            what=f"{what}, and so are coordinates; trace numbers take its place",
            advice="which will do where traces are evenly spaced; else name its header word with "
            "--key offset=BYTE[:type]",
        )
    implied = f"coordinates imply {distance.min():.0f} to {distance.max():.0f} m"
    if distance.max() > _reach(survey):
        return Finding(
            what=f"{what}; {implied}, farther than any wave gets within the record (is their scalar wrong?); "
            "trace numbers take its place",
            advice="which will do where traces are evenly spaced; else name its header word with "
            "--key offset=BYTE[:type]",
        )
    return Finding(
        what=f"{what}; {implied}",
        advice="take those with --key offset=coordinates, or name a header word with --key offset=BYTE[:type]; "
        "else trace numbers take its place",
        options="--key offset=coordinates",
    )


def _reach(survey: xr.Dataset) -> float:
    """Return the longest offset (m) that can be: that of a wave of 8000 m/s, 50 km where the axis is depth."""
    axis = survey[vertical_dim(survey)].values
    return 50_000.0 if vertical_dim(survey) == "depth" or not len(axis) else min(50_000.0, 8.0 * float(axis[-1]))


def _no_sides(survey: xr.Dataset) -> Finding | None:
    """Say so where no offset is negative and groups lie on both sides of their source, as coordinates tell."""
    distance = _distance(survey)
    if "offset" not in survey or distance is None or not distance.any() or distance.max() > _reach(survey):
        return None
    offset, ahead = survey["offset"].values, _ahead(survey)
    if offset.min() < 0 or not np.median(np.abs(offset - distance)) < 0.1 * np.median(distance):
        return None
    starts = gather_bounds(survey)[:-1]
    sides = [np.add.reduceat(side.astype(np.int64), starts) for side in (ahead > 0, ahead < 0)]
    if np.median(np.minimum(*sides)) < _FEWEST:
        return None
    return Finding(
        what="no offset is negative, and receivers lie on both sides of the source",
        advice="tell the sides apart with --key offset=coordinates",
        options="--key offset=coordinates",
    )


def _ahead(survey: xr.Dataset) -> np.ndarray:
    """Return how far groups lie beyond their sources along the axis, x or y, along which groups are spread."""
    spans = {
        axis: np.ptp(survey[f"group_coord_{axis}"].values) for axis in ("x", "y") if f"group_coord_{axis}" in survey
    }
    axis = max(spans, key=lambda axis: spans[axis])
    source = survey[f"source_coord_{axis}"].values if f"source_coord_{axis}" in survey else 0.0
    return survey[f"group_coord_{axis}"].values - source


def _other_key(survey: xr.Dataset) -> Finding | None:
    """Return a word whose equal values lie together in the file, where those of the gather key do not."""
    keys, place = survey.attrs.get("gather_keys", []), survey["source_trace"].values
    if keys not in (["field_record"], ["all"]) or (keys == ["field_record"] and np.all(np.diff(place) > 0)):
        return None
    if keys == ["all"] and has_bins(survey):
        return None
    order = np.argsort(place)
    for name, task in _SPARE_KEYS.items():
        if name in survey and _forms_runs(survey[name].values[order]):
            apart = "traces of a field_record are apart" if keys == ["field_record"] else "no other key was found"
            return Finding(
                what=f"cdp forms no gathers and {apart}; those with the same {name} lie together in the file",
                advice=f"form gathers by it: --gather {name}",
                options=f"--gather {name}",
                task=task,
            )
    return None


def _forms_runs(values: np.ndarray) -> bool:
    """Tell whether equal values lie together, in two or more runs of several traces."""
    starts = np.flatnonzero(np.diff(values)) + 1
    return 0 < len(starts) < len(values) / _FEWEST and len(np.unique(values)) == len(starts) + 1


def _several_lines(survey: xr.Dataset) -> Finding | None:
    """Say so where shots hold several receiver lines one after the other, which a word tells apart."""
    if survey.attrs.get("gather_keys", []) != ["field_record"]:
        return None
    spans = [slice(int(low), int(high)) for low, high in pairwise(gather_bounds(survey)[:51])]
    for name in ("group_coord_y", "group_coord_x", "inline", "crossline"):
        values = survey[name].values if name in survey else None
        if values is not None and all(_forms_runs(values[span]) for span in spans):
            lines = len(np.unique(values[spans[0]]))
            return Finding(
                what=f"a shot holds {lines} receiver lines ({name} has {lines} values, one after the other)",
                advice=f"take every line as a gather of its own: --gather field_record,{name}",
                options=f"--gather field_record,{name}",
                task="denoise",
            )
    return None


def has_bins(survey: xr.Dataset) -> bool:
    """Tell whether inline and crossline numbers both vary, so that they can form the gathers of a 3-D survey."""
    return all(name in survey and np.ptp(survey[name].values) > 0 for name in ("inline", "crossline"))


def _no_key(survey: xr.Dataset) -> Finding | None:
    """Say so where the whole file is one gather for want of a key, or gathers are shots for want of cdp."""
    keys = survey.attrs.get("gather_keys", [])
    if keys == ["all"] and survey.sizes["trace"] > 1:
        found = (
            "--gather inline,crossline" if has_bins(survey) else "--gather KEY, or --key cdp=BYTE[:type] --gather cdp"
        )
        return Finding(
            what="no header word was found that forms gathers: the whole file is taken as one",
            advice=f"if it holds several, add {found}",
            options="--gather inline,crossline" if has_bins(survey) else "",
        )
    if keys != ["field_record"] or ("cdp" in survey and survey["cdp"].values.any()):
        return None
    return Finding(
        what="cdp is zero or missing in every trace; gathers are formed by field_record",
        advice="for CMP gathers, name the header word with --key cdp=BYTE[:type] --gather cdp",
    )


def _single_traces(survey: xr.Dataset) -> Finding | None:
    fold = survey["fold"].values
    if len(fold) < 2 or np.median(fold) > 1:
        return None
    return Finding(
        what=f"most gathers ({', '.join(survey.attrs.get('gather_keys', []))}) hold one trace",
        advice="a stack has no gathers; for prestack data choose another key, such as --gather field_record",
    )


def _odd_interval(survey: xr.Dataset) -> Finding | None:
    step = sample_interval(survey)
    unit, most = ("m", 100.0) if vertical_dim(survey) == "depth" else ("ms", 16.0)
    if 0.05 <= step <= most or survey.sizes[vertical_dim(survey)] < 2:
        return None
    return Finding(what=f"the sample interval is {step:g} {unit}", advice="give the right one with --dt-ms MS")


def _garbage(survey: xr.Dataset, coordinates: tuple[str, ...]) -> list[Finding]:
    findings = []
    for names, most in ((coordinates, 1e8), (_NUMBERS, 1e8), (("offset",), 1e6)):
        for name in names:
            values = survey[name].values if name in survey else np.zeros(1)
            extreme = float(values[np.argmax(np.abs(values))]) if len(values) else 0.0
            if abs(extreme) > most:
                su = survey.attrs.get("container") == "su" and name in _SU_WORDS
                reason = (
                    "Seismic Unix keeps d1, f1, d2, f2 at bytes 181 to 196" if su else "these bytes hold something else"
                )
                findings.append(
                    Finding(
                        what=f"{name} holds {extreme:.0f}, which it cannot mean; {reason}",
                        advice=f"do not gather by it, or name its place with --key {name}=BYTE[:type]",
                    )
                )
    return findings
