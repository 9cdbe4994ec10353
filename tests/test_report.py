"""QC reports: figures by closed forms, gathers by rule, counts, pages that need nothing else, refusals in one line."""

from __future__ import annotations

import html
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from seisdiff.cli.app import main
from seisdiff.errors import SurveyError
from seisdiff.report import Facts, write_report
from seisdiff.report.charts import curve_chart, nice_step
from seisdiff.report.checks import Rules, add_counts, count_changes, remarks
from seisdiff.report.choice import choose_gathers
from seisdiff.report.curves import (
    find_outliers,
    gather_figures,
    lateral_consistency,
    likeness,
    mean_cycles,
    profile,
)
from seisdiff.report.matching import match_traces
from seisdiff.report.panels import amplitude_levels, png
from seisdiff.report.reading import open_pair
from seisdiff.survey import make_survey
from tests.small_lines import line_file, quick, small_line

STEP = 4.0


def survey_of(samples: np.ndarray, **values):
    n_gathers, fold = samples.shape[:2]
    offset = np.broadcast_to(100.0 + 50 * np.arange(fold), (n_gathers, fold))
    return make_survey(samples, dt_ms=STEP, **({"offset": offset, "gather": 1001 + np.arange(n_gathers)} | values))


def noise(n_gathers: int = 4, fold: int = 8, n_samples: int = 100) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n_gathers, fold, n_samples)).astype(np.float32)


def pairs(before, after, start=None):
    reader = open_pair(before, after, None, start)
    return reader.read(slice(0, reader.count))


def counts_of(before, after, *, filling=False, start=None):
    rules = Rules(filling, start is not None, after.attrs["sample_format"])
    total = add_counts([count_changes(pair, rules) for pair in pairs(before, after, start)])
    return total, [f"{each.level}: {each.text}" for each in remarks(total, rules, 0.0, 1.0, "ms")]


def test_half_of_the_amplitude_is_six_decibels():
    samples = noise()
    figures = gather_figures(pairs(survey_of(samples), survey_of(0.5 * samples))[0], STEP)
    assert figures["removed_db"] == pytest.approx(20 * np.log10(0.5))
    assert figures["output_db"] - figures["input_db"] == pytest.approx(20 * np.log10(0.5))
    assert figures["leakage"] == pytest.approx(1.0)
    same = gather_figures(pairs(survey_of(samples), survey_of(samples))[0], STEP)
    assert same["removed_db"] == -60.0
    assert np.isnan(same["leakage"])


def test_the_mean_frequency_is_that_of_a_sine():
    sine = np.broadcast_to(np.sin(2 * np.pi * 0.1 * np.arange(100)), (8, 100))
    assert mean_cycles(sine) == pytest.approx(0.1)
    assert np.isnan(mean_cycles(np.zeros((8, 100))))


@pytest.mark.parametrize(
    ("cycles", "word"),
    [
        (0.1, "mean frequencies of the input lie within 6 to 65 Hz"),
        (0.01, "not within 6 to 65 Hz"),
        (0.4, "in 2 of 2 gathers: cdp 1001"),
    ],
)
def test_frequencies_that_networks_have_not_seen_are_told(tmp_path, cycles, word):
    samples = np.broadcast_to(np.sin(2 * np.pi * cycles * np.arange(100)), (2, 8, 100)).astype(np.float32)
    before, after = survey_of(samples), survey_of(0.9 * samples)
    by_unet = Facts(task="denoise", method=(("method", "unet"),))
    assert word in write_report(before, after, tmp_path / "a.html", facts=by_unet).read_text()
    by_radon = Facts(task="denoise", method=(("method", "radon"),))
    assert "mean frequenc" not in write_report(before, after, tmp_path / "b.html", facts=by_radon).read_text()


def test_filled_traces_are_measured_against_recorded_ones():
    samples = np.ones((1, 8, 100), np.float32)
    holes, filled = samples.copy(), samples.copy()
    holes[:, ::4] = 0
    filled[:, ::4] = 0.5
    pair = pairs(survey_of(holes), survey_of(filled))[0]
    figures = gather_figures(pair, STEP)
    assert pair.filled.tolist() == [True, False, False, False] * 2
    assert figures["filled_percent"] == 25.0
    assert figures["fill_level_db"] == pytest.approx(20 * np.log10(0.5))
    assert figures["fill_likeness"] == pytest.approx(1 - 0.5 / 1.5)


def test_profiles_and_their_likeness():
    samples = np.zeros((2, 60))
    samples[:, 25:50] = 3.0
    np.testing.assert_allclose(profile(samples, STEP), [0, 3, 0])
    assert likeness(np.array([1.0, 0]), np.array([0, 1.0])) == 0.0
    assert likeness(np.array([1.0, 1.0]), np.array([2.0, 2.0])) == pytest.approx(2 / 3)
    assert likeness(np.zeros(3), np.zeros(3)) == 1.0
    np.testing.assert_allclose(lateral_consistency(np.array([[1.0], [1.0], [2.0]])), [1, 5 / 6, 2 / 3])
    assert np.isnan(lateral_consistency(np.ones((1, 2)))).all()


