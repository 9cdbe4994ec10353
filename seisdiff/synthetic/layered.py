"""The whole field of plane layers: every wave that they send back, not only those that a list of events names.

Plane layers answer each plane wave by one number, which a recursion from the lowest border upwards gives exactly
(Kennett, 1979): interbed multiples of all orders, head waves and waves caught between borders are in it, and those of
the free surface once its reflection closes the recursion. Plane waves of evenly spaced wavenumbers make the traces of
a line source that is repeated at a distance (Bouchon and Aki, 1977), far enough for its repetitions to come too late.
Frequencies have a small negative imaginary part, so that what comes after the end of a record does not come round to
its beginning (Phinney, 1965).

Plane waves lie in rows, each of one scene: layers are (row, 1) where waves are (row, wave). The same recursion serves a
CPU, which takes one row at a time, and a GPU, which takes the rows of many scenes together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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
ALIGNED = 64  # numbers of waves are multiples of it, lest a CPU's vectors leave some over, which it rounds otherwise
LOW_HZ = (1.0, 4.0)  # at 4 ms: the field fades in over these frequencies, below which wavelets have nothing

_Pair = tuple[torch.Tensor, torch.Tensor]


class Sizes(NamedTuple):
    """How many plane waves a row has at most, a multiple of ALIGNED, and how many go through layers at once."""

    row: int
    at_once: int


ALONE = Sizes(2**15, 2**15)  # on a CPU: as many as fit into its caches
TOGETHER = Sizes(2**12, 2**24)  # elsewhere: as many as take a few GB, in rows that are short lest their ends be wasted


class Field(NamedTuple):
    """What plane layers send back (scene, trace, fine), interbed multiples included, and its surface multiples."""

    primaries: torch.Tensor
    surface: torch.Tensor


def whole_field(
    earth: Earth, offset: torch.Tensor, record: Record, wavelet: torch.Tensor, level: torch.Tensor,
    directivity: torch.Tensor, sizes: Sizes | None = None,
) -> Field:  # fmt: skip
    """Return the field at offsets (scene, trace) in m, as pulses on the grid of a record's spline coefficients.

    Pulses hold the frequencies at which the `wavelet` (scene, frequency) is not silent; they are not multiplied by it.
    `level` (scene) is minus the free surface's reflection coefficient; what is above 1, which would make endless waves,
    counts as 1. An event of reflection coefficient r, two-way time t (s) and RMS velocity v has the amplitude
    r (1500 m/s) / sqrt(v^2 t) at zero offset; the cosine of the emergence angle enters by the power `directivity`
    (scene). `sizes` are those that suit the device, unless they are given; the field does not depend on them.
    """
    sizes = sizes or (ALONE if offset.device.type == "cpu" else TOGETHER)
    offset = offset.abs()
    grids = _grids(earth, offset, record, wavelet)
    parts = []
    for scenes in _groups(grids, sizes):
        numbers = _numbers(grids[scenes], level[scenes], directivity[scenes])
        answers = _answers(earth.take(scenes), grids[scenes], numbers, sizes)
        parts.append(_traces(answers, grids[scenes], numbers, offset[scenes], record))
    return Field(*torch.cat(parts, dim=1).unbind(0))


class _Grid(NamedTuple):
    """The frequencies and wavenumbers of one scene, which the host knows.

    Records begin at sample `first` of the fine grid. `omega` and `damping` (1/s) are the spacing of frequencies and
    minus their imaginary part, `spacing` (1/m) that of wavenumbers, `widest` (s/m) limits ray parameters. `counts` are
    the wavenumbers within that limit, from 0 on, at each frequency, from 0 on: none at the first.
    """

    first: int
    omega: float
    damping: float
    spacing: float
    widest: float
    counts: list[int]

    @property
    def waves(self) -> int:
        """How many plane waves there are."""
        return sum(self.counts)

    @property
    def shape(self) -> tuple[int, int]:
        """How many frequencies and wavenumbers there are."""
        return len(self.counts), self.counts[-1]


def _grids(earth: Earth, offset: torch.Tensor, record: Record, wavelet: torch.Tensor) -> list[_Grid]:
    """Return the grids of all scenes; all that they depend on leaves the device at once."""
    size = wavelet.abs()
    loud = size > QUIET * size.amax(1, keepdim=True)
    highest = (loud * record.frequencies()).amax(1)
    fastest = torch.where(earth.marine, earth.velocity[:, 0], earth.velocity[:, :2].amax(1))
    numbers = torch.stack([record.start_ms, offset.amax(1), highest, fastest], dim=1)
    return [_grid(record.fine, *row) for row in numbers.tolist()]


def _grid(fine: int, start_ms: float, farthest: float, highest: float, fastest: float) -> _Grid:
    """Return the grid of a record of `fine` samples, up to the farthest offset (m) and the highest frequency (Hz)."""
    first = round(start_ms / FINE_MS)
    seconds = (first + fine) * FINE_MS * 1e-3
    omega, spacing = 2 * math.pi / seconds, 2 * math.pi / (farthest + REPEATED_M_S * seconds)
    widest = WIDEST / fastest
    counts = [math.ceil(widest * omega / spacing * number) for number in range(math.ceil(seconds * highest) + 1)]
    return _Grid(first, omega, FADED / seconds, spacing, widest, counts)


def _groups(grids: list[_Grid], sizes: Sizes) -> Iterator[slice]:
    """Yield runs of scenes whose waves may go through their layers at once, or of a single scene."""
    begin, waves = 0, 0
    for scene, grid in enumerate(grids):
        waves += grid.waves
        if waves > sizes.at_once and scene > begin:
            yield slice(begin, scene)
            begin, waves = scene, grid.waves
    yield slice(begin, len(grids))


class _Numbers(NamedTuple):
    """Numbers of `_Grid`, and what `whole_field` calls level and directivity, of scenes (scene, 1), float64."""

    first: torch.Tensor
    omega: torch.Tensor
    damping: torch.Tensor
    spacing: torch.Tensor
    widest: torch.Tensor
    level: torch.Tensor
    directivity: torch.Tensor

    def take(self, scenes: torch.Tensor) -> _Numbers:
        """Return the numbers of some of the scenes."""
        return _Numbers(*(part[scenes] for part in self))


def _numbers(grids: list[_Grid], level: torch.Tensor, directivity: torch.Tensor) -> _Numbers:
    """Return the numbers of some scenes."""
    known = torch.tensor([grid[:5] for grid in grids], dtype=torch.float64, device=level.device)
    both = torch.stack([level.clamp_max(1.0), directivity], dim=1)
    return _Numbers(*torch.cat([known, both], dim=1).split(1, dim=1))


class _Waves(NamedTuple):
    """Plane waves (row, wave): whole numbers of frequencies and wavenumbers, and places among the answers of a group.

    A row is of one scene, `scene` (row); the last one of a scene is filled up with its last wave, again and again.
    """

    scene: torch.Tensor
    frequency: torch.Tensor
    wavenumber: torch.Tensor
    place: torch.Tensor


def _waves(grids: list[_Grid], sizes: Sizes, device: torch.device) -> _Waves:
    """Return all waves of some scenes; the answers of each are (frequency, wavenumber), one scene after the other."""
    rows = [math.ceil(grid.waves / sizes.row) for grid in grids]
    length = _aligned(max(math.ceil(grid.waves / count) for grid, count in zip(grids, rows, strict=True)))
    begins, counts, line, place = [], [], 0, 0
    for scene, (grid, count) in enumerate(zip(grids, rows, strict=True)):
        begins += count * [(scene, line, grid.shape[1], place)]
        counts += [*grid.counts[:-1], grid.counts[-1] + count * length - grid.waves]
        line, place = line + grid.shape[0], place + math.prod(grid.shape)
    scene, line_0, width, place_0 = torch.tensor(begins, device=device).split(1, dim=1)
    counts = torch.tensor(counts, device=device)
    line = torch.repeat_interleave(counts, output_size=sum(rows) * length)
    column = torch.arange(len(line), device=device) - (counts.cumsum(0) - counts)[line]
    column = torch.minimum(column.view(-1, length), width - 1)
    frequency = line.view(-1, length) - line_0
    return _Waves(scene[:, 0], frequency, column, place_0 + frequency * width + column)


def _aligned(count: int) -> int:
    return math.ceil(count / ALIGNED) * ALIGNED


def _answers(earth: Earth, grids: list[_Grid], numbers: _Numbers, sizes: Sizes) -> torch.Tensor:
    """Return the answers (direction, part, place) to all waves of some scenes, zero where rays are too wide."""
    waves = _waves(grids, sizes, earth.velocity.device)
    places = sum(math.prod(grid.shape) for grid in grids)
    result = torch.zeros(2, 2, places, dtype=torch.complex64, device=earth.velocity.device)
    rows = max(1, sizes.at_once // waves.place.shape[1])
    for scene, frequency, wavenumber, place in zip(*(part.split(rows) for part in waves), strict=True):
        answer = _answer(earth.take(scene), numbers.take(scene), frequency, wavenumber)
        result[:, :, place.flatten()] = answer.flatten(2)
    return result


def _answer(earth: Earth, numbers: _Numbers, frequency: torch.Tensor, wavenumber: torch.Tensor) -> torch.Tensor:
    """Return the answers (direction, part, row, wave) to waves by whole numbers (row, wave).

    Directions are those away from the source and towards it, parts are primaries and surface multiples.
    """
    widest, level = numbers.widest.float(), numbers.level.float()
    omega, spacing = numbers.omega.float() * frequency, numbers.spacing.float()
    wavenumber = spacing * wavenumber
    ray = wavenumber / omega
    answer = _Layers(earth, numbers.damping).answer(omega, wavenumber.square(), ray.square())
    fade = _rise((widest - ray) / (EDGE * numbers.widest).float())
    cosine = torch.sqrt((1 - (ray * earth.velocity[:, :1]).square()).clamp_min(1 - WIDEST**2))
    weight = fade * cosine ** (numbers.directivity - 1).float() / _damped(omega, numbers)
    surface = weight * -level * answer.square() / (1 + level * answer)
    parts = spacing * torch.stack([weight * answer, surface])
    inwards = _rise((INWARDS[1] - ray / widest) / (INWARDS[1] - INWARDS[0])) * (wavenumber > 0)
    return torch.stack([parts, inwards * parts])


def _damped(omega: torch.Tensor, numbers: _Numbers) -> torch.Tensor:
    """Return the complex frequencies."""
    return torch.complex(omega, -numbers.damping.float().expand_as(omega))


class _Layers:
    """The layers of some earths, one a row, answering plane waves; the numbers of a layer are (row, 1)."""

    def __init__(self, earth: Earth, damping: torch.Tensor) -> None:
        """Take layers in, and minus the imaginary part of frequencies (row, 1), float64, in 1/s."""
        v2 = earth.velocity.double().square()
        self.damping2 = damping.square().float()
        self.v2, self.tilt = _each(v2), _each(2 * earth.eta * v2)
        self.loss = _each(-2 * damping / v2)
        self.density = _each(earth.density)
        self.path = _each(2 * (0.5e-3 * earth.time * earth.velocity))
        self.border = [Border(*parts) for parts in zip(*(_each(part) for part in borders(earth)), strict=True)]

    def answer(self, omega: torch.Tensor, k2: torch.Tensor, p2: torch.Tensor) -> torch.Tensor:
        """Return what the layers answer to plane waves (row, wave) of squared wavenumbers and ray parameters.

        `lower` over `upper` is the reflection of all that lies below a border. Numbers are pairs of a real and an
        imaginary part, with which torch is some times faster on a CPU than with complex ones.
        """
        last = len(self.v2) - 1
        w2 = omega.square() - self.damping2
        below = self._vertical(last, omega, w2, k2, p2)
        none = torch.zeros_like(omega)
        lower, upper = (none, none), (none + 1, none)
        for layer in range(last - 1, -1, -1):
            vertical = self._vertical(layer, omega, w2, k2, p2)
            border = self._coefficient(layer, vertical, below, p2)
            lower, upper = _plus(lower, _times(border, upper)), _plus(upper, _times(border, lower))
            if layer % SCALED == 0:
                lower, upper = _over(lower, upper), (none + 1, none)
            size = torch.exp(self.path[layer] * vertical[1])
            turned = -self.path[layer] * vertical[0]
            lower = _times(lower, (size * torch.cos(turned), size * torch.sin(turned)))
            below = vertical
        return torch.complex(*lower)

    def _vertical(self, layer: int, omega: torch.Tensor, w2: torch.Tensor, k2: torch.Tensor, p2: torch.Tensor) -> _Pair:
        """Return vertical wavenumbers (1/m) in a layer; their imaginary part is negative. `w2` is the real part of w^2.

        The layer is a vertically transverse isotropic fluid: w^2/v^2 - k^2/(1 - 2 eta v^2 p^2) (Alkhalifah, 1998).
        """
        real = w2 / self.v2[layer] - k2 / (1 - self.tilt[layer] * p2).clamp_min(0.2)
        imaginary = self.loss[layer] * omega
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


def _each(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the values (row, 1) of each layer of some (row, layer)."""
    return values.float().unsqueeze(2).unbind(1)


