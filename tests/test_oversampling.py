"""Records sampled more finely than their signal needs: when that is seen, and the way to coarser samples and back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from pydantic import ValidationError

from seisdiff.networks.inputs import AMPLITUDE, LATE
from seisdiff.networks.oversampling import as_recorded, coarser, finer, finer_count, finer_traces, surplus
from seisdiff.networks.views import answer_in_passes, samples_shown, views_of
from seisdiff.restorers.base import Batch
from seisdiff.restorers.unet import UnetRestorer, UnetSpec
from seisdiff.scores import snr_db


def shot(cycles: float, noise: float, traces: int = 24, samples: int = 800, seed: int = 0) -> torch.Tensor:
    """Return (1, trace, time): Ricker wavelets of so many cycles a sample along a hyperbola, and white noise."""
    offset, times = torch.arange(traces) / traces, torch.arange(samples)
    signal = torch.zeros(traces, samples)
    for zero in (0.2, 0.45, 0.7):
        late = samples * torch.sqrt(zero**2 + 0.05 * offset**2)[:, None]
        phase = (math.pi * cycles * (times - late)).square()
        signal += (1 - 2 * phase) * torch.exp(-phase)
    return (signal + noise * torch.randn(traces, samples, generator=torch.Generator().manual_seed(seed)))[None]


def test_a_floor_of_noise_above_a_narrow_signal_is_seen() -> None:
    wide, narrow, narrower = shot(0.12, 0.2), shot(0.02, 0.2), shot(0.01, 0.2)
    gathers = torch.cat([wide, narrow, narrower, shot(0.02, 0.2, seed=1)])
    assert surplus(gathers, "denoise") == [1, 4, 8, 4]
    assert surplus(gathers, "interpolate") == [1, 1, 1, 1]  # noise is not to be told from signal there


def test_a_band_that_hardly_anything_reaches_is_seen() -> None:
    gathers = torch.cat([shot(cycles, 0.0) for cycles in (0.12, 0.06, 0.03, 0.015)])
    assert surplus(gathers, "demultiple") == [1, 2, 4, 8]
    assert surplus(gathers, "denoise") == [1, 2, 4, 8]
    assert surplus(gathers, "interpolate") == [1, 1, 2, 4]
    swell = shot(0.12, 0.0) + shot(0.01, 0.0)  # 11 dB stronger
    assert surplus(swell, "denoise") == [1]  # coarser samples would not hold the signal under it


def test_without_signal_or_with_few_samples_nothing_is_done() -> None:
    noise = shot(0.02, 1.0) - shot(0.02, 0.0)
    for task in ("demultiple", "denoise", "interpolate"):
        assert surplus(torch.cat([noise, 0 * noise]), task) == [1, 1]
        assert surplus(shot(0.02, 0.2)[..., :60], task) == [1]


def stretched(batch: Batch, factor: int) -> Batch:
    """Return the batch with `factor` times as many samples, and mutes as they were."""
    count = factor * len(batch.times)
    there = (batch.data != 0).repeat_interleave(factor, dim=-1)
    step = float(batch.times[1] - batch.times[0]) / factor
    return replace(batch, data=finer(batch.data, factor, count) * there, times=step * torch.arange(count).double())


@pytest.mark.parametrize(("task", "cycles"), [("demultiple", 0.08), ("denoise", 0.08), ("interpolate", 0.05)])
def test_the_same_gather_sampled_more_finely_gives_the_same_answer(
    task: Literal["demultiple", "denoise", "interpolate"], cycles: float
) -> None:
    offset = torch.linspace(50, 3000, 24, dtype=torch.float64)[None]
    live = torch.ones(1, 24, dtype=torch.bool)
    live[:, 5::4] = task != "interpolate"
    data = shot(cycles, 0.0) * live[..., None]
    data[..., -100:] = 0  # nothing comes round
    batch = Batch(data, offset, live, 4.0 * torch.arange(800, dtype=torch.float64))
    restorer = UnetRestorer(task, UnetSpec(precision="float32", device="cpu"), 3000.0)
    coarse = restorer.restore(batch).signal
    fine = restorer.restore(stretched(batch, 4)).signal
    assert fine.shape[-1] == 3200
    assert snr_db(coarse.numpy(), fine[..., ::4].numpy()) > 25
    if task == "interpolate":
        assert torch.equal(fine[live], stretched(batch, 4).data[live])


@pytest.mark.parametrize("views", [(1.0,), (1.0, 2.0), (1.25, -1.5), (-2.0,)])
@pytest.mark.parametrize("count", [800, 797])
def test_answers_to_more_samples_come_back_at_those_that_there_are(
    monkeypatch: pytest.MonkeyPatch, views: tuple[float, ...], count: int
) -> None:
    data = shot(0.1, 0.0)[..., :count]
    data[:, 10:, :200] = 0
    offset, live = torch.arange(24.0)[None].double(), torch.ones(1, 24, dtype=torch.bool)
    start = torch.full((1, 24), 1000.0)
    batch = Batch(data, offset, live, 4.0 * torch.arange(float(count)), start=start)
    restorer = UnetRestorer("demultiple", UnetSpec(precision="float32", device="cpu", views=views), 3000.0)
    lengths, largest = [], []

    def half(inputs: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        lengths.append(inputs.shape[-1])
        largest.append(float(inputs[:, AMPLITUDE].amax() + inputs[:, AMPLITUDE].amin()))
        late, rate = int(inputs[0, LATE, 0].sum()), inputs.shape[-1] / count
        assert abs(late - rate * (count - 250)) <= 3  # the first 250 are before 1000 ms
        assert not inputs[:, AMPLITUDE, 10:, : int(200 * rate)].any()
        return 0.5 * inputs[:, [AMPLITUDE]]

    monkeypatch.setattr(restorer, "_fitting", half)
    error = restorer.answer(batch) - 0.5 * data
    assert float(error.norm() / data.norm()) < 0.01  # all of it at the mute's edge
    assert torch.allclose(error[:, :9, 60:-60], torch.zeros(()), atol=2e-3)
    assert lengths == [finer_count(count, abs(view)) for view in views]
    assert [part > 0 for part in largest] == [view > 0 for view in views]  # the crests of a Ricker wavelet stand out


@pytest.mark.parametrize(("count", "rate", "wanted"), [(800, 1.25, 1000), (797, 1.5, 1197), (7, 1.25, 10), (7, 1, 7)])
def test_more_samples_hold_what_there_was(count: int, rate: float, wanted: int) -> None:
    data = torch.randn(2, 3, count, generator=torch.Generator().manual_seed(0))
    assert finer_count(count, rate) == wanted
    assert torch.allclose(as_recorded(finer(data, rate, wanted), rate, count), data, atol=1e-5)
    assert finer_traces(data, data, rate)[0].shape[-1] == wanted


@pytest.mark.parametrize("rate", [1.25, 1.5, 2.0])
def test_samples_in_between_are_those_of_the_wave(rate: float) -> None:
    turns = 2 * math.pi * 30 / 800 * torch.arange(800 * rate) / rate
    wave = torch.cos(2 * math.pi * 30 / 800 * torch.arange(800.0)).expand(1, 2, -1)
    fine, answer = finer_traces(wave, wave, rate)
    assert torch.allclose(fine, torch.cos(turns).expand(1, 2, -1), atol=1e-4)
    assert torch.allclose(answer, fine, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "options", "passes"),
    [
        ("demultiple", {}, [(1, -1.5)]),
        ("demultiple", {"views": 1}, [(1,)]),
        ("denoise", {}, [(1, -1.25)]),
        ("denoise", {"views": "1, -2"}, [(1, -2)]),  # as it is typed
        ("interpolate", {}, [(1,), (2,)]),
        ("interpolate", {"passes": 1}, [(2,)]),
        ("interpolate", {"views": [2, -2], "passes": 3}, [(1,), (1,), (2, -2)]),
    ],
)
def test_models_tell_which_views_they_are_shown(
    task: Literal["demultiple", "denoise", "interpolate"], options: dict[str, object], passes: list[tuple[float, ...]]
) -> None:
    assert UnetRestorer(task, UnetSpec.model_validate({"device": "cpu", **options}), 3000.0).passes == passes


@pytest.mark.parametrize("views", ["1.1", "", "0", "1;2", [], [1] * 9, "nan"])
def test_views_that_there_are_not_are_refused(views: object) -> None:
    with pytest.raises(ValidationError, match="views"):
        UnetSpec.model_validate({"views": views})


def test_each_pass_is_shown_the_mean_answer_before() -> None:
    shown: list[tuple[float, float]] = []

    def network(found: torch.Tensor, view: float) -> torch.Tensor:
        shown.append((float(found), view))
        return found + view

    passes = views_of({"passes": 2, "views": [2, -1]})
    assert passes == [(1,), (2, -1)]
    assert samples_shown(passes) == 4
    assert views_of({}) == [(1,)]
    assert float(answer_in_passes(network, torch.tensor(5.0), [*passes, (3.0,)])) == 9.5  # 3 and the mean of 8 and 5
    assert shown == [(5, 1), (6, 2), (6, -1), (6.5, 3)]


def test_what_coarse_samples_hold_comes_back() -> None:
    clean = shot(0.02, 0.0)
    clean[:, 3:, :100] = 0
    low = coarser(clean, 4)
    assert low.shape[-1] == 200 + 16
    assert not low[:, 3:, :25].any()
    assert snr_db(clean.numpy(), finer(low, 4, 800).numpy()) > 40


def test_noise_comes_off_records_that_are_sampled_too_finely_and_neighbours_do_not_matter() -> None:
    clean, noisy, other = shot(0.02, 0.0), shot(0.02, 0.3), shot(0.12, 0.3)
    offset = torch.linspace(50, 1200, 24, dtype=torch.float64).expand(2, -1)
    times = 0.5 * torch.arange(800, dtype=torch.float64)
    batch = Batch(torch.cat([noisy, other]), offset, torch.ones(2, 24, dtype=torch.bool), times)
    restorer = UnetRestorer("denoise", UnetSpec(precision="float32", device="cpu"), 1200.0)
    both = restorer.restore(batch).signal
    alone = restorer.restore(batch.take(torch.tensor([0]))).signal
    assert torch.allclose(both[:1], alone, atol=1e-5)
    assert snr_db(clean.numpy(), both[:1].numpy()) > snr_db(clean.numpy(), noisy.numpy()) + 12
