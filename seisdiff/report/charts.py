"""Curves along the line as the coordinates of an SVG drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT = 1120, 132
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 22
#: Points of a curve beyond which it is drawn by the smallest and largest values of runs of gathers.
_MOST_POINTS = 2000


@dataclass(frozen=True)
class Mark:
    """A gather on a curve: its position, place, and words."""

    position: int
    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Chart:
    """Lines (SVG paths), ticks (place, words) and marks of one curve, in units of WIDTH by HEIGHT."""

    name: str
    title: str
    unit: str
    meaning: str
    legend: tuple[str, ...]
    paths: tuple[str, ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    outliers: tuple[Mark, ...]
    shown: tuple[Mark, ...]


def curve_chart(
    words: tuple[str, str, str, str],
    lines: dict[str, np.ndarray],
    labels: Sequence[str],
    outlying: np.ndarray | None = None,
    shown: Sequence[int] = (),
    least: float = 0.0,
) -> Chart:
    """Return the chart of `lines` (gather) by their legend; `words` are name, title, unit and meaning.

    `outlying` (gather) is not 0 for gathers to be flagged; those at the positions `shown` are marked too. The axis
    spans `least` at least, so that small differences look small.
    """
    values = np.stack(list(lines.values()))
    low, high, ticks = _scale(values[np.isfinite(values)], least)
    count = values.shape[1]

    def place(position: float, value: float) -> tuple[float, float]:
        x = LEFT + (position + 0.5) / count * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def mark(position: int) -> Mark:
        value = values[0, position]
        return Mark(position, *place(position, value), f"{labels[position]}: {value:.3g} {words[2]}".strip())

    far = np.flatnonzero(outlying) if outlying is not None else []
    return Chart(
        *words,
        legend=tuple(lines),
        paths=tuple(_path(row, place) for row in values),
        y_ticks=tuple((place(0, tick)[1], f"{tick:g}") for tick in ticks),
        x_ticks=tuple((place(at, low)[0], labels[at]) for at in _spread(count)),
        outliers=tuple(mark(int(at)) for at in far),
        shown=tuple(mark(at) for at in shown if np.isfinite(values[0, at]) and at not in far),
    )


def nice_step(span: float, wanted: int) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that divides a span into about `wanted` parts."""
    rough = span / max(wanted, 1)
    power = 10.0 ** np.floor(np.log10(rough))
    return float(min((power * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(step - rough)))


def _scale(values: np.ndarray, least: float) -> tuple[float, float, list[float]]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    least = max(least, 1e-6 * abs(high), 1e-6)
    margin = 0.08 * (high - low) + max(least - (high - low), 0.0) / 2
    low, high = low - margin, high + margin
    step = nice_step(high - low, 4)
    ticks = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return low, high, [round(float(tick), 10) + 0.0 for tick in ticks]


def _path(row: np.ndarray, place: Callable[[float, float], tuple[float, float]]) -> str:
    positions = list(range(len(row)))
    if len(row) > _MOST_POINTS:
        positions = _extremes(row, -(-2 * len(row) // _MOST_POINTS))
    words, pen = [], "M"
    for position in positions:
        if not np.isfinite(row[position]):
            pen = "M"
            continue
        words.append("{}{:g} {:g}".format(pen, *place(position, row[position])))
        pen = "L"
    return "".join(words) + ("h0.1" if len(words) == 1 else "")


def _extremes(row: np.ndarray, width: int) -> list[int]:
    """Return the positions of the smallest and largest value of each run of `width`."""
    chosen: list[int] = []
    for start in range(0, len(row), width):
        part = row[start : start + width]
        if np.isfinite(part).any():
            chosen += sorted({start + int(np.nanargmin(part)), start + int(np.nanargmax(part))})
    return chosen


def _spread(count: int, wanted: int = 9) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)).tolist()