def test_what_stands_out():
    values = np.tile([1.0, 1.1], 15)
    values[7] = 3.0
    assert np.flatnonzero(find_outliers(values, 0.3)).tolist() == [7]
    assert not find_outliers(values, 10.0).any()
    assert not find_outliers(values[:7], 0.3).any()
    values[3] = np.nan
    assert np.flatnonzero(find_outliers(values, 0.3)).tolist() == [7]
    drift = np.linspace(0, 50, 200)
    assert not find_outliers(drift, 0.1).any()


def test_gathers_are_chosen_by_rule():
    values = np.array([0.3, 0.1, 0.2, np.nan, 0.5, 0.4, 0.25, 0.35])
    outlying = np.array([0, 0, 9.0, 0, 0, 0, 0, 5.0])
    chosen = choose_gathers(values, True, outlying, 2)
    assert chosen == {0: ["median"], 4: ["worst"], 1: ["best"], 2: ["evenly", "outlier"], 6: ["evenly"], 7: ["outlier"]}
    assert choose_gathers(values, False, outlying, 0, 1) == {0: ["median"], 1: ["worst"], 4: ["best"], 2: ["outlier"]}
    assert choose_gathers(np.full(3, np.nan), True, np.zeros(3), 1) == {1: ["evenly"]}


def test_changes_are_counted_where_they_must_not_be():
    samples = noise(2)
    samples[:, :, :10] = 0
    after = samples.copy()
    after[0, 0, 5] = 1.0
    after[1, 3, 20] += 1.0
    after[1, 3, 60] += 1.0
    total, words = counts_of(survey_of(samples), survey_of(after), start=30 * STEP)
    assert (total["changed"], total["muted_changed"], total["early_changed"]) == (3, 1, 2)
    assert total["earliest"] == 5
    assert total["early"] == 2 * 8 * 30
    assert "bad: 2 samples before the start time (30 ms) changed" in words
    assert any(word.startswith("bad: 1 muted sample changed") for word in words)


def test_interpolate_must_leave_recorded_traces():
    samples = noise(1)
    holes = samples.copy()
    holes[0, 2] = 0
    _, words = counts_of(survey_of(holes), survey_of(samples), filling=True)
    assert words[0] == "good: all 7 recorded traces came back bit for bit"
    assert "good: 1 trace filled: 0 new, the others dead before" in words
    touched = samples.copy()
    touched[0, 5, 50] += 1
    assert counts_of(survey_of(holes), survey_of(touched), filling=True)[1][0].startswith(
        "bad: 1 recorded trace changed"
    )
    assert any(word.startswith("bad: 1 trace filled") for word in counts_of(survey_of(holes), survey_of(samples))[1])


def test_clipped_dead_and_non_finite_samples_are_told():
    samples = noise(1) * 100
    samples[0, 1, 10:20] = 900.0
    after = samples.copy()
    after[0, 0, 3] = 32767
    after[0, 4] = 0
    after[0, 2, 7] = np.nan
    clipped = survey_of(after)
    clipped.attrs["sample_format"] = "int16"
    total, words = counts_of(survey_of(samples), clipped)
    assert (total["at_limit"], total["flat_traces"], total["dead_after"], total["bad_after"]) == (1, 1, 0, 1)
    assert any("1 sample of AFTER reached the limit" in word for word in words)
    assert any("1 trace of BEFORE may be clipped" in word for word in words)
    assert "look: samples that are NaN or infinite, taken as zeros here: 0 in BEFORE, 1 in AFTER" in words


def test_new_traces_are_matched_by_offset():
    before = survey_of(noise(2, 4), offset=np.array([100.0, 100.0, 200.0, 300.0]))
    after = survey_of(noise(2, 6), offset=np.array([300.0, 150.0, 100.0, 100.0, 100.0, 50.0]))
    rows = match_traces(before, after)
    assert rows is not None
    assert rows.tolist() == [3, -1, 0, 1, -1, -1, 7, -1, 4, 5, -1, -1]
    pair = pairs(before, after)[1]
    np.testing.assert_array_equal(pair.before[[0, 2, 3]], before["amplitude"].values[[7, 4, 5]])
    assert not pair.before[[1, 4, 5]].any()
    assert (pair.new.sum(), pair.lost) == (3, 1)


