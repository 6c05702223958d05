"""What the tables of joined languages come to, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from factneurons.attribution.types import KnowledgeNeurons, Measurement
from factneurons.facts.types import Fact, Prompt
from factneurons.findings.languages import held_by, language_effects, shared_of
from factneurons.models.types import Neuron
from factneurons.multilingual.join import language_independent
from factneurons.multilingual.tables import LANGUAGE_EFFECTS, LANGUAGE_NEURONS, LANGUAGES

DRAWS = 3
FACTS = [
    Fact(f"fact {number}", "capital", f"subject {number}", f"answer {number}", language, (Prompt("a ___"),))
    for number in range(4)
    for language in ("en", "zh")
]


def known_of(fact, *neurons):
    ones = (1.0,) * len(neurons)
    return KnowledgeNeurons(fact, neurons, ones, ones, (), "amig", 0.2, False, 0.8, 1)


def joined(**options):
    """Both languages share the neuron (3, 7) of every fact but the last, and have one of their own."""
    known = [
        known_of(fact, *([] if fact.id == "fact 3" else [Neuron(3, 7)]), Neuron(place % 3, place))
        for place, fact in enumerate(FACTS)
    ]
    return language_independent(known, width=64, languages=("en", "zh"), **options)


def tables(found):
    return LANGUAGES.frame(found), LANGUAGE_NEURONS.frame(found)


def known_in(language, number, *neurons, relation="capital"):
    return known_of(
        Fact(f"fact {number}", relation, f"subject {number}", f"answer {number}", language, (Prompt("a ___"),)),
        *neurons,
    )


def verdict_on(sets, relations, **options):
    """sets: per fact the neurons in each of its languages; -> what is told of them."""
    known = [
        known_in(f"l{place}", number, *neurons, relation=relation)
        for number, (own, relation) in enumerate(zip(sets, relations, strict=True))
        for place, neurons in enumerate(own)
    ]
    facts = pd.DataFrame(
        [{"fact_id": each.fact.id, "language": each.fact.language, "subject": each.fact.subject} for each in known]
    )
    return shared_of(*tables(language_independent(known, width=64, **options)), facts)


def effects_on(fact):
    """Shared neurons halve P(answer), those of the language take nine tenths, all others a tenth."""
    for neurons, of in (("shared", ""), ("language", "en"), ("language", "zh")):
        left = {"": 0.5, fact.language: 0.1}.get(of, 0.9)
        for draw in range(DRAWS + 1):
            for action in ("suppress", "enhance"):
                for other in (None, replace(fact, id="other")):
                    name = f"random for {neurons}" if draw else neurons
                    after = 0.8 * (left if not draw and other is None else 1.0)
                    yield Measurement(fact, name, draw, action, other, 1, 0.8, after, 1, of)


@pytest.fixture
def facts():
    return pd.DataFrame([{"fact_id": each.id, "language": each.language, "subject": each.subject} for each in FACTS])


@pytest.fixture
def effects():
    return LANGUAGE_EFFECTS.frame([each for fact in FACTS for each in effects_on(fact)])


def test_what_languages_share(facts):
    found = shared_of(*tables(joined()), facts)
    assert (found.facts, found.having, found.languages) == (4, 3, ("en", "zh"))
    assert found.size.value == 3 / 4
    assert found.size.interval.clusters == 4
    assert found.sizes["en"].value == 7 / 4
    assert found.jaccard.value == (3 * 1 / 3 + 0) / 4
    assert found.tests.nominal == 3
    assert found.reasons == {"nothing-shared": 1}
    assert found.size.control.estimate < 0.1
    assert found.size.p_value == 2 / 16  # of 4 facts one shares less than chance, by next to nothing
    assert found.findings == [
        *found.sizes.values(), found.size, *(each.size for each in found.repaired), found.jaccard
    ]  # fmt: skip


def test_a_union_is_tested_for_being_small(facts):
    """Neurons that two languages share make their union smaller than that of random neurons."""
    found = shared_of(*tables(joined(rule="union")), facts)
    assert found.size.value == (3 * 3 + 2) / 4
    assert found.size.value < found.size.control.estimate
    assert found.size.p_value <= 2 / 16


def test_the_same_subject_in_both_languages_is_one(facts):
    """Facts of one subject are resampled together, and it is found by the first of the languages."""
    named = facts.assign(subject=["France", "法国", "France", "法国", "Peru", "秘鲁", "Peru", "秘鲁"])
    assert shared_of(*tables(joined()), named).size.interval.clusters == 2


def test_no_neurons_no_jaccard_index(facts):
    languages, neurons = tables(joined())
    found = shared_of(languages.assign(jaccard=float("nan")), neurons, facts)
    assert found.jaccard is None
    assert found.findings == [*found.sizes.values(), found.size, *(each.size for each in found.repaired)]


def test_a_neuron_of_every_fact_is_nobodys_own():
    """Random sets hardly share it, so that the exact chance level is beaten; other facts share it as well."""
    sets = [[(Neuron(3, 7), Neuron(0, 2 * n + k)) for k in range(2)] for n in range(10)]
    found = verdict_on(sets, ["capital"] * 5 + ["currency"] * 5)
    assert found.size.p_value <= 0.05
    assert [each.size.value for each in found.repaired] == [1, 1]
    assert [each.size.control.estimate for each in found.repaired] == [1, 1]
    assert [each.size.p_value for each in found.repaired] == [1, 1]
    assert found.verdict == "not shown"
    assert found.unbeaten == ["other facts' neurons of the relation", "any other facts' neurons"]


def test_neurons_of_the_relation_are_not_the_facts_own():
    sets = [[(Neuron(3, n // 5), Neuron(0, 2 * n + k)) for k in range(2)] for n in range(10)]
    found = verdict_on(sets, ["capital"] * 5 + ["currency"] * 5)
    within, over_all = found.repaired
    assert within.size.p_value == 1
    assert over_all.size.p_value <= 0.05
    assert found.verdict == "not shown"
    assert found.unbeaten == ["other facts' neurons of the relation"]


@pytest.mark.parametrize("rule", [{}, {"rule": "at_least", "at_least": 2}, {"rule": "union"}])
@pytest.mark.parametrize("count", [2, 3])
def test_neurons_of_a_fact_in_every_language_are_its_own(rule, count):
    sets = [[(Neuron(3, 7), Neuron(1, n), Neuron(0, count * n + k)) for k in range(count)] for n in range(10)]
    found = verdict_on(sets, ["capital"] * 5 + ["currency"] * 5, **rule)
    assert found.verdict == "shared"
    assert found.unbeaten == []
    fewer = rule.get("rule") == "union"
    for each in found.repaired:
        assert each.size.value == found.size.value
        assert each.size.n == 10
        assert each.size.difference.estimate < 0 if fewer else each.size.difference.estimate > 0


def test_the_only_fact_of_a_relation_has_no_other_to_pair_with():
    sets = [[(Neuron(1, n),)] * 2 for n in range(7)]
    within, over_all = verdict_on(sets, ["capital"] * 5 + ["currency", "author"]).repaired
    assert (within.alone, within.size.n) == (2, 5)
    assert (over_all.alone, over_all.size.n) == (0, 7)
    alone = verdict_on(sets, [str(n) for n in range(7)])
    assert [each.among for each in alone.repaired] == ["all"]
    assert alone.verdict == "cannot tell"


def test_effects_in_each_language(effects, facts):
    found = language_effects(effects, facts)
    related = {
        (each.under["asked"], each.under["neurons_of"]): each
        for each in found
        if (each.under["prompts"], each.under["action"]) == ("related", "suppress")
    }
    values = {key: round(effect.value, 6) for key, effect in related.items()}
    assert values == {
        ("en", ""): -0.5, ("en", "en"): -0.9, ("en", "zh"): -0.1,
        ("zh", ""): -0.5, ("zh", "en"): -0.1, ("zh", "zh"): -0.9,
    }  # fmt: skip
    assert all(effect.control.estimate == 0 for effect in found)
    assert related["en", ""].difference.estimate == pytest.approx(-0.5)


def test_what_is_told_first(effects, facts):
    """Suppressed before enhanced, and in every language shared neurons before its own."""
    found = [effect.under for effect in language_effects(effects, facts)]
    assert [each["action"] for each in found] == ["suppress"] * 12 + ["enhance"] * 12
    suppressed = [(each["asked"], each["neurons"], each["neurons_of"]) for each in found[:12:2]]
    assert suppressed[:3] == [("en", "shared", ""), ("en", "language", "en"), ("en", "language", "zh")]
    assert suppressed[3][0] == "zh"


def test_a_fact_without_a_probability_does_not_enter(effects, facts):
    effects.loc[effects["fact_id"] == "fact 0", "probability_before"] = 0.0
    assert {effect.n for effect in language_effects(effects, facts)} == {3}


def test_next_to_0_there_is_only_the_change_of_log_p(effects, facts):
    effects["probability_before"] *= 1e-6
    effects["probability_after"] *= 1e-6
    assert language_effects(effects, facts) == []
    found = language_effects(effects, facts, log=True)
    assert len(found) == 24
    shared = found[0]
    assert shared.name == "change of log P(answer), nats"
    assert (shared.under["neurons"], shared.under["action"], shared.under["prompts"]) == (
        "shared",
        "suppress",
        "related",
    )
    assert (shared.value, shared.control.estimate) == (pytest.approx(math.log(0.5)), 0)


def test_which_languages_hold_the_neurons_of_a_layer():
    counts = held_by(LANGUAGE_NEURONS.frame(joined()))
    assert counts[3, ("en", "zh")] == 3
    assert sum(counts.values()) == 3 + len(FACTS)
    assert {held for _, held in counts} == {("en",), ("zh",), ("en", "zh")}
