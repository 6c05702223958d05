import pytest
from hypothesis import given
from hypothesis import strategies as st

from factneurons.errors import BadSetting, NotAskable
from factneurons.factcheck.statements import WrongAnswers, case_of, held_out_subjects
from factneurons.facts.types import Fact, Prompt
from factneurons.models.prompts import queries_of


def fact(subject, answer="Paris", relation="capital", **more):
    prompt = Prompt(f"The capital of {subject} is ___.")
    return Fact(f"{relation}/{subject}/{answer}", relation, subject, answer, "en", (prompt,), **more)


@given(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_a_subject_is_on_one_side_and_no_side_is_empty(subjects, share):
    facts = [fact(f"{name}{relation}", relation=relation) for name in subjects for relation in ("r", "s")]
    held_out = held_out_subjects(facts, share, seed=7)
    assert held_out == held_out_subjects(reversed(facts), share, seed=7)
    for relation in ("r", "s"):
        own = {each.subject for each in facts if each.relation == relation}
        kept = held_out[relation, "en"]
        assert kept <= own
        assert (len(own) == 1 and not kept) or (0 < len(kept) < len(own))


@pytest.mark.parametrize("share", [0, 1, -1, 2])
def test_impossible_shares(share):
    with pytest.raises(BadSetting, match="between 0 and 1"):
        held_out_subjects([fact("France")], share)


def test_wrong_answers_of_other_facts_are_never_right():
    facts = [
        fact("France", "Paris", aliases=("City of Light",)),
        fact("France", "Paris region"),
        fact("Italy", "Rome"),
        fact("Texas", "Paris"),
        fact("Nowhere", "the city of light"),
    ]
    wrong = WrongAnswers(facts)
    assert wrong.of(facts[0], 1) == ["Rome"]
    assert set(wrong.of(facts[2], 1)) == {"Paris", "Paris region", "the city of light"}
    assert wrong.of(fact("Spain", "Madrid", wrong_answers=("Rome", "Madrid")), 1) == ["Rome"]


def test_a_fact_gives_a_right_and_a_wrong_statement_in_one_prompt(gpt2, capitals):
    wrong = WrongAnswers(capitals)
    cases = [case_of(gpt2, each, wrong, seed=3) for each in capitals]
    for each, case in zip(capitals, cases, strict=True):
        assert case.true.candidate == each.answer
        assert case.false.candidate in each.wrong_answers
        assert case.true.prompt == case.false.prompt == case.queries[0].prompt
        assert case.true.text == case.true.prompt.filled(each.answer)
        assert case == case_of(gpt2, each, WrongAnswers([]), seed=3)
    assert all(case.known for case in cases)
    assert len({case.true.prompt.text.replace(case.fact.subject, "") for case in cases}) > 1


def test_what_cannot_be_asked(gpt2):
    with pytest.raises(NotAskable) as refused:
        case_of(gpt2, fact("France"), WrongAnswers([]))
    assert refused.value.reason == "no-wrong-answer"
    middle = Fact("x", "capital", "France", "Paris", "en", (Prompt("___ is the capital of France."),))
    with pytest.raises(NotAskable) as refused:
        case_of(gpt2, middle, WrongAnswers([fact("Italy", "Rome")]))
    assert refused.value.reason == "blank-not-at-end"


def test_a_fact_is_known_by_other_prompts_than_it_is_checked_in(gpt2, capitals):
    wrong = WrongAnswers(capitals)
    for each in capitals:
        asked = queries_of(gpt2, each)
        case = case_of(gpt2, each, wrong, seed=3)
        assert case.apart == (len(asked) > 1)
        if case.apart:
            assert case.queries[0] in asked[1::2]
            assert case.rank == min(found.rank for found in gpt2.evaluate(asked[::2]))
    assert any(len(queries_of(gpt2, each)) > 1 for each in capitals)


def test_one_prompt_cannot_do_both_apart(gpt2):
    single = fact("France", wrong_answers=("Rome",))
    case = case_of(gpt2, single, WrongAnswers([]))
    assert not case.apart
    assert case.known
