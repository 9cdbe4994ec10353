"""Runs that are killed, interrupted or refused half-way go on to the same bytes, and OUT is whole or absent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.segy_files import write_segy
from tests.small_lines import RawFile, small_line

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic"]
_TILES = 30
#: What makes a small file have many units: small shards, and few samples in memory.
_SIZES = {
    "seisdiff.store_layout.CHUNK_BYTES": 2**15, "seisdiff.store_layout.SHARD_BYTES": 2**16,
    "seisdiff.store_layout.MAX_SHARD_BYTES": 2**18,
    "seisdiff.units._COPIES_IN_FLIGHT": 10_000,
}  # fmt: skip
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["seisdiff.engine", "seisdiff.cli.app", "tests.test_resume"])


def main(command: list[str]) -> int:
    """Run a command in this process."""
    from seisdiff.cli.app import main

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return main(command)
    finally:
        signal.signal(signal.SIGTERM, handler)


def run_small(command: list[str]) -> None:
    """Run a command with many small units, each of which takes its time, and exit with its code."""
    import torch

    from seisdiff.ledger import Ledger

    def slowly(ledger: Ledger, unit: int, figures: Mapping[str, Any]) -> None:
        time.sleep(0.02)
        commit(ledger, unit, figures)

    torch.set_num_threads(1)
    commit = Ledger.commit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "commit", slowly)
        for name, value in _SIZES.items():
            patch.setattr(name, value)
        sys.exit(main(command))


@pytest.fixture(scope="module", autouse=True)
def small_units() -> Iterator[None]:
    """Make many units here too, and compute on one thread as the other processes do."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SIZES.items():
            patch.setattr(name, value)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_units: None) -> Path:
    """A folder with a file of 120 gathers, the same as a store, and what uninterrupted runs make of them."""
    folder = tmp_path_factory.mktemp("resume")
    file = RawFile(write_segy(small_line(4, 16, 250).full, folder / "line.sgy"))
    file.traces = np.tile(file.traces, (_TILES, 1))
    file.put(slice(None), 21, np.repeat(np.arange(4 * _TILES) + 1, 16)).save()
    for command in commands(folder, "whole").values():
        assert main([*command, "-q"]) == 0
    return folder


def commands(folder: Path, name: str) -> dict[str, list[str]]:
    """Return what is run, by name; its output is the third word."""
    line, store = str(folder / "line.sgy"), str(folder / "whole_ingest.zarr")
    return {
        "ingest": ["ingest", line, str(folder / f"{name}_ingest.zarr")],
        "export": ["export", store, str(folder / f"{name}_export.sgy")],
        "demultiple": [
            "demultiple",
            line,
            str(folder / f"{name}_demultiple.sgy"),
            *_QUICK,
            "--removed",
            str(folder / f"{name}_removed.zarr"),
        ],
        "store": ["demultiple", store, str(folder / f"{name}_demultiple.zarr"), *_QUICK],
    }


def content(path: Path) -> dict[str, bytes]:
    """Return all bytes of a file, or of every file of a folder by name."""
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): each.read_bytes() for each in files}


def units_done(target: Path) -> int:
    try:
        names = os.listdir(target.parent / f".{target.name}.ledger" / "units")
    except FileNotFoundError:
        return 0
    return sum(name.endswith(".json") for name in names)


def kill(command: list[str], ready: Callable[[Path], bool], wait: float = 0.0) -> int | None:
    """Start a command in another process, kill it some time after it is ready, and return its exit code."""
    process, target = _FORKS.Process(target=run_small, args=([*command, "-q"],)), Path(command[2])
    process.start()
    deadline = time.monotonic() + 60
    while process.is_alive() and not ready(target) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(wait)
    process.kill()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize(("what", "kills"), [("ingest", 5), ("export", 5), ("demultiple", 6), ("store", 4)])
def test_kill_9_at_random_moments_then_resume_gives_the_same_bytes(what: str, kills: int, folder: Path) -> None:
    command = commands(folder, "killed")[what]
    target = Path(command[2])
    rng = np.random.default_rng(len(what))
    resumed: list[int] = []
    while len(resumed) < kills:
        again = ["--resume"] if resumed else []
        code = kill([*command, *again], _begun(units_done(target), not resumed), rng.uniform(0, 0.02))
        assert code == -signal.SIGKILL
        assert not target.exists()
        resumed.append(units_done(target))
    assert resumed == sorted(resumed)
    assert resumed[-1] > 0
    assert main([*command, "--resume", "-q"]) == 0
    for output in [target, *([folder / "killed_removed.zarr"] if what == "demultiple" else [])]:
        assert content(output) == content(output.with_name(output.name.replace("killed", "whole"))), output.name
    assert not [str(left) for hidden in folder.glob(f".{target.name}*") for left in (hidden, *hidden.rglob("*"))]


