"""seisdiff demultiple."""

from __future__ import annotations

from typing import Annotated

import typer

from seisdiff.cli import options as opt
from seisdiff.cli import restoration as rst
from seisdiff.restorers import DEFAULT_METHOD, method_named

Method = Annotated[str, rst.method_option("demultiple")]
CutMs = Annotated[
    str | None,
    typer.Option(
        "--cut-ms",
        metavar="MS|T:MS,T:MS",
        rich_help_panel=rst.METHOD,
        help="Radon: moveout (ms at the reference offset) beyond which energy is multiple, 60 by default; pairs of "
        "time and cut, such as 0:120,2000:60, vary it with time.",
    ),
]
ProtectMs = Annotated[
    float,
    typer.Option(
        "--protect-ms",
        metavar="MS",
        min=0,
        rich_help_panel=rst.ZONE,
        help="Moveout (ms at the reference offset) up to which nothing is taken out, whatever the cut.",
    ),
]
Nmo = Annotated[
    str | None,
    typer.Option(
        "--nmo",
        metavar="FILE|V0,K",
        rich_help_panel=rst.METHOD,
        help="For gathers not yet NMO-corrected: a file of lines 'CDP time_ms velocity_m_s', or V0,K for the velocity "
        "V0 + K t (m/s, t in s). Only what is removed is brought back; primaries are never resampled.",
    ),
]


def demultiple(
    context: typer.Context,
    source: opt.Input,
    target: opt.Outputs = None,
    out_dir: opt.OutDir = None,
    method: Method = DEFAULT_METHOD,
    removed: rst.Removed = None,
    spread: rst.Spread = None,
    report: rst.Report = None,
    cut_ms: CutMs = None,
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
    nmo: Nmo = None,
    start_ms: rst.StartMs = None,
    taper_ms: rst.TaperMs = 40.0,
    protect_ms: ProtectMs = 0.0,
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
    """Take multiples out of NMO-corrected gathers.

    OUT has IN's traces, headers and sample format; only samples change. After NMO correction primaries are flat and
    multiples curve down: unet subtracts the multiples that a trained network predicts, radon models and subtracts what
    lies beyond --cut-ms of residual moveout.

    Examples:

      seisdiff demultiple line.sgy clean.sgy --removed multiples.sgy
      seisdiff demultiple line.sgy clean.sgy --start-ms auto
      seisdiff demultiple line.sgy clean.sgy --method radon --start-ms auto --cut-ms 0:120,2500:60
      seisdiff demultiple cmps.zarr clean.zarr --nmo 1500,0.6
    """
    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    options = {
        "cut_ms": cut_ms, "moveout_ms": moveout_ms, "solver": solver, "kind": kind, "model": model, "device": device,
        "steps": steps, "samples": samples, "seed": seed, "ref_offset": ref_offset, "nmo": nmo, "start_ms": start_ms,
        "taper_ms": taper_ms, "protect_ms": protect_ms, "zero_nonfinite": zero_nonfinite,
    }  # fmt: skip
    recipe = rst.recipe_of("demultiple", method_named(method, "demultiple"), options, settings)
    rst.run_restoration(
        source, target, out_dir, recipe, reading, removed=removed, spread=spread, report=report,
        sample_format=opt.lower_case(sample_format), memory=memory, cluster=cluster, scheduler=scheduler, share=share,
        resume=resume, overwrite=overwrite, quiet=quiet, no_history=no_history, command=opt.typed_command(context),
    )  # fmt: skip
