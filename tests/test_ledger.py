"""Unfinished outputs: the rules, going on after a kill at every step, and outputs that never exist in part."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
import numpy as np
import pytest

from seisdiff.errors import OptionError, OutputError
from seisdiff.ledger import Ledger
from seisdiff.store import StoreWriter, open_store
from seisdiff.survey import make_survey

FACTS = {"input": "abc", "options": {"cut_ms": 60.0}, "versions": ["1", "2"]}


class KilledError(BaseException):
    """Stands for a kill -9: nothing of the run happens after it."""


def begin(targets: list, facts: dict | None = None, *, resume: bool = False, overwrite: bool = False, **more) -> Ledger:
    return Ledger.begin(targets, FACTS if facts is None else facts, resume=resume, overwrite=overwrite, **more)


def make(path: str | Path, content: str) -> None:
    """Write a file, or a folder that looks like a store, in two pieces."""
    path = Path(path)
    if ".zarr" in path.name:
        path.mkdir(exist_ok=True)
        (path / "chunk").write_text(content)
        (path / "zarr.json").write_text(content)
    else:
        path.write_text(content * 2)


def content(path: Path) -> str | None:
    """Return what an output holds: its content, None where it is absent, "part" where it is not whole."""
    if not path.exists():
        return None
    if path.is_file():
        text = path.read_text()
        half = text[: len(text) // 2]
        return half if half and half * 2 == text else "part"
    texts = {(path / name).read_text() for name in ("chunk", "zarr.json") if (path / name).exists()}
    return texts.pop() if len(texts) == 1 and len(list(path.iterdir())) == 2 else "part"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_appears_only_when_it_is_published(tmp_path: Path) -> None:
    targets = [tmp_path / "out.zarr", tmp_path / "removed.sgy"]
    with begin(targets) as ledger:
        assert (ledger.finished, ledger.resumed, ledger.complete) == ({}, False, False)
        for target in targets:
            make(ledger.partial(target), "new")
            assert Path(ledger.partial(target)).parent == tmp_path
        ledger.commit(0, {"clipped": np.int64(3), "rows": np.arange(2)})
        assert not any(target.exists() for target in targets)
        ledger.publish()
    assert [content(target) for target in targets] == ["new", "new"]
    assert names(tmp_path) == ["out.zarr", "removed.sgy"]


def test_units_that_are_done_come_back_and_torn_entries_do_not(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    with begin([target]) as ledger:
        make(ledger.partial(target), "new")
        ledger.commit(0, {"dead": [1, 2], "energy": 0.1})
        ledger.commit(17, {})
        ledger.commit(3, {"x": 1})
    units = tmp_path / ".out.sgy.ledger/units"
    (units / "3.json").write_text('{"x": ')
    (units / "4.json").write_text("")
    (units / "5.json.12ab.partial").write_text("{}")
    with begin([target], resume=True) as ledger:
        assert ledger.resumed
        assert ledger.finished == {0: {"dead": [1, 2], "energy": 0.1}, 17: {}}
        ledger.publish()
    with begin([target], resume=True) as ledger:
        assert ledger.complete
        ledger.publish()
        ledger.discard()
    assert content(target) == "new"
    assert names(tmp_path) == ["out.sgy"]


def test_what_exists_is_kept_unless_overwrite_and_until_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.zarr"
    make(target, "old")
    with pytest.raises(OutputError, match=r"out.zarr exists; add --overwrite to replace it"):
        begin([target])
    assert names(tmp_path) == ["out.zarr"]
    with begin([target], overwrite=True) as ledger:
        make(ledger.partial(target), "new")
        assert content(target) == "old"
    with begin([target], resume=True) as ledger:
        assert (ledger.resumed, content(target)) == (True, "old")
        ledger.publish()
    assert (content(target), names(tmp_path)) == ("new", ["out.zarr"])


def test_discard_leaves_the_old_output(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    make(target, "old")
    ledger = begin([target], overwrite=True)
    make(ledger.partial(target), "half")
    ledger.discard()
    assert (content(target), names(tmp_path)) == ("old", ["out.sgy"])


def test_an_unfinished_run_must_be_resumed_or_discarded(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    with begin([target]) as ledger:
        make(ledger.partial(target), "first")
        ledger.commit(0, {})
    with pytest.raises(OutputError, match=r"unfinished run of out.sgy is there; add --resume to go on"):
        begin([target])
    with pytest.raises(OptionError, match="contradict"):
        begin([target], resume=True, overwrite=True)
    with begin([target], overwrite=True) as ledger:
        assert (ledger.resumed, ledger.finished) == (False, {})
        assert not Path(ledger.partial(target)).exists()


def test_resume_names_what_differs_from_the_run_before(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    with begin([target]) as ledger:
        make(ledger.partial(target), "first")
    other = {**FACTS, "input": "abd", "options": {"cut_ms": 61.0}}
    with pytest.raises(OutputError) as told:
        begin([target], other, resume=True)
    assert 'input was "abc", is "abd"; options was {"cut_ms": 60.0}, is {"cut_ms": 61.0}' in str(told.value)
    assert "versions" not in str(told.value)
    with pytest.raises(OutputError, match="outputs was"):
        begin([target, tmp_path / "removed.sgy"], resume=True)
    with begin([target], {**FACTS, "versions": ("1", "2")}, resume=True) as ledger:
        assert ledger.resumed


def test_resume_of_nothing_starts_afresh_or_is_done(tmp_path: Path) -> None:
    targets = [tmp_path / "a.zarr", tmp_path / "b.sgy"]
    with begin(targets, resume=True) as ledger:
        assert (ledger.resumed, ledger.complete) == (False, False)
        ledger.discard()
    make(targets[0], "old")
    with pytest.raises(OutputError, match=r"a.zarr exists; add --overwrite"):
        begin(targets, resume=True)
    make(targets[1], "old")
    with begin(targets, resume=True) as ledger:
        assert ledger.complete
    assert names(tmp_path) == ["a.zarr", "b.sgy"]


def test_units_do_not_count_where_the_partial_is_gone(tmp_path: Path) -> None:
    targets = [tmp_path / "a.sgy", tmp_path / "b.sgy"]
    with begin(targets) as ledger:
        for target in targets:
            make(ledger.partial(target), "first")
        ledger.commit(0, {})
    (tmp_path / ".b.sgy.partial").unlink()
    with begin(targets, resume=True) as ledger:
        assert (ledger.resumed, ledger.finished) == (False, {})
        assert not Path(ledger.partial(targets[0])).exists()


def test_an_output_that_two_runs_share_is_never_mixed(tmp_path: Path) -> None:
    first, second, shared = (tmp_path / name for name in ("a.sgy", "b.sgy", "shared.sgy"))
    with begin([first, shared]) as ledger:
        make(ledger.partial(first), "first")
        make(ledger.partial(shared), "first")
        ledger.commit(0, {})
    with pytest.raises(OutputError, match=r"shared.sgy: an unfinished run of a.sgy and shared.sgy is there"):
        begin([second, shared])
    with begin([second, shared], overwrite=True) as ledger:
        make(ledger.partial(second), "second")
        make(ledger.partial(shared), "second")
    with pytest.raises(OutputError, match=r"shared.sgy"):
        begin([shared], resume=True)
    with begin([first, shared], resume=True) as ledger:
        assert ledger.finished == {}


def test_outputs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source, folder = tmp_path / "in.sgy", tmp_path / "folder.sgy"
    make(source, "input")
    folder.mkdir()
    (tmp_path / "file.zarr").write_text("text")
    (tmp_path / "papers.zarr").mkdir()
    (tmp_path / "papers.zarr/thesis.tex").write_text("dear")
    (tmp_path / "link.sgy").symlink_to(source)
    os.link(source, tmp_path / "hard.sgy")
    make(tmp_path / "in.zarr", "input")
    before = names(tmp_path)
    lines = {
        tmp_path / "in.sgy": "is the input",
        tmp_path / "link.sgy": "is the input",
        tmp_path / "hard.sgy": "is the input",
        tmp_path / "in.zarr/c.sgy": "within it",
        tmp_path / "gone/out.sgy": "folder .*gone does not exist",
        tmp_path / "file.zarr/out.sgy": "does not exist",
        folder: "no regular file",
        Path("/dev/null"): "no regular file",
        tmp_path / "file.zarr": "is a file",
        tmp_path / "papers.zarr": "something other than a store",
        tmp_path / ("n" * 250 + ".sgy"): "cannot be written: File name too long",
    }
    for target, line in lines.items():
        with pytest.raises(OutputError, match=line):
            begin([target], overwrite=True, inputs=[source, str(tmp_path / "in.zarr") + "/"])
    with pytest.raises(OutputError, match="two outputs"):
        begin([tmp_path / "a.sgy", tmp_path / "folder.sgy/../a.sgy"])
    with pytest.raises(OutputError, match=r"only be a .zarr store"):
        begin(["memory://a.sgy"])
    assert names(tmp_path) == before


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out.sgy").symlink_to(tmp_path / "disk/real.sgy")
    with begin([tmp_path / "out.sgy"]) as ledger:
        assert ledger.partial(tmp_path / "out.sgy") == str(tmp_path / "disk/.real.sgy.partial")
        make(ledger.partial(tmp_path / "out.sgy"), "new")
        ledger.publish()
    assert (tmp_path / "out.sgy").is_symlink()
    assert content(tmp_path / "disk/real.sgy") == "new"


def test_an_output_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    with begin([target]) as ledger:
        make(ledger.partial(target), "new")
        make(target, "another's")
        with pytest.raises(OutputError, match="did not when this run began"):
            ledger.publish()
    with pytest.raises(OutputError, match="exists"):
        begin([target], resume=True)
    assert content(target) == "another's"


def test_two_runs_cannot_write_one_output(tmp_path: Path) -> None:
    first, second = tmp_path / "a.sgy", tmp_path / "b.sgy"
    with begin([first, second]):
        for targets in ([first], [second], [tmp_path / "c.sgy", second]):
            for how in ({}, {"resume": True}, {"overwrite": True}):
                with pytest.raises(OutputError, match="another process is writing it"):
                    begin(targets, **how)
    assert ".c.sgy.ledger" not in names(tmp_path)
    begin([first, second], resume=True).discard()
    assert names(tmp_path) == []


def test_other_processes_commit_without_the_lock(tmp_path: Path) -> None:
    target = tmp_path / "out.sgy"
    with begin([target]) as ledger:
        make(ledger.partial(target), "new")
        copies = [pickle.loads(pickle.dumps(ledger)) for _ in range(4)]
        jobs = [threading.Thread(target=copy.commit, args=(unit, {"n": unit})) for unit, copy in enumerate(copies)]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        for copy in copies:
            copy.close()
        with pytest.raises(OutputError, match="another process"):
            begin([target], resume=True)
    with begin([target], resume=True) as ledger:
        assert ledger.finished == {unit: {"n": unit} for unit in range(4)}


def test_a_folder_may_be_moved_between_two_runs(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with begin([tmp_path / "old/a.sgy", tmp_path / "old/b.sgy"]) as ledger:
        for name in ("a.sgy", "b.sgy"):
            make(ledger.partial(tmp_path / "old" / name), "new")
        ledger.commit(2, {})
    (tmp_path / "old").rename(tmp_path / "new")
    with begin([tmp_path / "new/a.sgy", tmp_path / "new/b.sgy"], resume=True) as ledger:
        assert ledger.finished == {2: {}}


def test_a_url_is_written_in_place_and_its_root_metadata_tells() -> None:
    fs, url = fsspec.filesystem("memory"), "memory://ledger-test/out.zarr"
    with begin([url]) as ledger:
        assert ledger.partial(url) == "memory:///ledger-test/out.zarr"
        fs.pipe_file("/ledger-test/out.zarr/amplitude/zarr.json", b"{}")
        ledger.commit(0, {"n": 1})
    with pytest.raises(OutputError, match="unfinished run"):
        begin([url])
    with begin([url], resume=True) as ledger:
        assert (ledger.resumed, ledger.finished) == (True, {0: {"n": 1}})
        fs.pipe_file("/ledger-test/out.zarr/zarr.json", b"{}")
        ledger.publish()
    assert fs.ls("/ledger-test", detail=False) == ["/ledger-test/out.zarr"]
    with begin([url], resume=True) as ledger:
        assert ledger.complete
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        begin([url])
    with begin([url], overwrite=True) as ledger:
        assert not fs.exists("/ledger-test/out.zarr")
        ledger.discard()
    fs.pipe_file("/ledger-test/out.zarr/amplitude/zarr.json", b"{}")
    with pytest.raises(OutputError, match="exists; add --overwrite"):
        begin([url], resume=True)
    fs.rm("/ledger-test", recursive=True)


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the first `step` changes of the file system happen, and none after."""
    count = [0]

    def guard(change: Callable) -> Callable:
        def guarded(*args, **options):
            count[0] += 1
            if count[0] > step:
                raise KilledError
            return change(*args, **options)

        return guarded

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            patch.setattr(os, name, guard(getattr(os, name)))
        patch.setattr(Path, "write_bytes", guard(Path.write_bytes))
        yield count


