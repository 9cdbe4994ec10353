"""The tasks as functions: surveys, grids, arrays and dask give the samples of the command, and say what is wrong."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from safetensors.torch import load_file, save_file

import seisdiff as sd
from seisdiff.config import make_recipe, recipe_values
from seisdiff.errors import OptionError, OutputError, SeisdiffError, SurveyError
from seisdiff.pretrained import SHIPPED
from seisdiff.sources import reading_options
from seisdiff.xarray_backend import SeisdiffBackend
from tests.small_lines import RawFile, line_file, small_line

_TRACES = 16
TASKS = [
    ("demultiple", "unet", {"start_ms": "auto", "protect_ms": 10}),
    ("demultiple", "radon", {"cut_ms": 40, "moveout_ms": "-50:200:25", "kind": "parabolic"}),
    ("denoise", "fx", {}),
    ("interpolate", "unet", {}),
]


ARRAY = {"dt_ms": 4.0, "offsets": np.arange(64.0)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A line of four gathers, the ninth trace of each dead."""
    line = small_line().full.copy(deep=True)
    line["amplitude"].values[8::_TRACES] = 0
    return line_file(tmp_path / "line.sgy", line, "ibm32")


def by_command(path: Path, task: str, method: str, options: dict) -> Path:
    out = path.with_name("by_command.sgy")
    sd.restore_file(str(path), str(out), make_recipe(recipe_values(task, method, options)))
    return out


def samples(path: Path) -> np.ndarray:
    return sd.open(path)["amplitude"].values


@pytest.mark.parametrize(("task", "method", "options"), TASKS)
@pytest.mark.parametrize("way", ["open", "dask", "backend", "backend with dask"])
def test_every_way_in_and_out_gives_the_bytes_of_the_command(
    path: Path, task: str, method: str, options: dict, way: str
) -> None:
    survey = {
        "open": lambda: sd.open(path),
        "dask": lambda: sd.open(path).chunk({"trace": 20, "time": 100}),
        "backend": lambda: xr.open_dataset(path, engine=SeisdiffBackend),
        "backend with dask": lambda: xr.open_dataset(path, engine=SeisdiffBackend, chunks={}),
    }[way]()
    restored = getattr(sd, task)(survey, method=method, **options)
    assert (restored["amplitude"].chunks is not None) == ("dask" in way)
    sd.to_segy(restored, path.with_name("out.sgy"))
    assert filecmp.cmp(path.with_name("out.sgy"), by_command(path, task, method, options), shallow=False)


@pytest.mark.parametrize(("task", "method", "options"), TASKS)
def test_arrays_give_the_samples_of_the_command(path: Path, task: str, method: str, options: dict) -> None:
    survey = sd.open(path)
    data = survey["amplitude"].values.reshape(-1, _TRACES, survey.sizes["time"])
    offsets = survey["offset"].values[:_TRACES]
    restored = getattr(sd, task)(data, dt_ms=4.0, offsets=offsets, method=method, **options)
    expected = samples(by_command(path.with_name("line.sgy"), task, method, options)).reshape(data.shape)
    assert restored.shape == data.shape
    rms = float(np.sqrt(np.mean(expected**2)))
    assert np.abs(restored - expected).max() < 1e-5 * rms  # IBM words of the file round


def test_one_gather_as_an_array_comes_back_as_one() -> None:
    line = small_line().full
    gather, offsets = line["amplitude"].values[:_TRACES], line["offset"].values[:_TRACES]
    one = sd.demultiple(gather, dt_ms=4, offsets=offsets, method="radon")
    assert one.shape == gather.shape
    assert not np.array_equal(one, gather)
    denser = sd.interpolate(gather, dt_ms=4, offsets=offsets, method="pocs", refine=2)
    assert denser.shape == (2 * _TRACES - 1, gather.shape[1])
    assert np.array_equal(denser[::2], gather)


def test_units_of_a_lazy_result_are_those_of_the_eager_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seisdiff.units._COPIES_IN_FLIGHT", 4000)  # two units
    run = sd.RunOptions(memory_gib=0.05)
    survey = sd.open(path)
    eager = sd.interpolate(survey, run=run)
    lazy = sd.interpolate(survey.chunk({"trace": 7}), run=run)
    assert len(lazy["amplitude"].chunks[0]) > 1
    assert list(lazy.variables) != []
    for name in eager.variables:
        np.testing.assert_array_equal(lazy[name].values, eager[name].values, err_msg=str(name))
    assert lazy.attrs == eager.attrs
    assert not (eager["trace_id_code"] == 2).any()


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    da = pytest.importorskip("dask.array")
    line = small_line().full

    def refuse(block: np.ndarray) -> np.ndarray:
        raise AssertionError("samples were read")

    chunks = da.from_array(line["amplitude"].values, chunks=(_TRACES, -1))
    lazy = line.assign(
        amplitude=(line["amplitude"].dims, chunks.map_blocks(refuse, dtype="f4", meta=np.empty((0, 0), "f4")))
    )
    restored = sd.demultiple(lazy, method="radon")
    with pytest.raises(AssertionError, match="samples were read"):
        restored["amplitude"][:1].compute()


