"""Spectra, f-k, semblance and stacks against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from seisdiff.operators.semblance import moveout_semblance
from seisdiff.operators.spectra import amplitude_spectrum, fk_spectrum
from seisdiff.operators.stacking import stack_traces

STEP = 4.0
OFFSET = 100.0 + 25.0 * np.arange(48)
TIMES = STEP * np.arange(256)


def ricker(times: np.ndarray, peak_hz: float = 25.0) -> np.ndarray:
    square = (np.pi * peak_hz * times / 1000) ** 2
    return (1 - 2 * square) * np.exp(-square)


def test_a_sine_has_one_frequency():
    frequency_hz = 31.25
    frequency, amplitude = amplitude_spectrum(3.0 * np.sin(2 * np.pi * frequency_hz * TIMES / 1000)[None], STEP)
    assert frequency[np.argmax(amplitude)] == pytest.approx(frequency_hz)
    assert amplitude.max() == pytest.approx(3.0 * len(TIMES) / 2)
    assert np.sort(amplitude)[-2] < 1e-9 * amplitude.max()


def test_spectra_are_means_over_traces_and_zero_of_none():
    traces = np.random.default_rng(0).standard_normal((5, 64))
    _, amplitude = amplitude_spectrum(traces, STEP)
    np.testing.assert_allclose(amplitude, np.mean([amplitude_spectrum(one[None], STEP)[1] for one in traces], axis=0))
    assert not amplitude_spectrum(np.zeros((0, 64)), STEP)[1].any()


@pytest.mark.parametrize("slowness_ms_m", [0.2, -0.2])
def test_a_dipping_event_has_wavenumber_frequency_times_slowness(slowness_ms_m):
    arrivals = 500.0 + slowness_ms_m * (OFFSET - OFFSET.mean())
    samples = ricker(TIMES - arrivals[:, None])
    shuffled = np.random.default_rng(1).permutation(len(OFFSET))
    found = fk_spectrum(samples[shuffled], OFFSET[shuffled], STEP)
    at = np.argmin(np.abs(found.frequency - 25.0))
    peak = found.wavenumber[np.argmax(found.amplitude[at])]
    assert peak == pytest.approx(found.frequency[at] * slowness_ms_m, abs=0.5)
    assert found.wavenumber[0] == pytest.approx(-1000 / (2 * 25.0))


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (3, 1)])
def test_the_smallest_gathers_have_spectra(shape):
    found = fk_spectrum(np.ones(shape), np.zeros(shape[0]), STEP)
    assert np.isfinite(found.amplitude).all()


def test_semblance_of_a_parabola_is_one_at_its_moveout():
    moveouts = np.arange(-100.0, 301.0, 25.0)
    arrivals = 400.0 + 150.0 * (OFFSET / OFFSET[-1]) ** 2
    panel = moveout_semblance(ricker(TIMES - arrivals[:, None]), OFFSET, STEP, moveouts, OFFSET[-1])
    moveout, time = np.unravel_index(panel.argmax(), panel.shape)
    assert moveouts[moveout] == 150.0
    assert TIMES[time] == pytest.approx(400.0, abs=40.0)
    assert panel.max() == pytest.approx(1.0, abs=0.02)
    assert panel[moveouts == 0].max() < 0.6


def test_semblance_counts_what_is_not_muted():
    samples = np.ones((10, 64))
    samples[6:] = 0
    panel = moveout_semblance(samples, np.zeros(10), STEP, np.zeros(1), 1.0)
    np.testing.assert_allclose(panel[0, 10:-10], 1.0, rtol=1e-6)
    samples[3:] = 0
    assert not moveout_semblance(samples, np.zeros(10), STEP, np.zeros(1), 1.0).any()


def test_semblance_of_noise_is_one_over_the_traces():
    samples = np.random.default_rng(2).standard_normal((40, 2000))
    panel = moveout_semblance(samples, np.linspace(0, 1000, 40), STEP, np.zeros(1), 1000.0)
    assert panel.mean() == pytest.approx(1 / 40, rel=0.1)


@pytest.mark.parametrize("loudness", [1e-36, 1e-23, 1e20, 1e36])
def test_semblance_does_not_depend_on_the_amplitude(loudness):
    samples = np.random.default_rng(0).standard_normal((12, 200)).astype(np.float32)
    offset, moveouts = np.arange(12) * 100.0, np.array([0.0, 50.0])
    found, expected = (
        moveout_semblance(np.float32(scale) * samples, offset, 4.0, moveouts, 1100.0) for scale in (loudness, 1.0)
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_stack_is_the_mean_of_what_is_not_muted():
    np.testing.assert_array_equal(stack_traces(np.array([[0.0, 2.0, 0.0], [3.0, 4.0, 0.0]])), [3.0, 3.0, 0.0])
