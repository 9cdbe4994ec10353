"""What the site holds beyond the pages as written: reference made from the code, and no links out of the folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_PLACE = re.compile(r"^<!-- made from the code: (\w+) -->$", re.M)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#:]+)\)")
_PICTURE = re.compile(r"^!\[[^\]]*\]\(([^)]+)\)$", re.M)
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Called by mkdocs with each page's text; returns the text that is built."""
    if page.parent is None:
        page.meta["hide"] = ["navigation"]  # a page that is a tab of its own has no neighbours to show
    markdown = _PICTURE.sub(r"[\g<0>](\1)", without_links_out(markdown, page.file.src_uri))
    return _PLACE.sub(lambda place: MADE[place[1]](), markdown)


def without_links_out(markdown: str, page: str) -> str:
    """Return a page's text with links to files of the repository that are no pages as their words alone."""

    def kept(link: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[2]))
        return link[1] if place.startswith("..") or place.endswith(".py") else link[0]

    return _LINK.sub(kept, markdown)


def commands() -> str:
    """Return the reference of all commands, as `--help` tells it."""
    from typer.main import get_command

    from seisdiff.cli.app import app

    return "\n\n".join(part for path, command in _leaves(get_command(app), "seisdiff") for part in _told(path, command))


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, each in command.commands.items():
        yield from _leaves(each, f"{path} {name}")


def _told(path: str, command: Any) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [each.metavar if each.required else f"[{each.metavar}]" for each in arguments]
    yield f"## {path.removeprefix('seisdiff ')}"
    yield f"```sh\n{' '.join([path, *words])} [OPTIONS]\n```"
    text, _, examples = command.help.partition("Examples:")
    yield text.strip()
    yield _rows(("argument", "meaning"), [(f"`{each.metavar}`", each.help) for each in arguments])
    yield from _options(command)
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    if lines:
        yield "Examples:\n\n```sh\n" + "\n".join(lines) + "\n```"


def _options(command: Any) -> Iterator[str]:
    options = [each for each in command.params if each.param_type_name == "option"]
    for panel in dict.fromkeys(each.rich_help_panel for each in options):
        rows = [_option(each) for each in options if each.rich_help_panel == panel]
        yield f"**{panel or 'Options'}**"
        yield _rows(("option", "default", "meaning"), rows)


def _option(option: Any) -> tuple[str, str, str]:
    names = ", ".join(option.opts)
    default = "" if option.default in (None, False) or option.required else f"`{option.default}`"
    return f"`{names} {option.metavar or ''}".rstrip() + "`", default, option.help or ""


def parameters() -> str:
    """Return the parameters of all methods, from the models that check them."""
    from seisdiff.config import RestoreRecipe
    from seisdiff.restorers import RESTORERS, TASKS_OF

    parts = []
    for name in RESTORERS:
        spec = RestoreRecipe.model_fields[name].annotation
        assert isinstance(spec, type)
        parts += [f"## {name}", f"For {', '.join(TASKS_OF[name])}. {_summary(spec)}", _fields(spec)]
    return "\n\n".join(parts)


def names() -> str:
    """Return what makes mkdocstrings tell of every public name, from where it is defined."""
    import seisdiff

    return "\n\n".join(part for name, home in seisdiff._HOME.items() for part in _named(name, home))


def _named(name: str, home: str) -> Iterator[str]:
    import seisdiff

    yield f"::: seisdiff.{home}.{name}\n    options:\n      heading: {name}"
    kind = getattr(seisdiff, name)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield _fields(kind, leaving=[field for field, one in kind.model_fields.items() if _model(one.annotation)])


def scene_recipe() -> str:
    """Return what a recipe of scenes may hold."""
    from seisdiff.synthetic.recipe import SceneRecipe

    return "\n\n".join(_nested(SceneRecipe))


def train_recipe() -> str:
    """Return what a recipe of a training may hold."""
    from seisdiff.training import TrainRecipe

    return "\n\n".join(_nested(TrainRecipe))


def _nested(spec: type[BaseModel], heading: str = "") -> Iterator[str]:
    """Yield the fields of a model and, under headings of their own, those of the models within it."""
    if heading:
        yield f"### {heading}"
        yield _summary(spec)
    inner = {name: model for name, field in spec.model_fields.items() if (model := _model(field.annotation))}
    yield _fields(spec, leaving=inner)
    for name, model in inner.items():
        yield from _nested(model, f"{heading}.{name}" if heading else name)


def _model(annotation: Any) -> type[BaseModel] | None:
    kinds = [annotation, *get_args(annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _summary(spec: type[BaseModel]) -> str:
    return " ".join((spec.__doc__ or "").split())


def _fields(spec: type[BaseModel], leaving: Any = ()) -> str:
    rows = [
        (f"`{name}`", _default(field), _values(field), field.description or "")
        for name, field in spec.model_fields.items()
        if name not in leaving and name != "name"
    ]
    return _rows(("name", "default", "values", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    return "" if field.default in (None, "") else f"`{_plain(field.default)}`"


def _values(field: FieldInfo) -> str:
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is Literal:
            return ", ".join(map(str, get_args(kind)))
    if _share(field):
        return "share"
    told = [(word, getattr(one, name, None)) for one in field.metadata for name, word in _BOUNDS.items()]
    return ", ".join(f"{word} {_plain(limit)}" for word, limit in told if limit is not None)


def _share(field: FieldInfo) -> bool:
    limits = {name: getattr(one, name) for one in field.metadata for name in _BOUNDS if hasattr(one, name)}
    return limits == {"ge": 0, "le": 1}


def _plain(value: Any) -> str:
    """Return a value as a recipe would hold it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_plain(part)}" for name, part in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table without columns that are empty, or nothing where it has no rows."""
    used = [at for at in range(len(head)) if any(row[at] for row in rows)]
    lines = [[row[at].replace("\n", " ") for at in used] for row in (head, ["---"] * len(head), *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else ""


MADE: dict[str, Callable[[], str]] = {
    "commands": commands,
    "parameters": parameters,
    "names": names,
    "scene_recipe": scene_recipe,
    "train_recipe": train_recipe,
}