def _begun(before: int, first: bool) -> Callable[[Path], bool]:
    """Tell when a run has come further than the one before: begun at first, then by one unit."""
    if first:
        return lambda target: (target.parent / f".{target.name}.ledger" / "run.json").exists()
    return lambda target: units_done(target) > before


#: A background job of a shell begins with interrupts ignored; these do not.
_AS_COMMAND = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from tests.test_resume import run_small; run_small(sys.argv[1:])"
)


@pytest.mark.parametrize("send", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_exits_130_and_names_resume(send: signal.Signals, folder: Path) -> None:
    command = commands(folder, f"signal{int(send)}")["demultiple"]
    target = Path(command[2])
    process = subprocess.Popen([sys.executable, "-c", _AS_COMMAND, *command], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not units_done(target):
        time.sleep(0.001)
    process.send_signal(send)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "--resume" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not target.exists()
    assert units_done(target) > 0
    assert main([*command, "-q", "--resume"]) == 0
    assert content(target) == content(folder / "whole_demultiple.sgy")


@pytest.mark.parametrize(
    ("changed", "key"),
    [(["--cut-ms", "80"], "cut_ms"), (["--start-ms", "400"], "start"), (["--memory", "0.9"], "memory"),
     (["--units", "ft"], "units"), (["--key", "offset=41"], "offset"), (["--no-history"], "history"),
     (["--moveout-ms", "-50:210:25"], "moveout_ms")],
)  # fmt: skip
def test_a_changed_option_is_refused_by_name(
    changed: list[str], key: str, folder: Path, half_done: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main([*half_done, *changed, "--resume"]) == 2
    said = capsys.readouterr().err.strip()
    last = said.splitlines()[-1]
    assert f"{key} was" in last
    assert last.count(", is ") == 1
    assert units_done(Path(half_done[2])) > 0


@pytest.fixture(scope="module")
def half_done(folder: Path) -> list[str]:
    """A demultiple that was killed with some units done."""
    command = commands(folder, "half")["demultiple"]
    assert kill(command, lambda target: units_done(target) > 0) == -signal.SIGKILL
    return command


def test_an_unfinished_run_is_neither_started_over_nor_read(
    folder: Path, half_done: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main(half_done) == 2
    assert "--resume" in capsys.readouterr().err
    assert units_done(Path(half_done[2])) > 0


def test_a_complete_output_needs_no_resuming(folder: Path, capsys: pytest.CaptureFixture) -> None:
    command = commands(folder, "whole")["demultiple"]
    before = Path(command[2]).stat()
    assert main([*command, "--resume"]) == 0
    assert "is complete" in capsys.readouterr().err
    assert Path(command[2]).stat() == before


@pytest.mark.parametrize("what", ["ingest", "export", "demultiple"])
def test_an_output_that_exists_is_refused_and_untouched(what: str, folder: Path, capsys: pytest.CaptureFixture) -> None:
    command = commands(folder, "whole")[what]
    target = Path(command[2])
    before = content(target), os.stat(target).st_mtime_ns
    assert main(command) == 2
    assert "--overwrite" in capsys.readouterr().err.splitlines()[-1]
    assert (content(target), os.stat(target).st_mtime_ns) == before


def test_bad_samples_late_in_the_file_keep_what_is_done(folder: Path, capsys: pytest.CaptureFixture) -> None:
    file = RawFile(folder / "line.sgy")
    bad = 16 * (4 * _TILES - 5) + 3
    file.raw[bad, 7] = [0x7F, 0xC0, 0, 0]
    file.save(folder / "bad.sgy")
    target = folder / "bad_out.sgy"
    command = ["demultiple", str(folder / "bad.sgy"), str(target), *_QUICK]
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f" {bad + 1} " in said
    assert "--resume" in said
    assert "--zero-nonfinite" in said
    assert not target.exists()
    assert units_done(target) > 0
    assert main([*command, "--resume", "--zero-nonfinite"]) == 0
    said = capsys.readouterr().err
    assert "units kept of the interrupted run" in said
    assert "non-finite samples taken as zeros: 1" in said
    assert main([*command[:2], str(folder / "at_once.sgy"), *_QUICK, "--zero-nonfinite", "-q"]) == 0
    assert content(target) == content(folder / "at_once.sgy")
