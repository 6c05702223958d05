"""E14: do the paraphrases of a fact agree on its neurons, and does it matter which of them one asks?

'Query Localization' (2024): a fact is consistent if its prompts give the same neurons, CS >= 0.3, else inconsistent
(type II). Per attribution method CS and the other measures of `factneurons.consistency`; the method `random`, whose
scores are dealt out anew in every prompt, is the control. Then, with the first method, what suppressing and enhancing
does to

    the prompt itself       the prompt's own set, and the set of a neighbour, another prompt of the same fact
    prompts held back       refined (found in most prompts), union (in any), consistency-aware (CAS)

each against random neurons of the same layers and strength. The prompts of the first row are measured one by one, each
with its own P before: their numbers are means over prompts (counts: sums). Those of the prompts held back are of their
mean P, as in E1.

More neurons do more, so sets are compared with as many, as methods are in E1: of each the best by its own scores, as
many as the smaller of a prompt's and its neighbour's set has, and as the smallest of the three selections that found
any. What whole sets do is told as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from factneurons.attribution.selection import AGREEMENTS, choose, coarse_set
from factneurons.attribution.settings import AttributionSettings, SelectionSettings
from factneurons.attribution.types import Attribution
from factneurons.errors import NotAskable
from factneurons.experiments.changes import MEASURES as CHANGES
from factneurons.experiments.changes import asked_around, changes
from factneurons.experiments.experiment import RANDOM_FOR, Chart, Claim, Experiment, Work
from factneurons.experiments.study import Study
from factneurons.experiments.suite.localisation import matched
from factneurons.experiments.types import Measured
from factneurons.facts.types import Fact
from factneurons.models.prompts import each_alone
from factneurons.models.types import Neuron, Query
from factneurons.multilingual.types import STATIC, Consistency

OWN, NEIGHBOUR, RANDOM = "own set", "neighbour's set", "random"
SELECTIONS = {"refine": "refined", "union": "union", "consistency": "consistency-aware"}

MEASURES = {
    "CS": "share of the neurons of all prompts that two or more of them give, 0 to 1",
    "CS_strict": "share of the neurons of all prompts that every one of them gives, 0 to 1",
    "Jaccard": "mean over pairs of prompts, 0 to 1",
    "Sorensen": "of all prompts at once, 0 to 1",
    "Morisita-Horn": "of all prompts at once, 0 to 1",
    "inconsistent": f"1 if CS is below {STATIC}, else 0",
    f"{STATIC} - CS": "how far CS is below that threshold",
    **{name: meaning for name, meaning in CHANGES.items() if not name.startswith("right sign")},
    "neurons": "how many neurons were changed",
}


def prepare(study: Study) -> Work:
    """Agreement under every method, then the sets of the first method, on one fact."""
    from factneurons.attribution.attribute import attribute_all
    from factneurons.multilingual.paraphrases import consistency_of

    def work(fact: Fact) -> Iterator[Measured]:
        study.require_known(fact)
        located, tested = study.halves(fact)
        if len(located) < 2:
            raise NotAskable("too-few-prompts", f"{fact.id!r}: at least three prompts are needed, two to locate with")
        first: list[Attribution] = []
        for method in dict.fromkeys([*study.settings.methods, RANDOM]):
            settings = study.settings.scoring(method)
            attributions = attribute_all(study.model, each_alone(located), settings)
            sets = _sets(fact, settings, attributions)
            if any(sets):
                yield from _agreement(method, consistency_of(sets))
            first = first or attributions
        yield from _prompt_by_prompt(study, fact, first)
        yield from _selections(study, fact, tested, first)
        yield from asked_around(study, fact)

    return work


def _threshold(fact: Fact, settings: AttributionSettings) -> float:
    from factneurons.attribution.methods import threshold_for

    return threshold_for(fact, settings, SelectionSettings())


def _sets(fact: Fact, settings: AttributionSettings, attributions: Sequence[Attribution]) -> list[tuple[Neuron, ...]]:
    """The neurons of every prompt, best first."""
    threshold = _threshold(fact, settings)
    found = (coarse_set(each.scores, "fraction", threshold) for each in attributions)
    return [tuple(sorted(own, key=lambda neuron: (-own[neuron], neuron))) for own in found]


def _agreement(method: str, found: Consistency) -> Iterator[Measured]:
    values = {
        "CS": found.relaxed,
        "CS_strict": found.strict,
        "Jaccard": found.jaccard,
        "Sorensen": found.sorensen,
        "Morisita-Horn": found.morisita_horn,
        "inconsistent": float(found.relaxed < STATIC),
        f"{STATIC} - CS": STATIC - found.relaxed,
    }
    for measure, value in values.items():
        yield Measured(method, measure, value)


def _prompt_by_prompt(study: Study, fact: Fact, attributions: Sequence[Attribution]) -> Iterator[Measured]:
    """Every prompt asked with its own set changed, and with that of the next prompt; means over prompts."""
    sets = _sets(fact, study.settings.scoring(attributions[0].method), attributions)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number, attribution in enumerate(attributions):
        pair = {OWN: sets[number], NEIGHBOUR: sets[(number + 1) % len(sets)]}
        for condition, neurons in (pair | _as_many(pair)).items():
            for each in _changed(study, fact, (attribution.query,), condition, neurons):
                values[each.condition, each.measure].append(each.value)
    for (condition, measure), found in values.items():
        yield Measured(condition, measure, float(sum(found) if measure.startswith("left out") else np.mean(found)))


def _selections(
    study: Study, fact: Fact, tested: Sequence[Query], attributions: Sequence[Attribution]
) -> Iterator[Measured]:
    """The prompts held back, with the neurons that the others come to in each way."""
    threshold = _threshold(fact, study.settings.scoring(attributions[0].method))
    sets = {
        SELECTIONS[agreement]: choose(attributions, SelectionSettings(agreement=agreement), threshold).neurons
        for agreement in AGREEMENTS
    }
    for condition, neurons in (sets | _as_many(sets)).items():
        yield from _changed(study, fact, tested, condition, neurons)


def _as_many(sets: Mapping[str, Sequence[Neuron]]) -> dict[str, tuple[Neuron, ...]]:
    """The best of every set that has any, as many as the smallest of them has; nothing to compare: {}."""
    found = {condition: tuple(neurons) for condition, neurons in sets.items() if neurons}
    size = min(map(len, found.values()), default=0)
    return {matched(condition): neurons[:size] for condition, neurons in found.items()} if len(found) > 1 else {}


def _changed(
    study: Study, fact: Fact, queries: Sequence[Query], condition: str, neurons: Sequence[Neuron]
) -> Iterator[Measured]:
    yield Measured(condition, "neurons", float(len(neurons)))
    if neurons:
        found = study.intervene(fact, queries, neurons, condition)
        yield from (each for each in changes(condition, found) if each.measure in MEASURES)


EXPERIMENT = Experiment(
    id="E14",
    title="Consistency",
    source="Query Localization (2024)",
    question="Do the paraphrases of a fact give the same neurons, and do a paraphrase's neurons carry the others?",
    smallest="100 facts that the model knows, with four prompts or more each",
    example='factneurons experiment E14 --model pocket-gpt2 --facts "bundled?sample=60&seed=1" --out runs/experiments',
    measures=MEASURES,
    claims=(
        Claim("Facts are inconsistent: CS is below 0.3.", f"{STATIC} - CS", "amig", "greater"),
        Claim("Prompts agree more than prompts whose scores are dealt out anew.", "CS", "amig", "greater", RANDOM),
        Claim(
            "With as many neurons, a prompt falls with its own more than with a neighbour's.",
            "related, suppress",
            matched(OWN),
            "less",
            matched(NEIGHBOUR),
        ),
        Claim(
            "A neighbour's neurons carry a prompt more than random ones do.",
            "related, suppress",
            NEIGHBOUR,
            "less",
            f"{RANDOM_FOR}{NEIGHBOUR}",
        ),
        Claim(
            "Prompts held back fall with consistency-aware neurons more than with random ones.",
            "related, suppress",
            SELECTIONS["consistency"],
            "less",
            f"{RANDOM_FOR}{SELECTIONS['consistency']}",
        ),
        Claim(
            "With as many neurons, consistency-aware ones are more specific than those of the union.",
            "specificity",
            matched(SELECTIONS["consistency"]),
            "greater",
            matched(SELECTIONS["union"]),
        ),
        Claim(
            "With as many neurons, consistency-aware ones are more specific than refined ones.",
            "specificity",
            matched(SELECTIONS["consistency"]),
            "greater",
            matched(SELECTIONS["refine"]),
        ),
    ),
    prepare=prepare,
    charts=(
        Chart("Agreement of prompts", ("CS", "CS_strict", "Jaccard", "Sorensen", "Morisita-Horn"), unit="number"),
        Chart("Change of P(answer)", ("related, suppress", "related, enhance")),
        Chart("Change of log P(answer), nats", ("related log P, suppress", "related log P, enhance"), unit="number"),
        Chart("Specificity", ("specificity",)),
    ),
)
