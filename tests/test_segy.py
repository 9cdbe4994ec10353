"""Reading: header fields, scalars, units, axes, gathers, and lazy arrays."""

from __future__ import annotations

import itertools
import os
import pickle

import numpy as np
import pytest
import segyio
import segyio.su
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seisdiff.errors import FileFormatError, OptionError
from seisdiff.segy import (
    FIELDS,
    Field,
    describe_gathers,
    detect_layout,
    dump_mapping,
    header_values,
    load_mapping,
    open_segy,
    resolve_field,
    scan_headers,
    set_header_values,
)
from seisdiff.segy.grouping import choose_keys, group
from tests.strategies import FileSpec, file_specs, make_file, put, write_file

_FOOT = 0.3048


def _with_words(spec, folder, words: dict[tuple[int, str], object], binary: dict[int, int] | None = None):
    """Write a file whose trace headers (and binary header) hold the words given."""
    content = np.frombuffer(make_file(spec), np.uint8).copy()
    first = 0 if spec.container == "su" else 3600
    size = len(content[first:]) // spec.n_traces
    headers = content[first:].reshape(spec.n_traces, size)
    for (byte, kind), values in words.items():
        put(headers, spec.byte_order, byte, kind, np.asarray(values))
    for byte, value in (binary or {}).items():
        content[byte - 1 : byte + 1] = np.frombuffer(value.to_bytes(2, spec.byte_order, signed=True), np.uint8)
    path = folder / f"words{spec.suffix}"
    path.write_bytes(content.tobytes())
    return path


@pytest.mark.parametrize(
    ("text", "name", "byte", "kind"),
    [("cdp", "cdp", 21, "i4"), ("fldr", "field_record", 9, "i4"), ("EP", "shot_point", 17, "i4"),
     ("FieldRecord", "field_record", 9, "i4"), ("offset=41", "offset", 41, "i4"), ("cdp=21:i2", "cdp", 21, "i2"),
     ("37", "offset", 37, "i4"), ("37:i4", "offset", 37, "i4"), ("38:u2", "byte_38", 38, "u2"),
     ("sx=181:f4", "source_coord_x", 181, "f4"),
     ("INLINE_3D", "inline", 189, "i4"), (" gx ", "group_coord_x", 81, "i4")],
)  # fmt: skip
def test_fields_are_found_by_name_alias_and_byte(text, name, byte, kind):
    field = resolve_field(text)
    assert (field.name, field.byte, field.type) == (name, byte, kind)


@pytest.mark.parametrize(
    ("text", "says"), [("ofset", "'offset'"), ("cpd=21", "'cdp'"), ("0", "counted from 1"), ("offset=x", "offset=37"),
                       ("cdp=21:i3", "i4"), ("offset=-4", "counted from 1"), ("", "nearest")]
)  # fmt: skip
def test_wrong_fields_say_what_is_right(text, says):
    with pytest.raises(OptionError, match=says):
        resolve_field(text)


def test_aliases_are_those_of_segyio():
    for word, byte in vars(segyio.su.words).items():
        if word.islower() and isinstance(byte, int | segyio.TraceField) and int(byte) < 233:
            assert resolve_field(word).byte == int(byte), word
    for name, byte in segyio.tracefield.keys.items():
        if not name.startswith("Unassigned"):
            assert resolve_field(name).byte == int(byte)


def test_fields_do_not_overlap_and_names_are_unique():
    names = [word.lower() for field in FIELDS.values() for word in (field.name, *field.aliases)]
    assert len(names) == len(set(names))
    standard = [field for field in FIELDS.values() if not field.name.startswith("su_") and field.name != "angle"]
    assert all(a.last_byte < b.byte for a, b in itertools.pairwise(standard))


