"""Diffusion: the schedule, draws from a posterior in closed form, addressed noise, training and the restorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from seisdiff.config import make_recipe
from seisdiff.diffusion.noise import addressed_noise
from seisdiff.diffusion.residual import (
    TYPICAL,
    DiffusionSpec,
    draw,
    expected_error,
    noised,
    scheduler,
    times_of,
    weights,
    zone,
)
from seisdiff.diffusion.spread import SpreadSpec, deviation, growth, spread_of, steadied
from seisdiff.diffusion.training import error_loss
from seisdiff.engine import restore, restore_file
from seisdiff.errors import OptionError
from seisdiff.networks.inputs import FOUND, LATE, LIVE, SEEN
from seisdiff.networks.models import grown
from seisdiff.networks.unet import UNet, UNetSpec
from seisdiff.pretrained import WEIGHTS
from seisdiff.restorers.base import Restorer
from seisdiff.restorers.diffusion import DiffusionOptions, DiffusionRestorer
from seisdiff.sources import open_survey
from seisdiff.training import TrainRecipe, train_model
from tests.contracts import RestorerContract, pad_traces, scaled_batch
from tests.small_lines import RawFile, line_file, small_line
from tests.test_training import NETWORK, SCENES, losses, recipe

SPEC = DiffusionSpec(scale=0.5)


class Gaussian(torch.nn.Module):
    """The ideal network where residuals are normal, of mean `mean` and standard deviation `width`, all independent."""

    def __init__(self, mean: float, width: float) -> None:
        super().__init__()
        self.mean, self.width = mean, width

    def forward(self, inputs: torch.Tensor, valid: torch.Tensor | None, level: torch.Tensor) -> torch.Tensor:
        kept = scheduler().alphas_cumprod[(level * 999).round().long()][:, None, None]
        x, power = inputs[:, -1], kept * self.width**2
        guess = self.mean + kept.sqrt() * self.width**2 / (power + 1 - kept) * (x - kept.sqrt() * self.mean)
        error = torch.full_like(x, self.width * SPEC.scale / TYPICAL).log() * (level == 1)[:, None, None]
        return torch.stack([inputs[:, FOUND] + SPEC.scale * guess, error], dim=1)


def shown(gathers: int = 1, traces: int = 64, samples: int = 512) -> torch.Tensor:
    inputs = torch.zeros(gathers, 6, traces, samples)
    inputs[:, [LIVE, SEEN, LATE]] = 1.0
    inputs[:, FOUND] = 3.0
    return inputs


def test_the_last_level_is_pure_noise_and_the_first_nearly_none() -> None:
    kept = scheduler().alphas_cumprod
    assert float(kept[-1]) == 0.0
    assert float(kept[0]) > 0.999
    residual, noise = torch.ones(2, 3, 4), torch.full((2, 3, 4), 7.0)
    levels = noised(residual, noise, torch.tensor([999, 0]))
    assert torch.allclose(levels[0], noise[0])
    assert torch.allclose(levels[1], residual[1], atol=0.3)
    assert weights(torch.tensor([999, 500, 0])).tolist() == pytest.approx([0.952, 1.8, 5.0], abs=0.05)


@pytest.mark.parametrize("steps", [1, 2, 60])
def test_draws_have_the_mean_and_the_width_of_a_normal_posterior(steps: int) -> None:
    inputs, width = shown(), 0.1
    noise = addressed_noise(1, torch.tensor([5]), 0, 64, 512)
    made = draw(Gaussian(0.4, width), inputs, None, noise, torch.ones_like(noise), SPEC, steps)
    best, error, deviation = made.unbind(1)
    assert torch.allclose(best, torch.tensor(3.0 + 0.4 * SPEC.scale), atol=1e-5)  # one pass is a regression
    assert torch.allclose(error, torch.tensor(width * SPEC.scale))  # what is said at pure noise
    assert float(deviation.mean()) == pytest.approx(0, abs=0.02 * SPEC.scale * width)
    if steps == 1:
        assert not deviation.any()
    else:  # what the flow makes of noise between the first level and the last, and of that a regression
        kept = scheduler().alphas_cumprod[times_of(steps)[1:]]
        most, *_, least = [*((1 - kept) / kept).sqrt().tolist()] * 2
        wide = width**2 * most / ((width**2 + most**2) * (width**2 + least**2)) ** 0.5
        assert float(deviation.std()) / SPEC.scale == pytest.approx(wide, rel=0.03)
    opposite = draw(Gaussian(0.4, width), inputs, None, -noise, torch.ones_like(noise), SPEC, steps)[:, 2]
    assert torch.allclose(opposite, -deviation, atol=1e-6)


def test_passes_are_where_noise_is_as_strong_as_residuals() -> None:
    kept = scheduler().alphas_cumprod
    assert times_of(1) == [999]
    for steps in (2, 3, 8):
        last, *later = times_of(steps)
        levels = [float(((1 - kept[time]) / kept[time]) ** 0.5) for time in later]
        assert last == 999
        assert len(later) == steps - 1
        assert levels == sorted(levels, reverse=True)
        assert 0.04 < levels[-1] <= levels[0] < 0.8


def test_the_expected_error_is_learnt_as_a_root_mean_square() -> None:
    torch.manual_seed(0)
    off = torch.randn(4, 8, 64) * torch.tensor([0.01, 0.1, 0.5, 2.0])[:, None, None]
    where = torch.ones_like(off)
    where[:, 5:] = 0
    logarithm = torch.zeros(4, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([logarithm], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        error_loss(off, logarithm.exp(), where).backward()
        optimizer.step()
    assert torch.allclose(logarithm.exp()[:, 0, 0], off[:, :5].square().mean((1, 2)).sqrt(), rtol=0.02)
    assert float(error_loss(off, torch.ones_like(off), 0 * where)) == 0


def test_expected_errors_stay_within_bounds() -> None:
    out = torch.zeros(1, 2, 3, 4)
    assert torch.allclose(expected_error(out), torch.tensor(TYPICAL))
    out[:, 1] = 50
    assert torch.allclose(expected_error(out), torch.tensor(TYPICAL * np.exp(4.0)).float())


def test_nothing_is_uncertain_outside_of_the_zone() -> None:
    inputs = shown(2, 6, 32)
    inputs[:, LIVE, 2] = 0
    inputs[:, SEEN, :, :5] = 0
    assert zone(inputs, "interpolate").sum(-1).tolist() == [[0, 0, 32, 0, 0, 0]] * 2
    assert zone(inputs, "denoise").sum(-1).tolist() == [[27, 27, 0, 27, 27, 27]] * 2


def test_a_spread_is_kept_above_a_share_of_all_and_below_some_times_the_change() -> None:
    error = torch.full((1, 6, 400), 2.0)
    error[:, 4] = 0
    change, recorded = torch.full((1, 6, 400), 0.5), torch.full((1, 6, 400), 9.0)
    made = spread_of(error, change, recorded, SpreadSpec(temperature=3.0, floor=0.75))
    assert not made[:, 4].any()
    assert torch.allclose(made[:, :4], torch.tensor(3 * 2.0 * (1 + 0.75**2) ** 0.5))
    low = spread_of(error, change, recorded, SpreadSpec(ceiling=1.5))[:, :4]
    assert torch.allclose(low, torch.tensor((4 * 0.75**2 / (4 + 0.75**2)) ** 0.5))
    assert not spread_of(error, 0 * change, recorded, SpreadSpec(ceiling=1.5)).any()
    error[:, 0] = 1e-3
    lifted = spread_of(error, change, recorded, SpreadSpec(floor=0.5))
    assert float(lifted[0, 0, 200]) == pytest.approx(0.5 * 3.2**0.5, rel=1e-3)


def test_a_spread_is_kept_above_a_share_of_what_is_there() -> None:
    error = torch.full((1, 6, 400), 1e-6)
    error[:, 4] = 0
    change, recorded = torch.full((1, 6, 400), 0.3), torch.full((1, 6, 400), -0.4)
    recorded[:, :, 200:] = 0
    made = spread_of(error, change, recorded, SpreadSpec(temperature=2.0, least=0.1, ceiling=1.0))
    assert not made[:, 4].any()
    assert torch.allclose(made[:, :4, :150], torch.tensor(2 * 0.1 * 0.5))
    assert torch.allclose(made[:, :4, 250:], torch.tensor(2 * 0.1 * 0.3))


def test_traces_further_out_are_less_certain() -> None:
    offset = torch.tensor([[400.0, 300, 200, 100, 0, -100, -200], [0, 1, 2, 3, 4, 5, torch.inf]])
    live = torch.tensor([[False, True, False, True, False, False, False], [False] * 7])
    assert growth(offset, live, SpreadSpec(beyond=0.5))[..., 0].tolist() == [[1.5, 1, 1, 1, 1.5, 2, 2.5], [1] * 7]
    assert (growth(offset, live, SpreadSpec()) == 1).all()


def test_expected_errors_lean_on_those_around() -> None:
    error, where = torch.ones(1, 9, 99), torch.ones(1, 9, 99)
    error[0, 4, 49] = 4.0
    where[:, 6:] = 0
    near = ((5 * 31 - 1 + 16) / (5 * 31)) ** 0.5
    assert torch.equal(steadied(error, where, 0.0), error)
    assert float(steadied(error, where, 1.0)[0, 4, 49]) == pytest.approx(((4 * 31 - 1 + 16) / (4 * 31)) ** 0.5)
    assert float(steadied(error, torch.ones_like(where), 0.5)[0, 4, 49]) == pytest.approx((4.0 * near) ** 0.5)
    assert torch.allclose(steadied(torch.ones_like(error), where, 1.0), torch.tensor(1.0))


def test_deviations_are_as_large_as_the_spread_and_sound_like_the_answer() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn, white = (torch.randn(1, 60, 800, generator=generator) for _ in range(2))
    spread = torch.linspace(1.0, 3.0, 800).expand(1, 60, -1).clone()
    spread[:, 50:] = 0
    signal = torch.fft.irfft(torch.fft.rfft(white) * torch.exp(-torch.linspace(0, 4, 401)), n=800)
    for tint, slope in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
        made = deviation(drawn, spread, signal, SpreadSpec(width=2.0, tint=tint))
        assert not made[:, 50:].any()
        sizes = made[:, :50].square().mean(1).sqrt() / spread[:, 0]
        assert float(sizes[:, 100:700].mean()) == pytest.approx(2.0, rel=0.03)
        level = torch.fft.rfft(made[:, :50]).abs().mean(1)[0]
        fall = torch.log(level[20:100].mean() / level[300:380].mean())
        assert float(fall) == pytest.approx(slope * 2.8, abs=0.25)
    assert not deviation(0 * drawn, spread, signal, SpreadSpec()).any()
    assert torch.isfinite(deviation(drawn, spread, 0 * signal, SpreadSpec())).all()


class TestNoise:
    def test_is_normal_and_independent(self) -> None:
        noise = addressed_noise(3, torch.arange(40), 0, 30, 100)
        assert float(noise.mean()) == pytest.approx(0, abs=0.01)
        assert float(noise.std()) == pytest.approx(1, abs=0.01)
        assert abs(float((noise[:-1] * noise[1:]).mean())) < 0.01
        assert abs(float((noise * addressed_noise(3, torch.arange(40), 1, 30, 100)).mean())) < 0.01
        assert abs(float((noise * addressed_noise(4, torch.arange(40), 0, 30, 100)).mean())) < 0.01

    def test_belongs_to_gather_trace_and_sample(self) -> None:
        many = addressed_noise(3, torch.tensor([7, 1001, 2**40]), 2, 30, 100)
        one = addressed_noise(3, torch.tensor([1001]), 2, 12, 60)
        assert torch.equal(one[0], many[1, :12, :60])

    def test_is_alike_between_neighbours_where_asked_for(self) -> None:
        noise = addressed_noise(3, torch.arange(-10, 60), 0, 30, 100, alike_over=10)
        assert float(noise.std()) == pytest.approx(1, abs=0.02)
        near, far = ((noise[:-lag] * noise[lag:]).mean(dim=(1, 2)) for lag in (1, 20))
        assert float(near.min()) > 0.9
        assert float(far.abs().max()) < 0.1


def test_a_network_grows_without_another_answer() -> None:
    torch.manual_seed(0)
    small = UNet(UNetSpec.model_validate(NETWORK | {"in_channels": 6, "time_fold": 2}))
    with torch.no_grad():
        small.leave.weight.normal_()
    more = {"in_channels": 7, "out_channels": 2, "noise_level": True, "deep_kernel": small.spec.deep_kernel + 4}
    large = grown(small, small.spec.model_copy(update=more))
    assert large is not None
    inputs = torch.randn(2, 7, 8, 32)
    answers = large(inputs, None, torch.rand(2))
    assert torch.allclose(answers[:, :1], small(inputs[:, :6]), atol=1e-6)
    assert not answers[:, 1:].any()
    assert grown(small, small.spec.model_copy(update={"widths": (8, 16)})) is None
    assert grown(large, small.spec) is None


def diffusion_recipe(guide: Path, task: str, **changes: object) -> TrainRecipe:
    network = NETWORK | {"in_channels": 7, "out_channels": 2, "noise_level": True}
    made = {"network": network, "guide": str(guide), "diffusion": {}, "again": 0.0, "passes": 1, "absolute_weight": 0.0}
    return recipe(task, **made, **changes)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of a diffusion model for each task."""
    torch.set_num_threads(1)
    made = {}
    for task in ("demultiple", "denoise", "interpolate"):
        folder = tmp_path_factory.mktemp(task)
        guide = train_model(recipe(task, steps=12), SCENES, folder / "guide")
        made[task] = train_model(diffusion_recipe(guide, task, steps=12), SCENES, folder / "diffusion")
        weights = load_file(made[task] / WEIGHTS)
        entry = weights["enter.weight"]
        fold = entry.shape[1] // 7
        entry[:, -fold:] = 0.1 * torch.randn(entry[:, -fold:].shape, generator=torch.Generator().manual_seed(0))
        save_file(weights, made[task] / WEIGHTS)  # so that noise matters after so few steps
    return made


