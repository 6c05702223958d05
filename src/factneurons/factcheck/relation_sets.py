"""What the statements of a run's facts are scored by: the neurons of every relation under every condition.

In: facts, which of them the model knows, their knowledge neurons and their degenerate ones. Out: S_r by relation for
degenerate, knowledge and random neurons, and the path points that scores need. Only training facts that the model
knows have a say.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from factneurons.attribution.settings import AttributionSettings
from factneurons.factcheck.relation_neurons import (
    Degenerate,
    NeuronSets,
    degenerate_of,
    enough,
    neurons_by_relation,
    random_sets,
)
from factneurons.factcheck.scoring import enough_points
from factneurons.factcheck.settings import COMPONENTS, PAIRS, PROMPT_PAIRS, CheckSettings
from factneurons.factcheck.types import Group
from factneurons.facts.types import Fact
from factneurons.models.model import Model
from factneurons.models.prompts import ask
from factneurons.models.types import Neuron, Query

_STRENGTH_QUERIES = 64

Name = tuple[str, str]
"""A fact's id and language."""

NeuronsOf = Mapping[Name, Sequence[Neuron]]


@dataclass(frozen=True, slots=True)
class CheckedFacts:
    """The facts of a run, with what a check needs of each.

    Attributes:
        all: the facts, as their source has them (with wrong answers).
        known: (id, language) of those that the model knows, by the prompts that decide it (`statements.deciding`).
        neurons: (id, language) -> knowledge neurons.
        held_out: (relation, language) -> subjects that are kept for the test.
    """

    all: Sequence[Fact]
    known: frozenset[Name]
    neurons: NeuronsOf
    held_out: Mapping[Group, frozenset[str]]

    def split(self, fact: Fact) -> str:
        """Train or test."""
        return "test" if fact.subject in self.held_out[fact.relation, fact.language] else "train"

    def training(self) -> dict[Group, list[Fact]]:
        """The training facts that the model knows, by relation."""
        groups: dict[Group, list[Fact]] = defaultdict(list)
        for fact in self.all:
            if name_of(fact) in self.known and self.split(fact) == "train":
                groups[fact.relation, fact.language].append(fact)
        return dict(groups)


@dataclass(frozen=True, slots=True)
class RelationSets:
    """The neurons of every relation.

    Attributes:
        degenerate, knowledge: S_r by relation.
        random: the same of random neurons, one for every draw.
        settings: how statements are attributed.
        points_error: the completeness error that goes with them, see `scoring.Points`.
    """

    degenerate: NeuronSets
    knowledge: NeuronSets
    random: Sequence[NeuronSets]
    settings: AttributionSettings
    points_error: float

    @property
    def conditions(self) -> list[tuple[str, int, NeuronSets]]:
        """Condition, draw and S_r: degenerate and knowledge neurons, then the draws of random ones."""
        drawn = [("random", draw, own) for draw, own in enumerate(self.random)]
        return [("degenerate", 0, self.degenerate), ("knowledge", 0, self.knowledge), *drawn]

    def digest(self) -> str:
        """What scores rest on, for the run's manifest."""
        plain = [
            [[*group, [tuple(neuron) for neuron in own]] for group, own in sorted(each.items())]
            for _, _, each in self.conditions
        ]
        return hashlib.sha256(json.dumps([plain, asdict(self.settings)]).encode()).hexdigest()[:16]


def relation_sets(
    model: Model, facts: CheckedFacts, degenerate: Mapping[Group, Degenerate], settings: CheckSettings, multi_mask: bool
) -> RelationSets:
    """The neurons of every relation, and how many path points its statements need."""
    training = facts.training()
    alike = neurons_by_relation({group: each.sets for group, each in degenerate.items()}, settings.share)
    knowledge = neurons_by_relation(
        {group: [facts.neurons[name_of(fact)] for fact in own] for group, own in training.items()}, settings.share
    )
    queries = {group: _true_queries(model, own, multi_mask) for group, own in training.items()}
    random = random_sets(model, {**knowledge, **alike}, queries, draws=settings.draws, seed=settings.seed)
    together = {group: [own[group] for own in (alike, knowledge) if group in own] for group in {**alike, **knowledge}}
    points = enough_points(
        model,
        [(query, group) for group, own in queries.items() for query in own],
        neurons_by_relation(together, 0.0),
        AttributionSettings(settings.method),
    )
    return RelationSets(alike, knowledge, random, points.settings, points.error)


def _true_queries(model: Model, facts: Sequence[Fact], multi_mask: bool) -> list[Query]:
    """One query each of some facts of a relation."""
    queries = []
    for fact in facts[:_STRENGTH_QUERIES]:
        asked, _ = ask(model, fact, multi_mask=multi_mask)
        queries += asked[:1]
    return queries


def without_components(training: Mapping[Group, Sequence[Fact]], components: NeuronsOf) -> set[Name]:
    """The facts of relations that have too few facts with components: pairs are needed there."""
    return {
        name_of(fact)
        for own in training.values()
        if not enough(sum(bool(components.get(name_of(fact))) for fact in own), len(own))
        for fact in own
    }


def degenerate_sets(
    training: Mapping[Group, Sequence[Fact]],
    components: NeuronsOf,
    pairs: NeuronsOf,
    prompt_pairs: NeuronsOf,
    source: str,
) -> dict[Group, Degenerate]:
    """The degenerate neurons of every relation's training facts, from where `source` takes them."""
    found: dict[Group, Degenerate] = {}
    for group, own in training.items():
        names = [name_of(fact) for fact in own]
        sets = {
            origin: [each.get(name, ()) for name in names]
            for origin, each in ((COMPONENTS, components), (PAIRS, pairs), (PROMPT_PAIRS, prompt_pairs))
        }
        found[group] = degenerate_of(sets, len(own), source)
    return found


def name_of(fact: Fact) -> Name:
    """The fact's id and language."""
    return fact.id, fact.language
