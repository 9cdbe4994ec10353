"""Make the pictures and the tables of docs/judge.md: `python docs/make_judge_figures.py` from the root of the checkout.

The tables are measured on the committed files and written between the page's `<!-- begin NAME -->` and
`<!-- end NAME -->` lines. Recorded data are looked for in the folder that SEISDIFF_FIELD_DATA names, or in
../shared/field; without them the panel with ground roll is left out.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from seisdiff.judge import SPLITS, Case, Judge, open_judge
from seisdiff.plots import plot_gathers
from seisdiff.survey import gather_bounds, make_survey

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
PAGE = ROOT / "docs" / "judge.md"
FIELD = Path(os.environ.get("SEISDIFF_FIELD_DATA", ROOT.parent / "shared" / "field"))
#: Gathers and shots of the split dev that are drawn, counted from 0.
GATHERS = (4, 9, 13, 18)
SHOTS = {
    3: ("swell 0 dB", "erratic 0 dB", "random 50 %", "every second kept"),
    6: ("coloured 0 dB", "ground roll 0 dB", "every third kept", "block of 8"),
}
DEPTH_CLASSES = {"60 to 180 m": (0, 180), "180 to 900 m": (180, 900), "900 to 1200 m": (900, 1e9), "all": (0, 1e9)}
_DPI, _GREY_STEP = 70, 6


def draw_gathers(judge: Judge) -> None:
    """Draw some gathers as modelled and corrected."""
    recorded = judge.recorded("dev", "gathers")
    assert recorded.primaries is not None
    exact = next(iter(judge.cases("demultiple", "dev")))
    for at in GATHERS:
        full, primaries, offset = recorded.full[at], recorded.primaries[at], recorded.offset[at]
        raw = {"full": full, "primaries": primaries, "difference": full - primaries}
        panels = {name: _shown(samples, offset) for name, samples in raw.items()}
        for name, survey in (("full, NMO", exact.degraded), ("primaries, NMO", exact.truth)):
            panels[name] = _shown(_gather(survey, at), offset)
        water, multiple = exact.water_m[at], exact.first_multiple_ms[at]
        title = (
            f"dev gather {at + 1}: water {water:.0f} m, first water-bottom multiple at {multiple:.0f} ms, shown times t"
        )
        _save(f"judge_gather_{at + 1}", panels, title)


def draw_shots(judge: Judge) -> None:
    """Draw some shots with noise and with holes."""
    cases = list(_shot_cases(judge))
    for at, names in SHOTS.items():
        chosen = {case.name: case for case in cases if case.name in names and case.source in ("judge", "land")}
        truth = next(iter(chosen.values())).truth
        offset = judge.recorded("dev", "shots").offset[at]
        panels = {"truth": _shown(_gather(truth, at), offset, 0)}
        panels |= {name: _shown(_gather(chosen[name].degraded, at), offset, 0) for name in names if name in chosen}
        step = offset[1] - offset[0]
        title = f"dev shot {at + 1}: {len(offset)} traces, {step:.0f} m apart, water {cases[0].water_m[at]:.0f} m"
        _save(f"judge_shot_{at + 1}", panels, title, percentile=96)


def _shot_cases(judge: Judge) -> Iterator[Case]:
    for task in ("denoise", "interpolate"):
        yield from judge.cases(task, "dev", field=FIELD if FIELD.is_dir() else None)


def gather_table(judge: Judge) -> str:
    """Return the table of the input's figures by split and depth of water."""
    rows = [
        "| split | water | gathers | input SNR, dB: mean | quartiles | velocities 3 % slow | 3 % fast | noise 10 dB "
        "| primary energy below the first multiple |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for split in SPLITS:
        cases = {case.name: case for case in judge.cases("demultiple", split)}
        figures = {name: _input_snr(case) for name, case in cases.items() if name != "primaries only"}
        below = _share_below(cases["exact"])
        for name, (low, high) in DEPTH_CLASSES.items():
            inside = (cases["exact"].water_m >= low) & (cases["exact"].water_m < high)
            means = {case: values[inside].mean() for case, values in figures.items()}
            quartiles = " / ".join(f"{value:.1f}" for value in np.quantile(figures["exact"][inside], [0.25, 0.5, 0.75]))
            others = " | ".join(f"{means[case]:.1f}" for case in ("3 % slow", "3 % fast", "noise 10 dB"))
            rows.append(
                f"| {split} | {name} | {inside.sum()} | {means['exact']:.1f} | {quartiles} | {others} "
                f"| {100 * below[inside].mean():.0f} % |"
            )
    return "\n".join(rows)


def earth_table(judge: Judge) -> str:
    """Return the table of the earths by split."""
    rows = [
        "| split | | water, m | layers | reflection of the water bottom | other reflections, RMS | fastest, m/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for split in SPLITS:
        for kind in ("gathers", "shots"):
            earths = judge.recorded(split, kind).earths
            columns = [
                [earth.water_m for earth in earths],
                [len(earth.velocity) - 1 for earth in earths],
                [earth.reflection()[0] for earth in earths],
                [np.sqrt(np.mean(earth.reflection()[1:] ** 2)) for earth in earths],
                [earth.velocity.max() for earth in earths],
            ]
            ranges = [
                f"{min(values):.{digits}f} to {max(values):.{digits}f}"
                for values, digits in zip(columns, (0, 0, 2, 3, 0), strict=True)
            ]
            rows.append(f"| {split} | {kind} | {' | '.join(ranges)} |")
    return "\n".join(rows)


def _input_snr(case: Case) -> np.ndarray:
    """Return the energy of the truth over that of the input's error, dB, of each gather."""
    return np.array(
        [
            10 * np.log10(np.sum(truth**2) / np.sum((degraded - truth) ** 2))
            for truth, degraded in zip(_gathers(case.truth), _gathers(case.degraded), strict=True)
        ]
    )


def _share_below(case: Case) -> np.ndarray:
    """Return the share of the truth's energy below the zero-offset time of the first water-bottom multiple."""
    times = case.truth["time"].values
    return np.array(
        [
            np.sum(truth[:, times >= first] ** 2) / np.sum(truth**2)
            for truth, first in zip(_gathers(case.truth), case.first_multiple_ms, strict=True)
        ]
    )


def _gathers(survey: xr.Dataset) -> list[np.ndarray]:
    return np.split(survey["amplitude"].values.astype(np.float64), gather_bounds(survey)[1:-1])


def _gather(survey: xr.Dataset, at: int) -> np.ndarray:
    return _gathers(survey)[at]


def _shown(samples: np.ndarray, offset: np.ndarray, power: float = 1.0) -> xr.Dataset:
    """Return one gather, its amplitudes times a power of time."""
    times = 0.004 * np.arange(samples.shape[1])
    return make_survey(samples * times**power, dt_ms=4.0, offset=offset)


def _save(name: str, panels: Mapping[str, xr.Dataset], title: str, percentile: float = 95) -> None:
    """Draw one gather of every panel and write it in few greys, which keeps the file small."""
    figure = plot_gathers(panels, percentile=percentile)
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.95))  # type: ignore[union-attr]
    figure.suptitle(title, y=0.985, fontsize=14)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=_DPI)
    greys = [min(255, round(grey / _GREY_STEP) * _GREY_STEP) if grey < 250 else 255 for grey in range(256)]
    path = FIGURES / f"{name}.png"
    Image.open(drawn).convert("L").point(greys).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def write_table(name: str, table: str) -> None:
    """Put a table between its marks on the page."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE.name} has no marks of the table {name}")
    PAGE.write_text(pattern.sub(lambda marks: f"{marks[1]}{table}\n{marks[2]}", page), encoding="utf-8")
    print(table)


if __name__ == "__main__":
    opened = open_judge(ROOT / "benchmarks" / "judge")
    write_table("earths", earth_table(opened))
    write_table("gathers", gather_table(opened))
    draw_gathers(opened)
    draw_shots(opened)
