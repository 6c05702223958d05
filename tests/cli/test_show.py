"""Results in words: intervals, and what is said where they mean little."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from factneurons.cli import show
from factneurons.findings.effects import Effect
from factneurons.runs.counts import Counts
from factneurons.statistics import NO_NUMBER, Finding, Interval


def interval(estimate, low, high):
    return Interval(estimate, low, high, n=10, clusters=10, dropped=0, level=0.95)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (interval(-0.25, -0.314, -0.191), "-25.0% [-31.4%, -19.1%]"),
        (interval(9.5, -0.01, 12.3), "+950.0% [-1.0%, +1,230%]"),
        (interval(5640.6, 504.29, 13050.577), "+564,060% [+50,429%, +1,305,058%]"),
        (interval(0.5, -math.inf, math.inf), "+50.0% (one subject: no interval)"),
    ],
)
def test_interval(found, text):
    assert show.interval(found) == text


class FewFacts:
    """As much of a run as is shown."""

    def __init__(self, known):
        self.known = known

    def counts(self, stage):
        return Counts()

    def table(self, name):
        return pd.DataFrame({"known": self.known})

    def frames(self, name):
        return []


@pytest.mark.parametrize(("known", "said"), [([True, True, False], False), ([True, False, False], True)])
def test_changes_of_facts_that_are_not_known(known, said, monkeypatch, capsys):
    some = interval(-0.5, -0.6, -0.4)
    changed = Finding("relative change of P(answer)", some, control=some)
    effect = Effect("knowledge", "suppress", "unrelated", changed, changed, None, None, left_out=0, dropped=0)
    monkeypatch.setattr(show, "effects_of", lambda *_: [effect])
    show.effects(FewFacts(known), "knowledge")
    note = "  (the model knows 1 of these 3 facts; where P is below 0.001, only the change of log P is told)"
    assert (note in capsys.readouterr().out.splitlines()) == said


def test_next_to_0_the_change_of_log_p_is_told(monkeypatch, capsys):
    none, some = Finding("relative change of P(answer)", NO_NUMBER, control=NO_NUMBER), interval(-3.5, -4, -3)
    log = Finding("change of log P(answer), nats", some, control=some)
    effect = Effect("knowledge", "suppress", "related", none, none, log, None, left_out=2, dropped=4)
    monkeypatch.setattr(show, "effects_of", lambda *_: [effect])
    show.effects(FewFacts([False, False]), "knowledge")
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split("prompts", 1)[1].strip() == (
        "-3.5 nats [-4 nats, -3 nats] random neurons -3.5 nats [-4 nats, -3 nats], 2 left out because P is below 0.001"
    )
