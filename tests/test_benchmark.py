"""The benchmark on small cases: figures against closed forms, tables, files, references and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from seisdiff import benchmark as bench
from seisdiff import scores
from seisdiff.benchmark.report import case_result
from seisdiff.cli.app import main
from seisdiff.errors import OptionError, OutputError, SurveyError
from seisdiff.judge import Case
from seisdiff.pretrained import shipped_models
from seisdiff.restorers import TASKS_OF
from seisdiff.survey import make_survey

N_GATHERS, N_TRACES, N_SAMPLES = 3, 16, 400
OFFSET = 150.0 + 100.0 * np.arange(N_TRACES)
TIMES = 4.0 * np.arange(N_SAMPLES)
FIRST_MULTIPLE = np.array([400.0, 700.0, 1000.0])
QUICK = "radon:moveout_ms=-50:400:25,solver=ls"
CURVE = (OFFSET / OFFSET.max()) ** 2


def wavelet(arrival: np.ndarray) -> np.ndarray:
    phase = (np.pi * 25 * (TIMES - arrival[:, None]) / 1000) ** 2
    return (1 - 2 * phase) * np.exp(-phase)


def survey_of(samples: np.ndarray, live: np.ndarray | None = None):
    survey = make_survey(samples, dt_ms=4.0, offset=np.broadcast_to(OFFSET, samples.shape[:2]))
    return survey.assign(live=("trace", np.ones(survey.sizes["trace"], bool) if live is None else live.reshape(-1)))


def truth_samples() -> np.ndarray:
    """Return flat primaries: the sea floor, one above and one below each first multiple, and a whisper everywhere."""
    floor = 1e-4 * np.random.default_rng(0).standard_normal((N_GATHERS, N_TRACES, N_SAMPLES))
    for number, first in enumerate(FIRST_MULTIPLE):
        for at, strength in ((first / 2, 1.0), (first - 60, 0.2), (first + 250, 0.3)):
            floor[number] += (strength * (1 - 0.4 * CURVE))[:, None] * wavelet(np.full(N_TRACES, at))
    return floor


def multiples() -> np.ndarray:
    return np.stack([-0.6 * wavelet(first + 250 * CURVE) for first in FIRST_MULTIPLE])


def case_of(task: str, name: str, degraded, **values) -> Case:
    fields = {
        "source": "judge",
        "truth": survey_of(truth_samples()),
        "scored": np.ones(N_GATHERS * N_TRACES, bool),
        "water_m": np.full(N_GATHERS, np.nan),
        "first_multiple_ms": np.full(N_GATHERS, np.nan),
        "primaries_ms": (np.empty(0),) * N_GATHERS,
        "velocity": None,
    } | values
    degraded = survey_of(degraded) if isinstance(degraded, np.ndarray) else degraded
    return Case(task=task, name=name, degraded=degraded, **fields)


def demultiple_case(name: str, degraded: np.ndarray) -> Case:
    return case_of(
        "demultiple",
        name,
        degraded,
        water_m=np.array([150.0, 262.0, 375.0]),
        first_multiple_ms=FIRST_MULTIPLE,
        primaries_ms=tuple(np.array([first - 60, first + 250]) for first in FIRST_MULTIPLE),
    )


def noisy(level_db: float) -> np.ndarray:
    noise = np.random.default_rng(1).standard_normal(truth_samples().shape)
    return truth_samples() + 10 ** (-level_db / 20) * truth_samples().std() * noise


def interpolate_case() -> Case:
    live = np.ones((N_GATHERS, N_TRACES), bool)
    live[:, 5] = live[:, 9] = False
    degraded = survey_of(truth_samples() * live[..., None], live)
    return case_of("interpolate", "every fourth", degraded, scored=~live.reshape(-1))


class SmallJudge:
    """Two cases of demultiple, four of denoise and one of interpolate, and one more where there is field data."""

    def cases(self, task: str, split: str, *, field: Path | None = None) -> Iterator[Case]:
        if task == "demultiple":
            yield demultiple_case("exact", truth_samples() + multiples())
            yield demultiple_case("primaries only", truth_samples())
        elif task == "denoise":
            for kind, level in (("white", 0), ("white", 10), ("swell", -5)):
                yield case_of(task, f"{kind} {level} dB", noisy(level))
            yield case_of(task, "clean", truth_samples())
        else:
            yield interpolate_case()
        if field is not None and task == "denoise":
            yield case_of(task, "white 10 dB", noisy(10), source="viking")


def losses_of(result: bench.CaseResult) -> list[float]:
    return [loss for losses in result.insertion_db for loss in losses]


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a restorer in the engine's place that multiplies by 0.5 whatever is asked of it; lists the tasks asked."""
    asked = []

    def restore(survey, recipe):
        asked.append(recipe.task)
        return survey.assign(amplitude=survey["amplitude"] * np.float32(0.5))

    monkeypatch.setattr("seisdiff.benchmark.run.restore", restore)
    return asked


