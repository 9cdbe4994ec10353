"""Inputs by name: opened as surveys, and told from one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fsspec
import xarray as xr

from seisdiff.errors import OptionError
from seisdiff.segy import Field, load_mapping, open_segy, resolve_field
from seisdiff.store import is_store, open_store

_SEGY_SUFFIXES = {".sgy": "segy", ".segy": "segy", ".seg": "segy", ".su": "su"}
#: How much of a file's beginning and end goes into its fingerprint, with its size and time of change.
_FINGERPRINT_BYTES = 2**16


@dataclass(frozen=True)
class ReadOptions:
    """How a SEG-Y or SU file is to be understood, as `seisdiff.segy.open_segy` takes it; a store already is."""

    gather: tuple[str, ...] | None = None
    sort: tuple[str, ...] = ()
    keys: Mapping[str, Field] = field(default_factory=dict)
    units: str | None = None
    dt_ms: float | None = None
    axis: str = "time"


def reading_options(
    *,
    gather: str | Sequence[str] | None = None,
    sort: str | Sequence[str] | None = None,
    key: Mapping[str, int | str] | Sequence[str] | None = None,
    mapping: str | Path | None = None,
    units: str | None = None,
    dt_ms: float | None = None,
    axis: str = "time",
) -> ReadOptions:
    """Return what options named as on the command line say; raises OptionError for unknown words, units and axes.

    `gather` and `sort` are header words, "inline,crossline" or a list of them; `key` maps a word to its place, as
    {"offset": 37, "cdp": "21:i4"}, or lists texts such as "offset=37"; `mapping` names a YAML file of such words.
    """
    if units not in (None, "m", "ft"):
        raise OptionError(f"--units {units!r} is unknown; expected m or ft")
    if axis not in ("time", "depth"):
        raise OptionError(f"--axis {axis!r} is unknown; expected time or depth")
    keys = load_mapping(mapping) if mapping else {}
    places = [f"{name}={place}" for name, place in key.items()] if isinstance(key, Mapping) else key or []
    for text in places:
        if "=" not in text:
            raise OptionError(f"--key {text!r} names no byte; expected NAME=BYTE[:TYPE], such as offset=37")
        field = resolve_field(text)
        keys[field.name] = field
    names = split_names(gather)
    return ReadOptions(names or None, split_names(sort), keys, units, dt_ms, axis)


def split_names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list, or of a list of names."""
    parts = names.split(",") if isinstance(names, str) else names or ()
    return tuple(name.strip() for name in parts if name.strip())


def open(source: str | Path, **reading: Any) -> xr.Dataset:  # noqa: A001 - seisdiff.open, as zarr.open
    """Open a SEG-Y or SU file or a Zarr store, told apart by name, as a survey; no sample is read until asked for.

    Options are those of the command line: `gather`, `sort`, `key`, `mapping`, `units`, `dt_ms` and `axis`, see
    `reading_options`. `open_survey` is this function for programs that hold ReadOptions. Raises a SeisdiffError for
    a file that is none, and for options that cannot be or are given with a store.
    """
    return open_survey(source, reading_options(**reading))


def open_survey(source: str | Path, reading: ReadOptions = ReadOptions()) -> xr.Dataset:
    """Open a SEG-Y or SU file or a Zarr store, told apart by name, as a lazy survey.

    Raises OptionError for reading options with a store.
    """
    if container_of(str(source)) == "zarr":
        if reading != ReadOptions():
            raise OptionError(
                f"{source} is a store, which was told how to read its file by 'seisdiff ingest': leave out "
                "--gather, --sort, --key, --mapping, --units, --dt-ms and --axis"
            )
        return open_store(str(source))
    return open_segy(
        source,
        gather=reading.gather,
        sort=reading.sort,
        keys=dict(reading.keys),
        units=reading.units,
        dt_ms=reading.dt_ms,
        axis=reading.axis,
    )


def container_of(name: str) -> str:
    """Return "zarr", "segy" or "su" by the name of a file or store; raises OptionError for any other."""
    if is_store(name):
        return "zarr"
    suffix = Path(name).suffix.lower()
    if suffix not in _SEGY_SUFFIXES:
        raise OptionError(f"{name}: expected a name that ends in .sgy, .segy, .su or .zarr")
    return _SEGY_SUFFIXES[suffix]


def fingerprint(source: str, reading: ReadOptions, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells one run from another: the input's identity, how it is read, options and versions."""
    keys = {f"key {name}": [field.byte, field.type] for name, field in reading.keys.items()}
    reads = {name: getattr(reading, name) for name in ("gather", "sort", "units", "dt_ms", "axis")}
    facts = {"input": _identity(source), **reads, **keys, **options}
    facts |= {f"version of {name}": version(name) for name in ("seisdiff", "torch", "numpy")}
    return dict(_flat(facts))


def _flat(facts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield facts one by one, so that the one that differs can be named."""
    for name, fact in facts.items():
        if isinstance(fact, Mapping):
            yield from _flat(fact, f"{before}{name}.")
        else:
            yield f"{before}{name}", list(fact) if isinstance(fact, tuple) else fact


def _identity(source: str) -> dict[str, Any]:
    """Return what tells one input from another without reading it whole: size, time of change, both ends."""
    if container_of(source) == "zarr":
        fs, path = fsspec.core.url_to_fs(source)
        root = f"{path.rstrip('/')}/zarr.json"
        try:
            return {"store": hashlib.sha256(fs.cat_file(root)).hexdigest(), "changed": fs.info(root).get("mtime")}
        except (FileNotFoundError, NotADirectoryError):
            open_store(source)  # which says what is wrong
            raise
    path = Path(source)
    facts = path.stat()
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(_FINGERPRINT_BYTES))
        file.seek(max(0, facts.st_size - _FINGERPRINT_BYTES))
        digest.update(file.read())
    return {"bytes": facts.st_size, "changed": facts.st_mtime_ns, "ends": digest.hexdigest()}
