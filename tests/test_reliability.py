"""The page of the trials has the rows there are, and every row has its tests."""

import re
import socket
from pathlib import Path

import pytest

import reliability

TESTS = Path(__file__).parent


def test_the_page_has_every_row_in_order():
    page = reliability.PAGE.read_text(encoding="utf-8")
    table = page.partition(reliability.BEGIN)[2].partition(reliability.END)[0]
    assert table == reliability.written(table, {}), "renew it: python tests/reliability.py"


def test_every_row_has_tests_or_says_where_it_is():
    marked = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r'mark\.trial\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    assert marked == {name for name, row in reliability.TRIALS.items() if not row.elsewhere}


@pytest.mark.trial("network")
def test_every_test_is_cut_off_from_other_machines():
    with pytest.raises(pytest.fail.Exception, match="the network was asked"):
        socket.create_connection(("192.0.2.1", 80))


@pytest.mark.parametrize("held", [True, False])
def test_a_row_that_was_run_replaces_the_former_one(held):
    before = reliability.written("", {})
    assert before.count("not run in full yet") == sum(not row.elsewhere for row in reliability.TRIALS.values())
    found = reliability.Outcome(12.4, {"tests/b.py", "tests/a.py"}, ["3 killed", "3 killed"], held=held)
    after = reliability.written(before, {"kill": found})
    (new,) = set(after.splitlines()) - set(before.splitlines())
    word = "held" if held else "**DID NOT HOLD**"
    assert new.endswith(f"| {word}; 3 killed | 12 | `tests/a.py`, `tests/b.py` |")
    assert new.startswith(f"| {reliability.TRIALS['kill'].tried} | 50 | ")
    assert reliability.written(after, {}) == after