def test_training_begins_with_the_guide_and_goes_on_the_same(models: dict[str, Path], tmp_path: Path) -> None:
    guide = models["denoise"].parents[1] / "guide" / "model"
    told = losses(models["denoise"].parent)
    assert len(told) == 12
    train_model(diffusion_recipe(guide, "denoise", steps=12), SCENES, tmp_path)
    assert losses(tmp_path) == pytest.approx(told, rel=1e-2, abs=1e-3)


def restorer(models: dict[str, Path], task: str, **changes: object) -> DiffusionRestorer:
    options = {"model": str(models[task]), "precision": "float32", "device": "cpu", "samples": 3, **changes}
    return DiffusionRestorer(task, DiffusionOptions.model_validate(options), 3000.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["demultiple", "denoise", "interpolate"])
def test_draws_are_the_same_in_any_company(models: dict[str, Path], task: str) -> None:
    batch = replace(scaled_batch(), number=torch.tensor([4, 90, 17]))
    made = restorer(models, task)
    together = made.restore(batch)
    assert together.spread is not None
    for gather in range(3):
        one = {name: getattr(batch, name)[gather : gather + 1] for name in ("data", "offset", "live", "number")}
        alone = made.restore(replace(batch, **one))
        assert torch.allclose(alone.signal[0], together.signal[gather], atol=1e-5)
        assert torch.allclose(alone.spread[0], together.spread[gather], atol=1e-5)  # type: ignore[index]
    padded = made.restore(replace(pad_traces(batch, 5), number=batch.number)).signal[:, :12]
    assert torch.allclose(padded, together.signal, atol=1e-5)


