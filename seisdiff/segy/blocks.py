"""Run a function over blocks of rows, a few at once."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_MAX_THREADS = 4
_thread = threading.local()


def run_blocks(function: Callable[[slice], Result], n_rows: int, block_rows: int) -> list[Result]:
    """Call `function` with slices of at most `block_rows` rows and return its results in order.

    Few blocks, and those of a function that runs in the pool itself, run in the calling thread; many run on a small
    pool. numpy lets go of the interpreter lock while it works.
    """
    blocks = [slice(start, min(start + block_rows, n_rows)) for start in range(0, n_rows, block_rows)]
    if len(blocks) < 4 or _threads() == 1 or getattr(_thread, "of_pool", False):
        return [function(block) for block in blocks]
    return list(_pool().map(function, blocks))


def _threads() -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MAX_THREADS, allowed)


def _mark_thread() -> None:
    _thread.of_pool = True


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), "segy", initializer=_mark_thread)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
