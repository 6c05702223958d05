"""From the knowledge neurons of facts to their degenerate knowledge neurons.

In: a model, knowledge neurons. Out: per fact the components, or the reason why there are none.

    distances -> clusters -> functional tests -> random-partition control
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.carrying import Carries, FactsByNeuron, carries_nothing
from factneurons.degeneracy.clusterers.registry import CLUSTERERS, Cluster, Clustering, Context
from factneurons.degeneracy.distances import distance_matrix
from factneurons.degeneracy.functional import Drops, NeuronSet, Suppressed, degeneracy_index, union, without_others
from factneurons.degeneracy.judge import Storage, storage_of
from factneurons.degeneracy.mediation import ActiveModel, passed_on
from factneurons.degeneracy.scale import GapUnits, WeightModel
from factneurons.degeneracy.settings import DegeneracySettings
from factneurons.degeneracy.tables import FOUND
from factneurons.degeneracy.types import Bar, Component, DegenerateNeurons
from factneurons.draws import as_number
from factneurons.errors import BadFact, BadNumber
from factneurons.facts.types import Fact
from factneurons.models.types import Neuron, Query
from factneurons.settings import with_options
from factneurons.tables import ResultTable

FloatArray = npt.NDArray[np.float64]


class SuppressibleModel(WeightModel, ActiveModel, Protocol):
    """What of a model is used here."""

    def probabilities_with(
        self, queries: Sequence[Query], neuron_sets: Sequence[Collection[Neuron]], factor: float = 0.0
    ) -> FloatArray:
        """[queries, sets], P(answer) with the values of each set's neurons multiplied by the factor."""


class AskedFact(Protocol):
    """A fact and its prompts, as a model is asked them."""

    @property
    def fact(self) -> Fact:
        """The fact."""

    @property
    def queries(self) -> tuple[Query, ...]:
        """Its prompts."""


def find_degenerate(
    model: SuppressibleModel,
    known: KnowledgeNeurons | Iterable[KnowledgeNeurons],
    settings: DegeneracySettings | None = None,
    **options: object,
) -> ResultTable[DegenerateNeurons]:
    """The degenerate knowledge neurons of one or many facts.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of one fact, or of many.
        settings: all settings in one record, or
        **options: its fields by name, for instance `clusterer="ntc", seed=1`.

    Raises:
        BadSetting: an option that there is not, or an impossible value.
        BadNumber: a weight or a probability that is NaN; names the fact.
        BadFact: a fact (id and language) that comes twice.
    """
    settings = with_options(DegeneracySettings, settings, options)
    many = [known] if isinstance(known, KnowledgeNeurons) else list(known)
    names = Counter((each.fact.id, each.fact.language) for each in many)
    for (fact_id, language), times in names.items():
        if times > 1:
            raise BadFact(f"fact {fact_id!r} ({language}): it comes twice; give every fact once")
    units = GapUnits(model, settings)
    others = other_neurons(model, many, settings)
    found = (degenerate_neurons(model, each, settings, units, others.carrying(each.fact)) for each in many)
    return ResultTable(tuple(found), FOUND)


def other_neurons(
    model: SuppressibleModel, known: Iterable[KnowledgeNeurons], settings: DegeneracySettings
) -> FactsByNeuron:
    """The knowledge neurons of many facts, to look up which facts a group of neurons carries."""
    asked = {each.fact.key: each for each in known}
    drops_of = cache(lambda fact: Drops(suppressed_by(model, asked[fact.key])))
    return FactsByNeuron(((each.fact, each.neurons) for each in asked.values()), drops_of, settings)


