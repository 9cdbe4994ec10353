"""The whole field of plane layers against closed forms, and against the events of the same earth."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.earth import Earth, draw_earth
from seisdiff.synthetic.events import Spread, Tracer, arrival_times, nmo_terms, primaries
from seisdiff.synthetic.layered import ALIGNED, Sizes, _grids, _Layers, _waves, whole_field
from seisdiff.synthetic.recipe import load_scene_recipe
from seisdiff.synthetic.scene import make_scenes
from seisdiff.synthetic.structure import flat
from seisdiff.synthetic.surveys import find_recipe
from seisdiff.synthetic.traces import Record, filtered, read, spikes
from seisdiff.synthetic.wavelet import ricker_spectrum
from tests.small_earths import make_earth

PEAK_HZ = 25.0
STEP_S = 0.004


def seen(record: Record, pulses: torch.Tensor, samples: int) -> torch.Tensor:
    """Return traces (trace, sample) of pulses through a Ricker wavelet whose peak is 1."""
    spectrum = ricker_spectrum(record.frequencies(), torch.tensor([[PEAK_HZ]])).to(torch.complex64)
    peak = torch.fft.irfft(spectrum, n=record.fine).max()
    coefficients = filtered(record, pulses + 0j, spectrum / peak, torch.zeros(len(pulses), record.fine))
    times = float(record.start_ms[0]) + 1000 * STEP_S * torch.arange(samples).expand(1, pulses.shape[1], -1)
    return read(coefficients, record.positions(times))[0]


def field(
    earth: Earth, offset: list[float], samples: int = 500, level: float = 1.0, start_ms: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return primaries and surface multiples (trace, sample) of a source that sends the same everywhere."""
    record = Record(torch.tensor([start_ms]), samples)
    wavelet = ricker_spectrum(record.frequencies(), torch.tensor([[PEAK_HZ]])).to(torch.complex64)
    parts = whole_field(earth, torch.tensor([offset]), record, wavelet, torch.tensor([level]), torch.zeros(1))
    return seen(record, parts.primaries, samples), seen(record, parts.surface, samples)


def answers(earth: Earth, omega: torch.Tensor, p: torch.Tensor, damping: float) -> torch.Tensor:
    """Return what one earth's layers answer to plane waves (wave) of ray parameters."""
    layers = _Layers(earth, torch.tensor([[damping]], dtype=torch.float64))
    return layers.answer(omega[None], (p * omega).square()[None], p.square()[None])[0]


def ricker(time: torch.Tensor) -> torch.Tensor:
    square = (math.pi * PEAK_HZ * time).square()
    return (1 - 2 * square) * torch.exp(-square)


def over_half_space(bounces: int, offset: float, samples: int) -> torch.Tensor:
    """Return the reflection off 600 m of water's bottom, or its multiple: path R, amplitude r^n v / sqrt(v R)."""
    path = math.hypot(2 * 600.0 * bounces, offset)
    p = offset / path / 1500
    above, below = math.sqrt(1500**-2 - p**2), math.sqrt(2000**-2 - p**2)
    r = (2 * above - below) / (2 * above + below)
    times = STEP_S * torch.arange(samples)
    return (-1) ** (bounces - 1) * r**bounces * 1500 / math.sqrt(1500 * path) * ricker(times - path / 1500)


WATER_BOTTOM = make_earth([800.0, 1e4], [1500.0, 2000.0], [1.0, 2.0])


class TestWaterBottom:
    @pytest.mark.parametrize("offset", [0.0, 150.0, 400.0])
    def test_reflection_and_multiples_have_the_times_and_amplitudes_of_rays(self, offset: float) -> None:
        got, surface = field(WATER_BOTTOM, [offset], samples=625)
        for trace, bounces in ((got, 1), (surface, 2), (surface, 3)):
            expected = over_half_space(bounces, offset, 625)
            near = expected.abs() > 1e-4
            assert float((trace[0] - expected)[near].abs().max()) < 0.015 * float(expected.abs().max())

    def test_nothing_comes_before_the_first_multiple(self) -> None:
        got, surface = field(WATER_BOTTOM, [0.0, 500.0, 1000.0], samples=625)
        early = surface[:, : int(1.45 / STEP_S)]
        assert float(early.abs().max()) < 2e-3 * float(got.abs().max())

    def test_without_a_free_surface_there_are_no_multiples(self) -> None:
        assert not field(WATER_BOTTOM, [0.0, 300.0], level=0.0)[1].any()

    def test_multiples_of_order_n_go_with_the_nth_power_of_the_free_surface(self) -> None:
        whole, half = (field(WATER_BOTTOM, [0.0], samples=625, level=level)[1][0] for level in (1.0, 0.5))
        first, second = slice(375, 425), slice(575, 622)
        assert float((half - whole / 2)[first].abs().max()) < 0.01 * float(whole[first].abs().max())
        assert float((half - whole / 4)[second].abs().max()) < 0.01 * float(whole[second].abs().max())

    def test_a_free_surface_that_gives_more_than_it_gets_is_not_taken_at_its_word(self) -> None:
        assert torch.equal(field(WATER_BOTTOM, [0.0], level=1.4)[1], field(WATER_BOTTOM, [0.0], level=1.0)[1])

    def test_head_wave_arrives_before_the_reflection(self) -> None:
        offset, times = 3000.0, STEP_S * torch.arange(625)
        head = offset / 2000 + 2 * 600 * math.sqrt(1500**-2 - 2000**-2)
        reflected = math.hypot(1200, offset) / 1500
        got = field(WATER_BOTTOM, [offset], samples=625)[0][0].abs()
        peak = float(got.max())
        before, during = times < head - 0.06, (times > head - 0.03) & (times < reflected - 0.06)
        assert float(got[before].max()) < 0.005 * peak < 0.01 * peak < float(got[during].max())

    def test_a_window_from_further_down_is_the_lower_part_of_the_whole(self) -> None:
        offset = [0.0, 400.0, 800.0]
        whole = field(WATER_BOTTOM, offset, samples=750)
        late = field(WATER_BOTTOM, offset, samples=450, start_ms=1200.0)
        for one, other in zip(whole, late, strict=True):
            assert float((one[:, 300:] - other).abs().max()) < 0.005 * float(whole[0].abs().max())