@pytest.fixture(scope="module")
def report() -> bench.BenchmarkReport:
    return bench.run_benchmark(SmallJudge(), methods=[QUICK, "radon"])


# Methods


def test_a_method_may_bring_parameters():
    method = bench.parse_method("radon:cut_ms=0:120,2000:60,solver=ls")
    assert (method.name, method.parameters) == ("radon", {"cut_ms": "0:120,2000:60", "solver": "ls"})
    plan = bench.plan_methods([method.label, "radon"], ["demultiple"])
    assert [each.label for each in plan["demultiple"]] == [method.label, "radon"]


def test_without_names_each_task_has_the_methods_that_can_do_it():
    plan = bench.plan_methods(None, None)
    assert list(plan) == ["demultiple", "denoise", "interpolate"]
    for task, methods in plan.items():
        able = [name for name, tasks in TASKS_OF.items() if task in tasks]
        missing = {"unet"} - {name.removeprefix(f"{task}-") for name in shipped_models()}
        assert [each.name for each in methods] == [name for name in able if name not in missing]


def test_a_named_method_is_measured_on_the_tasks_it_can_do():
    assert list(bench.plan_methods(["predictive"], None)) == ["demultiple"]


@pytest.mark.parametrize(
    ("methods", "tasks", "message"),
    [
        (["kirchhoff"], None, "no method is called 'kirchhoff'; available: radon"),
        (["predictive"], ["denoise"], "'predictive' does not denoise"),
        (["radon"], ["deblend"], "no task is called 'deblend'; expected demultiple, denoise, interpolate"),
        (["radon:cut_ms"], None, "expected NAME or NAME:KEY=VALUE"),
        (["radon:cut_ms="], None, "expected NAME or NAME:KEY=VALUE"),
        (["radon:=3"], None, "expected NAME or NAME:KEY=VALUE"),
        (["radon:60"], None, "expected NAME or NAME:KEY=VALUE"),
        (["radon:cut_ms=4,cut_ms=5"], None, "gives a parameter twice"),
        (["radon:cut=45"], None, "cut"),
        (["radon:solver=lsqr"], None, "solver"),
        (["radon", "radon"], None, "asked for twice"),
    ],
)
def test_what_cannot_be_measured_is_refused(methods, tasks, message):
    with pytest.raises(OptionError, match=message):
        bench.plan_methods(methods, tasks)
    with pytest.raises(OptionError, match=message):
        bench.run_benchmark(SmallJudge(), methods=methods, tasks=tasks)


def test_an_unknown_split_is_refused():
    with pytest.raises(OptionError, match="'train' is unknown; expected dev or test"):
        bench.run_benchmark(SmallJudge(), methods=["radon"], split="train")


# Figures


def test_figures_of_a_known_restorer(scaling):
    told = []
    found = bench.run_benchmark(
        SmallJudge(), methods=["radon"], progress=lambda done, total: told.append((done, total))
    )
    assert told == [(done, 21) for done in range(3, 22, 3)]
    exact, only = found.of("demultiple", "judge")
    truth, degraded = truth_samples(), truth_samples() + multiples()
    for number in range(N_GATHERS):
        after = FIRST_MULTIPLE[number] < TIMES
        parts = truth[number], 0.5 * degraded[number]
        assert exact.figures["snr_db"][number] == pytest.approx(scores.snr_db(*parts), abs=2e-3)
        below = scores.snr_db(parts[0][:, after], parts[1][:, after])
        assert exact.figures["snr_below_db"][number] == pytest.approx(below, abs=2e-3)
    mean = np.mean(exact.figures["snr_db"])
    assert exact.overall["snr_db"].mean == pytest.approx(mean, abs=2e-4)
    assert only.mean("snr_db") == only.mean("snr_per_second_db") == pytest.approx(6.02, abs=1e-2)
    assert only.mean("input_snr_db") == 60.0
    assert only.mean("input_snr_per_second_db") == 40.0


