"""A QC report of a restoration: read the line, choose gathers, draw, write."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.operators.nmo import looks_uncorrected, parse_velocities
from seisdiff.report import summary
from seisdiff.report.charts import Chart, curve_chart
from seisdiff.report.checks import Rules, remarks
from seisdiff.report.choice import MOST_OUTLIERS, RANKED_BY, choose_gathers
from seisdiff.report.curves import Curve
from seisdiff.report.facts import Facts, version_rows, with_history
from seisdiff.report.line import Line, Progress, Survey, measure_line
from seisdiff.report.page import check_report_path, render, write_page
from seisdiff.report.reading import PairReader, open_pair
from seisdiff.report.views import View, gather_view, line_spectra, stack_view
from seisdiff.restoration import largest_offset, read_start
from seisdiff.segy import text_header
from seisdiff.survey import vertical_dim

#: What the pictures of all gathers may take, bytes; the least important gathers are left out beyond.
PICTURE_BYTES = 11 * 2**20
#: Gathers of which curves and a stack are drawn: fewer make no line.
FEWEST_POINTS = 3
_LEVEL = ("level", "RMS level", "dB", "RMS amplitude of live traces, 20 log10")
_LEAST_LEVELS = 1.0


def write_report(
    before: xr.Dataset,
    after: xr.Dataset,
    path: str | os.PathLike,
    *,
    spread: xr.Dataset | None = None,
    facts: Facts = Facts(),
    gathers: int = 5,
    memory_gib: float = 1.0,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write an HTML report of what a restoration did to a survey, and return its path.

    `before` and `after` hold the same gathers; `spread` is the standard deviation that diffusion gives. `gathers` are
    shown evenly along the line, besides the best, median and worst and those that stand out. They are read a few at a
    time, within `memory_gib`. `progress` is called with gathers done and gathers in all. Raises SurveyError where the
    surveys do not belong together, OptionError and OutputError where the report cannot be written.
    """
    if gathers < 0:
        raise OptionError(f"gathers={gathers}; expected 0 or more")
    target = check_report_path(path, overwrite)
    before, after, spread = (_with_useful_offsets(survey) for survey in (before, after, spread))
    facts = with_history(facts, after)
    reader = open_pair(before, after, spread, read_start(facts.start, before))
    survey = _looked_at(reader, facts)
    line = measure_line(reader, survey, memory_gib, progress)
    labels = summary.gather_labels(before)
    chosen = _chosen(line, survey, gathers)
    views = _views(chosen, reader, survey, labels)
    content = _content(facts, reader, survey, line, labels, views)
    drawn = _drawn(reader, survey, line, views)
    write_page(render(content | {"left_out": len(chosen) - len(views)}, drawn), target)
    return target


def _with_useful_offsets(survey: xr.Dataset | None) -> Any:
    """Leave out offsets that are all zero, so that trace numbers stand in for them."""
    if survey is not None and "offset" in survey and not survey["offset"].values.any():
        return survey.drop_vars("offset")
    return survey


def _looked_at(reader: PairReader, facts: Facts) -> Survey:
    velocities = parse_velocities(facts.nmo) if facts.nmo else None
    rules = Rules(
        filling=facts.task == "interpolate" or (facts.task is None and reader.rows is not None),
        start=facts.start is not None,
        sample_format=reader.surveys[1].attrs["sample_format"],
    )
    flat = velocities is not None or facts.task == "demultiple" or _looks_flat(reader)
    return Survey(rules, velocities, flat)


