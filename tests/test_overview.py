"""What `info` says of a survey: figures against the arrays they describe, and suspicions with their advice."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from seisdiff import overview
from seisdiff.cli.app import main
from seisdiff.header_checks import check_headers, feet_suspicion, trace_spacing
from seisdiff.overview import amplitude_statistics, describe, header_ranges, main_fields, suggest_command
from seisdiff.segy import FIELDS, SegyWriter, open_segy, set_header_values
from seisdiff.survey import make_survey


def survey_of(step: float = 25.0, n_gathers: int = 4, fold: int = 24, first: float = 150.0, **values):
    samples = np.random.default_rng(0).standard_normal((n_gathers, fold, 30))
    offset = np.broadcast_to(np.rint(first + step * np.arange(fold)), samples.shape[:2])
    return make_survey(samples, dt_ms=4.0, offset=offset, gather=np.arange(101, 101 + n_gathers), trace_values=values)


def said(survey, **scalars) -> str:
    return "\n".join(f"{finding.what} -> {finding.advice}" for finding in check_headers(survey, scalars))


@pytest.mark.parametrize("step", [82.021, 41.01, 164.04, 110.0, 165.0, 220.0, 175.0, -175.0])
def test_spacings_usual_in_feet_are_suspected(step):
    finding = feet_suspicion(survey_of(step))
    assert finding is not None
    assert "--units ft" in finding.advice


@pytest.mark.parametrize("step", [5, 6.25, 10, 12.5, 18.75, 20, 25, 30, 37.5, 50, 75, 100, 28.5, 33.3])
def test_spacings_usual_in_metres_are_not(step):
    assert feet_suspicion(survey_of(step)) is None


def test_far_offsets_alone_are_suspected_only_at_odd_spacings():
    assert feet_suspicion(survey_of(100, fold=200)) is None
    finding = feet_suspicion(survey_of(93.0, fold=200))
    assert finding is not None
    assert "18.7 km" in finding.what


def test_no_suspicion_where_the_file_said_feet_or_has_no_offsets():
    survey = survey_of(82.021)
    assert feet_suspicion(survey.assign_attrs(length_unit="ft")) is None
    assert feet_suspicion(survey.drop_vars("offset")) is None
    assert feet_suspicion(survey_of(82.021, fold=3)) is None


def test_real_gathers_in_feet_and_in_metres(field_data):
    gulf = open_segy(field_data / "prestack/gom_cdp_nmo.su")
    finding = feet_suspicion(gulf)
    assert finding is not None
    assert "175" in finding.what
    assert "15993" in finding.what
    assert feet_suspicion(open_segy(field_data / "prestack/gom_cdp_nmo.su", units="ft")) is None
    metres = ["viking_small.segy", "syn_cmp_mult.su", "ground_roll_raw.su", "land_split_spread_shot.su"]
    for name in metres:
        assert feet_suspicion(open_segy(field_data / "prestack" / name)) is None, name


def test_real_scalar_that_is_garbage(field_data):
    view = describe(open_segy(field_data / "prestack/land_split_spread_shot.su"))
    words = " ".join(finding.what for finding in view.findings)
    assert "coordinate_scalar is 32" in words
    assert "0.03124 times the distances" in words


def test_trace_spacing_sees_through_gaps_and_both_sides():
    offset = np.delete(np.concatenate([-25.0 * np.arange(20, 0, -1), 25.0 * np.arange(1, 21)]), [3, 4, 30])
    survey = make_survey(np.zeros((37, 5)), dt_ms=4.0, offset=offset)
    assert trace_spacing(survey) == 25.0


def test_missing_words_are_said_with_the_option_to_type():
    survey = survey_of()
    assert said(survey) == ""
    assert "--key offset=BYTE" in said(survey.assign(offset=survey["offset"] * 0))
    shots = survey.assign_attrs(gather_keys=["field_record"]).drop_vars("cdp")
    assert "--key cdp=BYTE[:type] --gather cdp" in said(shots)
    whole = survey.assign_attrs(gather_keys=["all"])
    assert "--gather KEY" in said(whole)
    bins = np.arange(96)
    assert "--gather inline,crossline" in said(whole.assign(inline=("trace", bins), crossline=("trace", bins)))
    assert "hold one trace" in said(survey_of(fold=1, n_gathers=9))
    assert "sample interval is 40 ms" in said(survey.assign_coords(time=np.arange(30) * 40.0))
    assert "coordinate_scalar is 7;" in said(survey, coordinate_scalar=[-10, 7])


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1 / 0.3048, "is in feet"), (0.3048, "is in feet"), (0.01, "scalar was not applied"), (2.5, "0.4 times")],
)
def test_offsets_are_checked_against_coordinates(factor, words):
    survey = survey_of()
    offset = survey["offset"].values
    right = survey.assign(source_coord_x=("trace", 5e5 + offset), group_coord_x=("trace", 0 * offset + 5e5))
    assert said(right) == ""
    wrong = right.assign(source_coord_x=right["source_coord_x"] * factor, group_coord_x=right["group_coord_x"] * factor)
    assert words in said(wrong)


def test_offsets_implied_by_coordinates_are_named():
    survey = survey_of()
    offset = survey["offset"].values
    bare = survey.assign(
        offset=survey["offset"] * 0, source_coord_x=("trace", offset), group_coord_x=("trace", 0 * offset)
    )
    assert "coordinates imply 150 to 725 m -> take those with --key offset=coordinates" in said(bare)


def test_garbage_words():
    survey = survey_of()
    words = said(survey.assign(inline=("trace", np.full(96, 1108082688))).assign_attrs(container="su"))
    assert "inline holds 1108082688" in words
    assert "Seismic Unix keeps d1" in words


def test_header_ranges_are_those_of_the_arrays():
    channel = np.tile(np.r_[0, 0, 1:23], 4)
    rows = {row.name: row for row in header_ranges(survey_of(channel=channel, inline=np.zeros(96, int)))}
    assert set(rows) == {"cdp", "channel", "offset"}
    assert rows["channel"].model_dump() == {
        "name": "channel", "minimum": 0, "maximum": 22, "distinct": 23, "zeros": 8, "unit": "",
    }  # fmt: skip
    assert (rows["offset"].minimum, rows["offset"].maximum, rows["offset"].unit) == (150, 725, "m")


def test_recorded_scalars_are_shown():
    headers = set_header_values(np.zeros((96, 240), np.uint8), FIELDS["coordinate_scalar"], "big", -100)
    survey = survey_of().assign(trace_header=(("trace", "header_byte"), headers))
    row = next(row for row in header_ranges(survey) if row.name == "coordinate_scalar")
    assert (row.minimum, row.maximum, row.distinct) == (-100, -100, 1)


def test_amplitude_statistics_of_whole_and_of_bad_traces():
    survey = survey_of()
    samples = survey["amplitude"].values.copy()
    samples[5], samples[7, 3], samples[9, 4] = 0, np.nan, np.inf
    seen = amplitude_statistics(survey.assign(amplitude=(("trace", "time"), samples)))
    good = samples[np.isfinite(samples)]
    assert (seen.minimum, seen.maximum) == (good.min(), good.max())
    assert seen.rms == pytest.approx(np.sqrt(np.mean(good.astype(float) ** 2)))
    assert (seen.nonfinite_samples, seen.nonfinite_traces) == (2, [8, 10])
    assert (seen.zero_trace_count, seen.zero_traces) == (1, [6])
    assert seen.zero_percent == pytest.approx(100 * 30 / samples.size)
    assert not seen.sampled


def test_bad_traces_are_numbered_as_in_the_file():
    survey = survey_of()
    survey = survey.assign(source_trace=("trace", np.arange(96)[::-1].copy()))
    survey["amplitude"].values[0] = 0
    assert amplitude_statistics(survey).zero_traces == [96]


def test_large_surveys_are_sampled_unless_full(monkeypatch):
    monkeypatch.setattr(overview, "_BLOCK_BYTES", 8 * 30 * 3)
    survey = survey_of()
    sampled, full = amplitude_statistics(survey), amplitude_statistics(survey, full=True)
    assert (sampled.sampled, sampled.traces_read) == (True, 48)
    assert (full.sampled, full.traces_read) == (False, 96)
    monkeypatch.setattr(overview, "_BLOCK_BYTES", 10**9)
    whole = amplitude_statistics(survey)
    assert whole.rms == pytest.approx(full.rms)
    assert whole.model_copy(update={"rms": full.rms}) == full


def test_overview_as_json_and_for_the_terminal():
    survey = survey_of(82.021)
    survey["amplitude"].values[3, 3] = np.nan
    view = describe(survey, "my line.sgy", text="C 1 CLIENT [bold]")
    parsed = json.loads(view.model_dump_json())
    assert parsed["fold"] == {"minimum": 24, "median": 24.0, "maximum": 24}
    assert parsed["next_command"] == (
        "seisdiff demultiple 'my line.sgy' 'my line_out.sgy' --units ft --zero-nonfinite "
        "--removed 'my line_removed.sgy'"
    )
    out = StringIO()
    Console(file=out, width=200).print(view.as_rich(with_text=True))
    for words in ("0 to 116 ms, every 4 ms", "4 by cdp; fold 24", "in traces 4", "CLIENT [bold]", "--units ft"):
        assert words in out.getvalue(), words


def test_a_stack_is_sent_to_plot_and_a_shot_to_denoise():
    assert suggest_command(survey_of(fold=1), "stack.sgy", []) == "seisdiff plot stack.sgy -o stack.png"
    shots = survey_of().assign_attrs(gather_keys=["field_record"])
    assert suggest_command(shots, "a/shots.sgy", []).startswith("seisdiff denoise a/shots.sgy shots_out.sgy ")
    assert suggest_command(shots, "", []) == ""


def test_mapping_puts_the_main_words_where_the_container_has_them():
    moved = FIELDS["offset"].__class__("offset", 201)
    fields = main_fields("segy", {"offset": moved})
    assert fields["offset"].byte == 201
    assert fields["cdp_x"].byte == 181
    assert "angle" not in fields
    assert all(field.last_byte <= 180 for field in main_fields("su", {}).values())


def test_proposed_command_repeats_what_was_typed():
    survey = survey_of().assign_attrs(length_unit="ft")
    view = describe(survey, "line.su", typed="--units ft --key cdp=25")
    assert "--units ft --key cdp=25 --removed line_removed.su" in view.next_command


def test_describe_changes_nothing_and_survives_the_smallest():
    survey = survey_of(n_gathers=1, fold=1)
    before = survey.copy(deep=True)
    describe(survey, "one.sgy")
    assert survey.identical(before)
    view = describe(make_survey(np.full((1, 1), np.nan), dt_ms=4.0), "one.sgy")
    assert json.loads(view.model_dump_json())["amplitudes"]["rms"] == "NaN"
    Console(file=StringIO()).print(view.as_rich())


def test_every_flavour_is_described(field_data):
    for path in sorted((field_data / "flavours").iterdir()):
        if path.name not in ("text.sgy", "broken.sgy") and path.suffix != ".su":
            view = describe(open_segy(path), str(path))
            assert view.traces * view.samples > 0
            assert view.amplitudes.traces_read == view.traces


@pytest.fixture
def small_file(tmp_path):
    survey = survey_of(82.021)
    with SegyWriter(tmp_path / "small.sgy", survey) as writer:
        writer.write(slice(None), None, survey["amplitude"].values)
    return tmp_path / "small.sgy"


def test_info_command(small_file, tmp_path, capsys):
    mapping = tmp_path / "words.yaml"
    assert main(["info", str(small_file), "--json", "--write-mapping", str(mapping)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["traces"], told["gathers"], told["gather_keys"]) == (96, 4, ["cdp"])
    assert told["next_command"].count("--units ft") == 1
    assert main(["info", str(small_file), "--mapping", str(mapping), "--units", "ft", "--text"]) == 0
    out = capsys.readouterr().out
    assert "SEG-Y revision 1.0" in out
    assert "TRACES 96" in out
    assert f"--mapping {mapping} --units ft" in out.replace("\n", "")
    assert "look like feet" not in out


def test_info_command_on_what_is_no_survey(field_data, capsys):
    assert main(["info", str(field_data / "flavours/text.sgy")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
