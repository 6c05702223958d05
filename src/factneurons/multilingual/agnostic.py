"""A language-agnostic score, MATRICE-style: high over all prompts and languages, and steady over both.

With globally normalised scores s of every neuron, over the prompts q of a fact in language k, and over languages:

    u_k(n) = mean_q s_q(n) - beta_prompts * std_q s_q(n)
    v(n)   = mean_k u_k(n) - beta_languages * std_k u_k(n)         language-agnostic: v(n) >= tau * max v

Source: after One Mind, Many Tongues (2024), in which uncertainty over paraphrases and over languages enters;
the formula is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from factneurons.attribution.attribute import attribute_all
from factneurons.attribution.settings import AttributionSettings
from factneurons.attribution.types import AnyFloats, KnowledgeNeurons
from factneurons.draws import random_numbers
from factneurons.errors import BadSetting
from factneurons.models.model import Model
from factneurons.models.types import Neuron
from factneurons.multilingual.join import by_fact, mean_jaccard, reason_of, without_neurons
from factneurons.multilingual.plan import ByLanguage, Plan, plan_of
from factneurons.multilingual.settings import LanguageSettings
from factneurons.multilingual.tables import LanguageIndependentTable
from factneurons.multilingual.types import LANGUAGE_MISSING, LanguageIndependent
from factneurons.settings import with_options

_DRAWS = 200


def language_agnostic(
    model: Model,
    known: Iterable[KnowledgeNeurons],
    settings: LanguageSettings | None = None,
    *,
    attribution: AttributionSettings | None = None,
    **options: object,
) -> LanguageIndependentTable:
    """Language-agnostic neurons of facts that were located in several languages, by the score over all prompts.

    Args:
        model: the model in which they were located.
        known: knowledge neurons with their queries, which are attributed anew.
        settings: tau, the betas and the languages, or
        attribution: how scores are made; default: the method that the knowledge neurons were located with.
        **options: the settings' fields by name.

    Returns:
        One record per fact id, sorted, as a table. Chance is what the same scores give when each language's are
        permuted within each layer.

    Raises:
        BadSetting: as in `language_independent`.
        BadNumber: scores that are NaN or infinite.
    """
    chosen = replace(with_options(LanguageSettings, settings, options), rule="agnostic")
    facts = by_fact(known)
    plan = plan_of(facts, chosen)
    return LanguageIndependentTable.of(
        agnostic(model, facts[fact_id], plan, chosen, attribution) for fact_id in sorted(facts)
    )


def agnostic(
    model: Model, fact: ByLanguage, plan: Plan, settings: LanguageSettings, attribution: AttributionSettings | None
) -> LanguageIndependent:
    """The language-agnostic neurons of one fact (arguments as in `language_agnostic`)."""
    known = plan.cut(fact)
    if plan.missing(fact):
        return without_neurons(known, plan, settings, LANGUAGE_MISSING)
    how = replace(attribution or AttributionSettings(method=known[0].method), normalise="global")
    steady = np.stack([_steady(_prompt_scores(model, each, how), settings.beta_prompts) for each in known])
    scores = _steady(steady, settings.beta_languages)
    bound = settings.tau * float(scores.max())
    neurons = _reaching(scores, bound)
    drawn = _counts_by_chance(steady, bound, settings, known[0].fact.id)
    return LanguageIndependent(
        fact_id=known[0].fact.id,
        known=known,
        neurons=neurons,
        rule=settings.rule,
        needed=0,
        cuts=plan.cuts,
        jaccard=mean_jaccard([each.neurons for each in known]),
        expected=float(np.mean(drawn)),
        p_value=(1 + int(np.count_nonzero(drawn >= len(neurons)))) / (1 + len(drawn)),
        exact=False,
        reason=reason_of(known, neurons),
    )


def _prompt_scores(model: Model, known: KnowledgeNeurons, how: AttributionSettings) -> AnyFloats:
    """Scores of every neuron for every prompt, [prompts, layers, width]; each prompt's absolute scores sum to 1."""
    if not known.queries:
        raise BadSetting(f"fact {known.fact.id!r} ({known.fact.language}) has no queries to score")
    return np.stack([each.scores.astype(np.float64) for each in attribute_all(model, known.queries, how)])


def _steady(scores: AnyFloats, beta: float) -> AnyFloats:
    """mean - beta * std over the first axis."""
    result: AnyFloats = scores.mean(0) - beta * scores.std(0)
    return result


def _reaching(scores: AnyFloats, bound: float) -> tuple[Neuron, ...]:
    """The neurons whose score is positive and reaches the bound, best first."""
    layers, indices = np.nonzero((scores >= bound) & (scores > 0))
    found = sorted(zip(-scores[layers, indices], layers.tolist(), indices.tolist(), strict=True))
    return tuple(Neuron(layer, index) for _, layer, index in found)


def _counts_by_chance(
    steady: Sequence[AnyFloats] | AnyFloats, bound: float, settings: LanguageSettings, fact_id: str
) -> AnyFloats:
    """How many neurons reach the bound when each language's scores are permuted within each layer, [draws]."""
    generator = random_numbers(f"{settings.seed}/{fact_id}")
    array = np.asarray(steady)
    counts = []
    for _ in range(_DRAWS):
        scores = _steady(generator.permuted(array, axis=-1), settings.beta_languages)
        counts.append(np.count_nonzero((scores >= bound) & (scores > 0)))
    return np.array(counts, dtype=np.float64)
