"""E2: do the neurons that languages share carry the fact in every language?

'Journey to the Center of the Knowledge Neurons' (AAAI 2024), experiment on cross-lingual editing: the fact's
language-independent neurons L are suppressed and enhanced, then the knowledge neurons of one language only, measured
in another one, then those of all languages together.

    L = intersection over languages k of N_k
    success rate of an action = mean r of the facts / mean r of unrelated ones, r as in E1

L is small, so the other language's neurons are also cut to its size, best ones first. Neurons are found with half of a
fact's prompts in each language and tested with the other half of the language that is asked. Values are changed for the
time of a question, so the sets of all languages are changed together. Out-weights can be changed in turn, as in the
paper: those of one language's neurons, then on top of that those of the next one's (what both have is doubled twice).
The released code undoes the first set before it applies the second, and so measures the second alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np

from factneurons.attribution.settings import ACTIONS
from factneurons.attribution.types import Measurement
from factneurons.errors import BadSetting, NotAskable
from factneurons.experiments.changes import MEASURES as CHANGES
from factneurons.experiments.changes import asked_around, changes
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Study
from factneurons.experiments.suite.localisation import SUCCESS_RATES
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query
from factneurons.multilingual.join import best_first

SHARED, OTHER, CUT, OWN, ALL = "language-independent", "other language", "other language, cut", "own language", "all"
SHARED_WEIGHTS, IN_TURN = "language-independent, weights", "all, weights in turn"

MEASURES = {
    **CHANGES,
    "side effect": "|unrelated change|, relative, mean over both actions",
    "neurons": "how many neurons were changed",
}


def languages_of(study: Study) -> tuple[str, ...]:
    """The languages of a study's facts.

    Raises:
        BadSetting: there is only one.
    """
    languages = tuple(sorted({fact.language for fact in study.facts}))
    if len(languages) < 2:
        raise BadSetting(
            f"this experiment compares languages, and these facts are in {', '.join(languages) or 'none'} only; "
            "give facts in several, for instance bundled?lang=en,zh"
        )
    return languages


def sets_by_language(study: Study, fact: Fact, languages: Sequence[str]) -> dict[str, tuple[Neuron, ...]]:
    """A fact's knowledge neurons in every language, and under `SHARED` those that all languages have.

    Raises:
        NotAskable: the fact is not there, not known or without neurons in one of the languages.
    """
    sisters = study.languages(fact)
    missing = [language for language in languages if language not in sisters]
    if missing:
        raise NotAskable("language-missing", f"{fact.id!r} is not there in {', '.join(missing)}")
    for language in languages:
        study.require_known(sisters[language])
    known = [study.knowledge(sisters[language], study.settings.methods[0]) for language in languages]
    shared = frozenset.intersection(*(frozenset(each.neurons) for each in known))
    sets = {language: each.neurons for language, each in zip(languages, known, strict=True)}
    return sets | {SHARED: best_first(known, shared)}


def prepare(study: Study) -> Work:
    """Every set, on one fact in one language."""
    languages = languages_of(study)

    def work(fact: Fact) -> Iterator[Measured]:
        sets = sets_by_language(study, fact, languages)
        if not sets[SHARED]:
            raise NotAskable("nothing-shared", f"{fact.id!r}: its languages share no knowledge neuron")
        _, tested = study.halves(fact)
        for condition, place, neurons in _conditions(sets, fact.language):
            found = study.intervene(fact, tested, neurons, condition)
            yield Measured(condition, "neurons", float(len(neurons)), place)
            yield from _with_side_effect(list(changes(condition, found, place)))
        for condition, turns in ((SHARED_WEIGHTS, [sets[SHARED]]), (IN_TURN, [sets[each] for each in languages])):
            yield Measured(condition, "neurons", float(len({neuron for neurons in turns for neuron in neurons})))
            found = by_weights(study, fact, tested, turns, condition)
            yield from _with_side_effect(list(changes(condition, found)))
        yield from asked_around(study, fact)

    return work


def by_weights(
    study: Study, fact: Fact, queries: Sequence[Query], turns: Sequence[Sequence[Neuron]], name: str
) -> list[Measurement]:
    """What suppressing and enhancing out-weights does, one set of neurons after the other; and random ones for each.

    Args:
        study: the study.
        fact: the fact.
        queries: its prompts that are asked.
        turns: the sets, in the order in which they are changed.
        name: what they are called.

    Raises:
        NotAskable: too few other neurons to compare with.
    """
    from factneurons.editing.build import edit

    random = [study.random(queries, own, f"{fact.key}/{number}") for number, own in enumerate(turns)]
    groups = [(None, tuple(queries)), *((other, (query,)) for other, query in study.unrelated(fact)[0])]
    asked = [query for _, own in groups for query in own]
    before, found = study.model.probabilities(asked), []
    for action in ACTIONS:
        for draw, sets in enumerate([turns, *zip(*random, strict=True)]):
            with ExitStack() as stack:
                for neurons in sets:
                    stack.enter_context(edit(study.model, fact, kind=action, neurons=neurons).on(study.model))
                after = study.model.probabilities(asked)
            condition, size, start = f"{RANDOM_FOR}{name}" if draw else name, len(set().union(*sets)), 0
            for other, own in groups:
                part = slice(start, start := start + len(own))
                pair = before[part], after[part]
                found.append(
                    Measurement.of(fact, pair, neurons=condition, size=size, draw=draw, action=action, other=other)
                )
    return found


def _conditions(sets: Mapping[str, tuple[Neuron, ...]], asked: str) -> Iterator[tuple[str, str, tuple[Neuron, ...]]]:
    """Condition, place (the language of the neurons, where it is another one) and neurons."""
    shared = sets[SHARED]
    by_language = {language: neurons for language, neurons in sets.items() if language != SHARED}
    yield SHARED, "", shared
    yield OWN, "", by_language[asked]
    for language, neurons in by_language.items():
        if language != asked:
            yield OTHER, language, neurons
            yield CUT, language, neurons[: len(shared)]
    yield ALL, "", tuple(sorted({neuron for neurons in by_language.values() for neuron in neurons}))


def _with_side_effect(measured: Sequence[Measured]) -> Iterator[Measured]:
    yield from measured
    for condition in sorted({each.condition for each in measured}):
        unrelated = [e for e in measured if e.condition == condition and e.measure.startswith("unrelated,")]
        if unrelated:
            size = float(np.mean([abs(each.value) for each in unrelated]))
            yield Measured(condition, "side effect", size, unrelated[0].place)


EXPERIMENT = Experiment(
    id="E2",
    title="Cross-lingual editing",
    source="Journey to the Center of the Knowledge Neurons (AAAI 2024)",
    question="Do the neurons that a fact's languages share change it in every language, and only it?",
    smallest="30 facts that the model knows in two languages and whose languages share neurons",
    example=(
        'factneurons experiment E2 --model pocket-gpt2 --facts "bundled?joined=yes&sample=60&seed=1" --out '
        "runs/two-languages-shared"
    ),
    measures=MEASURES,
    claims=(
        Claim(
            "Suppressing language-independent neurons lowers P(answer) more than random neurons do.",
            "related, suppress",
            SHARED,
            "less",
            f"{RANDOM_FOR}{SHARED}",
        ),
        Claim(
            "Suppressing them lowers it more than another language's neurons do.",
            "related, suppress",
            SHARED,
            "less",
            OTHER,
        ),
        Claim(
            "Suppressing them lowers it more than as many of another language's neurons do.",
            "related, suppress",
            SHARED,
            "less",
            CUT,
        ),
        Claim(
            "Enhancing them raises P(answer) more than another language's neurons do.",
            "related, enhance",
            SHARED,
            "greater",
            OTHER,
        ),
        Claim("They are more specific than another language's neurons.", "specificity", SHARED, "greater", OTHER),
        Claim("They are more specific than the neurons of all languages.", "specificity", SHARED, "greater", ALL),
        Claim(
            "By weights, they are more specific than the neurons of all languages changed in turn.",
            "specificity",
            SHARED_WEIGHTS,
            "greater",
            IN_TURN,
        ),
        Claim("They have smaller side effects than the neurons of all languages.", "side effect", SHARED, "less", ALL),
    ),
    prepare=prepare,
    charts=(
        Chart("Change of P(answer)", ("related, suppress", "related, enhance")),
        Chart("Change of log P(answer), nats", ("related log P, suppress", "related log P, enhance"), unit="number"),
        Chart("Side effects", ("side effect",)),
        Chart("Specificity", ("specificity",)),
    ),
    summaries=SUCCESS_RATES,
)
