"""Where outputs are written: their names, their unfinished parts, and which names cannot be outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from seisdiff.errors import OutputError
from seisdiff.store import is_local, is_store, locate


@dataclass(frozen=True)
class Target:
    """One output: its name as the user gave it, and where it, its partial and its ledger are."""

    name: str
    path: str
    local: bool

    @classmethod
    def of(cls, name: str) -> Target:
        """Find the place of an output, through symbolic links."""
        fs, path = locate(name)
        local = is_local(fs)
        return cls(name, os.path.realpath(path) if local else str(fs.unstrip_protocol(path)), local)

    def beside(self, ending: str) -> str:
        """Return the hidden sibling `.NAME.ending`."""
        folder, _, base = self.path.rpartition("/")
        return f"{folder}/.{base}.{ending}"

    @property
    def partial(self) -> str:
        """Where the output is written until it is complete."""
        return self.beside("partial") if self.local else self.path

    @property
    def ledger(self) -> str:
        return self.beside("ledger")

    def complete(self) -> bool:
        """Tell whether the output is there as a whole."""
        return exists(f"{self.path}/zarr.json") if is_store(self.path) else exists(self.path)


def check_places(places: Sequence[Target], inputs: Sequence[str]) -> None:
    """Raise OutputError for outputs that cannot be made where they are told to be."""
    for number, place in enumerate(places):
        if place.path in [other.path for other in places[:number]]:
            raise OutputError(f"{place.name} is named as two outputs; give each its own name")
        for name in inputs:
            if _same_or_within(place, Target.of(name)):
                raise OutputError(f"{place.name} is the input {name} or within it; choose another output")
        if place.local:
            _check_local(place)
        elif not is_store(place.path):
            raise OutputError(f"{place.name}: a URL can only be a .zarr store; SEG-Y and SU are written to a folder")


def _same_or_within(place: Target, source: Target) -> bool:
    if place.local != source.local:
        return False
    there = place.local and os.path.exists(place.path) and os.path.exists(source.path)
    if there and os.path.samefile(place.path, source.path):  # a hard link
        return True
    shorter, longer = sorted((f"{place.path}/", f"{source.path}/"), key=len)
    return longer.startswith(shorter)


def _check_local(place: Target) -> None:
    folder = os.path.dirname(place.path)
    if not os.path.isdir(folder):
        raise OutputError(f"{place.name}: the folder {folder} does not exist; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{place.name}: the folder {folder} is not writable")
    if not os.path.exists(place.path):
        return
    if not is_store(place.path):
        if not os.path.isfile(place.path):
            raise OutputError(f"{place.name} is no regular file; expected a file, or a name that is free")
    elif not os.path.isdir(place.path):
        raise OutputError(f"{place.name} is a file; a .zarr store is a folder; remove it or choose another name")
    elif os.listdir(place.path) and not {"zarr.json", ".zgroup", ".zarray"} & set(os.listdir(place.path)):
        raise OutputError(f"{place.name} is a folder that holds something other than a store; choose another name")


def exists(path: str) -> bool:
    """Tell whether there is a file or folder, asked anew."""
    fs, path = locate(path)
    fs.invalidate_cache()
    return fs.exists(path)
