"""A small marine line over a layered earth: primaries and free-surface multiples, known apart.

The earth is layered under each midpoint and changes gently along the line. Travel times are those of the layered
medium (every ray bends at every velocity interface); dip moveout, converted waves and internal multiples are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.survey import make_survey

NEAR_OFFSET, OFFSET_STEP, CDP_STEP = 150.0, 50.0, 25.0
WATER_VELOCITY = 1500.0
_RAYS = 40


class MarineLine(NamedTuple):
    """Surveys of one line: `full` is primaries plus multiples (plus noise); `velocity` is (gather, time) in m/s."""

    full: xr.Dataset
    primaries: xr.Dataset
    multiples: xr.Dataset
    velocity: xr.DataArray


class Earth(NamedTuple):
    """A layered earth under each gather; depths in m, velocities in m/s, coefficients without unit.

    `tops` (gather, layer) are the tops of the velocity layers, the first the sea surface; `velocity` is (layer).
    `depth` (gather, reflector) grows, the first the sea floor; `coefficient` and `avo` are (reflector): the vertical
    reflection coefficient and its relative change with the squared sine of the angle of incidence.
    """

    tops: np.ndarray
    velocity: np.ndarray
    depth: np.ndarray
    coefficient: np.ndarray
    avo: np.ndarray


class Events(NamedTuple):
    """Reflections: `time` (s) and `amplitude` are (gather, event, offset)."""

    time: np.ndarray
    amplitude: np.ndarray


def marine_line(
    n_gathers: int = 40,
    n_traces: int = 60,
    n_samples: int = 1000,
    dt_ms: float = 4.0,
    *,
    seed: int = 0,
    water_ms: float = 600.0,
    nmo: bool = True,
    noise_db: float | None = None,
    gain_power: float = 1.0,
    stretch_mute: float = 0.6,
) -> MarineLine:
    """Return CMP gathers of a marine line with its primaries and its free-surface multiples.

    Offsets run from 150 m in steps of 50 m and are the same in every gather; CMPs are 25 m apart. `water_ms` is the
    two-way time of the sea floor at the start of the line. With `nmo`, gathers are corrected with the RMS velocity of
    the primaries, so that multiples curve down, and samples stretched by more than `stretch_mute` are muted: zero, the
    zone written in `mute_end` (ms). `noise_db` adds random noise in the signal's band to `full`, that many dB below it.
    Amplitudes fall with spherical divergence and are multiplied by (time in s)**`gain_power`. The multiples are those
    of the sea floor to third order, peg-legs with up to three bounces in the water layer, and once reflected pairs
    of strong reflectors; the free surface reflects with -1. Raises OptionError on sizes or times that make no line.
    """
    _check(n_gathers, n_traces, n_samples, dt_ms, water_ms)
    rng = np.random.default_rng(seed)
    offset = NEAR_OFFSET + OFFSET_STEP * np.arange(n_traces)
    times = dt_ms * 1e-3 * np.arange(n_samples)
    earth = layered_earth(CDP_STEP * np.arange(n_gathers), times[-1], water_ms * 1e-3, rng)
    rays = trace_rays(earth, offset[-1])
    velocity = rms_velocity(earth, times)
    parts = [
        record(events, offset, velocity, times, gain_power, nmo)
        for events in (primary_events(earth, rays, offset), multiple_events(earth, rays, offset, times[-1]))
    ]
    mute, mute_end = stretch_zone(offset, velocity, times, stretch_mute if nmo else np.inf)
    primaries, multiples = (part * mute for part in parts)
    full = primaries + multiples
    if noise_db is not None:
        full = full + band_noise(full, noise_db, dt_ms * 1e-3, rng) * mute
    columns = geometry(n_gathers, offset) | ({"mute_start": 0 * mute_end, "mute_end": mute_end * 1e3} if nmo else {})
    return MarineLine(
        full=_survey(full, columns, dt_ms),
        primaries=_survey(primaries, columns, dt_ms),
        multiples=_survey(multiples, columns, dt_ms),
        velocity=_velocity_array(velocity, columns, times),
    )


def layered_earth(x: np.ndarray, t_max: float, water_s: float, rng: np.random.Generator) -> Earth:
    """Return an earth whose reflectors reach below `t_max` (s), with structure along the line positions `x` (m)."""
    below = np.concatenate([[0.0], np.cumsum(rng.uniform(25.0, 130.0, 400))])
    below = below[below < max(0.6 * t_max * 3600.0, 300.0)]
    layers = np.concatenate([[0.0], np.cumsum(rng.uniform(200.0, 500.0, 60))])
    layers = layers[layers < below[-1]]
    sea_floor = water_s * WATER_VELOCITY / 2 * (1 + 0.05 * np.sin(x / 900.0)) + 0.02 * x
    sediment = (1620.0 + 0.62 * layers) * rng.uniform(0.96, 1.05, len(layers))
    tops = np.concatenate([np.zeros((len(x), 1)), _warp(layers, x, sea_floor)], axis=1)
    coefficient = rng.choice([-1.0, 1.0], len(below)) * 0.025 * np.exp(0.8 * rng.standard_normal(len(below)))
    coefficient[0] = 0.32
    return Earth(
        tops,
        np.concatenate([[WATER_VELOCITY], sediment]),
        _warp(below, x, sea_floor),
        np.clip(coefficient, -0.18, 0.32),
        rng.uniform(-1.2, 0.4, len(below)),
    )


def trace_rays(earth: Earth, far_offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ray parameter (s/m), offset (m) and time (s), each (gather, reflector, ray), of the primaries.

    Rays fan out evenly in the tangent of the angle in the fastest layer above the reflector, the last one reaching
    `far_offset`: x = sum 2 h tan(theta), t = sum 2 h / (v cos(theta)), sin(theta) = p v.
    """
    reflectors = np.arange(earth.depth.shape[1])
    thick = _thickness(earth, reflectors)
    fastest = np.where(thick > 0, earth.velocity, 0.0).max(-1)
    reach = far_offset / (2 * np.where(earth.velocity == fastest[..., None], thick, 0.0).sum(-1))
    tangent = reach[..., None] * np.linspace(0.0, 1.0, _RAYS) ** 2
    p = tangent / np.sqrt(1 + tangent**2) / fastest[..., None]
    return p, *_down_and_up(earth, reflectors, p)


