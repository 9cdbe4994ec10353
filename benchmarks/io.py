"""Speed and memory of reading and writing: header scan, ingest and export in GB/s, peak memory of every command.

    python benchmarks/io.py                        speeds on a 1 GB file, IBM and IEEE
    python benchmarks/io.py --memory-of 4 8        peak anonymous memory of every command on 4 GB and 8 GB files
                        ... --at-most 60           the same, commands that work steadily stopped after a minute

Files are made once in --folder and kept for the next call. Speeds are of the second and later passes, with the file in
the page cache, and count the bytes of the SEG-Y file. Memory is the largest RssAnon of the command's process (pages of
mapped files do not count), watched every 20 ms.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seisdiff.segy import FIELDS, SegyWriter, detect_layout, scan_headers, set_header_values
from seisdiff.synthetic.marine import marine_line
from seisdiff.transfer import export, ingest

FOLD, SAMPLES = 60, 1000
SCANNED = (
    "cdp",
    "offset",
    "field_record",
    "channel",
    "source_coord_x",
    "source_coord_y",
    "group_coord_x",
    "group_coord_y",
)


def make_file(path: Path, gigabytes: float, sample_format: str) -> Path:
    """Make a prestack SEG-Y file of about the given size: a small marine line with noise, over and over."""
    if path.exists():
        return path
    line = marine_line(40, FOLD, SAMPLES, seed=1, noise_db=20.0).full
    line.attrs["sample_format"] = sample_format
    partial = path.with_suffix(".making")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        seed = Path(folder) / "seed.sgy"
        writer = SegyWriter(seed, line)
        writer.write(slice(0, line.sizes["trace"]), None, line["amplitude"].values)
        writer.close()
        layout = detect_layout(seed)
        data = np.fromfile(seed, np.uint8)
    traces = data[layout.first_trace :].reshape(layout.n_traces, layout.trace_bytes)
    repeats = max(1, round(gigabytes * 1e9 / traces.nbytes))
    with partial.open("wb") as file:
        file.write(data[: layout.first_trace])
        for repeat in range(repeats):
            cdp = 1 + repeat * 40 + np.arange(len(traces)) // FOLD
            traces[:, :240] = set_header_values(traces[:, :240], FIELDS["cdp"], layout.byte_order, cdp)
            file.write(traces)
    return partial.rename(path)


def best_seconds(work: Callable[[], object], passes: int, output: Path | None = None) -> float:
    """Return the shortest time of several passes after one that warms up; `output` is removed before each."""
    work()
    times = []
    for _ in range(passes):
        if output is not None:
            shutil.rmtree(output) if output.is_dir() else output.unlink()
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def speeds(folder: Path, gigabytes: float, passes: int) -> dict[str, float]:
    """Return header scan (million traces/s), ingest and export (GB/s) for IEEE and IBM files."""
    figures = {}
    for sample_format in ("ieee32", "ibm32"):
        path = make_file(folder / f"{sample_format}-{gigabytes:g}.sgy", gigabytes, sample_format)
        figures |= {f"{what}, {sample_format}": figure for what, figure in speeds_of(path, folder, passes).items()}
    return figures


def speeds_of(path: Path, folder: Path, passes: int) -> dict[str, float]:
    """Return the speeds on one file, and whether it came back byte for byte."""
    layout, size = detect_layout(path), path.stat().st_size / 1e9
    store, back = folder / "speed.zarr", folder / "speed.sgy"
    scan = best_seconds(lambda: scan_headers(layout, [FIELDS[name] for name in SCANNED]), passes)
    figures = {
        "header scan, million traces/s": layout.n_traces / scan / 1e6,
        "ingest, GB/s": size / best_seconds(lambda: ingest(str(path), str(store)), passes, store),
        "export, GB/s": size / best_seconds(lambda: export(str(store), str(back)), passes, back),
        "byte-identical": float(subprocess.run(["cmp", path, back]).returncode == 0),
    }
    shutil.rmtree(store)
    back.unlink()
    return figures


def commands(source: Path, folder: Path) -> dict[str, list[str]]:
    """Return every command that reads or writes samples; Radon with few moveouts, since time is not at issue."""
    store, out, radon = folder / "m.zarr", folder / "m.sgy", ["--solver", "ls", "--moveout-ms", "-100:300:50"]
    return {
        "info": ["info", str(source)],
        "ingest": ["ingest", str(source), str(store)],
        "export": ["export", str(store), str(out)],
        "compare": ["compare", str(source), str(out)],
        "plot": ["plot", str(source), str(out), "-o", str(folder / "m.png"), "--overwrite"],
        "demultiple": ["demultiple", str(source), str(out), "--overwrite", *radon],
        "demultiple store": ["demultiple", str(store), str(folder / "m2.zarr"), *radon],
        "denoise": ["denoise", str(source), str(out), "--overwrite", *radon],
        "interpolate": ["interpolate", str(source), str(out), "--overwrite", *radon],
    }


def peak_memory(arguments: list[str], at_most: float) -> tuple[float, float, bool]:
    """Run one command; return the peak of its anonymous memory in GiB, its seconds, and whether it came to its end."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "seisdiff", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None and time.perf_counter() - began < at_most:
        peak = max(peak, anonymous_kib(process.pid))
        time.sleep(0.02)
    ended = process.poll() is not None
    if not ended:
        process.kill()
    _, told = process.communicate()
    if ended and process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {told.decode()}")
    return peak / 2**20, time.perf_counter() - began, ended


def anonymous_kib(pid: int) -> int:
    """Return RssAnon of a process, 0 once it has gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def memory(folder: Path, gigabytes: float, at_most: float) -> dict[str, float]:
    """Return the peak anonymous memory of every command on a file of the given size, GiB."""
    source = make_file(folder / f"ibm32-{gigabytes:g}.sgy", gigabytes, "ibm32")
    figures = {}
    for name, arguments in commands(source, folder).items():
        peak, seconds, ended = peak_memory(arguments, at_most)
        told = f"{name}, {gigabytes:g} GB file, GiB" + ("" if ended else f", first {at_most:g} s")
        figures[told] = peak
        print(f"{told}: {peak:.2f} in {seconds:.0f} s", file=sys.stderr, flush=True)
    for left in ("m.zarr", "m2.zarr", ".m2.zarr.partial", ".m2.zarr.ledger", ".m.sgy.ledger"):
        shutil.rmtree(folder / left, ignore_errors=True)
    for left in ("m.sgy", ".m.sgy.partial"):
        (folder / left).unlink(missing_ok=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "seisdiff-io")
    parser.add_argument("--size", type=float, default=1.0, help="GB of the file for speeds")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--memory-of", type=float, nargs="*", default=[], help="GB of the files for memory")
    parser.add_argument("--at-most", type=float, default=float("inf"), help="seconds after which a command is stopped")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    figures = {} if options.memory_of else speeds(options.folder, options.size, options.passes)
    for gigabytes in options.memory_of:
        figures |= memory(options.folder, gigabytes, options.at_most)
    print(json.dumps(figures, indent=1) if options.json else "\n".join(f"{k:45s} {v:8.2f}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