def run_once(targets: list[Path], new: str, *, resume: bool, overwrite: bool) -> None:
    """Write two units to every output, as a run does."""
    with begin(targets, resume=resume, overwrite=overwrite) as ledger:
        if ledger.complete:
            return
        for target in targets:
            if not ledger.finished:
                make(ledger.partial(target), "part")
        for unit in {0, 1} - ledger.finished.keys():
            ledger.commit(unit, {})
        for target in targets:
            make(ledger.partial(target), new)
        ledger.publish()


@pytest.mark.parametrize("there", [None, "old", "unfinished"])
def test_a_kill_at_any_step_loses_nothing_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None
) -> None:
    step, killed = 0, True
    while killed:
        folder = tmp_path / str(step)
        folder.mkdir()
        targets = [folder / "out.zarr", folder / "removed.sgy"]
        if there:
            for target in targets:
                make(target, "old")
        if there == "unfinished":
            with begin(targets, {"another": "run"}, overwrite=True) as ledger:
                make(ledger.partial(targets[0]), "half")
                ledger.commit(0, {})
        with killed_at(step, monkeypatch) as count, suppress(KilledError):
            run_once(targets, "new", resume=False, overwrite=bool(there))
        killed = count[0] > step
        assert {content(target) for target in targets} <= {None, "old", "new"}
        if there and not targets[0].exists():
            assert content(folder / ".out.zarr.replaced") == "old"
            assert content(folder / ".out.zarr.partial") == "new"
        go_on(targets, bool(there))
        assert [content(target) for target in targets] == ["new", "new"], step
        assert names(folder) == ["out.zarr", "removed.sgy"], step
        step += 1
    assert step > 20


