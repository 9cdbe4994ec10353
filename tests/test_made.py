"""New headers: start times come back as they were or are refused, and blocks of a survey have the same scales."""

from __future__ import annotations

import numpy as np
import pytest

from seisdiff.errors import OptionError
from seisdiff.segy import SegyWriter, new_headers, open_segy
from seisdiff.segy.made import header_scales
from seisdiff.survey import make_survey


@pytest.mark.parametrize(
    ("start", "dt_ms", "mute"),
    [(0.25, 0.25, 0.0), (4.5, 4.0, 3000.0), (-12.5, 4.0, 0.0), (40000.0, 4.0, 0.0), (0.0, 4.0, 33000.0)],
)
def test_start_times_come_back_as_they_were(tmp_path, start, dt_ms, mute):
    survey = make_survey(
        np.ones((2, 9), np.float32), dt_ms=dt_ms, start_ms=start, trace_values={"mute_end": mute + np.arange(2) * 10.0}
    )
    with SegyWriter(tmp_path / "out.sgy", survey) as writer:
        writer.write(slice(0, 2), None, survey["amplitude"].values)
    again = open_segy(tmp_path / "out.sgy")
    np.testing.assert_allclose(again["time"].values, survey["time"].values, rtol=1e-12)
    np.testing.assert_allclose(again["mute_end"].values, survey["mute_end"].values, rtol=1e-12)


def test_start_times_are_kept_rather_than_mutes(tmp_path):
    """Both need 100ths of a ms, which mutes beyond 327.67 ms do not have: these lose a digit, no start does."""
    values = {"delay": np.array([0.5, 100.0]), "mute_end": np.array([400.25, 10.0])}
    survey = make_survey(np.ones((2, 9), np.float32), dt_ms=4, trace_values=values)
    with SegyWriter(tmp_path / "out.sgy", survey) as writer:
        writer.write(slice(0, 2), None, survey["amplitude"].values)
    again = open_segy(tmp_path / "out.sgy")
    assert again["delay"].values.tolist() == [0.5, 100.0]
    np.testing.assert_allclose(again["mute_end"].values, [400.25, 10.0], atol=0.051)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"start_ms": 1234.56}, r"begin at 1234\.56 ms do not fit a SEG-Y header word"),
        ({"start_ms": 40001.0}, r"begin at 40001 ms do not fit a SEG-Y header word"),
        ({"trace_values": {"delay": np.array([0.0, 1234.56])}}, r"begin at 1234\.56 ms"),
        ({"start_ms": 1234.0, "axis": "depth"}, "depths begin at 1234 m"),
        ({"start_ms": 4.5, "trace_values": {"mute_end": np.array([3300.0, 0.0])}}, "mutes of up to 3300 ms do not fit"),
    ],
)
def test_start_times_that_no_header_holds_are_refused(made, message):
    survey = make_survey(np.ones((2, 9), np.float32), **({"dt_ms": 4.0} | made))
    with pytest.raises(OptionError, match=message):
        new_headers(survey, slice(0, 2))


def test_an_su_file_has_whole_milliseconds_alone(tmp_path):
    survey = make_survey(np.ones((2, 9), np.float32), dt_ms=4, start_ms=4.5)
    assert header_scales(survey).time == 10
    with pytest.raises(OptionError, match=r"begin at 4\.5 ms do not fit an SU header word"):
        header_scales(survey, "su")
    with pytest.raises(OptionError, match=r"begin at 4\.5 ms do not fit an SU header word"):
        SegyWriter(tmp_path / "out.su", survey, container="su")


def test_headers_are_the_same_block_by_block_and_with_scales_found_before():
    values = {"source_coord_x": 4e5 + np.arange(15.0), "mute_end": np.arange(15) + 0.5, "delay": np.arange(15) % 4.0}
    survey = make_survey(np.ones((5, 3, 9), np.float32), dt_ms=4, trace_values=values)
    scales = header_scales(survey)
    whole = new_headers(survey, slice(None))
    parts = [new_headers(survey, slice(start, start + 4), scales) for start in range(0, 15, 4)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