def primary_events(earth: Earth, rays: tuple[np.ndarray, ...], offset: np.ndarray) -> Events:
    """Return the primaries of all reflectors at `offset` (m)."""
    every = np.arange(earth.depth.shape[1])
    return _events(earth, rays, offset, every, np.ones(len(every)), np.zeros(len(every)), None)


def multiple_events(earth: Earth, rays: tuple[np.ndarray, ...], offset: np.ndarray, t_max: float) -> Events:
    """Return sea-floor multiples, peg-legs and surface multiples of pairs of strong reflectors up to `t_max` (s).

    A path that leaves the reflector j once and the sea floor m times, in any of its m + 1 orders (one order where j is
    the sea floor itself), has the amplitude (-1)^m (m + 1) r_floor^m times the primary's, and its time at each ray
    parameter is the primary's plus m times that of the water layer (Backus, 1959).
    """
    floor = earth.coefficient[0]
    vertical = rays[2][:, :, 0].min(axis=0)
    deepest, bounces = (index.ravel() for index in np.meshgrid(np.arange(len(vertical)), [1, 2, 3], indexing="ij"))
    weight = (-floor) ** bounces * np.where(deepest == 0, 1, bounces + 1)
    keep = (vertical[deepest] + bounces * vertical[0] < t_max) & (np.abs(weight * earth.coefficient[deepest]) > 5e-4)
    legs = _events(earth, rays, offset, deepest[keep], weight[keep], bounces[keep].astype(float), None)
    strong = np.sort(np.argsort(-np.abs(earth.coefficient[1:]))[:8] + 1)
    upper, lower = (index.ravel() for index in np.meshgrid(strong, strong, indexing="ij"))
    keep = (upper <= lower) & (vertical[upper] + vertical[lower] < t_max)
    upper, lower = upper[keep], lower[keep]
    weight = -earth.coefficient[upper] * np.where(upper == lower, 1, 2)
    pairs = _events(earth, rays, offset, lower, weight, np.zeros(len(lower)), upper)
    return Events(*(np.concatenate(both, axis=1) for both in zip(legs, pairs, strict=True)))