def go_on(targets: list[Path], there: bool) -> None:
    """Do what the messages say until the run is done."""
    try:
        run_once(targets, "new", resume=True, overwrite=False)
    except OutputError:
        assert there
        run_once(targets, "new", resume=False, overwrite=True)
    if content(targets[0]) == "old":  # the kill came before the run had begun
        run_once(targets, "new", resume=False, overwrite=True)


SCRIPT = textwrap.dedent(
    """
    import os, signal, sys, time
    import numpy as np
    from seisdiff import store_layout
    from seisdiff.store import StoreWriter
    from seisdiff.ledger import Ledger
    from seisdiff.survey import make_survey

    store_layout.CHUNK_BYTES, store_layout.SHARD_BYTES, store_layout.MAX_SHARD_BYTES = 2**12, 2**14, 2**15
    target, removed, resume, last = sys.argv[1], sys.argv[2], sys.argv[3] == "resume", int(sys.argv[4])
    samples = np.random.default_rng(5).standard_normal((45, 24, 50)).astype(np.float32)
    survey = make_survey(samples, dt_ms=4)
    samples = survey.amplitude.values
    if last:
        replace = os.rename
        def fatal(*names):
            replace(*names)
            os.kill(os.getpid(), signal.SIGKILL)
        os.rename = fatal
    with Ledger.begin([target, removed], {"seed": 5}, resume=resume, overwrite=False) as ledger:
        if ledger.complete:
            sys.exit()
        outputs = [StoreWriter(ledger.partial(name), survey, resume=ledger.resumed) for name in (target, removed)]
        rows = outputs[0].unit_rows
        print("units", -(-len(samples) // rows), "done", len(ledger.finished), flush=True)
        for unit, start in enumerate(range(0, len(samples), rows)):
            if unit not in ledger.finished:
                for sign, output in zip((1, -1), outputs):
                    stop = min(start + rows, len(samples))
                    output.write(slice(start, stop), np.float32(sign) * samples[start:stop])
                ledger.commit(unit, {"dead": [start]})
                ledger.finished[unit] = {"dead": [start]}
                print("unit", unit, flush=True)
                time.sleep(0.04)
        for output in outputs:
            output.finish(np.array(sorted(sum((each["dead"] for each in ledger.finished.values()), []))))
        ledger.publish()
    """
)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder / "out.zarr"), str(folder / "removed.zarr"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_after(job: subprocess.Popen[str], lines: int, wait: float) -> list[str]:
    """Kill a job `wait` seconds after it has said so many lines, and return these."""
    assert job.stdout
    said = [job.stdout.readline() for _ in range(lines)]
    threading.Event().wait(wait)
    job.kill()
    job.communicate()
    return said


def test_kill_9_while_writing_and_publishing_gives_the_same_bytes(tmp_path: Path) -> None:
    calm, hard = tmp_path / "calm", tmp_path / "hard"
    calm.mkdir()
    hard.mkdir()
    with start(calm, "fresh", "0") as job:
        job.communicate(timeout=60)
    assert job.returncode == 0
    draw, done = random.Random(7), []
    for lines in (0, 3, 4):
        said = kill_after(start(hard, "resume", "0"), lines, draw.random() * (0.05 if lines else 0.8))
        done += [int(line.split()[3]) for line in said if line.startswith("units")]
        assert not (hard / "out.zarr").exists()
        assert not (hard / "removed.zarr").exists()
    assert done == sorted(done)
    assert done[-1] >= 2
    with start(hard, "resume", "1") as job:
        job.communicate(timeout=60)
    assert job.returncode == -signal.SIGKILL
    assert (hard / "removed.zarr").exists()
    assert not (hard / "out.zarr").exists()
    with start(hard, "resume", "0") as job:
        job.communicate(timeout=60)
    assert job.returncode == 0
    assert names(hard) == ["out.zarr", "removed.zarr"]
    assert tree(hard) == tree(calm)
    assert open_store(hard / "out.zarr").sizes["trace"] == 1080


def test_a_store_is_published_whole(tmp_path: Path) -> None:
    survey = make_survey(np.ones((4, 5, 6), np.float32), dt_ms=4)
    target = tmp_path / "out.zarr"
    with begin([target]) as ledger:
        writer = StoreWriter(ledger.partial(target), survey)
        writer.write(slice(0, 20), survey.amplitude.values)
        with pytest.raises(OutputError, match="unfinished store"):
            open_store(ledger.partial(target))
        writer.finish(np.array([3]))
        ledger.publish()
    assert open_store(target).live.values.sum() == 19
    assert json.loads((target / "zarr.json").read_text())["node_type"] == "group"
