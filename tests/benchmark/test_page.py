"""The page: everything in it, nothing from the network, the same bytes for the same table; and its figures."""

from __future__ import annotations

import pandas as pd
import pytest

from factneurons.benchmark.page import write_results
from factneurons.errors import BadRun, BadSetting


def test_page(table, tiny, tmp_path):
    table = table.replace({"contestant": {"ntc": "interaction"}})  # what others are compared with
    written = write_results(tmp_path, table, [tiny])
    html = written.page.read_text(encoding="utf-8")
    assert 'content="default-src &#39;none&#39;; script-src' in html
    assert "src=" not in html.partition("<script")[0]
    for text in (
        "What was planted",
        "What a user gets",
        "redundant",
        "1 <span",
        "Paired comparisons",
        "true neurons",
        "0.49 [0.48, 0.50]",
    ):
        assert text in html, text
    assert '<tr class="random"><td class="short">random</td>' in html
    assert 'id="figure-confusion_true"' in html
    first = written.page.read_bytes()
    write_results(tmp_path, table, [tiny])
    assert written.page.read_bytes() == first
    assert len(pd.read_csv(written.summary)) == 2 * 4 + 2 * 2 + 2 * 2
    assert list(pd.read_csv(written.comparisons)["contestant"]) == ["random"] * 2


def test_without_captum_the_page_says_so(table, tiny, tmp_path, monkeypatch):
    for installed in (True, False):
        monkeypatch.setattr("factneurons.benchmark.page.has_captum", lambda installed=installed: installed)
        page = write_results(tmp_path, table, [tiny]).page
        assert ("captum is not installed" in page.read_text(encoding="utf-8")) is not installed


def test_figures(table, tiny, tmp_path):
    written = write_results(tmp_path, table, [tiny], figures=("svg",))
    names = {path.stem for path in written.figures}
    assert names == {
        "localisation",
        "localisation_by_regime",
        "grouping_adjusted_rand_index",
        "grouping_f1",
        "grouping_by_regime_true",
        "verdict_right",
        "verdict_false_components",
        "verdict_by_regime_true",
        "confusion_true",
    }
    assert all(path.read_bytes().startswith(b"<svg") for path in written.figures)


def test_bad_input(table, tmp_path):
    with pytest.raises(BadSetting, match="gif"):
        write_results(tmp_path, table, [], figures=("gif",))
    with pytest.raises(BadRun, match="no planted model"):
        write_results(tmp_path, table, [tmp_path / "nothing"])


def test_it_has_no_barrier(table, tiny, audit, tmp_path):
    audit(write_results(tmp_path, table, [tiny]).page)
