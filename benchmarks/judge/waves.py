"""Pressure of a line source in water over an earth, with a free surface or with images in its place, by deepwave.

The variable-density acoustic wave equation on a staggered grid, eighth order in space, second in time, perfectly
matched layers around. Node 0 of the depth axis is the sea surface. Without it, water goes on upwards and the source
and each receiver have an image of opposite sign above: that keeps both ghosts, and has no surface multiple.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import deepwave
import numpy as np
import torch

from benchmarks.judge.earths import WATER_DENSITY, WATER_VELOCITY
from benchmarks.judge.wavelets import LEAD_S, Wavelet, line_source

ACCURACY = 8
ABSORBING = 25
#: Courant number (fastest velocity times step times root of the summed squares of 1/dx and 1/dz) at which the
#: staggered scheme of eighth order is stable: 0.777 is the limit.
_COURANT = 0.77
#: Sizes of the scheme's weights, 1/2, 3/2 ... nodes away.
_STENCIL = (1225 / 1024, 245 / 3072, 49 / 5120, 5 / 7168)
_ABOVE_M, _BESIDE_M = 700.0, 200.0
_DIRECT_DEPTH_M, _DIRECT_TAIL_S = 1000.0, 0.30
_EXTRA_SAMPLES = 15
_HIGHEST_HZ = 100.0


@dataclass(frozen=True)
class Layout:
    """Nodes and the shot: steps (m) of depth and x, source and receiver depth (m), offsets (m), record."""

    dz: float
    dx: float
    source_m: float
    receiver_m: float
    offset: np.ndarray
    samples: int
    dt_s: float = 0.004

    @property
    def columns(self) -> int:
        """Number of nodes along x: the source stands _BESIDE_M from the left edge, the last trace from the right."""
        return round((self.offset.max() + 2 * _BESIDE_M) / self.dx) + 1

    @property
    def source_column(self) -> int:
        """The node of the source."""
        return round(_BESIDE_M / self.dx)

    @property
    def x(self) -> np.ndarray:
        """Distance of the nodes from the source, m."""
        return self.dx * (np.arange(self.columns) - self.source_column)

    def substeps(self, fastest: float) -> int:
        """Return into how many steps a sample is cut, that the scheme is stable."""
        limit = _COURANT / (fastest * math.hypot(1 / self.dx, 1 / self.dz))
        return math.ceil(self.dt_s / limit)


def shot_pair(
    velocity: np.ndarray, density: np.ndarray, layout: Layout, wavelet: Wavelet
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pressure (trace, time) under a free surface and without one, both without the direct wave.

    `velocity` and `density` are (depth, x) at the nodes of the layout, the first row at the sea surface.
    """
    fastest = stencil_velocity(velocity, density, layout)
    return (
        field(velocity, density, layout, wavelet, True) - direct(layout, wavelet, True, fastest),
        field(velocity, density, layout, wavelet, False) - direct(layout, wavelet, False, fastest),
    )


def direct(layout: Layout, wavelet: Wavelet, free_surface: bool, fastest: float) -> np.ndarray:
    """Return the direct wave and its ghosts (trace, time), modelled in water alone with the same steps.

    A trace ends before an echo from the grid's lower edge could reach it.
    """
    rows = round(_DIRECT_DEPTH_M / layout.dz)
    velocity = np.full((rows, layout.columns), WATER_VELOCITY)
    density = np.full((rows, layout.columns), WATER_DENSITY)
    ends = layout.offset / WATER_VELOCITY + _DIRECT_TAIL_S
    count = min(layout.samples, math.ceil(ends.max() / layout.dt_s) + 1)
    part = Layout(layout.dz, layout.dx, layout.source_m, layout.receiver_m, layout.offset, count, layout.dt_s)
    traces = field(velocity, density, part, wavelet, free_surface, fastest)
    left = ends[:, None] - layout.dt_s * np.arange(count)
    traces *= 0.5 - 0.5 * np.cos(np.pi * np.clip(left / 0.08, 0, 1))
    return np.pad(traces, ((0, 0), (0, layout.samples - count)))


def field(
    velocity: np.ndarray,
    density: np.ndarray,
    layout: Layout,
    wavelet: Wavelet,
    free_surface: bool,
    fastest: float | None = None,
) -> np.ndarray:
    """Return the pressure (trace, time), time 0 being the wavelet's own at the source."""
    fastest = fastest or stencil_velocity(velocity, density, layout)
    cut = layout.substeps(fastest)
    step = layout.dt_s / cut
    lead = round(LEAD_S / layout.dt_s)
    steps = (lead + layout.samples + _EXTRA_SAMPLES) * cut
    source = line_source(wavelet, step)[:steps]
    source = np.pad(source, (0, steps - len(source)))
    above = 0 if free_surface else round(_ABOVE_M / layout.dz)
    models = [np.pad(model, ((above, 0), (0, 0)), mode="edge") for model in (velocity, density)]
    signs = (1.0,) if free_surface else (1.0, -1.0)
    sources, receivers = _places(layout, above, signs)
    traces = _propagate(models, layout, (step, fastest), signs, (sources, receivers), source, free_surface)
    return without_step_dispersion(traces, step, layout.dt_s)[:, lead : lead + layout.samples]


