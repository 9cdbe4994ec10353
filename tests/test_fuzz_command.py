"""Damaged files once more, each through a command of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.test_fuzz import check, command_for, mutate, originals

assert originals  # a fixture

_THROUGH_COMMAND = 50


def test_mutated_files_through_the_command(originals: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for number in range(_THROUGH_COMMAND):
        original = originals[number % len(originals)]
        path = tmp_path / f"damaged{number}{original.suffix}"
        path.write_bytes(mutate(original.read_bytes(), rng))
        arguments, out = command_for(number, path)
        done = subprocess.run(
            [sys.executable, "-m", "seisdiff", *arguments], capture_output=True, text=True, timeout=60
        )
        check(done.returncode, done.stderr, path, out)
