"""The page in a real browser: nothing fails, nothing is asked of a network, and the tables do what they say."""

import html
import json
import re
import shutil
import subprocess

import pytest

from factneurons.facts.types import Fact, Prompt
from factneurons.report.page import run_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed")

# Stands before the page's policy, so that it is not under it, and sees every failure.
WATCH = """
<script>
const seen = { errors: [] };
addEventListener("error", function (event) { seen.errors.push(event.message); });
addEventListener("unhandledrejection", function (event) { seen.errors.push(String(event.reason)); });
addEventListener("securitypolicyviolation", function (event) { seen.errors.push("policy: " + event.blockedURI); });
for (const name of ["error", "warn"]) console[name] = function (...said) { seen.errors.push(said.join(" ")); };
function all(selector, within = document) { return Array.from(within.querySelectorAll(selector)); }
function rows(table) { return Array.from(document.querySelector(table).tBodies[0].rows); }
function facts() { return rows(".facts").filter(function (row) { return !row.classList.contains("opened"); }); }
function cells(column) { return facts().map(function (row) { return row.cells[column].textContent; }); }
function set(element, value) {
  element.value = value;
  element.dispatchEvent(new Event(element.tagName === "SELECT" ? "change" : "input"));
}
function control(name) {
  return all(".controls label").find(function (label) { return label.textContent.startsWith(name); }).control;
}
function header(name) { return all(".facts th button").find(function (each) { return each.textContent === name; }); }
addEventListener("load", function () { setTimeout(function () {
  try { (function () { CHECK })(); } catch (error) { seen.errors.push(String(error)); }
  seen.requests = performance.getEntriesByType("resource").map(function (each) { return each.name; });
  setTimeout(function () { document.documentElement.dataset.seen = JSON.stringify(seen); }, 500);
}, 500); });
</script>
"""


def looked_at(page, check, folder, *flags, fragment=""):
    """What a check in JavaScript writes into `seen`, with the page open in the browser."""
    text = page.read_text(encoding="utf-8")
    copy = folder / "watched.html"
    copy.write_text(text.replace("<head>", "<head>" + WATCH.replace("CHECK", check), 1), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--no-first-run", f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", *flags]
    done = subprocess.run(
        [*command, "--dump-dom", copy.as_uri() + fragment], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert seen["errors"] == []
    assert seen["requests"] == []
    return seen


@pytest.fixture(scope="module")
def page(whole_run, tmp_path_factory):
    return run_report(whole_run, out=tmp_path_factory.mktemp("browser") / "report.html")


def test_search_filter_sort_and_open(page, tmp_path):
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
    seen = looked_at(page, check, tmp_path)
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


def test_only_some_rows_are_in_the_page_and_a_link_brings_its_row(make_run, tmp_path):
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
    """
    seen = looked_at(page, check, tmp_path, fragment="#row-120")
    assert seen["there"] == 120
    assert seen["then"] == 260
    assert seen["left"] == 0
    assert seen["found"] == ["Land 259 → Town 259"]


def test_an_assistive_reader_finds_names_for_everything(page, tmp_path):
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
    seen = looked_at(page, check, tmp_path, "--window-size=500,900")
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
