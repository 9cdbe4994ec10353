"""Every committed training recipe runs through the real command, and says what it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seisdiff.cli.app import main
from seisdiff.training import load_train_recipe

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def test_there_is_a_small_recipe_for_every_task() -> None:
    assert {"demultiple-unet", "denoise-unet", "interpolate-unet"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_recipe_is_named_after_its_task(path: Path) -> None:
    assert path.stem.startswith(load_train_recipe(path).task)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_recipe_trains(path: Path, tmp_path: Path) -> None:
    values = path.read_text()
    small = tmp_path / path.name
    small.write_text(f"{values}\nvalidation_batches: 1\nsteps: 2\n")
    assert main(["train", str(small), str(tmp_path / "trained"), "--quiet"]) == 0
    told = [json.loads(line) for line in (tmp_path / "trained" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in told] == [1, 2]
    assert told[-1]["output_snr_db"] is not None
    assert (tmp_path / "trained" / "model" / "model.json").is_file()
    assert main(["train", str(small), str(tmp_path / "trained"), "--quiet"]) == 2
