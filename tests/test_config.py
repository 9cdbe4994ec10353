"""Recipes are checked as a whole, in one line, and cannot be changed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from seisdiff.config import RestoreRecipe, make_recipe
from seisdiff.errors import OptionError


def test_defaults_are_those_of_the_field() -> None:
    recipe = make_recipe({"task": "demultiple"})
    assert (recipe.method, recipe.radon.solver, recipe.radon.cut_ms, recipe.taper_ms) == ("radon", "sparse", 60, 100)
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
        ({"task": "denoise", "strat": 3}, ["strat"]),
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
