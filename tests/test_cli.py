"""The command line: round trips of real files, exit codes, one-line errors, and what is printed where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seisdiff.cli.app import main
from seisdiff.restorers import RESTORERS, methods_for
from tests.small_lines import RawFile, line_file, small_line

_QUICK = ["--method", "radon", "--moveout-ms", "-50:200:25", "--kind", "parabolic"]
_BROKEN = ("text.sgy", "broken.sgy")
_NO_INTERVAL = ("small.su", "small-lsb.su")


def field_files(field_data: Path) -> list[Path]:
    files = [path for name in ("flavours", "prestack", "stack") for path in sorted((field_data / name).iterdir())]
    return [path for path in files if path.name not in _BROKEN]


def interval(path: Path) -> list[str]:
    """Return the option that files without a sample interval need."""
    return ["--dt-ms", "4"] if path.name in _NO_INTERVAL else []


@pytest.mark.parametrize(
    "order",
    [[], ["--gather", "fldr"], ["--gather", "cdp", "--sort", "offset"], ["--gather", "offset", "--sort", "channel"],
     ["--gather", "all", "--sort", "offset,channel"]],
    ids=" ".join,
)  # fmt: skip
def test_ingest_then_export_gives_the_same_bytes(order: list[str], field_data: Path, tmp_path: Path) -> None:
    files = field_files(field_data)
    assert len(files) >= 30
    for number, path in enumerate(files):
        store, back = str(tmp_path / f"{number}.zarr"), tmp_path / f"{number}{path.suffix}"
        assert main(["ingest", str(path), store, "-q", *interval(path), *order]) == 0, path.name
        assert main(["export", store, str(back), "-q"]) == 0, path.name
        assert back.read_bytes() == path.read_bytes(), path.name
        back.unlink()


@pytest.mark.parametrize("name", _BROKEN)
@pytest.mark.parametrize("command", ["ingest", "demultiple", "denoise", "interpolate"])
def test_broken_files_give_one_line_and_no_output(
    name: str, command: str, field_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main([command, str(field_data / "flavours" / name), str(tmp_path / "out.zarr")]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    assert name in printed.err
    assert not printed.out
    assert not list(tmp_path.iterdir())


def test_a_real_gather_loses_its_multiples_and_keeps_its_headers(field_data: Path, tmp_path: Path) -> None:
    source, target = field_data / "prestack" / "gom_cdp_nmo.su", tmp_path / "out.su"
    assert main(["demultiple", str(source), str(target), "--units", "ft", "-q"]) == 0
    before, after = RawFile(source), RawFile(target)
    assert np.array_equal(before.headers, after.headers)
    zeros = before.samples == 0
    assert not after.samples[zeros & (np.cumsum(before.samples != 0, axis=1) == 0)].any()
    times = 4 * np.arange(before.count)
    energy = [np.square(each.samples[:, times > 3400]).sum() for each in (before, after)]
    assert 0.1 < energy[1] / energy[0] < 0.9
    early = (times > 1000) & (times < 3000)
    assert np.square((after.samples - before.samples)[:, early]).sum() < 0.3 * np.square(before.samples[:, early]).sum()


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return line_file(tmp_path / "in.sgy")


def run(arguments: list[str], capsys: pytest.CaptureFixture) -> tuple[int, str, str]:
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demultipel", "IN", "OUT"], ["demultipel"]),
        (["demultiple", "IN", "OUT", "--cut", "60"], ["--cut"]),
        (["demultiple", "IN"], ["OUT"]),
        (["demultiple", "IN", "OUT", "--taper-ms", "soon"], ["--taper-ms", "number"]),
        (["demultiple", "IN", "OUT", "--taper-ms", "nan"], ["--taper-ms"]),
        (["demultiple", "IN", "OUT", "--memory", "0.001"], ["--memory"]),
        (["demultiple", "IN", "OUT", "--memory", "nan"], ["--memory"]),
        (["demultiple", "IN", "OUT", "--memory", "inf"], ["'--memory'", "1048576"]),
        (["ingest", "IN", "out.zarr", "--memory", "1e18"], ["'--memory'", "1048576"]),
        (["demultiple", "IN", "OUT", "--spread", "S.sgy"], ["a spread needs --method diffusion"]),
        (["denoise", "IN", "OUT", "--method", "radon", "--samples", "4"], ["--samples", "add --method diffusion"]),
        (["interpolate", "IN", "OUT", "--method", "predictive"], ["predictive", "interpolate", "available: radon"]),
        (
            ["denoise", "IN", "OUT", "--method", "Radom"],
            ["'radom'; the nearest is radon; available: radon, fx, ssa, fk, median, unet, diffusion"],
        ),
        (
            ["demultiple", "IN", "OUT", "--method", "radon", "--set", "dampin=0.1"],
            ["radon.dampin", "nearest to dampin is damping"],
        ),
        (["demultiple", "IN", "OUT", "--method", "radon", "--set", "damping"], ["damping", "NAME=VALUE"]),
        (
            ["demultiple", "IN", "OUT", "--method", "radon", "--set", "damping=high"],
            ["radon.damping", "number", "high"],
        ),
        (["demultiple", "IN", "OUT", "--method", "radon", "--set", "damping=1000"], ["radon.damping", "100", "1000"]),
        (["denoise", "IN", "OUT", "--method", "fk", "--set", "slowness_ms_m=[0.5,0.1]"], ["slowness_ms_m", "0.5, 0.1"]),
        (["demultiple", "IN", "OUT", "--method", "radon", "--set", "moveout_ms=[100"], ["moveout_ms", "[100"]),
        (["demultiple", "IN", "OUT", "--method", "radon", "--set", "cut_ms=80", "--cut-ms", "60"], ["cut_ms", "--set"]),
        (
            ["demultiple", "IN", "OUT", "--method", "predictive", "--set", "period=9"],
            ["predictive.period", "nearest to period is period_ms"],
        ),
        (["demultiple", "IN", "OUT", "--method", "radon", "--solver", "lsqr"], ["solver", "lsqr"]),
        (["demultiple", "IN", "OUT", "--method", "radon", "--cut-ms", "1:2:3"], ["cut_ms"]),
        (["demultiple", "IN", "OUT", "--method", "radon", "--moveout-ms", "200:-50"], ["moveout_ms"]),
        (["demultiple", "IN", "OUT", "--method", "unet", "--cut-ms", "60"], ["--cut-ms", "unet", "--method radon"]),
        (["denoise", "IN", "OUT", "--method", "fk", "--solver", "ls"], ["--solver", "fk", "--method radon"]),
        (["denoise", "IN", "OUT", "--method", "fk", "--device", "cpu"], ["--device", "fk", "--method unet"]),
        (["interpolate", "IN", "OUT", "--model", "demultiple-unet"], ["does demultiple", "interpolate"]),
        (["demultiple", "IN", "OUT", "--model", "no_such_model"], ["no_such_model", "model.json"]),
        (["demultiple", "IN", "OUT", "--device", "tpu"], ["tpu", "cuda"]),
        (["demultiple", "IN", "OUT", "--start-ms", "nan"], ["nan"]),
        (["demultiple", "IN", "OUT", "--start-ms", "mute_ned"], ["mute_ned", "mute_end"]),
        (["demultiple", "IN", "OUT", "--start-ms", "nofile.txt"], ["'nofile.txt' is no header field, nor a file"]),
        (["demultiple", "IN", "OUT", "--start-ms", "times/line"], ["'times/line' is no header field, nor a file"]),
        (["demultiple", "IN", "OUT", "--nmo", "no_such_file"], ["no_such_file", "V0,K"]),
        (["demultiple", "IN", "OUT", "--nmo", "1500"], ["'1500'", "neither a file", "V0,K, such as 1500,0.6"]),
        (["demultiple", "IN", "OUT", "--nmo", "1500,"], ["'1500,'", "V0,K, such as 1500,0.6"]),
        (["demultiple", "IN", "OUT", "--nmo", "-5,1"], ["-5,1"]),
        (["demultiple", "IN", "OUT", "--units", "km"], ["km", "m or ft"]),
        (["demultiple", "IN", "OUT", "--axis", "angle"], ["angle", "depth"]),
        (["demultiple", "IN", "OUT", "--key", "offset"], ["offset"]),
        (["demultiple", "IN", "OUT", "--key", "offset=239"], ["offset", "240"]),
        (["demultiple", "IN", "OUT", "--key", "ofset=37"], ["ofset", "offset"]),
        (["demultiple", "IN", "OUT", "--gather", "cpd"], ["cpd", "cdp"]),
        (["info", "IN", "--key", "offset=coordinates", "--gather", "offset"], ["--gather offset", "cannot number"]),
        (["denoise", "IN", "OUT", "--gather", "cdp,offset=coordinates"], ["offset=coordinates", "cannot number"]),
        (["demultiple", "IN", "OUT", "--mapping", "no_such.yaml"], ["no_such.yaml"]),
        (["demultiple", "IN", "OUT", "--dt-ms", "0"], ["0"]),
        (["demultiple", "IN", "OUT", "--format", "float"], ["float", "ieee32"]),
        (["demultiple", "IN", "OUT", "--resume", "--overwrite"], ["--resume", "--overwrite"]),
        (["demultiple", "IN", "OUT", "--removed", "OUT"], ["two outputs"]),
        (["demultiple", "IN", "IN"], ["is the input"]),
        (["demultiple", "IN", "no/such/folder/out.sgy"], ["no/such/folder"]),
        (["demultiple", "IN", "out.dat"], [".sgy", ".zarr"]),
        (["demultiple", "missing.sgy", "OUT"], ["missing.sgy"]),
        (["demultiple", "missing.zarr", "OUT"], ["missing.zarr"]),
        (["interpolate", "IN", "OUT", "--refine", "0"], ["--refine"]),
        (["interpolate", "IN", "OUT", "--to-offsets", "5:1:1"], ["5:1:1"]),
        (["interpolate", "IN", "OUT", "--refine", "2", "--to-offsets", "1:5:1"], ["exclude"]),
        (["ingest", "IN", "OUT"], [".zarr"]),
        (["export", "IN", "out.zarr"], [".sgy"]),
    ],
    ids=lambda value: " ".join(value) if "IN" in value else "",
)
def test_usage_errors_are_one_line_with_exit_code_2(
    arguments: list[str], said: list[str], line: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(line.parent)
    before = line.read_bytes()
    code, out, err = run([{"IN": "in.sgy", "OUT": "out.sgy"}.get(word, word) for word in arguments], capsys)
    assert code == 2
    assert not out
    *notices, last = err.splitlines()
    assert last.startswith("seisdiff: ")
    assert all(word in last for word in said), last
    assert all(notice.startswith(("gathers by", "moveout is measured")) for notice in notices)
    assert [path.name for path in line.parent.iterdir()] == ["in.sgy"]
    assert line.read_bytes() == before


@pytest.mark.parametrize("command", ["demultiple", "denoise", "interpolate"])
def test_the_help_names_the_methods_of_its_task(
    command: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    code, out, _ = run([command, "--help"], capsys)
    assert code == 0
    line = next(line for line in out.splitlines() if "--method" in line and "NAME" in line)
    assert [name for name in RESTORERS if f"{name} (" in line] == methods_for(command)


def test_settings_reach_the_method_and_the_text_header(line: Path) -> None:
    folder = line.parent
    by_option, by_name = folder / "option.sgy", folder / "name.sgy"
    assert main(["demultiple", str(line), str(by_option), "-q", *_QUICK, "--cut-ms", "30", "--set", "f_max=40"]) == 0
    named = [f"--set={text}" for text in ("moveout_ms=-50:200:25", "kind=parabolic", "cut_ms=30", "f_max=40")]
    assert main(["demultiple", str(line), str(by_name), "-q", "--method", "radon", *named]) == 0
    assert by_option.read_bytes() == by_name.read_bytes()
    plain = folder / "plain.sgy"
    assert main(["demultiple", str(line), str(plain), "-q", *_QUICK, "--cut-ms", "30"]) == 0
    assert not np.array_equal(RawFile(plain).raw, RawFile(by_name).raw)
    text = bytes(RawFile(by_name).file_header[:3200]).decode("cp037")
    assert "demultiple radon cut 30 ms" in text
    assert "kind parabolic" in text


def test_names_are_known_in_any_case(line: Path) -> None:
    plain, loud = line.parent / "plain.sgy", line.parent / "loud.sgy"
    assert main(["denoise", str(line), str(plain), "-q", "--method", "median", "--format", "ibm32"]) == 0
    assert main(["denoise", str(line), str(loud), "-q", "--method", "Median", "--format", "IBM32"]) == 0
    assert loud.read_bytes() == plain.read_bytes()


def test_offsets_from_coordinates_sort_gathers_of_another_word(line: Path) -> None:
    target = str(line.parent / "out.sgy")
    words = ["--key", "offset=coordinates", "--gather", "cdp", "--sort", "offset"]
    assert main(["denoise", str(line), target, "-q", "--method", "median", *words]) == 0


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture) -> None:
    code, out, err = run([], capsys)
    assert code == 2
    assert "Usage: seisdiff" in out + err
    assert "Traceback" not in out + err


def test_exit_codes_reach_the_shell(line: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "seisdiff", "info", "missing.sgy"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    done = subprocess.run([sys.executable, "-m", "seisdiff", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("seisdiff ")


def test_quiet_prints_nothing_and_otherwise_choices_and_the_result_are_told(
    line: Path, capsys: pytest.CaptureFixture
) -> None:
    target = line.parent / "out.sgy"
    assert run(["demultiple", str(line), str(target), "-q", *_QUICK], capsys) == (0, "", "")
    code, out, err = run(["demultiple", str(line), str(target), "--overwrite", *_QUICK], capsys)
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0].startswith("gathers by cdp: 4")
    assert "reference offset 900 m" in lines[1]
    assert str(target) in lines[-1]
    assert "4 gathers" in err


def test_progress_is_plain_lines_where_there_is_no_terminal(
    line: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seisdiff.cli.progress._LINE_SECONDS", 0.0)
    monkeypatch.setattr("seisdiff.passes.unit_bytes", lambda _: 16 * 1240)
    code, _, err = run(["denoise", str(line), str(line.parent / "out.sgy"), *_QUICK], capsys)
    assert code == 0
    told = [each for each in err.splitlines() if each.startswith("denoise: ")]
    assert len(told) >= 3
    assert "gathers/s" in told[-1]
    assert "3 of 4 gathers" in told[-1]
    assert "\x1b" not in err
    assert "\r" not in err


def test_words_elsewhere_are_named_by_key_or_mapping(line: Path, capsys: pytest.CaptureFixture) -> None:
    moved = RawFile(line)
    offset, cdp = moved.word(37), moved.word(21)
    moved.put(slice(None), 37, 0).put(slice(None), 21, 0).put(slice(None), 233, offset, "i4").put(
        slice(None), 237, cdp, "i2"
    )
    source, folder = moved.save(line.parent / "moved.sgy"), line.parent
    mapping = folder / "words.yaml"
    mapping.write_text("offset: 233\ncdp: {byte: 237, type: i2}\n")
    keys = ["--key", "offset=233", "--key", "cdp=237:i2"]
    for name, given in (("keys", keys), ("mapping", ["--mapping", str(mapping)])):
        assert (
            main(["demultiple", str(source), str(folder / f"{name}.sgy"), "-q", "--no-history", *given, *_QUICK]) == 0
        )
    assert main(["demultiple", str(line), str(folder / "plain.sgy"), "-q", "--no-history", *_QUICK]) == 0
    keyed, mapped, plain = (RawFile(folder / f"{name}.sgy") for name in ("keys", "mapping", "plain"))
    assert np.array_equal(keyed.raw, plain.raw)
    assert np.array_equal(keyed.traces, mapped.traces)
    assert np.array_equal(keyed.headers, moved.headers)


def test_units_and_interval_can_be_given(line: Path, capsys: pytest.CaptureFixture) -> None:
    folder = line.parent
    code, _, err = run(["demultiple", str(line), str(folder / "feet.sgy"), "--units", "ft", *_QUICK], capsys)
    assert code == 0
    assert "reference offset 274.32 m" in err
    file = RawFile(line).put(slice(None), 117, 0, "i2")
    file.file_header[3216:3218] = 0
    file.save(folder / "no_dt.sgy")
    code, _, err = run(["demultiple", str(folder / "no_dt.sgy"), str(folder / "out.sgy"), *_QUICK], capsys)
    assert code == 2
    assert "--dt-ms" in err
    assert (
        main(
            [
                "demultiple",
                str(folder / "no_dt.sgy"),
                str(folder / "out.sgy"),
                "-q",
                "--dt-ms",
                "4",
                "--no-history",
                *_QUICK,
            ]
        )
        == 0
    )
    assert main(["demultiple", str(line), str(folder / "plain.sgy"), "-q", "--no-history", *_QUICK]) == 0
    assert np.array_equal(RawFile(folder / "out.sgy").raw, RawFile(folder / "plain.sgy").raw)
    assert np.array_equal(RawFile(folder / "out.sgy").headers, file.headers)


def test_an_uncorrected_line_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = line_file(tmp_path / "in.sgy", small_line(2, 24, 400, nmo=False).full)
    code, _, err = run(["demultiple", str(source), str(tmp_path / "out.sgy"), *_QUICK], capsys)
    assert code == 0
    assert sum(each.startswith("warning:") and "NMO" in each for each in err.splitlines()) == 1