def test_mappings_come_back(tmp_path):
    fields = {"offset": resolve_field("offset=41"), "cdp": resolve_field("cdp=9:i2")}
    dump_mapping(tmp_path / "map.yaml", fields)
    assert load_mapping(tmp_path / "map.yaml") == fields
    (tmp_path / "map.yaml").write_text("fldr: 13\nsx: {byte: 181, type: f4}\n")
    loaded = load_mapping(tmp_path / "map.yaml")
    assert (loaded["field_record"].byte, loaded["source_coord_x"].type) == (13, "f4")
    for wrong in ("ofset: 37", "- offset", "offset: [1]", "offset: {bite: 3}", "offset: true", "a: {b", "offset: 3.5"):
        (tmp_path / "map.yaml").write_text(wrong)
        with pytest.raises(OptionError):
            load_mapping(tmp_path / "map.yaml")
    with pytest.raises(OptionError, match="absent"):
        load_mapping(tmp_path / "absent.yaml")


@given(spec=file_specs())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scanned_headers_are_those_in_the_bytes(tmp_path, spec):
    layout = detect_layout(write_file(spec, tmp_path))
    content = make_file(spec)
    values = scan_headers(layout, list(FIELDS.values()))
    for field in FIELDS.values():
        starts = [layout.first_trace + trace * layout.trace_bytes + field.byte - 1 for trace in range(layout.n_traces)]
        words = b"".join(content[start : start + field.last_byte - field.byte + 1] for start in starts)
        expected = np.frombuffer(words, field.dtype(spec.byte_order))
        assert values[field.name].tobytes() == expected.astype(expected.dtype.newbyteorder("=")).tobytes()


def test_many_traces_are_scanned_in_blocks(tmp_path):
    layout = detect_layout(write_file(FileSpec(n_samples=2, folds=(3000,) * 15), tmp_path))
    values = scan_headers(layout, [FIELDS["cdp"], FIELDS["trace_seq_file"]])
    assert (values["cdp"] == np.repeat(np.arange(15) + 11, 3000)).all()
    assert (values["trace_seq_file"] == np.arange(45000) + 1).all()


def test_fields_beyond_the_header_are_refused(tmp_path):
    path = write_file(FileSpec(), tmp_path)
    with pytest.raises(OptionError, match="beyond"):
        scan_headers(detect_layout(path), [Field("far", 238, "i4")])
    with pytest.raises(OptionError, match="beyond"):
        open_segy(path, keys={"offset": resolve_field("offset=300")})


def test_scalars_multiply_and_divide(tmp_path):
    spec = FileSpec(folds=(5,))
    scalars = np.array([-100, 10, 0, 1, -32768])
    words = {(71, "i2"): scalars, (69, "i2"): scalars[::-1], (73, "i4"): 123456, (41, "i4"): -7}
    survey = open_segy(_with_words(spec, tmp_path, words))
    factors = np.array([0.01, 10, 1, 1, 1 / 32768])
    np.testing.assert_allclose(survey["source_coord_x"], 123456 * factors, rtol=1e-15)
    np.testing.assert_allclose(survey["receiver_elevation"], -7 * factors[::-1], rtol=1e-15)


def test_feet_become_metres_and_degrees_stay(tmp_path):
    spec = FileSpec(folds=(4,))
    words = {(71, "i2"): 1, (73, "i4"): 5000, (41, "i4"): 30, (37, "i4"): 1000, (89, "i2"): [0, 1, 2, 3]}
    feet = open_segy(_with_words(spec, tmp_path, words, {3255: 2}))
    assert feet.attrs["length_unit"] == "ft"
    np.testing.assert_allclose(feet["offset"], 1000 * _FOOT)
    np.testing.assert_allclose(feet["receiver_elevation"], 30 * _FOOT)
    np.testing.assert_allclose(feet["source_coord_x"], [5000 * _FOOT, 5000 * _FOOT, 5000, 5000])
    path = tmp_path / "words.sgy"
    np.testing.assert_array_equal(open_segy(path, units="m")["offset"], 1000)
    metres = _with_words(spec, tmp_path, words, {3255: 1})
    assert open_segy(metres).attrs["length_unit"] == "m"
    np.testing.assert_allclose(open_segy(metres, units="ft")["offset"], 1000 * _FOOT)
    with pytest.raises(OptionError, match="m or ft"):
        open_segy(metres, units="km")


