"""The neurons of a relation: those that the training facts of the relation have in common.

    S_r = neurons with count > share x largest count,  count = in how many facts' sets a neuron is

Source: 'Journey to the Center of the Knowledge Neurons' (AAAI 2024), fact-checking; there the sets are degenerate
pairs, in 'Cracking Factual Knowledge' (ACL 2025) the components of degenerate knowledge neurons.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from factneurons.attribution.controls import matched_random, strengths
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy import degenerate_pairs, find_degenerate
from factneurons.errors import BadSetting, NotAskable
from factneurons.factcheck.statements import Group
from factneurons.models.model import Model
from factneurons.models.types import Neuron, Query

COMPONENTS, PAIRS, AUTO = "components", "pairs", "auto"
SOURCES = (AUTO, COMPONENTS, PAIRS)
"""What degenerate neurons are taken from; auto: components where enough facts have some, else pairs."""

ENOUGH = 3
"""Facts of a relation that must have components for "auto" to take them."""

NeuronSets = Mapping[Group, tuple[Neuron, ...]]
"""Relation and language -> S_r."""


@dataclass(frozen=True, slots=True)
class Degenerate:
    """The degenerate neurons of the facts of one relation.

    Attributes:
        source: "components" or "pairs".
        sets: one per fact that has some.
    """

    source: str
    sets: tuple[frozenset[Neuron], ...]


def in_common(sets: Iterable[Collection[Neuron]], share: float) -> tuple[Neuron, ...]:
    """S_r: the neurons that are in more than `share` times as many sets as the most frequent one is; sorted.

    Raises:
        BadSetting: a share that is not at least 0 and below 1.
    """
    if not 0 <= share < 1:
        raise BadSetting(f"the share is at least 0 and below 1, not {share}")
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


def degenerate_of(
    components: Sequence[Collection[Neuron]], pairs: Sequence[Collection[Neuron]], source: str
) -> Degenerate:
    """The degenerate neurons of one relation's facts, from components or pairs.

    Args:
        components: the neurons of each fact's components; empty sets do not count.
        pairs: the neurons of each fact's pairs, likewise.
        source: one of SOURCES.
    """
    check_source(source)
    sets = {COMPONENTS: [set(own) for own in components if own], PAIRS: [set(own) for own in pairs if own]}
    if source == AUTO:
        source = COMPONENTS if len(sets[COMPONENTS]) >= ENOUGH else PAIRS
    return Degenerate(source, tuple(frozenset(own) for own in sets[source]))


def check_source(source: str) -> None:
    """Refuse an unknown source.

    Raises:
        BadSetting: the message lists the valid ones.
    """
    if source not in SOURCES:
        raise BadSetting(f"unknown source of degenerate neurons {source!r}; valid: {', '.join(SOURCES)}")


def find_degenerate_sets(model: Model, known: Iterable[KnowledgeNeurons], source: str) -> dict[Group, Degenerate]:
    """Search the facts of every relation for components and pairs, as far as the source needs them."""
    check_source(source)
    found = {}
    for group, own in grouped(known).items():
        components = [each.neurons for each in find_degenerate(model, own)] if source != PAIRS else []
        enough = source == COMPONENTS or sum(bool(neurons) for neurons in components) >= ENOUGH
        pairs = [] if enough else [each.neurons for each in degenerate_pairs(model, own)]
        found[group] = degenerate_of(components, pairs, source)
    return found


def random_sets(
    model: Model, sets: NeuronSets, queries: Mapping[Group, Sequence[Query]], *, draws: int, seed: int
) -> list[NeuronSets]:
    """Random neurons in the place of every relation's, matched in layer and strength on the relation's queries.

    Returns:
        `draws` of them; a relation in whose layers too few other neurons are left is missing in all.
    """
    drawn: list[dict[Group, tuple[Neuron, ...]]] = [{} for _ in range(draws)]
    for group, neurons in sets.items():
        strength = strengths(model, queries[group])
        try:
            found = matched_random(strength, neurons, draws=draws, seed=seed, name="/".join(group))
        except NotAskable:
            continue
        for place, own in enumerate(found):
            drawn[place][group] = own
    return list(drawn)