def test_opening_reads_no_samples(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("samples were read")

    monkeypatch.setattr("seisdiff.segy.traces.decode", refuse)
    survey = xr.open_dataset(path, engine=SeisdiffBackend, chunks={}, sort="offset", units="m")
    assert survey["amplitude"].chunks is not None
    assert survey["offset"].values.max() == 900
    with pytest.raises(AssertionError, match="samples were read"):
        survey["amplitude"][:1].values  # noqa: B018


def test_the_backend_knows_its_files_and_takes_the_options_of_open(path: Path) -> None:
    backend = SeisdiffBackend()
    assert [backend.guess_can_open(name) for name in ("a.sgy", Path("b.SEGY"), "c.su", "d.nc", 3)] == [True] * 3 + [
        False
    ] * 2
    shots = xr.open_dataset(
        path, engine=SeisdiffBackend, gather="field_record", sort=["offset"], drop_variables="mute_end"
    )
    expected = sd.open(path, gather=("field_record",), sort="offset")
    assert shots.drop_encoding().identical(expected.drop_vars("mute_end"))


def test_the_installed_package_tells_xarray_of_the_backend() -> None:
    if "seisdiff" not in xr.backends.list_engines():
        pytest.skip("installed before there was an entry point: pip install -e .")
    assert type(xr.backends.list_engines()["seisdiff"]) is SeisdiffBackend


def test_options_of_reading_are_texts_lists_or_mappings() -> None:
    told = reading_options(gather="inline, crossline", sort=["offset"], key={"offset": 37, "cdp": "21:i4"})
    assert told == reading_options(gather=("inline", "crossline"), sort="offset", key=["offset=37", "cdp=21:i4"])
    assert told.gather == ("inline", "crossline")
    assert reading_options().gather is None


def test_what_was_done_is_told_line_by_line(path: Path) -> None:
    twice = sd.denoise(sd.demultiple(sd.open(path), method="radon"), method="fx")
    sd.to_segy(twice, path.with_name("out.sgy"))
    text = path.with_name("out.sgy").read_bytes()[:3200].decode("cp037")
    assert "demultiple radon" in text
    assert "denoise fx" in text


def test_a_file_is_replaced_only_when_told(path: Path) -> None:
    survey = sd.open(path)
    with pytest.raises(OutputError, match="exists"):
        sd.to_segy(survey, path)
    before = path.read_bytes()
    sd.to_segy(survey, path, overwrite=True)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["line.sgy"]


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda line: sd.demultiple(line, method="svd"), OptionError, "no method is called 'svd'"),
        (lambda line: sd.demultiple(line, method="fx"), OptionError, "does not demultiple"),
        (lambda line: sd.demultiple(line, cut_ms=60), OptionError, "add --method radon"),
        (lambda line: sd.denoise(line, protect_ms=60), OptionError, "an option of demultiple"),
        (lambda line: sd.denoise(line, method="fx", lenght=3), OptionError, "lenght"),
        (lambda line: sd.demultiple(line, dt_ms=4), OptionError, "dt_ms and offsets are for arrays"),
        (lambda line: sd.demultiple(line["amplitude"]), SurveyError, "came DataArray"),
        (lambda line: sd.demultiple(line["amplitude"].values), OptionError, "needs dt_ms .* and offsets"),
        (lambda line: sd.denoise(line["amplitude"].values, dt_ms=4, offsets=[1, 2]), SurveyError, "one value a trace"),
        (lambda line: sd.demultiple(line.drop_vars("fold")), SurveyError, "no variable fold"),
        (lambda line: sd.demultiple(xr.Dataset()), SurveyError, "no variable of amplitudes"),
        (lambda line: sd.to_segy(line, "out.zarr"), OptionError, "to_zarr"),
        (lambda line: sd.to_segy(line["amplitude"].values, "out.sgy"), SurveyError, "came ndarray"),
        (lambda line: sd.demultiple(line.sortby("offset")), SurveyError, "lies in a gather .* seisdiff.select"),
        (lambda line: sd.demultiple(line.isel(gather=0)), SurveyError, "fold has dims .* seisdiff.select"),
        (lambda line: sd.demultiple(line.isel(trace=slice(0, 5))), SurveyError, "adds up to .* seisdiff.select"),
        (lambda line: sd.demultiple(line.assign(offset=line["offset"] * np.nan)), SurveyError, "values of offset"),
        (lambda line: sd.demultiple(line, model="demultiple-diffusion"), OptionError, "add --method diffusion"),
        (
            lambda line: sd.denoise(line, method="diffusion", model=Path("denoise-unet")),
            OptionError,
            "add --method unet",
        ),
        (lambda line: sd.denoise(line, method="diffusion", steps=4), OptionError, "leave steps out"),
        (lambda line: sd.demultiple(line.rename(time="depth"), start_ms="auto"), OptionError, "in depth"),
        (lambda line: sd.demultiple(line.rename(time="depth"), nmo="1500,0.6"), OptionError, "in depth"),
        (lambda line: sd.denoise(np.ma.masked_less(line["amplitude"].values, 0), **ARRAY), SurveyError, "filled"),
        (lambda line: sd.denoise(line["amplitude"].values * 1j, **ARRAY), SurveyError, "complex"),
        (lambda line: sd.denoise(line["amplitude"].values[:, :0], **ARRAY), SurveyError, "without samples"),
        (lambda line: sd.open("missing.sgy"), SeisdiffError, "missing.sgy"),
        (lambda line: sd.open("missing.sgy", units="km"), SeisdiffError, "'km' is unknown"),
    ],
)  # fmt: skip
def test_faults_are_one_line(call, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as raised:
        call(small_line().full)
    assert "\n" not in str(raised.value)


def test_what_a_command_warns_of_is_a_warning_in_python() -> None:
    line = small_line().full
    with pytest.warns(UserWarning, match="all offsets are zero"):
        sd.denoise(line.assign(offset=0 * line["offset"]), method="fx")
    with pytest.warns(UserWarning, match="are these seconds"):
        sd.denoise(line["amplitude"].values, dt_ms=0.004, offsets=line["offset"].values, method="fx")


def test_attributes_of_samples_stay() -> None:
    line = small_line().full
    line["amplitude"].attrs["units"] = "Pa"
    for given in (line, line.chunk()):
        assert sd.denoise(given, method="fx")["amplitude"].attrs == {"units": "Pa"}


def test_a_survey_that_xarray_saved_opens_as_one(path: Path) -> None:
    survey = sd.open(path)
    folder = path.with_name("saved.zarr")
    survey.to_zarr(folder, consolidated=False, zarr_format=3)
    xr.testing.assert_identical(sd.open(folder).load().reset_coords(), survey.load().reset_coords())
    sd.to_segy(sd.open(folder), path.with_name("back.sgy"))
    assert filecmp.cmp(path.with_name("back.sgy"), path, shallow=False)


@pytest.mark.parametrize("name", ["out.sgy", "out.su"])
@pytest.mark.parametrize("cut", [slice(20, 150), slice(None, None, 2), slice(11, None, 3)])
@pytest.mark.parametrize("start_ms", [0.0, 48.0])
def test_a_part_of_the_times_is_read_back_at_its_times(path: Path, name: str, cut: slice, start_ms: float) -> None:
    line = small_line().full
    line_file(path, line.assign_coords(time=line["time"] + start_ms, gather=line["gather"]), "ibm32")
    part = sd.open(path).isel(time=cut)
    sd.to_segy(part, path.with_name(name))
    back = sd.open(path.with_name(name))
    assert np.array_equal(back["time"].values, part["time"].values)
    assert np.array_equal(back["amplitude"].values, part["amplitude"].values)
    whole = sd.open(path)
    assert np.array_equal(back["mute_end"].values, whole["mute_end"].values)


@pytest.mark.parametrize(
    ("scalar", "mute", "read"), [(4, 200, 200), (-999, 200, 200), (-4, 200, 200), (-10, 2000, 200)]
)
def test_only_scalars_of_times_that_segy_knows_count(tmp_path: Path, scalar: int, mute: int, read: int) -> None:
    factor = mute // read
    file = RawFile(line_file(tmp_path / "line.sgy"))
    file.put(slice(None), 215, scalar, "i2").put(slice(None), 109, 40 * factor, "i2").put(slice(None), 113, mute, "i2")
    part = sd.open(file.save()).isel(time=slice(10, None))
    for name in ("out.sgy", "out.su"):
        sd.to_segy(part, tmp_path / name)
        back = sd.open(tmp_path / name)
        assert back["time"].values[:2].tolist() == [80, 84], name
        assert (back["mute_end"].values == read).all(), name


def test_a_delay_in_a_word_of_its_own_is_set_there(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "line.sgy"))
    source = file.put(slice(None), 101, 400, "i2").put(slice(None), 109, 77, "i2").save()
    survey = sd.open(source, key={"delay": "101:i2"})
    sd.to_segy(survey.isel(time=slice(5, None)), tmp_path / "out.sgy")
    assert sd.open(tmp_path / "out.sgy", key={"delay": "101:i2"})["time"].values[0] == 420
    assert sd.open(tmp_path / "out.sgy")["time"].values[0] == 77
    sd.to_segy(survey, tmp_path / "whole.su")
    assert sd.open(tmp_path / "whole.su", key={"delay": "101:i2"})["time"].values[0] == 400