def test_a_delay_is_in_the_axis_or_in_each_trace(tmp_path):
    spec = FileSpec(folds=(3,), n_samples=5)
    constant = open_segy(_with_words(spec, tmp_path, {(109, "i2"): 120}))
    assert constant["time"].values.tolist() == [120, 124, 128, 132, 136]
    assert "delay" not in constant
    scaled = open_segy(_with_words(spec, tmp_path, {(109, "i2"): 125, (215, "i2"): -10, (113, "i2"): 4}))
    assert scaled["time"].values[0] == 12.5
    assert scaled["mute_end"].values.tolist() == [0.4] * 3
    varying = open_segy(_with_words(spec, tmp_path, {(109, "i2"): [0, 10, -20], (215, "i2"): [1, 10, 77]}))
    assert varying["time"].values[0] == 0
    assert varying["delay"].values.tolist() == [0, 100, -20]
    depth = open_segy(tmp_path / "words.sgy", axis="depth")
    assert depth["amplitude"].dims == ("trace", "depth")
    assert depth["depth"].values.tolist() == [0, 4, 8, 12, 16]
    assert depth["depth"].attrs["units"] == "m"
    with pytest.raises(OptionError, match="time or depth"):
        open_segy(tmp_path / "words.sgy", axis="frequency")


def test_real_delay_with_a_scalar(field_data):
    survey = open_segy(field_data / "flavours/delay-scalar.sgy")
    assert survey["time"].values[:2].tolist() == [1000, 1004]


def test_intervals_of_both_headers(tmp_path, field_data):
    spec = FileSpec(n_samples=5)
    assert open_segy(_with_words(spec, tmp_path, {}, {3217: -2000}))["time"].values[1] == 4
    assert open_segy(_with_words(spec, tmp_path, {(117, "i2"): 1000}))["time"].values[1] == 4
    assert open_segy(_with_words(spec, tmp_path, {(117, "i2"): 1000}, {3217: 0}))["time"].values[1] == 1
    for name in ("interval-neg-bin-neg-trace.sgy", "interval-pos-bin-neg-trace.sgy"):
        assert open_segy(field_data / "flavours" / name)["time"].values.tolist() == [0]


def test_su_keeps_other_things_where_segy_has_coordinates(tmp_path):
    spec = FileSpec(container="su", folds=(4,))
    words = {(181, "f4"): 0.004, (189, "f4"): 25.0, (215, "i2"): 10, (109, "i2"): 7}
    survey = open_segy(_with_words(spec, tmp_path, words))
    assert not {"cdp_x", "cdp_y", "inline", "crossline"} & set(survey.data_vars)
    assert survey["time"].values[0] == 7
    asked = open_segy(tmp_path / "words.su", keys={"inline": resolve_field("inline=189:f4")})
    assert asked["inline"].values.tolist() == [25.0] * 4


def test_keys_put_fields_elsewhere(tmp_path):
    spec = FileSpec(folds=(2, 2))
    path = _with_words(spec, tmp_path, {(181, "i4"): [5, 6, 5, 6], (233, "i4"): [9, 8, 7, 6]})
    keys = {"cdp": resolve_field("cdp=181"), "offset": resolve_field("offset=233")}
    survey = open_segy(path, keys=keys)
    assert survey["offset"].values.tolist() == [9, 8, 7, 6]
    assert survey.attrs["header_fields"]["offset"] == "233:i4"
    grouped = open_segy(path, keys=keys, gather=["cdp"], sort=["offset"])
    assert grouped["gather"].values.tolist() == [5, 6]
    assert grouped["source_trace"].values.tolist() == [2, 0, 3, 1]
    assert open_segy(path, gather=["181:i4"]).attrs["gather_keys"] == ["cdp_x"]
    assert open_segy(path, keys={"angle": resolve_field("angle=233")})["angle"].values.tolist() == [9, 8, 7, 6]


