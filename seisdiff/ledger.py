"""The unfinished outputs of one run: where they are written, which units are done, and how they become the outputs.

Beside every output NAME stands, while the run lasts, a hidden folder `.NAME.ledger` with `run.json` (which run this
is) and a lock; that of the first output also holds one small file for every finished unit. A local output is written
to `.NAME.partial` and renamed when all are complete. An output at a URL is written in place: a store is none until its
root metadata is there.

The entry of a unit is written after its samples. Nothing is flushed to disk: the promise is made for processes that
are killed at any moment, not for machines that lose power.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from seisdiff.errors import OptionError, OutputError
from seisdiff.store import is_local, is_store, locate, output_errors, put_object
from seisdiff.targets import Target, check_places, exists

#: How long a run that is shared waits until another process has created or published its outputs.
PATIENCE_S, LOOK_AGAIN_S = 600.0, 0.1
LOCK = "lock"


@dataclass
class Ledger:
    """The record of one run. Pickled into other processes it may `commit`, but holds no lock and knows of no units.

    `finished` has the figures of the units that were done when the run began, `resumed` tells whether an unfinished
    run is being gone on with, and `complete` that there is nothing left to do: the outputs are all there.
    """

    targets: tuple[Target, ...]
    fingerprint: dict[str, Any]
    overwrite: bool
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    finished: dict[int, dict[str, Any]] = field(default_factory=dict)
    resumed: bool = False
    complete: bool = False
    _locks: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        targets: Sequence[str | os.PathLike[str]],
        fingerprint: Mapping[str, object],
        *,
        resume: bool,
        overwrite: bool,
        inputs: Sequence[str | os.PathLike[str]] = (),
        patient: bool = False,
    ) -> Ledger:
        """Begin a run that writes `targets`, or go on with an unfinished one whose `fingerprint` is the same.

        Raises OutputError, with what to do, where an output exists already, is an input, cannot be made, or belongs to
        an unfinished or another run. `overwrite` discards an unfinished run at once, but a finished output only when
        the new one takes its place. An output at a URL is written in place: it is removed at once, and not locked.
        With `patient` another process that holds the outputs is waited for.
        """
        if resume and overwrite:
            raise OptionError("--resume and --overwrite contradict each other; give one of them")
        places = tuple(Target.of(os.fspath(target)) for target in targets)
        check_places(places, [os.fspath(name) for name in inputs])
        facts = json.loads(json.dumps(dict(fingerprint), default=_number, sort_keys=True))
        ledger = cls(places, facts, overwrite)
        try:
            with output_errors(places[0].name):
                ledger._lock(PATIENCE_S if patient else 0)
                ledger._end_publishing(resume)
                (ledger._resume if resume else ledger._start)()
        except BaseException:
            with ledger:
                ledger._forget_empty()
            raise
        return ledger

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_locks": {}, "finished": {}}

    def partial(self, target: str | os.PathLike[str]) -> str:
        """Return the path or URL at which an output is to be written."""
        return next(place.partial for place in self.targets if place.name == os.fspath(target))

    def commit(self, unit: int, figures: Mapping[str, Any]) -> None:
        """Enter a unit whose samples are written; `figures` come back in `finished`. Safe from many processes."""
        with output_errors(self.targets[0].name):
            _put_json(f"{self._units}/{unit}.json", dict(figures))

    def stands(self) -> bool:
        """Tell whether the outputs are still this run's to write; safe from many processes."""
        return self._owns(self.targets[0])

    def units_done(self) -> int:
        """Return how many units are entered, those of this run included."""
        return 0 if self.complete else len(_read_units(self._units))

    def publish(self) -> None:
        """Make the outputs, which must be complete, appear under their names, the first one last, and end the run."""
        if self.complete:
            return
        with output_errors(self.targets[0].name):
            for place in self.targets:
                if not exists(place.partial):
                    raise OutputError(f"{place.name}: its unfinished output {place.partial} is gone; start it anew")
                if place.local and not self.overwrite and exists(place.path):
                    raise OutputError(f"{place.name} exists, and did not when this run began; remove or rename it")
            self._write_run(publishing=True)
            self._rename_all()
            self._drop_ledgers()
        self.complete = True
        self.close()

    def discard(self) -> None:
        """Remove what is unfinished and end the run."""
        if not self.complete:
            with output_errors(self.targets[0].name):
                self._drop_partials()
                self._drop_ledgers()
        self.close()

    def close(self) -> None:
        """Let go of the outputs; what is unfinished stays and can be resumed."""
        while self._locks:
            os.close(self._locks.popitem()[1])

    @property
    def _units(self) -> str:
        return f"{self.targets[0].ledger}/units"

    def take_stock(self) -> None:
        """Hold the outputs again, which were let go of so that others could write too, and see what they have done.

        Where one of them has completed and published the outputs, the ledger is `complete`.
        """
        with output_errors(self.targets[0].name):
            self._lock(PATIENCE_S)
            if self.stands():
                self.finished = _read_units(self._units)
                return
            self._forget_empty()
            self.complete = all(place.complete() for place in self.targets)
        if not self.complete:
            raise OutputError(f"{self.targets[0].name}: the run was discarded meanwhile, or begun anew")
        self.close()

    def _lock(self, patience_s: float) -> None:
        """Hold the lock of every local output; the kernel lets go of it when the process ends, however it ends."""
        for place in self.targets:
            if place.local:
                self._locks[place.ledger] = _locked(place, patience_s)

    def _end_publishing(self, resume: bool) -> None:
        """Finish the renaming that a killed run had begun, whatever is asked now, so that no output is lost."""
        found = _read_run(self.targets[0])
        if not found or not found["publishing"]:
            return
        if found["targets"] != self._names():
            told = f"a run was killed while its outputs {' and '.join(found['targets'])} got their names"
            raise OutputError(f"{self.targets[0].name}: {told}; run it again with --resume first")
        self.run = found["run"]
        self._rename_all()
        self._drop_runs()
        if resume:
            self._check_same(found)

    def _start(self) -> None:
        for place in self.targets:
            found = None if self.overwrite else _read_run(place)
            if found:
                told = f"{place.name}: an unfinished run of {' and '.join(found['targets'])} is there"
                raise OutputError(f"{told}; add --resume to go on with it, or --overwrite to discard it")
        self._refuse_existing()
        self._write_afresh()

    def _resume(self) -> None:
        found = _read_run(self.targets[0])
        if not found:
            self.complete = all(place.complete() for place in self.targets)
            return self._drop_ledgers() if self.complete else self._start()
        self._check_same(found)
        self.run, self.overwrite = found["run"], found["overwrite"]
        self.resumed = all(self._owns(place) and exists(place.partial) for place in self.targets)
        self._refuse_existing()
        if self.resumed:
            self.finished = _read_units(self._units)
        else:
            self._write_afresh()

    def _owns(self, place: Target) -> bool:
        return (_read_run(place) or {}).get("run") == self.run

    def _check_same(self, found: Mapping[str, Any]) -> None:
        old = {**found["fingerprint"], "outputs": found["targets"]}
        new = {**self.fingerprint, "outputs": self._names()}
        pairs = {key: (json.dumps(old.get(key)), json.dumps(new.get(key))) for key in sorted({*old, *new})}
        differing = [f"{key} was {_brief(a)}, is {_brief(b)}" for key, (a, b) in pairs.items() if a != b]
        if differing:
            told = f"the run to resume was another one: {'; '.join(differing)}"
            raise OutputError(f"{self.targets[0].name}: {told}; give what it was given, or --overwrite, not --resume")

    def _refuse_existing(self) -> None:
        for place in self.targets:
            if not self.overwrite and (place.local or not self.resumed) and exists(place.path):
                raise OutputError(f"{place.name} exists; add --overwrite to replace it")

    def _write_afresh(self) -> None:
        """Remove what is unfinished, and only then forget the run that it was of."""
        self._drop_partials()
        self._write_run()

    def _write_run(self, publishing: bool = False) -> None:
        record = {"run": self.run, "targets": self._names(), "fingerprint": self.fingerprint}
        record |= {"overwrite": self.overwrite, "publishing": publishing}
        if self.targets[0].local:
            os.makedirs(self._units, exist_ok=True)
        for place in self.targets:
            _put_json(f"{place.ledger}/run.json", record)

    def _names(self) -> list[str]:
        """Return the outputs as they lie relative to the first, so that a folder may be moved between two runs."""
        if not all(place.local for place in self.targets):
            return [place.path for place in self.targets]
        folder = os.path.dirname(self.targets[0].path)
        return [os.path.relpath(place.path, folder) for place in self.targets]

    def _rename_all(self) -> None:
        for place in reversed(self.targets):
            if place.local and self._owns(place):
                _rename(place)

    def _drop_partials(self) -> None:
        _remove(self._units)
        for place in self.targets:
            _remove(place.partial)

    def _drop_runs(self) -> None:
        """Forget the run; the first output's record, which stands for all, goes last."""
        _remove(self._units)
        for place in reversed(self.targets):
            _remove(f"{place.ledger}/run.json")

    def _drop_ledgers(self) -> None:
        self._drop_runs()
        for place in self.targets:
            _remove_ledger(place)

    def _forget_empty(self) -> None:
        """Remove the folders that a refused run has made for its locks."""
        for place in self.targets:
            if place.ledger in self._locks and not _read_run(place):
                _remove_ledger(place)


