"""seisdiff demo."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    import xarray as xr
    from rich.table import Table

_HISTORY = "SYNTHETIC MARINE LINE"
_CORRECTED = f"{_HISTORY}, NMO-CORRECTED, STRETCH MUTE"
_LINE_NOISE_DB, _NOISE_DB, _MISSING = 26.0, 0.0, 0.4
_METHODS = ("radon", "unet", "diffusion")


class Job(NamedTuple):
    """What the demonstration does of a task: files by name, and further options of the command."""

    task: str
    degraded: str
    truth: str
    output: str
    options: tuple[str, ...] = ()


_JOBS = (
    Job("demultiple", "line", "primaries", "clean", ("--start-ms", "auto")),
    Job("denoise", "noisy", "signal", "quiet"),
    Job("interpolate", "holes", "signal", "filled"),
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where the demonstration's files go.")]
Gathers = Annotated[
    int, typer.Option("--gathers", metavar="N", min=1, max=2000, help="How many CMP gathers the line has.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Write into DIR though it exists.")]


def demo(folder: Folder = Path("demo"), gathers: Gathers = 20, overwrite: Overwrite = False) -> None:
    """Make a small marine line, do all three tasks on it by Radon, U-Net and diffusion, and measure the results.

    DIR then holds the line with its multiples (line.sgy), with noise (noisy.sgy), with holes (holes.sgy), what is true
    (primaries.sgy, signal.sgy), what the U-Net made of them (clean.sgy, quiet.sgy, filled.sgy), the multiples that it
    took out (multiples.sgy), the same of the other methods (clean_radon.sgy ...), a picture (demo.png) and a QC report
    (report.html). The commands that do the same by hand are printed on the way.

    Examples:

      seisdiff demo
      seisdiff demo trial --gathers 6
    """
    from rich.console import Console

    prepare_folder(folder, overwrite)
    show = Console(soft_wrap=True, highlight=False).print
    show(f"a marine line of {gathers} NMO-corrected CMP gathers, with multiples, with noise and with holes: {folder}")
    make_line(folder, gathers)
    rows = [run_job(job, method, folder, show) for job in _JOBS for method in _METHODS]
    show(results_table(rows, gathers))
    line, clean, removed, truth = (folder / f"{name}.sgy" for name in ("line", "clean", "multiples", "primaries"))
    run_command(show, "plot", line, clean, removed, truth, "-o", folder / "demo.png")
    run_command(show, "report", line, clean, folder / "report.html", "--start-ms", "auto")
    told = {"result": clean, "removed": removed, "picture": folder / "demo.png", "report": folder / "report.html"}
    show("\n".join(f"{what:8s} {path}" for what, path in told.items()))


def prepare_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder; raises OutputError where it exists, unless `overwrite`."""
    from seisdiff.errors import OutputError

    if folder.exists() and not (overwrite and folder.is_dir()):
        raise OutputError(f"{folder} exists already; add --overwrite to write into it, or name another folder")
    folder.mkdir(parents=True, exist_ok=True)


def make_line(folder: Path, n_gathers: int) -> None:
    """Write the line, its primaries, and the line with noise and with holes, as SEG-Y."""
    from seisdiff.synthetic.marine import marine_line

    line, before_nmo = marine_line(n_gathers, noise_db=_LINE_NOISE_DB), marine_line(n_gathers, nmo=False)
    noisy = marine_line(n_gathers, nmo=False, noise_db=_NOISE_DB)
    write_segy(line.full, folder / "line.sgy", f"{_CORRECTED}, ALL WAVES AND NOISE")
    write_segy(line.primaries, folder / "primaries.sgy", f"{_CORRECTED}, PRIMARIES")
    write_segy(before_nmo.full, folder / "signal.sgy", f"{_HISTORY}, ALL WAVES")
    write_segy(noisy.full, folder / "noisy.sgy", f"{_HISTORY}, ALL WAVES AND NOISE")
    write_segy(with_holes(before_nmo.full), folder / "holes.sgy", f"{_HISTORY}, TRACES MISSING")


def with_holes(line: xr.Dataset) -> xr.Dataset:
    """Return the line with some of its traces dead."""
    import numpy as np

    live = np.random.default_rng(0).random(line.sizes["trace"]) >= _MISSING
    return line.assign(amplitude=line["amplitude"] * live[:, None], live=("trace", live))


def write_segy(survey: xr.Dataset, path: Path, history: str) -> None:
    """Write a survey in memory to a SEG-Y file of IBM floats, which appears when it is complete."""
    from seisdiff.segy import SegyWriter

    partial = path.with_name(f".{path.name}.partial")
    with SegyWriter(partial, survey, container="segy", sample_format="ibm32", history=history) as writer:
        writer.write(slice(None), None, survey["amplitude"].values)
    partial.replace(path)


def run_job(job: Job, method: str, folder: Path, show: Callable[[str], None]) -> tuple[str, str, float, float, float]:
    """Run a task by a method; return both, the SNR (dB) of what came in and went out, and the seconds it took."""
    from seisdiff.restorers import DEFAULT_METHOD

    default = method == DEFAULT_METHOD
    source, truth = folder / f"{job.degraded}.sgy", folder / f"{job.truth}.sgy"
    target = folder / (f"{job.output}.sgy" if default else f"{job.output}_{method}.sgy")
    words = [*job.options, *([] if default else ["--method", method])]
    words += ["--removed", folder / "multiples.sgy"] if default and job.task == "demultiple" else []
    began = time.perf_counter()
    run_command(show, job.task, source, target, *words)
    seconds = time.perf_counter() - began
    before, after = (snr_of(truth, path, source) for path in (source, target))
    return job.task, method, before, after, seconds


def run_command(show: Callable[[str], None], *words: object) -> None:
    """Show a command and run it, over what is there and without its notices."""
    from seisdiff.cli.app import app

    typed = [str(word) for word in words]
    show(f"$ seisdiff {' '.join(typed)}")
    further = ["--overwrite"] if typed[0] == "plot" else ["--overwrite", "--quiet"]
    typer.main.get_command(app)(args=[*typed, *further], prog_name="seisdiff", standalone_mode=False, obj=typed)


def snr_of(truth: Path, estimate: Path, degraded: Path) -> float:
    """Return the SNR (dB) of an estimate over all traces, or over those that were missing, where some were."""
    import numpy as np

    from seisdiff.scores import snr_db
    from seisdiff.sources import open_survey

    true, made, given = (open_survey(str(path))["amplitude"].values for path in (truth, estimate, degraded))
    missing = np.asarray(~given.any(axis=1))
    return snr_db(true, made, missing if missing.any() else None)


def results_table(rows: list[tuple[str, str, float, float, float]], gathers: int) -> Table:
    """Return the results as a table."""
    from rich.table import Table

    table = Table("task", "method", "input dB", "output dB", "a gather")
    for task, method, before, after, seconds in rows:
        table.add_row(task, method, f"{before:.1f}", f"{after:.1f}", f"{seconds / gathers:.2f} s")
    return table