def _looks_flat(reader: PairReader) -> bool:
    """Tell whether gathers are of common midpoints and look NMO-corrected, by the one in the middle."""
    before = reader.surveys[0]
    if "cdp" not in before.attrs.get("gather_keys", []) or vertical_dim(before) == "depth":
        return False
    pair = reader.read(slice(reader.count // 2, reader.count // 2 + 1))[0]
    data, offset, live = (torch.from_numpy(part.copy())[None] for part in (pair.before, pair.offset, pair.live_before))
    return bool(pair.live_before.sum() > 5) and not looks_uncorrected(data, offset, live, torch.from_numpy(reader.axis))


def _chosen(line: Line, survey: Survey, evenly: int) -> dict[int, list[str]]:
    measure = RANKED_BY[survey.rules.filling]
    return choose_gathers(line.figures[measure.name], measure.low_is_good, line.furthest, evenly, MOST_OUTLIERS)


def _views(
    chosen: Mapping[int, Sequence[str]], reader: PairReader, survey: Survey, labels: Sequence[str]
) -> list[View]:
    """Draw the chosen gathers, the most important first, as long as there is room for them."""
    ref_offset, views, taken = largest_offset(reader.surveys[0]), [], 0
    for position, reasons in chosen.items():
        pair = reader.read(slice(position, position + 1))[0]
        view = gather_view(pair, reader, survey, labels[position], reasons, ref_offset)
        taken += sum(len(panel["png"]) for part in (view, view["fk"]) for panel in part["panels"])
        if views and taken > PICTURE_BYTES:
            break
        views.append(view)
    return sorted(views, key=lambda view: view["position"])


def _content(
    facts: Facts, reader: PairReader, survey: Survey, line: Line, labels: Sequence[str], views: Sequence[View]
) -> dict[str, Any]:
    unit = "m" if vertical_dim(reader.surveys[0]) == "depth" else "ms"
    found = remarks(line.counts, survey.rules, float(reader.axis[0]), reader.step, unit)
    return {
        "title": f"QC report: {facts.task or 'comparison'}",
        "facts": facts,
        "made": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "survey_rows": summary.survey_rows(reader, unit),
        "figure_rows": summary.figure_rows(line, survey),
        "version_rows": version_rows(),
        "remarks": [*found, *summary.line_remarks(line, facts, labels)],
        "charts": _charts(line, labels, [view["position"] for view in views]),
        "is_line": reader.count >= FEWEST_POINTS,
        "filling": survey.rules.filling,
        "flat": survey.flat,
        "measure": RANKED_BY[survey.rules.filling].words,
        "outliers": int((line.furthest > 0).sum()),
        "text": text_header(reader.surveys[1]).rstrip(),
        "third": "filled" if survey.rules.filling else "removed",
        "has_spread": len(reader.surveys) > 2,
        "ref_offset": largest_offset(reader.surveys[0]),
    }


def _charts(line: Line, labels: Sequence[str], shown: Sequence[int]) -> list[Chart]:
    levels = {"input": line.figures["input_db"], "output": line.figures["output_db"]}
    charts = [
        _chart(curve, line, labels, shown) for curve in line.curves if np.isfinite(line.figures[curve.name]).any()
    ]
    return [*charts, curve_chart(_LEVEL, levels, labels, least=_LEAST_LEVELS)]


def _chart(curve: Curve, line: Line, labels: Sequence[str], shown: Sequence[int]) -> Chart:
    words = (curve.name, curve.title, curve.unit, curve.meaning)
    return curve_chart(
        words, {curve.title: line.figures[curve.name]}, labels, line.outlying[curve.name], shown, curve.least
    )


def _drawn(reader: PairReader, survey: Survey, line: Line, views: Sequence[View]) -> dict[str, Any]:
    """Return what the script draws; `figures` are those of the gathers that are shown."""
    before = reader.surveys[0]
    depth, offsets = vertical_dim(before) == "depth", "offset" in before
    return {
        "views": [
            {**view, "figures": summary.gather_words(line, view["position"])} for view in views
        ],
        "stack": {**stack_view(line, reader, survey), "strip_name": summary.key_name(before)},
        "spectra": line_spectra(line),
        "vertical": "Depth (m)" if depth else "Time (ms)",
        "unit": "m" if depth else "ms",
        "frequency": "Wavenumber (1/km)" if depth else "Frequency (Hz)",
        "across": "offset (m)" if offsets else "trace",
        "count": reader.count,
    }  # fmt: skip