def test_depths_that_begin_deeper_are_refused(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "line.sgy"))
    survey = sd.open(file.put(slice(None), 109, 77, "i2").save(), axis="depth")
    with pytest.raises(OptionError, match="depths begin at 40 m"):
        sd.to_segy(survey.isel(depth=slice(10, None)), tmp_path / "out.sgy")
    sd.to_segy(survey.isel(depth=slice(0, 100)), tmp_path / "out.sgy")
    sd.to_segy(survey, tmp_path / "out.su")
    for name in ("out.sgy", "out.su"):
        assert sd.open(tmp_path / name)["time"].values[0] == 77


def test_a_start_that_no_header_holds_is_refused(path: Path) -> None:
    line = sd.open(path).isel(time=slice(0, 50))
    late = line.assign_coords(time=line["time"] + 40_000)
    with pytest.raises(OptionError, match="begins at 40000 ms fits no delay word"):
        sd.to_segy(late, path.with_name("out.sgy"))
    assert [one.name for one in path.parent.iterdir()] == ["line.sgy"]


def test_samples_that_were_changed_are_written_as_they_are(tmp_path: Path) -> None:
    file = RawFile(line_file(tmp_path / "line.sgy", sample_format="ibm32"), "ibm32")
    file.raw[::2, ::3] = np.frombuffer(bytes([0x45, 0, 0, 0]), np.uint8)
    file.save()
    survey = sd.open(tmp_path / "line.sgy")
    assert survey["raw_exception"].any()
    changed = survey.assign(amplitude=survey["amplitude"] * 2 + 1)
    sd.to_segy(changed, tmp_path / "out.sgy")
    np.testing.assert_allclose(samples(tmp_path / "out.sgy"), changed["amplitude"].values, rtol=1e-6)


