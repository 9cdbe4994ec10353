"""Random layered earths, and two-dimensional ones made of them by dips, folds, faults and diffractors.

A `Layers` is water over layers over a half-space: thickness (m), velocity (m/s), density (kg/m3). Interfaces lie half
way between grid nodes, where a grid of nodes that holds a step in its properties has them; node 0 is the sea surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WATER_VELOCITY, WATER_DENSITY = 1490.0, 1025.0
SLOWEST, FASTEST = 1500.0, 4500.0
RECORD_S = 4.0
FEWEST, MOST = 15, 60


@dataclass(frozen=True)
class Layers:
    """Water first; the last layer is a half-space, whose thickness is that of the grid that is left."""

    thickness: np.ndarray
    velocity: np.ndarray
    density: np.ndarray
    kind: str

    @property
    def water_m(self) -> float:
        """Depth of the water, m."""
        return float(self.thickness[0])

    def nodes(self, count: int, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Return velocity and density at the depths 0, step, ... of a grid."""
        return self.at(step * np.arange(count))

    def at(self, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return velocity and density at depths (m) of any shape."""
        layer = np.searchsorted(np.cumsum(self.thickness)[:-1], depth, side="right")
        return self.velocity[layer], self.density[layer]


def layered_earth(rng: np.random.Generator, water_m: float, step: float, record_s: float = RECORD_S) -> Layers:
    """Return a random earth, deep enough that no wave from below it returns in the record at zero offset.

    Velocities rise with depth and scatter about their trend; some earths have an inversion, gas, or one strong fast
    layer (salt, carbonate or basalt by its density). Densities scatter about Gardner's curve, not along it;
    soft bottoms are lighter than the curve.
    """
    while True:
        layers = _draw_layers(rng, water_m, step, record_s)
        if FEWEST <= len(layers.velocity) - 1 <= MOST:
            return layers


def _draw_layers(rng: np.random.Generator, water_m: float, step: float, record_s: float) -> Layers:
    top, gradient = _bottom_and_gradient(rng)
    wanted = rng.integers(FEWEST, MOST + 1)
    mean = (record_s / 2 - water_m / WATER_VELOCITY) * (top + 600) / wanted
    draws = 4 * MOST
    thickness = step * np.maximum(2, np.round(mean * rng.lognormal(-0.25, 0.7, draws) / step))
    depth = np.cumsum(thickness) - thickness / 2
    velocity = (top + gradient * depth) * (1 + _scatter(rng, draws, rng.uniform(0.03, 0.10)))
    mud = 1 - 0.25 * (2470 - top) / 950 * np.exp(-depth / 250)
    kinds = []
    if rng.random() < 0.5:
        velocity *= _inversion(rng, depth)
        kinds.append("inversion")
    density = (
        mud * 310 * np.clip(velocity, SLOWEST, FASTEST) ** 0.25 * (1 + _scatter(rng, draws, rng.uniform(0.02, 0.05)))
    )
    for name, chance, put in (("gas", 0.35, _put_gas), ("", 0.4, _put_fast)):
        if rng.random() < chance:
            kinds.append(put(rng, thickness, velocity, density, step) or name)
    velocity = np.clip(velocity, SLOWEST, FASTEST)
    water = step * (np.round(water_m / step) - 0.5)
    return _cut(thickness, velocity, density, water, record_s, ", ".join(kinds) or "plain")


def _bottom_and_gradient(rng: np.random.Generator) -> tuple[float, float]:
    """Return the velocity below the water bottom, soft mud to hard rock, and its growth with depth (1/s)."""
    hard = rng.random() ** 1.5
    return 1520 + 950 * hard, rng.uniform(0.25, 0.65) * (1 - 0.4 * hard)


def _scatter(rng: np.random.Generator, count: int, spread: float) -> np.ndarray:
    """Return deviations that are partly alike from layer to layer."""
    steps = rng.standard_normal(count)
    slow = np.convolve(rng.standard_normal(count + 6), np.ones(7) / np.sqrt(7), mode="valid")
    return spread * (0.85 * steps + 0.5 * slow)


def _inversion(rng: np.random.Generator, depth: np.ndarray) -> np.ndarray:
    start = rng.uniform(400, 2200)
    inside = (depth > start) & (depth < start + rng.uniform(300, 1200))
    return np.where(inside, rng.uniform(0.75, 0.9), 1.0)


def _put_gas(
    rng: np.random.Generator, thickness: np.ndarray, velocity: np.ndarray, density: np.ndarray, step: float
) -> str:
    depth = np.cumsum(thickness)
    for at in np.searchsorted(depth, rng.uniform(200, 2000, rng.integers(1, 4))):
        thickness[at] = step * max(2, round(rng.uniform(10, 50) / step))
        velocity[at] *= rng.uniform(0.65, 0.85)
        density[at] *= rng.uniform(0.85, 0.93)
    return "gas"


def _put_fast(
    rng: np.random.Generator, thickness: np.ndarray, velocity: np.ndarray, density: np.ndarray, step: float
) -> str:
    at = int(np.searchsorted(np.cumsum(thickness), rng.uniform(500, 2800)))
    name, value = [("salt", 2170.0), ("carbonate", 2550.0), ("basalt", 2750.0)][rng.integers(3)]
    thickness[at] = step * round(rng.uniform(120, 600) / step)
    velocity[at], density[at] = rng.uniform(3800, FASTEST), value
    return name


def _cut(
    thickness: np.ndarray, velocity: np.ndarray, density: np.ndarray, water: float, record_s: float, kind: str
) -> Layers:
    """Put water on top and end the earth where a vertical wave would need the whole record to return."""
    two_way = 2 * water / WATER_VELOCITY + np.cumsum(2 * thickness / velocity)
    count = min(int(np.searchsorted(two_way, record_s)) + 1, len(velocity))
    return Layers(
        np.append(water, thickness[:count]),
        np.append(WATER_VELOCITY, velocity[:count]),
        np.append(WATER_DENSITY, density[:count]),
        kind,
    )


@dataclass(frozen=True)
class Structure:
    """What bends a layered earth: dips, folds and faults that grow with depth, and small bodies that diffract."""

    dip: float
    folds: tuple[tuple[float, float, float], ...]
    faults: tuple[tuple[float, float, float], ...]
    bodies: tuple[tuple[float, float, float, float], ...]


def random_structure(rng: np.random.Generator, width: float, depth: float, water_m: float) -> Structure:
    """Return a structure for a section of `width` and `depth` (m): up to 12 degrees of dip, 0 to 3 faults."""
    folds = tuple(
        (rng.uniform(10, 60), rng.uniform(700, 2800), rng.uniform(0, 2 * np.pi)) for _ in range(rng.integers(1, 4))
    )
    faults = tuple(
        (rng.uniform(0, width), rng.uniform(-0.7, 0.7), rng.uniform(-90, 90)) for _ in range(rng.integers(0, 4))
    )
    bodies = tuple(
        (
            rng.uniform(0, width),
            rng.uniform(water_m + 60, 0.7 * depth),
            rng.uniform(8, 20),
            rng.choice([0.65, 0.75, 1.35]),
        )
        for _ in range(rng.integers(6, 16))
    )
    return Structure(np.tan(np.radians(rng.uniform(-12, 12))), folds, faults, bodies)


def section(layers: Layers, structure: Structure, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return velocity and density (depth, x) of a bent earth at nodes x and z (m); the water stays water."""
    fine = z[:, None, None] + (z[1] - z[0]) * np.array([-0.375, -0.125, 0.125, 0.375])
    velocity, density = layers.at(np.maximum(fine - _shift(structure, x, fine, layers.water_m), 0.0))
    velocity, density = velocity.mean(axis=-1), density.mean(axis=-1)
    for at, deep, radius, factor in structure.bodies:
        inside = (x[None, :] - at) ** 2 + (z[:, None] - deep) ** 2 < radius**2
        velocity = np.where(inside & (velocity > SLOWEST), np.clip(velocity * factor, SLOWEST, FASTEST), velocity)
    return velocity, density


def _shift(structure: Structure, x: np.ndarray, z: np.ndarray, water_m: float) -> np.ndarray:
    """Return how far down the layers are moved at (depth, x, sub-sample): little at the water bottom, all 800 m on."""
    share = 0.15 + 0.85 * np.clip((z - water_m) / 800, 0, 1)
    across = x[:, None]
    bend = structure.dip * (across - x.mean())
    for height, length, phase in structure.folds:
        bend = bend + height * np.sin(2 * np.pi * across / length + phase)
    moved = share * bend
    for at, lean, throw in structure.faults:
        moved = moved + throw * share * (across > at + lean * z)
    return np.minimum(moved, z)
