"""What a training leaves: stopped at any moment it can go on to the same end, and its model is whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from seisdiff.checkpoints import Checkpoint, cut_log, held_interrupts, last_checkpoint, save_model
from seisdiff.cli.app import main
from seisdiff.data import HELD_OUT_SEED, PairStream
from seisdiff.errors import OptionError, OutputError
from seisdiff.networks.unet import UNet
from seisdiff.pretrained import CARD, WEIGHTS, model_card
from seisdiff.training import Tick, _Loop, load_train_recipe, train_model
from tests.test_training import SCENES, losses, recipe

STEPS = 8


class Killed(Exception):
    """What stops a training without asking it."""


def small(**changes: Any) -> Any:
    return recipe(**{"steps": STEPS, "again": 0.0, "validation_every": 100, **changes})


def at(step: int, stop: Callable[[], object]) -> Callable[[Tick], None]:
    """Return what stops a training once it tells of a step."""
    return lambda tick: stop() if tick.step == step else None


def killed() -> None:
    raise Killed


def stopped_at(step: int, folder: Path, **options: Any) -> None:
    with pytest.raises(Killed):
        train_model(small(), SCENES, folder, progress=at(step, killed), **options)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoint" / "network.safetensors")


def assert_same_end(folder: Path, whole: Path) -> None:
    assert losses(folder) == losses(whole)
    assert [json.loads(line)["step"] for line in log_lines(folder)] == list(range(1, STEPS + 1))
    left, right = weights(folder), weights(whole)
    assert all(torch.equal(left[name], right[name]) for name in right)


def log_lines(folder: Path) -> list[str]:
    return (folder / "log.jsonl").read_text().splitlines()


def state_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "checkpoint" / "state.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of eight steps that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train_model(small(), SCENES, folder)
    return folder


def test_killed_before_its_first_validation_it_goes_on(whole: Path, tmp_path: Path) -> None:
    stopped_at(3, tmp_path)
    train_model(small(), SCENES, tmp_path, resume=True)
    assert_same_end(tmp_path, whole)


def test_the_model_that_it_began_with_is_not_forgotten(whole: Path, tmp_path: Path) -> None:
    straight, halting = tmp_path / "straight", tmp_path / "halting"
    train_model(small(), SCENES, straight, init_from=whole / "model")
    stopped_at(3, halting, init_from=whole / "model")
    train_model(small(), SCENES, halting, resume=True)
    assert_same_end(halting, straight)


def test_a_log_without_a_checkpoint_begins_anew_and_says_so(whole: Path, tmp_path: Path) -> None:
    stopped_at(3, tmp_path)
    shutil.rmtree(tmp_path / "checkpoint")
    with pytest.warns(UserWarning, match="begins at its first step"):
        train_model(small(), SCENES, tmp_path, resume=True)
    assert_same_end(tmp_path, whole)
    shutil.rmtree(tmp_path / "checkpoint")
    with pytest.raises(OutputError, match="no checkpoint to resume"):  # the model that is there is not overwritten
        train_model(small(), SCENES, tmp_path, resume=True)


def test_a_checkpoint_whose_replacement_was_cut_short_is_found(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def cut_short(path: Path, target: Path) -> Path:
        if path.name == ".checkpoint.partial" and target.with_name(".checkpoint.old").exists():
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut_short)
        with pytest.raises(Killed):
            train_model(small(validation_every=2), SCENES, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    assert last_checkpoint(tmp_path / "checkpoint") == tmp_path / ".checkpoint.old"
    with pytest.raises(Killed):  # once more, before another checkpoint is whole
        train_model(small(validation_every=2), SCENES, tmp_path, resume=True, progress=at(1, killed))
    train_model(small(validation_every=2), SCENES, tmp_path, resume=True)
    assert_same_end(tmp_path, whole)
    assert [path.name for path in tmp_path.glob(".*")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_step_and_loses_nothing(number: int, whole: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        train_model(small(), SCENES, tmp_path, progress=at(3, lambda: signal.raise_signal(number)))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert state_of(tmp_path)["step"] == len(log_lines(tmp_path)) == 5  # steps are told of one later
    kept = log_lines(tmp_path)
    train_model(small(), SCENES, tmp_path, resume=True)
    assert log_lines(tmp_path)[:5] == kept
    assert_same_end(tmp_path, whole)


def test_a_second_interrupt_does_not_wait() -> None:
    with held_interrupts() as came:
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ignored_interrupts_stay_ignored_and_other_threads_hold_none() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held_interrupts() as came:
            signal.raise_signal(signal.SIGTERM)
        assert came == []
    finally:
        signal.signal(signal.SIGTERM, before)
    held: list[object] = []

    def elsewhere() -> None:
        with held_interrupts():
            held.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert held == [signal.getsignal(signal.SIGINT)]


def test_a_log_is_cut_back_to_a_step(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    cut_log(log, 3)
    assert not log.exists()
    log.write_text("".join(f'{{"step": {step}}}\n' for step in (1, 2, 3, 4, 5)) + '{"step": 3, "lo')
    cut_log(log, 3)
    assert log.read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'
    assert list(tmp_path.iterdir()) == [log]
    cut_log(log, 0)
    assert log.read_text() == ""


def test_it_goes_on_to_the_end_that_it_was_begun_with(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train_model(small(steps=None), SCENES, tmp_path, steps=STEPS, progress=at(3, killed))
    train_model(small(steps=500), SCENES, tmp_path, resume=True)
    assert_same_end(tmp_path, whole)
    assert model_card(tmp_path / "model")["recipe"]["steps"] == STEPS


def test_another_end_can_be_told(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    train_model(small(), SCENES, tmp_path, resume=True, steps=STEPS + 2)
    assert losses(tmp_path)[:STEPS] == losses(whole)
    assert len(losses(tmp_path)) == state_of(tmp_path)["steps"] == STEPS + 2
    with pytest.raises(OptionError, match=f"give --steps {STEPS + 2} or more"):
        train_model(small(), SCENES, tmp_path, resume=True, steps=STEPS)
    assert len(losses(tmp_path)) == STEPS + 2


@pytest.mark.parametrize(
    ("state", "told", "expected"),
    [
        (Checkpoint(), (None, None, 9), (9, None)),
        (Checkpoint(), (None, 2.0, 9), (None, 2.0)),
        (Checkpoint(), (5, 2.0, 9), (5, None)),
        (Checkpoint(4, 7), (None, None, 9), (7, None)),
        (Checkpoint(4, 7), (4, None, 9), (4, None)),
        (Checkpoint(4, 7, 2.0), (None, 2.0, None), (7, 2.0)),  # the same command again
        (Checkpoint(4, 7, 2.0), (None, None, None), (7, 2.0)),
        (Checkpoint(4, 7, 2.0), (None, 3.0, None), (None, 3.0)),
        (Checkpoint(4, None, 2.0), (None, None, 9), (None, 2.0)),  # stopped before the budget became steps
    ],
)
def test_the_end_is_that_told_now_or_its_own_or_the_recipes(
    state: Checkpoint, told: tuple[Any, Any, Any], expected: tuple[Any, Any]
) -> None:
    ended = state.with_end(*told)
    assert (ended.step, ended.steps, ended.max_minutes) == (state.step, *expected)


def test_resumed_at_its_end_it_keeps_its_figures(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "model")
    train_model(small(), SCENES, tmp_path, resume=True)
    assert "held_out_output_snr_db" in model_card(whole / "model")["figures"]
    assert model_card(tmp_path / "model") == model_card(whole / "model")
    assert_same_end(tmp_path, whole)


def test_a_model_that_is_not_written_to_its_end_changes_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    shutil.copytree(whole / "model", model)
    before = [(model / name).read_bytes() for name in (CARD, WEIGHTS)]
    other = UNet(small().network)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", lambda *_, **__: killed())
        with pytest.raises(Killed):
            save_model(other, small(), model, {})
    assert [(model / name).read_bytes() for name in (CARD, WEIGHTS)] == before
    save_model(other, small(), model, {"told": 1})
    assert model_card(model)["figures"] == {"told": 1}
    assert (model / WEIGHTS).read_bytes() != before[1]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_time_budget_holds_whatever_takes_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ticks = [100.0], list[Tick]()

    def takes(owner: type, name: str, seconds: float) -> None:
        made = getattr(owner, name)

        def slowly(*given: Any) -> Any:
            clock[0] += seconds
            return made(*given)

        monkeypatch.setattr(owner, name, slowly)

    for module in ("training", "data"):
        monkeypatch.setattr(f"seisdiff.{module}.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    takes(_Loop, "_step", 1.0)
    takes(_Loop, "validate", 5.0)
    takes(PairStream, "_pool", 4.0)
    train_model(small(steps=None, validation_every=15), SCENES, tmp_path, max_minutes=2, progress=ticks.append)
    assert clock[0] - 100 == pytest.approx(120, rel=0.05)
    assert ticks[-1].step == ticks[-1].steps == state_of(tmp_path)["steps"]
    known = next(tick.step for tick in ticks if tick.steps)
    assert known == 3  # told with the fourth: a twentieth of what first pools and validations leave


def train_as_one_of_two(folder: str) -> None:
    """Train on a time budget in which this process, by its own clock, takes other steps than the other one."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seisdiff.data.MEASURED_STEPS", 2)
        patch.setattr("seisdiff.data.steps_for", lambda *_: 3 + 4 * int(os.environ["RANK"]))
        train_model(small(steps=None), SCENES, Path(folder), max_minutes=60)