def rms_velocity(earth: Earth, times: np.ndarray) -> np.ndarray:
    """Return the RMS velocity (gather, time) in m/s down to each vertical time (s) (Dix, 1955)."""
    result = np.empty((len(earth.tops), len(times)))
    for row, tops in enumerate(earth.tops):
        knots = np.concatenate([[0.0], np.cumsum(2 * np.diff(tops) / earth.velocity[:-1])])
        power = np.concatenate([[0.0], np.cumsum(np.diff(knots) * earth.velocity[:-1] ** 2)])
        last = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, len(knots) - 1)
        squared = power[last] + (times - knots[last]) * earth.velocity[last] ** 2
        result[row] = np.sqrt(np.divide(squared, times, out=np.full_like(times, WATER_VELOCITY**2), where=times > 0))
    return result


def record(
    events: Events, offset: np.ndarray, velocity: np.ndarray, times: np.ndarray, gain_power: float, nmo: bool
) -> np.ndarray:
    """Return the samples (gather, trace, time) of events: spikes, convolved, gained and moveout-corrected."""
    dt = float(times[1] - times[0])
    length = np.sqrt(times[-1] ** 2 + (offset[-1] / velocity.min()) ** 2) if nmo else times[-1]
    n_long = int(length / dt) + 80
    fine = _convolved(_spikes(events, n_long, dt / 4), n_long, dt)
    fine *= (np.arange(fine.shape[-1]) * dt / 2) ** gain_power
    if not nmo:
        return fine[..., : 2 * len(times) : 2].astype(np.float32)
    arrival = np.sqrt(times**2 + (offset[:, None] / velocity[:, None, :]) ** 2)
    return _interpolated(fine, arrival / (dt / 2)).astype(np.float32)


def stretch_zone(
    offset: np.ndarray, velocity: np.ndarray, times: np.ndarray, stretch: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mute (gather, trace, time), 0 to 1 with a cosine taper of 40 ms, and its end (gather, trace) in s."""
    arrival = np.sqrt(times**2 + (offset[:, None] / velocity[:, None, :]) ** 2)
    muted = arrival > (1 + stretch) * times if np.isfinite(stretch) else np.zeros(arrival.shape, bool)
    first = np.where(muted.any(-1), len(times) - np.argmax(muted[..., ::-1], axis=-1), 0)
    end = first * float(times[1] - times[0])
    ramp = np.clip((times - end[..., None]) / 0.040, 0.0, 1.0)
    taper = np.where(first[..., None] > 0, 0.5 - 0.5 * np.cos(np.pi * ramp), 1.0)
    return taper.astype(np.float32), end


def band_noise(samples: np.ndarray, noise_db: float, dt: float, rng: np.random.Generator) -> np.ndarray:
    """Return random noise in the wavelet's band, `noise_db` below the RMS of `samples`."""
    n_time = samples.shape[-1]
    spectrum = np.fft.rfft(rng.standard_normal(samples.shape, dtype=np.float32)) * wavelet_spectrum(n_time, dt)
    noise = np.fft.irfft(spectrum, n_time)
    return (noise * (np.sqrt(np.mean(samples**2) / np.mean(noise**2)) * 10 ** (-noise_db / 20))).astype(np.float32)


def wavelet_spectrum(n_time: int, dt: float) -> np.ndarray:
    """Return the real spectrum (frequency) of a zero-phase wavelet: 3 to about 70 Hz, shaped by ghosts at 6 and 8 m."""
    frequency = np.fft.rfftfreq(n_time, dt)
    top = min(85.0, 0.45 / dt)
    ghosts = np.abs(np.sin(2 * np.pi * frequency * 6 / 1500) * np.sin(2 * np.pi * frequency * 8 / 1500))
    low = 0.5 - 0.5 * np.cos(np.pi * np.clip(frequency / 8, 0, 1))
    high = 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - top / 3) / (top * 2 / 3), 0, 1))
    return low * high * np.sqrt(ghosts)


