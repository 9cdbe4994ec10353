"""Which methods are measured on which tasks, and the recipes they run by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from seisdiff.config import RestoreRecipe, TaskName, make_recipe
from seisdiff.errors import OptionError
from seisdiff.pretrained import shipped_models
from seisdiff.restorers import TASKS_OF, check_method

TASKS: tuple[str, ...] = get_args(TaskName)
NETWORKS = ("unet", "diffusion")


@dataclass(frozen=True)
class Method:
    """A method with parameters of its own; `label` is how it was asked for, and what tables call it."""

    label: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_method(text: str) -> Method:
    """Return the method that NAME or NAME:KEY=VALUE,KEY=VALUE says, such as "radon:cut_ms=45,solver=sparse".

    A comma that no KEY= follows belongs to the value: "radon:cut_ms=0:120,2000:60". Raises OptionError for an unknown
    method, a parameter without a value and one given twice; whether a parameter exists is the recipe's to say.
    """
    name, _, rest = text.strip().partition(":")
    check_method(name)
    words: list[str] = []
    for word in rest.split(",") if rest else []:
        if "=" in word or not words:
            words.append(word)
        else:
            words[-1] += f",{word}"
    pairs = [word.partition("=") for word in words]
    keys = [key.strip() for key, _, _ in pairs]
    if any(not (key and value.strip()) for key, (_, _, value) in zip(keys, pairs, strict=True)):
        raise OptionError(f"method {text!r}: expected NAME or NAME:KEY=VALUE,KEY=VALUE, such as radon:cut_ms=45")
    if len(set(keys)) < len(keys):
        raise OptionError(f"method {text!r} gives a parameter twice")
    return Method(text.strip(), name, {key: value.strip() for key, (_, _, value) in zip(keys, pairs, strict=True)})


def plan_methods(methods: Sequence[str] | None, tasks: Sequence[str] | None) -> dict[str, list[Method]]:
    """Return the methods to measure on each task.

    Without `methods`, all that can do a task; without `tasks`, all that the methods can do. Raises OptionError for
    unknown names and parameters, for a name given twice, and for a named method that cannot do a named task.
    """
    unknown = [task for task in tasks or () if task not in TASKS]
    if unknown:
        raise OptionError(f"no task is called {unknown[0]!r}; expected {', '.join(TASKS)}")
    chosen = [parse_method(text) for text in (list(TASKS_OF) if methods is None else methods)]
    labels = [method.label for method in chosen]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise OptionError(f"method {twice[0]!r} is asked for twice")
    if methods is not None and tasks is not None:
        for method in chosen:
            for task in tasks:
                check_method(method.name, task)
    wanted = [task for task in TASKS if tasks is None or task in tasks]
    plan = {task: [method for method in chosen if _able(method, task, methods is None)] for task in wanted}
    for task, able in plan.items():
        for method in able:
            method_recipe(method, task)
    return {task: able for task, able in plan.items() if able}


def _able(method: Method, task: str, of_all: bool) -> bool:
    """Return whether a method does a task; where all are measured, a network only if its model is shipped."""
    shipped = not of_all or method.name not in NETWORKS or f"{task}-{method.name}" in shipped_models()
    return task in TASKS_OF[method.name] and shipped


def method_recipe(method: Method, task: str, ref_offset_m: float | None = None) -> RestoreRecipe:
    """Return the recipe of a method on a task: its defaults but for its parameters, demultiple from `auto` on."""
    values: dict[str, object] = {"task": task, "method": method.name, "ref_offset_m": ref_offset_m}
    if method.parameters:
        values[method.name] = method.parameters
    return make_recipe(values | ({"start": "auto"} if task == "demultiple" else {}))
