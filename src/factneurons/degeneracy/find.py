"""From the knowledge neurons of facts to their degenerate knowledge neurons.

In: a model, knowledge neurons. Out: per fact the components, or the reason why there are none.

    distances -> clusters -> judge

Groups are found with every other prompt of a fact; the others are kept for the halving test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from factneurons.attribution.drops import Drops, suppressed_by
from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carrying import Carries, FactsByNeuron, carries_nothing
from factneurons.degeneracy.clusterers.base import Cluster, Clusterer, Clustering, Context
from factneurons.degeneracy.clusterers.comparison import Estimator
from factneurons.degeneracy.clusterers.registry import CLUSTERERS, clusterer_of
from factneurons.degeneracy.clusterers.single_linkage import spanning_forest
from factneurons.degeneracy.clusterers.topology import barcode_of
from factneurons.degeneracy.distances import GapUnits, neuron_distances
from factneurons.degeneracy.halving import split_prompts
from factneurons.degeneracy.judge import judge
from factneurons.degeneracy.mediation import mediated_effects
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import DegenerateNeuronTable
from factneurons.degeneracy.types import Bar, Component, Connection, DegenerateNeurons
from factneurons.draws import as_number
from factneurons.errors import BadFact
from factneurons.models.model import Model
from factneurons.models.questions import Asking
from factneurons.models.types import Neuron
from factneurons.settings import with_options


def find_degenerate(
    model: Model,
    known: KnowledgeNeurons | Iterable[KnowledgeNeurons],
    settings: DegeneracySettings | None = None,
    **options: object,
) -> DegenerateNeuronTable:
    """The degenerate knowledge neurons of one or many facts.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of one fact, or of many.
        settings: all settings in one record, or
        **options: its fields by name, for instance `clusterer="ntc", seed=1`. Here `clusterer` may also be an object
            with scikit-learn's `fit_predict`, as `SpectralClustering(2, affinity="precomputed")`; what it is given
            says `clusterers.comparison.estimated`. A run keeps no objects, so it takes names alone.

    Raises:
        BadSetting: an option that there is not, an impossible value, or neurons that the object refuses.
        BadNumber: a weight or a probability that is NaN; names the fact.
        BadFact: a fact (id and language) that comes twice.
    """
    given = options.get("clusterer")
    own = clusterer_of(given) if isinstance(given, Estimator) else None
    options = options if own is None else {name: value for name, value in options.items() if name != "clusterer"}
    settings = with_options(DegeneracySettings, settings, options)
    many = [known] if isinstance(known, KnowledgeNeurons) else list(known)
    names = Counter((each.fact.id, each.fact.language) for each in many)
    for (fact_id, language), times in names.items():
        if times > 1:
            raise BadFact(f"fact {fact_id!r} ({language}): it comes twice; give every fact once")
    units = GapUnits(model, settings)
    by_neuron = facts_by_neuron(model, many, settings)
    searches = [degenerate_search(model, each, settings, units, by_neuron.carrying(each.fact), own) for each in many]
    return DegenerateNeuronTable.of(model.answer(searches))


def facts_by_neuron(model: Model, known: Iterable[KnowledgeNeurons], settings: DegeneracySettings) -> FactsByNeuron:
    """The knowledge neurons of many facts, to look up which facts a group of neurons carries."""
    asked = {each.fact.key: each for each in known}
    drops_of = cache(lambda fact: Drops(suppressed_by(fact, asked[fact.key].queries)))
    return FactsByNeuron(((each.fact, each.neurons) for each in asked.values()), drops_of, settings)


def degenerate_neurons(
    model: Model,
    known: KnowledgeNeurons,
    settings: DegeneracySettings,
    units: GapUnits | None = None,
    carries: Carries = carries_nothing,
) -> DegenerateNeurons:
    """The degenerate knowledge neurons of one fact; the order of its neurons does not matter.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of the fact.
        settings: every option.
        units: of `scale="layer-gap"`, to be shared by the facts of one model; None: measured anew.
        carries: whether a group of neurons carries other facts; without them nothing is degenerate or shared.

    Raises:
        BadNumber: a weight or a probability that is NaN; names the neuron, or the fact and the prompt.
    """
    return model.answer([degenerate_search(model, known, settings, units, carries)])[0]


def degenerate_search(
    model: Model,
    known: KnowledgeNeurons,
    settings: DegeneracySettings,
    units: GapUnits | None = None,
    carries: Carries = carries_nothing,
    clusterer: Clusterer | None = None,
) -> Asking[DegenerateNeurons]:
    """The same as a search, to be advanced beside others; with a clusterer that has no name, if there is one."""
    neurons = tuple(sorted(known.neurons))
    asked, others = split_prompts(known.queries)
    drops, held_out = Drops(suppressed_by(known.fact, asked)), suppressed_by(known.fact, others)
    if len(neurons) < 2:
        return (yield from judge(known, (), drops, held_out, carries, settings, reason="too-few-neurons"))
    score = dict(zip(known.neurons, known.scores, strict=True))
    context = Context(
        distances=neuron_distances(model, neurons, settings, units),
        neurons=neurons,
        scores=tuple(score[neuron] for neuron in neurons),
        drops=drops,
        rng=np.random.default_rng([settings.seed, as_number(f"clusterer {known.fact.key}")]),
        widths=model.backbone.widths,
        mediated_effects=lambda needed: mediated_effects(asked, needed),
    )
    clustering = yield from (clusterer or CLUSTERERS[settings.clusterer]).cluster(context, settings)
    clusters = [_described(cluster, clustering, context) for cluster in clustering.clusters]
    barcode = clustering.barcode or barcode_of(context.distances, settings.r_max)
    bars = tuple(Bar(bar.birth, bar.death, _members(bar, neurons), bar.chosen) for bar in barcode)
    found = yield from judge(
        known, clusters, drops, held_out, carries, settings, reason=clustering.reason, barcode=bars
    )
    return replace(found, connections=_connections(context))


def _connections(context: Context) -> tuple[Connection, ...]:
    """The connections of the spanning forest, sorted, each from the lower layer to the upper."""
    joined = (
        (tuple(sorted((context.neurons[first], context.neurons[second]))), 1.0 / distance)
        for distance, first, second in spanning_forest(context.distances)
        if distance > 0
    )
    return tuple(Connection((low, high), weight) for (low, high), weight in sorted(joined))


def _members(cluster: Cluster, neurons: Sequence[Neuron]) -> tuple[Neuron, ...]:
    return tuple(neurons[member] for member in cluster.members)


def _described(cluster: Cluster, clustering: Clustering, context: Context) -> Component:
    """A cluster as a component whose losses are not measured yet."""
    strangers = clustering.neurons
    inside = context.distances[np.ix_(cluster.members, cluster.members)]
    pairs = inside[np.triu_indices(len(inside), 1)]
    finite = pairs[np.isfinite(pairs)]
    return Component(
        neurons=tuple(sorted(_members(cluster, strangers or context.neurons))),
        birth=cluster.birth,
        death=cluster.death,
        drop_alone=math.nan,
        drop_without_others=math.nan,
        mean_distance=float(finite.mean()) if len(finite) and strangers is None else math.nan,
    )