def geometry(n_gathers: int, offset: np.ndarray) -> dict[str, np.ndarray]:
    """Return header values (gather, trace) of an end-on spread: shots 25 m apart, the streamer towed behind."""
    gather, trace = np.indices((n_gathers, len(offset)))
    midpoint = 500_000.0 + CDP_STEP * gather
    source = midpoint + offset / 2
    return {
        "trace_id_code": np.ones(gather.shape, np.int64),
        "cdp": 1001 + gather,
        "trace_in_ensemble": 1 + trace,
        "field_record": 101 + np.round((source - source.min()) / CDP_STEP).astype(np.int64),
        "channel": 1 + trace,
        "offset": np.broadcast_to(offset, gather.shape),
        "source_coord_x": source,
        "source_coord_y": np.full(gather.shape, 6_500_000.0),
        "group_coord_x": midpoint - offset / 2,
        "group_coord_y": np.full(gather.shape, 6_500_000.0),
        "cdp_x": midpoint,
        "cdp_y": np.full(gather.shape, 6_500_000.0),
    }


def _check(n_gathers: int, n_traces: int, n_samples: int, dt_ms: float, water_ms: float) -> None:
    if min(n_gathers, n_traces) < 1 or n_samples < 16:
        raise OptionError("a marine line needs at least 1 gather, 1 trace a gather and 16 samples")
    if not 0 < dt_ms <= 16 or water_ms < 20:
        raise OptionError(
            f"dt_ms={dt_ms:g}, water_ms={water_ms:g}; expected dt_ms in (0, 16] and water_ms of 20 or more"
        )


def _warp(below: np.ndarray, x: np.ndarray, sea_floor: np.ndarray) -> np.ndarray:
    """Return depths (gather, interface) of interfaces `below` (m) the sea floor: a fold that grows with depth."""
    strength = below / (below + 800.0)
    fold = 70.0 * np.cos((x - 450.0) / 420.0)[:, None] + 0.035 * x[:, None]
    return sea_floor[:, None] + below + strength * (fold - 70.0) * np.minimum(below / 400.0, 1.0)


def _events(
    earth: Earth,
    rays: tuple[np.ndarray, ...],
    offset: np.ndarray,
    deepest: np.ndarray,
    weight: np.ndarray,
    bounces: np.ndarray,
    upper: np.ndarray | None,
) -> Events:
    """Return events that reflect once at `deepest`, `bounces` times at the sea floor and, where given, at `upper`."""
    p = rays[0][:, deepest]
    x, t = rays[1][:, deepest], rays[2][:, deepest]
    water = np.sqrt(1 - (p * WATER_VELOCITY) ** 2)
    floor = 2 * earth.depth[:, :1, None] * bounces[:, None]
    x, t = x + floor * p * WATER_VELOCITY / water, t + floor / (WATER_VELOCITY * water)
    if upper is not None:
        x, t = (total + leg for total, leg in zip((x, t), _down_and_up(earth, upper, p), strict=True))
    time, slowness = _at_offset(x, t, p, offset)
    local = earth.velocity[np.argmax(earth.tops[:1] > earth.depth[0, deepest, None], axis=1) - 1]
    sine = np.minimum(slowness * local[:, None], 1.0)
    loss = np.concatenate([[1.0], np.cumprod(1 - earth.coefficient[:-1] ** 2)])[deepest]
    strength = weight * loss * earth.coefficient[deepest]
    vertical = t[..., :1]
    spread = time * _moveout_velocity(x, t) / WATER_VELOCITY**2
    return Events(time, strength[:, None] * (1 + earth.avo[deepest, None] * sine**2) / np.maximum(spread, vertical / 2))