def test_variables_that_are_all_zero_are_left_out(tmp_path):
    survey = open_segy(_with_words(FileSpec(folds=(2,)), tmp_path, {(37, "i4"): 0, (21, "i4"): 0, (73, "i4"): 0}))
    assert {"offset", "cdp", "trace_id_code"} <= set(survey.data_vars)
    assert not {"source_coord_x", "inline", "mute_end"} & set(survey.data_vars)
    assert "live" not in survey


@pytest.mark.parametrize(
    ("cdp", "shot", "expected"),
    [
        ([1, 1, 2, 2], [0, 0, 0, 0], ("cdp",)),
        ([1, 1, 2, 2], [5, 5, 5, 5], ("cdp",)),
        ([1, 2, 1, 2], [5, 5, 6, 6], ("field_record",)),
        ([1, 1, 2, 2], [5, 5, 6, 6], ("cdp",)),
        ([7, 7, 7, 7], [5, 5, 6, 6], ("field_record",)),
        ([1, 2, 3, 4], [0, 0, 0, 0], ("all",)),
        ([1, 2, 3, 4], [4, 3, 2, 1], ("all",)),
        ([0, 0, 0, 0], [0, 0, 0, 0], ("all",)),
        ([1, 2, 1, 2], [5, 6, 6, 5], ("cdp",)),
        ([0, 0, 0, 0], [5, 6, 6, 5], ("field_record",)),
        ([1, 2, 3, 3], [0, 0, 0, 0], ("cdp",)),
    ],
)
def test_the_contiguous_key_with_more_gathers_is_chosen(cdp, shot, expected):
    assert choose_keys({"cdp": np.array(cdp), "field_record": np.array(shot)}) == expected


def test_scattered_gathers_are_sorted_by_key_and_contiguous_ones_stay():
    numbers = {"cdp": np.array([9, 9, 3, 3, 3]), "inline": np.array([2, 1, 2, 1, 2])}
    stay = group(["cdp"], numbers, 5)
    assert stay.order is None
    assert (stay.fold.tolist(), stay.values["cdp"].tolist()) == ([2, 3], [9, 3])
    both = group(["inline", "cdp"], numbers, 5)
    assert both.order is not None
    assert both.order.tolist() == [3, 1, 2, 4, 0]
    assert both.values["inline"].tolist() == [1, 1, 2, 2]
    assert both.values["cdp"].tolist() == [3, 9, 3, 9]
    assert both.fold.tolist() == [1, 1, 2, 1]
    inside = group(["cdp"], numbers, 5, [np.array([5.0, -5.0, 1.0, 1.0, 0.0])])
    assert inside.order is not None
    assert inside.order.tolist() == [1, 0, 4, 2, 3]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), min_size=1, max_size=30))
@settings(deadline=None)
def test_grouping_keeps_every_trace_once_and_gathers_whole(pairs):
    keys, offsets = (np.array(column) for column in zip(*pairs, strict=True))
    found = group(["cdp"], {"cdp": keys}, len(keys), [offsets])
    order = np.arange(len(keys)) if found.order is None else found.order
    assert sorted(order) == list(range(len(keys)))
    assert len(set(found.values["cdp"])) == len(found.fold)
    parts = np.split(order, np.cumsum(found.fold)[:-1])
    for part, value in zip(parts, found.values["cdp"], strict=True):
        assert (keys[part] == value).all()
        assert list(zip(offsets[part], part, strict=True)) == sorted(zip(offsets[part], part, strict=True))


