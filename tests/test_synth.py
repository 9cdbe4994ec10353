"""`seisdiff synth`: files of scenes, their headers, and parts that add up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import segyio
import torch

from seisdiff import open_survey
from seisdiff.cli.app import main
from seisdiff.errors import OptionError
from seisdiff.synthetic.recipe import SceneRecipe, load_scene_recipe
from seisdiff.synthetic.scene import make_scenes
from seisdiff.synthetic.surveys import PARTS, file_recipe, find_recipe, known_recipes, scene_survey

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ("land", "marine_deep", "marine_layered", "marine_shallow", "stack", "tiny")
_SMALL = ["--gathers", "3", "--traces", "12", "--samples", "120", "-q"]


def tiny(**parts: object) -> SceneRecipe:
    return load_scene_recipe(find_recipe("tiny")).model_copy(update=parts)


def samples_of(path: Path) -> np.ndarray:
    with segyio.open(path, ignore_geometry=True) as file:
        return file.trace.raw[:]


def words_of(path: Path, *fields: int) -> list[np.ndarray]:
    with segyio.open(path, ignore_geometry=True) as file:
        return [file.attributes(field)[:].astype(np.int64) for field in fields]


def test_the_recipes_are_those_of_the_folder() -> None:
    assert tuple(known_recipes()) == RECIPES
    assert all(path == ROOT / "synthetic" / f"{name}.yaml" for name, path in known_recipes().items())


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_run_by_file_and_by_name(name: str, tmp_path: Path) -> None:
    by_file, by_name = tmp_path / "a.sgy", tmp_path / "b.sgy"
    assert main(["synth", str(ROOT / "synthetic" / f"{name}.yaml"), str(by_file), *_SMALL]) == 0
    assert main(["synth", name, str(by_name), *_SMALL]) == 0
    assert by_file.read_bytes() == by_name.read_bytes()
    samples = samples_of(by_file)
    assert samples.shape == (36, 120)
    assert np.isfinite(samples).all()
    assert (np.abs(samples).max(1) > 0).mean() > 0.3  # short records: far traces are muted


@pytest.mark.parametrize("name", RECIPES)
def test_every_domain_of_every_recipe_can_be_written(name: str, tmp_path: Path) -> None:
    for domain in load_scene_recipe(find_recipe(name)).processing.domains:
        out = tmp_path / f"{domain}.sgy"
        assert main(["synth", name, str(out), "--domain", domain, *_SMALL]) == 0
        assert np.abs(samples_of(out)).max() > 0
        text = segyio.tools.wrap(segyio.open(out, ignore_geometry=True).text[0])
        assert f"RECIPE {name}" in text
        assert f"DOMAIN {domain}" in text


def test_a_seed_makes_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    for file, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert main(["synth", "tiny", str(tmp_path / f"{file}.sgy"), "--seed", seed, "--gathers", "4", "-q"]) == 0
    a, b, c = ((tmp_path / f"{file}.sgy").read_bytes() for file in "abc")
    assert a == b
    assert not np.array_equal(samples_of(tmp_path / "a.sgy"), samples_of(tmp_path / "c.sgy"))
    assert len(a) == len(c)


def test_first_takes_up_where_another_file_ended(tmp_path: Path) -> None:
    whole, rest = tmp_path / "whole.sgy", tmp_path / "rest.sgy"
    assert main(["synth", "tiny", str(whole), "--gathers", "6", "-q"]) == 0
    assert main(["synth", "tiny", str(rest), "--gathers", "2", "--first", "4", "-q"]) == 0
    np.testing.assert_allclose(samples_of(whole)[-32:], samples_of(rest), atol=1e-5)
    cdp = segyio.TraceField.CDP
    assert np.array_equal(words_of(whole, cdp)[0][-32:], words_of(rest, cdp)[0])


def test_parts_add_up_in_the_file(tmp_path: Path) -> None:
    for part in PARTS:
        assert main(["synth", "tiny", str(tmp_path / f"{part}.sgy"), "--part", part, "--gathers", "24", "-q"]) == 0
    part = {name: samples_of(tmp_path / f"{name}.sgy") for name in PARTS}
    size = np.abs(part["full"]).max()
    assert np.abs(part["primaries"] + part["multiples"] + part["noise"] - part["full"]).max() < 1e-6 * size
    assert np.abs(part["primaries"] + part["multiples"] - part["signal"]).max() < 1e-6 * size
    for name in PARTS:
        assert np.square(part[name]).sum() > 1e-6 * np.square(part["full"]).sum(), name
    assert np.square(part["primaries"] - part["interbed"]).sum() > np.square(part["interbed"]).sum()


def test_stores_hold_what_segy_files_hold(tmp_path: Path) -> None:
    for name in ("a.sgy", "a.zarr", "a.su"):
        assert main(["synth", "tiny", str(tmp_path / name), "--gathers", "5", "-q"]) == 0
    segy, store, su = (open_survey(tmp_path / name) for name in ("a.sgy", "a.zarr", "a.su"))
    assert np.array_equal(segy["amplitude"], store["amplitude"])
    assert np.array_equal(segy["amplitude"], su["amplitude"])
    assert np.array_equal(segy["gather"], store["gather"])
    assert np.array_equal(segy["trace_id_code"] != 2, store["live"])
    assert np.abs(segy["offset"] - store["offset"]).max() <= 0.5
    for name, error in {
        "source_coord_x": 0.01,
        "group_coord_x": 0.01,
        "delay": 0.05,
    }.items():
        assert np.abs(segy[name].values - store[name].values).max() <= error, name
    assert "SCENES 0 TO 4" in store.attrs["history"][-1]


def test_cmp_headers(tmp_path: Path) -> None:
    out = tmp_path / "out.sgy"
    assert main(["synth", "tiny", str(out), "--gathers", "30", "--first", "7", "--dt-ms", "2", "-q"]) == 0
    scenes = make_scenes(file_recipe(tiny(), dt_ms=2.0), 0, range(7, 37))
    field = segyio.TraceField
    cdp, channel, offset, code, delay, interval, samples = words_of(
        out, field.CDP, field.TraceNumber, field.offset, field.TraceIdentificationCode, field.DelayRecordingTime,
        field.TRACE_SAMPLE_INTERVAL, field.TRACE_SAMPLE_COUNT,
    )  # fmt: skip
    assert np.array_equal(cdp, np.repeat(np.arange(8, 38), 16))
    assert np.array_equal(channel, np.tile(np.arange(1, 17), 30))
    assert np.abs(offset - scenes.offset.numpy().ravel()).max() <= 0.5 + 1e-3
    assert (interval == 2000).all()
    assert (samples == 128).all()
    assert np.array_equal(code == 2, ~scenes.live.numpy().ravel())
    assert (code == 2).any()
    assert not samples_of(out)[code == 2].any()
    assert np.array_equal(delay, np.repeat(scenes.start.numpy(), 16))
    assert len(set(delay)) > 2
    sx, gx, cx, sy, gy, scalar = words_of(
        out, field.SourceX, field.GroupX, field.CDP_X, field.SourceY, field.GroupY, field.SourceGroupScalar
    )
    assert (scalar == -100).all()
    assert np.abs((gx - sx) / 100 - offset).max() <= 0.52
    assert np.abs((gx + sx) / 2 - cx).max() <= 1
    assert len(set(sy) | set(gy)) == 1
    assert np.unique(np.diff(cx[::16])).tolist() == [1250]
    depth, scale = words_of(out, field.SourceWaterDepth, field.ElevationScalar)
    assert (scale == -100).all()
    assert np.abs(depth / 100 - np.repeat(0.75 * scenes.water_ms.numpy(), 16)).max() < 0.01
    assert depth.min() >= 100 * 40 / 2  # lengths scale with the sample interval
    assert depth.max() <= 100 * 120 / 2


def test_mute_words_tell_where_traces_begin(tmp_path: Path) -> None:
    out = tmp_path / "out.sgy"
    assert main(["synth", "tiny", str(out), "--gathers", "20", "--part", "signal", "-q"]) == 0
    delay, end, code = words_of(
        out,
        segyio.TraceField.DelayRecordingTime,
        segyio.TraceField.MuteTimeEND,
        segyio.TraceField.TraceIdentificationCode,
    )
    samples = samples_of(out)
    first = np.argmax(samples != 0, axis=1)
    muted = (end > 0) & (code == 1) & samples.any(axis=1)
    assert muted.sum() > 50
    assert (delay + 4 * first >= end)[muted].all()
    assert np.median((delay + 4 * first - end)[muted]) == 0


def test_shots_stacks_angles_and_depths(tmp_path: Path) -> None:
    field = segyio.TraceField
    for domain in ("shot", "stack", "angle", "depth"):
        assert main(["synth", "tiny", str(tmp_path / f"{domain}.sgy"), "--domain", domain, "--gathers", "4", "-q"]) == 0
    record, sx, gx, offset = words_of(
        tmp_path / "shot.sgy", field.FieldRecord, field.SourceX, field.GroupX, field.offset
    )
    assert np.array_equal(record, np.repeat([1, 2, 3, 4], 16))
    assert all(len(set(sx[record == number])) == 1 for number in (1, 2, 3, 4))
    assert np.abs((gx - sx) / 100 - offset).max() <= 0.51
    record, cdp, x = words_of(tmp_path / "stack.sgy", field.FieldRecord, field.CDP, field.CDP_X)
    assert np.array_equal(cdp, np.tile(np.arange(1, 17), 4))
    assert all(len(set(np.diff(x[record == number]) // 2)) <= 2 for number in (1, 2, 3, 4))
    assert open_survey(tmp_path / "stack.sgy")["fold"].values.tolist() == [16] * 4
    angle = words_of(tmp_path / "angle.sgy", field.offset)[0].reshape(4, 16)
    assert (np.diff(angle, axis=1) > 0).all()
    assert 2500 <= angle.max() <= 6000
    (interval,) = words_of(tmp_path / "depth.sgy", field.TRACE_SAMPLE_INTERVAL)
    assert (interval == 5000).all()


def test_depth_gathers_keep_depths() -> None:
    scenes = make_scenes(file_recipe(tiny(), domain="depth"), 0, range(6))
    survey = scene_survey(scenes, "signal")
    ours = survey["amplitude"].values.reshape(6, 16, -1)
    depth = survey["depth"].values
    for k in range(6):
        axis = (scenes.start[k] + scenes.step[k] * torch.arange(128)).numpy()
        linear = np.interp(depth, axis, (scenes.signal[k, 0] * scenes.live[k, 0]).numpy(), right=0.0)
        size = np.abs(ours[k, 0]).max()
        assert np.abs(linear - ours[k, 0]).mean() < 0.12 * size or size == 0


def test_surveys_of_scenes_are_checked() -> None:
    mixed = make_scenes(tiny(), 0, range(40))
    with pytest.raises(OptionError, match="fit no one survey"):
        scene_survey(mixed)
    one = make_scenes(file_recipe(tiny()), 0, range(2))
    assert scene_survey(one, first=9)["gather"].values.tolist() == [10, 11]
    with pytest.raises(OptionError, match="primaries"):
        scene_survey(one, "primary")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["marine", "OUT"], ["marine", "marine_deep", "tiny"]),
        (["no_such.yaml", "OUT"], ["no_such.yaml"]),
        (["tiny", "OUT", "--part", "primary"], ["primary", "primaries"]),
        (["tiny", "OUT", "--domain", "cmp"], ["cmp", "nmo", "shot"]),
        (["tiny", "OUT", "--dt-ms", "3"], ["3", "4, 2"]),
        (["tiny", "OUT", "--traces", "1"], ["traces", "1"]),
        (["tiny", "OUT", "--samples", "8"], ["samples", "8"]),
        (["tiny", "OUT", "--gathers", "0"], ["--gathers"]),
        (["tiny", "OUT", "--format", "int16"], ["int16", "ieee32"]),
        (["tiny", "out.zarr", "--format", "ibm32"], ["--format", "store"]),
        (["tiny", "out.dat"], [".sgy", ".zarr"]),
        (["tiny", "no/such/folder/out.sgy"], ["no/such/folder"]),
        (["BAD", "OUT"], ["smaples"]),
        (["BROKEN", "OUT"], ["YAML"]),
    ],
)
def test_bad_input_is_one_line_and_no_file(
    arguments: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    (tmp_path / "bad.yaml").write_text("smaples: 100\n")
    (tmp_path / "broken.yaml").write_text("samples: [1\n")
    monkeypatch.chdir(tmp_path)
    names = {"OUT": "out.sgy", "BAD": "bad.yaml", "BROKEN": "broken.yaml"}
    assert main(["synth", *(names.get(word, word) for word in arguments)]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1
    for word in said:
        assert word in printed.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.yaml", "broken.yaml"]


def test_outputs_are_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a.sgy", "a.zarr"):
        command = ["synth", "tiny", str(tmp_path / name), "--gathers", "2", "-q"]
        assert main(command) == 0
        assert main([*command, "--seed", "1"]) == 2
        assert "--overwrite" in capsys.readouterr().err or name == "a.zarr"
        assert main([*command, "--seed", "1", "--overwrite"]) == 0
        assert "SEED 1" in str(open_survey(tmp_path / name).attrs["history"]) or name == "a.sgy"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sgy", "a.zarr"]


def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seisdiff.synthetic import files

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_write", fails)
    assert main(["synth", "tiny", str(tmp_path / "a.sgy"), "--gathers", "2", "-q"]) == 130
    assert not list(tmp_path.iterdir())


def test_sample_formats(tmp_path: Path) -> None:
    for name in ("ieee32", "ibm32"):
        out = tmp_path / f"{name}.sgy"
        assert main(["synth", "tiny", str(out), "--gathers", "2", "--format", name, "-q"]) == 0
        with segyio.open(out, ignore_geometry=True) as file:
            assert int(file.format) == {"ieee32": 5, "ibm32": 1}[name]
    a, b = samples_of(tmp_path / "ieee32.sgy"), samples_of(tmp_path / "ibm32.sgy")
    assert np.abs(a - b).max() < 2e-6 * np.abs(a).max()