def degenerate_neurons(
    model: SuppressibleModel,
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
    neurons = sorted(known.neurons)
    drops = Drops(suppressed_by(model, known))
    if len(neurons) < 2:
        return _too_few(known, drops, carries, settings)
    distances = neuron_distances(model, neurons, settings, units)
    score = dict(zip(known.neurons, known.scores, strict=True))
    context = Context(
        distances=distances,
        neurons=tuple(neurons),
        scores=tuple(score[neuron] for neuron in neurons),
        drops=drops,
        rng=_random_numbers(known, settings),
        width=model.width,
        passed_on=lambda needed: passed_on(model, known.queries, needed),
    )
    clustering = CLUSTERERS[settings.clusterer].cluster(context, settings)
    barcode = tuple(Bar(bar.birth, bar.death, _members(bar, context.neurons), bar.chosen) for bar in clustering.barcode)
    clusters = {
        frozenset(component.neurons): component
        for component in (_component(cluster, clustering, context) for cluster in clustering.clusters)
    }
    everything = union(clusters)
    drops.measure([*clusters, *(everything - cluster for cluster in clusters), everything, frozenset(neurons)])
    found = _none(known, clustering.reason, tuple(clusters.values()), barcode)
    if not drops.probability > 0:
        return replace(found, reason=clustering.reason or "zero-probability")
    groups = () if clustering.reason in _NO_GROUPS else tuple(clusters)
    stored = storage_of(frozenset(neurons), groups, drops, carries, settings, fact_key=known.fact.key)
    found = replace(found, storage=stored.verdict, details=dict(stored.evidence))
    if clustering.reason:
        return found
    return _tested(known, found, clusters, stored, drops, settings)


def _too_few(
    known: KnowledgeNeurons, drops: Drops, carries: Carries, settings: DegeneracySettings
) -> DegenerateNeurons:
    """One neuron can hold a fact; it has no components."""
    found = _none(known, "too-few-neurons")
    if not known.neurons or not drops.probability > 0:
        return found
    stored = storage_of(frozenset(known.neurons), (), drops, carries, settings, fact_key=known.fact.key)
    return replace(found, storage=stored.verdict)


_NO_GROUPS = ("no-finite-distance", "below-tau1")
"""Reasons of a clusterer whose clusters are none that it stands for."""


def _random_numbers(known: KnowledgeNeurons, settings: DegeneracySettings) -> np.random.Generator:
    """Of one fact, for its clusterer; the random-partition control has its own."""
    return np.random.default_rng([settings.seed, as_number(f"clusterer {known.fact.key}")])


def _tested(
    known: KnowledgeNeurons,
    found: DegenerateNeurons,
    clusters: dict[NeuronSet, Component],
    stored: Storage,
    drops: Drops,
    settings: DegeneracySettings,
) -> DegenerateNeurons:
    graded = replace(
        found,
        candidates=_with_drops(clusters, tuple(clusters), drops),
        reason=stored.reason,
        details=_graded(known, tuple(clusters), drops) | found.details,
    )
    if stored.reason:
        return graded
    passed, control = stored.groups, stored.controls[settings.null]
    drop_all = drops.of(union(passed))
    p_values = {f"p_value_{null}": each.p_value for null, each in stored.controls.items()}
    return replace(
        graded,
        components=_with_drops(clusters, passed, drops),
        drop_all=drop_all,
        degeneracy_index=degeneracy_index(drop_all, without_others(passed, drops)),
        p_value=control.p_value,
        coverage=_coverage(union(passed), known),
        grouping="distinct" if control.real(drop_all) else "arbitrary",
        details=graded.details | asdict(control) | p_values,
    )


def _none(
    known: KnowledgeNeurons,
    reason: str,
    candidates: tuple[Component, ...] = (),
    barcode: tuple[Bar, ...] = (),
) -> DegenerateNeurons:
    return DegenerateNeurons(
        fact=known.fact,
        components=(),
        candidates=candidates,
        barcode=barcode,
        reason=reason,
        drop_all=math.nan,
        degeneracy_index=math.nan,
        p_value=math.nan,
        coverage=0.0,
        grouping="no-groups",
        storage="none",
        knowledge_neurons=len(known.neurons),
    )


def _coverage(neurons: NeuronSet, known: KnowledgeNeurons) -> float:
    return len(neurons.intersection(known.neurons)) / len(known.neurons)


def neuron_distances(
    model: WeightModel, neurons: Sequence[Neuron], settings: DegeneracySettings, units: GapUnits | None = None
) -> FloatArray:
    """The distance of every two of n neurons of a model, [n, n], by the settings.

    Args:
        model: whose weights are read.
        neurons: n different neurons.
        settings: span, max_span, gate, similarity, scale, fold_norm_gain and seed are read.
        units: of `scale="layer-gap"`, to be shared by the facts of one model; None: measured anew.

    Raises:
        BadNumber: a weight that is NaN or infinite, or no unit to be had.
        BadSetting: a neuron given twice.
    """
    layers = {neuron.layer for neuron in neurons}
    return distance_matrix(
        neurons,
        model.out_weights(neurons),
        model.in_weights(neurons),
        span=settings.span,
        max_span=settings.max_span,
        gate=settings.gate,
        similarity=settings.similarity,
        unit=_UNITS[settings.scale](units or GapUnits(model, settings)),
        norm_gains={layer: model.backbone.norm_gain(layer) for layer in layers} if settings.fold_norm_gain else None,
        encoder_layers=[layer for layer in layers if model.backbone.in_encoder(layer)],
    )


_UNITS: dict[str, Callable[[GapUnits], GapUnits | None]] = {"none": lambda _: None, "layer-gap": lambda units: units}


def suppressed_by(model: SuppressibleModel, known: AskedFact) -> Suppressed:
    """P(answer) under suppression, the mean over the prompts that were asked of the model."""

    def ask(neuron_sets: Sequence[Collection[Neuron]]) -> FloatArray:
        rows = [model.probabilities_with([query], neuron_sets)[0] for query in known.queries]
        for query, row in zip(known.queries, rows, strict=True):
            if not np.isfinite(row).all():
                raise BadNumber(
                    f"fact {known.fact.id!r}, prompt {query.prompt.text!r}: P(answer) is NaN with neurons "
                    "suppressed; load the model in float32"
                )
        mean: FloatArray = np.mean(rows, axis=0, dtype=np.float64)
        return mean

    return ask


def _members(cluster: Cluster, neurons: Sequence[Neuron]) -> tuple[Neuron, ...]:
    return tuple(neurons[member] for member in cluster.members)


def _component(cluster: Cluster, clustering: Clustering, context: Context) -> Component:
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


def _with_drops(
    described: dict[NeuronSet, Component], clusters: tuple[NeuronSet, ...], drops: Drops
) -> tuple[Component, ...]:
    alone, left = drops(clusters).tolist(), without_others(clusters, drops).tolist()
    return tuple(
        replace(described[cluster], drop_alone=alone[place], drop_without_others=left[place])
        for place, cluster in enumerate(clusters)
    )


def _graded(known: KnowledgeNeurons, clusters: tuple[NeuronSet, ...], drops: Drops) -> dict[str, float]:
    everything = union(clusters)
    drop_all = drops.of(everything)
    return {
        "probability": drops.probability,
        "drop_knowledge_neurons": drops.of(frozenset(known.neurons)),
        "drop_candidates": drop_all,
        "degeneracy_index_candidates": degeneracy_index(drop_all, without_others(clusters, drops)),
        "coverage_candidates": _coverage(everything, known),
    }
