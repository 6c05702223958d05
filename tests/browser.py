"""A page in a real browser: what it says, that nothing fails, nothing is requested and no serious barrier is there."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

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
addEventListener("load", function () { setTimeout(async function () {
  try { await (async function () { CHECK })(); } catch (error) { seen.errors.push(String(error)); }
  seen.requests = performance.getEntriesByType("resource").map(function (each) { return each.name; });
  setTimeout(function () { document.documentElement.dataset.seen = JSON.stringify(seen); }, 500);
}, 500); });
</script>
"""

# Everything is open; the colours are those of a light screen, then those of a dark one.
AUDIT = """
  for (const details of all("details")) details.open = true;
  for (const button of all(".open-all")) button.click();
  await new Promise(function (then) { setTimeout(then, 500); });
  seen.undrawn = all(".chart").filter(function (each) {
    return each.getClientRects().length && !each.firstChild;
  }).length;
  // What a chart's text is drawn in where no colour was given: it is not seen on a dark page.
  seen.colourless = all(".chart text").filter(function (each) {
    return each.textContent && getComputedStyle(each).fill === "rgb(0, 0, 0)";
  }).map(function (each) { return each.textContent; });
  seen.wider = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const schemes = Array.from(document.styleSheets).flatMap(function (sheet) {
    return Array.from(sheet.cssRules).filter(function (rule) {
      return rule.media && rule.media.mediaText.includes("prefers-color-scheme");
    });
  });
  seen.faults = [];
  for (const dark of [false, true]) {
    for (const rule of schemes) rule.media.mediaText = dark ? "all" : "not all";
    const found = await axe.run(document, { resultTypes: ["violations"] });
    for (const { impact, id, nodes } of found.violations) {
      if (["serious", "critical"].includes(impact)) seen.faults.push([dark, id, nodes.slice(0, 3).map(function (node) {
        return node.target.join(" ") + ": " + node.failureSummary;
      })]);
    }
  }
"""

InBrowser = Callable[..., dict[str, Any]]


def _axe() -> str:
    """The code of axe-core, from the package that brings it."""
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8").replace("</script", "<\\/script")


@pytest.fixture
def in_browser(tmp_path: Path) -> InBrowser:
    """in_browser(page, check, *flags, fragment=""): what a check in JavaScript writes into `seen`, the page open."""
    if BROWSER is None:
        pytest.skip("no chromium is installed")

    def look(page: Path, check: str, *flags: str, fragment: str = "", before: str = "") -> dict[str, Any]:
        text = page.read_text(encoding="utf-8")
        copy = tmp_path / "watched.html"
        watch = f"<head>{before}" + WATCH.replace("CHECK", check)
        copy.write_text(text.replace("<head>", watch, 1), encoding="utf-8")
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += ["--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", *flags]
        done = subprocess.run(
            [*command, "--dump-dom", copy.as_uri() + fragment], capture_output=True, text=True, timeout=300, check=True
        )
        found = re.search(r'data-seen="([^"]*)"', done.stdout)
        assert found, done.stderr[-2000:]
        seen: dict[str, Any] = json.loads(html.unescape(found[1]))
        assert seen["errors"] == []
        assert seen["requests"] == []
        return seen

    return look


@pytest.fixture
def audit(in_browser: InBrowser) -> Callable[[Path], None]:
    """audit(page): axe-core finds no serious fault, light and dark, with everything open on a narrow screen."""

    def look(page: Path) -> None:
        seen = in_browser(page, AUDIT, "--window-size=500,900", before=f"<script>{_axe()}</script>")
        assert seen["faults"] == []
        assert seen["undrawn"] == 0
        assert seen["colourless"] == []
        assert seen["wider"] == 0, "the page does not scroll sideways on a narrow screen"

    return look
