"""Outputs that several processes begin and end at the same time: folders that come and go between two steps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from seisdiff.errors import OutputError
from seisdiff.ledger import is_done
from tests.test_ledger import begin, content, make, names


@pytest.mark.parametrize("step", ["makedirs", "open", "fstat"])
def test_a_folder_that_another_run_removes_meanwhile_is_made_anew(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, change, left = tmp_path / "out.sgy", getattr(os, step), [2]

    def meanwhile(*args, **options):
        if left[0]:
            left[0] -= 1
            if step == "makedirs":
                raise FileExistsError(args[0])  # there when it was made, gone when it was looked at
            shutil.rmtree(tmp_path / ".out.sgy.ledger")
        return change(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, meanwhile)
        ledger = begin([target])
    make(ledger.partial(target), "new")
    ledger.publish()
    assert (left, names(tmp_path)) == ([0], ["out.sgy"])


def test_a_file_in_the_place_of_the_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / ".out.sgy.ledger").write_text("no folder")
    with pytest.raises(OutputError, match=r"out\.sgy"):
        begin([tmp_path / "out.sgy"])


def test_a_run_that_begins_while_another_ends_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, remove, following = tmp_path / "out.sgy", os.rmdir, []

    def meanwhile(path, **options):
        if not following and str(path).endswith(".out.sgy.ledger"):
            following.append(begin([target], overwrite=True))
        remove(path, **options)

    with begin([target]) as ledger:
        make(ledger.partial(target), "first")
        monkeypatch.setattr(os, "rmdir", meanwhile)
        ledger.publish()
    assert content(target) == "first"
    with pytest.raises(OutputError, match="another process"):
        begin([target], resume=True)
    make(following[0].partial(target), "second")
    following[0].publish()
    assert (content(target), names(tmp_path)) == ("second", ["out.sgy"])


def test_what_is_done_is_whole_and_of_no_unfinished_run(tmp_path: Path) -> None:
    targets = [tmp_path / "out.sgy", tmp_path / "removed.zarr"]
    assert not is_done(targets)
    for target in targets:
        make(target, "old")
    assert is_done(targets)
    with begin(targets, overwrite=True):
        assert not is_done(targets)
    assert not is_done(targets)
