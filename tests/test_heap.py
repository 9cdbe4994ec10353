"""Memory that is freed and taken again."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from seisdiff.cli.app import run
from seisdiff.heap import importing

PAGES = 2**14  # more than the 32 MiB from which glibc never keeps a buffer
TAKES = 10
_PROGRAM = f"""
import resource, sys
from seisdiff.heap import keep_freed_memory
kept = keep_freed_memory() if "keep" in sys.argv else False
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TAKES}):
    buffer = bytearray({PAGES} * resource.getpagesize())
    buffer[:: resource.getpagesize()] = bytes([1]) * {PAGES}
    del buffer
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in os.confstr_names or not sys.platform.startswith("linux"), reason="only glibc is told"
)


def faults(*words: str, **environment: str) -> tuple[bool, int]:
    """Return whether a new process keeps freed memory, and how often it fetches pages for one buffer after another."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run([sys.executable, "-c", _PROGRAM, *words], capture_output=True, check=True, text=True,
                          env=clean | environment)  # fmt: skip
    kept, count = map(int, done.stdout.split())
    return bool(kept), count


@pytest.fixture(autouse=True)
def nothing_stays_kept() -> Iterator[None]:
    """Let Python look through everything again after a command has ended in this process."""
    gc.unfreeze()
    yield
    gc.unfreeze()


@glibc
def test_pages_of_freed_buffers_are_fetched_once() -> None:
    kept, count = faults("keep")
    assert kept
    assert count < 3 * PAGES
    kept, count = faults()
    assert not kept
    assert count > 3 * PAGES  # or there would be nothing to gain


@glibc
@pytest.mark.parametrize(("name", "value"), [("MALLOC_ARENA_MAX", "2"), ("GLIBC_TUNABLES", "glibc.malloc.arena_max=2")])
def test_what_the_environment_says_of_memory_is_left_as_it_is(name: str, value: str) -> None:
    assert not faults("keep", **{name: value})[0]


def test_the_command_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []
    monkeypatch.setattr("seisdiff.cli.app.keep_freed_memory", lambda: told.append(True))
    monkeypatch.setattr(sys, "argv", ["seisdiff", "--version"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert (ended.value.code, told) == (0, [True])


_IMPORTS = """
import gc, sys
from seisdiff.heap import importing
passes = []
gc.callbacks.append(lambda phase, about: passes.append(about["generation"]))
if "quickly" in sys.argv:
    with importing():
        import xarray
else:
    import xarray
during = len(passes)
gc.collect()
print(during, gc.get_freeze_count(), int(gc.isenabled()))
"""


def test_modules_are_not_looked_through_while_they_are_imported() -> None:
    def told(*words: str) -> list[int]:
        done = subprocess.run([sys.executable, "-c", _IMPORTS, *words], capture_output=True, check=True, text=True)
        return [int(number) for number in done.stdout.split()]

    during, kept, collects = told("quickly")
    assert (during, collects) == (0, 1)
    assert kept > 10_000
    during, kept, collects = told()
    assert during > 10  # or there would be nothing to gain
    assert (kept, collects) == (0, 1)


def test_a_command_ends_without_a_last_look_through_all_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisdiff.cli.app.keep_freed_memory", lambda: False)
    monkeypatch.setattr(sys, "argv", ["seisdiff", "--version"])
    assert gc.get_freeze_count() == 0
    with pytest.raises(SystemExit):
        run()
    assert gc.get_freeze_count() > 10_000


def test_only_new_modules_are_kept_for_good() -> None:
    gc.disable()
    try:
        with importing():
            import seisdiff.heap  # noqa: F401
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert gc.get_freeze_count() == 0