def _plus(a: _Pair, b: _Pair) -> _Pair:
    return a[0] + b[0], a[1] + b[1]


def _times(a: _Pair, b: _Pair) -> _Pair:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _over(a: _Pair, b: _Pair) -> _Pair:
    scale = 1 / (b[0].square() + b[1].square())
    return (a[0] * b[0] + a[1] * b[1]) * scale, (a[1] * b[0] - a[0] * b[1]) * scale


def _traces(
    answers: torch.Tensor, grids: list[_Grid], numbers: _Numbers, offset: torch.Tensor, record: Record
) -> torch.Tensor:
    """Return pulses (part, scene, trace, fine) of the answers (direction, part, place) of scenes, one after the other.

    Pulses are spread over the grid as `spikes` does it.
    """
    factor = _factor(numbers, _aligned(max(grid.shape[0] for grid in grids)))
    first = numbers.first.to(torch.int64)
    place = torch.arange(-GUARD_BEFORE, record.fine - GUARD_BEFORE, device=offset.device) + first
    inside, one = place % (first + record.fine), torch.ones(1, device=offset.device)
    own = answers.split([math.prod(grid.shape) for grid in grids], dim=2)
    traces = []
    for scene, (grid, answer) in enumerate(zip(grids, own, strict=True)):
        wavenumber = -grid.spacing * torch.arange(grid.shape[1], device=offset.device)
        waves = torch.polar(one, wavenumber[:, None] * offset[scene])
        outwards, inwards = answer.reshape(2, -1, grid.shape[1])
        spectrum = (outwards @ waves + inwards @ waves.conj()).unflatten(0, (2, -1))
        spectrum = spectrum * factor[scene, : grid.shape[0], None]
        whole = torch.fft.irfft(spectrum.transpose(1, 2), n=grid.first + record.fine)
        traces.append(whole[..., inside[scene]])
    growth = (FINE_MS * 1e-3 * numbers.damping).float() * place
    return torch.stack(traces, dim=1) * torch.exp(growth)[:, None]


def _factor(numbers: _Numbers, count: int) -> torch.Tensor:
    """Return what spectra (scene, frequency) are multiplied by, from frequency 0 on, where it is zero.

    The half derivative makes pulses of what a line source sends out.
    """
    low, high = (2 * math.pi * hz for hz in LOW_HZ)
    omega = numbers.omega.float() * torch.arange(count, device=numbers.omega.device)
    factor = _rise((omega - low) / (high - low)) * torch.sinc(omega / (2 * math.pi) * (FINE_MS * 1e-3)) ** 4
    return factor * WATER_VELOCITY * torch.sqrt(-1j * _damped(omega, numbers) / (2 * math.pi))


def _rise(place: torch.Tensor) -> torch.Tensor:
    """Return a raised cosine from 0 at 0 to 1 at 1."""
    return 0.5 - 0.5 * torch.cos(math.pi * place.clamp(0, 1))