def test_draws_lie_about_their_mean_and_stray_from_it_by_the_spread(models: dict[str, Path]) -> None:
    batch = replace(scaled_batch(), number=torch.arange(3))
    made = restorer(models, "demultiple", samples=2)
    spec = DiffusionSpec(share=0.5, spread=SpreadSpec(temperature=2.0, width=0.5))
    made.diffusion = spec
    mean, spread = made.restore(batch)
    guided = made.guide.answer(batch)
    drawn = made.predicted(batch, guided, 1, made._noise(batch, 0)) * made.may_change(batch)[:, None]
    best, error, _ = drawn.unbind(1)
    assert torch.allclose(mean, batch.data - 0.5 * (guided + best), atol=1e-5)
    assert torch.allclose(spread, 2 * error, atol=1e-5)  # type: ignore[arg-type]
    one = restorer(models, "demultiple", samples=1)
    one.diffusion = spec
    drawn, nothing = one.restore(batch)
    assert nothing is None
    strayed = (drawn - mean).square().mean().sqrt() / spread.square().mean().sqrt()  # type: ignore[union-attr]
    assert float(strayed) == pytest.approx(0.5, rel=0.1)
    three = restorer(models, "demultiple", samples=3, seed=1)
    three.diffusion = spec
    assert not torch.allclose(three.restore(batch).signal, mean, atol=1e-4)


