"""What components carry: hand-made models in which it is known, a tiny model against a plain loop, other facts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carried import KnowledgePool, OtherFact, carried_facts, carried_of
from factneurons.degeneracy.settings import CarriedSettings
from factneurons.degeneracy.types import Component, DegenerateNeurons
from factneurons.errors import BadNumber, BadSetting
from factneurons.facts.types import Fact, Prompt
from factneurons.models.questions import answered
from factneurons.models.types import Neuron, Query

FIRST = (Neuron(0, 0), Neuron(1, 0))
SECOND = (Neuron(0, 1), Neuron(1, 1))
SILENT = [(Neuron(0, 10 + 2 * n), Neuron(1, 10 + 2 * n)) for n in range(99)]
OTHERS = 20


def other(number, neurons=()):
    prompt = Prompt(f"Other {number} is ___.")
    fact = Fact(f"other/{number}", "other", f"Subject {number}", "Bar", "en", (prompt,))
    return OtherFact(fact, Query(prompt, "Bar", (1,), (0,), (number,), (), ()), frozenset(neurons))


FOO = Fact("capital/foo", "capital", "Foo", "Bar", "en", (Prompt("Foo: ___"),))


def found(*components, of=FOO):
    described = tuple(Component(tuple(neurons), 0, 1, 0, 0, 1) for neurons in components)
    return DegenerateNeurons(of, described, described, (), "", 0.9, 1.0, 1.0, "degenerate", "distinct", 4)


class Carriers:
    """Suppressing a neuron takes half of the probability of the facts it carries."""

    def __init__(self, carries, out=None):
        self.carries, self.out, self.calls = carries, out or {}, []

    def probabilities_with(self, queries, neuron_sets):
        self.calls.append(len(neuron_sets))
        return np.array(
            [
                [0.8 * 0.5 ** sum(q.answer_ids[0] in self.carries.get(n, ()) for n in s) for s in neuron_sets]
                for q in queries
            ]
        )

    def answer(self, searches):
        return [
            answered(search, lambda asked: self.probabilities_with(asked.queries, asked.neuron_sets))
            for search in searches
        ]

    def out_weights(self, neurons):
        return np.array([self.out.get(neuron, (1.0, 0.0)) for neuron in neurons])


def measured(carries, *, out=None, neurons=(), random=SILENT, settings=None, count=OTHERS):
    others = [other(number, neurons) for number in range(count)]
    model = Carriers(carries, out)
    return model.answer([carried_of(model, found(FIRST, SECOND), others, [random, random], settings)])[0]


def test_components_that_carry_different_facts_carry_others():
    result = measured({FIRST[0]: {0, 1, 2, 3}, SECOND[1]: {3, 4, 5}})
    assert result.carries == "others"
    first, second = result.components
    assert (first.other_facts, second.other_facts) == (4 / 20, 3 / 20)
    assert [fact.id for fact in first.affected] == ["other/0", "other/1", "other/2", "other/3"]
    assert first.p_value == second.p_value == 1 / 100
    assert first.random_other_facts == 0
    assert first.overlap == second.overlap == 1 / 6
    assert first.redundancy == pytest.approx(1 / 6)
    assert first.neurons == FIRST
    assert result.others == 20


def test_components_that_carry_nothing_else():
    result = measured({})
    assert result.carries == "nothing-else"
    for each in result.components:
        assert (each.other_facts, each.p_value, each.affected) == (0, 1, ())
        assert each.overlap == 1, "both carry the same: nothing"
        assert each.redundancy == pytest.approx(1)


@pytest.mark.parametrize(
    "carries",
    [
        {FIRST[0]: {0, 1, 2}, SECOND[0]: {0, 1, 2}},  # the same facts
        {FIRST[0]: {0, 1, 2}},  # one carries some, the other none
    ],
)
def test_anything_else_is_undecided(carries):
    assert measured(carries).carries == "undecided"


def test_no_more_than_random_neurons_carry_is_no_evidence():
    everywhere = {neuron: set(range(10)) for neurons in SILENT for neuron in neurons}
    result = measured({**everywhere, FIRST[0]: {0, 1, 2}, SECOND[0]: {4, 5, 6}})
    assert result.carries == "undecided"
    assert [each.p_value for each in result.components] == [1, 1]
    assert [each.random_other_facts for each in result.components] == [0.5, 0.5]


def test_a_small_change_is_none():
    carries = {FIRST[0]: {0, 1}, SECOND[0]: {2, 3}}
    assert measured(carries, settings=CarriedSettings(changed=0.69)).carries == "others"  # ln 2 = 0.693
    assert measured(carries, settings=CarriedSettings(changed=0.70)).carries == "nothing-else"


def test_thresholds():
    one = {FIRST[0]: {0}}
    result = measured(one, settings=CarriedSettings(nothing=0.05), random=[FIRST] * 19)
    assert result.carries == "nothing-else", "a twentieth is nothing, and no more than random sets affect"
    assert measured(one, settings=CarriedSettings(nothing=0.04), random=[FIRST] * 19).carries == "undecided"
    half = {FIRST[0]: {0, 1, 2}, SECOND[0]: {1, 2, 3}}
    assert measured(half).carries == "others"
    assert measured(half, settings=CarriedSettings(overlap=0.4)).carries == "undecided"


def test_shared_asks_for_half_of_the_component():
    result = measured({}, neurons=[FIRST[0], *SECOND])
    assert [each.shared for each in result.components] == [1, 1]
    others = [other(0, [FIRST[0]]), other(1, SECOND), other(2)]
    model = Carriers({})
    (own,) = model.answer([carried_of(model, found((*FIRST, Neuron(2, 5)), SECOND), others, [[], []])])
    first, second = own.components
    assert (first.shared, second.shared) == (0, 1 / 3)


def test_redundancy_is_the_cosine_of_summed_out_weights_times_the_overlap():
    out = {FIRST[0]: (1.0, 0.0), FIRST[1]: (0.0, 1.0), SECOND[0]: (2.0, 0.0), SECOND[1]: (0.0, 0.0)}
    result = measured({FIRST[0]: {0, 1}, SECOND[0]: {1, 2}}, out=out)
    assert [each.redundancy for each in result.components] == pytest.approx([math.sqrt(0.5) / 3] * 2)
    nothing = dict.fromkeys([*FIRST, *SECOND], (0.0, 0.0))
    assert measured({}, out=nothing).components[0].redundancy == 0


def test_without_other_facts_or_random_sets_nothing_is_decided():
    result = measured({}, count=0)
    assert result.carries == "undecided"
    assert all(math.isnan(each.other_facts) and math.isnan(each.shared) for each in result.components)
    result = measured({FIRST[0]: {0, 1, 2}, SECOND[0]: {4, 5, 6}}, random=[])
    assert result.carries == "undecided"
    assert all(math.isnan(each.p_value) for each in result.components)


def test_sets_are_asked_in_batches_for_all_facts_together():
    model = Carriers({})
    model.answer([carried_of(model, found(FIRST, SECOND), [other(0), other(1)], [SILENT, SILENT])])
    assert model.calls == [1 + 2 + 2 * 99]


def test_bad_input():
    with pytest.raises(BadSetting, match=r"capital/foo.*1 components"):
        Carriers({}).answer([carried_of(Carriers({}), found(FIRST), [other(0)], [SILENT])])
    with pytest.raises(BadSetting, match="one list for each"):
        Carriers({}).answer([carried_of(Carriers({}), found(FIRST, SECOND), [other(0)], [SILENT])])
    for change in ({"others": 0}, {"draws": 18}, {"nothing": 2}, {"overlap": math.nan}, {"changed": -1}):
        with pytest.raises(BadSetting, match=next(iter(change))):
            CarriedSettings(**change)


def test_a_probability_that_is_not_a_number_names_the_fact():
    model = Carriers({})
    model.probabilities_with = lambda queries, sets: np.full((len(queries), len(sets)), math.nan)
    with pytest.raises(BadNumber, match="other/0"):
        model.answer([carried_of(model, found(FIRST, SECOND), [other(0)], [SILENT, SILENT])])


COMPONENTS = ((Neuron(0, 3), Neuron(1, 7)), (Neuron(1, 8), Neuron(1, 9)))


def make_fact(number, relation="capital", language="en"):
    prompts = (Prompt(f"{relation} {number} is ___."),)
    return Fact(f"{relation}/{number}", relation, f"subject {number}", f"answer {number}", language, prompts)


def known(fact, queries, neurons=()):
    count = len(neurons)
    return KnowledgeNeurons(
        fact, tuple(neurons), (1.0,) * count, (1.0,) * count, tuple(queries), "dai", 0.2, False, 0.5, 1
    )


def test_the_sample_is_bounded_and_holds_the_neurons(new_query):
    facts = [make_fact(number, "ab"[number % 2]) for number in range(12)]
    held = [known(each, [new_query("causal")], [Neuron(0, 1)]) for each in facts]

    def drawn(order, most=500):
        return KnowledgePool(order, most=most).sample(facts[0], 99, seed=1)

    assert [other.fact.id for other in drawn(held)] == [other.fact.id for other in drawn(held[::-1])]
    assert {other.neurons for other in drawn(held)} == {frozenset([Neuron(0, 1)])}
    assert len(drawn(held)) == 11
    assert len(drawn(held, most=4)) in (3, 4)


def test_facts_that_cannot_be_asked_are_passed_over(new_query):
    facts = [make_fact(number) for number in range(5)]
    held = [known(each, [new_query("causal")] if each is not facts[1] else []) for each in facts]
    assert {other.fact.id for other in KnowledgePool(held).sample(facts[0], 9, 0)} == {
        "capital/2", "capital/3", "capital/4"
    }  # fmt: skip


def test_draws_of_runs_made_before(new_query):
    facts = [
        Fact(
            f"{relation}/{n}{back}",
            relation + back.replace("/", "_"),
            f"s {n}",
            f"a {n}",
            language,
            (Prompt("x ___."),),
        )
        for n in range(9)
        for relation in ("capital", "author", "sport")
        for language in ("en", "zh")
        for back in ("", "/reverse")
    ]
    pool = KnowledgePool((known(each, ()) for each in facts), lambda _: new_query("causal"), most=12)
    assert [other.fact.id for other in pool.sample(facts[0], 6, 42)] == [
        "capital/7/reverse", "capital/8", "capital/8/reverse", "author/2/reverse", "author/2", "author/5/reverse"
    ]  # fmt: skip


def test_equals_a_plain_loop(one_of_each, shared_model, new_query):
    model = shared_model(one_of_each)
    fact = make_fact(0)
    own = known(fact, [new_query(model.kind, seed=9)])
    pool = [known(make_fact(n), [new_query(model.kind, seed=n)], COMPONENTS[0][:1]) for n in range(1, 4)]
    before = np.log(model.probabilities([each.queries[0] for each in pool]))
    changes = []
    for neurons in COMPONENTS:
        with model.suppress(neurons):
            changes.append(np.abs(np.log(model.probabilities([each.queries[0] for each in pool])) - before))
    changed = float(np.median(changes))  # so that about half of the pairs count as affected
    settings = CarriedSettings(others=3, draws=19, changed=changed * (1 + 1e-6))
    result = carried_facts(model, own, found(*COMPONENTS, of=fact), pool, settings)
    for carried, change in zip(result.components, changes, strict=True):
        expected = {each.fact.id for each, one in zip(pool, change, strict=True) if one > settings.changed}
        assert {each.id for each in carried.affected} == expected
        assert carried.other_facts == pytest.approx(len(expected) / 3)
        assert 1 / 20 <= carried.p_value <= 1
    assert [carried.shared for carried in result.components] == [1, 0]
    again = carried_facts(model, own, found(*COMPONENTS, of=fact), pool[::-1], settings)
    assert again == result


def test_a_component_that_leaves_too_few_neurons_to_compare_with_is_undecided(shared_model, new_query):
    model = shared_model("gpt2")
    fact = make_fact(0)
    wide = tuple(Neuron(0, index) for index in range(model.width - 2))
    pool = [known(make_fact(1), [new_query(model.kind, seed=1)])]
    result = carried_facts(model, known(fact, [new_query(model.kind)]), found(wide, COMPONENTS[1], of=fact), pool)
    assert result.carries == "undecided"
    assert math.isnan(result.components[0].p_value)
    assert not math.isnan(result.components[1].p_value)
