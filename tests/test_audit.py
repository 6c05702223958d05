"""What `make audit` makes of a report: a known fault fails, no network and no report do not."""

from __future__ import annotations

import json

import pytest

from audit import verdict

GOOD = {"name": "altair", "version": "6.3.0", "vulns": []}
BAD = {"name": "torch", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.6"]}]}
SKIPPED = {"name": "numpy", "skip_reason": "not found on PyPI: numpy (2)"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([GOOD], 0, ["1 packages audited, 0 known faults"]),
        ([GOOD, BAD], 1, ["2 packages audited, 1 known faults", "torch 1.0: CVE-1, mended in 2.6"]),
        (
            [SKIPPED],
            0,
            ["0 packages audited, 0 known faults", "1 not audited, for instance: not found on PyPI: numpy (2)"],
        ),
    ],
)
def test_a_report(packages, code, words):
    assert verdict(json.dumps({"dependencies": packages})) == (code, words)


@pytest.mark.parametrize("printed", ["", "{}", "[]", "Traceback"])
def test_no_report_is_said_and_fails_nothing(printed):
    assert verdict(printed, "Traceback\nConnectionError: away\n") == (0, ["not audited: ConnectionError: away"])
