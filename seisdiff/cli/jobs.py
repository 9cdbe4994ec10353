"""One input of a command that restores, or several: run, told and reported on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seisdiff.heap import importing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from seisdiff.config import RestoreRecipe
    from seisdiff.passes import RunOptions, Summary
    from seisdiff.sources import ReadOptions

#: Gathers that a report shows evenly along the line.
REPORT_GATHERS = 5


@dataclass(frozen=True)
class Beside:
    """What is written besides the output, None where it is not wanted: files, or folders of them."""

    removed: str | None
    spread: str | None
    report: Path | None

    def of(self, source: str) -> Beside:
        """Return the files of one input of several, in folders that exist from now on."""
        from seisdiff.cli.files import output_of

        for folder in filter(None, (self.removed, self.spread, self.report)):
            Path(folder).mkdir(exist_ok=True)
        removed, spread = (output_of(source, folder) if folder else None for folder in (self.removed, self.spread))
        page = Path(output_of(source, self.report)).with_suffix(".html") if self.report else None
        return Beside(removed, spread, page)


@dataclass(frozen=True)
class Job:
    """What is done to each input."""

    recipe: RestoreRecipe
    reading: ReadOptions
    sample_format: str | None
    command: str
    memory: float
    resume: bool
    overwrite: bool
    quiet: bool
    history: bool
    share: tuple[int, int] | None

    def options(self, **where: Any) -> AbstractContextManager[RunOptions]:
        """Give the options of a run, which show its progress while it lasts; `where` names a cluster."""
        from seisdiff.cli.progress import run_options

        return run_options(
            self.recipe.task, memory=self.memory, resume=self.resume, overwrite=self.overwrite, quiet=self.quiet,
            history=self.history, **where,
        )  # fmt: skip

    def run(self, source: str, target: str, beside: Beside, on: RunOptions) -> Summary:
        """Restore one input, on the cluster that `on` holds, if any; say what came of it, and report where asked to."""
        from seisdiff.cli.summary import print_summary

        with importing():
            from seisdiff.engine import restore_file

        page = self._page(target, beside)
        warnings: list[str] = []
        with self.options() as run:
            notify = partial(_notify_and_keep, run.notify, warnings)
            run = replace(run, elsewhere=on.elsewhere, notify=notify, share=self.share)
            summary = restore_file(
                source, target, self.recipe, removed=beside.removed, spread=beside.spread, reading=self.reading,
                run=run, sample_format=self.sample_format,
            )  # fmt: skip
            print_summary(summary, target, self.quiet)
            _warn_if_nothing_filled(self.recipe, summary, run)
        if page is not None and not summary.left:
            self._report(source, target, beside.spread, page, summary, warnings)
        return summary

    def _page(self, target: str, beside: Beside) -> Path | None:
        """Return the report to write: none where a run that is resumed has nothing left to do and has written it."""
        page = beside.report
        if page is None:
            return None
        from seisdiff.errors import OutputError
        from seisdiff.ledger import is_done
        from seisdiff.report import check_report_path  # matplotlib is slow to import

        if page.exists() and (self.resume or self.share):
            if is_done([name for name in (target, beside.removed, beside.spread) if name]):
                return None
            raise OutputError(f"{page} exists already, and the run to resume is unfinished; remove or rename it")
        return check_report_path(page, self.overwrite)

    def _report(
        self, source: str, target: str, spread: str | None, page: Path, summary: Summary, warnings: list[str]
    ) -> None:
        from seisdiff.cli.report import make_report
        from seisdiff.cli.summary import bad_samples
        from seisdiff.report import recipe_facts

        names, said = (Path(source).name, Path(target).name), [*warnings, *bad_samples(summary)]
        facts = recipe_facts(self.recipe, *names, self.command, said)
        make_report(
            (source, target, spread), page, facts, self.reading, REPORT_GATHERS, self.memory, self.overwrite, self.quiet
        )


def _notify_and_keep(notify: Callable[[str], None], heard: list[str], text: str) -> None:
    """Pass a notice on, and keep the warnings."""
    notify(text)
    if text.startswith("warning: "):
        heard.append(text.removeprefix("warning: "))


def _warn_if_nothing_filled(recipe: RestoreRecipe, summary: Summary, run: RunOptions) -> None:
    makes_new = recipe.refine > 1 or recipe.to_offsets
    if recipe.task == "interpolate" and not (
        makes_new or summary.filled_traces or summary.already_done or summary.left
    ):
        run.notify("warning: no trace is dead, so none was filled; --refine and --to-offsets make new ones")