def test_changed_offsets_are_not_mixed_with_recorded_headers(path: Path) -> None:
    survey = sd.open(path)
    changed = survey.assign(offset=2 * survey["offset"])
    for call in (
        lambda: sd.interpolate(changed, method="pocs", refine=2),
        lambda: sd.to_segy(changed, path.with_name("out.sgy")),
    ):
        with pytest.raises(SurveyError, match="150 m in its recorded header, which is written; drop"):
            call()
    fresh = changed.drop_vars(["trace_header", "file_header"])
    sd.to_segy(sd.interpolate(fresh, method="pocs", refine=2), path.with_name("out.sgy"))
    assert sd.open(path.with_name("out.sgy"))["offset"].values[:3].tolist() == [300, 350, 400]


def test_files_put_one_after_the_other_stay_so(path: Path) -> None:
    survey = sd.open(path).load()
    both = xr.concat([survey, survey], "trace", data_vars="minimal", coords="minimal", compat="override")
    both = both.drop_dims("gather").assign_coords(gather=np.arange(8)).assign(fold=("gather", [_TRACES] * 8))
    both = both.assign(cdp=("trace", np.repeat(np.arange(8), _TRACES)))
    sd.to_segy(both, path.with_name("out.sgy"))
    back = sd.open(path.with_name("out.sgy"), gather="all")
    assert np.array_equal(back["amplitude"].values, both["amplitude"].values)


def test_a_spread_of_an_earlier_answer_does_not_stay() -> None:
    line = small_line(1).full
    drawn = sd.denoise(line, method="diffusion", samples=2)
    for given in (drawn, drawn.chunk()):
        assert "spread" not in sd.denoise(given, method="fx")


def test_a_model_that_was_trained_again_is_read_again(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(SHIPPED / "denoise-unet", tmp_path / "model"))
    line = small_line(1).full
    before = sd.denoise(line, model=folder)["amplitude"].values
    weights = load_file(folder / "weights.safetensors")
    save_file({name: values / 2 for name, values in weights.items()}, folder / "weights.safetensors")
    assert np.abs(sd.denoise(line, model=folder)["amplitude"].values - before).max() > 1e-3 * np.abs(before).max()


def test_numbers_may_be_given_as_numbers() -> None:
    line = small_line(1).full
    for function, words, numbers in (
        (sd.interpolate, {"to_offsets": "150:900:25"}, {"to_offsets": (150, 900, 25)}),
        (sd.demultiple, {"nmo": "1500,0.5"}, {"nmo": (1500, 0.5)}),
    ):
        made = [function(line, method="radon", **options) for options in (words, numbers)]
        xr.testing.assert_identical(*made)
