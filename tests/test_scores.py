"""Scores against closed forms and plain loops, and the comparison of surveys."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from seisdiff import scores
from seisdiff.cli.app import main
from seisdiff.errors import SurveyError
from seisdiff.segy import SegyWriter
from seisdiff.survey import make_survey


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def survey_of(samples: np.ndarray, **keywords):
    offset = np.broadcast_to(100.0 + 25 * np.arange(samples.shape[1]), samples.shape[:2])
    return make_survey(samples, dt_ms=4.0, **({"offset": offset} | keywords))


@settings(deadline=None, max_examples=30)
@given(st.floats(-60, 60), st.integers(0, 1000))
def test_snr_of_a_known_error(level, seed):
    truth, error = noise(5, 40, seed=seed), noise(5, 40, seed=seed + 1)
    error *= np.sqrt((truth**2).sum() / (error**2).sum()) * 10 ** (-level / 20)
    assert scores.snr_db(truth, truth + error) == pytest.approx(level, abs=1e-6)


def test_snr_leaves_dead_traces_out_and_knows_its_limits():
    truth = noise(3, 4, 20)
    estimate = truth * 0.9
    estimate[1, 2] = 77
    live = np.ones((3, 4), bool)
    live[1, 2] = False
    assert scores.snr_db(truth, estimate, live) == pytest.approx(20.0)
    assert scores.snr_db(truth, truth) == np.inf
    assert scores.snr_db(0 * truth, truth) == -np.inf
    assert np.isnan(scores.snr_db(0 * truth, 0 * truth))


def test_psnr_takes_the_largest_magnitude_as_its_peak():
    truth = np.zeros((2, 10))
    truth[0, 3] = -4.0
    assert scores.psnr_db(truth, truth + 0.1) == pytest.approx(10 * np.log10(16 / 0.01))


def test_ssim_is_that_of_its_equation():
    truth, estimate = noise(13, 17), noise(13, 17, seed=1) + noise(13, 17)
    x, y = truth / np.ptp(truth), estimate / np.ptp(truth)
    weight = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weight = np.outer(weight, weight) / weight.sum() ** 2
    total = 0.0
    for row in range(13):
        for column in range(17):
            a, b = (np.pad(part, 5, "reflect")[row : row + 11, column : column + 11] for part in (x, y))
            ma, mb = (weight * a).sum(), (weight * b).sum()
            va, vb = (weight * a * a).sum() - ma**2, (weight * b * b).sum() - mb**2
            cov = (weight * a * b).sum() - ma * mb
            total += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    assert scores.ssim(truth, estimate) == pytest.approx(total / (13 * 17), rel=1e-10)


def test_ssim_ignores_the_mute_and_any_common_factor():
    truth, estimate = noise(20, 60), noise(20, 60, seed=1)
    padded = [np.pad(part, ((0, 0), (400, 0))) for part in (truth, estimate)]
    assert scores.ssim(truth, truth) == pytest.approx(1.0)
    assert scores.ssim(*padded) == pytest.approx(scores.ssim(truth, estimate), abs=0.02)
    assert scores.ssim(truth * 1e6, estimate * 1e6) == pytest.approx(scores.ssim(truth, estimate))
    assert np.isnan(scores.ssim(0 * truth, estimate))


def test_leakage_grows_with_the_signal_that_leaked():
    kept, other = noise(60, 400), noise(60, 400, seed=1)
    levels = [scores.leakage(other + share * kept, kept) for share in (0.0, 0.3, 1.0, 10.0)]
    assert levels[0] < 0.08
    assert levels == sorted(levels)
    assert scores.leakage(kept, kept) == pytest.approx(1.0)
    assert scores.leakage(-3 * kept, kept) == pytest.approx(1.0)
    assert scores.leakage(other + kept, kept) == pytest.approx(np.sqrt(0.5), abs=0.03)
    assert np.isnan(scores.leakage(0 * kept, kept))


def test_leakage_is_local():
    kept = noise(30, 400)
    removed = np.concatenate([kept[:, :200], -kept[:, 200:]], axis=1)
    assert abs((removed * kept).sum()) < 0.05 * (kept**2).sum()
    assert scores.leakage(removed, kept) > 0.9


def test_spectrum_error_of_a_gain_and_of_a_shift():
    truth = noise(4, 256)
    assert scores.spectrum_error_db(truth, 2 * truth) == pytest.approx(20 * np.log10(2))
    assert scores.spectrum_error_db(truth, np.roll(truth, 5, axis=1)) == pytest.approx(0.0, abs=1e-9)


def test_compare_weighs_energies_not_gathers():
    truth = np.stack([noise(6, 50), 10 * noise(6, 50, seed=1)])
    estimate = np.stack([truth[0] * 0.5, truth[1] * 0.9])
    result = scores.compare(survey_of(truth), survey_of(estimate), survey_of(0 * truth))
    first, second = result.gathers
    assert (first.gather, first.traces) == (1, 6)
    assert first.snr_db == pytest.approx(20 * np.log10(2), abs=1e-4)
    assert second.snr_db == pytest.approx(20.0, abs=1e-4)
    assert result.overall.snr_db == pytest.approx(scores.snr_db(truth, estimate), abs=1e-4)
    assert result.overall.input_snr_db == pytest.approx(0.0, abs=1e-4)
    assert result.overall.gain_db == pytest.approx(result.overall.snr_db, abs=1e-4)
    assert result.overall.psnr_db == pytest.approx(scores.psnr_db(truth, estimate), abs=1e-3)
    assert result.quartiles["snr_db"] == (first.snr_db, first.snr_db, first.snr_db)


def test_compare_in_small_blocks_is_the_same(monkeypatch):
    truth, estimate = noise(7, 5, 40), noise(7, 5, 40, seed=1)
    whole = scores.compare(survey_of(truth), survey_of(estimate))
    seen = []
    monkeypatch.setattr("seisdiff.scores.comparison._BLOCK_BYTES", 1)
    pieces = scores.compare(
        survey_of(truth), survey_of(estimate), progress=lambda done, total: seen.append((done, total))
    )
    assert pieces == whole
    assert seen == [(done, 7) for done in range(1, 8)]


def test_compare_uses_live_traces_of_the_truth():
    truth = noise(1, 4, 30)
    estimate = truth * 0.9
    truth[0, 2] = 0
    estimate[0, 2] = 5
    result = scores.compare(survey_of(truth), survey_of(estimate))
    assert result.gathers[0].traces == 3
    assert result.overall.snr_db == pytest.approx(20.0, abs=1e-4)


def test_comparison_as_json_and_table():
    truth = noise(3, 4, 30)
    result = scores.compare(survey_of(truth), survey_of(truth), survey_of(truth * 1.1))
    parsed = json.loads(result.model_dump_json())
    assert parsed["overall"]["snr_db"] == "Infinity"
    assert parsed["overall"]["input_snr_db"] == pytest.approx(20.0, abs=1e-3)
    assert len(parsed["gathers"]) == 3
    out = StringIO()
    Console(file=out, width=120).print(result.as_table())
    assert "median" in out.getvalue()
    assert "leakage" in out.getvalue()
    without = scores.compare(survey_of(truth), survey_of(truth))
    assert without.overall.leakage is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: survey_of(noise(2, 4, 30)), "TRUTH has 10 traces, ESTIMATE has 8"),
        (lambda: survey_of(noise(2, 5, 31)), "30 samples from 0 to 116 ms, ESTIMATE has 31 samples from 0 to 120 ms"),
        (lambda: survey_of(noise(2, 5, 30), start_ms=4.0), "from 4 to 120 ms"),
        (lambda: survey_of(noise(2, 5, 30), axis="depth"), "0 to 116 m;"),
        (lambda: survey_of(noise(2, 5, 30), gather=np.array([1, 3])), "gather of gather number 2 is 2 and 3"),
        (
            lambda: survey_of(noise(2, 5, 30), offset=np.arange(10.0).reshape(2, 5)),
            "offset of trace number 1 is 100 and 0",
        ),
        (lambda: survey_of(np.full((2, 5, 30), np.nan)), "ESTIMATE holds 150 non-finite samples in gather 1"),
    ],
)
def test_compare_says_what_differs(change, message):
    with pytest.raises(SurveyError, match=message):
        scores.compare(survey_of(noise(2, 5, 30)), change())


def test_compare_command(tmp_path, capsys):
    truth = noise(3, 4, 30)
    names = []
    for name, samples in {"truth": truth, "estimate": truth * 0.9, "input": truth * 0.5}.items():
        survey = survey_of(samples)
        names.append(str(tmp_path / f"{name}.sgy"))
        with SegyWriter(names[-1], survey) as writer:
            writer.write(slice(None), None, survey["amplitude"].values)
    assert main(["compare", *names, "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["overall"]["snr_db"] == pytest.approx(20.0, abs=1e-3)
    assert told["overall"]["gain_db"] == pytest.approx(20 - 20 * np.log10(2), abs=1e-3)
    assert main(["compare", *names[:2]]) == 0
    assert "median" in capsys.readouterr().out
    assert main(["compare", names[0], names[1], names[2], "--gather", "channel", "--dt-ms", "x"]) == 2
