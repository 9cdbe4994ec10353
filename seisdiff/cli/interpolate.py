"""seisdiff interpolate."""

from __future__ import annotations

from typing import Annotated

import typer

from seisdiff.cli import options as opt
from seisdiff.cli import restoration as rst
from seisdiff.restorers import DEFAULT_METHOD, method_named

Method = Annotated[str, rst.method_option("interpolate")]
Refine = Annotated[
    int,
    typer.Option(
        "--refine", metavar="N", min=1, max=16, rich_help_panel="New traces",
        help="Put N-1 new traces between neighbours: 2 halves the trace spacing.",
    ),
]  # fmt: skip
ToOffsets = Annotated[
    str | None,
    typer.Option(
        "--to-offsets", metavar="A:B:STEP", rich_help_panel="New traces",
        help="Give every gather these offsets (m); a recorded trace at one of them is kept as it is.",
    ),
]  # fmt: skip


def interpolate(
    context: typer.Context,
    source: opt.Input,
    target: opt.Outputs = None,
    out_dir: opt.OutDir = None,
    method: Method = DEFAULT_METHOD,
    removed: rst.Removed = None,
    spread: rst.Spread = None,
    report: rst.Report = None,
    refine: Refine = 1,
    to_offsets: ToOffsets = None,
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
    """Fill dead traces, or make new ones between those recorded.

    Dead traces are all zero or have trace identification code 2; they are filled below the mute of their neighbours
    and become live. Recorded traces come back bit for bit.

    Examples:

      seisdiff interpolate shots.sgy filled.sgy
      seisdiff interpolate shots.sgy filled.sgy --method pocs
      seisdiff interpolate shots.sgy dense.sgy --refine 2
      seisdiff interpolate cmps.sgy regular.sgy --to-offsets 100:3000:25
    """
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    options = {
        "refine": refine, "to_offsets": to_offsets, "moveout_ms": moveout_ms, "solver": solver, "kind": kind,
        "model": model, "device": device, "steps": steps, "samples": samples, "seed": seed, "ref_offset": ref_offset,
        "zero_nonfinite": zero_nonfinite,
    }  # fmt: skip
    recipe = rst.recipe_of("interpolate", method_named(method, "interpolate"), options, settings)
    rst.run_restoration(
        source, target, out_dir, recipe, reading, removed=removed, spread=spread, report=report,
        sample_format=opt.lower_case(sample_format), memory=memory, cluster=cluster, scheduler=scheduler, share=share,
        resume=resume, overwrite=overwrite, quiet=quiet, no_history=no_history, command=opt.typed_command(context),
    )  # fmt: skip
