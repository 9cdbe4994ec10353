"""Damaged files: one clear line and exit code 2, or a right result; never a traceback, never a part of an output."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from seisdiff.cli.app import main
from seisdiff.engine import restore
from seisdiff.passes import RunOptions
from seisdiff.survey import make_survey
from tests.segy_files import write_segy

_COUNT = 1000
_LARGEST_GROWTH_KIB = 1_500_000
#: Bytes, from 1, of the words that decide how a file is read.
_DECIDING_BYTES = (
    *(3213, 3217, 3221, 3225, 3255, 3261, 3269, 3273, 3297, 3501, 3503, 3505, 3507, 3513, 3521, 3529),
    *(114, 116, 3714, 3716),
)
_BAD_WORDS = (b"\x7f\xc0\0\0", b"\x7f\x80\0\0", b"\xff\xff\xff\xff", b"\0\0\xc0\x7f")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Small well-formed files of several kinds."""
    folder = tmp_path_factory.mktemp("originals")
    kinds = [("ibm32", "big", "sgy"), ("ieee32", "little", "sgy"), ("int16", "big", "sgy"), ("int24", "big", "sgy"),
             ("ieee64", "big", "sgy"), ("ieee32", "big", "su"), ("ieee32", "little", "su")]  # fmt: skip
    paths = []
    for number, (sample_format, order, suffix) in enumerate(kinds):
        rng = np.random.default_rng(number)
        survey = make_survey(
            rng.integers(-99, 99, (3, 8, 40)).astype(np.float32), dt_ms=4.0, offset=np.arange(100.0, 900, 100)
        )
        survey.attrs |= {"sample_format": sample_format, "byte_order": order}
        paths.append(write_segy(survey, folder / f"original{number}.{suffix}"))
    return paths


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage a file in one of the ways that files are damaged."""
    kind = rng.integers(6)
    words = np.frombuffer(data, np.uint8).copy()
    if kind == 0:
        return data[: rng.integers(0, len(data) + 1)]
    if kind == 1:
        places = rng.integers(0, min(len(words), 3840), rng.integers(1, 20))
        words[places] = rng.integers(0, 256, len(places))
    elif kind == 2:
        places = rng.integers(0, len(words), rng.integers(1, 50))
        words[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    elif kind == 3:
        place = int(rng.choice(_DECIDING_BYTES)) - 1
        if place + 8 <= len(words):
            words[place : place + rng.choice([2, 4, 8])] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
    elif kind == 4:
        place = int(rng.integers(0, max(1, len(words) - 4)))
        words[place : place + 4] = np.frombuffer(_BAD_WORDS[rng.integers(len(_BAD_WORDS))], np.uint8)
    else:
        return data + rng.bytes(int(rng.integers(1, 5000)))
    return words.tobytes()


def command_for(number: int, path: Path) -> tuple[list[str], Path | None]:
    """Return the arguments of one run on a damaged file and its output."""
    out = path.with_name(f"out{number}{path.suffix}")
    store = path.with_name(f"out{number}.zarr")
    kind = number % 4
    if kind == 0:
        return ["info", str(path)], None
    if kind == 1:
        return ["ingest", str(path), str(store), "-q"], store
    task = "demultiple" if kind == 2 else "denoise"
    return [task, str(path), str(out), "-q", "--method", "radon", "--moveout-ms", "-50:100:25"], out


def check(code: int, message: str, path: Path, out: Path | None) -> None:
    assert code in (0, 2), message
    assert "Traceback" not in message, message
    if code == 2:
        assert len(message.strip().splitlines()) == 1, message
        assert out is None or not out.exists(), message
    elif out is not None and out.is_file():
        assert out.stat().st_size == path.stat().st_size


def test_mutated_files_in_process(originals: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes = []
    for number in range(_COUNT):
        original = originals[number % len(originals)]
        path = tmp_path / f"damaged{original.suffix}"
        path.write_bytes(mutate(original.read_bytes(), rng))
        arguments, out = command_for(number // len(originals), path)
        code = main(arguments)
        check(code, capsys.readouterr().err, path, out)
        codes.append(code)
        if out is not None and out.exists():
            shutil.rmtree(out) if out.is_dir() else out.unlink()
    assert 0.1 < np.mean(np.array(codes) == 2) < 0.9, "the mutations are all fatal or all harmless"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _LARGEST_GROWTH_KIB


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_samples_are_refused_by_trace_number_or_zeroed(
    bad: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = np.random.default_rng(0).standard_normal((2, 6, 50)).astype(np.float32)
    samples[1, 2, 7] = bad
    source = write_segy(make_survey(samples, dt_ms=4.0, offset=np.arange(100.0, 700, 100)), tmp_path / "in.sgy")
    out = tmp_path / "out.sgy"
    assert main(["demultiple", str(source), str(out)]) == 2
    message = capsys.readouterr().err
    assert "non-finite samples (1) in trace 9 of the file" in message
    assert "--zero-nonfinite" in message
    assert not out.exists()
    assert main(["demultiple", str(source), str(out), "--zero-nonfinite"]) == 0
    assert out.stat().st_size == source.stat().st_size


def test_restoring_no_gathers_gives_no_gathers() -> None:
    from seisdiff.config import make_recipe

    empty = make_survey(np.zeros((0, 50), np.float32), dt_ms=4.0)
    assert restore(empty, make_recipe({"task": "demultiple"}), RunOptions()).sizes["trace"] == 0
