"""The neurons of a relation: those that the training facts of the relation have in common.

    S_r = neurons with count > share x largest count,  count = in how many facts' sets a neuron is

Source: 'Journey to the Center of the Knowledge Neurons' (AAAI 2024), fact-checking; there the sets are degenerate
pairs, in 'Cracking Factual Knowledge' (ACL 2025) the components of degenerate knowledge neurons.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from factneurons.attribution.controls import CONTROLS, strengths
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.find import find_degenerate
from factneurons.degeneracy.pairs import degenerate_pairs
from factneurons.degeneracy.types import DegenerateNeurons, DegeneratePairs
from factneurons.errors import NotAskable
from factneurons.factcheck.settings import AUTO, COMPONENTS, PAIRS, PROMPT_PAIRS, SOURCES
from factneurons.factcheck.types import Group
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query
from factneurons.settings import check_choice, check_number

_IN_TURN = (COMPONENTS, PROMPT_PAIRS)
ENOUGH, ENOUGH_SHARE = 3, 0.1
"""For "auto" so many training facts of a relation, and this share of them, must have such neurons."""

NeuronSets = Mapping[Group, tuple[Neuron, ...]]
"""Relation and language -> S_r."""

Search = Callable[[Sequence[KnowledgeNeurons]], Iterable[DegenerateNeurons]]
"""Finds the components of facts, in their order."""


@dataclass(frozen=True, slots=True)
class Degenerate:
    """The degenerate neurons of the facts of one relation.

    Attributes:
        source: a name of SOURCES, not "auto"; "" where "auto" found too few facts with any.
        sets: one per fact that has some.
        facts: how many facts were searched.
    """

    source: str
    sets: tuple[frozenset[Neuron], ...]
    facts: int


def in_common(sets: Iterable[Collection[Neuron]], share: float) -> tuple[Neuron, ...]:
    """S_r: the neurons that are in more than `share` times as many sets as the most frequent one is; sorted.

    Raises:
        BadSetting: a share that is not at least 0 and below 1.
    """
    check_number("share", share, least=0, below=1)
    counts = Counter(neuron for neurons in sets for neuron in set(neurons))
    most = max(counts.values(), default=0)
    return tuple(sorted(neuron for neuron, count in counts.items() if count > share * most))


def neurons_by_relation(sets: Mapping[Group, Iterable[Collection[Neuron]]], share: float) -> NeuronSets:
    """S_r of every relation that has any."""
    found = {group: in_common(own, share) for group, own in sets.items()}
    return {group: neurons for group, neurons in found.items() if neurons}


def grouped(known: Iterable[KnowledgeNeurons]) -> dict[Group, list[KnowledgeNeurons]]:
    """Knowledge neurons by relation and language."""
    groups: dict[Group, list[KnowledgeNeurons]] = defaultdict(list)
    for each in known:
        groups[each.fact.relation, each.fact.language].append(each)
    return dict(groups)


def degenerate_of(found: Mapping[str, Sequence[Collection[Neuron]]], facts: int, source: str) -> Degenerate:
    """The degenerate neurons of one relation's facts.

    Args:
        found: source -> the neurons of each fact; empty sets do not count.
        facts: how many facts were searched.
        source: a name of SOURCES.
    """
    check_choice("source", source, SOURCES)
    sets = {name: tuple(frozenset(own) for own in each if own) for name, each in found.items()}
    if source != AUTO:
        return Degenerate(source, sets.get(source, ()), facts)
    for name in _IN_TURN:
        if enough(len(sets.get(name, ())), facts):
            return Degenerate(name, sets[name], facts)
    return Degenerate("", (), facts)


def enough(having: int, facts: int) -> bool:
    """Whether so many of so many facts are enough to say what they have in common."""
    return having >= max(ENOUGH, ENOUGH_SHARE * facts)


def find_degenerate_sets(
    model: Model, known: Iterable[KnowledgeNeurons], source: str, search: Search | None = None
) -> dict[Group, Degenerate]:
    """Search the facts of every relation for components and pairs, as far as the source needs them.

    Args:
        model: the model.
        known: the facts with their neurons.
        source: a name of SOURCES.
        search: finds components; default: `find_degenerate`.
    """
    check_choice("source", source, SOURCES)
    result = {}
    for group, own in grouped(known).items():
        found: dict[str, list[tuple[Neuron, ...]]] = {}
        if source in (AUTO, COMPONENTS):
            found[COMPONENTS] = [each.neurons for each in (search or partial(find_degenerate, model))(own)]
        if source != COMPONENTS and not enough(sum(map(bool, found.get(COMPONENTS, ()))), len(own)):
            pairs = list(degenerate_pairs(model, own))
            found |= {PAIRS: [each.neurons for each in pairs], PROMPT_PAIRS: [prompt_pairs(each) for each in pairs]}
        result[group] = degenerate_of(found, len(own), source)
    return result


def prompt_pairs(found: DegeneratePairs) -> tuple[Neuron, ...]:
    """The neurons of the pairs of any prompt of a fact, sorted, each once."""
    return tuple(sorted({neuron for prompt in found.prompts for pair in prompt.pairs for neuron in pair}))


def random_sets(
    model: Model,
    sets: NeuronSets,
    queries: Mapping[Group, Sequence[Query]],
    *,
    draws: int,
    seed: int,
    control: str = "matched",
) -> list[NeuronSets]:
    """Random neurons in the place of every relation's, by a name of `CONTROLS` on the relation's queries.

    Returns:
        `draws` of them; a relation in whose layers too few other neurons are left is missing in all.
    """
    drawn: list[dict[Group, tuple[Neuron, ...]]] = [{} for _ in range(draws)]
    for group, neurons in sets.items():
        strength = strengths(model, queries[group])
        try:
            found = CONTROLS[control](strength, neurons, draws=draws, seed=seed, name="/".join(group))
        except NotAskable:
            continue
        for place, own in enumerate(found):
            drawn[place][group] = own
    return list(drawn)
