"""A run gets its report, and a folder of experiments their page."""

from __future__ import annotations

import pytest

from factneurons.errors import BadRun, BadSetting
from factneurons.report import run_report as module
from factneurons.report.run_report import run_report


def test_a_run_gets_its_report(whole_run, tmp_path):
    page = run_report(whole_run, out=tmp_path / "page.html", max_facts=1)
    assert page == tmp_path / "page.html"
    assert "<html" in page.read_text(encoding="utf-8")


def test_experiments_get_their_page(whole_run, tmp_path, monkeypatch):
    monkeypatch.setattr(module.Run, "open", classmethod(lambda cls, folder: experiments(folder)))
    monkeypatch.setattr(module, "experiments_in", lambda run: ["E1"])
    monkeypatch.setattr(module, "write_experiments", lambda run, figures: [run.folder / "experiments.html"])
    assert run_report(tmp_path) == tmp_path / "experiments.html"
    with pytest.raises(BadSetting, match="leave out --out"):
        run_report(tmp_path, out=tmp_path / "x.html")


def experiments(folder):
    from types import SimpleNamespace

    return SimpleNamespace(folder=folder, manifest=SimpleNamespace(stages={"e1": None}))


def test_no_run(tmp_path):
    with pytest.raises(BadRun, match="is not a run"):
        run_report(tmp_path)