def test_delays_put_traces_on_one_axis():
    delay = np.array([0.0, 8.0])
    samples = np.ones((1, 2, 10), np.float32)
    both = [survey_of(scale * samples).assign(delay=("trace", delay)) for scale in (1.0, 0.5)]
    pair = pairs(*both)[0]
    assert pair.before.shape == (2, 12)
    np.testing.assert_array_equal(pair.before[1], [0, 0, *[1] * 10])
    assert pair.first.tolist() == [0, 2]
    assert gather_figures(pair, STEP)["removed_db"] == pytest.approx(20 * np.log10(0.5))


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (survey_of(noise(3)), "32 traces in 4 gathers, AFTER has 24 in 3"),
        (survey_of(noise(4, 8, 50)), "100 samples from 0 to 396 ms, AFTER has 50"),
        (survey_of(noise(), gather=np.array([1, 2, 3, 5])), "gather number 1 is 1001 in BEFORE and 1"),
        (survey_of(noise(), offset=np.arange(8.0)), "differ in the offset of 32 traces"),
        (survey_of(noise(4, 3), offset=np.arange(3.0)), "no two traces share gather and offset"),
    ],
)
def test_what_does_not_belong_together_is_refused(after, message):
    with pytest.raises(SurveyError, match=message):
        match_traces(survey_of(noise()), after)


def test_png_holds_the_levels():
    levels = np.random.default_rng(0).integers(0, 256, (5, 3), dtype=np.uint8)
    data = png(levels)
    width, height = struct.unpack(">II", data[16:24])
    body = data[data.index(b"IDAT") + 4 : -16]
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 2).all()
    np.testing.assert_array_equal(np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8), levels)
    assert amplitude_levels(np.array([-9.0, -2.0, 0.0, 1.0, 2.0, 9.0]), 1.0).tolist() == [1, 1, 128, 192, 255, 255]


def test_charts_break_where_there_is_no_figure_and_thin_what_is_long():
    words = ("name", "Title", "dB", "meaning")
    chart = curve_chart(words, {"a": np.array([0.0, np.nan, 1.0, 2.0])}, list("abcd"), np.array([0, 0, 0, 5.0]), [0, 1])
    assert chart.paths[0].count("M") == 2
    assert [mark.position for mark in chart.outliers] == [3]
    assert [mark.position for mark in chart.shown] == [0]
    long = curve_chart(words, {"a": np.where(np.arange(20_000) == 777, 9.0, 0.0)}, ["x"] * 20_000)
    assert long.paths[0].count("L") < 2500
    assert min(float(y) for y in re.findall(r" ([\d.]+)", long.paths[0])) < 20
    assert nice_step(10, 4) == 2
    assert nice_step(0.9, 4) == pytest.approx(0.2)


