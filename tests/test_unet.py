"""The U-Net: sizes, padding, locality, and what it is shown."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from seisdiff.networks.inputs import advance, advance_of, levels, network_inputs, seen, trace_levels
from seisdiff.networks.pooling import FrequencyLowCut, make_pooling
from seisdiff.networks.transfers import settle, to_device, to_host
from seisdiff.networks.unet import UNet, UNetSpec

SMALL = {"widths": (8, 12, 16), "strides": ((2, 2), (2, 2)), "blocks": 1, "deep_kernel": 3}


def network(**changes: object) -> UNet:
    torch.manual_seed(0)
    made = UNet(UNetSpec.model_validate({**SMALL, **changes}))
    with torch.no_grad():
        for part in made.parameters():
            if part.ndim > 1:
                part.normal_(std=0.1)
    return made.eval()


def inputs(traces: int = 16, samples: int = 64) -> torch.Tensor:
    return torch.randn(2, 6, traces, samples, generator=torch.Generator().manual_seed(1))


def test_returns_what_came_in_size() -> None:
    made = network()
    assert made.multiple == (4, 8)
    for traces, samples in ((4, 8), (16, 64), (20, 48)):
        assert made(inputs(traces, samples)).shape == (2, 1, traces, samples)


def test_begins_by_predicting_nothing() -> None:
    assert not UNet(UNetSpec.model_validate(SMALL))(inputs()).any()


def test_padding_traces_have_no_influence() -> None:
    made, data = network(), inputs(16)
    valid = torch.arange(16).expand(2, -1) < 13
    data = data * valid[:, None, :, None]
    wider = torch.nn.functional.pad(data, (0, 0, 0, 8))
    more = torch.nn.functional.pad(valid, (0, 8))
    assert torch.allclose(made(data, valid)[:, :, :13], made(wider, more)[:, :, :13], atol=1e-6)


def test_every_gather_is_for_itself() -> None:
    made, data = network(), inputs()
    assert torch.allclose(made(data)[1], made(data[1:])[0], atol=1e-6)


@pytest.mark.parametrize("pooling", ["average", "strided", "lowcut"])
def test_pooling_halves_and_keeps_what_is_constant(pooling: str) -> None:
    layer = make_pooling(pooling, 3, (2, 4))  # type: ignore[arg-type]
    if pooling == "strided":
        torch.nn.init.constant_(layer.weight, 1 / 8)  # type: ignore[arg-type]
    assert torch.allclose(layer(torch.ones(1, 3, 8, 16)), torch.ones(1, 3, 4, 4), atol=1e-6)
    assert network(pooling=pooling)(inputs()).shape == (2, 1, 16, 64)


def test_low_cut_drops_what_would_alias_and_keeps_the_rest() -> None:
    time = torch.arange(64)
    slow, fast = (torch.sin(2 * torch.pi * cycles * time / 64).expand(1, 1, 4, -1) for cycles in (5, 27))
    layer = FrequencyLowCut((1, 2))
    assert torch.allclose(layer(slow), slow[..., ::2], atol=1e-5)
    assert float(layer(fast).abs().max()) < 1e-5


def test_a_noise_level_is_asked_for_where_it_is_an_input() -> None:
    made = network(noise_level=True)
    low, high = (made(inputs(), None, torch.full((2,), level)) for level in (0.1, 0.9))
    assert not torch.allclose(low, high, atol=1e-3)
    with pytest.raises(ValueError, match="noise level"):
        made(inputs())


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValidationError, match="3 widths need 2"):
        UNetSpec(widths=(8, 8, 8), strides=((2, 2),))
    with pytest.raises(ValidationError, match="odd"):
        UNetSpec(kernel=4)


def shown_of(
    data: torch.Tensor, live: torch.Tensor, offset: torch.Tensor, largest: float, ahead: float | torch.Tensor = 0.0,
    level_traces: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Return what a network is shown where nothing is known before."""
    late, ahead = torch.ones(1, 1, 1, dtype=torch.bool), ahead + torch.zeros_like(offset)
    return network_inputs(data, live, offset, largest, ahead, torch.zeros_like(data), late, level_traces)


