"""The page in a real browser: nothing fails, nothing is asked of a network, and the tables do what they say."""

from itertools import pairwise

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.report.page import run_report


@pytest.fixture(scope="module")
def page(whole_run, tmp_path_factory):
    return run_report(whole_run, out=tmp_path_factory.mktemp("browser") / "report.html")


def test_search_filter_sort_and_open(page, in_browser):
    check = """
    seen.undrawn = all(".chart").filter(function (chart) {
      return chart.getClientRects().length && !chart.closest("details:not([open])") && !chart.querySelector("svg");
    }).length;
    seen.drawn = all(".chart svg").length;
    seen.before = facts().length;
    set(control("Language"), "1");
    seen.languages = cells(2);
    set(control("Language"), "");
    set(control("Search"), "TOKYO");
    seen.searched = cells(0);
    seen.status = document.querySelector("[role=status]").textContent;
    set(control("Search"), "");
    const values = function () { return facts().map(function (row) { return row.dataset.order.split(" ")[1]; }); };
    header("P(answer)").click(); seen.up = values();
    header("P(answer)").click(); seen.down = values();
    header("Fact").click(); seen.text = cells(0);
    seen.sorted = all(".facts th[aria-sort]").map(function (each) { return each.textContent; });
    const link = document.querySelector(".facts a.opens");
    seen.closed = [link.getAttribute("aria-expanded"), document.querySelector(link.hash).getClientRects().length];
    link.click();
    seen.open = [link.getAttribute("aria-expanded"), document.querySelector(link.hash).getClientRects().length];
    seen.barcodes = all(".opened.open .chart").length;
    const neurons = document.querySelector(".neuron-table").closest(".browse");
    set(neurons.querySelector("select"), "0");
    seen.layers = rows(".neuron-table").map(function (row) { return row.cells[0].textContent.split(".")[0]; });
    """
    seen = in_browser(page, check)
    assert seen["undrawn"] == 0
    assert seen["drawn"] > 3
    assert seen["before"] == 24
    assert len(seen["languages"]) == 12
    assert len(set(seen["languages"])) == 1
    assert seen["searched"] == ["Japan → Tokyo"]
    assert seen["status"] == "1 of 24 facts"
    up = list(map(float, seen["up"]))
    assert up == sorted(up)
    assert list(map(float, seen["down"])) == up[::-1]
    assert sorted(seen["text"]) == sorted(seen["text"])
    assert (
        seen["text"].index("Egypt → Cairo") < seen["text"].index("France → Europe") < seen["text"].index("Peru → Lima")
    )
    assert seen["sorted"] == ["Fact"]
    assert seen["closed"] == ["false", 0]
    assert seen["open"] == ["true", 1]
    assert seen["barcodes"] == 1
    assert len(set(seen["layers"])) == 1


def test_only_some_rows_are_in_the_page_and_a_link_brings_its_row(make_run, in_browser, tmp_path):
    facts = [
        Fact(f"{k:04d}", "capital", f"Land {k}", f"Town {k}", "en", (Prompt(f"The capital of Land {k} is ___."),))
        for k in range(260)
    ]
    page = run_report(make_run(tmp_path / "run", facts=facts, stages=("locate",)), max_facts=2)
    check = """
    seen.there = facts().length;
    const more = all(".browse > button")[0];
    more.click();
    seen.then = facts().length;
    seen.left = more.hidden ? 0 : more.textContent;
    set(control("Search"), "land 259");
    seen.found = cells(0);
    set(control("Search"), "");
    seen.few = facts().length;
    """
    seen = in_browser(page, check, fragment="#row-220")
    assert seen["there"] == 220
    assert seen["few"] == 50
    assert seen["then"] == 260
    assert seen["left"] == 0
    assert seen["found"] == ["Land 259 → Town 259"]


def test_an_assistive_reader_finds_names_for_everything(page, in_browser):
    check = """
    seen.levels = all("h1, h2, h3, h4").map(function (each) { return Number(each.tagName[1]); });
    seen.unnamed = all("input, select, button, summary, a").filter(function (each) {
      return !(each.textContent.trim() || (each.labels && each.labels.length) || each.getAttribute("aria-label"));
    }).length;
    seen.pictures = all("[role=img]").filter(function (each) {
      return !each.getAttribute("aria-label") && !each.querySelector("title");
    }).length;
    seen.headless = all("table").filter(function (each) { return !each.querySelector("thead th"); }).length;
    seen.scopeless = all("thead th, tbody th").filter(function (each) { return !each.scope; }).length;
    seen.twice = all("[id]").length - new Set(all("[id]").map(function (each) { return each.id; })).size;
    seen.wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    """
    seen = in_browser(page, check, "--window-size=500,900")
    assert seen["levels"][0] == 1
    assert all(after <= before + 1 for before, after in zip(seen["levels"], seen["levels"][1:], strict=False))
    assert {name: seen[name] for name in ("unnamed", "pictures", "headless", "scopeless", "twice")} == {
        "unnamed": 0,
        "pictures": 0,
        "headless": 0,
        "scopeless": 0,
        "twice": 0,
    }
    assert seen["wider"] == 0, "the page does not scroll sideways on a narrow screen"


def test_a_whole_report_has_no_barrier(page, audit):
    audit(page)


PLACES = """<script>
const places = {};
function look() {
  return all("main > section, main figure").map(function (each) { return each.getBoundingClientRect().top + scrollY; });
}
new MutationObserver(function () {
  if (!places.first && document.querySelector("body > script")) places.first = look();
}).observe(document, { childList: true, subtree: true });
</script>"""


@pytest.mark.parametrize("size", ["1200,900", "500,900"])
def test_nothing_moves_while_it_loads(page, in_browser, size):
    """Neither when the tables come alive nor when the charts are drawn, after the page may have been seen."""
    seen = in_browser(page, "seen.first = places.first; seen.last = look();", f"--window-size={size}", before=PLACES)
    heights = [[low - high for high, low in pairwise(each[:12])] for each in (seen["first"], seen["last"])]
    assert len(heights[0]) > 8
    assert heights[1] == pytest.approx(heights[0], abs=24), "about as high as it was foreseen"
