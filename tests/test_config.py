"""Recipes are checked as a whole, in one line, and cannot be changed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from seisdiff.config import RestoreRecipe, make_recipe
from seisdiff.engine import LONGEST_HISTORY, history_line
from seisdiff.errors import OptionError
from seisdiff.pretrained import shipped_models
from seisdiff.restorers import RESTORERS, TASKS_OF, WORDS_OF, methods_for, restorer_class
from seisdiff.restorers.base import Restorer
from seisdiff.restorers.radon import RadonSpec


def test_defaults_are_those_of_the_field() -> None:
    recipe = make_recipe({"task": "demultiple"})
    assert (recipe.method, recipe.radon.solver, recipe.radon.cut_ms, recipe.taper_ms) == ("unet", "sparse", 60, 40)
    assert (recipe.start, recipe.protect_ms, recipe.ref_offset_m, recipe.nmo, recipe.refine) == (None, 0, None, None, 1)


def test_a_recipe_is_frozen_and_comes_back_from_its_dump() -> None:
    recipe = make_recipe({"task": "interpolate", "refine": 3, "radon": {"moveout_ms": "-50:200:25"}})
    with pytest.raises(ValidationError):
        recipe.refine = 2  # type: ignore[misc]
    assert RestoreRecipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"task": "migrate"}, ["task", "demultiple", "migrate"]),
        ({}, ["task"]),
        ({"task": "denoise", "strat": 3}, ["strat", "nearest to strat is start"]),
        ({"task": "denoise", "radon": {"clip_ms": 3}}, ["radon.clip_ms", "nearest to clip_ms is cut_ms"]),
        ({"task": "denoise", "taper_ms": -1}, ["taper_ms", "-1"]),
        ({"task": "denoise", "taper_ms": float("nan")}, ["taper_ms"]),
        ({"task": "demultiple", "protect_ms": float("inf")}, ["protect_ms"]),
        ({"task": "demultiple", "ref_offset_m": 0}, ["ref_offset_m"]),
        ({"task": "demultiple", "ref_offset_m": float("inf")}, ["ref_offset_m"]),
        ({"task": "interpolate", "refine": 0}, ["refine"]),
        ({"task": "interpolate", "refine": 99}, ["refine"]),
        ({"task": "interpolate", "refine": 2, "to_offsets": "1:2:1"}, ["refine", "to_offsets"]),
        ({"task": "demultiple", "refine": 2}, ["refine", "interpolate"]),
        ({"task": "denoise", "to_offsets": "1:2:1"}, ["to_offsets", "interpolate"]),
        ({"task": "demultiple", "radon": {"solver": "lsq"}}, ["radon.solver", "lsq"]),
        ({"task": "demultiple", "taper_ms": -1, "protect_ms": -2}, ["taper_ms", "protect_ms"]),
    ],
)
def test_faults_are_told_in_one_line_by_name(values: dict, named: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        make_recipe(values)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in named), message


@pytest.mark.parametrize("method", list(RESTORERS))
def test_every_method_has_a_spec_tasks_and_a_word(method: str) -> None:
    assert list(RESTORERS) == list(TASKS_OF) == list(WORDS_OF)
    assert TASKS_OF[method]
    for task in TASKS_OF[method]:
        recipe = make_recipe({"task": task, "method": method})
        assert type(recipe.spec) is RestoreRecipe.model_fields[method].annotation
        if method != "unet" or f"{task}-unet" in shipped_models():
            assert isinstance(restorer_class(method)(task, recipe.spec, 3000.0, 0.0), Restorer)


@pytest.mark.parametrize("task", ["demultiple", "denoise", "interpolate"])
def test_a_method_that_cannot_do_the_task_is_refused_with_those_that_can(task: str) -> None:
    able = methods_for(task)
    assert "radon" in able
    for method in set(RESTORERS) - set(able):
        with pytest.raises(OptionError, match=f"'{method}' does not {task}; available: {', '.join(able)}"):
            make_recipe({"task": task, "method": method})


def test_the_history_tells_main_parameters_within_a_line() -> None:
    recipe = make_recipe(
        {
            "task": "demultiple", "method": "radon", "start": "auto", "protect_ms": 20,
            "radon": {"f_max": 80, "cut_ms": 45},
        }
    )  # fmt: skip
    line = history_line(recipe)
    assert line.endswith(" demultiple radon cut 45 ms start auto protect 20 ms f_max 80")
    many = {"f_max": 80, "f_min": 3, "damping": 0.02, "reweightings": 3, "moveout_ms": "-100:800:10"}
    long = history_line(recipe.model_copy(update={"radon": RadonSpec.model_validate(many)}))
    assert len(long) <= LONGEST_HISTORY
    assert long.endswith(" ...")
    assert "start auto" in long
    assert "cut" not in history_line(make_recipe({"task": "denoise", "method": "radon"}))
