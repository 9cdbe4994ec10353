"""Scenes: what a simulator knows of a gather, each wave and each noise apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.arrivals import all_parts, surface_level
from seisdiff.synthetic.earth import WATER_VELOCITY, Earth, draw_earth
from seisdiff.synthetic.events import Spread, Tracer, interpolate_rows
from seisdiff.synthetic.gaps import draw_gaps
from seisdiff.synthetic.geometry import draw_offsets
from seisdiff.synthetic.layered import whole_field
from seisdiff.synthetic.noise import Ground, flipped_traces, noise_coefficients
from seisdiff.synthetic.processing import (
    TAPER_SAMPLES,
    Picture,
    angle_traces,
    automatic_gain,
    corrected,
    depth_times,
    draw_times,
    draw_velocities,
    read_across,
    stretch_mute,
)
from seisdiff.synthetic.recipe import NOMINAL_DT_MS, SceneRecipe
from seisdiff.synthetic.structure import Structure, draw_structure, flattened
from seisdiff.synthetic.traces import Record, filtered, read, spikes
from seisdiff.synthetic.wavelet import draw_wavelet

DOMAINS = ("cmp", "nmo", "shot", "stack", "angle", "depth")
RECORD_SHARE = 0.2  # how much longer than the window a record may be
LEAST_SEEN = 1e-3  # of noise whose norm was 1 before the mute: less is no noise at all
MOST_T_STAR = 0.03  # s


@dataclass(frozen=True)
class Scenes:
    """Some scenes of one shape: (scene, trace, sample) float32 parts that add up to what was recorded.

    `primaries`, `interbed` and `surface` (multiples) are waves (of whole fields, interbeds are among the primaries),
    `noise` maps a kind to what was added. `live` (scene, trace) is false for dead and missing traces; the parts are
    complete there too. `offset` (scene, trace) is in m, signed; `place` is what the trace axis shows: offset (m),
    position (m) of stacks or angle (degrees), as `domain` (scene), a number in DOMAINS, says. `dt_ms` (scene) is the
    sample interval, `step` the one of the vertical axis (ms, or m for depth gathers), `start` the first sample on it.
    `velocity` (scene, sample) are the velocities (m/s) of moveout correction; `water_ms` (scene) is the two-way time of
    the first layer, and `mute` (scene, trace, sample) is what all parts were multiplied by: mute and gain.
    """

    primaries: torch.Tensor
    interbed: torch.Tensor
    surface: torch.Tensor
    noise: dict[str, torch.Tensor]
    live: torch.Tensor
    offset: torch.Tensor
    place: torch.Tensor
    domain: torch.Tensor
    dt_ms: torch.Tensor
    step: torch.Tensor
    start: torch.Tensor
    velocity: torch.Tensor
    water_ms: torch.Tensor
    mute: torch.Tensor
    earth: Earth = field(repr=False)

    @property
    def signal(self) -> torch.Tensor:
        """All waves."""
        return self.primaries + self.interbed + self.surface

    @property
    def full(self) -> torch.Tensor:
        """All waves and all noise, on every trace."""
        total = self.signal
        for part in self.noise.values():
            total = total + part
        return total

    def part(self, name: str) -> torch.Tensor:
        """Return "full", "signal", "primaries" (with interbeds), "multiples" (surface), "interbed" or "noise"."""
        if name == "primaries":
            return self.primaries + self.interbed
        if name == "noise":
            return self.full - self.signal
        return getattr(self, {"multiples": "surface"}.get(name, name))


def make_scenes(
    recipe: SceneRecipe,
    seed: int,
    index: torch.Tensor | range,
    *,
    traces: int | None = None,
    samples: int | None = None,
    device: torch.device | str = "cpu",
) -> Scenes:
    """Return scenes number `index` of a seed: the same ones in any batch and, to float tolerance, on any device.

    `traces` and `samples` default to the recipe's. The root mean square of `signal` where it is not muted is 1.
    """
    chosen = torch.as_tensor(list(index) if isinstance(index, range) else index, dtype=torch.int64)
    draws = Draws(seed, chosen).to(device)
    return _Maker(recipe, draws, traces or recipe.spread.traces, samples or recipe.samples).scenes()


class _Maker:
    """Makes one batch; every step draws under names of its own."""

    def __init__(self, recipe: SceneRecipe, draws: Draws, traces: int, samples: int) -> None:
        self.recipe, self.draws, self.samples = recipe, draws, samples
        start = draw_times(draws.within("time"), recipe.processing)
        end = start + NOMINAL_DT_MS * samples
        self.record = Record(start, int((1 + RECORD_SHARE) * samples))
        self.earth = draw_earth(draws.within("earth"), recipe.earth, end)
        number = draws.choice("domain", recipe.processing.domains, DOMAINS)
        self.domain = number
        self.is_ = {name: number == place for place, name in enumerate(DOMAINS)}
        bottom = 0.5e-3 * (self.earth.time * self.earth.velocity).sum(1)
        offset = draw_offsets(draws.within("spread"), recipe.spread, traces, bottom)
        self.offset = torch.where(self.is_["stack"][:, None], 0.0, offset)
        self.cdp_m = draws.uniform("cdp", low=recipe.spread.cdp_m[0], high=recipe.spread.cdp_m[1])
        self.gained = draws.chance("agc", recipe.processing.agc)
        self.layered = draws.chance("layered", recipe.layered) & ~self.is_["stack"]
        self.structure = self._structure()

    def scenes(self) -> Scenes:
        """Return the finished scenes."""
        tracer = Tracer(self.earth, Spread(self.offset), self.structure, self._correction())
        wavelet = draw_wavelet(self.draws.within("wavelet"), self.recipe.wavelet, self.record.frequencies())
        picture, place, start, step = self._picture(tracer)
        waves = torch.stack([self._seen(self.record, part, picture) for part in self._recorded(tracer, wavelet)], dim=1)
        waves, gain = self._gained(waves, picture)
        primaries, interbed, surface = waves.unbind(1)
        dt = self._intervals()
        scale = dt / NOMINAL_DT_MS
        return Scenes(
            primaries=primaries,
            interbed=interbed,
            surface=surface,
            noise=self._noise(waves.sum(1), picture, gain, place),
            live=self._live(self.offset.shape[1]),
            offset=self.offset * scale[:, None],
            place=torch.where(self.is_["angle"][:, None], place, place * scale[:, None]),
            domain=self.domain,
            dt_ms=dt,
            step=step * scale,
            start=start * scale,
            velocity=picture.velocity,
            water_ms=self.earth.time[:, 0] * scale,
            mute=gain * self._across(picture.mute, picture),
            earth=replace(self.earth, time=self.earth.time * scale[:, None]),
        )

    def _recorded(self, tracer: Tracer, wavelet: torch.Tensor) -> list[torch.Tensor]:
        """Return spline coefficients of primaries, interbed and surface multiples."""
        t_star = self._t_star(tracer)
        draws = self.draws.within("waves")
        whole = self.layered.nonzero().flatten()
        waves = self._field(draws, tracer, wavelet, whole) if len(whole) > 0 else []
        pulses = waves
        if len(whole) < len(self.layered):
            parts = all_parts(self.recipe, draws, tracer, self._diffract(), self.is_)
            pulses = [spikes(self.record, events) for events in parts]
            for pulse, wave in zip(pulses, waves, strict=False):
                pulse[whole] = wave
        return [filtered(self.record, pulse, wavelet, t_star) for pulse in pulses]

    def _field(self, draws: Draws, tracer: Tracer, wavelet: torch.Tensor, scenes: torch.Tensor) -> list[torch.Tensor]:
        """Return primaries, no interbeds and surface multiples (scene, trace, fine) of scenes that are whole fields.

        As of other scenes, a share of the divergence of primaries is left in; a line source's is half a point's.
        """
        record = replace(self.record, start_ms=self.record.start_ms[scenes])
        level = surface_level(draws, self.recipe.multiples)[scenes]
        left, directivity = tracer.correction[scenes].unbind(1)
        primaries, surface = whole_field(
            self.earth.take(scenes), self.offset[scenes], record, wavelet[scenes], level, directivity
        )
        moments = tracer.moments[scenes]
        energy = interpolate_rows(moments[:, 0], moments[:, 1], record.times())
        gain = (1e-3 * energy / WATER_VELOCITY**2) ** (0.5 - left[:, None])
        return [part * gain[:, None] + 0j for part in (primaries, torch.zeros_like(primaries), surface)]

    def _structure(self) -> Structure:
        draws = self.draws.within("structure")
        drawn = draw_structure(draws, self.recipe.structure, self.earth, self.offset, self.cdp_m, self.is_)
        return flattened(drawn, self.layered)

    def _diffract(self) -> torch.Tensor:
        there = self.draws.chance("diffractions", self.recipe.structure.diffractions)
        return there & (self.is_["stack"] | self.is_["shot"])

    def _correction(self) -> torch.Tensor:
        spec = self.recipe.processing
        left = self.draws.uniform("divergence", low=spec.divergence[0], high=spec.divergence[1])
        return torch.stack([left, self.draws.uniform("directivity", low=0.3, high=2.5)], dim=1)

    def _t_star(self, tracer: Tracer) -> torch.Tensor:
        """Return t* in s at recorded times (scene, fine)."""
        t_star = interpolate_rows(tracer.moments[:, 0], tracer.moments[:, 3], self.record.times())
        return (1e-3 * t_star).clamp_max(MOST_T_STAR)

    def _picture(self, tracer: Tracer) -> tuple[Picture, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the picture, what the trace axis shows, and the first value and the step of the vertical axis."""
        spec, draws = self.recipe.processing, self.draws.within("processing")
        index = torch.arange(self.samples, device=self.offset.device)
        vertical = self.record.start_ms[:, None] + NOMINAL_DT_MS * index
        velocity = draw_velocities(draws, spec, self.earth, tracer.moments, vertical)
        start, step = self.record.start_ms, torch.full_like(self.record.start_ms, NOMINAL_DT_MS)
        if bool(self.is_["depth"].any()):
            depth, times = depth_times(velocity, vertical)
            deep = self.is_["depth"]
            velocity = torch.where(deep[:, None], interpolate_rows(vertical, velocity, times), velocity)
            vertical = torch.where(deep[:, None], times, vertical)
            start, step = torch.where(deep, depth[:, 0], start), torch.where(deep, depth[:, 1] - depth[:, 0], step)
        flat = self.is_["nmo"] | self.is_["angle"] | self.is_["depth"]
        times = corrected(self.offset, velocity, vertical, flat)
        stretch = draws.uniform("stretch", low=spec.stretch[0], high=spec.stretch[1])
        taper = draws.uniform("taper", low=TAPER_SAMPLES[0], high=TAPER_SAMPLES[1])
        careful = draws.chance("mute.careful", 0.6)
        mute = torch.where(flat[:, None, None], stretch_mute(times, vertical, stretch, taper, careful), 1.0)
        end = self.record.start_ms + NOMINAL_DT_MS * self.samples * draws.uniform("end", low=1.0, high=1 + RECORD_SHARE)
        mute = mute * (times < end[:, None, None])
        top = NOMINAL_DT_MS * self.samples * draws.uniform("top", low=-0.04, high=0.06)
        mute = mute * ~(self.is_["stack"][:, None, None] & (times < top[:, None, None]))
        place, lateral = self._trace_axis(draws, velocity, vertical)
        return Picture(times, mute, velocity, vertical, lateral), place, start, step

    def _trace_axis(
        self, draws: Draws, velocity: torch.Tensor, vertical: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        number = torch.arange(self.offset.shape[1], device=self.offset.device)
        place = torch.where(self.is_["stack"][:, None], self.cdp_m[:, None] * number, self.offset)
        if not bool(self.is_["angle"].any()):
            return place, None
        low, high = self.recipe.spread.angle_deg
        angle, lateral = angle_traces(self.offset, velocity, vertical, draws.uniform("angle", low=low, high=high))
        here = self.is_["angle"]
        lateral = torch.where(here[:, None, None], lateral, number[:, None].to(lateral))
        return torch.where(here[:, None], angle, place), lateral

    def _seen(self, record: Record, coefficients: torch.Tensor, picture: Picture) -> torch.Tensor:
        """Return what processing makes of recorded traces, without any gain."""
        return self._across(read(coefficients, record.positions(picture.times)) * picture.mute, picture)

    def _across(self, gathers: torch.Tensor, picture: Picture) -> torch.Tensor:
        return gathers if picture.lateral is None else read_across(gathers, picture.lateral)

    def _gained(self, waves: torch.Tensor, picture: Picture) -> tuple[torch.Tensor, torch.Tensor]:
        """Return waves (scene, part, trace, sample) under gain, of unit strength, and the gain that all parts got."""
        spec = self.recipe.processing
        power = self.draws.uniform("gain.power", 1, 1, low=spec.gain_power[0], high=spec.gain_power[1])
        gain = (picture.vertical[:, None].clamp_min(40.0) / 1000) ** power
        window = self.draws.uniform("agc.ms", low=spec.agc_ms[0], high=spec.agc_ms[1]) / NOMINAL_DT_MS
        agc = automatic_gain(waves.sum(1) * gain, window)
        gain = gain * torch.where(self.gained[:, None, None], agc, 1.0)
        gain = gain / _rms(waves.sum(1) * gain)
        return waves * gain[:, None], gain

    def _noise(
        self, signal: torch.Tensor, picture: Picture, gain: torch.Tensor, place: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return each kind of noise at the level that was drawn, on the scenes that have it."""
        spec, noise = self.recipe.noise, {}
        host = self.draws.to("cpu")
        for kind, share in spec.kinds.items():
            chosen = host.chance(f"noise.{kind}", share).nonzero().flatten()
            if len(chosen) == 0:
                continue
            draws = self.draws.take(chosen).within(f"noise.{kind}")
            where = chosen.to(signal.device)
            part = torch.zeros_like(signal)
            if kind == "flipped":
                part[where] = -2 * signal[where] * flipped_traces(draws, signal.shape[1])[..., None]
            else:
                raw = self._noise_part(kind, draws, where, picture, gain, place)
                low, high = spec.levels.get(kind, spec.snr_db)
                level = 10 ** (-draws.uniform("snr", 1, 1, low=low, high=high) / 20)
                part[where] = raw * (level * _norm(signal[where]) / _norm(raw)) * (_norm(raw) > LEAST_SEEN)
            noise[kind] = part
        return noise

    def _noise_part(
        self, kind: str, draws: Draws, where: torch.Tensor, picture: Picture, gain: torch.Tensor, place: torch.Tensor
    ) -> torch.Tensor:
        """Return noise as processing leaves it; it got the gain in half of the scenes, and all automatic gain."""
        record = replace(self.record, start_ms=self.record.start_ms[where])
        at = torch.where(self.is_["stack"][where, None], place[where], self.offset[where])
        recorded = noise_coefficients(kind, Ground(draws, record, at))
        seen = self._seen(record, recorded / _norm(recorded), picture.take(where))
        grown = draws.chance("grown", 0.5) | self.gained[where]
        return seen * torch.where(grown[:, None, None], gain[where], 1.0)

    def _live(self, traces: int) -> torch.Tensor:
        gaps = draw_gaps(self.draws.within("gaps"), self.recipe.gaps, traces)
        return gaps & (self.draws.uniform("dead", traces) >= self.recipe.noise.dead)

    def _intervals(self) -> torch.Tensor:
        choices = torch.tensor(self.recipe.dt_ms, device=self.offset.device)
        return choices[self.draws.choice("dt", {str(dt): 1.0 for dt in self.recipe.dt_ms})]


def _norm(gathers: torch.Tensor) -> torch.Tensor:
    return gathers.square().sum((1, 2), keepdim=True).sqrt().clamp_min(1e-20)


def _rms(gathers: torch.Tensor) -> torch.Tensor:
    count = (gathers != 0).sum((1, 2), keepdim=True).clamp_min(1)
    return (gathers.square().sum((1, 2), keepdim=True) / count).sqrt().clamp_min(1e-20)
