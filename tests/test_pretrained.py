"""The models that ship: their cards, sizes and shapes, and the laws that every restorer keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seisdiff.networks.models import load_unet
from seisdiff.pretrained import SHIPPED, count_parameters, model_card, shipped_models
from seisdiff.restorers.base import Batch, Restorer
from seisdiff.restorers.unet import UnetRestorer, UnetSpec
from seisdiff.synthetic.recipe import load_scene_recipe
from seisdiff.synthetic.scene import make_scenes
from seisdiff.synthetic.surveys import find_recipe
from seisdiff.training import load_train_recipe
from tests.contracts import RestorerContract, scaled_batch

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
EXACT = UnetSpec(precision="float32", device="cpu")


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_small_and_tells_what_it_is(name: str) -> None:
    folder, card = SHIPPED / name, model_card(SHIPPED / name)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6e6
    assert count_parameters(folder) <= 3e6
    kind = "diffusion" if card["recipe"].get("diffusion") else "unet"
    assert name == f"{card['task']}-{kind}" == card["recipe"]["name"]
    assert card["licence"] == "Apache-2.0"
    assert any("judge" in told for told in card["figures"])
    assert load_unet(folder, card["task"]).spec == load_train_recipe(CONFIGS / f"{name}.yaml").network


@pytest.mark.parametrize("name", [name for name in shipped_models() if name.endswith("-unet")])
def test_windows_of_a_wide_gather_agree_with_the_whole(name: str) -> None:
    scenes = make_scenes(load_scene_recipe(find_recipe("marine_shallow")), 3, range(2), traces=640, samples=256)
    live = torch.ones(2, 640, dtype=torch.bool)
    live[:, ::2] = not name.startswith("interpolate")
    batch = Batch(scenes.full * live[..., None], scenes.offset.double(), live, 4.0 * torch.arange(256).double())
    task, far = model_card(SHIPPED / name)["task"], float(scenes.offset.abs().max())
    whole, windowed = (
        UnetRestorer(task, UnetSpec(precision="float32", batch_samples=size), far).restore(batch).signal
        for size in (2**20, 2**12)
    )
    assert not torch.equal(whole, windowed)
    for one, other in zip(whole, windowed, strict=True):
        assert float((one - other).norm() / one.norm()) < 1e-2  # 40 dB


class TestDemultipleContract(RestorerContract):
    def restorer(self) -> Restorer:
        return UnetRestorer("demultiple", EXACT, 3000.0)


class TestInterpolateContract(RestorerContract):
    def restorer(self) -> Restorer:
        return UnetRestorer("interpolate", EXACT, 3000.0)

    def batch(self) -> Batch:
        batch = scaled_batch()
        live = batch.live.clone()
        live[:, 1::3] = False
        return replace(batch, data=batch.data * live[..., None], live=live)
