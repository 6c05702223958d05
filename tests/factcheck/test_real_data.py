"""The fact-checking file of the published data: a bundled model knows none of its facts, and all are counted so."""

from pathlib import Path

import pytest

from factneurons.errors import NotAskable
from factneurons.factcheck.statements import WrongAnswers, case_of, held_out_subjects
from factneurons.facts.source import load_facts

FILE = Path(__file__).parents[2].parent / "shared" / "data" / "dkn" / "factcheck" / "simple.jsonl"


@pytest.mark.skipif(not FILE.is_file(), reason="the real data are not at ../shared/data")
def test_no_fact_is_known_and_all_can_be_told_why(gpt2):
    facts = list(load_facts(f"factcheck:{FILE}?sample=30"))
    cases, reasons = [], set()
    for fact in facts:
        try:
            cases.append(case_of(gpt2, fact, WrongAnswers(facts)))
        except NotAskable as error:
            reasons.add(error.reason)
    assert cases
    assert reasons <= {"blank-not-at-end", "no-wrong-answer"}
    assert not any(case.known for case in cases)
    for case in cases:
        assert case.false.candidate in case.fact.wrong_answers
        assert case.fact.subject in case.true.prompt.text
    years = {fact.subject for fact in facts if fact.date}
    held_out = held_out_subjects(facts)
    assert set().union(*held_out.values()) <= years
