"""Records sampled more finely than their signal needs: when that is seen, and the way to coarser samples and back."""

from __future__ import annotations

import math

import torch

from seisdiff.networks.oversampling import coarser, finer, surplus
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
    assert surplus(torch.cat([wide, narrow, narrower, shot(0.02, 0.2, seed=1)])) == [1, 4, 8, 4]


def test_without_noise_or_without_signal_nothing_is_done() -> None:
    noise = shot(0.02, 1.0) - shot(0.02, 0.0)
    assert surplus(torch.cat([shot(0.02, 0.0), noise, 0 * noise])) == [1, 1, 1]
    assert surplus(shot(0.02, 0.2)[..., :60]) == [1]


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