def test_insertion_losses_and_avo_errors_of_a_known_restorer(scaling):
    exact = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["demultiple"]).results[0]
    assert scaling == ["demultiple"] * 8
    assert [len(losses) for losses in exact.insertion_db] == [3, 3, 2]
    assert losses_of(exact) == pytest.approx([-6.02] * 8, abs=1e-2)
    assert exact.overall["insertion_db"].count == 8
    only = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["demultiple"]).results[1]
    assert only.figures["avo_intercept_error"] == pytest.approx([0.5] * 3, abs=1e-3)
    assert only.figures["avo_gradient_error"] == pytest.approx([0.2] * 3, abs=1e-2)


def test_avo_is_of_primaries_below_the_first_multiple(monkeypatch):
    def restore(survey, recipe):
        samples = survey["amplitude"].values.copy()
        for number, first in enumerate(FIRST_MULTIPLE):
            samples[number * N_TRACES : (number + 1) * N_TRACES, first > TIMES] *= 0
        return survey.assign(amplitude=(survey["amplitude"].dims, samples))

    monkeypatch.setattr("seisdiff.benchmark.run.restore", restore)
    only = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["demultiple"]).results[1]
    assert only.figures["avo_intercept_error"] == pytest.approx([0, 0, 0])


def test_results_are_told_by_water_depth(scaling):
    exact = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["demultiple"]).results[0]
    shallow, middle, deep = scores.WATER_CLASSES
    assert set(exact.by_water) == {shallow, middle}
    assert exact.by_water[shallow]["snr_db"].mean == exact.figures["snr_db"][0]
    assert exact.mean("snr_db", middle) == pytest.approx(np.mean(exact.figures["snr_db"][1:]), abs=1e-3)
    assert exact.mean("snr_db", deep) is None


def test_interpolation_is_measured_on_the_removed_traces(scaling):
    result = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["interpolate"]).results[0]
    assert result.figures["input_snr_db"] == [0.0] * 3
    assert result.figures["snr_db"] == [0.0] * 3
    assert "leakage" not in result.figures
    assert result.insertion_db == [[], [], []]
    assert result.by_water == {}


def test_noise_cases_have_no_first_multiple(scaling):
    result = bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["denoise"]).results[0]
    assert not [name for name in result.figures if "below" in name or "avo" in name]
    assert result.water_m == [None] * 3


def test_a_method_that_returns_no_numbers_is_told(monkeypatch):
    monkeypatch.setattr(
        "seisdiff.benchmark.run.restore", lambda survey, recipe: survey.assign(amplitude=survey["amplitude"] * np.nan)
    )
    with pytest.raises(SurveyError, match=r"the output of radon holds 6400 non-finite samples in gather 1"):
        bench.run_benchmark(SmallJudge(), methods=["radon"], tasks=["denoise"])


def test_the_cases_are_not_changed():
    case = demultiple_case("exact", truth_samples() + multiples())
    before = case.degraded.copy(deep=True), case.truth.copy(deep=True)
    bench.run.run_case(case, bench.parse_method(QUICK))
    assert case.degraded.identical(before[0])
    assert case.truth.identical(before[1])


def test_radon_through_the_engine_takes_multiples_out(report):
    exact, only = (each for each in report.of("demultiple", "judge") if each.method == "radon")
    assert exact.mean("snr_db") > exact.mean("input_snr_db") + 5
    assert only.mean("snr_db") > 15
    assert exact.seconds_per_gather > 0
    assert np.mean(np.abs(losses_of(exact)) < 2) > 0.5
    assert len(report.results) == 2 * (2 + 4 + 1)
    assert report.settings[QUICK]["demultiple"]["radon"]["solver"] == "ls"
    assert report.settings["radon"]["demultiple"]["start"] == "auto"


# Spreads


def test_means_hold_each_figure_within_60_db_and_leave_out_what_is_no_number():
    rows = [{"snr_db": value, "ssim": 0.5} for value in (np.inf, -np.inf, np.nan, 12.0)]
    names = ("denoise", "white 0 dB", "judge", "radon")
    result = case_result(
        names=names, seconds=8.0, gathers=[1, 2, 3, 4], water_m=[np.nan] * 4, rows=rows, insertion_db=[[]] * 4
    )
    assert result.figures["snr_db"] == [np.inf, -np.inf, None, 12.0]
    assert result.overall["snr_db"] == bench.Spread(mean=4.0, quartiles=(-24.0, 12.0, 36.0), count=3)
    assert result.seconds_per_gather == 2.0
    assert "insertion_db" not in result.overall


# Tables


