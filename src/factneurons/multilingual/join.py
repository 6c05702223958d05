"""Language-independent knowledge neurons: one fact's neurons, joined over languages.

For a fact with knowledge neurons N_k in language k of K:

    L = intersection over k of N_k

or, by other rules, the neurons in at least m of the N_k, or in any.
Source: Journey to the Center of the Knowledge Neurons (AAAI 2024) for the intersection; the other rules are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.errors import BadSetting
from factneurons.models.types import Neuron
from factneurons.multilingual.chance import chance_of
from factneurons.multilingual.plan import ByLanguage, Plan, plan_of, relative_scores
from factneurons.multilingual.settings import LanguageSettings
from factneurons.multilingual.tables import LanguageIndependentTable
from factneurons.multilingual.types import HELD_OUT, LANGUAGE_MISSING, NO_NEURONS, NOTHING_SHARED, LanguageIndependent
from factneurons.settings import with_options


def language_independent(
    known: Iterable[KnowledgeNeurons],
    settings: LanguageSettings | None = None,
    *,
    width: int | Sequence[int],
    **options: object,
) -> LanguageIndependentTable:
    """Join the knowledge neurons of the same facts in several languages.

    Args:
        known: knowledge neurons of facts in two or more languages; those with the same fact id are one fact.
        settings: how to join, or
        width: neurons per layer of the model, or of each, `model.backbone.widths`, for what random sets would share.
        **options: the settings' fields by name, for instance `rule="at_least", at_least=2`.

    Returns:
        One record per fact id, sorted, as a table; `reason` says why a fact has no language-independent neurons.

    Raises:
        BadSetting: an unknown rule or option, facts in one language only, a language without facts, or ids that
            do not join; the same fact twice in a language; the rule 'agnostic', which needs scores: see
            `language_agnostic`.
    """
    chosen = with_options(LanguageSettings, settings, options)
    if chosen.rule == "agnostic":
        raise BadSetting("the rule 'agnostic' needs the scores of every prompt: use language_agnostic(model, known)")
    facts = by_fact(known)
    plan = plan_of(facts, chosen)
    return LanguageIndependentTable.of(joined(facts[fact_id], plan, chosen, width) for fact_id in sorted(facts))


def by_fact(known: Iterable[KnowledgeNeurons]) -> dict[str, dict[str, KnowledgeNeurons]]:
    """Fact id -> language -> knowledge neurons.

    Raises:
        BadSetting: a fact that is there twice in one language.
    """
    facts: dict[str, dict[str, KnowledgeNeurons]] = {}
    for each in known:
        own = facts.setdefault(each.fact.id, {})
        if each.fact.language in own:
            raise BadSetting(f"fact {each.fact.id!r} is there twice in {each.fact.language}")
        own[each.fact.language] = each
    return facts


def joined(fact: ByLanguage, plan: Plan, settings: LanguageSettings, width: int | Sequence[int]) -> LanguageIndependent:
    """The language-independent neurons of one fact, by the rules about sets.

    Args:
        fact: language -> its knowledge neurons.
        plan: what was decided over all facts.
        settings: how to join.
        width: neurons per layer, or of each.
    """
    known = plan.cut(fact)
    if plan.missing(fact):
        return without_neurons(known, plan, settings, LANGUAGE_MISSING)
    if known[0].fact.id in plan.held_out:
        return without_neurons(known, plan, settings, HELD_OUT)
    sets = [frozenset(each.neurons) for each in known]
    held = Counter(neuron for found in sets for neuron in found)
    neurons = best_first(known, [neuron for neuron, count in held.items() if count >= plan.needed])
    chance = chance_of(sets, plan.needed, len(neurons), width, f"{settings.seed}/{known[0].fact.id}")
    return LanguageIndependent(
        fact_id=known[0].fact.id,
        known=known,
        neurons=neurons,
        rule=settings.rule,
        needed=plan.needed,
        cuts=plan.cuts,
        jaccard=mean_jaccard(sets),
        expected=chance.expected,
        p_value=chance.p_value,
        exact=chance.exact,
        reason=reason_of(known, neurons),
    )


def without_neurons(
    known: tuple[KnowledgeNeurons, ...], plan: Plan, settings: LanguageSettings, reason: str
) -> LanguageIndependent:
    """A fact that takes no part."""
    sets = [each.neurons for each in known]
    return LanguageIndependent(
        fact_id=known[0].fact.id,
        known=known,
        neurons=(),
        rule=settings.rule,
        needed=plan.needed,
        cuts=plan.cuts,
        jaccard=mean_jaccard(sets),
        expected=float("nan"),
        p_value=float("nan"),
        exact=False,
        reason=reason,
    )


def reason_of(known: Sequence[KnowledgeNeurons], neurons: Sequence[Neuron]) -> str:
    """Why there are no language-independent neurons; "" where there are some."""
    if neurons:
        return ""
    return NOTHING_SHARED if all(each.neurons for each in known) else NO_NEURONS


def best_first(known: Sequence[KnowledgeNeurons], neurons: Iterable[Neuron]) -> tuple[Neuron, ...]:
    """Neurons by the falling mean over languages of their score as a share of the language's largest."""
    shares: list[Mapping[Neuron, float]] = [
        dict(zip(each.neurons, relative_scores(each), strict=True)) for each in known
    ]
    return tuple(sorted(neurons, key=lambda neuron: (-sum(own.get(neuron, 0.0) for own in shares), neuron)))


def mean_jaccard(sets: Sequence[Iterable[Neuron]]) -> float:
    """|A and B| / |A or B|, mean over pairs of sets; 0 for a pair without neurons, NaN without any neuron."""
    found = [frozenset(each) for each in sets]
    if len(found) < 2 or not any(found):
        return float("nan")
    pairs = combinations(found, 2)
    return float(np.mean([len(one & other) / len(one | other) if one | other else 0.0 for one, other in pairs]))