def is_done(targets: Sequence[str | os.PathLike[str]]) -> bool:
    """Tell whether outputs are all there and no run of theirs is unfinished: to resume it is to do nothing."""
    places = [Target.of(os.fspath(target)) for target in targets]
    return not _read_run(places[0]) and all(place.complete() for place in places)


def _locked(place: Target, patience_s: float) -> int:
    """Lock an output and return the descriptor that holds the lock; wait for another process no longer than told."""
    path, until = f"{place.ledger}/{LOCK}", time.monotonic() + patience_s
    while True:
        try:
            os.makedirs(place.ledger, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, FileExistsError):
            if os.path.lexists(place.ledger) and not os.path.isdir(place.ledger):
                raise
            continue  # another run has just ended and removed the folder
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() >= until:
                raise OutputError(f"{place.name}: another process is writing it; wait until it has ended") from None
            time.sleep(LOOK_AGAIN_S)
            continue
        except OSError:
            return handle  # a file system that has no locks
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)


def _remove_ledger(place: Target) -> None:
    """Remove the folder of a run that has ended, its lock last.

    Once the lock is gone another process may make its own in the folder, which then stays.
    """
    if not place.local:
        return _remove(place.ledger)
    names = os.listdir(place.ledger) if os.path.isdir(place.ledger) else []
    for name in sorted(names, key=LOCK.__eq__):
        _remove(f"{place.ledger}/{name}")
    with suppress(OSError):
        os.rmdir(place.ledger)


