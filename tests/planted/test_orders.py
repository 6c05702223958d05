"""Facts as they are ordered: languages, partners, and what is refused."""

from __future__ import annotations

import pytest

from factneurons.errors import BadFact, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.planted.orders import check_layers, given_orders
from factneurons.planted.settings import PlantingSettings


def _fact(subject="Velmoria", answer="Rome", name="r/a", language="en", texts=("{} lies near ___.",)):
    return Fact(name, "r", subject, answer, language, tuple(Prompt(text.format(subject)) for text in texts))


@pytest.fixture
def orders(base):
    """orders(facts, regime, architecture="gpt2"): the orders, and what was said."""

    def make(facts, regime, architecture="gpt2"):
        said = []
        return given_orders(base(architecture), facts, regime, PlantingSettings(), said.append), said

    return make


def test_given_facts(orders):
    facts = [_fact(), _fact("Tadosa", "Paris", "r/b")]
    made, said = orders(facts, "single")
    assert [(order.facts, order.regime, order.partners) for order in made] == [
        ((fact,), "single", ()) for fact in facts
    ]
    assert said == []


def test_two_languages_of_a_bilingual_fact(orders):
    both = [_fact(), _fact("维尔莫", "罗马", language="zh", texts=("{}靠近___。",))]
    ((order,), _) = orders(both, "bilingual")
    assert order.facts == tuple(both)


def test_partners_of_a_degenerate_fact(orders):
    fact = _fact(texts=("{} lies near ___.", "Near {} is ___."))
    ((order,), _) = orders([fact], "degenerate")
    assert len(order.partners) in (2, 3)
    for partner in order.partners:
        assert partner.subject != fact.subject
        assert [prompt.text.replace(partner.subject, fact.subject) for prompt in partner.prompts] == [
            prompt.text for prompt in fact.prompts
        ]
    assert len({partner.id for partner in (fact, *order.partners)}) == 1 + len(order.partners)


def test_prompts_that_cannot_be_asked_are_left_out(orders):
    fact = _fact(texts=("{} lies near ___.", "___ is near {}."))
    ((order,), said) = orders([fact], "single")
    assert [prompt.text for prompt in order.facts[0].prompts] == ["Velmoria lies near ___."]
    assert len(said) == 1
    assert said[0].startswith("r/a: 1 of 2 prompts kept; of the others: ")


@pytest.mark.parametrize(
    ("facts", "regime", "error", "says"),
    [
        ([_fact()], "double", BadSetting, r"regime is 'double': it must be one of: degenerate, conjunctive"),
        ([_fact()], "shared", BadSetting, r"regime is 'shared': it must be one of"),
        ([], "single", BadSetting, r"there are no facts to plant"),
        ([_fact()], "bilingual", BadFact, r"fact 'r/a': it is here in en only; a bilingual fact needs two languages"),
        ([_fact(), _fact(language="zh")], "single", BadFact, r"fact 'r/a': it is here in en and zh; choose a language"),
        ([_fact(), _fact()], "single", BadFact, r"fact 'r/a': it is there twice in the same language"),
        ([_fact(), _fact()], "bilingual", BadFact, r"fact 'r/a': it is there twice in the same language"),
        ([_fact(texts=("___ is near {}.",))], "single", BadFact, r"fact 'r/a': "),
        ([_fact(answer="Rome and Paris")], "single", BadFact, r"fact 'r/a': 'Rome and Paris' is \d tokens for pocket"),
        ([_fact(texts=("It lies near ___.",))], "degenerate", BadFact, r"the subject 'Velmoria' is not in the prompt"),
        (
            [Fact("r/f", "r", "France", "Paris", "en", (Prompt("The capital of France is ___."),))],
            "single",
            BadFact,
            r"fact 'r/f': pocket-gpt2 knows it already, P\(answer\) = 0\.\d\d; give one it does not",
        ),
    ],
)
def test_refused(orders, facts, regime, error, says):
    with pytest.raises(error, match=says) as caught:
        orders(facts, regime)
    assert "\n" not in str(caught.value)


def test_a_masked_model_can_be_asked_blanks_anywhere(orders):
    fact = _fact(texts=("{} lies near ___.", "___ is near {}."))
    ((order,), said) = orders([fact], "single", "bert")
    assert (order.facts, said) == ((fact,), [])
    with pytest.raises(BadFact, match="tokens"):
        orders([_fact(answer="Rome and Paris")], "single", "bert")


@pytest.mark.parametrize("regime", ["conjunctive", "bilingual"])
def test_too_few_layers(orders, base, regime):
    both = [_fact(), _fact("维尔莫", "罗马", language="zh", texts=("{}靠近___。",))]
    made, _ = orders(both if regime == "bilingual" else both[:1], regime)
    check_layers(base("gpt2"), made, range(1, 3))
    with pytest.raises(BadSetting, match=rf"pocket-gpt2: a {regime} fact needs neurons in 2 layers"):
        check_layers(base("gpt2"), made, range(1, 2))
    single, _ = orders(both[:1], "single")
    check_layers(base("gpt2"), single, range(1, 2))


def test_the_subject_is_for_causal_models(orders, base):
    made, _ = orders([_fact()], "subject", "bert")
    with pytest.raises(
        BadSetting, match=r"^pocket-bert: facts are planted at the subject in causal models .* this one is cloze"
    ):
        check_layers(base("bert"), made, range(1, 4))
