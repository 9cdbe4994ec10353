"""Progress on standard error: a bar in a terminal, now and then a line elsewhere, nothing for the quick.

A total of 0 gathers is one that is not known.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seisdiff.passes import RunOptions

_QUIET_SECONDS = 2.0
_LINE_SECONDS = 15.0


@contextmanager
def run_options(
    what: str,
    *,
    memory: float,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    history: bool = True,
    cluster: str | None = None,
    scheduler: str | None = None,
) -> Iterator[RunOptions]:
    """Give the options of a run, on a cluster where one is named, that shows progress and notices while it lasts."""
    from seisdiff.cluster import on_cluster
    from seisdiff.passes import RunOptions, silent

    shown = None if quiet else _Bar(what) if sys.stderr.isatty() else _Lines(what)
    progress, notify = (shown.update, shown.notify) if shown else (silent, silent)
    bounds = {"memory_gib": memory, "resume": resume, "overwrite": overwrite, "history": history}
    with closing(shown) if shown else nullcontext(), on_cluster(cluster, scheduler, notify) as elsewhere:
        yield RunOptions(**bounds, progress=progress, notify=notify, elsewhere=elsewhere)


class _Lines:
    """Plain lines, for logs."""

    def __init__(self, what: str) -> None:
        self._what, self._began, self._at_start, self._next = what, time.monotonic(), None, _LINE_SECONDS

    def notify(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def update(self, done: int, total: int) -> None:
        if self._at_start is None:
            self._at_start = done
        passed = time.monotonic() - self._began
        if passed < self._next or 0 < total <= done:
            return
        self._next = passed + _LINE_SECONDS
        rate = (done - self._at_start) / passed
        left = f", {(total - done) / rate:.0f} s left" if rate > 0 and total else ""
        of = f"{done} of {total}" if total else f"{done}"
        self.notify(f"{self._what}: {of} gathers, {rate:.1f} gathers/s{left}")

    def close(self) -> None:
        """Nothing is left to tidy."""


class _Bar:
    """A rich progress bar that appears once a run has taken longer than a glance."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
        self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
        self._task = self._bar.add_task(what, total=None, rate="")
        self._began, self._at_start, self._started = time.monotonic(), None, False

    def notify(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def update(self, done: int, total: int) -> None:
        if self._at_start is None:
            self._at_start = done
        passed = time.monotonic() - self._began
        if not self._started and passed > _QUIET_SECONDS:
            self._bar.start()
            self._started = True
        rate = f"{(done - self._at_start) / max(passed, 1e-3):.1f} gathers/s"
        self._bar.update(self._task, completed=done, total=total or None, rate=rate)

    def close(self) -> None:
        if self._started:
            self._bar.stop()