def test_two_processes_end_at_the_same_step(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    code = f"from tests.test_checkpoints import train_as_one_of_two; train_as_one_of_two({str(tmp_path)!r})"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
            cwd=Path(__file__).parents[1], stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    try:
        told = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], told
    assert len(log_lines(tmp_path)) == state_of(tmp_path)["steps"] == 5
    assert (tmp_path / "model" / CARD).is_file()


def test_the_seed_of_the_scenes_held_out_is_refused(tmp_path: Path) -> None:
    for seed in (HELD_OUT_SEED, HELD_OUT_SEED - 2**64):  # of which the draws make the same
        with pytest.raises(ValidationError, match="held out for validation"):
            small(seed=seed)
    (tmp_path / "r.yaml").write_text(f"task: denoise\nseed: {HELD_OUT_SEED}\nstream: {{recipes: {{tiny: 1}}}}\n")
    with pytest.raises(OptionError, match=r"seed: .*held out for validation"):
        load_train_recipe(tmp_path / "r.yaml")


def test_the_command_goes_on_without_its_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = "task: denoise\nnetwork: {widths: [8, 8], strides: [[2, 2]], blocks: 1}\nvalidation_batches: 1\n"
    stream = "stream: {recipes: {tiny: 1}, shapes: [[8, 64]], batch: 2, pool: 2, window: 1}\n"
    (tmp_path / "r.yaml").write_text(values + stream)
    command = ["train", str(tmp_path / "r.yaml"), str(tmp_path / "out"), "-q"]
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert main([*command, "--resume"]) == 2
        assert "no checkpoint to resume" in capsys.readouterr().err
        assert main([*command, "--steps", "2"]) == 0
        assert main([*command, "--resume"]) == 0
        assert main([*command, "--resume", "--steps", "3"]) == 0
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert len(log_lines(tmp_path / "out")) == 3