class TestLayers:
    def test_two_borders_answer_as_the_closed_form_says(self) -> None:
        earth = make_earth([300.0, 200.0, 1e4], [1500.0, 2000.0, 3000.0], [1.0, 2.0, 2.2])
        damping, omega = 1.5, 2 * math.pi * torch.linspace(5, 60, 23)
        got = answers(earth, omega, torch.zeros(23), damping)
        frequency = omega - 1j * damping
        upper, lower = torch.exp(-0.3j * frequency), torch.exp(-0.2j * frequency)
        r1, r2 = earth.contrast()[0].tolist()
        expected = upper * (r1 + r2 * lower) / (1 + r1 * r2 * lower)
        assert torch.allclose(got, expected.to(got), atol=2e-5)

    def test_beyond_the_critical_angle_all_energy_comes_back(self) -> None:
        omega = torch.full((20,), 2 * math.pi * 30)
        p = torch.linspace(1.05 / 2000, 0.97 / 1500, 20)
        got = answers(WATER_BOTTOM, omega, p, 1e-4)
        assert torch.allclose(got.abs(), torch.ones(20), atol=1e-3)

    def test_many_layers_never_answer_more_than_they_get(self) -> None:
        velocity = [1500.0, *(2000.0 + 900 * math.sin(3.0 * k) for k in range(80))]
        earth = make_earth(
            [100.0, *[12.0] * 79, 1e4], velocity, [1.0] + [2.2] * 80, [0.0] + [v / 3 for v in velocity[1:]]
        )
        p = torch.linspace(0, 0.98 / 1500, 200)
        omega = torch.full_like(p, 2 * math.pi * 40)
        got = answers(earth, omega, p, 1.0)
        assert bool(torch.isfinite(got.abs()).all())
        assert float(got.abs().max()) <= 1.0

    def test_weak_layers_send_back_the_events_that_rays_tell(self) -> None:
        earth = make_earth(
            [600.0, 150.0, 180.0, 160.0, 170.0, 1e4],
            [1500.0, 1600.0, 1750.0, 1850.0, 2000.0, 2100.0],
            [1.0, 1.04, 1.0, 1.03, 0.99, 1.02],
        )
        offset = torch.linspace(0, 700, 15)
        record = Record(torch.zeros(1), 400)
        tracer = Tracer(earth, Spread(offset[None]), flat(earth, 15), torch.tensor([[0.5, 0.0]]))
        rays = seen(record, spikes(record, tracer.arrivals(primaries(tracer))), 400)
        waves = field(earth, offset.tolist(), samples=400)[0]
        # rays keep half of the divergence t v^2 of primaries, to which a line source is short of a constant
        difference = float((waves - rays).square().sum() / rays.square().sum())
        assert 10 * math.log10(difference) < -25

    def test_anisotropy_moves_far_offsets_as_the_moveout_formula_says(self) -> None:
        earth = make_earth([400.0, 800.0, 1e4], [1500.0, 2200.0, 2600.0], [1.0, 2.0, 2.4], eta=[0.0, 0.12, 0.0])
        isotropic, offset = replace(earth, eta=0 * earth.eta), 1200.0
        t0, v2, shift = nmo_terms(earth.moments())
        expected = float(arrival_times(t0, v2, shift, torch.full((1, 2, 1), offset))[0, 1, 0])
        still = float(arrival_times(*nmo_terms(isotropic.moments()), torch.full((1, 2, 1), offset))[0, 1, 0])
        shifts = [_later(field(each, [offset])[0][0], expected) for each in (earth, isotropic)]
        assert shifts[0] - shifts[1] == pytest.approx(expected - still, rel=0.15)
        assert abs(expected - still) > 5


