"""The whole field of plane layers: every wave that they send back, not only those that a list of events names.

Plane layers answer each plane wave by one number, which a recursion from the lowest border upwards gives exactly
(Kennett, 1979): interbed multiples of all orders, head waves and waves caught between borders are in it, and those of
the free surface once its reflection closes the recursion. Plane waves of evenly spaced wavenumbers make the traces of
a line source that is repeated at a distance (Bouchon and Aki, 1977), far enough for its repetitions to come too late.
Frequencies have a small negative imaginary part, so that what comes after the end of a record does not come round to
its beginning (Phinney, 1965).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import torch

from seisdiff.synthetic.earth import WATER_VELOCITY, Earth
from seisdiff.synthetic.reflection import Border, borders, elastic_part
from seisdiff.synthetic.traces import FINE_MS, GUARD_BEFORE, Record

FADED = 5.5  # natural logarithm of what the imaginary part of frequencies makes of the end of a record
WIDEST = 0.985  # of the slowness of the first layer: the largest ray parameter
EDGE = 0.12  # of the ray parameters, over which the largest fade out
INWARDS = (0.1, 0.6)  # of the ray parameters, over which waves that come towards the source fade out
REPEATED_M_S = 3500.0  # waves that are slower than this reach no trace from the repeated sources
QUIET = 1e-2  # of the largest of a wavelet's spectrum, below which frequencies are left out
SCALED = 8  # layers after which the recursion is scaled, lest its numbers outgrow their range
LOW_HZ = (1.0, 4.0)  # at 4 ms: the field fades in over these frequencies, below which wavelets have nothing
AT_ONCE = 32768  # plane waves on a CPU, as many as fit into its caches

_Pair = tuple[torch.Tensor, torch.Tensor]


class Field(NamedTuple):
    """What plane layers send back (scene, trace, fine), interbed multiples included, and its surface multiples."""

    primaries: torch.Tensor
    surface: torch.Tensor


def whole_field(
    earth: Earth, offset: torch.Tensor, record: Record, wavelet: torch.Tensor, level: torch.Tensor,
    directivity: torch.Tensor,
) -> Field:  # fmt: skip
    """Return the field at offsets (scene, trace) in m, as pulses on the grid of a record's spline coefficients.

    Pulses hold the frequencies at which the `wavelet` (scene, frequency) is not silent; they are not multiplied by it.
    `level` (scene) is minus the free surface's reflection coefficient; what is above 1, which would make endless waves,
    counts as 1. An event of reflection coefficient r, two-way time t (s) and RMS velocity v has the amplitude
    r (1500 m/s) / sqrt(v^2 t) at zero offset; the cosine of the emergence angle enters by the power `directivity`
    (scene).
    """
    rows = []
    for scene, (level_of, power) in enumerate(zip(level.clamp_max(1.0).tolist(), directivity.tolist(), strict=True)):
        own = replace(record, start_ms=record.start_ms[scene])
        rows.append(_Layers(earth, scene).field(offset[scene].abs(), own, wavelet[scene], level_of, power))
    return Field(*torch.stack(rows, dim=1).unbind(0))


class _Layers:
    """The layers of one earth, answering plane waves."""

    def __init__(self, earth: Earth, scene: int) -> None:
        one = earth.take(slice(scene, scene + 1))
        self.velocity: list[float] = one.velocity[0].tolist()
        self.density: list[float] = one.density[0].tolist()
        self.eta: list[float] = one.eta[0].tolist()
        self.thickness: list[float] = (0.5e-3 * one.time * one.velocity)[0].tolist()
        self.border = [Border(*parts) for parts in zip(*(part[0] for part in borders(one)), strict=True)]
        self.widest = WIDEST / (self.velocity[0] if bool(one.marine[0]) else max(self.velocity[:2]))

    def field(
        self, offset: torch.Tensor, record: Record, wavelet: torch.Tensor, level: float, directivity: float
    ) -> torch.Tensor:
        """Return the two parts (part, trace, fine)."""
        first = round(float(record.start_ms) / FINE_MS)
        seconds = (first + record.fine) * FINE_MS * 1e-3
        omega = 2 * math.pi / seconds * torch.arange(1, _count(wavelet, record, seconds), device=offset.device)
        spacing = 2 * math.pi / (float(offset.max()) + REPEATED_M_S * seconds)
        wavenumber = spacing * torch.arange(math.ceil(self.widest * float(omega[-1]) / spacing), device=offset.device)
        answers = spacing * self._answers(omega, wavenumber, FADED / seconds, level, directivity)
        share = wavenumber / omega[:, None] / self.widest
        inwards = _rise((INWARDS[1] - share) / (INWARDS[1] - INWARDS[0])) * (wavenumber > 0)
        waves = torch.polar(torch.ones(1, device=offset.device), -wavenumber[:, None] * offset)
        spectrum = answers @ waves + (inwards * answers) @ waves.conj()
        return _traces(spectrum, omega, FADED / seconds, first, record)

    def _answers(
        self, omega: torch.Tensor, wavenumber: torch.Tensor, damping: float, level: float, directivity: float
    ) -> torch.Tensor:
        """Return the answers (part, frequency, wavenumber), zero where ray parameters are too large."""
        rays = wavenumber / omega[:, None]
        row, column = (rays < self.widest).nonzero(as_tuple=True)
        result = torch.zeros(2, *rays.shape, dtype=torch.complex64, device=rays.device)
        size = AT_ONCE if rays.device.type == "cpu" else max(1, len(row))
        for f, k in zip(row.split(size), column.split(size), strict=True):
            ray = rays[f, k]
            fade = _rise((self.widest - ray) / (EDGE * self.widest))
            cosine = torch.sqrt((1 - (ray * self.velocity[0]).square()).clamp_min(1 - WIDEST**2))
            answer = self._answer(omega[f], damping, wavenumber[k].square(), ray.square())
            weight = fade * cosine ** (directivity - 1) / torch.complex(omega[f], torch.full_like(ray, -damping))
            result[0, f, k] = weight * answer
            result[1, f, k] = weight * -level * answer.square() / (1 + level * answer)
        return result

    def _answer(self, omega: torch.Tensor, damping: float, k2: torch.Tensor, p2: torch.Tensor) -> torch.Tensor:
        """Return what the layers answer to plane waves (wave) of squared wavenumbers and ray parameters.

        `lower` over `upper` is the reflection of all that lies below a border. Numbers are pairs of a real and an
        imaginary part, with which torch is some times faster on a CPU than with complex ones.
        """
        last = len(self.velocity) - 1
        below = self._vertical(last, omega, damping, k2, p2)
        none = torch.zeros_like(omega)
        lower, upper = (none, none), (none + 1, none)
        for layer in range(last - 1, -1, -1):
            vertical = self._vertical(layer, omega, damping, k2, p2)
            border = self._coefficient(layer, vertical, below, p2)
            lower, upper = _plus(lower, _times(border, upper)), _plus(upper, _times(border, lower))
            if layer % SCALED == 0:
                lower, upper = _over(lower, upper), (none + 1, none)
            size = torch.exp(2 * self.thickness[layer] * vertical[1])
            turned = -2 * self.thickness[layer] * vertical[0]
            lower = _times(lower, (size * torch.cos(turned), size * torch.sin(turned)))
            below = vertical
        return torch.complex(*lower)

    def _vertical(self, layer: int, omega: torch.Tensor, damping: float, k2: torch.Tensor, p2: torch.Tensor) -> _Pair:
        """Return vertical wavenumbers (1/m) in a layer; their imaginary part is negative.

        The layer is a vertically transverse isotropic fluid: w^2/v^2 - k^2/(1 - 2 eta v^2 p^2) (Alkhalifah, 1998).
        """
        v2, eta = self.velocity[layer] ** 2, self.eta[layer]
        real = (omega.square() - damping**2) / v2 - k2 / (1 - 2 * eta * v2 * p2).clamp_min(0.2)
        imaginary = -2 * damping / v2 * omega
        size = torch.sqrt(real.square() + imaginary.square())
        large = torch.sqrt(0.5 * (size + real.abs()))
        small = 0.5 * imaginary / large
        travels = real > 0
        return torch.where(travels, large, -small), torch.where(travels, small, -large)

    def _coefficient(self, layer: int, above: _Pair, below: _Pair, p2: torch.Tensor) -> _Pair:
        """Return reflection coefficients of the border below a layer: of two fluids, and the shear part.

        That part fades, by 1 - R^2, towards the critical ray parameter: a step would be a wave of its own.
        """
        light, heavy = self.density[layer], self.density[layer + 1]
        down, other = (heavy * above[0], heavy * above[1]), (-light * below[0], -light * below[1])
        real, imaginary = _over(_plus(down, other), (down[0] - other[0], down[1] - other[1]))
        shear = elastic_part(self.border[layer], p2)
        through = 1 - real.square() + imaginary.square(), -2 * real * imaginary
        real, imaginary = real + shear * through[0], imaginary + shear * through[1]
        scale = torch.rsqrt((real.square() + imaginary.square()).clamp_min(1.0))
        return real * scale, imaginary * scale


def _plus(a: _Pair, b: _Pair) -> _Pair:
    return a[0] + b[0], a[1] + b[1]


def _times(a: _Pair, b: _Pair) -> _Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _over(a: _Pair, b: _Pair) -> _Pair:
    scale = 1 / (b[0].square() + b[1].square())
    return (a[0] * b[0] + a[1] * b[1]) * scale, (a[1] * b[0] - a[0] * b[1]) * scale


def _count(wavelet: torch.Tensor, record: Record, seconds: float) -> int:
    """Return how many frequencies 1/seconds apart reach from 0 to where a wavelet falls silent."""
    size = wavelet.abs()
    return math.ceil(seconds * float(record.frequencies()[(size > QUIET * size.max()).nonzero().max()])) + 1


def _traces(spectrum: torch.Tensor, omega: torch.Tensor, damping: float, first: int, record: Record) -> torch.Tensor:
    """Return pulses (part, trace, fine) of spectra (part, frequency, trace), from sample `first` of the fine grid on.

    Spectra begin at the first frequency above 0. Pulses are spread over the grid as `spikes` does it. The half
    derivative makes pulses of what a line source sends out.
    """
    low, high = (2 * math.pi * hz for hz in LOW_HZ)
    frequency = torch.complex(omega, torch.full_like(omega, -damping))
    step, length = FINE_MS * 1e-3, first + record.fine
    factor = _rise((omega - low) / (high - low)) * torch.sinc(omega / (2 * math.pi) * step) ** 4 * WATER_VELOCITY
    factor = factor * torch.sqrt(-1j * frequency / (2 * math.pi))
    spectrum = torch.nn.functional.pad((spectrum * factor[:, None]).transpose(1, 2), (1, 0))
    traces = torch.fft.irfft(spectrum, n=length)
    place = torch.arange(-GUARD_BEFORE, record.fine - GUARD_BEFORE, device=omega.device) + first
    return traces[..., place % length] * torch.exp(damping * step * place)


def _rise(place: torch.Tensor) -> torch.Tensor:
    """Return a raised cosine from 0 at 0 to 1 at 1."""
    return 0.5 - 0.5 * torch.cos(math.pi * place.clamp(0, 1))
