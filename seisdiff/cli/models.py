"""seisdiff models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seisdiff.cli import options as opt

if TYPE_CHECKING:
    from pathlib import Path

Name = Annotated[str, typer.Argument(metavar="NAME|DIR", help="A shipped model, or the folder of one.")]

models = typer.Typer(no_args_is_help=True, help="List the trained networks that come with the package, or show one.")


@models.command("list")
def list_models(json: opt.Json = False) -> None:
    """List the trained networks that come with the package.

    Examples:

      seisdiff models list
    """
    from json import dumps

    from seisdiff.pretrained import find_model, shipped_models

    rows = [_summary(find_model(name)) for name in shipped_models()]
    if json:
        print(dumps(rows, indent=2))
        return
    if not rows:
        print("no models come with this version; seisdiff train makes them")
    for row in rows:
        print(
            f"{row['name']:<21}  {row['task']:<11}  {row['parameters'] / 1e6:.1f} M parameters  {row['size_mb']:.1f} MB"
        )


@models.command("show")
def show_model(name: Name, json: opt.Json = False) -> None:
    """Show what a model does, what it was trained on and how well it did.

    Examples:

      seisdiff models show demultiple-unet

      seisdiff models show trained/model
    """
    from json import dumps

    from seisdiff.pretrained import find_model, model_card

    folder = find_model(name)
    card = _summary(folder) | model_card(folder)
    if json:
        print(dumps(card, indent=2))
        return
    for key, value in card.items():
        for line in _lines(key, value):
            print(line)


def _summary(folder: Path) -> dict[str, Any]:
    from seisdiff.pretrained import count_parameters, model_card

    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return {
        "name": folder.name, "task": model_card(folder)["task"], "parameters": count_parameters(folder),
        "size_mb": round(size / 1e6, 2), "folder": str(folder),
    }  # fmt: skip


def _lines(key: str, value: Any, indent: str = "") -> list[str]:
    if not isinstance(value, dict):
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        return [f"{indent}{key}: {round(shown, 3) if isinstance(shown, float) else shown}"]
    return [f"{indent}{key}:", *(line for name, part in value.items() for line in _lines(name, part, indent + "  "))]