class Page(HTMLParser):
    """What a page names: tags, attributes, and its data."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.texts: dict[str, str] = {}
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)
        self.data = json.loads(re.findall(r'id="report-data">(.*?)</script>', self.text, re.S)[0])

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("meta", "link", "img", "line", "rect", "path"):
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data") and value]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def two_lines(tmp_path):
    line = small_line()
    return line_file(tmp_path / "line.sgy", line.full), line_file(tmp_path / "clean.sgy", line.primaries)


def test_a_report_needs_nothing_but_itself(two_lines, tmp_path, capsys):
    out = tmp_path / "qc.html"
    assert (
        main(["report", *map(str, two_lines), str(out), "--task", "demultiple", "--start-ms", "0", "--gathers", "2"])
        == 0
    )
    assert f"report: {out}" in capsys.readouterr().err
    page = Page(out)
    assert not page.open
    assert all(address.startswith("#") for address in page.addresses)
    assert not re.search(r"https?://(?!www\.w3\.org/)", page.text)
    assert "eval(" not in page.text
    assert "default-src 'none'" in html.unescape(page.text)
    assert f"seisdiff report {two_lines[0]}" in page.text
    assert {"h1", "nav", "svg", "section"} <= set(page.tags)
    views = page.data["views"]
    assert {reason for view in views for reason in view["reasons"]} == {"best", "median", "worst", "evenly"}
    assert [panel["name"] for panel in views[0]["panels"]] == ["input", "output", "removed"]
    assert all("semblance" in view for view in views)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["clean.sgy", "line.sgy", "qc.html"]


def test_hostile_names_stay_text(tmp_path):
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"
    line = small_line()
    named = dict.fromkeys(("before", "after", "command"), hostile)
    facts = Facts(**named, task="demultiple", method=((hostile, hostile),), messages=(hostile,))
    out = write_report(line.full, line.primaries, tmp_path / "qc.html", facts=facts)
    page = Page(out)
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert hostile not in page.text
    assert "&lt;/script&gt;" in page.text


def test_hostile_text_headers_stay_text(tmp_path):
    line = small_line()
    path = line_file(tmp_path / "line.sgy", line.full)
    words = b"C 1 </pre></script><script>alert(1)</script>"
    data = bytearray(path.read_bytes())
    data[: len(words)] = words.decode().encode("cp037")
    path.write_bytes(data)
    out = tmp_path / "qc.html"
    assert main(["report", str(path), str(path), str(out), "-q"]) == 0
    page = Page(out)
    assert page.tags.count("script") == 2
    assert "C 1 &lt;/pre&gt;&lt;/script&gt;" in page.text
    assert "nothing was changed" in page.text


def test_report_option_of_a_run(two_lines, tmp_path, capsys):
    out, clean = tmp_path / "qc.html", tmp_path / "out.sgy"
    words = ["demultiple", str(two_lines[0]), str(clean), "--method", "radon", "--solver", "ls", "--start-ms", "auto"]
    assert main([*words, "--report", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert f"seisdiff {' '.join(words)} --report {out}" in text
    assert "<td>radon</td>" in text
    assert "samples before the start time" in text
    assert 'class="bad"' not in text
    capsys.readouterr()
    assert main([*words, "--report", str(out)]) == 2
    assert "qc.html exists already; add --overwrite" in capsys.readouterr().err
    assert main([*words, "--report", str(out), "--resume"]) == 0
    assert out.read_text(encoding="utf-8") == text
    clean.unlink()
    assert main([*words, "--report", str(out), "--resume"]) == 2
    assert "the run to resume is unfinished; remove or rename it" in capsys.readouterr().err
    out.unlink()
    assert main([*words, "--report", str(out), "--resume", "-q"]) == 0
    out.unlink()
    assert main([*words, "--report", str(out), "--resume", "-q"]) == 0
    assert out.exists()


def test_new_traces_can_be_reported_on(two_lines, tmp_path):
    out = tmp_path / "qc.html"
    words = ["interpolate", str(two_lines[0]), str(tmp_path / "dense.sgy"), "--method", "fx", "--refine", "2"]
    assert main([*words, "--report", str(out), "-q"]) == 0
    page = Page(out)
    assert [panel["name"] for panel in page.data["views"][0]["panels"]] == ["input", "output", "filled"]
    assert "recorded traces came back bit for bit" in page.text
    assert 'class="bad"' not in page.text


def test_spread_is_one_more_panel_and_memory_bounds_what_is_read(tmp_path):
    line = small_line()
    spread = line.full.assign(amplitude=abs(line.full["amplitude"]) * 0.1)
    seen = []
    out = write_report(
        line.full, line.primaries, tmp_path / "qc.html", spread=spread, memory_gib=1e-4, gathers=1,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [panel["name"] for panel in Page(out).data["views"][0]["panels"]] == ["input", "output", "removed", "spread"]


def test_depth_and_missing_offsets(tmp_path):
    samples = noise()
    before, after = (
        survey_of(scale * samples, axis="depth", offset=np.zeros((4, 8)), gather_key="cdp") for scale in (1, 0.5)
    )
    page = Page(write_report(before, after, tmp_path / "qc.html", facts=Facts(task="denoise")))
    assert (page.data["vertical"], page.data["across"]) == ("Depth (m)", "trace")
    assert page.data["views"][0]["strip"] == list(range(8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words, folder: ["no.sgy", *words[1:]], "no.sgy"),
        (lambda words, folder: [words[0], str(line_file(folder / "short.sgy", small_line(3).full)), words[2]], "in 3"),
        (lambda words, folder: [*words[:2], str(folder / "qc.pdf")], "ends in .html"),
        (lambda words, folder: [*words[:2], str(folder / "no" / "qc.html")], "is not a folder"),
        (lambda words, folder: [*words, "--task", "polish"], "demultiple, denoise or interpolate"),
        (lambda words, folder: [*words, "--start-ms", "soon"], "soon"),
        (lambda words, folder: [*words, "--memory", "0.01"], "--memory"),
    ],
)
def test_refusals_in_one_line(two_lines, tmp_path, capsys, change, message):
    assert main(["report", *change([*map(str, two_lines), str(tmp_path / "qc.html")], tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("*qc*"))


def test_an_existing_report_is_kept(two_lines, tmp_path, capsys):
    out = tmp_path / "qc.html"
    out.write_text("mine")
    assert main(["report", *map(str, two_lines), str(out)]) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["report", *map(str, two_lines), str(out), "--overwrite", "-q"]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_recipe_facts_name_the_model():
    from seisdiff.report import recipe_facts

    rows = dict(recipe_facts(quick("demultiple", method="unet", protect_ms=20), "a", "b", "seisdiff").method)
    assert (rows["model"], rows["moveout protected"]) == ("demultiple-unet", "20 ms")
    assert re.fullmatch(r"[0-9a-f]{12}", rows["model digest (SHA-256)"])