def test_several_keys_number_the_gathers(tmp_path):
    path = _with_words(FileSpec(folds=(4,)), tmp_path, {(189, "i4"): [7, 7, 8, 8], (193, "i4"): [1, 2, 1, 2]})
    survey = open_segy(path, gather=["inline", "crossline"])
    assert survey["gather"].values.tolist() == [1, 2, 3, 4]
    assert survey["gather_inline"].values.tolist() == [7, 7, 8, 8]
    assert survey["gather_crossline"].values.tolist() == [1, 2, 1, 2]
    assert "inline, crossline" in describe_gathers(survey)


def test_the_choice_is_described(field_data, tmp_path):
    viking = open_segy(field_data / "prestack/viking_small.segy")
    assert describe_gathers(viking) == "gathers by field_record: 4, fold 120, 480 traces"
    gulf = open_segy(field_data / "prestack/gom_cdp_nmo.su", gather=["all"], sort=["offset"])
    assert describe_gathers(gulf) == "the whole survey as one gather, fold 92, 92 traces, sorted by offset"
    assert (np.diff(gulf["offset"].values) >= 0).all()
    with pytest.raises(OptionError, match="no other key"):
        open_segy(write_file(FileSpec(), tmp_path), gather=["all", "cdp"])


def test_arrays_are_lazy_and_take_slices_and_lists(tmp_path):
    path = write_file(FileSpec(folds=(30, 30), n_samples=11, shuffled=True), tmp_path)
    for reading in ({}, {"gather": ["cdp"], "sort": ["offset"]}):
        survey, whole = open_segy(path, **reading), open_segy(path, **reading).load()
        for name in ("amplitude", "raw_exception", "trace_header"):
            for key in (np.s_[3:7], np.s_[[5, 1, 9]], np.s_[4], np.s_[::-3], np.s_[2:9, 1:4], np.s_[[3, 2], ::2],
                        np.s_[7, 3], np.s_[1:1], np.s_[:, [4, 0]], np.s_[-1], np.s_[5:2]):  # fmt: skip
                np.testing.assert_array_equal(survey[name][key], whole[name].values[key])
        for name in ("offset", "cdp", "source_coord_x"):
            for key in (np.s_[3:7], np.s_[[5, 1, 9]], np.s_[4], np.s_[::-3]):
                np.testing.assert_array_equal(survey[name][key], whole[name].values[key])


def test_samples_are_read_when_they_are_asked_for(tmp_path):
    path = write_file(FileSpec(folds=(4, 4), n_samples=30, sample_format="ieee32"), tmp_path)
    survey = open_segy(path)
    os.remove(path)
    assert survey["fold"].values.tolist() == [4, 4]
    with pytest.raises(FileFormatError, match="cannot be read"):
        pickle.loads(pickle.dumps(survey))["amplitude"].load()


def test_a_file_that_became_shorter_is_refused(tmp_path):
    path = write_file(FileSpec(folds=(4, 4)), tmp_path)
    survey = pickle.loads(pickle.dumps(open_segy(path)))
    os.truncate(path, 4000)
    with pytest.raises(FileFormatError, match="became shorter"):
        survey["amplitude"].load()


def test_surveys_can_be_pickled(tmp_path):
    path = write_file(FileSpec(folds=(5, 5), shuffled=True), tmp_path)
    survey = open_segy(path, gather=["cdp"])
    again = pickle.loads(pickle.dumps(survey))
    assert again.identical(survey.load())


def test_header_values_are_read_and_set():
    headers = np.zeros((3, 240), np.uint8)
    for order in ("big", "little"):
        made = set_header_values(headers, FIELDS["offset"], order, np.array([-5, 0, 2**31 - 1]))
        assert header_values(made, FIELDS["offset"], order).tolist() == [-5, 0, 2**31 - 1]
        assert not headers.any()
    with pytest.raises(OptionError, match="does not fit"):
        set_header_values(headers, FIELDS["trace_id_code"], "big", 40000)
    with pytest.raises(OptionError, match="beyond"):
        header_values(headers, Field("far", 239, "i4"), "big")