class TestTogether:
    """Scenes of different numbers of waves, one by one as on a CPU, and many at once as on a GPU."""

    @pytest.fixture(scope="class")
    @staticmethod
    def scenes() -> tuple[Earth, torch.Tensor, Record, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what `whole_field` takes."""
        recipe = load_scene_recipe(find_recipe("tiny"))
        draws = Draws(5, torch.arange(5))
        earth = draw_earth(draws, recipe.earth, torch.full((5,), 900.0))
        offset = torch.linspace(0, 1, 7) * torch.tensor([[300.0], [-900.0], [1500.0], [600.0], [90.0]])
        record = Record(torch.tensor([0.0, 300.0, 52.0, 0.0, 1000.0]), 150)
        peaks = torch.tensor([[12.0], [35.0], [20.0], [45.0], [15.0]])
        wavelet = ricker_spectrum(record.frequencies(), peaks).to(torch.complex64)
        return earth, offset, record, wavelet, torch.linspace(0.6, 1.2, 5), torch.linspace(0.0, 2.0, 5)

    @pytest.mark.parametrize("at_once", [1, 20_000, 2**24])
    @pytest.mark.parametrize("row", [ALIGNED, 4096])
    def test_fields_do_not_depend_on_what_goes_through_the_layers_at_once(self, scenes, row: int, at_once: int) -> None:
        earth, offset, record, *others = scenes
        got = torch.stack(whole_field(*scenes, sizes=Sizes(row, at_once)))
        for scene in range(5):
            here = slice(scene, scene + 1)
            own = replace(record, start_ms=record.start_ms[here])
            alone = whole_field(earth.take(here), offset[here], own, *(part[here] for part in others))
            for part, expected in zip(got[:, here], alone, strict=True):
                assert float((part - expected).square().mean()) <= 1e-10 * float(expected.square().mean())

    def test_rows_hold_each_wave_in_its_place(self, scenes) -> None:
        grids = _grids(*scenes[:4])
        assert len({grid.waves for grid in grids}) == len(grids)
        waves = _waves(grids, Sizes(ALIGNED, 2**24), torch.device("cpu"))
        begin = 0
        for scene, grid in enumerate(grids):
            rows = waves.scene == scene
            known = {(n, k) for n, count in enumerate(grid.counts) for k in range(count)}
            numbers = zip(
                waves.frequency[rows].flatten().tolist(), waves.wavenumber[rows].flatten().tolist(), strict=True
            )
            places = waves.place[rows].flatten().tolist()
            assert dict(zip(numbers, places, strict=True)) == {(n, k): begin + n * grid.shape[1] + k for n, k in known}
            begin += math.prod(grid.shape)


def _later(trace: torch.Tensor, about_ms: float) -> float:
    """Return the time (ms) of the strongest sample within 40 ms of a time, between samples by a parabola."""
    middle = round(about_ms / 1000 / STEP_S)
    near = trace[middle - 10 : middle + 11]
    at = int(near.argmax().clamp(1, len(near) - 2))
    before, peak, after = near[at - 1 : at + 2].tolist()
    return 1000 * STEP_S * (middle - 10 + at + 0.5 * (before - after) / (before - 2 * peak + after))


class TestScenes:
    @pytest.fixture(scope="class")
    @staticmethod
    def recipe():
        tiny = load_scene_recipe(find_recipe("tiny"))
        processing = tiny.processing.model_copy(update={"domains": {"nmo": 0.5, "shot": 0.5}})
        return tiny.model_copy(update={"layered": 1.0, "processing": processing})

    def test_parts_add_up_and_interbeds_are_among_the_primaries(self, recipe) -> None:
        scenes = make_scenes(recipe, 3, range(6))
        assert torch.isfinite(scenes.full).all()
        assert not scenes.interbed.any()
        total = scenes.part("primaries") + scenes.part("multiples") + scenes.part("noise")
        assert torch.allclose(total, scenes.full, atol=1e-5)
        rms = (scenes.signal.square().sum((1, 2)) / (scenes.signal != 0).sum((1, 2))).sqrt()
        assert torch.allclose(rms, torch.ones(6), atol=1e-3)

    def test_a_scene_is_the_same_in_any_batch(self, recipe) -> None:
        together = make_scenes(recipe, 3, range(4))
        alone = make_scenes(recipe, 3, torch.tensor([2]))
        assert torch.allclose(together.full[2], alone.full[0], atol=1e-4)

    def test_share_tells_how_many_are_whole_fields(self, recipe) -> None:
        events = make_scenes(recipe.model_copy(update={"layered": 0.0}), 3, range(32))
        some = make_scenes(recipe.model_copy(update={"layered": 0.5}), 3, range(32))
        changed = (events.primaries != some.primaries).flatten(1).any(1)
        assert 8 <= int(changed.sum()) <= 24
        assert not some.interbed[changed].any()
        assert torch.equal(some.full[~changed], events.full[~changed])

    def test_stacks_are_never_whole_fields(self, recipe) -> None:
        stacks = recipe.processing.model_copy(update={"domains": {"stack": 1.0}})
        changed = {"processing": stacks}
        assert torch.equal(
            make_scenes(recipe.model_copy(update=changed), 3, range(3)).full,
            make_scenes(recipe.model_copy(update=changed | {"layered": 0.0}), 3, range(3)).full,
        )
