"""Whole scenes: parts that add up, independence of the batch, noise levels, gaps, scaling with the sample interval."""

from __future__ import annotations

from functools import cache
from typing import get_args

import pytest
import torch

from seisdiff.draws import Draws
from seisdiff.errors import OptionError
from seisdiff.synthetic.gaps import draw_gaps
from seisdiff.synthetic.processing import automatic_gain
from seisdiff.synthetic.recipe import Domain, GapSpec, NoiseKind, SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import DOMAINS, Scenes, make_scenes

SMALL = {
    "name": "small",
    "samples": 160,
    "earth": {"layers": 12, "water_m": [30, 150]},
    "spread": {"traces": 20},
    "multiples": {"orders": 3, "strongest": 4},
}
EVERY_KIND = get_args(NoiseKind)


def recipe(**changes: object) -> SceneRecipe:
    return SceneRecipe.model_validate({**SMALL, **changes})


@cache
def noisy() -> Scenes:
    wanted = recipe(noise={"kinds": dict.fromkeys(EVERY_KIND, 1.0), "snr_db": [3.0, 3.0]})
    return make_scenes(wanted, 5, range(6))


def energy(part: torch.Tensor) -> torch.Tensor:
    return part.double().square().sum((1, 2))


def all_domains() -> SceneRecipe:
    return recipe(processing={"domains": dict.fromkeys(get_args(Domain), 1.0), "agc": 0.5})


def test_every_domain_gives_finite_parts_of_the_asked_shape() -> None:
    scenes = make_scenes(all_domains(), 1, range(40), traces=11, samples=90)
    assert set(scenes.domain.tolist()) == set(range(len(DOMAINS)))
    for part in (scenes.primaries, scenes.interbed, scenes.surface):
        assert part.shape == (40, 11, 90)
        assert bool(part.isfinite().all())
        assert float(part.abs().amax()) > 0.1
    assert bool((energy(scenes.signal) > 0).all())


def test_waves_have_a_root_mean_square_of_one_where_nothing_is_muted() -> None:
    signal = make_scenes(recipe(), 2, range(8)).signal
    used = (signal != 0).sum((1, 2))
    assert torch.allclose(energy(signal) / used, torch.ones(8, dtype=torch.float64), atol=1e-3)


def test_a_scene_does_not_depend_on_its_batch() -> None:
    wanted = all_domains().model_copy(update={"noise": noisy_spec()})
    together = make_scenes(wanted, 9, range(12))
    for index in (0, 5, 11):
        alone = make_scenes(wanted, 9, torch.tensor([index]))
        assert torch.allclose(alone.full[0], together.full[index], atol=2e-5 * float(together.full[index].abs().max()))
        assert torch.equal(alone.live[0], together.live[index])


def noisy_spec() -> object:
    return recipe(noise={"kinds": dict.fromkeys(EVERY_KIND, 0.5), "dead": 0.1}).noise


def test_seeds_and_numbers_differ() -> None:
    one, other = make_scenes(recipe(), 1, range(2)).signal, make_scenes(recipe(), 2, range(2)).signal
    for left, right in ((one[0], one[1]), (one[0], other[0])):
        correlation = (left * right).sum() / (left.norm() * right.norm())
        assert abs(float(correlation)) < 0.6


def test_parts_add_up_exactly_also_under_automatic_gain() -> None:
    plain, gained = (
        make_scenes(recipe(processing={"agc": share}, noise={"kinds": {"white": 1.0}}), 3, range(6)) for share in (0, 1)
    )
    for scenes in (plain, gained):
        total = scenes.primaries + scenes.interbed + scenes.surface + scenes.noise["white"]
        assert torch.equal(total, scenes.full)
        assert torch.equal(scenes.part("primaries") + scenes.part("multiples"), scenes.part("signal"))
    where = (plain.primaries.abs() > 1e-3) & (plain.surface.abs() > 1e-3) & (gained.mute > 0)
    factors = [(gained.primaries / plain.primaries)[where], (gained.surface / plain.surface)[where]]
    assert int(where.sum()) > 500
    assert torch.allclose(*factors, rtol=1e-3)
    assert float(factors[0].std() / factors[0].mean()) > 0.2


