"""Model directories that come with the package, and finding one by name or path: nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from seisdiff.errors import OptionError

SHIPPED = Path(__file__).resolve().parent
CARD = "model.json"
WEIGHTS = "weights.safetensors"


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(card.parent.name for card in SHIPPED.glob(f"*/{CARD}"))


def find_model(name: str | Path) -> Path:
    """Return the folder of a model given by name or by path; raises OptionError where there is none."""
    for folder in (SHIPPED / str(name), Path(name)):
        if (folder / CARD).is_file():
            return folder
    known = ", ".join(shipped_models()) or "none so far"
    raise OptionError(f"no model is in '{name}': expected a folder with {CARD}, or one of those shipped: {known}")


def model_card(folder: Path) -> dict[str, Any]:
    """Return what a model says of itself: task, recipe, versions, figures, licence."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{folder / CARD} cannot be read: {error}") from None
    if not isinstance(card, dict) or not {"task", "recipe"} <= card.keys():
        raise OptionError(f"{folder / CARD} is no model card: expected task and recipe")
    return card


def model_digest(folder: Path) -> str:
    """Return what tells one model from another: a hash of its card and weights; raises OptionError without them."""
    try:
        both = [(folder / name).read_bytes() for name in (CARD, WEIGHTS)]
    except OSError as error:
        raise OptionError(f"{folder} cannot be read: {error}") from None
    return hashlib.sha256(b"".join(both)).hexdigest()


def count_parameters(folder: Path) -> int:
    """Return how many numbers a model's weights are; raises OptionError where they cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / WEIGHTS, framework="np") as weights:
            return sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise OptionError(f"{folder / WEIGHTS} cannot be read: {error}") from None