def test_tables_show_means_the_input_and_the_best(report):
    sheets = bench.make_sheets(report)
    first = sheets["demultiple", "judge"][0]
    assert first.headings == ["method", "exact", "primaries only", "s per gather"]
    assert [row[0] for row in first.rows] == ["input", QUICK, "radon"]
    exact = [r for r in report.results if r.case == "exact"]
    assert first.rows[2][1] == f"{exact[1].mean('snr_db'):.1f}"
    assert first.rows[0][1] == f"{exact[0].mean('input_snr_db'):.1f}"
    best = 1 + int(np.argmax([r.mean("snr_db") for r in exact]))
    assert (best, 1) in first.best
    assert f"**{first.rows[best][1]}**" in first.as_markdown()
    primaries = sheets["demultiple", "judge"][-2]
    kept = np.mean(np.abs(losses_of(exact[0])) <= 2)
    assert primaries.rows[0][4] == f"{100 * kept:.0f}"
    assert primaries.rows[0][2] == f"{exact[0].overall['insertion_db'].quartiles[1]:.1f}"


def test_denoise_has_a_table_for_each_kind_of_noise(report):
    white, swell, other, mean = bench.make_sheets(report)["denoise", "judge"]
    assert [sheet.title.rpartition(": ")[2] for sheet in (white, swell, other)] == ["white", "swell", "other cases"]
    assert [sheet.headings[1:] for sheet in (white, swell, other)] == [["0 dB", "10 dB"], ["-5 dB"], ["clean"]]
    levels = [float(word) for sheet in (white, swell) for word in sheet.rows[0][1:]]
    assert levels == pytest.approx([0, 10, -5], abs=1)
    assert float(mean.rows[0][1]) == pytest.approx(np.mean(levels), abs=0.11)
    assert mean.headings[:3] == ["method", "SNR, dB", "per second, dB"]
    assert mean.headings[-1] == "s per gather"


def test_tables_are_printed(report):
    out = StringIO()
    for sheets in bench.make_sheets(report).values():
        for sheet in sheets:
            Console(file=out, width=200).print(sheet.as_table())
    assert "Insertion loss" in out.getvalue()
    assert "under 180 m, n = 1" in out.getvalue()


# Files


def test_a_report_comes_back_from_its_file(report, tmp_path):
    path = tmp_path / "figures.json"
    bench.write_json(report, path)
    assert bench.load_report(path) == report
    assert [each.name for each in tmp_path.iterdir()] == ["figures.json"]
    told = json.loads(path.read_text())
    assert told["split"] == "dev"
    assert "torch" in told["versions"]


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", '{"split": "dev"}', "\x00\x01"])
def test_what_is_no_report_is_refused(text, tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"figures\.json is no report of seisdiff benchmark: "):
        bench.load_report(path)


def test_a_page_has_tables_and_pictures(report, tmp_path):
    page = tmp_path / "page.md"
    pictures = bench.page_outputs(page, None, ["demultiple", "denoise", "interpolate"], overwrite=False)
    bench.write_page(SmallJudge(), report, page, pictures)
    text = page.read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert sorted(links) == [f"page_{task}.png" for task in ("demultiple", "denoise", "interpolate")]
    assert {each.name for each in tmp_path.iterdir()} == {"page.md", *links}
    assert imread(tmp_path / links[0]).shape[1] > 900
    assert f"| {QUICK} |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") == rows[at - 1].count("|") for at, line in enumerate(rows) if line.startswith("| ---"))
    page.unlink()
    with pytest.raises(OutputError, match=r"page_denoise\.png exists already"):
        bench.page_outputs(page, None, ["denoise"], overwrite=False)


def test_outputs_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "a.md").write_text("kept")
    (tmp_path / "a.json").write_text("kept")
    for page, figures in ((tmp_path / "a.md", None), (None, tmp_path / "a.json")):
        with pytest.raises(OutputError, match="exists already; add --overwrite"):
            bench.page_outputs(page, figures, ["denoise"], overwrite=False)
        bench.page_outputs(page, figures, ["denoise"], overwrite=True)
    with pytest.raises(OptionError, match=r"ends in \.md"):
        bench.page_outputs(tmp_path / "a.html", None, [], overwrite=False)
    with pytest.raises(OutputError, match="no is not a folder"):
        bench.page_outputs(None, tmp_path / "no" / "a.json", [], overwrite=False)


# References