def test_automatic_gain_makes_windows_of_unit_strength() -> None:
    generator = torch.Generator().manual_seed(0)
    strength = torch.linspace(0, 4, 400).exp()
    gather = strength * torch.randn(1, 2, 400, generator=generator)
    gained = gather * automatic_gain(gather, torch.tensor([40.0]))
    parts = gained[..., 40:-40].unflatten(-1, (4, 80)).square().mean(-1)
    assert torch.allclose(parts, torch.ones_like(parts), atol=0.35)
    assert not automatic_gain(torch.zeros(1, 2, 50), torch.tensor([10.0])).any()


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_noise_has_the_asked_level(kind: str) -> None:
    scenes = noisy()
    level = 10 * torch.log10(energy(scenes.signal) / energy(scenes.noise[kind]))
    if kind == "flipped":
        assert bool((level < 20).all())
        return
    there = level.isfinite()  # a burst may lie in the mute
    assert int(there.sum()) >= 5
    assert torch.allclose(level[there], torch.full_like(level[there], 3.0), atol=0.01)


def test_noise_stays_out_of_the_mute() -> None:
    scenes = noisy()
    muted = scenes.mute == 0
    assert bool(muted.any())
    for kind, part in scenes.noise.items():
        assert not part[muted].any(), kind


def test_kinds_of_noise_differ_in_spectrum() -> None:
    wanted = recipe(samples=400, processing={"domains": {"cmp": 1.0}}, noise={"kinds": dict.fromkeys(EVERY_KIND, 1.0)})
    scenes = make_scenes(wanted, 4, range(4))
    frequency = torch.fft.rfftfreq(400, 0.004)

    def centre(kind: str) -> float:
        power = torch.fft.rfft(scenes.noise[kind]).abs().square().mean((0, 1))
        return float((frequency * power).sum() / power.sum())

    assert 55 < centre("white") < 70
    assert centre("swell") < 15
    assert centre("strum") < 20
    assert centre("ground_roll") < 30 < centre("air_wave")
    tracewise = scenes.noise["tracewise"].square().mean(-1).sqrt()
    white = scenes.noise["white"].square().mean(-1).sqrt()
    assert float(tracewise.std(1).mean() / tracewise.mean()) > 4 * float(white.std(1).mean() / white.mean())


def test_flipped_traces_are_minus_the_signal_when_added() -> None:
    scenes = noisy()
    both = scenes.signal + scenes.noise["flipped"]
    turned = (scenes.noise["flipped"] != 0).any(-1)
    assert 0 < float(turned.float().mean()) < 0.2
    assert torch.allclose(both[turned], -scenes.signal[turned], atol=1e-5)


def test_an_interval_scales_times_and_lengths_and_nothing_else() -> None:
    coarse, fine = (make_scenes(recipe(dt_ms=[dt]), 6, range(3)) for dt in (4.0, 1.0))
    assert torch.equal(coarse.full, fine.full)
    for name in ("offset", "water_ms", "step", "start"):
        assert torch.allclose(getattr(coarse, name), 4 * getattr(fine, name))
    assert torch.equal(coarse.velocity, fine.velocity)


def test_primaries_are_flat_where_velocities_are_right() -> None:
    exact = {"velocity_error": [0, 0], "picks": 64, "late_start": 0, "stretch": [0.3, 0.3]}
    still = {"dip_deg": [0, 0], "statics_ms": [0, 0]}
    spread = {"traces": 20, "reach": [0.5, 0.5]}
    calm = {
        "layers": 12,
        "water_m": [30, 150],
        "anisotropy": [0, 0],
        "scatter": [0.01, 0.02],
        "fast_layers": 0,
        "gas": 0,
    }
    scenes = make_scenes(recipe(processing=exact, structure=still, spread=spread, earth=calm), 8, range(8))
    waves, multiples = scenes.primaries, scenes.surface
    used = (scenes.mute != 0).all(1, keepdim=True)

    def flatness(part: torch.Tensor) -> float:
        part = torch.nn.functional.normalize(part * used, dim=-1)
        return float(part.mean(1).square().sum(-1).mean())

    assert flatness(waves) > 0.8
    assert flatness(multiples) < flatness(waves) - 0.2


