"""What a restoration is told to do: one frozen recipe, composed of the specs that stand beside what they build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seisdiff.errors import OptionError
from seisdiff.restorers import DEFAULT_METHOD, check_method
from seisdiff.restorers.diffusion import DiffusionOptions
from seisdiff.restorers.fk import FkSpec
from seisdiff.restorers.fx import FxSpec
from seisdiff.restorers.median import MedianSpec
from seisdiff.restorers.pocs import PocsSpec
from seisdiff.restorers.predictive import PredictiveSpec
from seisdiff.restorers.radon import RadonSpec
from seisdiff.restorers.ssa import SsaSpec
from seisdiff.restorers.unet import UnetSpec
from seisdiff.validation import validation_message

TaskName = Literal["demultiple", "denoise", "interpolate"]

#: Options of each task that are not its method's own, as they are typed, and the field of a recipe that each fills.
_ALWAYS = {"ref_offset": "ref_offset_m", "zero_nonfinite": "zero_nonfinite"}
_ZONE = {"start_ms": "start", "taper_ms": "taper_ms"}
TASK_OPTIONS: dict[str, dict[str, str]] = {
    "demultiple": {**_ALWAYS, **_ZONE, "protect_ms": "protect_ms", "nmo": "nmo"},
    "denoise": {**_ALWAYS, **_ZONE},
    "interpolate": {**_ALWAYS, "refine": "refine", "to_offsets": "to_offsets"},
}


class RestoreRecipe(BaseModel):
    """One restoration: the task, the method and everything that changes its answer.

    Each method has a field of its name that holds its parameters; `spec` is that of the method chosen.
    `start` is a time in ms, the name of a header word that holds one, a file of start times, or "auto". `nmo` is
    "V0,K" (m/s, 1/s) or a velocity file, for gathers that are not corrected yet. `refine` N puts N - 1 traces
    between neighbours; `to_offsets` "A:B:STEP" (m) regularises.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: TaskName
    method: str = DEFAULT_METHOD
    radon: RadonSpec = RadonSpec()
    predictive: PredictiveSpec = PredictiveSpec()
    fx: FxSpec = FxSpec()
    ssa: SsaSpec = SsaSpec()
    fk: FkSpec = FkSpec()
    median: MedianSpec = MedianSpec()
    pocs: PocsSpec = PocsSpec()
    unet: UnetSpec = UnetSpec()
    diffusion: DiffusionOptions = DiffusionOptions()
    start: str | None = None
    taper_ms: float = Field(default=40.0, ge=0, le=10_000)
    protect_ms: float = Field(default=0.0, ge=0, le=100_000)
    ref_offset_m: float | None = Field(default=None, gt=0)
    nmo: str | None = None
    refine: int = Field(default=1, ge=1, le=16)
    to_offsets: str | None = None
    zero_nonfinite: bool = False

    @field_validator("method")
    @classmethod
    def _method_exists(cls, value: str) -> str:
        check_method(value)
        return value

    @property
    def spec(self) -> BaseModel:
        """The parameters of the method chosen."""
        return getattr(self, self.method)

    @model_validator(mode="after")
    def _method_does_the_task(self) -> RestoreRecipe:
        check_method(self.method, self.task)
        return self

    @model_validator(mode="after")
    def _new_traces_need_interpolate(self) -> RestoreRecipe:
        if self.task != "interpolate" and (self.refine > 1 or self.to_offsets):
            raise ValueError("refine and to_offsets make new traces, which only interpolate does")
        if self.refine > 1 and self.to_offsets:
            raise ValueError("refine and to_offsets exclude each other")
        return self


def recipe_values(
    task: str, method: str, options: Mapping[str, Any], parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the fields of the recipe that options ask for, named as on the command line; None is not given.

    What is no option of the task (TASK_OPTIONS) is a parameter of the method; `parameters` are more of those. Raises
    OptionError for a method that does not exist, for options of another one and for a second value.
    """
    check_method(method, task)
    given = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items() if value is not None
    }
    values = {field: given.pop(name) for name, field in TASK_OPTIONS[task].items() if name in given}
    joints = {"start": ",", "nmo": ",", "to_offsets": ":"}
    values |= {name: _typed(values[name], joint) for name, joint in joints.items() if name in values}
    _check_parameters(task, method, given)
    if twice := given.keys() & (parameters or {}).keys():
        raise OptionError(f"{', '.join(sorted(twice))}: given by name and by --set; give one of them")
    return {"task": task, "method": method, method: {**given, **(parameters or {})}, **values}


def make_recipe(values: Mapping[str, Any]) -> RestoreRecipe:
    """Return a checked recipe; raises OptionError with every fault in one line."""
    try:
        return RestoreRecipe.model_validate(dict(values))
    except ValidationError as error:
        raise OptionError(validation_message(error, RestoreRecipe)) from None


def _typed(value: object, joint: str) -> str:
    """Return a time, a name or a path as it is typed, several numbers with a `joint` between them."""
    if isinstance(value, tuple | list):
        return joint.join(_typed(part, joint) for part in value)
    return f"{value:.15g}" if isinstance(value, int | float) else str(value)


def _check_parameters(task: str, method: str, names: Iterable[str]) -> None:
    """Refuse options that the task or the method does not have and another one does."""
    known = {
        each: getattr(RestoreRecipe.model_fields[each].annotation, "model_fields", {})
        for each in (method, "radon", "unet", "diffusion")
    }
    for name in names:
        option = f"--{name.replace('_', '-')}"
        tasks = [other for other, options in TASK_OPTIONS.items() if name in options]
        others = [other for other in known if name in known[other]]
        if tasks and name not in known[method]:
            raise OptionError(f"{option} says nothing to {task}; it is an option of {' and '.join(tasks)}")
        if others and method not in others:
            raise OptionError(
                f"{option} says nothing to the method {method}; add --method {others[0]}, or leave {option} out"
            )
