"""The stream of training pairs: scenes made on the device that trains, each put together anew a few times."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator

from seisdiff.draws import Draws
from seisdiff.errors import OptionError
from seisdiff.networks.inputs import advance, advance_of, network_inputs
from seisdiff.networks.oversampling import finer, finer_traces
from seisdiff.synthetic.recipe import Domain, NoiseSpec, ProcessingSpec, SceneRecipe, Span
from seisdiff.synthetic.scene import Scenes, make_scenes
from seisdiff.tasks.pairs import TASKS, Pair

_PARTS = ("primaries", "interbed", "surface", "live", "offset", "dt_ms", "start", "water_ms", "domain")
HELD_OUT_SEED = 1_000_003  # scenes for validation come from another seed
MEASURED_STEPS = 300  # from which a time budget becomes a number of steps,
MEASURED_SHARE = 0.05  # or from this share of it on, where steps take long


class StreamSpec(BaseModel):
    """Which scenes are trained on, and how many samples see each of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipes: Annotated[dict[str, float], Field(min_length=1, description="scene recipes and their weights")]
    domains: dict[str, dict[Domain, float]] = Field(
        default={}, description="of scene recipes by name, instead of their own"
    )
    noise: NoiseSpec | None = Field(default=None, description="instead of that of the scene recipes")
    far_m: Span | None = Field(default=None, description="limits of the largest offset, instead of theirs")
    peak_hz: Span | None = Field(default=None, description="peak frequencies of wavelets (at 4 ms), instead of theirs")
    processing: dict[str, Any] = Field(default={}, description="what processing has done, instead of theirs")
    shapes: tuple[tuple[int, int], ...] = Field(
        default=((64, 640), (64, 1024), (96, 512), (48, 1280)), min_length=1,
        description="traces and samples of batches, in turn",
    )  # fmt: skip
    batch: int = Field(default=4, ge=1, le=4096)
    pool: int = Field(default=16, ge=1, le=65536, description="scenes that are made together, of one recipe")
    window: int = Field(default=6, ge=1, le=1024, description="last pools of a shape that a batch is drawn from")
    reuse: int = Field(default=3, ge=1, le=64, description="how often a scene is used on average")

    @field_validator("processing")
    @classmethod
    def _processing_is_known(cls, value: dict[str, Any]) -> dict[str, Any]:
        ProcessingSpec.model_validate(value)
        return value

    def shared_out(self, processes: int) -> StreamSpec:
        """Return what each of several processes makes, so that a step sees as many pairs as with one process."""
        if self.batch % processes:
            raise OptionError(
                f"a batch of {self.batch} cannot be shared out among {processes} processes; change either"
            )
        return self.model_copy(update={"batch": self.batch // processes, "pool": max(1, self.pool // processes)})


class PairStream:
    """Batches of training pairs by number: batch n is the same whatever came before.

    A batch is drawn from the last few pools of scenes, so that recipes mix in it and in those that follow one another.
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
        self.recipes = [_changed(recipes[name], spec, spec.domains.get(name)) for name in spec.recipes]
        self.weights = dict(spec.recipes)
        self.per_pool = max(1, spec.pool * spec.reuse // spec.batch)
        self.pools = 0  # made so far
        self._made: dict[int, Scenes] = {}

    def batch(self, number: int) -> Pair:
        """Return batch `number`."""
        spec, shapes = self.spec, len(self.spec.shapes)
        turn = number // shapes // self.per_pool
        recent = range(turn * shapes, (turn + spec.window) * shapes)
        window = recent[number % shapes :: shapes]
        self._keep(recent, window)
        address = number * self.shares + self.share
        order = (
            Draws(self.seed, torch.tensor([address])).uniform("order", len(window) * spec.pool)[0].argsort().tolist()
        )
        chosen = [divmod(order[one % len(order)], spec.pool) for one in range(spec.batch)]
        scenes = together([take(self._made[window[pool]], place) for pool, place in chosen])
        draws = Draws(self.seed, address * spec.batch + torch.arange(spec.batch)).to(self.device)
        return self.task.pair(scenes, draws.within("pair"))

    def _keep(self, recent: range, wanted: range) -> None:
        """Make the pools that are wanted, and forget those that no batch will be drawn from any more."""
        self._made = {number: pool for number, pool in self._made.items() if number in recent}
        for number in wanted:
            if number not in self._made:
                self._made[number] = self._pool(number)
                self.pools += 1

    def _pool(self, number: int) -> Scenes:
        traces, samples = self.spec.shapes[number % len(self.spec.shapes)]
        first = (number * self.shares + self.share) * self.spec.pool
        which = Draws(self.seed, torch.tensor([number])).choice("recipe", self.weights)
        index = range(first, first + self.spec.pool)
        recipe = self.recipes[int(which)]
        return make_scenes(recipe, self.seed, index, traces=traces, samples=samples, device=self.device)


def _changed(recipe: SceneRecipe, spec: StreamSpec, domains: dict[Domain, float] | None) -> SceneRecipe:
    """Return a scene recipe with the domains, processing, noise, offsets and wavelets that are wanted for training."""
    wanted = recipe.processing.model_dump() | spec.processing | ({"domains": domains} if domains else {})
    processing = ProcessingSpec.model_validate(wanted)
    spread = recipe.spread.model_copy(update={"far_m": spec.far_m or recipe.spread.far_m})
    wavelet = recipe.wavelet.model_copy(update={"peak_hz": spec.peak_hz or recipe.wavelet.peak_hz})
    return recipe.model_copy(
        update={"processing": processing, "spread": spread, "wavelet": wavelet, "noise": spec.noise or recipe.noise}
    )


def take(scenes: Scenes, place: int) -> Scenes:
    """Return one of the scenes, those parts of it that pairs are made of."""
    one = slice(place, place + 1)
    changed = {name: getattr(scenes, name)[one] for name in _PARTS}
    return replace(scenes, **changed, noise={kind: part[one] for kind, part in scenes.noise.items()})


def together(scenes: Sequence[Scenes]) -> Scenes:
    """Return scenes of one shape as one, those parts of them that pairs are made of."""
    nothing = torch.zeros_like(scenes[0].primaries)
    changed = {name: torch.cat([getattr(one, name) for one in scenes]) for name in _PARTS}
    kinds = dict.fromkeys(kind for one in scenes for kind in one.noise)
    noise = {kind: torch.cat([one.noise.get(kind, nothing) for one in scenes]) for kind in kinds}
    return replace(scenes[0], **changed, noise=noise)


def held_out(spec: StreamSpec, recipes: dict[str, SceneRecipe], task: str, batches: int, device: str) -> list[Pair]:
    """Return pairs that no training sees: one batch of each of the first pools of another seed."""
    few = spec.model_copy(update={"reuse": 1, "window": 1, "pool": spec.batch})
    stream = PairStream(few, recipes, task, HELD_OUT_SEED, device)  # type: ignore[arg-type]
    return [stream.batch(number) for number in range(batches)]


def at_rate(pair: Pair, rate: float) -> Pair:
    """Return the pair at `rate` samples for each."""
    if rate == 1:
        return pair
    degraded, target = finer_traces(pair.degraded, pair.target, rate)
    found = finer(pair.found, rate, degraded.shape[-1])
    return replace(pair, degraded=degraded, target=target, found=found, step_ms=pair.step_ms / rate)


def presented(
    pair: Pair, reduction_m_s: float, level_traces: float
) -> tuple[torch.Tensor, torch.Tensor, Pair, torch.Tensor | None]:
    """Return what a network is shown of a pair, the levels of balance, the pair in the moveout of what is shown, and
    by how many samples its traces are advanced for that."""
    ahead = advance_of(pair.degraded, pair.live, pair.offset, pair.step_ms[:, None], reduction_m_s)
    late = (
        torch.arange(pair.degraded.shape[-1], device=pair.step_ms.device) * pair.step_ms[:, None]
        >= pair.start_ms[:, None]
    )
    inputs, level = network_inputs(
        pair.degraded, pair.live, pair.offset, pair.largest[:, None], ahead, pair.found, late[:, None], level_traces
    )
    shown = replace(pair, degraded=advance(pair.degraded, ahead), target=advance(pair.target, ahead))
    return inputs, level, shown, ahead


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


class Pace:
    """How long the steps of a training take, measured from step `first` on.

    The first pools of each shape, many at once, are made before. Of later ones each step bears its share, however many
    were made while it was measured: else a few steps, among them one that makes pools or none, would tell nothing.
    """

    def __init__(self, stream: PairStream, first: int) -> None:
        self.stream, self.first, began = stream, first, time.perf_counter()
        for number in range(first, first + len(stream.spec.shapes)):
            float(stream.batch(number).degraded.sum())  # waits for a GPU
        self.began, self.before = time.perf_counter(), stream.pools
        self.pool_seconds = (self.began - began) / stream.pools

    def seconds_a_step(self, step: int) -> float:
        """Return what each of the steps up to `step` took."""
        steps, pools = step - self.first, self.stream.pools - self.before
        missing = steps / self.stream.per_pool - pools
        return max(time.perf_counter() - self.began + missing * self.pool_seconds, 1e-9) / steps

    def last_step(self, step: int, left: float, beside: float) -> int | None:
        """Return the last step for which `left` seconds suffice, each with some `beside` it; None until that is known.

        It is known after MEASURED_STEPS, or a MEASURED_SHARE of the time.
        """
        if step - self.first < MEASURED_STEPS and time.perf_counter() - self.began < MEASURED_SHARE * left:
            return None
        return step + steps_for(left / 60, self.seconds_a_step(step) + beside)
