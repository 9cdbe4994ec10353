"""What pydantic found wrong with a recipe, in one line."""

from __future__ import annotations

from pydantic import ValidationError


def validation_message(error: ValidationError) -> str:
    """Return every fault with its place and what came, in one line."""
    faults = []
    for fault in error.errors():
        place = ".".join(str(part) for part in fault["loc"])
        text = fault["msg"].removeprefix("Value error, ")
        told = "" if not place or "got" in text else f" (got {fault['input']!r})"
        faults.append(f"{place}: {text}{told}" if place and not text.startswith(str(fault["loc"][-1])) else text + told)
    return "; ".join(faults)
