"""Training: losses that fall, interruptions that change nothing, models that load, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from seisdiff.cli.app import main
from seisdiff.data import PairStream
from seisdiff.errors import OptionError, OutputError, SurveyError
from seisdiff.networks.inputs import FOUND, levels, seen
from seisdiff.networks.models import load_unet
from seisdiff.networks.unet import UNet
from seisdiff.networks.views import views_of
from seisdiff.pretrained import WEIGHTS, find_model, model_card, model_digest, shipped_models
from seisdiff.restorers.base import Batch
from seisdiff.restorers.first import with_first_guess
from seisdiff.restorers.unet import UnetRestorer, UnetSpec
from seisdiff.synthetic.recipe import SceneRecipe
from seisdiff.tasks.pairs import Pair
from seisdiff.training import Tick, TrainRecipe, balanced_loss, load_train_recipe, train_model

SCENES = {
    "small": SceneRecipe.model_validate(
        {"name": "small", "earth": {"layers": 6, "water_m": [30, 60]}, "multiples": {"orders": 2, "strongest": 2}}
    )
}
NETWORK = {"widths": [8, 12], "strides": [[2, 2]], "blocks": 1, "deep_kernel": 3}


def recipe(task: str = "demultiple", **changes: object) -> TrainRecipe:
    values = {
        "name": "small",
        "task": task,
        "network": NETWORK,
        "steps": 30,
        "learning_rate": 4e-3,
        "again": 0.3,
        "passes": 2,
        "validation_batches": 1,
        "validation_every": 15,
        "stream": {"recipes": {"small": 1.0}, "shapes": [[8, 64]], "batch": 4, "pool": 4, "reuse": 32},
    }
    return TrainRecipe.model_validate({**values, **changes})


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("training")
    train_model(recipe(), SCENES, folder)
    return folder


def test_thirty_steps_lower_the_loss(trained: Path) -> None:
    told, stream = losses(trained), PairStream(recipe().stream, SCENES, "demultiple", 0)
    assert len(told) == 30
    untouched = []
    for number in range(30):
        pair = stream.batch(number)
        level = levels(pair.degraded, seen(pair.degraded) & pair.live[..., None])
        target, signal = pair.target / level, (pair.degraded - pair.target) / level
        untouched.append(float(balanced_loss(torch.zeros_like(target), target, signal, pair.wanted, recipe())))
    assert told[0] == pytest.approx(untouched[0], rel=1e-2)  # it begins by predicting nothing
    assert sum(told[-10:]) < 0.98 * sum(untouched[-10:])


def test_an_interrupted_training_ends_the_same(trained: Path, tmp_path: Path) -> None:
    def stop(tick: Tick) -> None:
        if tick.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(recipe(), SCENES, tmp_path, progress=stop)
    train_model(recipe(), SCENES, tmp_path, resume=True)
    assert losses(tmp_path) == pytest.approx(losses(trained), rel=1e-5)
    left, right = (load_file(folder / "model" / WEIGHTS) for folder in (tmp_path, trained))
    assert all(torch.allclose(left[name], right[name], atol=1e-3) for name in right)


def test_a_model_tells_what_made_it(trained: Path) -> None:
    card = model_card(trained / "model")
    assert card["task"] == "demultiple"
    assert card["recipe"]["network"]["widths"] == [8, 12]
    assert set(card["versions"]) == {"seisdiff", "torch", "diffusers"}
    assert "held_out_output_snr_db" in card["figures"]
    assert card["licence"] == "Apache-2.0"


def test_fine_tuning_begins_where_the_model_is(trained: Path, tmp_path: Path) -> None:
    train_model(recipe(steps=2), SCENES, tmp_path, init_from=trained / "model")
    before, after = (load_file(folder / "model" / WEIGHTS) for folder in (trained, tmp_path))
    assert all(float((before[name] - after[name]).abs().max()) < 0.05 for name in before)
    with pytest.raises(OptionError, match="another shape"):
        train_model(
            recipe(steps=2, network={**NETWORK, "widths": [8, 16]}), SCENES, tmp_path / "b", init_from=trained / "model"
        )


def test_what_cannot_be_trained_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds a training already"):
        train_model(recipe(), SCENES, trained)
    with pytest.raises(OptionError, match="how long"):
        train_model(recipe(steps=None), SCENES, tmp_path)
    with pytest.raises(OutputError, match="no checkpoint"):
        train_model(recipe(), SCENES, tmp_path, resume=True)
    with pytest.raises(OptionError, match="another recipe"):
        train_model(recipe(seed=9), SCENES, trained, resume=True)
    with pytest.raises(
        ValidationError, match="8 x 40 samples, shown as 8 x 50, got for a network that takes multiples of"
    ):
        recipe(stream={**recipe().stream.model_dump(), "shapes": [[8, 40]]}, views=[1.25])
    (tmp_path / "bad.yaml").write_text("task: denoise\nstream: {recipes: {small: 1}, bach: 3}\n")
    with pytest.raises(OptionError, match="nearest to bach is batch"):
        load_train_recipe(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("task", "first"),
    [("demultiple", {"method": "radon", "options": {"solver": "ls"}}), ("denoise", {"method": "fk"})],
)
def test_training_and_work_begin_with_the_same_guess(task: str, first: dict[str, object], tmp_path: Path) -> None:
    made = recipe(task, steps=2, first=first)
    folder = train_model(made, SCENES, tmp_path)
    pair = with_first_guess(made.task, made.first, PairStream(made.stream, SCENES, made.task, 0).batch(0))
    number = int(pair.found.norm(dim=(1, 2)).argmax())
    one, largest = slice(number, number + 1), float(pair.largest[number])
    start = pair.start_ms[one, None].double().expand(1, 8)
    times = float(pair.step_ms[number]) * torch.arange(64).double()
    batch = Batch(pair.degraded[one], pair.offset[one].double(), pair.live[one], times, start)
    restorer = UnetRestorer(made.task, UnetSpec(model=str(folder), precision="float32"), largest)
    assert torch.allclose(restorer.first.found(batch) * seen(batch.data), pair.found[one], atol=1e-5)
    assert float(pair.found[one].norm()) > 0.01 * float(batch.data.norm())
    with pytest.raises(OptionError, match="first"):
        load_train_recipe_with(tmp_path, first={"method": "radon", "options": {"cut": 3}})


@pytest.mark.parametrize(("passes", "shown"), [(1, [128]), (2, [64, 128])])
def test_training_and_work_show_the_last_pass_the_same_finer_samples(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes: int, shown: list[int]
) -> None:
    inputs: list[torch.Tensor] = []
    forward = UNet.forward

    def told(network: UNet, features: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        inputs.append(features.float())
        return forward(network, features, *others)

    monkeypatch.setattr(UNet, "forward", told)
    made = recipe(steps=1, passes=passes, again=float(passes - 1), views=[2])
    train_model(made, SCENES, tmp_path, init_from=trained / "model")
    taught = inputs[: len(shown)]
    inputs.clear()
    pair = PairStream(made.stream, SCENES, made.task, 0).batch(0)
    number = int(pair.degraded.norm(dim=(1, 2)).argmax())
    batch = Batch(
        pair.degraded[[number]], pair.offset[[number]].double(), pair.live[[number]],
        float(pair.step_ms[number]) * torch.arange(64).double(), pair.start_ms[[number], None].double().expand(1, 8),
    )  # fmt: skip
    spec = UnetSpec(model=str(trained / "model"), precision="float32", passes=passes)
    restorer = UnetRestorer(made.task, spec, float(pair.largest[number]))
    restorer.passes = views_of(made.model_dump())
    restorer.restore(batch)
    order = pair.offset[number].abs().argsort()
    assert [part.shape[-1] for part in inputs] == [part.shape[-1] for part in taught] == shown
    for at_work, in_training in zip(inputs, taught, strict=True):
        assert torch.allclose(at_work[0], in_training[number][:, order], atol=0.02)  # of bf16
    assert bool(inputs[-1][0, FOUND].any()) == (passes == 2)


def test_a_training_validates_as_it_is_at_work(tmp_path: Path) -> None:
    train_model(recipe(steps=2, passes=1, again=0.0, views=[-2]), SCENES, tmp_path)
    told = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert told[-1]["output_snr_db"] == pytest.approx(told[-1]["input_snr_db"], abs=1.0)  # it predicts next to nothing


def load_train_recipe_with(folder: Path, **changes: object) -> TrainRecipe:
    told = {**recipe().model_dump(mode="json", exclude={"name", "first"}), **changes}
    (folder / "changed.yaml").write_text(yaml.safe_dump(told))
    return load_train_recipe(folder / "changed.yaml")


def test_filled_traces_are_worked_on_again(tmp_path: Path) -> None:
    folder = train_model(recipe("interpolate", steps=4, again=1.0), SCENES, tmp_path)
    spec = UnetSpec(model=str(folder), precision="float32")
    live = torch.arange(12).expand(2, -1) % 3 != 1
    data = torch.randn(2, 12, 64, generator=torch.Generator().manual_seed(0)) * live[..., None]
    offset = torch.linspace(100, 1500, 12, dtype=torch.float64).expand(2, -1)
    batch = Batch(data, offset, live, 4 * torch.arange(64, dtype=torch.float64))
    once, twice = (
        UnetRestorer("interpolate", spec.model_copy(update={"passes": n}), 1500.0).restore(batch).signal for n in (1, 2)
    )
    assert torch.equal(once[live], data[live])
    assert torch.equal(twice[live], data[live])
    assert not torch.equal(once, twice)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = PairStream.batch

    def spoilt(self: PairStream, number: int) -> Pair:
        pair = take(self, number)
        return replace(pair, target=pair.target / 0) if number == 3 else pair

    monkeypatch.setattr(PairStream, "batch", spoilt)
    with pytest.raises(OptionError, match="not finite at step 3"):
        train_model(recipe(steps=5), SCENES, tmp_path)
    assert len(losses(tmp_path)) == 3


def test_with_a_log_floor_decibels_count_alike_down_to_the_floor() -> None:
    signal = torch.tensor([0.1, 10.0])[:, None, None].expand(2, 3, 8)
    wanted = torch.ones(2, 3, dtype=torch.bool)
    alike = recipe(log_floor=0.02)

    def loss(*errors: float) -> float:
        target = signal * torch.tensor(errors)[:, None, None]
        return float(balanced_loss(torch.zeros_like(target), target, signal, wanted, alike))

    assert loss(0.5, 0.1) == pytest.approx(0.05 * sum(math.log(1.5 * error + 0.02) for error in (0.5, 0.1)), rel=1e-3)
    assert loss(0.5, 0.1) == pytest.approx(loss(0.1, 0.5), rel=1e-3)  # whichever is loud
    halved = loss(0.5, 0.2) - loss(0.5, 0.1)
    assert halved == pytest.approx(loss(0.25, 0.2) - loss(0.25, 0.1), rel=1e-2)  # whatever the other's error is
    assert 0 < loss(0.5, 0.002) - loss(0.5, 0.001) < 0.15 * halved  # both lie under the floor


def test_loss_is_that_of_its_formula() -> None:
    predicted, target, signal = torch.zeros(1, 2, 4), torch.full((1, 2, 4), 3.0), torch.full((1, 2, 4), 0.25)
    only = torch.tensor([[True, False]])
    assert float(balanced_loss(predicted, target, signal, only, recipe())) == pytest.approx((3 + 0.5 * 3) / 0.5)
    squares = balanced_loss(predicted, target, signal, only, recipe(absolute_weight=0.0))
    assert float(squares) == pytest.approx(0.5 * 3 / 0.5)
    assert float(balanced_loss(target, target, signal, only, recipe())) < 1e-3


def test_damaged_models_are_one_clear_error(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"expected a folder with model\.json"):
        find_model(tmp_path)
    with pytest.raises(OptionError, match="expected one for denoise"):
        load_unet(trained / "model", "denoise")
    card = (trained / "model" / "model.json").read_text()
    (tmp_path / "model.json").write_text(card)
    with pytest.raises(OptionError, match="cannot be read"):
        load_unet(tmp_path, "demultiple")
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04pickle")
    with pytest.raises(OptionError, match="cannot be read"):
        load_unet(tmp_path / ".", "demultiple")
    weights = load_file(trained / "model" / WEIGHTS)
    for name, damage in (("shape", lambda part: part[:1]), ("finite", lambda part: part * float("nan"))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.json").write_text(card)
        first = next(key for key in weights if weights[key].ndim == 4)
        save_file({**weights, first: damage(weights[first]).contiguous()}, folder / WEIGHTS)
        with pytest.raises(OptionError, match=r"another shape|not finite"):
            load_unet(folder, "demultiple")


class TestRestorer:
    def batch(self, traces: int = 11, samples: int = 70) -> Batch:
        data = torch.randn(3, traces, samples, generator=torch.Generator().manual_seed(0))
        data[:, 6:, :20] = 0
        live = torch.ones(3, traces, dtype=torch.bool)
        live[0, 4] = False
        offset = torch.linspace(100, 1500, traces, dtype=torch.float64).repeat(3, 1)
        return Batch(data * live[..., None], offset, live, 4 * torch.arange(samples, dtype=torch.float64))

    def restorer(self, trained: Path, **changes: object) -> UnetRestorer:
        spec = UnetSpec.model_validate({"model": str(trained / "model"), "precision": "float32", **changes})
        return UnetRestorer("demultiple", spec, 1500.0)

    def test_mutes_and_dead_traces_stay_zero(self, trained: Path) -> None:
        batch = self.batch()
        signal = self.restorer(trained).restore(batch).signal
        assert signal.shape == batch.data.shape
        assert not signal[0, 4].any()
        assert not signal[:, 6:, :20].any()
        assert not torch.equal(signal, batch.data)

    def test_the_order_of_traces_does_not_matter(self, trained: Path) -> None:
        batch = self.batch()
        mixed = torch.randperm(11, generator=torch.Generator().manual_seed(1))
        other = Batch(batch.data[:, mixed], batch.offset[:, mixed], batch.live[:, mixed], batch.times)
        restorer = self.restorer(trained)
        assert torch.allclose(restorer.restore(other).signal, restorer.restore(batch).signal[:, mixed], atol=1e-5)

    def test_small_batches_give_the_same(self, trained: Path) -> None:
        batch = self.batch()
        one, many = (self.restorer(trained, batch_samples=n).restore(batch).signal for n in (2**12, 2**20))
        assert torch.allclose(one, many, atol=1e-5)

    def test_wide_gathers_come_in_windows_without_seams(self, trained: Path) -> None:
        live = torch.ones(1, 1500, dtype=torch.bool)
        data = torch.randn(1, 1500, 64, generator=torch.Generator().manual_seed(0))
        offset = torch.linspace(10, 1500, 1500, dtype=torch.float64)[None]
        batch = Batch(data, offset, live, 4 * torch.arange(64, dtype=torch.float64))
        whole = self.restorer(trained).restore(batch).signal
        windowed = self.restorer(trained, batch_samples=2**12).restore(batch).signal
        removed = data - whole
        assert float((whole - windowed).norm() / removed.norm()) < 1e-2  # 40 dB

    def test_less_at_once_where_memory_runs_out(self, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        batch, restorer = self.batch(11, 2048), self.restorer(trained, passes=1)
        expected = restorer.restore(batch).signal
        answer, seen = restorer._answer, []

        def scarce(shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
            seen.append(len(shown))
            if len(shown) > 1:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
            return answer(shown, valid)

        monkeypatch.setattr(restorer, "_answer", scarce)
        assert torch.allclose(restorer.restore(batch).signal, expected, atol=1e-5)
        assert seen == [3, 1, 1, 1]

        def none(shown: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(restorer, "_answer", none)
        with pytest.raises(SurveyError, match="do not fit into memory"):
            restorer.restore(batch)

    def test_a_gpu_that_is_not_there_is_told(self, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(OptionError, match="finds no GPU"):
            self.restorer(trained, device="cuda")

    def test_a_second_pass_is_shown_what_the_first_has_found(self, trained: Path) -> None:
        batch, restorer = self.batch(), self.restorer(trained, passes=1)
        once, twice, default = (self.restorer(trained, passes=n).restore(batch).signal for n in (1, 2, None))
        again = restorer.predicted(batch, batch.data - once, 1)[:, 0] * seen(batch.data) * batch.live[..., None]
        assert torch.allclose(twice, batch.data - again, atol=1e-5)
        assert not torch.allclose(twice, once, atol=1e-5)
        assert torch.equal(default, twice)  # as its recipe says

    def test_both_polarities_make_an_answer_that_turns_with_the_gather(self, trained: Path) -> None:
        batch = self.batch()
        turned = replace(batch, data=-batch.data)
        one, two = (self.restorer(trained, views=views, passes=1) for views in (1, "1,-1"))  # as it is typed
        assert not torch.allclose(one.restore(turned).signal, -one.restore(batch).signal, atol=1e-5)
        assert torch.allclose(two.restore(turned).signal, -two.restore(batch).signal, atol=1e-6)

    def test_the_start_is_told(self, trained: Path) -> None:
        batch, restorer = self.batch(), self.restorer(trained)
        early, late, untold = (
            restorer.restore(replace(batch, start=torch.full((3, 11), at, dtype=torch.float64))).signal
            for at in (0.0, 120.0, -torch.inf)
        )
        assert torch.equal(early, untold)
        assert torch.equal(untold, restorer.restore(batch).signal)
        assert not torch.allclose(early, late, atol=1e-5)

    def test_bf16_is_near(self, trained: Path) -> None:
        batch = self.batch()
        fine, coarse = (self.restorer(trained, precision=name).restore(batch).signal for name in ("float32", "bf16"))
        assert float((fine - coarse).norm() / fine.norm()) < 2e-2


def test_another_model_in_the_same_folder_is_another_run(trained: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(trained / "model", model)
    before = model_digest(model)
    weights = load_file(model / WEIGHTS)
    first = next(iter(weights))
    save_file({**weights, first: weights[first] + 1}, model / WEIGHTS)
    assert model_digest(model) != before
    (model / WEIGHTS).unlink()
    with pytest.raises(OptionError, match="cannot be read"):
        model_digest(model)


def test_models_are_listed_and_shown(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == set(shipped_models())
    assert main(["models", "show", str(trained / "model"), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    weights = load_file(trained / "model" / WEIGHTS)
    assert card["parameters"] == sum(part.numel() for part in weights.values())
    assert card["recipe"]["network"]["widths"] == [8, 12]
    assert main(["models", "show", "no_such_model"]) == 2
    assert "expected a folder with model.json" in capsys.readouterr().err
