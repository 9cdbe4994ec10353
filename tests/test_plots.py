"""Pictures: what is drawn where, at which clip, and files that appear whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from seisdiff.cli.app import main
from seisdiff.errors import OptionError, OutputError, SurveyError
from seisdiff.plots import (
    choose_gathers,
    clip_level,
    plot_comparison,
    plot_fk,
    plot_gathers,
    plot_semblance,
    plot_spectra,
    plot_stack,
    read_panel,
    save_figure,
    stack_survey,
)
from seisdiff.segy import SegyWriter
from seisdiff.survey import make_survey


def survey_of(n_gathers: int = 3, fold: int = 6, n_samples: int = 50, **keywords):
    samples = np.random.default_rng(0).standard_normal((n_gathers, fold, n_samples))
    offset = np.broadcast_to(100.0 + 50 * np.arange(fold), samples.shape[:2])
    numbers = 1001 + np.arange(n_gathers)
    return make_survey(samples, dt_ms=4.0, **({"offset": offset, "gather": numbers} | keywords))


def images(figure: Figure) -> list:
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_all_panels_have_the_clip_of_the_first():
    survey = survey_of()
    loud = survey.assign(amplitude=survey["amplitude"] * 100)
    drawn = images(plot_gathers({"input": survey, "loud": loud}, [1002]))
    level = np.percentile(np.abs(survey["amplitude"].values[6:12]), 99)
    assert len(drawn) == 2
    for image in drawn:
        assert image.get_clim() == pytest.approx((-level, level))
    assert images(plot_gathers({"input": survey}, clip=2.5))[0].get_clim() == (-2.5, 2.5)


def test_samples_stand_in_trace_order_with_time_downwards():
    survey = survey_of(start_ms=100.0)
    image = images(plot_gathers({"input": survey}, [1003]))[0]
    np.testing.assert_array_equal(image.get_array(), survey["amplitude"].values[12:18].T)
    assert image.get_extent() == [-0.5, 5.5, 100 + 196 + 2, 100 - 2]
    assert image.axes.get_ylim() == (298, 98)
    assert image.axes.get_ylabel() == "Time (ms)"


def test_positive_is_black():
    survey = make_survey(np.array([[1.0, -1.0]]), dt_ms=4.0, offset=np.ones(1))
    image = images(plot_gathers({"input": survey}, clip=1.0))[0]
    black, white = image.to_rgba(np.array([1.0, -1.0]))
    assert black[:3].max() == 0
    assert white[:3].min() == 1


def test_gathers_stand_side_by_side_with_their_names():
    survey = survey_of()
    body = images(plot_gathers({"input": survey}, [1003, 1001]))[0].axes
    assert [label.get_text() for label in body.get_xticklabels()] == ["cdp 1003", "cdp 1001"]
    shown = body.images[0].get_array()
    np.testing.assert_array_equal(shown[:, :6], survey["amplitude"].values[12:18].T)
    assert np.ma.getmaskarray(shown)[:, 6:10].all()
    np.testing.assert_array_equal(shown[:, 10:], survey["amplitude"].values[:6].T)


def test_strip_shows_the_offsets():
    figure = plot_gathers({"input": survey_of()}, [1001])
    strip = figure.axes[0]
    np.testing.assert_array_equal(strip.lines[0].get_ydata(), 100 + 50 * np.arange(6))
    assert strip.get_ylabel() == "offset (m)"
    assert strip.get_xlim() == figure.axes[1].get_xlim()
    assert strip.get_title() == "input"
    assert [label.get_text() for label in strip.get_xticklabels()] == ["100", "350"]


def test_without_offsets_the_traces_are_numbered():
    survey = survey_of(offset=np.zeros((3, 6)))
    panel = read_panel(survey, [1001, 1002], "input", 100)
    assert panel.across_name == "trace"
    np.testing.assert_array_equal(panel.across, [1, 2, 3, 4, 5, 6] * 2)


def test_delays_move_traces():
    survey = survey_of(1, 2, 10).assign(delay=("trace", np.array([0.0, 12.0])))
    panel = read_panel(survey, [1001], "input", 100)
    samples = survey["amplitude"].values
    assert panel.image.shape == (2, 13)
    np.testing.assert_array_equal(panel.image[1, 3:], samples[1])
    assert np.isnan(panel.image[1, :3]).all()
    np.testing.assert_array_equal(panel.times, 4.0 * np.arange(13))


def test_a_stack_is_one_section():
    panel = read_panel(survey_of(20, 1), choose_gathers(survey_of(20, 1)), "stack", 100)
    assert panel.image.shape == (20, 50)
    assert panel.across_name == "cdp"
    np.testing.assert_array_equal(panel.across, 1001 + np.arange(20))


def test_wide_panels_are_thinned():
    panel = read_panel(survey_of(1, 30), [1001], "input", 10)
    assert panel.image.shape[0] == 10
    np.testing.assert_array_equal(panel.across, 100 + 150 * np.arange(10))


def test_default_gathers_spread_over_the_survey():
    assert choose_gathers(survey_of(9)) == [1002, 1005, 1008]
    assert choose_gathers(survey_of(2)) == [1001, 1002]
    assert choose_gathers(survey_of(9), every=4) == [1001, 1005, 1009]
    assert choose_gathers(survey_of(9), at_most=1) == [1005]


def test_clip_level_ignores_zeros_and_bad_samples():
    samples = np.array([0.0, 0.0, np.nan, np.inf, -4.0, 4.0])
    assert clip_level(samples) == 4.0
    assert clip_level(np.zeros(3)) == 1.0


@pytest.mark.parametrize("style", ["wiggle", "both"])
def test_wiggles_swing_by_amplitude_over_clip(style):
    survey = survey_of()
    body = plot_gathers({"input": survey}, [1001], style=style, clip=4.0).axes[1]
    lines = body.collections[0].get_segments()
    assert len(lines) == 6
    np.testing.assert_allclose(lines[2][:, 0], 2 + survey["amplitude"].values[2] / 4.0, atol=1e-6)
    assert len(body.images) == (style == "both")


def test_window_and_depth():
    body = plot_gathers({"input": survey_of(axis="depth")}, window=(40, 80)).axes[1]
    assert body.get_ylim() == (80, 40)
    assert body.get_ylabel() == "Depth (m)"


def test_saved_picture_is_complete_and_nothing_is_left(tmp_path):
    figure = plot_gathers({"$a_{b$ 小": survey_of()}, title="50 % \\of$ it")
    path = save_figure(figure, tmp_path / "picture.png")
    assert imread(path).shape[0] > 600
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        save_figure(figure, path)
    before = path.stat().st_ino
    save_figure(figure, path, overwrite=True)
    assert path.stat().st_ino != before


def test_failed_save_leaves_the_old_picture(tmp_path, monkeypatch):
    path = save_figure(plot_gathers({"input": survey_of()}), tmp_path / "picture.png")
    old = path.read_bytes()

    def fail(self, where, **_):
        where.write_bytes(b"part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_figure(Figure(), path, overwrite=True)
    assert path.read_bytes() == old
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"style": "colour"}, "expected one of density, wiggle, both"),
        ({"clip": 0.0}, "above 0"),
        ({"clip": np.nan}, "above 0"),
        ({"percentile": 101}, "at most 100"),
        ({"window": (50, 50)}, "upper edge first"),
    ],
)
def test_impossible_options_are_refused(keywords, message):
    with pytest.raises(OptionError, match=message):
        plot_gathers({"input": survey_of()}, **keywords)


def test_absent_gathers_and_mixed_axes_are_refused(tmp_path):
    with pytest.raises(SurveyError, match="gather 7 is not in input; it holds 1001 to 1003"):
        plot_gathers({"input": survey_of()}, [7])
    with pytest.raises(SurveyError, match="gather 1005 is not in removed"):
        plot_gathers({"input": survey_of(9), "removed": survey_of(2)})
    with pytest.raises(SurveyError, match="draw them apart"):
        plot_gathers({"a": survey_of(), "b": survey_of(axis="depth")})
    with pytest.raises(OptionError, match=r"ends in one of \.png"):
        save_figure(Figure(), tmp_path / "picture.bmp")


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (1, 3, 1)])
@pytest.mark.parametrize("style", ["density", "both"])
def test_smallest_surveys_can_be_drawn(tmp_path, shape, style):
    survey = make_survey(np.zeros(shape), dt_ms=4.0, offset=np.zeros(shape[:2]))
    save_figure(plot_gathers({"input": survey}, style=style), tmp_path / "picture.png")


@pytest.fixture
def two_files(tmp_path):
    names = []
    for name in ("line", "clean"):
        survey = survey_of(9)
        names.append(str(tmp_path / f"{name}.sgy"))
        with SegyWriter(names[-1], survey) as writer:
            writer.write(slice(None), None, survey["amplitude"].values)
    return names


def test_plot_command(two_files, tmp_path, capsys):
    picture = str(tmp_path / "picture.png")
    assert main(["plot", *two_files, "-o", picture, "--gathers", "1001,1009", "--window", "20:100"]) == 0
    assert capsys.readouterr().out.strip() == picture
    assert imread(picture).shape[2] == 4
    assert main(["plot", two_files[0], "-o", picture, "--every", "3", "--style", "wiggle", "--overwrite"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gathers", "1,x"], "ensemble numbers such as 1001,1010"),
        (["--gathers", "1001", "--every", "2"], "exclude each other"),
        (["--gathers", "7"], "gather 7 is not in line.sgy"),
        (["--window", "5"], "two numbers such as 3000:6000"),
        (["--window", "5:inf"], "window 5 to inf; expected two times"),
        (["--window", "-inf:5"], "window -inf to 5; expected two times"),
        (["--window", "5:nan"], "window 5 to nan; expected two times"),
        (["--style", "pretty"], "density, wiggle, both"),
        (["--kind", "pretty"], "gather, spectrum, fk, semblance or stack"),
        (["--kind", "fk", "--every", "2"], "draws one gather"),
        (["--difference"], "between the gathers of two surveys"),
        (["--clip", "-1"], "above 0"),
    ],
)
def test_plot_command_refuses_in_one_line(two_files, tmp_path, capsys, options, message):
    assert main(["plot", two_files[0], "-o", str(tmp_path / "picture.png"), *options]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "picture.png").exists()


def test_spectra_stand_in_decibels_below_the_first():
    survey = survey_of()
    half = survey.assign(amplitude=0.5 * survey["amplitude"])
    axes = plot_spectra({"input": survey, "output": half}, [1002]).axes[0]
    first, second = (line.get_ydata() for line in axes.lines)
    assert first.max() == pytest.approx(0)
    np.testing.assert_allclose(first - second, 20 * np.log10(2), atol=1e-5)
    assert axes.get_xlim() == (0, 125)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["input", "output"]


def test_fk_and_semblance_share_a_scale():
    survey = survey_of()
    panels = {"input": survey, "output": survey.assign(amplitude=0.1 * survey["amplitude"])}
    first, second = images(plot_fk(panels, 1001))[:2]
    np.testing.assert_allclose(first.get_array() - second.get_array(), 20, atol=1e-4)
    assert first.get_clim() == second.get_clim() == (-48, 0)
    assert first.get_extent()[2:] == [125, 0]
    flat = make_survey(np.ones((1, 8, 50)), dt_ms=4.0, offset=100.0 * np.arange(1, 9))
    shown = images(plot_semblance({"input": flat}, ref_offset=800.0))[0]
    assert shown.get_clim() == (0, 1)
    assert shown.get_array()[25, 16] == pytest.approx(1)
    with pytest.raises(OptionError, match="above 0"):
        plot_semblance({"input": flat}, ref_offset=0.0)


def test_a_stack_is_the_mean_of_each_gather():
    survey = survey_of(9)
    stack = stack_survey(survey)
    np.testing.assert_allclose(
        stack["amplitude"].values, survey["amplitude"].values.reshape(9, 6, 50).mean(axis=1), atol=1e-6
    )
    image = images(plot_stack({"input": survey}))[0]
    assert image.get_array().shape == (50, 9)
    with pytest.raises(SurveyError, match="delays vary"):
        stack_survey(survey.assign(delay=("trace", np.arange(54.0))))


def test_a_comparison_shows_what_was_removed_at_the_same_clip():
    survey = survey_of()
    after = survey.assign(amplitude=0.75 * survey["amplitude"])
    drawn = images(plot_comparison(survey, after, [1003]))
    assert len(drawn) == 3
    assert len({image.get_clim() for image in drawn}) == 1
    np.testing.assert_allclose(drawn[2].get_array(), 0.25 * survey["amplitude"].values[12:].T, rtol=1e-5)
    with pytest.raises(SurveyError, match="expected the same traces"):
        plot_comparison(survey, survey_of(2))


@pytest.mark.parametrize("kind", ["spectrum", "fk", "semblance", "stack"])
def test_plot_command_draws_every_kind(two_files, tmp_path, capsys, kind):
    picture = tmp_path / f"{kind}.png"
    assert main(["plot", *two_files, "-o", str(picture), "--kind", kind]) == 0
    assert imread(picture).std() > 0.01
    assert main(["plot", *two_files, "-o", str(picture), "--difference", "--overwrite"]) == 0
    capsys.readouterr()
