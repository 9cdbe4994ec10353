"""Figures as files, which appear complete or not at all."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from seisdiff.errors import OptionError
from seisdiff.whole_files import appearing, check_free

SUFFIXES = (".png", ".pdf", ".svg", ".jpg")


def save_figure(figure: Figure, path: str | os.PathLike, *, overwrite: bool = False, dpi: int = 120) -> Path:
    """Write a figure (PNG, PDF, SVG or JPEG by its name) and return its path; it appears complete or not at all.

    Raises OptionError for another suffix and OutputError where the file exists already or cannot be written.
    """
    target = check_picture_path(path, overwrite)
    with appearing(target) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        figure.savefig(partial, dpi=dpi)
    return target


def check_picture_path(path: str | os.PathLike, overwrite: bool) -> Path:
    """Return `path` where a picture may be written to it; raises as `save_figure` does."""
    target = Path(path)
    if target.suffix.lower() not in SUFFIXES:
        raise OptionError(f"{target.name}: a picture's name ends in one of {', '.join(SUFFIXES)}")
    check_free(target, overwrite)
    return target