def test_first_sea_bottom_multiple_of_a_scene_begins_at_twice_its_time() -> None:
    wanted = recipe(
        samples=300, processing={"domains": {"cmp": 1.0}, "late_start": 0}, multiples={"without": 0},
        wavelet={"phases": {"zero": 1}, "kinds": {"ricker": 1}, "ghosts": 0, "peak_hz": [30, 40]},
    )  # fmt: skip
    scenes = make_scenes(wanted, 3, range(8))
    for number in range(8):
        near = scenes.surface[number, scenes.offset[number].abs().argmin()]
        first = 4.0 * float((near.abs() > 0.02 * near.abs().max()).nonzero()[0])
        assert first > 2 * float(scenes.water_ms[number]) - 45


class TestGaps:
    def masks(self, **spec: object) -> torch.Tensor:
        return draw_gaps(Draws(1, torch.arange(200)), GapSpec.model_validate(spec), 60)

    def test_random_ones_take_the_asked_share(self) -> None:
        missing = 1 - self.masks(kinds={"random": 1}, missing=[0.5, 0.5]).float().mean(1)
        assert torch.allclose(missing, torch.full((200,), 0.5))

    def test_regular_ones_keep_every_second_third_or_fourth(self) -> None:
        steps = set()
        for mask in self.masks(kinds={"regular": 1}):
            kept = mask.nonzero().flatten()
            apart = torch.diff(kept)
            steps.add(int(apart.mode().values))
            assert int((apart != apart.mode().values).sum()) <= 4  # the two traces that are always left
        assert steps == {2, 3, 4}

    def test_blocks_are_one_run_inside(self) -> None:
        for mask in self.masks(kinds={"block": 1}, block=[5, 9]):
            gone = (~mask).nonzero().flatten()
            assert 3 <= len(gone) <= 9
            assert int(gone[0]) > 0

    def test_near_gaps_begin_at_the_first_trace(self) -> None:
        missing = ~self.masks(kinds={"near": 1}, block=[5, 9])
        assert float(missing[:, 0].float().mean()) > 0.9
        assert not missing[:, 9:].any()

    def test_two_traces_are_always_left(self) -> None:
        assert int(self.masks(kinds={"random": 1}, missing=[1, 1]).sum(1).min()) == 2

    def test_none_keeps_all(self) -> None:
        assert bool(self.masks(kinds={"none": 1}).all())


class TestRecipes:
    def test_a_file_without_a_recipe_is_one_line(self, tmp_path) -> None:
        (tmp_path / "a.yaml").write_text("- 1\n- 2\n")
        with pytest.raises(OptionError, match="holds no recipe"):
            load_scene_recipe(tmp_path / "a.yaml")
        with pytest.raises(OptionError, match="cannot read"):
            load_scene_recipe(tmp_path / "none.yaml")

    def test_wrong_values_are_told_with_their_place(self, tmp_path) -> None:
        (tmp_path / "b.yaml").write_text("earth: {water_m: [300, 20]}\nspread: {traces: 1}\n")
        with pytest.raises(OptionError, match=r"earth.water_m.*LOW <= HIGH.*spread.traces"):
            load_scene_recipe(tmp_path / "b.yaml")

    def test_an_unknown_name_tells_the_nearest(self, tmp_path) -> None:
        (tmp_path / "c.yaml").write_text("earth: {layer: 20}\nsample: 100\n")
        with pytest.raises(
            OptionError, match=r"earth.layer: .*nearest to layer is layers.*; sample: .*nearest to sample is samples"
        ):
            load_scene_recipe(tmp_path / "c.yaml")

    def test_the_name_is_that_of_the_file(self, tmp_path) -> None:
        (tmp_path / "calm_sea.yaml").write_text("samples: 200\n")
        assert load_scene_recipe(tmp_path / "calm_sea.yaml").name == "calm_sea"
