"""Several files in one run: each into a folder, one line of a manifest for each."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seisdiff.passes import Summary

MANIFEST = "manifest.jsonl"


def run_files(
    inputs: Sequence[str],
    folder: Path,
    run_one: Callable[[str], Summary],
    *,
    resume: bool,
    overwrite: bool,
    pages: bool = False,
) -> None:
    """Run every input, a failure of one or not, and keep the manifest: input, output, state, seconds and summary.

    Raises OptionError for inputs of one name (where each has its page, of one name but for the ending) and for a
    manifest that is there already, and OutputError at the end where any failed. With `resume` lines of files that are
    done are kept.
    """
    from seisdiff.errors import OutputError

    _check_names(inputs, pages)
    folder.mkdir(exist_ok=True)
    records = _earlier(folder, inputs, resume, overwrite)
    for name in inputs:
        record = _one(name, folder, run_one)
        already = record["state"] == "done" and record["summary"]["already_done"]
        records[name] = records.get(name, record) if already else record
        _write(folder, list(records.values()))
    failed = [name for name in inputs if records[name]["state"] == "failed"]
    if failed:
        raise OutputError(f"{len(failed)} of {len(inputs)} files failed; {folder / MANIFEST} says why")


def output_of(name: str, folder: str | Path) -> str:
    """Return where the output of an input goes: the same name in another folder."""
    return str(Path(folder) / Path(name.rstrip("/")).name)


def os_message(error: OSError) -> str:
    """Return what the system says is wrong, and with which file, in plain words."""
    named = f"{error.filename}: " if error.filename else ""
    return f"{named}{error.strerror or os.strerror(error.errno or 0) if error.errno else error}"


def _one(name: str, folder: Path, run_one: Callable[[str], Summary]) -> dict[str, Any]:
    """Run one file and return its line of the manifest; what is wrong with it is told and written there."""
    from dataclasses import asdict

    from seisdiff.errors import SeisdiffError

    record: dict[str, Any] = {"input": name, "output": output_of(name, folder)}
    began = time.monotonic()
    try:
        record |= {"state": "done", "summary": asdict(run_one(name))}
    except (SeisdiffError, OSError, MemoryError) as error:
        said = os_message(error) if isinstance(error, OSError) else str(error)
        told = " ".join(said.split()) or type(error).__name__
        print(f"seisdiff: {told if name in told else f'{name}: {told}'}", file=sys.stderr)
        record |= {"state": "failed", "error": told}
    return record | {"seconds": round(time.monotonic() - began, 3)}


def _check_names(inputs: Sequence[str], pages: bool) -> None:
    from seisdiff.errors import OptionError

    outputs = [Path(output_of(name, "")) for name in inputs]
    twice = _first_twice([output.name for output in outputs])
    if twice:
        raise OptionError(f"two inputs are called {twice}, and would be one output; run them into different folders")
    twice = _first_twice([output.with_suffix(".html").name for output in outputs]) if pages else None
    if twice:
        raise OptionError(f"two inputs would have one report, {twice}; run them with reports in different folders")


def _first_twice(names: list[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


def _earlier(folder: Path, inputs: Sequence[str], resume: bool, overwrite: bool) -> dict[str, dict[str, Any]]:
    """Return the lines of an earlier manifest that stand: none but where it is gone on with."""
    from seisdiff.errors import OptionError

    path = folder / MANIFEST
    if not path.exists() or overwrite:
        return {}
    if not resume:
        raise OptionError(f"{path} is that of an earlier run; add --resume to go on with it, or --overwrite")
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {line["input"]: line for line in lines if line["state"] == "done" or line["input"] not in inputs}
    except (ValueError, KeyError, TypeError):
        told = "is damaged: expected lines of JSON that a run wrote"
        raise OptionError(f"{path} {told}; remove it, --resume finds the outputs that are done without it") from None


def _write(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    from seisdiff.store import locate, put_object

    fs, path = locate(folder / MANIFEST)
    put_object(fs, path, "".join(json.dumps(record) + "\n" for record in records).encode())
