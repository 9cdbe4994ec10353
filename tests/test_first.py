"""First guesses of training pairs: all at once what the method finds gather by gather."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch

from seisdiff.data import held_out
from seisdiff.restorers.base import Batch
from seisdiff.restorers.first import FirstGuess, FirstSpec, first_guesses
from seisdiff.restorers.first_radon import multiples_of_pairs
from seisdiff.restorers.radon import RadonSpec, Task
from seisdiff.synthetic.recipe import load_scene_recipe
from seisdiff.tasks.pairs import Pair
from seisdiff.training import load_train_recipe

DEAD, EQUAL, NARROW, FAR, LOUD, SILENT, EMPTY = range(7)  # pairs that are changed
FIRST = FirstSpec(method="radon", options={"f_max": 75, "reweightings": 2})


def scenes(pairs: int = 12, traces: int = 24, samples: int = 160) -> Pair:
    recipe = load_train_recipe("configs/demultiple-unet.yaml")
    names = ["marine_shallow", "marine_layered"]
    stream = recipe.stream.model_copy(
        update={"batch": pairs, "shapes": ((traces, samples),), "recipes": dict.fromkeys(names, 0.5), "domains": {}}
    )
    made = {name: load_scene_recipe(f"synthetic/{name}.yaml") for name in names}
    return held_out(stream, made, "demultiple", 1, "cpu")[0]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Pairs with irregular offsets, dead traces, mutes, all four sample intervals, starts and no starts."""
    made, draw = scenes(), torch.Generator().manual_seed(1)
    count, traces, samples = made.degraded.shape
    step = torch.tensor([1.0, 2.0, 4.0, 8.0]).repeat(count // 4)
    offset = made.offset * (1 + 0.02 * torch.rand(count, traces, generator=draw))
    offset = offset * (step / made.step_ms)[:, None]
    largest = offset.abs().amax(dim=1)
    live = made.live & (torch.rand(count, traces, generator=draw) > 0.1)
    start = torch.where(torch.arange(count) % 3 == 0, -math.inf, 20 * step)
    offset[EQUAL], offset[NARROW] = 1000.0, 1000.0 + torch.arange(traces)
    largest[EQUAL], largest[NARROW], largest[FAR] = 2000.0, 1010.0, largest[FAR] / 1.7
    live[DEAD] = False
    muted = torch.arange(samples) < (40 * offset / largest[:, None])[..., None]
    data = made.degraded.masked_fill(muted, 0)
    data[LOUD], data[SILENT] = 1e3 * data[LOUD], 0
    data[EMPTY] *= (torch.arange(traces) % 3 == 2)[:, None]  # live, and yet zero
    return replace(made, degraded=data, offset=offset, largest=largest, live=live, step_ms=step, start_ms=start)


def one_by_one(task: Task, first: FirstSpec, pair: Pair) -> torch.Tensor:
    """Return what is found in each pair for itself."""
    found = torch.zeros_like(pair.degraded)
    index = torch.arange(pair.degraded.shape[-1], dtype=torch.float64)
    for number, largest in enumerate(pair.largest.tolist()):
        one = slice(number, number + 1)
        offset = pair.offset[one].double()
        start = pair.start_ms[one, None].double().expand_as(offset)
        batch = Batch(pair.degraded[one], offset, pair.live[one], index * float(pair.step_ms[number]), start)
        found[one] = FirstGuess(task, first, largest).found(batch)
    return found


def changed(pair: Pair, change: Callable[[torch.Tensor], torch.Tensor]) -> Pair:
    return Pair(**{field.name: change(getattr(pair, field.name)) for field in fields(pair)})


def worst(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the largest relative difference of a pair; what should be zero must be."""
    norm = wanted.norm(dim=(1, 2))
    assert not found[norm == 0].any()
    return float(((found - wanted).norm(dim=(1, 2)) / norm.clamp_min(1e-30)).max())


def test_all_at_once_is_what_is_found_one_by_one(pair: Pair) -> None:
    found, wanted = first_guesses("demultiple", FIRST, pair), one_by_one("demultiple", FIRST, pair)
    assert found.dtype == pair.degraded.dtype
    assert worst(found, wanted) < 1e-3
    assert (~wanted.flatten(1).any(dim=1)).nonzero().flatten().tolist() == [DEAD, EQUAL, SILENT]
    assert not found[~pair.live].any()


@pytest.mark.parametrize("memory", [1, 2**24, 2**31])
@pytest.mark.parametrize(
    "options",
    [
        {"f_max": 75, "reweightings": 2},
        {"f_max": 75, "reweightings": 1, "damping": 0.1},
        {"solver": "ls"},
        {"f_min": 8, "reweightings": 3, "cut_ms": "0:120,300:40", "taper_ms": 10},
        {"moveout_ms": "-100:500:60", "f_max": 90},
        {"kind": "hyperbolic", "f_max": 60},
        {"kind": "linear", "f_max": 60},
    ],
)
def test_options_and_memory_keep_to_it_exactly(pair: Pair, options: dict[str, object], memory: int) -> None:
    """In float64, where nothing but a mistake makes a difference; in data space and in model space."""
    exact = replace(pair, degraded=pair.degraded.double())
    first = FirstSpec(method="radon", options=options)
    found = multiples_of_pairs(RadonSpec.model_validate(options), exact, memory)
    assert worst(found, one_by_one("demultiple", first, exact)) < 1e-8


def test_other_pairs_of_the_batch_have_no_influence(pair: Pair) -> None:
    together = first_guesses("demultiple", FIRST, pair)
    order = torch.tensor([7, 2, 9])
    assert worst(first_guesses("demultiple", FIRST, changed(pair, lambda each: each[order])), together[order]) < 1e-4
    loud = replace(pair, degraded=pair.degraded.clone())
    loud.degraded[7] = math.nan
    others = torch.arange(len(together)) != 7
    assert worst(multiples_of_pairs(RadonSpec(**FIRST.options), loud, 2**31)[others], together[others]) < 1e-4


def test_batches_in_which_nothing_is_found(pair: Pair) -> None:
    for change in (lambda each: each[[DEAD, EQUAL]], lambda each: each[:0]):
        none = changed(pair, change)
        assert torch.equal(first_guesses("demultiple", FIRST, none), torch.zeros_like(none.degraded))
    single = changed(pair, lambda each: each[..., :1] if each.ndim == 3 else each)
    assert worst(first_guesses("demultiple", FIRST, single), one_by_one("demultiple", FIRST, single)) < 1e-3


@pytest.mark.parametrize(
    ("task", "first"),
    [
        ("denoise", {"method": "fk"}),
        ("denoise", {"method": "fk", "options": {"mode": "fan"}}),
        ("denoise", {"method": "radon", "options": {"kind": "parabolic", "f_max": 50}}),
        ("interpolate", {"method": "radon", "options": {"f_max": 50, "window_ms": 200}}),
    ],
)
def test_other_methods_take_those_of_one_sampling_together(pair: Pair, task: Task, first: dict[str, object]) -> None:
    few = changed(pair, lambda each: each[4:])
    told = FirstSpec.model_validate(first)
    assert worst(first_guesses(task, told, few), one_by_one(task, told, few)) < 1e-3
