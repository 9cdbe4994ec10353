"""Several files in one run: the bytes of single runs, a manifest, and failures that stop nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seisdiff.cli.app import main
from tests.small_lines import line_file

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic", "-q"]


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """Three files: the middle one is cut short within its first trace."""
    names = [str(line_file(tmp_path / f"{name}.sgy", gain=gain)) for name, gain in (("a", 1), ("b", 2), ("c", 3))]
    Path(names[1]).write_bytes(Path(names[1]).read_bytes()[:3900])
    return names


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len({record["input"] for record in records}) == len(records)
    return {Path(record["input"]).stem: record for record in records}


def test_each_file_comes_out_as_alone_and_a_broken_one_fails_alone(
    lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, removed = tmp_path / "out", tmp_path / "removed"
    assert main(["demultiple", *lines, "--out-dir", str(out), "--removed", str(removed), *_QUICK]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "b.sgy" in said[0]
    assert "1 of 3 files failed" in said[1]
    found = manifest(out)
    assert {name: record["state"] for name, record in found.items()} == {"a": "done", "b": "failed", "c": "done"}
    assert "trace" in found["b"]["error"]
    assert found["a"]["summary"]["gathers"] == 4
    assert found["a"]["seconds"] > 0
    for name in ("a", "c"):
        alone, taken = tmp_path / f"{name}_alone.sgy", tmp_path / f"{name}_taken.sgy"
        source = str(tmp_path / f"{name}.sgy")
        assert main(["demultiple", source, str(alone), "--removed", str(taken), *_QUICK]) == 0
        assert Path(found[name]["output"]).read_bytes() == alone.read_bytes()
        assert (removed / f"{name}.sgy").read_bytes() == taken.read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["a.sgy", "c.sgy", "manifest.jsonl"]


def test_resume_does_only_what_is_not_done(lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    command = ["denoise", *lines, "--out-dir", str(out), *_QUICK]
    assert main(command) == 2
    first, before = manifest(out), (out / "a.sgy").stat().st_mtime_ns
    assert main(command) == 2
    assert "--resume" in capsys.readouterr().err.splitlines()[-1]
    assert manifest(out) == first
    line_file(tmp_path / "b.sgy", gain=2)
    assert main([*command, "--resume"]) == 0
    again = manifest(out)
    assert (again["a"], again["c"]) == (first["a"], first["c"])
    assert again["b"]["state"] == "done"
    assert (out / "a.sgy").stat().st_mtime_ns == before
    assert main([*command, "--overwrite"]) == 0
    assert (out / "a.sgy").stat().st_mtime_ns > before


def test_a_missing_input_is_one_plain_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    missing, out = str(tmp_path / "missing.sgy"), tmp_path / "out"
    assert main(["denoise", missing, "--out-dir", str(out), *_QUICK]) == 2
    said, last = capsys.readouterr().err.splitlines()
    assert said == f"seisdiff: {missing}: No such file or directory"
    assert "1 of 1 files failed" in last
    assert manifest(out)["missing"]["error"] == f"{missing}: No such file or directory"


@pytest.mark.parametrize("damage", ["{", '{"input": "x"}', "[1]", "7"])
def test_a_damaged_manifest_is_told_in_one_line(
    damage: str, lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.jsonl").write_text(damage + "\n")
    assert main(["denoise", lines[0], "--out-dir", str(out), *_QUICK, "--resume"]) == 2
    said = capsys.readouterr().err
    assert "manifest.jsonl is damaged" in said
    assert said.count("\n") == 1
    assert (out / "manifest.jsonl").read_text() == damage + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["a.sgy"], "Missing argument 'OUT'"), (["a.sgy", "b.sgy", "c.sgy"], "--out-dir"),
     (["a.sgy", "x/a.sgy", "--out-dir", "out"], "two inputs are called a.sgy"),
     (["a.sgy", "a.su", "--out-dir", "out", "--report", "qc"], "two inputs would have one report, a.html"),
     (["a.sgy", "--out-dir", "no/such"], "no/such")],
)  # fmt: skip
def test_names_that_make_no_run_are_refused(
    arguments: list[str], said: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["interpolate", *arguments, *_QUICK]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert len(printed.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
