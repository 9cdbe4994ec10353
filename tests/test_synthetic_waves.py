"""Waves of the scene generator against closed forms and against exact ray tracing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seisdiff.draws import Draws
from seisdiff.synthetic.earth import Earth
from seisdiff.synthetic.events import (
    Events,
    Spread,
    Tracer,
    arrival_times,
    interbed_multiples,
    nmo_terms,
    peg_leg_pairs,
    primaries,
    water_layer_multiples,
)
from seisdiff.synthetic.processing import corrected, rms_velocities, stretch_mute
from seisdiff.synthetic.reflection import Border, borders, reflection
from seisdiff.synthetic.structure import flat
from seisdiff.synthetic.traces import Record, filtered, read, spikes
from seisdiff.synthetic.wavelet import minimum_phase, ricker_spectrum
from tests.small_earths import make_earth


def make_tracer(earth: Earth, offset: list[float]) -> Tracer:
    spread = Spread(torch.tensor([offset]))
    return Tracer(earth, spread, flat(earth, len(offset)), torch.zeros(1, 2))


def water_bottom() -> Earth:
    return make_earth([400.0, 1e4], [1500.0, 2000.0], [1.0, 2.0])


def reflectors(tracer: Tracer) -> torch.Tensor:
    return torch.arange(tracer.earth.reflectors)[None]


def coefficient(earth: Earth, reflector: int = 0) -> float:
    return float(earth.contrast()[0, reflector])


def ricker_traces(events: Events, samples: int = 500, peak_hz: float = 25.0, t_star: float = 0.0) -> torch.Tensor:
    record = Record(torch.zeros(1), samples)
    wavelet = ricker_spectrum(record.frequencies(), torch.tensor([[peak_hz]])).to(torch.complex64)
    coefficients = filtered(record, spikes(record, events), wavelet, torch.full((1, record.fine), t_star))
    times = 4.0 * torch.arange(samples).expand(1, events.time.shape[2], -1)
    return read(coefficients, record.positions(times))


def one_event(time: float, phase: float = 0.0) -> Events:
    size = torch.ones(1, 1, 1)
    return Events(time * size, math.cos(phase) * size, math.sin(phase) * size)


class TestReflection:
    def test_is_that_of_aki_and_richards_for_small_contrasts(self) -> None:
        vp, vs, rho = (2500.0, 2530.0), (1200.0, 1225.0), (2.2, 2.21)
        earth = make_earth([400.0, 400.0], list(vp), list(rho), list(vs))
        angle = torch.deg2rad(torch.linspace(0, 40, 9))
        p = torch.sin(angle) / np.mean(vp)
        size, phase = reflection(borders(earth), p.expand(1, 1, -1))
        mean, step = [np.mean(pair) for pair in (vp, vs, rho)], [np.diff(pair)[0] for pair in (vp, vs, rho)]
        sine2 = torch.sin(angle) ** 2
        ratio2 = 4 * (mean[1] / mean[0]) ** 2 * sine2
        expected = (
            0.5 * (1 - ratio2) * step[2] / mean[2]
            + 0.5 * step[0] / (mean[0] * torch.cos(angle) ** 2)
            - ratio2 * step[1] / mean[1]
        )
        assert torch.allclose(size[0, 0], expected.float(), atol=3e-5)
        assert not phase.any()

    def test_polarity_turns_with_offset_over_soft_gas_sand(self) -> None:
        earth = make_earth([400.0, 400.0], [2400.0, 2500.0], [2.3, 2.25], [1000.0, 1500.0])
        size, _ = reflection(borders(earth), torch.tensor([[[0.0, 0.6 / 2500]]]))
        assert size[0, 0, 0] > 0 > size[0, 0, 1]

    def test_two_fluids_reflect_as_the_exact_formula_says(self) -> None:
        rho, v, p = (1.03, 1.9), (1500.0, 1900.0), 3.5e-4
        q = [math.sqrt(1 / c**2 - p**2) for c in v]
        expected = (rho[1] * q[0] - rho[0] * q[1]) / (rho[1] * q[0] + rho[0] * q[1])
        size, _ = reflection(borders(make_earth([1.0, 1.0], list(v), list(rho))), torch.tensor([[[p]]]))
        assert float(size) == pytest.approx(expected, rel=1e-5)

    def test_beyond_the_critical_angle_all_comes_back_with_its_phase_advanced(self) -> None:
        border = borders(make_earth([1.0, 1.0], [1500.0, 2500.0], [1.0, 2.0]))
        p = torch.linspace(1.001 / 2500, 0.998 / 1500, 20).expand(1, 1, -1)
        size, phase = reflection(border, p)
        assert torch.equal(size, torch.ones_like(size))
        assert bool((torch.diff(phase) > 0).all())
        assert 0 < float(phase[0, 0, 0]) < 0.3
        assert float(phase[0, 0, -1]) < math.pi

    def test_borders_are_picked_by_number(self) -> None:
        border = borders(make_earth([1.0, 1.0, 1.0], [1500.0, 2000.0, 2500.0], [1.0, 2.0, 2.1]))
        picked = border.pick(torch.tensor([1, 0]))
        assert isinstance(picked, Border)
        assert torch.equal(picked.below, border.below.flip(1))


class TestKinematics:
    def test_water_bottom_multiples_come_at_twice_and_three_times_its_time(self) -> None:
        earth = water_bottom()
        tracer = make_tracer(earth, [0.0, 1000.0])
        r = coefficient(earth)
        first = tracer.arrivals(primaries(tracer))
        late = tracer.arrivals(water_layer_multiples(tracer, reflectors(tracer), range(1, 3), torch.ones(1)))
        assert float(first.time[0, 0, 0]) == pytest.approx(400.0)
        assert late.time[0, :, 0].tolist() == pytest.approx([800.0, 1200.0])
        assert late.real[0, :, 0].tolist() == pytest.approx([-(r**2), r**3], rel=1e-4)
        assert float(first.real[0, 0, 0]) == pytest.approx(r, rel=1e-4)
        expected = [math.hypot(400 * n, 1000 / 1.5) for n in (1, 2, 3)]
        assert [float(first.time[0, 0, 1]), *late.time[0, :, 1].tolist()] == pytest.approx(expected, rel=1e-5)

    def test_the_multiple_has_the_square_of_the_reflection_in_the_traces_too(self) -> None:
        earth = water_bottom()
        tracer = make_tracer(earth, [0.0])
        both = [
            tracer.arrivals(primaries(tracer)),
            tracer.arrivals(water_layer_multiples(tracer, reflectors(tracer), range(1, 2), torch.ones(1))),
        ]
        primary, multiple = (ricker_traces(events)[0, 0] for events in both)
        assert int(primary.argmax()) == 100
        assert int(multiple.argmin()) == 200
        assert float(multiple[200] / primary[100]) == pytest.approx(-coefficient(earth), rel=1e-3)

    def test_peg_legs_come_in_as_many_ways_as_there_are_orders(self) -> None:
        earth = make_earth([400.0, 500.0, 1e4], [1500.0, 1500.0, 1500.0], [1.0, 2.0, 2.8])
        tracer = make_tracer(earth, [0.0])
        r0, r1 = coefficient(earth, 0), coefficient(earth, 1)
        late = tracer.arrivals(water_layer_multiples(tracer, reflectors(tracer), range(1, 3), torch.ones(1)))
        passed = 1 - r0**2
        assert late.time[0, :, 0].tolist() == pytest.approx([800.0, 1300.0, 1200.0, 1700.0])
        expected = [-r0 * r0, -2 * passed * r0 * r1, r0**3, 3 * passed * r0**2 * r1]
        assert late.real[0, :, 0].tolist() == pytest.approx(expected, rel=1e-3)

    def test_pairs_of_deep_reflectors(self) -> None:
        earth = make_earth([400.0, 500.0, 300.0, 1e4], [1500.0, 1500.0, 1500.0, 1500.0], [1.0, 1.5, 2.0, 2.5])
        tracer = make_tracer(earth, [0.0])
        pairs = tracer.arrivals(peg_leg_pairs(tracer, torch.tensor([[1, 2]]), torch.ones(1)))
        through = earth.transmission()[0]
        r0, r1, r2 = earth.contrast()[0]
        assert pairs.time[0, :, 0].tolist() == pytest.approx([1800, 2100, 2400, 2200, 2500, 2800])
        expected = [-((through[1] * r1) ** 2), -2 * through[1] * r1 * through[2] * r2, -((through[2] * r2) ** 2)]
        expected += [-3 * r0 * value for value in expected]
        assert pairs.real[0, :, 0].tolist() == pytest.approx([float(value) for value in expected], rel=1e-3)

    def test_interbed_multiples_turn_below_a_reflector(self) -> None:
        earth = make_earth([400.0, 500.0, 300.0, 1e4], [1500.0, 1500.0, 1500.0, 1500.0], [1.0, 1.5, 2.0, 2.5])
        tracer = make_tracer(earth, [0.0])
        late = tracer.arrivals(interbed_multiples(tracer, torch.tensor([[0, 1, 2]])))
        r0, r1, r2 = (float(value) for value in earth.contrast()[0])
        times = sorted(late.time[0, :, 0].tolist())
        assert times == pytest.approx(sorted([1400, 1700, 2000, 1500]))
        only_deep = late.real[0, late.time[0, :, 0].sub(1500).abs().argmin(), 0]
        passed = (1 - r0**2) * (1 - r1**2)
        assert float(only_deep) == pytest.approx(-passed * r2 * r1 * r2, rel=1e-3)

    def test_times_follow_rays_in_a_layered_earth(self) -> None:
        time, velocity = [300.0, 250.0, 400.0, 350.0], [1500.0, 1900.0, 2600.0, 2300.0]
        earth = make_earth([*time, 1.0], [*velocity, 3000.0], [1.0] * 5)
        t0, v2, shift = nmo_terms(earth.moments())
        height = np.array(time) * np.array(velocity) * 1e-3
        p = np.linspace(0, 0.999 / max(velocity), 4000)[:, None]
        cosine = np.sqrt(1 - (p * velocity) ** 2)
        x, t = (height * p * velocity / cosine).sum(1), (np.array(time) / cosine).sum(1)
        wanted = np.array([0.0, 0.5, 1.0, 1.5]) * height.sum() / 2
        exact = np.interp(wanted, x, t)
        found = arrival_times(t0, v2, shift, torch.from_numpy(wanted).float().view(1, 1, -1))[0, -1].numpy()
        hyperbola = np.hypot(float(t0[0, -1]), 1e3 * wanted / math.sqrt(float(v2[0, -1])))
        assert np.abs(found - exact).max() < 1.5
        assert np.abs(found - exact)[-1] < 0.2 * np.abs(hyperbola - exact)[-1]


class TestTraces:
    def test_a_spike_between_samples_becomes_a_ricker_wavelet(self) -> None:
        time = 801.3
        trace = ricker_traces(one_event(time))[0, 0].numpy()
        argument = (math.pi * 25 * 1e-3 * (4.0 * np.arange(500) - time)) ** 2
        expected = (1 - 2 * argument) * np.exp(-argument)
        scale = trace @ expected / (expected @ expected)
        assert np.abs(trace - scale * expected).max() < 2e-3 * scale

    def test_a_phase_of_half_a_turn_reverses_and_a_quarter_is_the_hilbert_transform(self) -> None:
        upright, turned = (ricker_traces(one_event(800.0, phase))[0, 0] for phase in (0.0, math.pi))
        assert torch.allclose(upright, -turned, atol=1e-5 * float(upright.max()))
        quarter = ricker_traces(one_event(800.0, math.pi / 2))[0, 0]
        assert abs(float(quarter @ upright)) < 1e-3 * float(upright @ upright)
        assert float(quarter @ quarter) == pytest.approx(float(upright @ upright), rel=1e-3)
        assert int(quarter.argmin()) > 200 > int(quarter.argmax())  # advanced: it rises before and falls after

    def test_absorption_falls_exponentially_with_frequency(self) -> None:
        t_star = 0.008
        plain, dull = (ricker_traces(one_event(800.0), t_star=value)[0, 0].numpy() for value in (1e-9, t_star))
        frequency = np.fft.rfftfreq(500, 0.004)
        band = (frequency > 10) & (frequency < 60)
        ratio = np.abs(np.fft.rfft(dull))[band] / np.abs(np.fft.rfft(plain))[band]
        assert np.log(ratio) == pytest.approx(-math.pi * frequency[band] * t_star, abs=0.01)

    def test_absorption_grows_down_a_record(self) -> None:
        record = Record(torch.zeros(1), 500)
        quality, peak = 100.0, torch.tensor([[30.0]])
        t_star = (1e-3 * record.times() / quality).clamp_min(0)
        times = torch.tensor([300.0, 900.0, 1500.0]).view(1, 3, 1).expand(1, 3, 1)
        traces = []
        for one in times[0]:
            events = Events(one.view(1, 1, 1), torch.ones(1, 1, 1), torch.zeros(1, 1, 1))
            wavelet = ricker_spectrum(record.frequencies(), peak).to(torch.complex64)
            coefficients = filtered(record, spikes(record, events), wavelet, t_star)
            at = 4.0 * torch.arange(500).view(1, 1, -1)
            traces.append(read(coefficients, record.positions(at))[0, 0].numpy())
        frequency = np.fft.rfftfreq(500, 0.004)
        band = (frequency > 15) & (frequency < 45)
        early, late = (np.abs(np.fft.rfft(trace))[band] for trace in (traces[0], traces[2]))
        slope = np.polyfit(frequency[band], np.log(late / early), 1)[0]
        assert slope == pytest.approx(-math.pi * 1.2 / quality, rel=0.1)

    def test_minimum_phase_is_causal_and_front_loaded(self) -> None:
        frequency = torch.fft.rfftfreq(1024, 0.002)
        amplitude = ricker_spectrum(frequency, torch.tensor([[25.0]])).clamp_min(1e-4)
        wavelet = torch.fft.irfft(torch.polar(amplitude, minimum_phase(amplitude)), n=1024)[0]
        assert float(wavelet[512:].square().sum()) < 0.01 * float(wavelet.square().sum())

    def test_nothing_wraps_around_the_ends(self) -> None:
        before, after = (ricker_traces(one_event(time))[0, 0] for time in (-300.0, 2600.0))
        assert not before.any()
        assert not after.any()


class TestMoveout:
    def test_flattens_a_water_bottom_multiple_with_water_velocity(self) -> None:
        tracer = make_tracer(water_bottom(), [0.0, 300.0, 600.0, 900.0])
        late = tracer.arrivals(water_layer_multiples(tracer, reflectors(tracer), range(1, 2), torch.ones(1)))
        record = Record(torch.zeros(1), 700)
        wavelet = ricker_spectrum(record.frequencies(), torch.tensor([[25.0]])).to(torch.complex64)
        coefficients = filtered(record, spikes(record, late), wavelet, torch.zeros(1, record.fine))
        vertical = 4.0 * torch.arange(500)[None]
        times = corrected(tracer.spread.offset, torch.full((1, 500), 1500.0), vertical, torch.tensor([True]))
        traces = read(coefficients, record.positions(times))[0].numpy()
        for trace in -traces[:, 180:221]:
            top = int(trace.argmax())
            a, b, c = trace[top - 1 : top + 2]
            assert top + 180 + 0.5 * (a - c) / (a - 2 * b + c) == pytest.approx(200.0, abs=0.05)

    def test_true_rms_velocities_are_exact_at_reflectors(self) -> None:
        earth = make_earth([300.0, 250.0, 400.0, 1e4], [1500.0, 1900.0, 2600.0, 3000.0], [1.0] * 4)
        moments = earth.moments()
        found = rms_velocities(earth, moments, moments[:, 0])
        assert found.square().tolist()[0] == pytest.approx((moments[:, 1] / moments[:, 0])[0].tolist(), rel=1e-5)
        halfway = rms_velocities(earth, moments, torch.tensor([[425.0]]))
        assert float(halfway) ** 2 == pytest.approx((300 * 1500**2 + 125 * 1900**2) / 425, rel=1e-5)

    def test_the_mute_takes_what_is_stretched(self) -> None:
        vertical = 4.0 * torch.arange(1, 501)[None]
        offset, velocity = torch.tensor([[0.0, 2000.0]]), torch.full((1, 500), 2000.0)
        times = corrected(offset, velocity, vertical, torch.tensor([True]))
        limit, yes = torch.tensor([0.5]), torch.tensor([True])
        mute = stretch_mute(times, vertical, limit, torch.tensor([1.0]), yes)[0]
        assert bool((mute[0] == 1).all())
        # dt/dt0 = t0/t = 1/1.5 where t0 = 1000/sqrt(1.25) ms
        first = float(vertical[0, int((mute[1] > 0).nonzero()[0])])
        assert first == pytest.approx(1000 / math.sqrt(1.25), abs=8)


def test_draws_name_nothing_twice() -> None:
    draws = Draws(1, torch.arange(3))
    assert not torch.equal(draws.within("earth").uniform("gas.top"), draws.within("waves").uniform("gas.top"))