def test_on_a_cpu_nothing_travels() -> None:
    shown, cpu = inputs(), torch.device("cpu")
    there = to_device(shown, cpu, torch.bfloat16)
    assert there.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(there, shown.bfloat16())
    assert to_host(there) is there
    settle(cpu)


class TestInputs:
    def gather(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        data = torch.randn(2, 6, 800, generator=torch.Generator().manual_seed(3))
        data[:, 3:, :50] = 0
        live = torch.ones(2, 6, dtype=torch.bool)
        live[:, 5] = False
        return data * live[..., None], live, torch.linspace(-600, 600, 6).expand(2, -1)

    def test_levels_follow_a_gain_that_is_smooth(self) -> None:
        data, live, _ = self.gather()
        gain = torch.exp(torch.linspace(0, -4, 800))
        counted = seen(data) & live[..., None]
        ratio = levels(data * gain, counted) / (levels(data, counted) * gain)
        assert float((ratio.log() - ratio.log().mean()).abs().max()) < 0.25

    def test_levels_follow_traces_where_asked_for_dead_ones_too(self) -> None:
        offset, live = torch.linspace(-700, 700, 15).expand(2, -1), torch.ones(2, 15, dtype=torch.bool)
        live[:, [0, 4, 5, 11, 14]] = False
        made = torch.randn(2, 15, 800, generator=torch.Generator().manual_seed(5))
        size = torch.exp(0.15 * torch.arange(15.0))[:, None]  # 18 dB from end to end
        level = shown_of(made * size * live[..., None], live, offset, 700.0, level_traces=4.0)[1]
        off = torch.log(level / size)[:, :, 50:-50]
        assert float((off - off.mean()).abs().max()) < 0.2
        data = made * live[..., None]
        shown, of_all = shown_of(data, live, offset, 700.0, level_traces=0.0)
        assert of_all.shape == (2, 1, 800)
        late = torch.ones(1, 1, 1, dtype=torch.bool)
        untold, _ = network_inputs(data, live, offset, 700.0, 0 * offset, torch.zeros_like(data), late)
        assert torch.equal(shown, untold)

    def test_levels_of_traces_are_bounded_and_far_from_live_ones_those_of_all(self) -> None:
        live = torch.zeros(1, 200, dtype=torch.bool)
        live[:, :4] = True
        data = torch.randn(1, 200, 400, generator=torch.Generator().manual_seed(6)) * live[..., None]
        data[:, :4] *= torch.exp(2 * torch.arange(4.0))[:, None]
        counted = seen(data) & live[..., None]
        level = trace_levels(data, counted, levels(data, counted), 4.0)[0, :, 0]
        assert float(level.max()) <= 20.1
        assert torch.equal(level[100:], torch.full((100,), float(level[100])))
        assert bool(level.isfinite().all())
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(trace_levels(data, counted, levels(data, counted), 4.0)[0, :, 0], level)
        one = trace_levels(data[:, :1], counted[:, :1], levels(data[:, :1], counted[:, :1]), 4.0)
        assert float(one) == pytest.approx(1.0, abs=1e-3)
        nothing = trace_levels(0 * data, 0 * counted > 0, levels(0 * data, counted), 4.0)
        assert torch.equal(nothing, torch.ones(1, 200, 1))

    def test_balanced_gathers_have_a_root_mean_square_of_one(self) -> None:
        data, live, offset = self.gather()
        shown, _ = shown_of(data, live, offset, 600.0)
        used = shown[:, 3] * live[..., None]
        power = (shown[:, 0].square() * used).sum((1, 2)) / used.sum((1, 2))
        assert torch.allclose(power, torch.ones(2), atol=1e-4)

    def test_amplitudes_scale_through(self) -> None:
        data, live, offset = self.gather()
        (one, level), (other, louder) = (shown_of(data * f, live, offset, 600.0) for f in (1.0, 64.0))
        assert torch.allclose(one, other, atol=1e-5)
        assert torch.allclose(64 * level, louder, rtol=1e-4)

    def test_the_unit_of_length_does_not_matter(self) -> None:
        data, live, offset = self.gather()
        metres, _ = shown_of(data, live, offset, 600.0)
        feet, _ = shown_of(data, live, offset / 0.3048, 600.0 / 0.3048)
        assert torch.allclose(metres, feet, atol=1e-6)
        assert float(metres[:, 2].max()) == 1.0

    def test_mute_and_dead_traces_are_told(self) -> None:
        data, live, offset = self.gather()
        shown, _ = shown_of(data, live, offset, 600.0)
        assert not shown[:, 3, 3:, :50].any()
        assert bool((shown[:, 3, :3] == 1).all())
        assert not shown[:, 1, 5].any()
        assert torch.equal(seen(data)[0, 0], torch.ones(800, dtype=torch.bool))

    def test_linear_moveout_is_taken_out_and_put_back(self) -> None:
        offset, samples = torch.linspace(0, 2000, 5)[None], torch.arange(400.0)
        arrival = 60 + offset[0] / 2000 * 1000 / 4  # a direct wave at 2000 m/s, sampled at 4 ms
        data = torch.exp(-((samples - arrival[:, None]) ** 2) / 50)[None]
        live = torch.tensor([[True, True, False, True, True]])
        ahead = advance_of(data, live, offset, 4.0, 2000.0)
        assert ahead is not None
        flat = advance(data, ahead)
        assert torch.allclose(flat, flat[:, :1].expand_as(flat), atol=1e-4)
        assert torch.allclose(advance(flat, -ahead), data, atol=1e-5)
        assert advance_of(data, live, offset, 4.0, 0.0) is None

    def test_what_is_flat_already_is_left_so(self) -> None:
        offset, samples = torch.linspace(0, 2000, 5)[None], torch.arange(400.0)
        size = torch.tensor([1.0, -3.0, 0.0, 1.0, 2.0])
        flat = (torch.exp(-((samples - 60) ** 2) / 50) * size[:, None])[None]
        live = torch.tensor([[True, False, False, True, True]])  # what a dead trace holds does not count
        both = torch.cat([flat, advance(flat, -1000 * offset / 2000 / 4.0)])
        ahead = advance_of(both, live.expand(2, -1), offset.expand(2, -1), 4.0, 2000.0)
        assert not ahead[0].any()
        assert ahead[1, 4] == 250
        assert not advance_of(both * 0, live.expand(2, -1), 0 * offset.expand(2, -1), 4.0, 2000.0).any()
        one = torch.tensor([[False, False, False, True, False]])  # nothing to compare
        assert advance_of(flat, one, offset, 4.0, 2000.0)[0, 4] == 250

    def test_mutes_are_advanced_with_the_traces(self) -> None:
        data, live, offset = self.gather()
        ahead = torch.arange(6.0).expand(2, -1) * 10
        shown, _ = shown_of(data, live, offset, 600.0, ahead)
        assert shown[0, 3, 4].sum() == 750
        assert not shown[0, 3, 4, :10].any()
        assert not shown[0, 3, 4, -40:].any()

    def test_what_is_found_before_comes_in_the_balance_and_the_moveout_of_the_data(self) -> None:
        data, live, offset = self.gather()
        ahead = torch.arange(6.0).expand(2, -1) * 10
        late = (torch.arange(800) >= 300).expand(2, 6, -1)
        shown, _ = network_inputs(data, live, offset, 600.0, ahead, data / 2, late)
        assert torch.allclose(shown[:, 4] * shown[:, 3], shown[:, 0] / 2, atol=1e-4)
        assert (shown[0, 5] > 0).sum(1).tolist() == [500] * 6
        assert (shown[0, 5] > 0).int().argmax(1).tolist() == [300 - 10 * trace for trace in range(6)]

    def test_nothing_gives_nothing(self) -> None:
        zero = torch.zeros(1, 4, 50)
        shown, level = shown_of(zero, torch.ones(1, 4) > 0, torch.zeros(1, 4), 1.0)
        assert not shown[:, 0].any()
        assert bool(level.isfinite().all())
        assert bool((level > 0).all())
