"""Addressed random numbers: an independent reference, independence of batch, order and name, distributions."""

from __future__ import annotations

from zlib import crc32

import pytest
import torch

from seisdiff.draws import Draws


def mixed(word: int) -> int:
    """The integer mixer with plain Python numbers."""
    word ^= word >> 16
    word = word * 0x7FEB352D & 0xFFFFFFFF
    word ^= word >> 15
    word = word * 0x846CA68B & 0xFFFFFFFF
    return word ^ word >> 16


def reference_bits(seed: int, index: int, name: str, counter: int) -> int:
    word, low, high = crc32(name.encode()), index & 0xFFFFFFFF, (index >> 32) & 0xFFFFFFFF
    key = mixed(low ^ word)
    key = mixed((key + high * 0x85EBCA6B + (seed & 0xFFFFFFFF)) & 0xFFFFFFFF)
    key = mixed(key ^ (seed >> 32) & 0xFFFFFFFF)
    second = mixed((key + (word ^ 0xC2B2AE35)) & 0xFFFFFFFF)
    first = mixed((counter * 0x9E3779B9 + key) & 0xFFFFFFFF)
    return mixed((first + second) & 0xFFFFFFFF)


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (7, 3), (2**40 + 5, 2**35 + 11), (1, 2**62)])
def test_bits_are_those_of_plain_integers(seed: int, index: int) -> None:
    bits = Draws(seed, torch.tensor([index])).bits("wavelet.peak", 5)[0]
    assert [int(word) & 0xFFFFFFFF for word in bits] == [
        reference_bits(seed, index, "wavelet.peak", k) for k in range(5)
    ]


def test_a_number_does_not_depend_on_the_batch() -> None:
    every = Draws(3, torch.arange(100)).normal("a", 7, 3)
    some = Draws(3, torch.tensor([41, 7])).normal("a", 7, 3)
    assert torch.equal(some, every[[41, 7]])
    assert torch.equal(Draws(3, torch.arange(100)).take(torch.tensor([41, 7])).normal("a", 7, 3), some)


def test_names_seeds_and_indices_share_nothing() -> None:
    draws = Draws(3, torch.arange(2))
    rows = [
        draws.uniform("a", 20000)[0], draws.uniform("a", 20000)[1], draws.uniform("b", 20000)[0],
        draws.within("a").uniform("a", 20000)[0], Draws(4, torch.arange(1)).uniform("a", 20000)[0],
        Draws(3, torch.tensor([2**32])).uniform("a", 20000)[0],
    ]  # fmt: skip
    correlation = torch.corrcoef(torch.stack(rows)) - torch.eye(len(rows))
    assert float(correlation.abs().max()) < 0.04


def test_uniform_numbers_are_even_and_never_reach_the_ends() -> None:
    numbers = Draws(0, torch.arange(400)).uniform("even", 1000).flatten()
    assert 0 < float(numbers.min()) < 1e-4
    assert 1 - 1e-4 < float(numbers.max()) < 1
    counts = torch.histc(numbers, 50, 0, 1)
    chi2 = float(((counts - 8000).square() / 8000).sum())
    assert 25 < chi2 < 85
    pairs = numbers[:-1] * numbers[1:]
    assert abs(float(pairs.mean()) - 0.25) < 2e-3


def test_normal_numbers_have_the_moments_of_a_bell() -> None:
    numbers = Draws(0, torch.arange(400)).normal("bell", 1001).flatten().double()
    for power, expected in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        assert float((numbers**power).mean()) == pytest.approx(expected, abs=0.03)


def test_choices_come_with_their_weights() -> None:
    chosen = Draws(0, torch.arange(20000)).choice("kind", {"a": 1.0, "b": 0.0, "c": 3.0})
    shares = torch.bincount(chosen, minlength=3) / 20000
    assert shares.tolist() == pytest.approx([0.25, 0.0, 0.75], abs=0.01)
    assert float(Draws(0, torch.arange(20000)).chance("b", 0.3).float().mean()) == pytest.approx(0.3, abs=0.01)
    spread = Draws(0, torch.arange(20000)).log_uniform("c", low=1.0, high=100.0).log10()
    assert float(spread.mean()) == pytest.approx(1.0, abs=0.02)
