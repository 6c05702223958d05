"""A fact's prompts as a model is asked them."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from factneurons.errors import NotAskable
from factneurons.facts.types import Fact, Prompt
from factneurons.models.prompts import ask, each_alone, queries_of
from factneurons.models.types import Refusal

MIDDLE, END = Prompt("Of France, ___ is the capital."), Prompt("The capital of France is ___")
FACT = Fact("capital/France", "capital", "France", "Paris", "en", (MIDDLE, END))


@dataclass(frozen=True)
class Asked:
    prompt: Prompt
    answer: str
    multi_mask: bool = False
    fact: str = field(default="", compare=False)


@pytest.fixture
def causal():
    """Reads to the right only; its queries are what it was asked."""

    def query(prompt, answer, *, multi_mask=False, subject=""):
        if prompt.text != END.text:
            raise NotAskable("blank-not-last", "the blank is not last")
        return Asked(prompt, answer, multi_mask)

    return SimpleNamespace(query=query)


def test_what_cannot_be_asked_is_a_refusal_with_its_reason(causal):
    refusal = Refusal(FACT, MIDDLE, "blank-not-last", "the blank is not last")
    assert ask(causal, FACT) == ([Asked(END, "Paris")], [refusal])


def test_other_prompts_and_another_answer(causal):
    assert ask(causal, FACT, prompts=[END, END], answer="Lyon", multi_mask=True)[0] == [Asked(END, "Lyon", True)] * 2
    assert ask(causal, FACT, prompts=[]) == ([], [])


def test_queries_of_are_those_that_can_be_asked(causal):
    assert queries_of(causal, FACT) == (Asked(END, "Paris"),)


def test_a_fact_without_any_says_the_first_reason_and_the_answer(causal):
    with pytest.raises(NotAskable, match="none of its 1 prompts can be asked with the answer 'Lyon'") as caught:
        queries_of(causal, FACT, prompts=[MIDDLE], answer="Lyon")
    assert caught.value.reason == "blank-not-last"


def test_the_prompts_of_a_fact_carry_its_name_and_others_another(causal):
    """Relation, subject, answer and language name it: what is drawn for a fact is drawn once."""
    first, second = ask(causal, FACT, prompts=[END, END], answer="Lyon")[0]
    assert first.fact == second.fact == queries_of(causal, FACT)[0].fact != ""
    others = [replace(FACT, **{name: "x"}) for name in ("relation", "subject", "answer", "language")]
    assert len({queries_of(causal, other)[0].fact for other in [FACT, *others]}) == 5
    assert [each.fact for each in each_alone([first, second])] == ["", ""]
