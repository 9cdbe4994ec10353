"""Surveys are compared only where their traces begin at the same times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from seisdiff import scores
from seisdiff.cli.app import main
from seisdiff.errors import SurveyError
from seisdiff.survey import make_survey
from tests.small_lines import RawFile, line_file


def survey(*delay: float, start: float = 0.0) -> xr.Dataset:
    """Return two gathers of three traces that begin at `start`, or each at its own delay (ms)."""
    samples = np.random.default_rng(0).standard_normal((2, 3, 50))
    values = {"trace_values": {"delay": np.array(delay, float)}} if delay else {}
    made = make_survey(samples, dt_ms=4.0, offset=np.full((2, 3), 100.0), **values)
    return made.assign_coords(time=made["time"] + start)


@pytest.mark.parametrize(
    ("truth", "estimate", "said"),
    [
        (survey(0, 0, 0, 8, 8, 8), survey(0, 0, 0, 8, 12, 8), "in 1 places: delay .ms. of trace number 5 is 8 and 12"),
        (survey(), survey(0, 0, 0, 8, 8, 8), "in 3 places: delay .ms. of trace number 4 is 0 and 8"),
        (survey(0, 0, 0, 8, 8, 8), survey(start=8.0), "in 3 places: delay .ms. of trace number 1 is 0 and 8"),
        (survey(), survey(start=8.0), "from 8 to 204 ms"),
    ],
)  # fmt: skip
def test_other_delays_are_named(truth: xr.Dataset, estimate: xr.Dataset, said: str) -> None:
    with pytest.raises(SurveyError, match=said):
        scores.compare(truth, estimate)
    with pytest.raises(SurveyError, match=r"TRUTH and INPUT|INPUT has"):
        scores.compare(truth, truth, estimate)


@pytest.mark.parametrize("other", [survey(8, 8, 8, 8, 8, 8), survey(start=8.0)])
def test_one_delay_is_the_same_however_it_is_held(other: xr.Dataset) -> None:
    assert scores.compare(survey(8, 8, 8, 8, 8, 8), other).overall.snr_db == np.inf


def test_files_of_other_delays_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    truth = line_file(tmp_path / "truth.sgy")
    shifted = RawFile(truth).put(slice(20, 40), 109, 40, "i2").save(tmp_path / "shifted.sgy")
    assert main(["compare", str(truth), str(shifted)]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "differ in 20 places: delay (ms) of trace number 21 is 0 and 4" in printed.err
    assert main(["compare", str(shifted), str(shifted)]) == 0
