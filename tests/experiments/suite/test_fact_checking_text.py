"""E8: the same statements in simple and in complex text, judged with thresholds chosen on simple text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from factneurons.errors import NotAskable
from factneurons.experiments.fact_checks import FactChecks
from factneurons.experiments.suite import fact_checking, fact_checking_text
from factneurons.experiments.suite.fact_checking_text import COMPLEX, EXPERIMENT, REWRITTEN, SIMPLE, complex_case


@pytest.fixture(scope="module")
def tested(capitals):
    """A fact that is judged, and its two statements."""
    checks = FactChecks(capitals)
    for fact in capitals.facts:
        try:
            return fact, checks.test_case(fact)
        except NotAskable:
            continue
    raise AssertionError("none")


def test_complex_text_holds_the_prompt_and_names_the_subject_once_more(capitals, tested):
    _, case = tested
    harder = complex_case(capitals, case)
    assert case.true.prompt.text in harder.true.prompt.text
    assert harder.true.prompt == harder.false.prompt
    assert harder.true.prompt.text.count(case.fact.subject) == case.true.prompt.text.count(case.fact.subject) + 1
    assert [query.answer for query in harder.queries] == [query.answer for query in case.queries]
    assert complex_case(capitals, case) == harder


def test_simple_text_is_what_the_other_experiment_measures(capitals, tested, measured_by):
    fact, _ = tested
    both = measured_by(EXPERIMENT, capitals, fact)
    alone = measured_by(fact_checking.EXPERIMENT, capitals, fact)
    assert both.pop(("asking", "open to asking", "")) == alone.pop(("asking", "open to asking", "")) == 1
    assert {place for (_, measure, place) in both if measure == "right verdicts"} == {SIMPLE, COMPLEX, REWRITTEN}
    for (condition, measure, _), value in alone.items():
        assert both[condition, measure, SIMPLE] == pytest.approx(value)


def test_a_language_without_complex_texts(capitals, tested):
    _, case = tested
    with pytest.raises(NotAskable, match="no complex texts in the language 'xx'") as caught:
        complex_case(capitals, replace(case, fact=replace(case.fact, language="xx")))
    assert caught.value.reason == "no-frame"


def test_what_is_not_rewritten_is_judged_wrongly_by_every_condition(capitals, tested, measured_by, monkeypatch):
    def fails(*_):
        raise NotAskable("not-rewritten", "nonsense")

    monkeypatch.setattr(fact_checking_text, "rewritten", fails)
    found = measured_by(EXPERIMENT, capitals, tested[0])
    assert found["rewriting", "not rewritten", ""] == 1
    assert found["rewriting", "why not", "not-rewritten"] == 1
    conditions = {condition for condition, measure, place in found if (measure, place) == ("order", SIMPLE)}
    assert {"degenerate", "asking"} & conditions
    for condition in conditions:
        assert found[condition, "right verdicts", REWRITTEN] == 0
        assert found[condition, "wrong believed", REWRITTEN] == 1
        assert found[condition, "lost by the text", REWRITTEN] == found[condition, "right verdicts", SIMPLE]
        assert (condition, "score, right", REWRITTEN) not in found


def test_a_perfect_rewriting_is_the_simple_text(capitals, tested, measured_by, monkeypatch):
    fact, case = tested
    monkeypatch.setattr(fact_checking_text, "rewritten", lambda *_: case.true.prompt)
    found = measured_by(EXPERIMENT, capitals, fact)
    assert found["rewriting", "not rewritten", ""] == 0
    for (condition, measure, place), value in found.items():
        if place == REWRITTEN and measure != "lost by the text":
            assert value == pytest.approx(found[condition, measure, SIMPLE])
        elif place == REWRITTEN:
            assert value == 0
        elif measure == "lost by the text":
            rights = [found[condition, "right verdicts", where] for where in (SIMPLE, COMPLEX)]
            assert value == pytest.approx(rights[0] - rights[1])
