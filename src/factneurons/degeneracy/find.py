"""From the knowledge neurons of facts to their degenerate knowledge neurons.

In: a model, knowledge neurons. Out: per fact the components, or the reason why there are none.

    distances -> clusters -> functional tests -> random-partition control
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from factneurons.attribution.types import KnowledgeNeurons
from factneurons.degeneracy.control import partition_control
from factneurons.degeneracy.distances import distance_matrix
from factneurons.degeneracy.functional import (
    Drops,
    NeuronSet,
    Suppressed,
    degeneracy_index,
    functional_filter,
    union,
    without_others,
)
from factneurons.degeneracy.settings import SIGNIFICANCE, DegeneracySettings
from factneurons.degeneracy.table import DegeneracyTable
from factneurons.degeneracy.topology import CLUSTERERS, Cluster
from factneurons.degeneracy.types import Bar, Component, DegenerateNeurons
from factneurons.errors import BadNumber
from factneurons.models.types import Neuron, Query

FloatArray = npt.NDArray[np.float64]


class SuppressibleModel(Protocol):
    """What of a model is used here."""

    def out_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        """[n, d], what one unit of each neuron writes."""

    def in_weights(self, neurons: Sequence[Neuron]) -> FloatArray:
        """[n, parts, d], what each neuron reads."""

    def in_encoder(self, layer: int) -> bool:
        """Whether a layer belongs to an encoder."""

    def norm_gain(self, layer: int) -> FloatArray:
        """[d], the gain of the normalisation that the layer's MLP reads through."""

    def probabilities_with(
        self, query: Query, neuron_sets: Sequence[Collection[Neuron]], factor: float = 0.0
    ) -> FloatArray:
        """[sets], P(answer) with the values of each set's neurons multiplied by the factor."""


def find_degenerate(
    model: SuppressibleModel,
    known: KnowledgeNeurons | Iterable[KnowledgeNeurons],
    *,
    settings: DegeneracySettings | None = None,
    seed: int | None = None,
) -> DegeneracyTable:
    """The degenerate knowledge neurons of one or many facts.

    Args:
        model: the model in which the knowledge neurons were found.
        known: the knowledge neurons of one fact, or of many.
        settings: every option; None: the defaults.
        seed: takes the place of the seed in the settings.

    Raises:
        BadNumber: a weight or a probability that is NaN; names the fact.
        BadFact: a fact (id and language) that comes twice.
    """
    settings = settings or DegeneracySettings()
    if seed is not None:
        settings = replace(settings, seed=seed)
    many = [known] if isinstance(known, KnowledgeNeurons) else known
    return DegeneracyTable(tuple(degenerate_neurons(model, each, settings) for each in many), settings)


def degenerate_neurons(
    model: SuppressibleModel, known: KnowledgeNeurons, settings: DegeneracySettings
) -> DegenerateNeurons:
    """The degenerate knowledge neurons of one fact; the order of its neurons does not matter.

    Raises:
        BadNumber: a weight or a probability that is NaN; names the neuron, or the fact and the prompt.
    """
    neurons = sorted(known.neurons)
    if len(neurons) < 2:
        return _none(known, "too-few-neurons")
    distances = _distances(model, neurons, settings)
    clustering = CLUSTERERS[settings.clusterer](distances, settings)
    barcode = tuple(Bar(bar.birth, bar.death, _members(bar, neurons), bar.chosen) for bar in clustering.barcode)
    clusters = {
        frozenset(_members(cluster, neurons)): _component(cluster, neurons, distances)
        for cluster in clustering.clusters
    }
    if clustering.reason:
        return _none(known, clustering.reason, tuple(clusters.values()), barcode)
    everything = union(clusters)
    drops = Drops(
        suppressed_by(model, known),
        [*clusters, *(everything - cluster for cluster in clusters), everything, frozenset(neurons)],
    )
    if not drops.probability > 0:
        return _none(known, "zero-probability", tuple(clusters.values()), barcode)
    return _tested(known, clusters, barcode, drops, settings)


def _tested(
    known: KnowledgeNeurons,
    clusters: dict[NeuronSet, Component],
    barcode: tuple[Bar, ...],
    drops: Drops,
    settings: DegeneracySettings,
) -> DegenerateNeurons:
    candidates = _with_drops(clusters, tuple(clusters), drops)
    details = _graded(known, tuple(clusters), drops)
    passed, reason = functional_filter(tuple(clusters), drops, settings)
    if reason:
        return _none(known, reason, candidates, barcode, details)
    pools = {"knowledge": known.neurons, "components": tuple(union(passed))}
    controls = {
        null: partition_control(passed, pool, drops, settings, fact_key=known.fact.key) for null, pool in pools.items()
    }
    control = controls[settings.null]
    drop_all = drops.of(union(passed))
    return DegenerateNeurons(
        fact=known.fact,
        components=_with_drops(clusters, passed, drops),
        candidates=candidates,
        barcode=barcode,
        reason="",
        drop_all=drop_all,
        degeneracy_index=degeneracy_index(drop_all, without_others(passed, drops)),
        p_value=control.p_value,
        coverage=len(union(passed)) / len(known.neurons),
        verdict="components" if control.p_value <= SIGNIFICANCE else "interchangeable",
        details=details | asdict(control) | {f"p_value_{null}": each.p_value for null, each in controls.items()},
    )


def _none(
    known: KnowledgeNeurons,
    reason: str,
    candidates: tuple[Component, ...] = (),
    barcode: tuple[Bar, ...] = (),
    details: dict[str, float] | None = None,
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
        verdict="none",
        details=details or {},
    )


def _distances(model: SuppressibleModel, neurons: list[Neuron], settings: DegeneracySettings) -> FloatArray:
    layers = {neuron.layer for neuron in neurons}
    return distance_matrix(
        neurons,
        model.out_weights(neurons),
        model.in_weights(neurons),
        span=settings.span,
        max_span=settings.max_span,
        gate=settings.gate,
        norm_gains={layer: model.norm_gain(layer) for layer in layers} if settings.fold_norm_gain else None,
        encoder_layers=[layer for layer in layers if model.in_encoder(layer)],
    )


def suppressed_by(model: SuppressibleModel, known: KnowledgeNeurons) -> Suppressed:
    """P(answer) under suppression, the mean over the prompts that were asked of the model."""

    def ask(neuron_sets: Sequence[Collection[Neuron]]) -> FloatArray:
        rows = [model.probabilities_with(query, neuron_sets, 0.0) for query in known.queries]
        for query, row in zip(known.queries, rows, strict=True):
            if not np.isfinite(row).all():
                raise BadNumber(
                    f"fact {known.fact.id!r}, prompt {query.prompt.text!r}: P(answer) is NaN with neurons "
                    "suppressed; load the model in float32"
                )
        mean: FloatArray = np.mean(rows, axis=0, dtype=np.float64)
        return mean

    return ask


def _members(cluster: Cluster, neurons: list[Neuron]) -> tuple[Neuron, ...]:
    return tuple(neurons[member] for member in cluster.members)


def _component(cluster: Cluster, neurons: list[Neuron], distances: FloatArray) -> Component:
    inside = distances[np.ix_(cluster.members, cluster.members)]
    pairs = inside[np.triu_indices(len(inside), 1)]
    finite = pairs[np.isfinite(pairs)]
    return Component(
        neurons=_members(cluster, neurons),
        birth=cluster.birth,
        death=cluster.death,
        drop_alone=math.nan,
        drop_without_others=math.nan,
        mean_distance=float(finite.mean()) if len(finite) else math.nan,
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
        "coverage_candidates": len(everything) / len(known.neurons),
    }