def test_recorded_traces_are_never_uncertain(models: dict[str, Path]) -> None:
    batch = scaled_batch()
    live = torch.arange(12).expand(3, -1) % 3 != 1
    batch = replace(batch, data=batch.data * live[..., None], live=live)
    signal, spread = restorer(models, "interpolate").restore(batch)
    assert torch.equal(signal[live], batch.data[live])
    assert spread is not None
    assert not spread[live].any()
    assert spread[~live].any()


class TestDiffusionContract(RestorerContract):
    @pytest.fixture(autouse=True)
    def _models(self, models: dict[str, Path]) -> None:
        self.models = models

    def restorer(self) -> Restorer:
        return restorer(self.models, "demultiple", samples=2)


class TestFiles:
    def run(self, models: dict[str, Path], source: Path, name: str, **options: object) -> Path:
        made = make_recipe(
            {
                "task": "demultiple",
                "method": "diffusion",
                "start": "300",
                "diffusion": {"model": str(models["demultiple"]), "samples": 2, "precision": "float32", **options},
            }
        )
        target = source.with_name(f"{name}.sgy")
        restore_file(str(source), str(target), made, spread=str(source.with_name(f"{name}_spread.sgy")))
        return target

    def test_a_spread_is_a_survey_of_the_same_traces(self, models: dict[str, Path], tmp_path: Path) -> None:
        source = line_file(tmp_path / "in.sgy")
        target = self.run(models, source, "out")
        spread, output = RawFile(tmp_path / "out_spread.sgy"), RawFile(target)
        assert np.array_equal(spread.headers, output.headers)
        values = open_survey(str(tmp_path / "out_spread.sgy"))
        amplitude = values["amplitude"].values
        assert amplitude.min() == 0
        assert amplitude.max() > 0
        assert not amplitude[:, values["time"].values <= 300].any()

    def test_the_same_seed_gives_the_same_files_however_they_are_cut(
        self, models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = line_file(tmp_path / "in.sgy")
        first, again = (self.run(models, source, name).read_bytes() for name in ("one", "two"))
        assert first == again
        assert self.run(models, source, "other", seed=5).read_bytes() != first
        monkeypatch.setattr("seisdiff.restoration._BATCH_BYTES", 1)
        cut = self.run(models, source, "cut")
        whole, pieces = (open_survey(str(path))["amplitude"].values for path in (tmp_path / "one.sgy", cut))
        assert np.abs(whole - pieces).max() < 1e-5 * np.sqrt(np.mean(whole**2)) * 10

    def test_xarray_in_and_out(self, models: dict[str, Path]) -> None:
        options = {"model": str(models["demultiple"]), "samples": 2}
        made = make_recipe({"task": "demultiple", "method": "diffusion", "diffusion": options})
        restored = restore(small_line().full, made)
        assert restored["spread"].dims == restored["amplitude"].dims
        assert float(restored["spread"].max()) > 0
        one = make_recipe({"task": "demultiple", "method": "diffusion", "diffusion": {**options, "samples": 1}})
        assert "spread" not in restore(small_line().full, one)

    def test_a_spread_is_refused_where_nothing_knows_one(self, tmp_path: Path) -> None:
        source = line_file(tmp_path / "in.sgy")
        for method in ({"method": "radon"}, {"method": "diffusion", "diffusion": {"samples": 1}}):
            with pytest.raises(OptionError, match="--samples of 2 or more"):
                restore_file(
                    str(source), str(tmp_path / "out.sgy"), make_recipe({"task": "denoise", **method}),
                    spread=str(tmp_path / "spread.sgy"),
                )  # fmt: skip
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.sgy"]
