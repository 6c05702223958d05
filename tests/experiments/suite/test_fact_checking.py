"""E4: only facts about held-out subjects are judged, and the model's own answer is right about what it knows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from factneurons.errors import NotAskable
from factneurons.experiments.fact_checks import FactChecks
from factneurons.experiments.study import Study
from factneurons.experiments.suite.fact_checking import EXPERIMENT
from factneurons.experiments.verdicts import verdicts_of


@pytest.fixture(scope="module")
def judged(capitals):
    """Fact id -> its numbers, or why it was left out."""
    work, found = EXPERIMENT.prepare(capitals), {}
    for fact in capitals.facts:
        try:
            found[fact.id] = {(row.condition, row.measure, row.place): row.value for row in work(fact)}
        except NotAskable as error:
            found[fact.id] = error.reason
    return found


def test_a_fifth_of_the_subjects_is_judged(judged):
    reasons = [each for each in judged.values() if isinstance(each, str)]
    assert reasons == ["for-training"] * 6


def test_asking_and_probability_are_right_about_known_facts(judged):
    for values in (each for each in judged.values() if not isinstance(each, str)):
        assert values["asking", "right verdicts", ""] == values["probability", "right verdicts", ""] == 1
        assert values["probability", "score, right", ""] > values["probability", "score, wrong", ""]


def test_a_verdict_is_made_of_both_statements(judged):
    for values in (each for each in judged.values() if not isinstance(each, str)):
        conditions = {condition for condition, _, _ in values}
        assert {"knowledge", "random for degenerate", "asking", "probability"} <= conditions
        for name in conditions:
            found, believed = values[name, "right found", ""], values[name, "wrong believed", ""]
            assert values[name, "right verdicts", ""] == pytest.approx((found + 1 - believed) / 2)
            assert np.isfinite(values[name, "score, right", ""])


def test_a_fact_is_checked_in_a_prompt_that_does_not_make_it_known(capitals, judged):
    checks = FactChecks(capitals)
    for fact in (each for each in capitals.facts if not isinstance(judged[each.id], str)):
        case = checks.test_case(fact)
        first, second = capitals.halves(fact)
        assert case.queries[0] in second
        assert case.queries[0] not in first
        assert judged[fact.id]["asking", "open to asking", ""] == 1


def test_facts_of_one_prompt_are_decided_by_design(capitals):
    """Asking is right about all of them, which says nothing; claims between neurons are not concerned."""
    facts = [replace(fact, prompts=(capitals.queries(fact)[0].prompt,)) for fact in capitals.facts]
    rows = [
        {"fact_id": fact.id, "language": "en", "subject": fact.subject, **asdict(each)}
        for fact, found in _all_judged(Study(capitals.model, facts, capitals.settings))
        for each in found
    ]
    verdicts = verdicts_of(pd.DataFrame(rows), EXPERIMENT)
    about_asking = [each for each in verdicts if "asking" in (each.claim.condition, each.claim.against)]
    assert len(about_asking) == 3
    assert {each.verdict for each in about_asking if each.by_design} == {"cannot tell by design"}
    assert any(each.by_design for each in about_asking)
    assert not any(each.by_design for each in verdicts if each not in about_asking)


def _all_judged(study):
    work = EXPERIMENT.prepare(study)
    for fact in study.facts:
        with suppress(NotAskable):
            yield fact, list(work(fact))