def _rename(place: Target) -> None:
    """Give the complete output its name; a store that it replaces is set aside before and removed after."""
    aside = place.beside("replaced")
    if not exists(place.partial):
        _remove(aside)
    elif is_store(place.path):
        if os.path.isdir(place.path):
            _remove(aside)
            os.rename(place.path, aside)
        os.rename(place.partial, place.path)
        _remove(aside)
    else:
        os.replace(place.partial, place.path)


def _remove(path: str) -> None:
    """Remove a file or folder, if it is there; of a store at a URL the root metadata first."""
    fs, inner = locate(path)
    if is_local(fs):
        if os.path.isdir(inner):
            shutil.rmtree(inner)
        elif os.path.lexists(inner):
            os.unlink(inner)
        return
    for each in (f"{inner}/zarr.json", inner):
        if exists(str(fs.unstrip_protocol(each))):
            fs.rm(each, recursive=True)


def _put_json(path: str, record: Mapping[str, Any]) -> None:
    fs, inner = locate(path)
    put_object(fs, inner, json.dumps(dict(record), default=_number).encode())


def _read_json(path: str) -> dict[str, Any] | None:
    """Return a JSON object, or None where there is none or it is torn."""
    fs, inner = locate(path)
    try:
        return dict(json.loads(fs.cat_file(inner)))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _read_run(place: Target) -> dict[str, Any] | None:
    return _read_json(f"{place.ledger}/run.json")


def _read_units(folder: str) -> dict[int, dict[str, Any]]:
    fs, inner = locate(folder)
    fs.invalidate_cache()
    names = [path.rpartition("/")[2] for path in fs.ls(inner, detail=False)] if fs.exists(inner) else []
    numbers = sorted(int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit())
    entries = {number: _read_json(f"{folder}/{number}.json") for number in numbers}
    return {number: figures for number, figures in entries.items() if figures is not None}


def _number(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _brief(told: str) -> str:
    return told if len(told) <= 60 else f"{told[:57]}..."