def _moveout_velocity(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the squared velocity (gather, event, 1) that the first rays of a fan show."""
    return (x[..., 3:4] ** 2) / (t[..., 3:4] ** 2 - t[..., :1] ** 2)


def _thickness(earth: Earth, reflectors: np.ndarray) -> np.ndarray:
    """Return how much of each layer (gather, reflector, layer) lies above reflectors, in m."""
    edges = np.concatenate([earth.tops, np.full((len(earth.tops), 1), np.inf)], axis=1)
    depth = earth.depth[:, reflectors, None]
    return np.clip(depth, edges[:, None, :-1], edges[:, None, 1:]) - edges[:, None, :-1]


def _down_and_up(earth: Earth, reflectors: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return offset (m) and time (s) of rays with parameters `p` (gather, reflector, ray) to reflectors and back."""
    thick = _thickness(earth, reflectors)
    x, t = np.zeros_like(p), np.zeros_like(p)
    for layer, v in enumerate(earth.velocity):
        cosine = np.sqrt(np.maximum(1 - (p * v) ** 2, 1e-12))
        height = 2 * thick[..., layer, None]
        x += height * p * v / cosine
        t += height / (v * cosine)
    return x, t


def _at_offset(x: np.ndarray, t: np.ndarray, p: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return time and ray parameter at offsets, by cubic Hermite interpolation between rays with dt/dx = p."""
    lead = x.shape[:-1]
    x, t, p = (array.reshape(-1, array.shape[-1]) for array in (x, t, p))
    index = np.array([np.searchsorted(row, offset, side="right") for row in x], np.int64).reshape(len(x), len(offset))
    index = np.clip(index - 1, 0, x.shape[1] - 2)
    (x0, t0, p0), (x1, t1, p1) = ([np.take_along_axis(a, index + k, 1) for a in (x, t, p)] for k in (0, 1))
    width = x1 - x0
    u = (offset - x0) / width
    time = (1 + 2 * u) * (1 - u) ** 2 * t0 + u**2 * (3 - 2 * u) * t1
    time += width * u * (1 - u) * ((1 - u) * p0 - u * p1)
    slope = p0 + u * (p1 - p0)
    return time.reshape(*lead, len(offset)), slope.reshape(*lead, len(offset))


def _spikes(events: Events, n_time: int, step: float) -> np.ndarray:
    """Return events as spikes (gather, trace, 4 n_time) at a quarter of the sample interval, linearly divided."""
    n_fine = 4 * n_time
    n_gathers, _, n_traces = events.time.shape
    position = events.time / step
    left = np.floor(position).astype(np.int64)
    share = position - left
    trace = np.arange(n_gathers)[:, None, None] * n_traces + np.arange(n_traces)
    inside = left < n_fine - 1
    cell = (trace * n_fine + left)[inside]
    total = n_gathers * n_traces * n_fine
    amplitude, share = events.amplitude[inside], share[inside]
    grid = np.bincount(cell, amplitude * (1 - share), total)
    grid[1:] += np.bincount(cell, amplitude * share, total)[:-1]
    return grid.reshape(n_gathers, n_traces, n_fine).astype(np.float32)


def _convolved(spikes: np.ndarray, n_time: int, dt: float) -> np.ndarray:
    """Return spikes convolved with the wavelet (gather, trace, 2 n_time), at half the sample interval."""
    spectrum = np.fft.rfft(spikes)[..., : n_time + 1]
    shape = np.zeros(n_time + 1)
    shape[:] = wavelet_spectrum(2 * n_time, dt / 2)
    return np.fft.irfft(spectrum * (8 * shape).astype(np.float32), 2 * n_time)


def _interpolated(samples: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return `samples` at fractional positions along the last axis (Catmull and Rom, 1974); zero outside."""
    index = np.floor(position).astype(np.int64)
    u = (position - index).astype(np.float32)
    inside = (index >= 1) & (index < samples.shape[-1] - 2)
    index = np.clip(index, 1, samples.shape[-1] - 3)
    a, b, c, d = (np.take_along_axis(samples, index + shift, -1) for shift in (-1, 0, 1, 2))
    value = b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))
    return np.where(inside, value, 0.0)


def _survey(samples: np.ndarray, columns: dict[str, np.ndarray], dt_ms: float) -> xr.Dataset:
    further = {name: value for name, value in columns.items() if name not in ("offset", "cdp")}
    return make_survey(samples, dt_ms=dt_ms, offset=columns["offset"], gather=columns["cdp"], trace_values=further)


def _velocity_array(velocity: np.ndarray, columns: dict[str, np.ndarray], times: np.ndarray) -> xr.DataArray:
    coords = {"gather": columns["cdp"][:, 0], "time": ("time", times * 1e3, {"units": "ms"})}
    return xr.DataArray(velocity, coords, ("gather", "time"), "velocity", {"units": "m/s"})
