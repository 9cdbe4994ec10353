"""What `info` proposes for awkward files leads to a right result."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

import seisdiff as sd
from seisdiff.cli.app import main
from seisdiff.cli.info import describe_source
from seisdiff.header_checks import check_headers
from seisdiff.sources import reading_options
from tests.awkward import awkward_line, two_lines, write_awkward
from tests.small_lines import RawFile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files") / "awkward"
    write_awkward(folder)
    return folder


def snr_db(truth: np.ndarray, estimate: np.ndarray) -> float:
    return 10 * np.log10((truth**2).sum() / ((estimate - truth) ** 2).sum())


def proposed(path: Path) -> str:
    return describe_source(str(path), reading_options()).next_command


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("no_offsets", "--key offset=coordinates "),
        ("no_coordinates", ""),
        ("no_cdp", "--gather cdp_x "),
        ("feet", "--units ft "),
        ("feet_declared", ""),
        ("split_spread", ""),
    ],
)
def test_the_proposed_command_takes_the_multiples_out(
    folder: Path, name: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, line = folder / f"{name}.sgy", awkward_line()
    typed = proposed(source)
    assert typed == f"seisdiff demultiple {source} {name}_out.sgy {options}--removed {name}_removed.sgy"
    assert main(shlex.split(typed)[1:]) == 0
    truth = line.primaries["amplitude"].values
    assert snr_db(truth, line.full["amplitude"].values) < 5
    assert snr_db(truth, sd.open(f"{name}_out.sgy", gather="all")["amplitude"].values) > 20
    np.testing.assert_array_equal(RawFile(tmp_path / f"{name}_out.sgy").headers, RawFile(source).headers)


def test_the_proposed_command_quietens_each_line_of_a_land_shot(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = proposed(folder / "two_lines.sgy")
    assert "--key offset=coordinates --gather field_record,group_coord_y" in typed
    assert main(shlex.split(typed)[1:]) == 0
    shot, signal = two_lines()
    before = snr_db(signal, shot["amplitude"].values)
    assert snr_db(signal, sd.open("two_lines_out.sgy")["amplitude"].values) > before + 5


def test_offsets_are_worked_out_with_their_side(folder: Path) -> None:
    recorded = sd.open(folder / "split_spread.sgy")
    worked_out = sd.open(folder / "split_spread.sgy", key={"offset": "coordinates"})
    offsets = np.array([one["offset"].values for one in (recorded, worked_out)])
    np.testing.assert_allclose(np.abs(offsets[0]), np.abs(offsets[1]))
    assert len(set((np.sign(offsets[0]) * np.sign(offsets[1])).tolist())) == 1
    feet = sd.open(folder / "feet_declared.sgy", key=["offset=coordinates"])
    np.testing.assert_allclose(feet["offset"].values, awkward_line().full["offset"].values, atol=0.2)
    in_order = sd.open(folder / "split_spread.sgy", key=["offset=coordinates"], sort="offset")["offset"].values
    assert (np.diff(in_order[:40]) > 0).all()


def test_new_traces_lie_between_offsets_that_were_worked_out(folder: Path) -> None:
    survey = sd.open(folder / "no_offsets.sgy", key={"offset": "coordinates"})
    denser = sd.interpolate(survey, method="pocs", refine=2)
    assert denser["offset"].values[:5].tolist() == [150, 175, 200, 225, 250]


def test_a_mapping_keeps_offsets_that_are_worked_out(folder: Path, tmp_path: Path) -> None:
    source, mapping = str(folder / "no_offsets.sgy"), str(tmp_path / "words.yaml")
    assert main(["info", source, "--key", "offset=coordinates", "--write-mapping", mapping, "--json"]) == 0
    assert sd.open(source, mapping=mapping)["offset"].values.max() == 2100


@pytest.mark.parametrize("name", ["no_offsets", "no_cdp", "two_lines", "feet"])
def test_what_was_proposed_is_proposed_once(folder: Path, name: str) -> None:
    survey = sd.open(folder / f"{name}.sgy")
    options = [finding.options for finding in check_headers(survey) if finding.options]
    assert options
    told = {"no_offsets": {"key": ["offset=coordinates"]}, "no_cdp": {"gather": "cdp_x"}, "feet": {"units": "ft"}}
    reading = told.get(name, {"key": ["offset=coordinates"], "gather": "field_record,group_coord_y"})
    again = check_headers(sd.open(folder / f"{name}.sgy", **reading))
    assert not [finding.options for finding in again if finding.options]


def test_coordinates_that_cannot_be_are_not_proposed(field_data: Path) -> None:
    view = describe_source(str(field_data / "prestack" / "land_two_lines_shot.sgy"), reading_options())
    assert any("farther than any wave gets" in finding.what for finding in view.findings)
    assert "coordinates" not in view.next_command
    land = describe_source(str(field_data / "prestack" / "land_split_spread_shot.su"), reading_options())
    assert any("if the coordinate scalar is not applied" in finding.what for finding in land.findings)


def test_a_run_warns_of_offsets_that_look_like_feet(folder: Path) -> None:
    def warnings(**reading: str) -> list[str]:
        heard: list[str] = []
        survey = sd.open(folder / "feet.sgy", **reading)
        sd.demultiple(survey, method="radon", solver="ls", run=sd.RunOptions(notify=heard.append))
        return [text for text in heard if text.startswith("warning: offsets look like feet")]

    assert len(warnings()) == 1
    assert not warnings(units="ft")
