"""Training pairs: they add up, hold what is said, and are the same by number; the stream of batches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from seisdiff.data import PairStream, StreamSpec, _changed, held_out, output_snr_db, steps_for
from seisdiff.draws import Draws
from seisdiff.synthetic.recipe import SceneRecipe
from seisdiff.synthetic.scene import Scenes, make_scenes
from seisdiff.tasks.pairs import TASKS, DemultipleTask, DenoiseTask, InterpolateTask, Pair, turned, within_levels

RECIPE = SceneRecipe.model_validate(
    {
        "name": "small",
        "samples": 128,
        "earth": {"layers": 8, "water_m": [30, 120]},
        "spread": {"traces": 12},
        "multiples": {"orders": 2, "strongest": 3, "without": 0},
        "noise": {"kinds": {"white": 1.0, "swell": 0.5}, "snr_db": [6, 6], "dead": 0.1},
    }
)


def scenes(count: int = 24) -> tuple[Scenes, Draws]:
    return make_scenes(RECIPE, 1, range(count)), Draws(2, torch.arange(count))


def strengths(pair: Pair, scenes: Scenes) -> torch.Tensor:
    """Return how strong the multiples of each pair are beside those of its scene; negative where turned over."""
    own = scenes.surface * pair.live[..., None]
    return (pair.target * own).sum((1, 2)) / own.square().sum((1, 2))


def test_multiples_are_what_the_input_holds_beyond_primaries_and_noise() -> None:
    made, draws = scenes()
    pair = DemultipleTask().pair(made, draws)
    rest = pair.degraded - pair.target
    flipped = turned(made, draws, share=0.0)
    keep = (flipped.primaries + flipped.interbed) * pair.live[..., None]
    other = (rest - keep)[pair.live]
    assert float((keep * flipped.surface).sum().abs()) < 0.5 * float(keep.norm() * flipped.surface.norm())
    assert 0 < float(other.norm()) < 3 * float(keep.norm())
    without = ~pair.target.flatten(1).any(1)
    assert 0 < int(without.sum()) < 10
    ratio = strengths(pair, flipped)[~without]
    assert float(ratio.abs().log().std()) > 0.3
    assert bool((ratio < 0).any())


def test_most_multiples_are_those_that_follow_from_the_primaries() -> None:
    made, draws = scenes(200)
    weak = replace(made, surface=0.3 * made.surface)
    own = DemultipleTask().pair(weak, draws)
    flipped = turned(weak, draws, share=0.0)
    close = strengths(own, flipped).log().abs() < 0.3  # three standard deviations
    assert 0.5 < float(close.float().mean()) < 0.75
    loud = replace(made, surface=100 * made.surface)
    keep = (made.primaries + made.interbed).norm(dim=(1, 2))
    level = 20 * torch.log10(keep / DemultipleTask().pair(loud, draws).target.norm(dim=(1, 2)).clamp_min(1e-9))
    assert float(level[close].median()) == pytest.approx(-6, abs=1)


def test_multiples_begin_after_the_start_that_is_told() -> None:
    made, draws = scenes()
    pair = DemultipleTask().pair(made, draws)
    told = pair.start_ms.isfinite()
    assert 0 < int(told.sum()) < len(told)
    sample = torch.arange(pair.target.shape[-1]) * pair.step_ms[:, None]
    before = (sample < pair.start_ms[:, None] - 30.0)[:, None]  # a wavelet begins before its strongest part
    early = (pair.target * before).square().sum((1, 2)) / pair.target.square().sum((1, 2)).clamp_min(1e-9)
    assert float(early[told].max()) < 1e-2
    assert before[told].any()


def test_noise_is_what_the_input_holds_beyond_all_waves() -> None:
    made, draws = scenes()
    pair = DenoiseTask().pair(made, draws)
    clean = ~pair.target.flatten(1).any(1)
    assert 0 < int(clean.sum()) < 10
    assert torch.equal(pair.wanted, pair.live)
    assert not pair.target[~pair.live].any()
    assert not pair.degraded[~pair.live].any()


def test_missing_traces_are_wanted_without_noise_and_recorded_ones_are_not() -> None:
    made, draws = scenes()
    pair = InterpolateTask().pair(made, draws)
    assert torch.equal(pair.wanted, ~pair.live)
    assert not pair.target[pair.live].any()
    assert not pair.degraded[~pair.live].any()
    assert 0.1 < float(pair.wanted.float().mean()) < 0.8
    flipped = turned(made, draws)
    waves = (flipped.primaries + flipped.interbed)[pair.wanted]
    without_multiples = pair.target[pair.wanted] - waves
    strength = without_multiples.norm() / flipped.surface[pair.wanted].norm()
    assert 0.3 < float(strength) < 3


def test_turning_keeps_each_trace_with_its_offset() -> None:
    made, draws = scenes()
    other = turned(made, draws)
    for number in range(len(made.offset)):
        backwards = not torch.equal(other.offset[number], made.offset[number])
        expected = made.signal[number].flip(0) if backwards else made.signal[number]
        assert torch.allclose(other.signal[number].abs(), expected.abs(), atol=1e-6)
    assert not torch.equal(other.offset, made.offset)


@pytest.mark.parametrize("task", list(TASKS))
def test_batches_are_the_same_by_number(task: str) -> None:
    spec = StreamSpec(recipes={"small": 1.0}, shapes=((12, 128), (8, 96)), batch=3, pool=6, window=2, reuse=1)
    stream, again = (PairStream(spec, {"small": RECIPE}, task, 4) for _ in range(2))  # type: ignore[arg-type]
    first = [stream.batch(number) for number in range(10)]
    assert [pair.degraded.shape for pair in first[:3]] == [(3, 12, 128), (3, 8, 96), (3, 12, 128)]
    assert torch.equal(again.batch(9).degraded, first[9].degraded)
    assert torch.equal(again.batch(1).target, first[1].target)
    assert not torch.equal(first[0].degraded, first[2].degraded)


def test_scenes_are_made_once_and_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = StreamSpec(recipes={"small": 1.0}, shapes=((12, 128), (8, 96)), batch=4, pool=4, window=3, reuse=2)
    stream, made = PairStream(spec, {"small": RECIPE}, "denoise", 4), []
    make = stream._pool

    def count(number: int):
        made.append(number)
        return make(number)

    monkeypatch.setattr(stream, "_pool", count)
    offsets = [{float(one.abs().sum()) for one in stream.batch(number).offset} for number in range(8)]
    assert sorted(made) == list(range(8))  # two shapes, three pools each and one more of each after two batches
    assert len(offsets[0] | offsets[2]) > 4  # more scenes than one pool has


def test_processing_is_that_of_the_training_where_it_tells_any() -> None:
    spec = StreamSpec(recipes={"small": 1.0}, processing={"domains": {"shot": 1.0}, "divergence": [1, 1]})
    changed = _changed(RECIPE, spec, None)
    assert changed.processing.domains == {"shot": 1.0}
    assert changed.processing.divergence == (1, 1)
    assert changed.processing.stretch == RECIPE.processing.stretch
    assert _changed(RECIPE, spec, {"cmp": 1.0}).processing.domains == {"cmp": 1.0}
    with pytest.raises(ValidationError, match="divergance"):
        StreamSpec(recipes={"small": 1.0}, processing={"divergance": [0, 1]})


def test_training_may_change_the_wavelets_of_a_scene_recipe() -> None:
    def middle(peak_hz: tuple[float, float] | None) -> float:
        """Return the frequency (cycles a sample) below which half of the power lies."""
        spec = StreamSpec(recipes={"small": 1.0}, shapes=((12, 128),), batch=8, pool=8, reuse=1, peak_hz=peak_hz)
        power = torch.fft.rfft(PairStream(spec, {"small": RECIPE}, "denoise", 4).batch(0).signal).abs().square()
        below = power.sum((0, 1)).cumsum(0)
        return 0.5 * int(torch.searchsorted(below, below[-1] / 2)) / (len(below) - 1)

    assert middle((12.0, 14.0)) < 0.07 < 0.1 < middle((45.0, 50.0))
    assert middle(RECIPE.wavelet.peak_hz) == middle(None)


def test_processes_see_other_pairs() -> None:
    spec = StreamSpec(recipes={"small": 1.0}, shapes=((12, 128),), batch=2, pool=4, reuse=1)
    one, other = (PairStream(spec, {"small": RECIPE}, "denoise", 4, share=share, shares=2) for share in (0, 1))
    assert not torch.equal(one.batch(0).degraded, other.batch(0).degraded)


def test_levels_of_multiples_are_brought_into_range() -> None:
    keep = torch.ones(5, 2, 10)
    parts = torch.tensor([0.0, 1e-3, 10 ** (-3 / 20), 10.0, 1e3])[:, None, None] * torch.ones(5, 2, 10)
    scaled = within_levels(parts, keep, -6.0, 12.0)
    levels = -20 * torch.log10(scaled[1:, 0, 0])
    assert not scaled[0].any()
    assert levels.tolist() == pytest.approx([12, 3, -6, -6], abs=0.8)


def test_held_out_pairs_come_from_another_seed() -> None:
    spec = StreamSpec(recipes={"small": 1.0}, shapes=((12, 128),), batch=2, pool=2, reuse=1)
    pairs = held_out(spec, {"small": RECIPE}, "denoise", 2, "cpu")
    assert len(pairs) == 2
    trained = PairStream(spec, {"small": RECIPE}, "denoise", 0)
    assert not torch.equal(pairs[0].degraded, trained.batch(0).degraded)


def test_snr_of_a_perfect_prediction_and_of_none() -> None:
    made, draws = scenes(6)
    for task in (DemultipleTask(), InterpolateTask()):
        pair = task.pair(made, draws)
        before, after = output_snr_db(pair, pair.target)
        assert bool((after > 60).all())
        same = output_snr_db(pair, torch.zeros_like(pair.target))
        assert torch.allclose(same[0], same[1])
        assert torch.allclose(before, same[0])
    assert torch.allclose(before, torch.zeros_like(before))  # nothing is filled: as much error as signal


def test_a_time_budget_is_a_number_of_steps() -> None:
    assert steps_for(10, 0.5) == 1200
    assert steps_for(0.001, 5) == 1