def stencil_velocity(velocity: np.ndarray, density: np.ndarray, layout: Layout) -> float:
    """Return the velocity (m/s) that decides stability: a stiff node beside a light one counts as faster than it is.

    The norm of the difference scheme is bounded shift by shift of the stencil, with the edges continued or joined
    to the opposite ones, as deepwave demands it.
    """
    bounds = [
        max(_stencil_bound(velocity, density, axis, mode) for mode in ("edge", "wrap")) / step
        for axis, step in ((0, layout.dz), (1, layout.dx))
    ]
    norm = math.hypot(*bounds) / math.hypot(1 / layout.dz, 1 / layout.dx)
    return 1.001 * max(float(velocity.max()), _COURANT * norm)


def _stencil_bound(velocity: np.ndarray, density: np.ndarray, axis: int, mode: Literal["edge", "wrap"]) -> float:
    bulk = np.moveaxis(density * velocity**2, axis, 0)
    wide = np.pad(np.moveaxis(density, axis, 0), ((4, 4), (0, 0)), mode=mode)
    between = 0.5 * (wide[:-1] + wide[1:])
    peaks = [np.sqrt((bulk / between[4 + at : 4 + at + len(bulk)]).max()) for at in range(-4, 4)]
    return float(np.dot(peaks, [*_STENCIL[::-1], *_STENCIL])) / 2


def without_step_dispersion(traces: np.ndarray, step: float, dt_s: float) -> np.ndarray:
    """Return traces (trace, time) of steps of `step` s as samples of `dt_s`, up to 100 Hz, at their true frequencies.

    What oscillates at f comes out of leapfrog steps at arcsin(pi f step) / (pi step) (Koene et al., 2018, Geophysical
    Journal International 213, 1); the spectrum is read there.
    """
    count = 2 * math.ceil(traces.shape[1] * step / dt_s)
    frequency = np.arange(int(_HIGHEST_HZ * count * dt_s) + 1) / (count * dt_s)
    moved = np.arcsin(np.pi * frequency * step) / (np.pi * step)
    kernel = np.exp(-2j * np.pi * step * np.outer(np.arange(traces.shape[1]), moved))
    return np.fft.irfft(traces @ kernel * (step / dt_s), count)[:, : count // 2]


def _places(layout: Layout, above: int, signs: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nodes (point, 2) of source and images, and of receivers and images, sign by sign."""
    down = round(layout.source_m / layout.dz), round(layout.receiver_m / layout.dz)
    columns = layout.source_column + np.round(layout.offset / layout.dx).astype(int)
    sources = [(above + int(sign) * down[0], layout.source_column) for sign in signs]
    receivers = [(above + int(sign) * down[1], column) for sign in signs for column in columns]
    return torch.tensor(sources), torch.tensor(receivers)


def _propagate(
    models: list[np.ndarray],
    layout: Layout,
    stepping: tuple[float, float],
    signs: tuple[float, ...],
    places: tuple[torch.Tensor, torch.Tensor],
    source: np.ndarray,
    free_surface: bool,
) -> np.ndarray:
    """Run deepwave; returns the pressure (trace, step of time), images added with their sign."""
    velocity, density = (torch.from_numpy(model).float() for model in models)
    amplitudes = torch.tensor(signs)[:, None] * torch.from_numpy(source).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = deepwave.acoustic(
            velocity,
            density,
            [layout.dz, layout.dx],
            stepping[0],
            source_amplitudes_volume_rate=amplitudes[None],
            source_locations_volume_rate=places[0][None],
            receiver_locations_p=places[1][None],
            max_vel=stepping[1],
            courant_number=_COURANT,
            accuracy=ACCURACY,
            pml_width=[0 if free_surface else ABSORBING, ABSORBING, ABSORBING, ABSORBING],
            boundary=["free" if free_surface else "pml", "pml", "pml", "pml"],
            pml_freq=25.0,
        )
    recorded = out.receiver_amplitudes_p[0].double().numpy().reshape(len(signs), len(layout.offset), -1)
    return np.tensordot(np.array(signs), recorded, axes=1)
