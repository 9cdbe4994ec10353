"""seisdiff ingest."""

from __future__ import annotations

from seisdiff.cli import options as opt


def ingest(
    source: opt.Input,
    target: opt.Store,
    gather: opt.GatherKeys = None,
    sort: opt.SortKeys = None,
    key: opt.Keys = None,
    mapping: opt.Mapping = None,
    units: opt.Units = None,
    dt_ms: opt.DtMs = None,
    axis: opt.Axis = "time",
    memory: opt.Memory = 1.0,
    cluster: opt.Cluster = None,
    scheduler: opt.Scheduler = None,
    resume: opt.Resume = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
) -> None:
    """Read a SEG-Y or SU file into a Zarr store.

    The store opens with xarray alone and holds every header byte: 'seisdiff export' gives back the same file, byte for
    byte, however gathers and their traces are ordered in the store.

    Examples:

      seisdiff ingest line.sgy line.zarr
      seisdiff ingest shots.sgy cmps.zarr --gather cdp --sort offset
    """
    from seisdiff import transfer
    from seisdiff.cli.progress import run_options
    from seisdiff.cli.summary import print_summary

    reading = opt.reading_options(gather, sort, key, mapping, units, dt_ms, axis)
    options = run_options(
        "ingest", memory=memory, resume=resume, overwrite=overwrite, quiet=quiet, cluster=cluster, scheduler=scheduler
    )
    with options as run:
        print_summary(transfer.ingest(source, target, reading, run), target, quiet)
