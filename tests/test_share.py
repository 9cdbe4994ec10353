"""A run that several processes share, each without knowing of the others: the bytes of one, completed by the last."""

from __future__ import annotations

import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seisdiff.cli.app import main
from tests.cluster_worker import SIZES
from tests.segy_files import write_segy
from tests.small_lines import RawFile, small_line
from tests.test_resume import content, kill, units_done

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic", "-q"]
_SPAWN = multiprocessing.get_context("forkserver")


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SIZES.items():
        monkeypatch.setattr(name, value)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A file of 120 gathers, and beside it what one process makes of it."""
    file = RawFile(write_segy(small_line(4, 16, 250).full, tmp_path / "line.sgy"))
    file.traces = np.tile(file.traces, (30, 1))
    file.put(slice(None), 21, np.repeat(np.arange(120) + 1, 16)).save()
    command = [str(file.path), str(tmp_path / "whole.sgy"), "--removed", str(tmp_path / "whole_removed.zarr")]
    assert main(["demultiple", *command, *_QUICK]) == 0
    return file.path


def command(line: Path, share: str) -> list[str]:
    removed = str(line.with_name("out_removed.zarr"))
    return ["demultiple", str(line), str(line.with_name("out.sgy")), "--removed", removed, *_QUICK, "--share", share]


def check(line: Path) -> None:
    """Check that the outputs are there, with the bytes of one process, and nothing else."""
    for name in ("out.sgy", "out_removed.zarr"):
        assert content(line.with_name(name)) == content(line.with_name(name.replace("out", "whole")))
    names = ["line.sgy", "out.sgy", "out_removed.zarr", "whole.sgy", "whole_removed.zarr"]
    assert sorted(path.name for path in line.parent.iterdir()) == names


def test_shares_one_after_the_other_complete_the_outputs(line: Path, capsys: pytest.CaptureFixture) -> None:
    told = []
    for share in ("2/3", "1/3"):
        assert main([word for word in command(line, share) if word != "-q"]) == 0
        told.append(capsys.readouterr().err.splitlines()[-1])
        assert not line.with_name("out.sgy").exists()
    done = units_done(line.with_name("out.sgy"))
    assert told[1] == f"{line.with_name('out.sgy')}: {done} units are done, {done // 2} are left to other shares"
    assert main(command(line, "1/3")) == 0  # once more: nothing to do
    assert units_done(line.with_name("out.sgy")) == done
    assert main(command(line, "3/3")) == 0
    check(line)
    assert main(command(line, "2/3")) == 0  # a job that comes too late


def run(arguments: list[str], began: float) -> None:
    """Run a command as a process of its own, all of them at one moment."""
    time.sleep(max(0.0, began - time.time()))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SIZES.items():
            patch.setattr(name, value)
        sys.exit(main(arguments))


def test_shares_at_the_same_time_complete_the_outputs_once(line: Path) -> None:
    began = time.time() + 8.0  # by then all have imported what they need
    processes = [_SPAWN.Process(target=run, args=(command(line, f"{k}/4"), began)) for k in (1, 2, 3, 4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    check(line)


def test_a_share_that_is_killed_is_gone_on_with_by_itself(line: Path) -> None:
    target = line.with_name("out.sgy")
    kill(command(line, "1/2"), lambda target: units_done(target) >= 2)
    before = units_done(target)
    assert before >= 2  # of some fifteen
    assert main(command(line, "2/2")) == 0
    assert not target.exists()
    assert main(command(line, "1/2")) == 0
    check(line)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--share", "0/3"], "a share is K of N"),
        (["--share", "4/3"], "a share is K of N"),
        (["--share", "1"], "expected K/N"),
        (["--share", "1/2", "--overwrite"], "leave out --overwrite"),
    ],
)
def test_what_is_no_share_is_told(words: list[str], message: str, line: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["denoise", str(line), str(line.with_name("out.sgy")), *_QUICK, *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not line.with_name("out.sgy").exists()


def test_a_share_needs_one_output_in_a_folder(line: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["denoise", str(line), "--out-dir", str(tmp_path / "many"), *_QUICK, "--share", "1/2"]) == 2
    assert "--share is of one output" in capsys.readouterr().err
    assert main(["denoise", str(line), "memory://there/out.zarr", *_QUICK, "--share", "1/2"]) == 2
    assert "shares need an output in a folder" in capsys.readouterr().err


def test_bad_input_of_one_share_leaves_what_others_did(line: Path, capsys: pytest.CaptureFixture) -> None:
    file = RawFile(line)
    file.raw[-1, 7] = [0x7F, 0xC0, 0, 0]
    file.save(line)
    plain = ["denoise", str(line), str(line.with_name("out.sgy")), *_QUICK]
    assert main([*plain, "--share", "1/40"]) == 0
    done = units_done(line.with_name("out.sgy"))
    assert done > 0
    codes = [main([*plain, "--share", f"{k}/40"]) for k in range(2, 41)]
    assert codes.count(2) == 1
    assert "--resume goes on from there" in capsys.readouterr().err
    assert units_done(line.with_name("out.sgy")) > done
