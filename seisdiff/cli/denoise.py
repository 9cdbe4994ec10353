"""seisdiff denoise."""

from __future__ import annotations

from typing import Annotated

import typer

from seisdiff.cli import options as opt
from seisdiff.cli import restoration as rst
from seisdiff.restorers import DEFAULT_METHOD, method_named

Method = Annotated[str, rst.method_option("denoise")]


def denoise(
    context: typer.Context,
    source: opt.Input,
    target: opt.Outputs = None,
    out_dir: opt.OutDir = None,
    method: Method = DEFAULT_METHOD,
    removed: rst.Removed = None,
    spread: rst.Spread = None,
    report: rst.Report = None,
    moveout_ms: rst.MoveoutMs = None,
    solver: rst.Solver = None,
    kind: rst.Kind = None,
    model: rst.Model = None,
    device: rst.Device = None,
    steps: rst.Steps = None,
    samples: rst.Samples = None,
    seed: rst.Seed = None,
    settings: rst.Settings = None,
    ref_offset: rst.RefOffset = None,
    start_ms: rst.StartMs = None,
    taper_ms: rst.TaperMs = 40.0,
    zero_nonfinite: rst.ZeroNonfinite = False,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
    sample_format: rst.SampleFormat = None,
    no_history: rst.NoHistory = False,
    memory: opt.Memory = 1.0,
    cluster: opt.Cluster = None,
    scheduler: opt.Scheduler = None,
    share: opt.Share = None,
    resume: opt.Resume = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Take noise out of gathers.

    radon keeps what is coherent along offset; fk, ssa, fx and median know noise by other marks, and unet by training.
    Muted samples stay zero and dead traces stay dead.

    Examples:

      seisdiff denoise shots.sgy clean.sgy --removed noise.sgy
      seisdiff denoise shots.sgy clean.sgy --gather fldr --sort offset
    """
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    options = {
        "moveout_ms": moveout_ms, "solver": solver, "kind": kind, "model": model, "device": device, "steps": steps,
        "samples": samples, "seed": seed, "ref_offset": ref_offset, "start_ms": start_ms, "taper_ms": taper_ms,
        "zero_nonfinite": zero_nonfinite,
    }  # fmt: skip
    recipe = rst.recipe_of("denoise", method_named(method, "denoise"), options, settings)
    rst.run_restoration(
        source, target, out_dir, recipe, reading, removed=removed, spread=spread, report=report,
        sample_format=opt.lower_case(sample_format), memory=memory, cluster=cluster, scheduler=scheduler, share=share,
        resume=resume, overwrite=overwrite, quiet=quiet, no_history=no_history, command=opt.typed_command(context),
    )  # fmt: skip
