"""What becomes of memory that is not needed any more: the C library's part in it, and Python's."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of mallopt in glibc's malloc.h
_NEVER = 2**31 - 1
_TOLD = ("MALLOC_", "GLIBC_TUNABLES")  # of the environment


def keep_freed_memory() -> bool:
    """Let this process use freed memory again instead of giving it back to the system; return whether it now does.

    Networks and transforms take and free the same large buffers for every few gathers. glibc gives those back at once,
    and a fifth of a run's processor time goes into fetching their pages anew. Kept, they fit together less well: the
    most memory that a run takes grows by up to a fifth. Only glibc is told, and only where the environment does not say
    what it is to do.
    """
    if not sys.platform.startswith("linux") or any(name.startswith(_TOLD) for name in os.environ):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_MMAP_MAX, 0)) and bool(library.mallopt(_TRIM_THRESHOLD, _NEVER))


@contextmanager
def importing() -> Iterator[None]:
    """Give a context to import large modules in: nothing is looked for that could be freed, nor ever in what they hold.

    Modules are kept, yet Python would look through them again and again: a sixth of a short command's time.
    """
    collects, known = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()
        if collects:
            gc.enable()