def with_snr(report: bench.BenchmarkReport, shift: float, **changes) -> bench.BenchmarkReport:
    """Return a report whose output SNRs are higher by `shift` in all gathers but the first."""
    results = []
    for result in report.results:
        values = [value + shift * (at > 0) for at, value in enumerate(result.figures["snr_db"])]
        overall = result.overall | {"snr_db": bench.Spread(mean=float(np.mean(values)), quartiles=(0, 0, 0), count=3)}
        results.append(
            result.model_copy(update={"figures": result.figures | {"snr_db": values}, "overall": overall} | changes)
        )
    return report.model_copy(update={"results": results})


def test_gain_over_the_best_of_a_reference(report):
    better = with_snr(report, 3.0)
    found = bench.gains(better, report)
    for result in report.results:
        rivals = [r for r in report.results if (r.task, r.case) == (result.task, result.case)]
        best = max(rivals, key=lambda r: r.mean("snr_db"))
        gain = found[result.task, "judge", result.case, result.method]
        assert gain.best == best.method
        if result.method == best.method:
            assert gain.gain_db == pytest.approx(2.0, abs=1e-3)
            assert gain.better == pytest.approx(2 / 3)
    sheet = bench.make_sheets(better, report)["interpolate", "judge"][-1]
    assert sheet.rows[0][0] == "best of the reference"
    assert "+2.0 (67%)" in [row[1] for row in sheet.rows]


def test_cases_that_a_reference_lacks_have_no_gain(report):
    part = report.model_copy(update={"results": [r for r in report.results if r.task == "denoise"]})
    assert {key[0] for key in bench.gains(report, part)} == {"denoise"}
    assert len(bench.make_sheets(report, part)["interpolate", "judge"]) == 2
    with pytest.raises(OptionError, match="none of the cases"):
        bench.gains(report, report.model_copy(update={"results": []}))


def test_a_reference_of_other_data_is_refused(report):
    with pytest.raises(OptionError, match="measured on the test split; this is dev"):
        bench.gains(report, report.model_copy(update={"split": "test"}))
    with pytest.raises(OptionError, match="other gathers of demultiple judge 'exact'"):
        bench.gains(report, with_snr(report, 0.0, gathers=[7, 8, 9]))
    other = []
    for result in report.results:
        shifted = [value + 0.2 for value in result.figures["input_snr_db"]]
        other.append(result.model_copy(update={"figures": result.figures | {"input_snr_db": shifted}}))
    with pytest.raises(OptionError, match="another judge"):
        bench.gains(report, report.model_copy(update={"results": other}))


# The command


@pytest.fixture
def small_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr("seisdiff.judge.open_judge", lambda folder: SmallJudge())
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "judge"
    folder.mkdir()
    return folder


def test_benchmark_command(small_judge, tmp_path, capsys):
    words = ["benchmark", "out.md", "--judge", "judge", "--task", "denoise", "--method", "radon"]
    words += ["--json", "out.json", "-q"]
    assert main([*words, "--field", "."]) == 0
    printed = capsys.readouterr().out
    assert "denoise, judge, dev" in printed
    assert "denoise, viking, dev" in printed
    assert {each.name for each in tmp_path.iterdir()} == {"judge", "out.md", "out.json", "out_denoise.png"}
    assert "## Denoise: viking" in (tmp_path / "out.md").read_text()
    assert main(words) == 2
    assert "exists already; add --overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--reference", "out.json"]) == 0
    assert "+0.0 (0%)" in capsys.readouterr().out
    assert "best of the reference" in (tmp_path / "out.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--judge", "nowhere"], ["no judge at nowhere", "source repository"]),
        (["--method", "kirchhoff"], ["kirchhoff", "radon"]),
        (["--method", "predictive", "--task", "denoise"], ["predictive", "denoise"]),
        (["--method", "radon:cut=4"], ["cut"]),
        (["--task", "deblend"], ["deblend", "interpolate"]),
        (["--split", "train"], ["train", "dev or test"]),
        (["--field", "nowhere"], ["--field nowhere"]),
        (["--reference", "missing.json"], ["missing.json"]),
        (["--reference", "broken.json"], ["broken.json", "no report"]),
        (["page.html"], [".md"]),
        (["no/page.md"], ["no is not a folder"]),
    ],
    ids=" ".join,
)
def test_the_command_refuses_in_one_line(words, said, small_judge, tmp_path, capsys):
    (tmp_path / "broken.json").write_text("{")
    judge = [] if "--judge" in words else ["--judge", "judge"]
    assert main(["benchmark", *judge, *words]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    (line,) = printed.err.splitlines()
    assert all(word in line for word in said), line
    assert {each.name for each in tmp_path.iterdir()} == {"judge", "broken.json"}
