"""The stream of training pairs: scenes made on the device that trains, each put together anew a few times."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import Domain, NoiseSpec, SceneRecipe
from seisdiff.synthetic.scene import Scenes, make_scenes
from seisdiff.tasks.pairs import TASKS, Pair

HELD_OUT_SEED = 1_000_003  # scenes for validation come from another seed


class StreamSpec(BaseModel):
    """Which scenes are trained on, and how many samples see each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipes: Annotated[dict[str, float], Field(min_length=1, description="scene recipes and their weights")]
    domains: dict[Domain, float] | None = Field(default=None, description="instead of those of the scene recipes")
    noise: NoiseSpec | None = Field(default=None, description="instead of that of the scene recipes")
    shapes: tuple[tuple[int, int], ...] = Field(
        default=((64, 640), (64, 1024), (96, 512), (48, 1280)), min_length=1,
        description="traces and samples of batches, in turn",
    )  # fmt: skip
    batch: int = Field(default=8, ge=1, le=4096)
    pool: int = Field(default=32, ge=1, le=65536, description="scenes that are made together")
    reuse: int = Field(default=3, ge=1, le=64, description="how often each of them is used")


class PairStream:
    """Batches of training pairs by number: batch n is the same whatever came before.

    `share` and `shares` give each of several processes its own pairs.
    """

    def __init__(
        self,
        spec: StreamSpec,
        recipes: dict[str, SceneRecipe],
        task: Literal["demultiple", "denoise", "interpolate"],
        seed: int,
        device: torch.device | str = "cpu",
        share: int = 0,
        shares: int = 1,
    ) -> None:
        self.spec, self.task, self.seed, self.device = spec, TASKS[task](), seed, device
        self.share, self.shares = share, shares
        self.recipes = [_changed(recipes[name], spec) for name in spec.recipes]
        self.weights = dict(spec.recipes)
        self.per_pool = max(1, spec.pool * spec.reuse // spec.batch)
        self._made: tuple[int, Scenes] | None = None

    def batch(self, number: int) -> Pair:
        """Return batch `number`."""
        pool, turn = divmod(number, self.per_pool)
        scenes = self._pool(pool)
        order = Draws(self.seed, torch.tensor([pool])).within("order").uniform("place", self.per_pool * self.spec.batch)
        place = order[0].argsort()[turn * self.spec.batch : (turn + 1) * self.spec.batch] % len(scenes.offset)
        address = (number * self.shares + self.share) * self.spec.batch + torch.arange(self.spec.batch)
        chosen = take(scenes, place.to(self.device))
        return self.task.pair(chosen, Draws(self.seed, address.to(self.device)).within("pair"))

    def _pool(self, number: int) -> Scenes:
        if self._made is None or self._made[0] != number:
            self._made = None
            traces, samples = self.spec.shapes[number % len(self.spec.shapes)]
            first = (number * self.shares + self.share) * self.spec.pool
            which = Draws(self.seed, torch.tensor([number])).choice("recipe", self.weights)
            recipe = self.recipes[int(which)]
            index = range(first, first + self.spec.pool)
            made = make_scenes(recipe, self.seed, index, traces=traces, samples=samples, device=self.device)
            self._made = (number, made)
        return self._made[1]


def _changed(recipe: SceneRecipe, spec: StreamSpec) -> SceneRecipe:
    """Return a scene recipe with the domains and the noise that are wanted for training."""
    processing = recipe.processing.model_copy(update={"domains": spec.domains or recipe.processing.domains})
    return recipe.model_copy(update={"processing": processing, "noise": spec.noise or recipe.noise})


def take(scenes: Scenes, place: torch.Tensor) -> Scenes:
    """Return some of the scenes, those parts of them that pairs are made of."""
    changed = {name: getattr(scenes, name)[place] for name in ("primaries", "interbed", "surface", "live", "offset")}
    noise = {kind: part[place] for kind, part in scenes.noise.items()}
    return Scenes(**{**vars(scenes), **changed, "noise": noise})


def held_out(spec: StreamSpec, recipes: dict[str, SceneRecipe], task: str, batches: int, device: str) -> list[Pair]:
    """Return pairs that no training sees: one batch of each of the first pools of another seed."""
    few = spec.model_copy(update={"reuse": 1, "pool": spec.batch})
    stream = PairStream(few, recipes, task, HELD_OUT_SEED, device)  # type: ignore[arg-type]
    return [stream.batch(number * stream.per_pool) for number in range(batches)]


def output_snr_db(pair: Pair, predicted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return SNR (scene) in dB of the input and of the output, over the traces that count."""
    strength = pair.signal.square().sum((1, 2)).clamp_min(1e-20)
    after = (predicted - pair.target) * pair.wanted[..., None]
    errors = [error.square().sum((1, 2)).clamp_min(1e-20) for error in (pair.target, after)]
    low, high = (10 * torch.log10(strength / error) for error in errors)
    return low, high


def steps_for(minutes: float, seconds_a_step: float) -> int:
    """Return how many steps fit into a time."""
    return max(1, math.floor(60 * minutes / seconds_a_step))
