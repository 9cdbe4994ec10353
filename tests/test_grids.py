"""Gridded datasets go into surveys and come back on the same grid, by the names of MDIO and segysak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import seisdiff as sd
from seisdiff.errors import OptionError, SurveyError
from seisdiff.survey import make_survey
from tests.small_lines import small_line

GATHERS, TRACES, SAMPLES = 4, 16, 250
KEPT = ("amplitude", "offset", "gather", "fold", "cdp", "time")


def mdio(line: xr.Dataset, dtype: str = "float32") -> xr.Dataset:
    """Return a line laid out as MDIO lays out CDP gathers."""
    headers = np.zeros((GATHERS, TRACES), [("cdp", "i4"), ("offset", "i4")])
    return xr.Dataset(
        {
            "amplitude": (
                ("cdp", "offset", "time"),
                line["amplitude"].values.reshape(GATHERS, TRACES, -1).astype(dtype),
            ),
            "trace_mask": (("cdp", "offset"), np.ones((GATHERS, TRACES), bool)),
            "headers": (("cdp", "offset"), headers),
        },
        coords={
            "cdp": line["gather"].values.astype("i4"),
            "offset": ("offset", line["offset"].values[:TRACES].astype("i4"), {"unitsV1": {"length": "m"}}),
            "time": ("time", line["time"].values.astype("i4"), {"unitsV1": {"time": "ms"}}),
            "cdp_x": ("cdp", 500_000.0 + np.arange(GATHERS)),
        },
        attrs={"surveyType": "2D", "gatherType": "cdp", "defaultVariableName": "amplitude"},
    )


@pytest.fixture(scope="module")
def line() -> xr.Dataset:
    return small_line(GATHERS, TRACES, SAMPLES).full


@pytest.fixture(scope="module")
def expected(line: xr.Dataset) -> np.ndarray:
    return sd.demultiple(line)["amplitude"].values.reshape(GATHERS, TRACES, SAMPLES)


def test_from_grid_undoes_to_grid(line: xr.Dataset) -> None:
    backwards = line.isel(trace=slice(None, None, -1), gather=slice(None, None, -1))
    for survey in (
        line,
        backwards,
        line.isel(trace=slice(0, 40), gather=slice(0, 3)).assign(fold=("gather", [16, 16, 8])),
    ):
        back = sd.from_grid(sd.to_grid(survey))
        for name in KEPT:
            np.testing.assert_array_equal(back[name].values, survey[name].values, err_msg=name)
        assert back.attrs["gather_keys"] == ["cdp"]


def test_an_mdio_store_is_restored_as_the_survey_is(line: xr.Dataset, expected: np.ndarray, tmp_path: Path) -> None:
    store = tmp_path / "line.mdio"
    chunked = mdio(line).drop_vars("headers").chunk({"cdp": 3, "offset": 5, "time": 64})
    chunked.to_zarr(store, consolidated=False, zarr_format=3)
    opened = xr.open_zarr(store, consolidated=False)
    clean = sd.demultiple(opened)
    assert clean["amplitude"].chunks is not None
    assert list(clean.variables) == list(opened.variables)
    assert clean.attrs == opened.attrs
    np.testing.assert_array_equal(clean["amplitude"].values, expected)
    clean.drop_encoding().to_zarr(tmp_path / "clean.mdio", consolidated=False, zarr_format=3)
    again = xr.open_zarr(tmp_path / "clean.mdio", consolidated=False)
    np.testing.assert_array_equal(again["amplitude"].values, expected)


@pytest.mark.parametrize("chunks", [None, {"cdp": 1}])
def test_layout_names_and_the_rest_come_back(line: xr.Dataset, expected: np.ndarray, chunks: dict | None) -> None:
    grid = mdio(line, "float64").transpose("time", "offset", "cdp")
    clean = sd.demultiple(grid if chunks is None else grid.chunk(chunks))
    assert clean["amplitude"].dims == ("time", "offset", "cdp")
    assert clean["amplitude"].dtype == np.float64
    np.testing.assert_allclose(clean["amplitude"].transpose("cdp", "offset", "time"), expected, atol=1e-5)
    assert clean.drop_vars("amplitude").compute().equals(grid.drop_vars("amplitude"))


def test_names_of_segysak_and_several_dims_of_gathers(line: xr.Dataset, expected: np.ndarray) -> None:
    data = line["amplitude"].values.reshape(2, 2, TRACES, SAMPLES)
    ends = {"iline": [10, 11], "xline": [7, 9], "offset": line["offset"].values[:TRACES], "twt": line["time"].values}
    grid = xr.Dataset({"data": (("iline", "xline", "offset", "twt"), data)}, coords=ends)
    grid["cdp-y"] = (("iline", "xline"), [[1.0, 2.0], [3.0, 4.0]])
    survey = sd.from_grid(grid)
    assert survey.attrs["gather_keys"] == ["inline", "crossline"]
    assert survey["gather"].values.tolist() == [1, 2, 3, 4]
    assert survey["gather_crossline"].values.tolist() == [7, 9, 7, 9]
    assert survey["inline"].values[::TRACES].tolist() == [10, 10, 11, 11]
    assert survey["cdp_y"].values[::TRACES].tolist() == [1, 2, 3, 4]
    for one in (grid, grid.chunk({"iline": 1, "xline": 1, "offset": 3})):
        clean = sd.demultiple(one)
        assert clean["data"].dims == grid["data"].dims
        np.testing.assert_array_equal(clean["data"].values.reshape(expected.shape), expected)


def test_units_are_taken_from_attributes(line: xr.Dataset) -> None:
    grid = mdio(line)
    grid["offset"] = ("offset", grid["offset"].values / 0.3048, {"unitsV1": {"length": "ft"}})
    grid["time"] = ("time", grid["time"].values / 1000, {"units": "s"})
    survey = sd.from_grid(grid)
    np.testing.assert_allclose(survey["offset"].values, line["offset"].values)
    np.testing.assert_allclose(survey["time"].values, line["time"].values)


def test_shots_without_offsets_take_them_from_coordinates() -> None:
    x = 100.0 * np.arange(3)[:, None] - np.array([50.0, 75.0, 100.0, 125.0])
    grid = xr.Dataset(
        {"amplitude": (("shot_point", "channel", "time"), np.ones((3, 4, 5), "f4"))},
        coords={
            "shot_point": [1, 2, 3], "channel": [1, 2, 3, 4], "time": [0, 2, 4, 6, 8],
            "source_coord_x": ("shot_point", 100.0 * np.arange(3)), "source_coord_y": ("shot_point", np.zeros(3)),
            "group_coord_x": (("shot_point", "channel"), x), "group_coord_y": (("shot_point", "channel"), 0 * x),
        },
    )  # fmt: skip
    survey = sd.from_grid(grid)
    assert survey["offset"].values.tolist() == [50, 75, 100, 125] * 3
    assert survey.attrs["gather_keys"] == ["shot_point"]
    assert survey["channel"].values.tolist() == [1, 2, 3, 4] * 3


@pytest.mark.parametrize("with_mask", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_empty_cells_are_left_alone_or_filled(line: xr.Dataset, with_mask: bool, chunked: bool) -> None:
    grid = mdio(line)
    grid["amplitude"][1, 5], grid["amplitude"][3] = np.nan, np.nan
    grid["trace_mask"][1, 5], grid["trace_mask"][3] = False, False
    grid = grid if with_mask else grid.drop_vars("trace_mask")
    given = grid.chunk({"cdp": 2}) if chunked else grid
    survey = sd.from_grid(grid)
    assert survey["fold"].values.tolist() == [16, 15, 16]
    clean = sd.demultiple(given)["amplitude"].values
    np.testing.assert_array_equal(np.isnan(clean), np.isnan(grid["amplitude"].values))
    np.testing.assert_array_equal(clean[~np.isnan(clean)], sd.demultiple(survey)["amplitude"].values.ravel())
    filled = sd.interpolate(given)
    assert np.isfinite(filled["amplitude"].values[:3]).all()
    assert filled["amplitude"].values[1, 5].any()
    np.testing.assert_array_equal(np.delete(filled["amplitude"][1], 5, 0), np.delete(grid["amplitude"][1], 5, 0))
    if with_mask:
        assert filled["trace_mask"].values.sum(axis=1).tolist() == [16, 16, 16, 0]


def test_a_grid_is_written_with_headers_of_its_own(line: xr.Dataset, tmp_path: Path) -> None:
    sd.to_segy(mdio(line), tmp_path / "line.sgy")
    back = sd.open(tmp_path / "line.sgy")
    np.testing.assert_array_equal(back["amplitude"].values, line["amplitude"].values)
    assert back["cdp_x"].values[::TRACES].tolist() == [500_000, 500_001, 500_002, 500_003]
    np.testing.assert_array_equal(back["offset"].values, line["offset"].values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda grid: grid.rename(amplitude="velocity"), "no variable of amplitudes: expected one of amplitude, data"),
        (lambda grid: grid.rename(time="t"), "no vertical dim of amplitude"),
        (lambda grid: grid.rename(offset="fold_number"), "no dim along the gathers"),
        (lambda grid: grid.drop_vars("time"), "time has no coordinate"),
    ],
)
def test_what_is_missing_is_named(line: xr.Dataset, change, words: str) -> None:
    with pytest.raises(SurveyError, match=words):
        sd.from_grid(change(mdio(line)))


def test_new_traces_have_no_place_on_a_grid(line: xr.Dataset) -> None:
    with pytest.raises(OptionError, match="from_grid"):
        sd.interpolate(mdio(line), refine=2)


def test_a_gather_alone_is_a_grid_too() -> None:
    survey = make_survey(np.arange(6.0).reshape(2, 3), dt_ms=2, offset=[10, 20])
    grid = xr.Dataset(
        {"amplitude": (("offset", "time"), survey["amplitude"].values)}, {"offset": [10, 20], "time": [0, 2, 4]}
    )
    back = sd.from_grid(grid)
    assert back["fold"].values.tolist() == [2]
    np.testing.assert_array_equal(back["amplitude"].values, survey["amplitude"].values)


@pytest.mark.parametrize("dtype", ["int16", "int32"])
@pytest.mark.parametrize("lazy", [False, True])
def test_integers_are_rounded_and_clipped(line: xr.Dataset, dtype: str, lazy: bool) -> None:
    largest = np.iinfo(dtype).max
    scaled = line["amplitude"] * (1.2 * largest / float(np.abs(line["amplitude"]).max()))
    exact = np.clip(np.rint(scaled.values.astype(float)), -largest, largest)
    grid = mdio(line.assign(amplitude=(("trace", "time"), exact)), dtype)
    wanted = sd.denoise(sd.from_grid(grid), method="fx")["amplitude"].values
    made = sd.denoise(grid.chunk() if lazy else grid, method="fx")["amplitude"]
    assert made.dtype == dtype
    info = np.iinfo(dtype)
    rounded = np.clip(np.rint(wanted.astype(float)), info.min, info.max)
    assert np.array_equal(made.values.reshape(rounded.shape), rounded)
    gone = grid.assign(amplitude=grid["amplitude"].where(grid["offset"] != grid["offset"][5], 0))
    gone["trace_mask"] = gone["trace_mask"] & (gone["offset"] != gone["offset"][5])
    filled = sd.interpolate(gone, method="pocs")["amplitude"]
    assert filled.dtype == grid["amplitude"].dtype
    assert np.array_equal(filled.isel(offset=slice(6, None)), grid["amplitude"].isel(offset=slice(6, None)))
    assert filled.isel(offset=5).any()


def test_units_of_axes_are_understood_or_refused(line: xr.Dataset, expected: np.ndarray) -> None:
    def with_units(dim: str, factor: float, units: str) -> xr.Dataset:
        return mdio(line).assign_coords({dim: (dim, mdio(line)[dim].values * factor, {"units": units})})

    for told in (with_units("time", 1e3, "us"), with_units("time", 1e-3, "seconds"), with_units("offset", 1e-3, "km")):
        close = np.abs(sd.demultiple(told)["amplitude"].values - expected).max()
        assert close < 1e-4 * np.abs(expected).max()
    for dim in ("time", "offset"):
        with pytest.raises(SurveyError, match=f"{dim} has units 'furlong'; expected one of m"):
            sd.from_grid(with_units(dim, 1, "furlong"))
    with pytest.raises(SurveyError, match="complex"):
        sd.from_grid(mdio(line, "complex64"))


def test_gathers_without_numbers_are_counted(line: xr.Dataset) -> None:
    grid = mdio(line).assign_coords(cdp=[f"line {number}" for number in range(GATHERS)])
    assert sd.from_grid(grid)["gather"].values.tolist() == list(range(GATHERS))


def test_holes_of_a_grid_are_filled_in_their_gathers(line: xr.Dataset) -> None:
    holes = [3, 20, 37]
    with_holes = line.assign(live=("trace", ~np.isin(np.arange(GATHERS * TRACES), holes)))
    with_holes["amplitude"] = with_holes["amplitude"].where(with_holes["live"], 0).astype(np.float32)
    grid = sd.to_grid(with_holes)
    assert not grid["amplitude"].values.reshape(-1, SAMPLES)[holes].any()
    filled = sd.interpolate(grid, method="pocs")["amplitude"].values.reshape(-1, SAMPLES)
    assert np.array_equal(filled, sd.interpolate(with_holes, method="pocs")["amplitude"].values)
    assert filled[holes].any(axis=1).all()


def test_gathers_of_two_keys_come_back_from_a_grid(line: xr.Dataset) -> None:
    numbers = np.repeat([[4, 4, 5, 5], [1, 2, 1, 2]], TRACES, axis=1)
    survey = line.drop_vars("cdp").assign(
        inline=("trace", numbers[0]), crossline=("trace", numbers[1]),
        gather_inline=("gather", [4, 4, 5, 5]), gather_crossline=("gather", [1, 2, 1, 2]),
    )  # fmt: skip
    survey = survey.assign_coords(gather=np.arange(GATHERS) + 1).assign_attrs(gather_keys=["inline", "crossline"])
    back = sd.from_grid(sd.to_grid(survey))
    for name in ("amplitude", "inline", "crossline", "gather", "gather_inline", "gather_crossline"):
        assert np.array_equal(back[name].values, survey[name].values), name
    made = sd.denoise(sd.to_grid(survey), method="fx")
    assert np.array_equal(
        made["amplitude"].values.reshape(-1, SAMPLES), sd.denoise(survey, method="fx")["amplitude"].values
    )
    assert survey.attrs["history"] == []
    assert len(made.attrs["history"]) == 1


def test_a_grid_has_no_place_for_delays(line: xr.Dataset) -> None:
    with pytest.raises(SurveyError, match="recording delays differ"):
        sd.to_grid(line.assign(delay=("trace", np.arange(GATHERS * TRACES) * 4.0)))
