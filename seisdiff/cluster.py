"""Units of a run as tasks of a Dask cluster: processes of this machine, or the workers of a scheduler that is there.

The command creates the outputs, hands out units, enters in the ledger what is done, and publishes. A worker, which is a
process, opens input, model and unfinished outputs once a run; it reads a unit, computes it, writes it, and returns its
figures alone. While one unit is computed the next is read and the last written. Since a unit's rows are written whole,
a unit whose worker is lost is done again by another, with the same bits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from seisdiff.errors import MissingExtraError, OptionError, OutputError, SeisdiffError
from seisdiff.gathers import Gathers, Traces
from seisdiff.heap import keep_freed_memory
from seisdiff.ledger import Ledger
from seisdiff.passes import Elsewhere, Notify, Order, Pass, read_unit, silent, write_unit
from seisdiff.units import Unit

if TYPE_CHECKING:
    from distributed import Client, Future

#: Units that a worker holds at once: one being read, one computed, one written.
UNITS_IN_WORKER = 3
#: Units handed out for each worker, so that one more waits for it.
_HANDED_OUT = UNITS_IN_WORKER + 1
#: Cores of a worker where `local` names no number of workers and there is no GPU.
_CORES_PER_WORKER = 4
#: How often a unit is tried again after its disk or server failed, and handed out anew after it has cost
#: `_DEATHS` workers in a row.
_RETRIES, _ANEW, _DEATHS = 3, 3, 10
_PATIENCE_S = 10.0
_RECOUNT_S = 1.0
_HOST = "127.0.0.1"
_OPEN_RUNS = 4
_threads_set = os.environ.get("OMP_NUM_THREADS")  # Dask sets it in this process too when it starts a worker


@contextmanager
def on_cluster(
    cluster: str | None = None, scheduler: str | None = None, notify: Notify = silent
) -> Iterator[Elsewhere | None]:
    """Give what runs units on a cluster, for RunOptions; None where neither kind of cluster is named.

    `cluster` is "local" or "local:N", N worker processes on this machine, which are started when first needed and end
    with the context; N defaults to one for each GPU, or for every four cores. `scheduler` is the address of a Dask
    scheduler whose workers share the folders of input and outputs. Raises OptionError for any other value,
    MissingExtraError without Dask.
    """
    if not (cluster or scheduler):
        yield None
        return
    if cluster and scheduler:
        raise OptionError("--cluster and --scheduler exclude each other; give one of them")
    workers = local_workers(cluster) if cluster else 0
    if find_spec("distributed") is None:
        raise MissingExtraError("a cluster needs Dask, which is not installed: pip install 'seisdiff[dask]'")
    with ExitStack() as stack:

        @cache
        def client() -> Client:
            return stack.enter_context(_joined(str(scheduler), notify) if scheduler else _started(workers, notify))

        def elsewhere(order: Order, units: Sequence[Unit], ledger: Ledger) -> Iterator[tuple[Unit, dict]]:
            if units:
                yield from _run(client(), order, units, ledger, notify)

        yield elsewhere


def local_workers(text: str) -> int:
    """Return how many workers "local" or "local:N" asks for; raises OptionError for anything else."""
    kind, colon, number = text.partition(":")
    if kind != "local" or (colon and not (number.isdecimal() and int(number) > 0)):
        raise OptionError(f"--cluster {text!r} is unknown; expected local or local:N, such as local:2")
    return int(number) if colon else len(_gpus()) or max(1, _cores() // _CORES_PER_WORKER)


def worker_threads(workers: int) -> dict[str, str]:
    """Return what gives each of several local workers its share of the cores, or OMP_NUM_THREADS where that is set."""
    threads = _threads_set or str(max(1, _cores() // workers))
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)


def worker_gpu(number: int) -> dict[str, str]:
    """Return what gives a local worker its GPU, where there are any."""
    gpus = _gpus()
    return {"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} if gpus else {}


def dask_setup(worker: object) -> None:
    """Leave an interrupt from the keyboard to the command, and keep freed memory: called when a local worker begins."""
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _gpus() -> list[str]:
    """Return the names by which CUDA knows the GPUs that may be used."""
    import torch

    count = torch.cuda.device_count()
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (named or [str(number) for number in range(count)])[:count]


@contextmanager
def _started(workers: int, notify: Notify) -> Iterator[Client]:
    """Start workers on this machine; they end with the context, or with this process however it ends."""
    import dask.config
    from distributed import Client, Nanny, Scheduler, SpecCluster

    board = find_spec("bokeh") is not None
    options = {"host": _HOST, "port": 0, "dashboard": board, "dashboard_address": f"{_HOST}:0"}
    settings = {
        "distributed.nanny.pre-spawn-environ": worker_threads(workers),
        "distributed.worker.preload": [*dask.config.get("distributed.worker.preload"), __name__],
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.allowed-failures": _DEATHS,
    }
    with dask.config.set(settings):
        cluster = SpecCluster(
            scheduler={"cls": Scheduler, "options": options},
            workers={number: {"cls": Nanny, "options": _worker_options(number, workers)} for number in range(workers)},
            silence_logs=logging.CRITICAL,  # type: ignore[arg-type]
        )
    with cluster, Client(cluster, set_as_default=False) as client:
        notify(f"{workers} worker{'s' if workers > 1 else ''} on this machine" + _dashboard(client if board else None))
        yield client


def _worker_options(number: int, workers: int) -> dict[str, Any]:
    return {
        "host": _HOST,
        "nthreads": UNITS_IN_WORKER,
        "memory_limit": None,  # --memory bounds it
        "env": worker_threads(workers) | worker_gpu(number),
        "silence_logs": logging.CRITICAL,
    }


@contextmanager
def _joined(address: str, notify: Notify) -> Iterator[Client]:
    """Join a scheduler; raises OptionError where none answers."""
    from distributed import Client

    for handler in logging.getLogger("distributed").handlers:  # its loggers have levels of their own
        handler.setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        told = "expected an address such as tcp://host:8786 at which 'dask scheduler' runs"
        raise OptionError(f"--scheduler {address}: no scheduler answers within {_PATIENCE_S:g} s; {told}") from error
    with client:
        notify(f"scheduler {address}" + _dashboard(client))
        if not _workers(client):
            notify(f"waiting for workers: start them with 'dask worker {address} --nthreads {UNITS_IN_WORKER}'")
        client.wait_for_workers(1)
        yield client


def _workers(client: Client) -> int:
    return len(dict(client.nthreads()))  # type: ignore[arg-type]


def _dashboard(client: Client | None) -> str:
    return f", dashboard at {client.dashboard_link}" if client and client.dashboard_link else ""


def _run(
    client: Client, order: Order, units: Sequence[Unit], ledger: Ledger, notify: Notify
) -> Iterator[tuple[Unit, dict]]:
    """Hand out units, a few for each worker at a time, and yield each with its figures as it comes back."""
    errand = _Errand(order, ledger, os.getcwd(), uuid.uuid4().hex)
    pending, counted = _Pending(client, errand, units), _Counted(client)
    try:
        while pending.hand_out(counted.workers() * _HANDED_OUT):
            unit, result = pending.take()
            if result is not None:
                figures, told = result
                for line in told:
                    notify(line)
                yield unit, figures
    except SeisdiffError:
        yield from pending.rest()
        raise
    except (CancelledError, asyncio.CancelledError, OSError) as error:
        if client.status == "running":
            raise
        raise OutputError(f"the scheduler at {client.scheduler.address} is lost") from error  # type: ignore[union-attr]


class _Pending:
    """The units that are with the workers, and those that are still to be handed out."""

    def __init__(self, client: Client, errand: _Errand, units: Sequence[Unit]) -> None:
        self._client, self._errand, self._units = client, errand, iter(units)
        self._flying: dict[str, tuple[Unit, Future, int]] = {}
        self._back: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def hand_out(self, at_once: int) -> int:
        """Submit units until so many are with the workers, and return how many are."""
        while len(self._flying) < at_once and (unit := next(self._units, None)) is not None:
            self._submit(unit, 0)
        return len(self._flying)

    def take(self, timeout: float | None = None) -> tuple[Unit, tuple[dict, list[str]] | None]:
        """Wait for a unit that comes back; return its figures and notices, None where it had to be handed out anew."""
        from distributed import KilledWorker

        key, outcome = self._back.get(timeout=timeout)
        unit, _, times = self._flying.pop(key)
        if isinstance(outcome, KilledWorker):
            if times >= _ANEW:
                told = f"unit {unit.number} has cost the workers that took it, again and again"
                raise OutputError(f"{told}: they may have run out of memory; use a smaller --memory")
            self._submit(unit, times + 1)
            return unit, None
        if isinstance(outcome, BaseException):
            raise outcome
        return unit, outcome

    def rest(self) -> Iterator[tuple[Unit, dict]]:
        """Wait until nothing is being written any more, and yield what was."""
        while self._flying:
            try:
                unit, result = self.take(_PATIENCE_S * UNITS_IN_WORKER)
            except SeisdiffError:
                continue
            except Exception:  # nothing comes back any more; what went wrong first is told
                return
            if result is not None:
                yield unit, result[0]

    def _submit(self, unit: Unit, times: int) -> None:
        key = f"{self._errand.name}-{self._errand.token}-{unit.number}-{times}"
        future = self._client.submit(run_unit, self._errand, unit, key=key, retries=_RETRIES)
        self._flying[key] = unit, future, times
        self._client.loop.add_callback(self._bring, key, future)  # type: ignore[union-attr]

    async def _bring(self, key: str, future: Future) -> None:
        """Fetch what came of a unit, an error too, while others are awaited."""
        try:
            outcome = await self._client.gather(future, asynchronous=True)  # type: ignore[misc]
        except (Exception, asyncio.CancelledError) as error:
            outcome = error
        self._back.put((key, outcome))


class _Counted:
    """The number of workers, asked for now and then, for they come and go."""

    def __init__(self, client: Client) -> None:
        self._client, self._count, self._next = client, 1, 0.0

    def workers(self) -> int:
        """Return how many there are, at least one."""
        if time.monotonic() >= self._next:
            self._count = max(1, _workers(self._client))
            self._next = time.monotonic() + _RECOUNT_S
        return self._count


@dataclass(frozen=True)
class _Errand:
    """What a worker must know of a run; `token` tells it from others, even from an earlier try of the same run."""

    order: Order
    ledger: Ledger
    folder: str
    token: str

    @property
    def name(self) -> str:
        """The name by which the dashboard shows its units."""
        return str(self.ledger.fingerprint.get("task", "unit"))


@dataclass(frozen=True)
class _OpenRun:
    """A run as a worker has it open."""

    work: Pass
    read: Callable[[Unit], Gathers]
    told: list[str]
    computing: ThreadPoolExecutor

    def make(self, unit: Unit, gathers: Gathers) -> tuple[tuple[list[Traces], dict], list[str]]:
        """Return what is made of a unit, and what was told meanwhile."""
        self.told.clear()
        return self.work.make(unit, gathers), list(self.told)


_places = threading.BoundedSemaphore(UNITS_IN_WORKER)
_opening = threading.Lock()
_open_runs: dict[str, _OpenRun] = {}


def run_unit(errand: _Errand, unit: Unit) -> tuple[dict, list[str]] | SeisdiffError:
    """Do one unit in a worker; return its figures and notices, or what is wrong with input or options.

    What a disk or a server did is raised, so that Dask tries again.
    """
    try:
        with _places:
            run = _opened(errand)
            made, told = run.computing.submit(run.make, unit, run.read(unit)).result()
            _check_ledger(errand.ledger)
            return write_unit(run.work, unit, made), told
    except SeisdiffError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return error


def _opened(errand: _Errand) -> _OpenRun:
    """Open a run in this worker, or return it where it is open; only a few are kept open."""
    with _opening:
        if errand.token not in _open_runs:
            for token in list(_open_runs)[: 1 - _OPEN_RUNS]:
                del _open_runs[token]
            _open_runs[errand.token] = _open(errand)
        return _open_runs[errand.token]


def _open(errand: _Errand) -> _OpenRun:
    with suppress(OSError):
        os.chdir(errand.folder)
    told: list[str] = []
    try:
        _check_versions(errand.ledger.fingerprint)
        _check_ledger(errand.ledger)
        work = errand.order.open(told.append, True)
    except (SeisdiffError, OSError) as error:
        raise OutputError(f"worker on {socket.gethostname()}: {error}") from error.__cause__
    return _OpenRun(work, read_unit(work), told, ThreadPoolExecutor(1, "compute"))


def _check_versions(fingerprint: Mapping[str, Any]) -> None:
    """Raise OptionError where this worker has other versions than the command, for they may give other bits."""
    for name in ("seisdiff", "torch", "numpy"):
        there = fingerprint.get(f"version of {name}")
        if there != version(name):
            raise OptionError(f"{name} is {version(name)}, that of the command {there}; install the same everywhere")


def _check_ledger(ledger: Ledger) -> None:
    """Raise OutputError where this worker may not write: the run has ended, or its folder is not seen from here."""
    if not ledger.stands():
        place = ledger.targets[0]
        raise OutputError(f"{place.name}: {place.ledger} holds no such run; expected a folder that all workers share")
