"""Reports of whole lines: sums that are kept while it is read, amplitudes of any size, runs that are resumed."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from seisdiff.cli.app import main
from seisdiff.report import Facts, write_report
from seisdiff.report.checks import Rules, add_counts, count_changes
from seisdiff.report.line import Survey, _measure, _Tally, measure_line
from seisdiff.report.reading import open_pair
from tests.small_lines import line_file
from tests.test_report import Page, noise, pairs, survey_of


def test_resume_of_several_files_leaves_their_reports(tmp_path, capsys):
    names = [str(line_file(tmp_path / f"{name}.sgy")) for name in "ab"]
    pages = [tmp_path / "qc" / f"{name}.html" for name in "ab"]
    words = ["denoise", *names, "--method", "fk", "--out-dir", str(tmp_path / "out"), "-q"]
    assert main([*words, "--report", str(tmp_path / "qc")]) == 0
    before = [page.read_text(encoding="utf-8") for page in pages]
    manifest = (tmp_path / "out" / "manifest.jsonl").read_text()
    assert main([*words, "--report", str(tmp_path / "qc"), "--resume"]) == 0
    assert [page.read_text(encoding="utf-8") for page in pages] == before
    assert (tmp_path / "out" / "manifest.jsonl").read_text() == manifest
    assert not capsys.readouterr().err


@pytest.mark.parametrize("loudness", [1e-30, 1e20, 1e36])
def test_any_amplitude_can_be_reported_on(tmp_path, loudness):
    samples = noise()
    facts = Facts(task="denoise")
    pages = []
    for scale in (1.0, loudness):
        before, after = (
            survey_of((part * scale * samples).astype(np.float32), gather_key="field_record") for part in (1, 0.5)
        )
        pages.append(Page(write_report(before, after, tmp_path / "qc.html", facts=facts, overwrite=True)).data)
    for both in ([page["spectra"] for page in pages], [page["views"][0]["spectra"] for page in pages]):
        np.testing.assert_allclose(both[1]["lines"], both[0]["lines"], atol=0.11)


def test_a_line_is_measured_gather_by_gather():
    samples = noise(5)
    before, after = survey_of(samples), survey_of(np.float32(0.5) * samples)
    reader = open_pair(before, after, None, None)
    rules = Rules(False, False, "ieee32")
    line = measure_line(reader, Survey(rules, None, True), 1e-5, lambda done, total: None)
    assert line.numbers.tolist() == [1001, 1002, 1003, 1004, 1005]
    assert line.counts == add_counts([count_changes(pair, rules) for pair in pairs(before, after)])
    each = [np.abs(np.fft.rfft(gather, axis=1)).mean(axis=0) for gather in samples]
    np.testing.assert_allclose(line.spectra, np.array([1, 0.5, 0.5])[:, None] * np.mean(each, axis=0), rtol=1e-5)
    np.testing.assert_allclose(line.stack[0], samples.mean(axis=1), atol=1e-6)
    assert line.stacked.tolist() == [0, 1, 2, 3, 4]


def test_spectra_of_a_line_are_summed_as_it_is_read(tmp_path):
    """What is kept of a gather does not grow with its spectrum."""
    held = []
    for n_samples in (50, 4000):
        samples = noise(40, 2, n_samples)
        reader = open_pair(survey_of(samples), survey_of(samples), None, None)
        tally = _Tally()
        survey = Survey(Rules(False, False, "ieee32"), None, False)
        for pair in reader.read(slice(0, 40)):
            tally.add(_measure(pair, reader, survey, stacked=False))
        held.append(len(pickle.dumps(replace(tally, profiles=[]))))
    assert held[1] - held[0] < 2 * 8 * 3 * 2000
