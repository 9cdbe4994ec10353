"""Single files that appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seisdiff.errors import OutputError


def check_free(target: Path, overwrite: bool) -> None:
    """Raise OutputError where a file exists already, unless `overwrite`, or has no folder."""
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent} is not a folder; make it first")


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Give a hidden file beside `target` to write to, which gets its name at the end, or is removed.

    Raises OutputError where it cannot be written.
    """
    partial = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield partial
        os.replace(partial, target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
